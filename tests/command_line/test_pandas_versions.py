"""The whole question in a kernel with pandas 2 and in one with pandas 3."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from analyst_kernel.analysis.assemble import open_analysis
from analyst_kernel.analysis.settings import AnalysisSettings
from tests.kernel.pandas2 import pandas2_kernel
from tests.support.cli import QUESTION, cells, mileage_by_year, notebook_at, pictures

__all__ = ["pandas2_kernel"]

OTHERS = (
    "How many rows are there?",
    "Which make has the highest average city mileage?",
    "Is city mileage related to displ?",
    "Which columns have missing values?",
    "What is the distribution of cty?",
    "Are there outliers in cty?",
)


async def answer_all(folder: Path, kernel: str, pandas: str) -> None:
    settings = AnalysisSettings(model="offline:rules", sandbox="none", kernel_name=kernel)
    analysis = await open_analysis(
        notebook=folder / "mileage.ipynb", data=[folder / "vehicles.csv"], settings=settings
    )
    try:
        finished = await analysis.ask(QUESTION)
        _, version = await analysis.run("print(pd.__version__)")
        assert version.outputs[0].text.startswith(f"{pandas}.")
        assert finished.status == "answered"
        assert f"{mileage_by_year()[2015]:.2f}" in finished.answer
        assert {record.outcome for record in finished.iterations} == {"ok"}
        for question in OTHERS:
            other = await analysis.ask(question)
            assert other.status == "answered", other.reason
            assert other.iterations
            assert {record.outcome for record in other.iterations} == {"ok"}, question
    finally:
        await analysis.close()
    notebook = notebook_at(folder / "mileage.ipynb")
    (png,) = pictures(cells(notebook, "iteration", "r1"))
    assert png
    shown = json.dumps([cell.outputs for cell in cells(notebook, "iteration", "r1")])
    assert f"{mileage_by_year()[2015]:.4f}" in shown


async def test_pandas_3(folder: Path):
    assert pd.__version__.startswith("3.")
    await answer_all(folder, "python3", "3")


async def test_pandas_2(folder: Path, pandas2_kernel: str):
    await answer_all(folder, pandas2_kernel, "2")

"""The Python API: the README's example, own code, charts, several questions, two at once."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import analyst_kernel
from analyst_kernel import Analyst
from analyst_kernel.protocol.errors import DataError, InputError, SandboxError
from analyst_kernel.protocol.events import Event, KernelChanged, RunFinished
from analyst_kernel.protocol.outputs import ResultOutput
from analyst_kernel.protocol.records import Limits
from tests.support.cli import (
    QUESTION,
    VEHICLES,
    cells,
    mileage_by_year,
    notebook_at,
    ours,
    shows_something,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working folder with ``vehicles.csv``."""
    shutil.copyfile(VEHICLES, tmp_path / "vehicles.csv")
    return tmp_path


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def mean_of(make: str | None = None) -> float:
    vehicles = pd.read_csv(VEHICLES)
    rows = vehicles if make is None else vehicles[vehicles["make"] == make]
    return float(rows["cty"].mean())


def kernels_started(events: list[Event]) -> int:
    return sum(isinstance(event, KernelChanged) and event.state == "ready" for event in events)


async def test_the_example_of_the_readme(here: Path):
    seen: list[Event] = []
    async with Analyst(model="offline:rules", on_event=seen.append) as analyst:
        result = await analyst.ask(QUESTION, data=["vehicles.csv"], notebook="mileage.ipynb")
        more = await analyst.ask("What is the average city mileage for Toyota?")
        cell = await analyst.run("vehicles.groupby('year')['cty'].mean()")
        assert analyst.notebook == str(here / "mileage.ipynb")

    assert result.status == "answered"
    assert f"{mileage_by_year()[2015]:.2f}" in result.answer
    assert result.notebook == str(here / "mileage.ipynb")
    assert [record.outcome for record in result.iterations] == ["ok"] * 3
    assert result.findings
    assert result.usage.cost_usd == 0
    assert result.seconds > 0
    (chart,) = result.charts
    assert chart.png is not None
    assert shows_something(chart.png)
    assert chart.cell == result.iterations[-1].cell

    assert more.status == "answered"
    assert f"{mean_of('Toyota'):.2f}" in more.answer
    assert more.notebook == result.notebook
    assert kernels_started(seen) == 1, "both questions ran in the same kernel"

    assert cell.outcome == "ok"
    assert f"{mileage_by_year()[1984]:.6f}" in cell.text
    assert "vehicles" in {frame.name for frame in cell.frames}

    notebook = notebook_at(here / "mileage.ipynb")
    assert len(cells(notebook, "setup")) == 1
    assert [ours(c)["run"] for c in cells(notebook, "answer")] == ["r1", "r2"]
    own = next(c for c in notebook.cells if c.id == cell.cell)
    assert ours(own)["origin"] == "user"
    assert own.source == "vehicles.groupby('year')['cty'].mean()"
    assert own.execution_count == max(c.get("execution_count") or 0 for c in notebook.cells)


async def test_a_chart_carries_its_data(here: Path):
    async with Analyst(model="offline:rules") as analyst:
        result = await analyst.ask(QUESTION, data="vehicles.csv", notebook="mileage.ipynb")
        drawn = await analyst.run("ax = vehicles['fuel'].value_counts().head(3).plot.bar()")
    (chart,) = result.charts
    assert chart.data is not None
    assert chart.data["type"] == "line"
    (line,) = chart.data["elements"]
    points = {int(x): y for x, y in line["points"]}
    assert points == pytest.approx(mileage_by_year())
    assert chart.alt
    assert "2015" in chart.alt
    (bars,) = drawn.charts
    assert bars.data is not None
    assert bars.data["type"] == "bar"
    counts = pd.read_csv(VEHICLES)["fuel"].value_counts().head(3)
    shown = {element["label"]: element["value"] for element in bars.data["elements"]}
    assert shown == pytest.approx(counts.to_dict())


async def test_own_code_that_fails_is_a_result_not_an_exception(here: Path):
    async with Analyst(model="offline:rules") as analyst:
        first = await analyst.run("kept = 41")
        failed = await analyst.run("kept / 0")
        slow = await analyst.run("import time; time.sleep(600)", timeout=0.5)
        after = await analyst.run("kept + 1")
    assert first.outcome == "ok"
    assert failed.outcome == "error"
    assert failed.error is not None
    assert failed.error.name == "ZeroDivisionError"
    assert slow.outcome == "timeout"
    assert after.text == "42"
    notebook = notebook_at(here / "my-own-cells.ipynb")
    mine = [c for c in notebook.cells if ours(c).get("origin") == "user"]
    assert [ours(c)["outcome"] for c in mine] == ["ok", "error", "timeout", "ok"]
    tagged = ["raises-exception" in c.metadata.get("tags", []) for c in mine]
    assert tagged == [False, True, True, False]


def test_the_blocking_form(here: Path):
    result = analyst_kernel.ask("How many rows are there?", data="vehicles.csv", notebook="n.ipynb")
    assert result.status == "answered"
    assert "33,442" in result.answer


async def test_the_blocking_form_inside_a_running_loop(here: Path):
    assert asyncio.get_running_loop().is_running()
    result = analyst_kernel.ask("How many rows are there?", data=[here / "vehicles.csv"])
    assert "33,442" in result.answer
    assert result.notebook == str(here / "how-many-rows-are-there.ipynb")
    with pytest.raises(DataError):
        analyst_kernel.ask("How many rows are there?", data="missing.csv")


async def test_two_analysts_side_by_side(here: Path):
    shutil.copyfile(VEHICLES.with_name("penguins_raw.csv"), here / "penguins_raw.csv")
    async with Analyst("offline:rules") as one, Analyst("offline:rules") as two:
        cars, birds = await asyncio.gather(
            one.ask("How many rows are there?", data="vehicles.csv"),
            two.ask("How many rows are there?", data="penguins_raw.csv"),
        )
        await asyncio.gather(one.run("mark = 'one'"), two.run("mark = 'two'"))
        marks = await asyncio.gather(one.run("print(mark)"), two.run("print(mark)"))
        alone = await two.run("vehicles")
    assert "33,442" in cars.answer
    assert f"{len(pd.read_csv(here / 'penguins_raw.csv'))}" in birds.answer
    assert [cell.text for cell in marks] == ["one", "two"]
    assert alone.error is not None
    assert alone.error.name == "NameError", "kernels share nothing"
    assert cars.notebook != birds.notebook, "the same question: the second name got a number"
    assert {Path(str(path)).name for path in (cars.notebook, birds.notebook)} == {
        "how-many-rows-are-there.ipynb", "how-many-rows-are-there-1.ipynb",
    }  # fmt: skip


async def test_an_existing_notebook_is_continued_with_its_state(here: Path):
    async with Analyst("offline:rules") as analyst:
        await analyst.ask("How many rows are there?", data="vehicles.csv", notebook="kept.ipynb")
        await analyst.run("fast = vehicles[vehicles['cty'] > 40]\nlen(fast)")
    before = notebook_at(here / "kept.ipynb")
    async with Analyst("offline:rules") as analyst:
        result = await analyst.ask("What is the average cty?", notebook="kept.ipynb")
        cell = await analyst.run("len(fast)")
    assert f"{mean_of():.2f}" in result.answer
    assert cell.outcome == "ok", "the state of the notebook was brought back"
    (output,) = cell.outputs
    assert isinstance(output, ResultOutput)
    vehicles = pd.read_csv(VEHICLES)
    assert output.data["text/plain"] == str((vehicles["cty"] > 40).sum())
    after = notebook_at(here / "kept.ipynb")
    kept = after.cells[: len(before.cells)]
    assert [(c.id, c.source, c.get("outputs")) for c in kept] == [
        (c.id, c.source, c.get("outputs")) for c in before.cells
    ]
    assert [ours(c)["run"] for c in cells(after, "question")] == ["r1", "r2"]
    assert len(cells(after, "title")) == len(cells(after, "setup")) == 1


async def test_a_notebook_of_somebody_else_is_extended_not_changed(here: Path):
    own: dict[str, Any] = {
        "cells": [
            {"cell_type": "code", "id": "abc", "metadata": {"mine": 1}, "source": "x = 1",
             "outputs": [], "execution_count": None},
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    (here / "mine.ipynb").write_text(json.dumps(own))
    async with Analyst("offline:rules") as analyst:
        result = await analyst.ask("How many rows?", data="vehicles.csv", notebook="mine.ipynb")
    assert result.status == "answered"
    notebook = notebook_at(here / "mine.ipynb")
    first = notebook.cells[0]
    assert (first.id, first.source, first.metadata) == ("abc", "x = 1", {"mine": 1})
    assert notebook.metadata.kernelspec.name == "python3"
    assert len(cells(notebook, "answer")) == 1


async def test_more_data_for_the_second_question(here: Path):
    shutil.copyfile(VEHICLES.with_name("penguins_raw.csv"), here / "penguins_raw.csv")
    async with Analyst("offline:rules") as analyst:
        await analyst.ask("How many rows are there?", data="vehicles.csv", notebook="two.ipynb")
        result = await analyst.ask("How many rows has penguins_raw?", data="penguins_raw.csv")
        both = await analyst.run("len(vehicles), len(penguins_raw)")
    assert result.status == "answered"
    assert both.text == "(33442, 344)"
    assert len(cells(notebook_at(here / "two.ipynb"), "setup")) == 2


async def test_what_cannot_be_used_is_an_exception_and_leaves_nothing(here: Path):
    before = sorted(here.iterdir())
    for arguments, error in (
        ({"data": "missing.csv"}, DataError),
        ({"data": "vehicles.csv", "notebook": "answer.txt"}, InputError),
    ):
        async with Analyst("offline:rules") as analyst:
            with pytest.raises(error):
                await analyst.ask("How many rows?", **arguments)
    async with Analyst("offline:rules") as analyst:
        with pytest.raises(InputError):
            await analyst.ask("  ", data="vehicles.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANALYST_SANDBOX_FORM", "limits")
        async with Analyst("offline:rules", sandbox="isolated") as analyst:
            with pytest.raises(SandboxError):
                await analyst.ask("How many rows?", data="vehicles.csv")
            with pytest.raises(SandboxError):
                await analyst.run("1")
    assert sorted(here.iterdir()) == before


async def test_another_notebook_needs_another_analyst(here: Path):
    async with Analyst("offline:rules") as analyst:
        await analyst.ask("How many rows?", data="vehicles.csv", notebook="one")
        again = await analyst.ask("How many columns?", notebook="one.ipynb")
        assert again.notebook == str(here / "one.ipynb")
        with pytest.raises(InputError, match=r"not in two\.ipynb"):
            await analyst.ask("How many rows?", notebook="two.ipynb")


async def test_the_stream_ends_with_the_run_and_leaving_it_stops_the_run(here: Path):
    limits = Limits(iterations=10)
    async with Analyst("offline:rules", limits=limits) as analyst:
        events = [event async for event in analyst.stream(QUESTION, data="vehicles.csv")]
        assert isinstance(events[-1], RunFinished)
        assert events[-1].status == "answered"
        async with aclosing(analyst.stream("What is the average cty by year?")) as stream:
            async for event in stream:
                if event.type == "iteration_started":
                    break
        cell = await analyst.run("1 + 1")
        assert cell.text == "2"
        assert analyst.notebook is not None
        last = cells(notebook_at(analyst.notebook), "answer")[-1]
        assert "cancelled" in last.source

"""Notebook in, notebook out: the files of ``files/`` are what a user would open.

``UPDATE_GOLDEN=1`` writes them anew; the difference is then for a user to read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from analyst_kernel.notebook.document.operations import (
    Document,
    SetNotebook,
    adoption,
    apply,
    new_document,
)
from analyst_kernel.notebook.document.serialize import parse, validate
from analyst_kernel.notebook.export.clean import cleaned
from analyst_kernel.notebook.export.export import page, render, script
from analyst_kernel.protocol.ids import AnalysisId
from tests.notebook.entry_makers import iteration, plan, ran, recorded, result, whole_run

FILES = Path(__file__).parent / "files"
MADE = "2026-01-02T03:04:05+00:00"
PACKAGES = {"pandas": "3.1.0", "matplotlib": "3.11.0"}


def load(name: str) -> Document:
    return parse((FILES / name).read_text("utf-8"), name)


def matches(name: str, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        (FILES / name).write_text(text, "utf-8")
    assert text == (FILES / name).read_text("utf-8")


def test_a_whole_run() -> None:
    blank = new_document(AnalysisId("0123456789ab"), created=MADE, model="m:n", python="3.11.7")
    document = recorded(apply(blank, SetNotebook({"packages": PACKAGES})), *whole_run())
    validate(document)
    matches("analysis.ipynb", render(document))


def test_a_foreign_notebook_extended() -> None:
    document = apply(load("foreign.ipynb.txt"), adoption(AnalysisId("0123456789ab"), created=MADE))
    document = recorded(document, iteration(1, "sum(prices) / 3", ran(result("2.0", 2), count=2)))
    validate(document)
    matches("foreign_extended.ipynb", render(document))


def test_a_notebook_edited_by_hand_goes_on() -> None:
    document = load("analysis.ipynb")
    document["cells"][3]["source"] = "### Plan\n\nmy own plan"
    document["cells"][8]["source"] += "\n# a note of mine"
    later = recorded(document, plan(("Look", "done"), ("Draw the trend", "done")))
    validate(later)
    matches("analysis_edited.ipynb", render(later))


@pytest.mark.parametrize("name", ["analysis.ipynb", "foreign_extended.ipynb"])
def test_clean(name: str) -> None:
    document = load(name)
    clean = cleaned(document, folder=FILES, destination=FILES / name)
    validate(clean)
    assert document == load(name)
    matches(name.replace(".ipynb", "_clean.ipynb"), render(clean))


def test_script() -> None:
    text = script(
        cleaned(load("analysis.ipynb"), folder=FILES, destination=FILES / "a.py", keep=None)
    )
    compile(text, "a.py", "exec")
    matches("analysis.py.txt", text)


def test_links_to_cells_lead_somewhere_in_every_export(tmp_path: Path) -> None:
    document = recorded(new_document(AnalysisId("0123456789ab"), created=MADE), *whole_run())
    web = page(document, "links")
    for target in re.findall(r'href="#(cell-id=[^"]+)"', web):
        assert f'id="{target}"' in web
    assert 'href="#cell-id=it3"' in web
    clean = cleaned(document, folder=tmp_path, destination=tmp_path / "clean.ipynb")
    there = {cell["id"] for cell in clean["cells"]}
    texts = "\n".join(c["source"] for c in clean["cells"] if c["cell_type"] == "markdown")
    linked = set(re.findall(r"#cell-id=([\w-]+)", texts))
    assert {"it2", "it3"} <= linked <= there
    assert "· cell 1, [cell 2](#cell-id=it2)" in texts, "cell 1 failed and is left out"
    source = script(document)
    assert "#cell-id" not in source
    assert "by `2.4`, over 31† years [cell 3]" in source
    assert "# Cell 3, step 2: Draw the mean by year" in source

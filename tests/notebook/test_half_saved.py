"""Notebooks that another program is saving, or was saving when it was killed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from analyst_kernel.notebook.document.operations import new_document
from analyst_kernel.notebook.document.serialize import Renderer
from analyst_kernel.notebook.storage.disk import read_during_save
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import AnalysisId

WHOLE = Renderer().render(
    new_document(AnalysisId("a1"), created="2026-11-21", model="offline:rules", python="3.11")
)
HALF = WHOLE[: len(WHOLE) // 2]


def test_after_a_save_that_was_cut_off_the_version_before_is_back(tmp_path: Path):
    path, copy = tmp_path / "n.ipynb", tmp_path / ".~n.ipynb"
    path.write_text(HALF, encoding="utf-8")
    copy.write_text(WHOLE, encoding="utf-8")
    document, stamp = read_during_save(path, seconds=0)
    assert document["metadata"]["analyst_kernel"]["analysis"] == "a1"
    assert path.read_text(encoding="utf-8") == WHOLE
    assert (tmp_path / "n.ipynb.invalid").read_text(encoding="utf-8") == HALF
    assert not copy.exists()
    assert read_during_save(path)[1] == stamp


def test_a_save_under_way_is_waited_for(tmp_path: Path):
    path, copy = tmp_path / "n.ipynb", tmp_path / ".~n.ipynb"
    path.write_text(HALF, encoding="utf-8")
    copy.write_text(WHOLE, encoding="utf-8")

    def finish() -> None:
        path.write_text(WHOLE, encoding="utf-8")
        copy.unlink(missing_ok=True)

    saving = threading.Timer(0.3, finish)
    saving.start()
    read_during_save(path, seconds=60)
    saving.join()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["n.ipynb"]


@pytest.mark.parametrize("beside", [None, HALF, "{}"])
def test_without_a_better_version_nothing_is_touched(tmp_path: Path, beside: str | None):
    path, copy = tmp_path / "n.ipynb", tmp_path / ".~n.ipynb"
    path.write_text(HALF, encoding="utf-8")
    if beside is not None:
        copy.write_text(beside, encoding="utf-8")
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(NotebookError):
        read_during_save(path, seconds=0)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_what_is_json_but_no_notebook_is_not_exchanged(tmp_path: Path):
    path = tmp_path / "n.ipynb"
    path.write_text("[1, 2]", encoding="utf-8")
    (tmp_path / ".~n.ipynb").write_text(WHOLE, encoding="utf-8")
    with pytest.raises(NotebookError):
        read_during_save(path, seconds=0)
    assert path.read_text(encoding="utf-8") == "[1, 2]"


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path):
    path, copy = tmp_path / "n.ipynb", tmp_path / ".~n.ipynb"
    path.write_text(HALF, encoding="utf-8")
    copy.write_text(WHOLE, encoding="utf-8")
    # In the way of what is kept of the half; permissions would not stop root.
    (tmp_path / "n.ipynb.invalid").mkdir()
    (tmp_path / "n.ipynb.invalid" / "n.ipynb").mkdir()
    with pytest.raises(NotebookError, match="cannot be put in its place"):
        read_during_save(path, seconds=0)
    assert path.read_text(encoding="utf-8") == HALF
    assert copy.read_text(encoding="utf-8") == WHOLE

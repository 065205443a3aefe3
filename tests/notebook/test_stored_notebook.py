"""The notebook as a file: created, extended, shared with other writers, cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest

from analyst_kernel.agent.ports import Notebook
from analyst_kernel.notebook.document.operations import cell_notes
from analyst_kernel.notebook.document.serialize import parse, validate
from analyst_kernel.notebook.storage import files
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import AnalysisId
from tests.notebook.entry_makers import iteration, plan, question, ran, result, whole_run

FILES = Path(__file__).parent / "files"


def saved(path: str | Path) -> dict[str, Any]:
    text = Path(path).read_text("utf-8")
    validate(json.loads(text))
    return parse(text, "saved")


def cells(path: str | Path) -> list[str]:
    return [c["source"] for c in saved(path)["cells"]]


def change(path: str | Path, edit: Any) -> None:
    """Save the notebook as another program would, through nbformat."""
    read: Any = nbformat.read
    node = read(path, as_version=4)
    edit(node)
    nbformat.write(node, path)


async def test_each_record_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a", analysis=AnalysisId("abc"), model="m:n")
    port: Notebook = notebook
    assert port.path == str(tmp_path / "a.ipynb")
    assert saved(port.path)["cells"] == []
    for number, entry in enumerate(whole_run(), start=1):
        await port.record(entry)
        assert port.cell_count == len(cells(port.path)) == number
    assert os.listdir(tmp_path) == ["a.ipynb"]
    assert notebook.analysis == "abc"
    assert notebook.runs == ("r1",)
    assert notebook.next_run == "r2"


async def test_a_record_that_changes_nothing_does_not_write(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    await notebook.record(iteration(1, "x"))
    before = os.stat(notebook.path).st_ino
    await notebook.record(iteration(1, "x"))
    assert os.stat(notebook.path).st_ino == before


async def test_a_taken_name_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("mine")
    first = await StoredNotebook.create(tmp_path / "a.ipynb")
    second = await StoredNotebook.create(tmp_path / "a.ipynb")
    assert (tmp_path / "a.ipynb").read_text() == "mine"
    assert [Path(n.path).name for n in (first, second)] == ["a-1.ipynb", "a-2.ipynb"]


async def test_writers_that_race_for_a_name_get_one_each(tmp_path: Path) -> None:
    made = await asyncio.gather(*(StoredNotebook.create(tmp_path / "a") for _ in range(8)))
    assert len({n.path for n in made}) == 8
    assert len(os.listdir(tmp_path)) == 8


async def test_an_empty_notebook_can_be_taken_back(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    await notebook.discard_if_empty()
    assert os.listdir(tmp_path) == []
    kept = await StoredNotebook.create(tmp_path / "b.ipynb")
    await kept.record(iteration(1, "x"))
    await kept.discard_if_empty()
    reopened = await StoredNotebook.open(kept.path)
    await reopened.discard_if_empty()
    assert os.listdir(tmp_path) == ["b.ipynb"]


async def test_a_notebook_of_ours_is_continued(tmp_path: Path) -> None:
    first = await StoredNotebook.create(tmp_path / "a.ipynb", model="m:one")
    for entry in whole_run():
        await first.record(entry)
    again = await StoredNotebook.open(first.path, analysis=AnalysisId("ignored"))
    assert (again.analysis, again.next_run, again.model) == (first.analysis, "r2", "m:one")
    await again.record(question("And for Toyota?", "r2"))
    assert cells(first.path)[-1] == "## And for Toyota?"
    assert len(cells(first.path)) == len(whole_run()) + 1
    assert again.runs == ("r1", "r2")


async def test_a_foreign_notebook_is_extended_and_keeps_what_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "foreign.ipynb"
    shutil.copy(FILES / "foreign.ipynb.txt", path)
    before = parse(path.read_text("utf-8"), "f")
    notebook = await StoredNotebook.open(path, analysis=AnalysisId("abc"))
    assert json.loads(path.read_text("utf-8"))["nbformat_minor"] == 2
    await notebook.record(iteration(1, "x"))
    after = saved(path)
    assert after["cells"][:3] == before["cells"]
    assert after["metadata"]["kernelspec"]["name"] == "python3"
    assert after["metadata"]["authors"] == [{"name": "M"}]
    assert after["metadata"]["analyst_kernel"]["analysis"] == "abc"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not valid JSON"),
        ((FILES / "version_3.ipynb.txt").read_text("utf-8"), "format version 3"),
        ("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n", "merge conflict"),
        (
            '{"cells": [], "metadata": {"kernelspec": {"name": "ir", "display_name": "R",'
            ' "language": "R"}}, "nbformat": 4, "nbformat_minor": 5}',
            "notebook in R",
        ),
    ],
)
async def test_what_cannot_be_extended_is_untouched(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content, "utf-8")
    with pytest.raises(NotebookError, match=says):
        await StoredNotebook.open(path)
    assert path.read_text("utf-8") == content
    assert os.listdir(tmp_path) == ["a.ipynb"]


async def test_missing_folders_binary_files_and_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.ipynb").write_bytes(b"\x80\x81\xff")
    (tmp_path / "c.ipynb").mkdir()
    with pytest.raises(NotebookError, match="There is no notebook"):
        await StoredNotebook.open(tmp_path / "none.ipynb")
    with pytest.raises(NotebookError, match="not UTF-8"):
        await StoredNotebook.open(tmp_path / "b.ipynb")
    with pytest.raises(NotebookError, match="is a folder"):
        await StoredNotebook.open(tmp_path / "c.ipynb")
    with pytest.raises(NotebookError, match="does not exist"):
        await StoredNotebook.create(tmp_path / "no" / "a.ipynb")
    with pytest.raises(NotebookError, match=r"b\.ipynb is not a folder"):
        await StoredNotebook.create(tmp_path / "b.ipynb" / "a.ipynb")


async def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    first = await StoredNotebook.create(tmp_path / "real" / "a.ipynb")
    os.chmod(first.path, 0o640)
    link = tmp_path / "link.ipynb"
    link.symlink_to("real/a.ipynb")
    notebook = await StoredNotebook.open(link)
    await notebook.record(iteration(1, "x"))
    assert notebook.path == str(link)
    assert link.is_symlink()
    assert cells(first.path) == ["x"]
    assert stat.S_IMODE(os.stat(first.path).st_mode) == 0o640
    assert os.listdir(tmp_path / "real") == ["a.ipynb"]


async def test_a_write_protected_notebook_is_not_replaced(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    os.chmod(notebook.path, 0o444)
    with pytest.raises(NotebookError, match="write-protected"):
        await notebook.record(iteration(1, "x"))
    assert cells(notebook.path) == []
    os.chmod(notebook.path, 0o644)
    await notebook.record(iteration(2, "y"))
    assert cells(notebook.path) == ["x", "y"]


async def test_an_edit_by_another_program_is_kept(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    await notebook.record(iteration(1, "x = 1"))
    await notebook.record(plan(("Look", "doing")))

    def edit(node: Any) -> None:
        node.cells[0].source = "x = 42"
        node.cells.insert(0, nbformat.v4.new_markdown_cell("my notes"))
        node.metadata["theirs"] = 1

    change(notebook.path, edit)
    await notebook.record(iteration(2, "y = 2"))
    assert cells(notebook.path) == [
        "my notes",
        "x = 42",
        "### Plan\n\n- [ ] 1. Look *(in progress)*",
        "y = 2",
    ]
    await notebook.record(iteration(1, "x = 1", ran(result("1"))))
    assert cells(notebook.path)[:3] == ["my notes", "x = 42", "x = 1"]
    document = saved(notebook.path)
    assert document["metadata"]["theirs"] == 1
    assert cell_notes(document["cells"][1]) == {"origin": "user"}


async def test_an_older_version_put_back_gets_our_cells_again(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    await notebook.record(iteration(1, "x"))
    older = Path(notebook.path).read_bytes()
    await notebook.record(iteration(2, "y"))
    Path(notebook.path).write_bytes(older)
    await notebook.record(iteration(3, "z"))
    assert cells(notebook.path) == ["x", "y", "z"]


async def test_a_notebook_stripped_of_our_notes_keeps_the_analysis(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb", analysis=AnalysisId("abc"))
    await notebook.record(iteration(1, "x"))

    def strip(node: Any) -> None:
        node.metadata.pop("analyst_kernel")
        node.cells.append(nbformat.v4.new_markdown_cell("more"))

    change(notebook.path, strip)
    await notebook.record(iteration(2, "y"))
    assert cells(notebook.path) == ["x", "more", "y"]
    assert notebook.analysis == "abc"


async def test_a_deleted_file_is_written_again(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    await notebook.record(iteration(1, "x"))
    os.unlink(notebook.path)
    await notebook.record(iteration(2, "y"))
    assert cells(notebook.path) == ["x", "y"]


async def test_a_damaged_file_is_not_overwritten_and_nothing_is_lost(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    good = Path(notebook.path).read_bytes()
    Path(notebook.path).write_text("<<<<<<< HEAD\n")
    with pytest.raises(NotebookError, match="merge conflict"):
        await notebook.record(iteration(1, "x"))
    assert Path(notebook.path).read_text() == "<<<<<<< HEAD\n"
    Path(notebook.path).write_bytes(good)
    await notebook.record(iteration(2, "y"))
    assert cells(notebook.path) == ["x", "y"]


async def test_another_analysis_in_its_place_is_left_alone(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    other = await StoredNotebook.create(tmp_path / "b.ipynb")
    os.replace(other.path, notebook.path)
    with pytest.raises(NotebookError, match="another analysis"):
        await notebook.record(iteration(1, "x"))
    assert cells(notebook.path) == []


async def test_cancelling_waits_for_the_write_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    entered, leave = threading.Event(), threading.Event()
    real = files.replace

    def slow(path: Path, text: str, expected: files.FileStamp | None) -> files.FileStamp:
        entered.set()
        leave.wait(60)
        return real(path, text, expected)

    monkeypatch.setattr(files, "replace", slow)
    task = asyncio.ensure_future(notebook.record(iteration(1, "x")))
    await asyncio.to_thread(entered.wait, 60)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    leave.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cells(notebook.path) == ["x"]
    assert os.listdir(tmp_path) == ["a.ipynb"]


async def test_a_write_of_another_program_in_between_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    real = files.replace
    rounds: list[int] = []

    def raced(path: Path, text: str, expected: files.FileStamp | None) -> files.FileStamp:
        if not rounds:
            change(path, lambda node: node.cells.append(nbformat.v4.new_markdown_cell("late")))
        rounds.append(1)
        return real(path, text, expected)

    monkeypatch.setattr(files, "replace", raced)
    await notebook.record(iteration(1, "x"))
    assert cells(notebook.path) == ["late", "x"]
    assert len(rounds) == 2


async def test_leftovers_of_crashed_writers_are_removed(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    old, young = tmp_path / ".a.ipynb.0123.tmp", tmp_path / ".a.ipynb.4567.tmp"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    await StoredNotebook.open(notebook.path)
    assert sorted(os.listdir(tmp_path)) == [young.name, "a.ipynb"]


async def test_facts_of_the_kernel_are_noted(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb", python="3.11.7")
    await notebook.describe(packages={"pandas": "3.1.0"}, model="m:n")
    metadata = saved(notebook.path)["metadata"]
    assert metadata["language_info"]["version"] == "3.11.7"
    assert metadata["analyst_kernel"]["packages"] == {"pandas": "3.1.0"}
    assert notebook.model == "m:n"

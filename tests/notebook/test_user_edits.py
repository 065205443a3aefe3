"""What a user changed in the notebook, apart from what the analysis wrote; undo."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import CellChange, IterationEntry
from analyst_kernel.notebook.document.operations import (
    Document,
    RemoveRun,
    SetNotebook,
    apply,
    is_applied,
    is_edited,
    new_document,
    operations_for,
    run_cells,
)
from analyst_kernel.notebook.document.read import entries_of, next_run, runs_of, undone_runs
from analyst_kernel.notebook.document.user_edits import LONGEST_TEXT, UserEdits
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from tests.notebook.entry_makers import iteration, printed, question, ran, recorded, result

R1, R2 = RunId("r1"), RunId("r2")


def book(*more: IterationEntry) -> Document:
    blank = new_document(AnalysisId("a1"), created="2026-01-02T03:04:05+00:00")
    return recorded(
        blank,
        question("First?"),
        iteration(1, "x = 1\nx", ran(result("1")), purpose="Look"),
        iteration(2, "y = 2\ny", ran(result("2", 2), count=2)),
        *more,
    )


def own(name: str, source: str, count: int | None = None) -> dict[str, Any]:
    outputs = [] if count is None else [{"output_type": "stream", "name": "stdout", "text": "o\n"}]
    return {
        "cell_type": "code", "id": name, "metadata": {}, "source": source,
        "execution_count": count, "outputs": outputs,
    }  # fmt: skip


def with_cells(document: Document, cells: list[dict[str, Any]]) -> Document:
    return {**copy.deepcopy(document), "cells": copy.deepcopy(cells)}


def edited(document: Document, name: str, **values: Any) -> Document:
    cells = [{**c, **values} if c["id"] == name else c for c in document["cells"]]
    return with_cells(document, cells)


def seen(document: Document) -> UserEdits:
    watch = UserEdits.of(document)
    watch.take(document)
    return watch


def kinds(changes: tuple[CellChange, ...]) -> list[tuple[str, str]]:
    return [(change.cell, change.kind) for change in changes]


def test_each_kind_of_change_is_returned_once() -> None:
    before = book()
    watch = seen(before)
    now = edited(before, "it1", source="x = 10\nx", execution_count=7)
    cells = [c for c in now["cells"] if c["id"] != "it2"] + [own("mine", "z = 3", 8)]
    now = with_cells(now, cells)
    changes = watch.take(now)
    assert kinds(changes) == [("it1", "edited"), ("mine", "added"), ("it2", "deleted")]
    change = changes[0]
    assert (change.before, change.now) == ("# Cell 1, step 1: Look\nx = 1\nx", "x = 10\nx")
    assert (change.iteration, change.run, change.ran) == (1, "r1", True)
    assert changes[1].ran
    assert changes[2].before == "y = 2\ny"
    assert watch.take(now) == ()


def test_a_cell_that_only_ran_again_is_returned_with_its_outputs() -> None:
    before = book()
    watch = seen(before)
    (change,) = watch.take(edited(before, "it2", execution_count=9))
    assert (change.kind, change.ran, len(change.outputs)) == ("ran", True, 1)
    # Cleared outputs are no run.
    assert watch.take(edited(before, "it2", execution_count=None, outputs=[])) == ()


def test_what_the_analysis_writes_itself_is_no_change() -> None:
    before = book()
    watch = seen(before)
    entry = iteration(3, "a = 1", ran(printed("1\n")))
    after = recorded(before, entry)
    assert watch.take(after) == ()  # also where a crash kept it from taking note
    watch = seen(before)
    for operation in operations_for(iteration(2, "y = 3\ny", ran(count=5))):
        watch.write(operation.cell)  # type: ignore[union-attr] # an iteration is one cell
    again = recorded(before, iteration(2, "y = 3\ny", ran(count=5)))
    assert watch.take(again) == ()


def test_a_users_cell_in_the_panel_is_theirs() -> None:
    before = book()
    watch = seen(before)
    theirs = iteration(0, "mine = 1", ran(), cell="by-hand", origin="user", step=None)
    assert kinds(watch.take(recorded(before, theirs))) == [("by-hand", "added")]


def test_what_was_seen_survives_the_process() -> None:
    document = book()
    watch = seen(document)
    document = apply(document, SetNotebook({"seen": watch.to_notes()}))
    text = json.loads(json.dumps(document))
    again = UserEdits.of(text)
    assert again.take(text) == ()
    again = UserEdits.of(text)
    (change,) = again.take(edited(text, "it1", source="x = 5"))
    assert change.before == "# Cell 1, step 1: Look\nx = 1\nx"


def test_a_foreign_notebook_counts_as_seen_and_an_old_one_of_ours_does_not() -> None:
    foreign = {"cells": [own("a", "1")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    assert UserEdits.of(foreign).take(foreign) == ()
    old = edited(book(), "it1", source="x = 5")
    (change,) = UserEdits.of(old).take(old)
    assert (change.kind, change.before, change.now) == ("edited", None, "x = 5")


def test_a_very_long_cell_is_stored_without_its_text() -> None:
    long = "#" * (LONGEST_TEXT + 1)
    document = recorded(book(), iteration(3, long, ran()))
    watch = seen(document)
    assert "text" not in watch.to_notes()["it3"]
    (change,) = watch.take(edited(document, "it3", source=long + "1"))
    assert (change.kind, change.before) == ("edited", None)


@given(st.data())
def test_changes_are_exactly_the_edits(data: st.DataObject) -> None:
    ids = ["it1", "it2", "own1", "own2"]
    start = book()
    start = with_cells(start, [*start["cells"], own("own1", "p = 1"), own("own2", "q = 2")])
    watch = seen(start)
    change_ids = data.draw(st.sets(st.sampled_from(ids)))
    gone = data.draw(st.sets(st.sampled_from(ids))) - change_ids
    new = data.draw(st.lists(st.text("abc =1", min_size=1), max_size=3))
    cells = [
        {**c, "source": c["source"] + "\n0"} if c["id"] in change_ids else c
        for c in start["cells"]
        if c["id"] not in gone
    ]
    cells += [own(f"new{n}", source) for n, source in enumerate(new)]
    now = with_cells(start, cells)
    found = {(change.cell, change.kind) for change in watch.take(now)}
    added = {(f"new{n}", "added") for n, source in enumerate(new) if source.strip()}
    assert found == ({(i, "edited") for i in change_ids} | {(i, "deleted") for i in gone} | added)
    assert watch.take(now) == ()


def test_a_cell_that_was_edited_runs_again_as_it_stands_and_stays_the_users() -> None:
    document = edited(book(), "it1", source="# Step 9: my own words\nx = 5\nx")
    entry = next(e for e in entries_of(document) if e.cell == CellId("it1"))
    assert isinstance(entry, IterationEntry)
    assert entry.code == "# Step 9: my own words\nx = 5\nx"
    rerun = iteration(1, entry.code, ran(result("5", 9), count=9), purpose=entry.purpose)
    after = recorded(document, rerun)
    cells = [c for c in after["cells"] if c["cell_type"] == "code"]
    assert [c["id"] for c in cells] == ["it1", "it2"]
    assert cells[0]["source"] == entry.code
    assert cells[0]["outputs"][0]["data"] == {"text/plain": "5"}
    assert is_edited(after, cells[0])
    (operation,) = operations_for(rerun)
    assert is_applied(after, operation)
    # Deleted afterwards, it does not come back.
    gone = with_cells(after, [c for c in after["cells"] if c["id"] != "it1"])
    assert apply(gone, operation) is gone


def test_undo_removes_the_runs_cells_and_leaves_what_is_the_users() -> None:
    start = book()
    second = [
        question("Second?", "r2"),
        iteration(1, "z = 3", ran(), cell="r2-1", run="r2"),
        iteration(2, "w = 4", ran(), cell="r2-2", run="r2"),
        iteration(0, "mine", ran(), cell="r2-own", run="r2", origin="user"),
    ]
    document = edited(recorded(start, *second), "r2-1", source="z = 30")
    found = run_cells(document, R2)
    assert found.removed == ("question-r2", "r2-2")
    assert found.kept == ("r2-1", "r2-own")
    after = apply(document, RemoveRun(R2))
    assert [c["id"] for c in after["cells"]] == ["question-r1", "it1", "it2", "r2-1", "r2-own"]
    kept = {c["id"]: c["metadata"]["analyst_kernel"] for c in after["cells"][-2:]}
    assert kept == {"r2-1": {"origin": "user"}, "r2-own": {"origin": "user"}}
    assert apply(after, RemoveRun(R2)) is after
    assert runs_of(after) == (R1,)
    assert undone_runs(after) == (R2,)
    assert next_run(after) == "r3"
    assert {getattr(e, "run", R1) for e in entries_of(after)} == {R1}
    # A late write of what was removed does not bring it back.
    for entry in (second[0], second[2]):
        for operation in operations_for(entry):
            after = apply(after, operation)
    assert "r2-2" not in [c["id"] for c in after["cells"]]
    assert runs_of(after) == (R1,)


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_undo_touches_nothing_else(of_run: set[int], changed: set[int]) -> None:
    document = book()
    for n in range(6):
        run = "r2" if n in of_run else "r1"
        document = recorded(document, iteration(n + 3, f"a{n} = 1", ran(), run=run))
    for n in changed:
        document = edited(document, f"it{n + 3}", source=f"a{n} = 2")
    after = apply(document, RemoveRun(R2))
    gone = {f"it{n + 3}" for n in of_run - changed}
    assert [c["id"] for c in after["cells"]] == [
        c["id"] for c in document["cells"] if c["id"] not in gone
    ]
    assert [c["source"] for c in after["cells"]] == [
        c["source"] for c in document["cells"] if c["id"] not in gone
    ]


async def test_edits_of_others_are_kept_and_undo_is_one_save(tmp_path: Path) -> None:
    ours = await StoredNotebook.create(tmp_path / "a.ipynb")
    for entry in (question("First?"), iteration(1, "x = 1", ran())):
        await ours.record(entry)
    for entry in (question("Second?", "r2"), iteration(2, "y = 2", ran(), run="r2")):
        await ours.record(entry)
    assert ours.manual_changes() == ()
    path = Path(ours.path)
    text = json.loads(path.read_text())
    text["cells"].append(own("mine", "y + 1", 3))
    path.write_text(json.dumps(text))
    await ours.refresh()
    assert kinds(ours.manual_changes()) == [("mine", "added")]
    assert json.loads(path.read_text()) == text, "looking writes nothing"
    assert ours.cell_of("y + 1") == "mine"
    assert ours.cell_of("y + 2") is None
    # Another process undoes the run: what this one still holds does not bring it back.
    other = await StoredNotebook.open(path)
    assert (await other.remove_run(R2)).removed == ("question-r2", "it2")
    await ours.record(iteration(3, "z = 3", ran()))
    left = [c["id"] for c in json.loads(path.read_text())["cells"]]
    assert left == ["question-r1", "it1", "mine", "it3"]
    assert (await ours.remove_run(R2)).removed == ()
    assert kinds(ours.manual_changes()) == [("it2", "deleted")], "not by this process"

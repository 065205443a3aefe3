"""Cutting a notebook at a cell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import AnswerEntry, Execution, PlanEntry, SetupEntry
from analyst_kernel.notebook.branch import (
    branch_name,
    branched,
    judged,
    moved,
    write,
)
from analyst_kernel.notebook.document.operations import Document, new_document, operations_for
from analyst_kernel.notebook.document.operations import apply as applied
from analyst_kernel.notebook.document.read import analysis_of, cells_to_replay, entries_of, runs_of
from analyst_kernel.notebook.document.serialize import Renderer, parse, validate
from analyst_kernel.notebook.storage.output_dir import folders_of
from analyst_kernel.notebook.verify.verify import verify_document
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId, CellId
from tests.notebook.entry_makers import (
    iteration,
    plan,
    printed,
    question,
    ran,
    recorded,
    result,
    whole_run,
)

CREATED = "2026-01-02T03:04:05+00:00"


def book() -> Document:
    second = [
        replace(entry, cell=CellId(f"{entry.cell}-2"), run="r2") if hasattr(entry, "run") else entry
        for entry in whole_run()[2:]
    ]
    document = recorded(
        new_document(AnalysisId("a1"), created="2025-01-01", model="a:b"), *whole_run(), *second
    )
    own: dict[str, Any] = {
        "cell_type": "code", "id": "own", "metadata": {}, "source": "mine = 1",
        "execution_count": 9, "outputs": [],
    }  # fmt: skip
    return {**document, "cells": [*document["cells"], own]}


def cut(document: Document, cell: str) -> Document:
    return branched(
        document, CellId(cell), analysis=AnalysisId("b2"), notebook="p.ipynb", created=CREATED
    )


NAMES = [cell["id"] for cell in book()["cells"]]


@given(st.sampled_from(NAMES))
def test_a_branch_is_valid_and_holds_the_cells_up_to_there(name: str) -> None:
    before = book()
    made = cut(before, name)
    assert before == book(), "the parent is not changed"
    validate(parse(Renderer().render(made), "b.ipynb"))
    kept = NAMES[: NAMES.index(name) + 1]
    assert [cell["id"] for cell in made["cells"]] == kept
    for old, new in zip(before["cells"], made["cells"], strict=False):
        if new["metadata"].get("analyst_kernel", {}).get("role") != "plan":
            assert new == old
    ours = made["metadata"]["analyst_kernel"]
    assert analysis_of(made) == "b2"
    assert ours["parent"] == {"analysis": "a1", "notebook": "p.ipynb", "cell": name}
    assert set(ours["cells"]) <= set(kept)
    assert "verified" not in ours
    answered = {entry.run for entry in entries_of(made) if isinstance(entry, AnswerEntry)}
    assert {run for run, noted in ours["runs"].items() if "answer" in noted} == answered
    assert set(ours["runs"]) <= set(runs_of(made))
    assert cells_to_replay(made) == cells_to_replay(before, CellId(name))


@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_a_branch_of_a_branch_is_a_branch(one: str, other: str) -> None:
    first, second = sorted((one, other), key=NAMES.index)
    twice = cut(cut(book(), second), first)
    once = cut(book(), first)
    assert [c["id"] for c in twice["cells"]] == [c["id"] for c in once["cells"]]
    assert twice["metadata"]["analyst_kernel"]["parent"]["analysis"] == "b2"


def test_a_step_that_was_done_after_the_cut_is_open_again() -> None:
    document = recorded(
        new_document(AnalysisId("a1"), created=CREATED),
        question("What?"),
        plan(("One", "done"), ("Two", "done"), ("Three", "blocked")),
        iteration(1, "1", ran(result("1")), step=1),
        iteration(2, "2", ran(result("2")), step=2),
    )
    made = cut(document, "it1")
    (found,) = [entry for entry in entries_of(made) if isinstance(entry, PlanEntry)]
    assert [step.status for step in found.steps] == ["done", "todo", "todo"]
    # It is still ours: the next version of the plan takes its place.
    (operation,) = operations_for(plan(("Other", "doing")))
    assert len(applied(made, operation)["cells"]) == len(made["cells"])


def test_foreign_metadata_does_no_harm_to_a_branch() -> None:
    document = book()
    ours = document["metadata"]["analyst_kernel"]
    ours |= {"grants": ["/etc"], "parent": "x", "runs": 3, "cells": [], "analysis": 5}
    document["metadata"]["trusted"] = True
    made = cut(document, "own")
    validate(made)
    assert "trusted" not in made["metadata"]
    found = made["metadata"]["analyst_kernel"]
    assert "grants" not in found
    assert found["parent"] == {"notebook": "p.ipynb", "cell": "own"}


def test_an_unknown_cell_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(InputError, match="no cell 'it9'") as error:
        cut(book(), "it9")
    assert error.value.remedy.startswith("The nearest are it")
    with pytest.raises(InputError) as error:
        cut(book(), "###")
    assert "own (code of your own)" in error.value.remedy
    with pytest.raises(InputError, match="no cells yet"):
        cut(new_document(AnalysisId("a"), created=CREATED), "x")


def test_data_paths_follow_into_another_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    entry = SetupEntry(CellId("s"), 'a = pd.read_csv("a.csv")', ran())
    document = recorded(new_document(AnalysisId("a1"), created=CREATED), entry)
    own = {**document["cells"][0], "id": "own", "source": 'open("a.csv"); open("none.csv")'}
    document = {**document, "cells": [*document["cells"], own]}
    after = moved(document, tmp_path, tmp_path / "sub")
    assert [cell["source"] for cell in after["cells"]] == [
        'a = pd.read_csv("../a.csv")',
        'open("../a.csv"); open("none.csv")',
    ]
    # The setup cell is still ours.
    (operation,) = operations_for(replace(entry, code="a = 1"))
    assert [cell["id"] for cell in applied(after, operation)["cells"]] == ["s", "own"]
    assert moved(document, tmp_path, tmp_path) is document


async def test_another_output_folder_is_no_difference(tmp_path: Path) -> None:
    folder = tmp_path / "p_files"
    saved = iteration(1, "save()", ran(printed(f"wrote {folder}/x.csv, p_files/y.csv\n")))
    document = recorded(new_document(AnalysisId("a1"), created=CREATED), saved)
    made = cut(document, "it1")
    path = tmp_path / "b.ipynb"
    again = ran(printed(f"wrote {tmp_path / 'b_files'}/x.csv, b_files/y.csv\n"))
    assert (await judged(made, CellId("it1"), again, path=path)).verdict == "reproduced"
    other = await judged(made, CellId("it1"), ran(printed("wrote 3 files\n")), path=path)
    assert (other.verdict, "3 files" in other.detail) == ("differs", True)


async def test_output_folders_of_a_branch_and_its_parent_are_no_difference() -> None:
    folder = Path("/home/someone")
    saved = iteration(1, "save()", ran(printed("in /home/someone/p_files\np_files, my-p_files\n")))
    document = recorded(new_document(AnalysisId("a1"), created=CREATED), saved)
    child = cut(document, "it1")
    grandchild = branched(
        child, CellId("it1"), analysis=AnalysisId("c3"), notebook="../b.ipynb", created=CREATED
    )
    own = iteration(2, "print(OUTPUT_DIR)", ran(printed("/home/someone/sub/c_files\n")))
    grandchild = recorded(grandchild, own)
    place = folder / "sub" / "c.ipynb"
    folders = folders_of(grandchild, place)
    assert set(folders) == {folder / "sub/c_files", folder / "b_files", folder / "p_files"}

    def again(last: str) -> Callable[[str], Awaitable[Execution]]:
        async def execute(code: str) -> Execution:
            if code == "save()":
                return ran(printed(f"in /home/someone/sub/c_files\nc_files, {last}\n"))
            return ran(printed("/home/someone/sub/c_files\n"))

        return execute

    report = await verify_document(grandchild, execute=again("my-p_files"), folders=folders)
    assert report.summary == "reproduced 2 of 2"
    # Only the folder's own name is no difference.
    report = await verify_document(grandchild, execute=again("my-c_files"), folders=folders)
    assert report.summary == "reproduced 1 of 2"


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    document = cut(book(), "own")
    wanted = tmp_path / "b.ipynb"
    (tmp_path / "b-1_files").mkdir()
    assert [write(document, wanted).name for _ in range(2)] == ["b.ipynb", "b-2.ipynb"]
    assert branch_name(wanted).name == "b-branch-1.ipynb"
    first = write(document, branch_name(wanted))
    assert branch_name(first).name == "b-branch-2.ipynb"
    assert branch_name(wanted).name == "b-branch-2.ipynb"

"""The ledger in a notebook: written and read, undone, branched, changed elsewhere, and forged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.ports import QuestionEntry
from analyst_kernel.analysis.user_words import UserWords
from analyst_kernel.notebook.branch import branched
from analyst_kernel.notebook.document.ledger import ledger_of, ledger_operations
from analyst_kernel.notebook.document.operations import (
    Document,
    NoteLedger,
    RemoveRun,
    apply,
    is_applied,
    new_document,
    operations_for,
)
from analyst_kernel.notebook.document.serialize import parse, validate
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.pending import from_json, key_of, to_json
from analyst_kernel.protocol.ids import AnalysisId, CellId, DefinitionId, RunId
from analyst_kernel.protocol.records import DataState

R1, R2, R3 = RunId("r1"), RunId("r2"), RunId("r3")


def book(*runs: RunId) -> Document:
    document = new_document(AnalysisId("abc123abc123"), created="2026-01-01T00:00:00+00:00")
    for run in runs:
        for operation in operations_for(QuestionEntry(CellId(f"q-{run}"), run, f"Ask {run}?")):
            document = apply(document, operation)
    return document


def filled() -> Ledger:
    ledger = Ledger()
    ledger.add("The user's own.")
    ledger.add("Revenue is net.", quote="net", run=R1)
    ledger.add("Mean or median? median", choice=True, run=R2)
    ledger.add("Revenue is gross.", run=R2, replaces=DefinitionId("d2"))
    ledger.edit(DefinitionId("d1"), "The user's own.", active=False)
    ledger.put_state(
        DataState(name="clean", definition="d", variable="x", cells=(CellId("q-r1"),), rows=3,
                  columns=("a",), content="abc", run=R1, named=R1)
    )  # fmt: skip
    return ledger


def written(document: Document, ledger: Ledger) -> Document:
    for operation in ledger_operations(document, ledger, lambda text: f"mark of {text}"):
        document = apply(document, operation)
    return document


def own(text: str, mark: str) -> bool:
    return mark == f"mark of {text}"


def test_what_is_written_is_read_and_written_once() -> None:
    document = written(book(R1, R2), filled())
    validate(document)
    again = parse(json.dumps(document), "n.ipynb")
    assert ledger_of(again, own) == filled()
    assert ledger_operations(document, filled(), lambda text: f"mark of {text}") == ()


def test_without_its_mark_everything_is_a_claim() -> None:
    document = written(book(R1, R2), filled())
    held = ledger_of(document, lambda text, mark: False)
    assert all(d.claimed for d in held.definitions)
    assert all(state.claimed for state in held.states)
    # What is a claim is not marked as the user's when it is written again.
    forged = ledger_of(written(document, held), own)
    assert all(d.claimed for d in forged.definitions)


@pytest.mark.parametrize("part", ["text", "quote", "by"])
def test_a_changed_definition_is_no_longer_the_users(tmp_path: Path, part: str) -> None:
    words = UserWords(tmp_path / "data")
    ledger = Ledger()
    ledger.add("Revenue is net.", quote="net", run=R1)
    document = book(R1)
    for operation in ledger_operations(document, ledger, words.mark):
        document = apply(document, operation)
    later = UserWords(tmp_path / "data")
    assert ledger_of(document, later.is_own) == ledger
    noted = document["metadata"]["analyst_kernel"]["runs"]["r1"]["ledger"]["definitions"][0]
    noted[part] = "choice" if part == "by" else "Revenue is zero."
    (changed,) = ledger_of(document, later.is_own).definitions
    assert changed.claimed
    (stranger,) = ledger_of(document, UserWords(tmp_path / "other").is_own).definitions
    assert stranger.claimed


def test_a_key_that_cannot_be_kept_marks_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    words = UserWords(tmp_path / "file" / "data")
    assert words.mark("text") == ""
    assert not words.is_own("text", "")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.key").write_bytes(b"short")
    assert UserWords(tmp_path / "data").mark("text") == ""


def test_undoing_a_run_takes_out_what_it_recorded_and_revives_what_it_ended() -> None:
    document = apply(written(book(R1, R2), filled()), RemoveRun(R2))
    held = ledger_of(document, own)
    assert [d.text for d in held.holding] == ["Revenue is net."]
    assert [d.id for d in held.definitions] == ["d1", "d2"]
    late = NoteLedger(R2, {"definitions": [{"id": "d9", "text": "late"}]}, 9)
    assert is_applied(document, late), "a late write does not bring it back"


def test_a_branch_has_what_held_at_its_cell() -> None:
    document = written(book(R1, R2), filled())
    cut = branched(document, CellId("q-r1"), analysis=AnalysisId("b" * 12), notebook="n.ipynb",
                   created="2026-01-01")  # fmt: skip
    held = ledger_of(cut, own)
    assert [d.text for d in held.holding] == ["Revenue is net."]
    assert [d.text for d in held.definitions] == ["The user's own.", "Revenue is net."]
    assert [state.name for state in held.states] == ["clean"]


def test_an_older_write_does_not_undo_a_newer_one_of_another_process() -> None:
    first = written(book(R1, R2), filled())
    (old,) = [o for o in ledger_operations(book(R1, R2), filled(), lambda text: f"mark of {text}")
              if o.run == R1]  # fmt: skip
    edited = ledger_of(first, own)
    edited.edit(DefinitionId("d2"), "Revenue is net of tax.", active=True)
    second = written(first, edited)
    assert apply(second, old) is second
    assert ledger_of(second, own).definition("d2").text == "Revenue is net of tax."


@pytest.mark.parametrize(
    "noted",
    [
        None, 3, "text", [1], {"definitions": 3}, {"definitions": ["x", {}, {"id": 3}]},
        {"states": [{"name": "n"}, 1]}, {"ended": {"a": 1}}, {"revision": "x"},
        {"definitions": [{"id": "d1", "text": "t", "mark": ["x"]}]},
    ],
)  # fmt: skip
def test_a_notebook_with_anything_in_its_place_can_be_read_and_written(noted: Any) -> None:
    document = book(R1)
    ours = document["metadata"]["analyst_kernel"]
    ours["ledger"] = noted
    ours["runs"]["r1"]["ledger"] = noted
    held = ledger_of(document, own)
    held.add("More", run=R1)
    assert "More" in [d.text for d in ledger_of(written(document, held), own).definitions]


def test_a_notebook_of_before_has_an_empty_ledger() -> None:
    for name in ("asked.ipynb", "which-species-is-the-heaviest.ipynb"):
        text = (Path(__file__).parents[1] / "saved" / name).read_text(encoding="utf-8")
        document = parse(text, name)
        assert ledger_of(document, own) == Ledger()
        assert ledger_operations(document, Ledger(), lambda text: "") == ()


def test_a_stored_operation_comes_back() -> None:
    operation = NoteLedger(None, {"definitions": [{"id": "d1", "text": "t"}]}, 2)
    assert from_json(to_json(operation)) == operation
    assert key_of(operation) != key_of(NoteLedger(R1, {}, 1))


@given(
    st.lists(
        st.tuples(st.sampled_from("aruex"), st.sampled_from([R1, R2, R3]), st.integers(1, 6)),
        max_size=12,
    )
)
def test_the_notebook_holds_what_the_memory_holds(steps: list[tuple[str, RunId, int]]) -> None:
    """Whatever is recorded, replaced, edited, removed and undone, in whatever order."""
    ledger, document = Ledger(), book(R1, R2, R3)
    undone: set[RunId] = set()
    for kind, run, target in steps:
        name = DefinitionId(f"d{target}")
        known = any(d.id == name for d in ledger.definitions)
        if kind == "a" and run not in undone:
            ledger.add(f"Text {target}", run=run)
        elif kind == "r" and known and run not in undone:
            ledger.add("Instead", run=run, replaces=name)
        elif kind == "e" and known:
            ledger.edit(name, f"Edited {target}", active=bool(target % 2))
        elif kind == "x" and known:
            ledger.remove(name)
        elif kind == "u":
            undone.add(run)
            ledger.undo(run)
            document = apply(document, RemoveRun(run))
        document = written(document, ledger)
        assert ledger_of(document, own) == ledger


async def test_two_processes_see_each_others_changes(tmp_path: Path) -> None:
    words = UserWords(tmp_path / "data")
    one = await StoredNotebook.create(tmp_path / "n.ipynb", words=words)
    await one.record(QuestionEntry(CellId("q"), R1, "Ask?"))
    ledger = Ledger()
    ledger.add("Net", run=R1)
    await one.keep_ledger(ledger)
    two = await StoredNotebook.open(tmp_path / "n.ipynb", words=words)
    held = two.ledger()
    assert held == ledger
    held.edit(DefinitionId("d1"), "Gross", active=True)
    held.add("By hand")
    await two.keep_ledger(held)
    await one.refresh()
    assert one.ledger() == held
    await one.record(QuestionEntry(CellId("q2"), R2, "More?"))
    await two.refresh()
    assert two.ledger() == held

"""Reading an analysis back."""

from __future__ import annotations

import dataclasses

from analyst_kernel.agent.ports import AnswerEntry, IterationEntry, PlanEntry, QuestionEntry
from analyst_kernel.notebook.document.operations import Document, new_document
from analyst_kernel.notebook.document.read import cells_to_replay, entries_of, next_run, runs_of
from analyst_kernel.notebook.document.serialize import Renderer, parse
from analyst_kernel.protocol.ids import AnalysisId, CellId
from tests.notebook.entry_makers import iteration, question, recorded, whole_run


def blank() -> Document:
    return new_document(AnalysisId("a1"), created="2026-01-02T03:04:05+00:00")


def reread(document: Document) -> Document:
    return parse(Renderer().render(document), "n.ipynb")


def bare(entry: IterationEntry) -> IterationEntry:
    return dataclasses.replace(entry, execution=None, outcome=None)


def test_what_was_recorded_comes_back() -> None:
    entries = whole_run()
    found = entries_of(reread(recorded(blank(), *entries)))
    assert len(found) == len(entries)
    for old, new in zip(entries, found, strict=True):
        match old, new:
            case IterationEntry(), IterationEntry():
                assert bare(new) == bare(old)
                assert new.outcome == (old.outcome or (old.execution and old.execution.outcome))
                outputs = old.execution.outputs if old.execution else ()
                assert (new.execution.outputs if new.execution else ()) == outputs
            case ((QuestionEntry() | PlanEntry() | AnswerEntry()), _):
                assert new == old
            case _:
                assert (new.cell, type(new)) == (old.cell, type(old))


def test_without_our_notes_the_markdown_is_read() -> None:
    document = recorded(blank(), *whole_run())
    document["metadata"]["analyst_kernel"].pop("runs")
    by_type = {type(e): e for e in entries_of(document)}
    asked, answered = by_type[QuestionEntry], by_type[AnswerEntry]
    assert isinstance(asked, QuestionEntry)
    assert asked.question == (
        "How did average city mileage change by *model year*? <script>alert(1)</script>"
    )
    assert isinstance(answered, AnswerEntry)
    assert answered.answer.text.startswith("City mileage rose from")


def test_foreign_notes_do_no_harm() -> None:
    document = recorded(blank(), *whole_run())
    ours = document["metadata"]["analyst_kernel"]
    odds: tuple[object, ...] = (
        {"r1": {"answer": 5, "question": [], "status": 1}},
        [],
        "x",
        {"r1": 1},
    )
    for odd in odds:
        ours["runs"] = odd
        assert len(entries_of(document)) == len(whole_run())
    document["cells"][4]["metadata"]["analyst_kernel"] = "text"
    document["cells"][5]["metadata"]["analyst_kernel"] |= {
        "outcome": ["odd"],
        "iteration": "9",
        "step": "x",
        "attempt": None,
    }
    assert len(entries_of(document)) == len(whole_run()) - 1


def test_runs_are_counted_by_number() -> None:
    document = recorded(blank(), *(question("q", f"r{n}") for n in (1, 2, 10, 9)))
    assert runs_of(document) == ("r1", "r2", "r9", "r10")
    assert next_run(document) == "r11"
    assert next_run(blank()) == "r1"


def test_replay_holds_the_cells_that_made_the_state() -> None:
    document = recorded(blank(), *whole_run(), iteration(6, "never_finished()"))
    own = {
        "cell_type": "code",
        "id": "own",
        "metadata": {},
        "source": "mine = 1",
        "execution_count": 9,
        "outputs": [],
    }
    draft = {**own, "id": "draft", "source": "draft", "execution_count": None}
    document = {**document, "cells": [*document["cells"], own, draft]}
    replay = cells_to_replay(document)
    assert [(c.cell, c.may_fail) for c in replay] == [
        ("setup", False),
        ("it1", True),
        ("it2", False),
        ("it3", False),
        ("own", False),
    ]
    assert [c.cell for c in cells_to_replay(document, CellId("it2"))] == ["setup", "it1", "it2"]

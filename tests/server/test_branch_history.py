"""The first events of a branch that is cut at each cell of a recorded run."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import AnswerEntry, Entry, IterationEntry, QuestionEntry
from analyst_kernel.protocol.events import (
    EVENT,
    ChartCaptured,
    Event,
    IterationFinished,
    IterationStarted,
    KernelChanged,
    NotebookSaved,
    RunFinished,
    RunStarted,
)
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.records import Answer
from analyst_kernel.server.events.history import CUT, BranchContent, events_of_branch
from tests.contracts.repository import ROOT

RECORDED = ROOT / "labextension" / "tests" / "recorded" / "repair.jsonl"


@cache
def recorded() -> tuple[Event, ...]:
    return tuple(EVENT.validate_json(line) for line in RECORDED.read_text().splitlines())


@cache
def ended() -> tuple[IterationFinished, ...]:
    return tuple(event for event in recorded() if isinstance(event, IterationFinished))


def kept(cells: int, *, answered: bool) -> BranchContent:
    """Return what a notebook holds with the question, so many of its cells, perhaps the answer."""
    run = RunId("r1")
    entries: list[Entry] = [QuestionEntry(CellId("q"), run, "What?")]
    for event in ended()[:cells]:
        entries.append(
            IterationEntry(
                event.cell, run, event.iteration, 1, 1, "python", "Look", "1", outcome="ok"
            )
        )
    if answered:
        entries.append(AnswerEntry(CellId("a"), run, Answer(text="It is so."), "answered"))
    return BranchContent(frozenset(entry.cell for entry in entries), entries)


def past(events: tuple[Event, ...], what: BranchContent) -> tuple[Event, ...]:
    return events_of_branch(
        events, what, analysis=AnalysisId("b2"), notebook="/b.ipynb", model="a:b", is_ai=True
    )


@given(st.integers(0, 3), st.booleans())
def test_each_cut_is_a_whole_history(cells: int, from_journal: bool) -> None:
    cells = min(cells, len(ended()))
    found = past(recorded() if from_journal else (), kept(cells, answered=False))
    assert [event.number for event in found] == list(range(1, len(found) + 1))
    assert {event.analysis for event in found} == {"b2"}
    assert not any(isinstance(event, KernelChanged | NotebookSaved) for event in found)
    names = [event.cell for event in ended()[:cells]]
    assert [e.cell for e in found if isinstance(e, IterationStarted)] == names
    assert [e.cell for e in found if isinstance(e, IterationFinished)] == names
    assert {e.chart.cell for e in found if isinstance(e, ChartCaptured)} <= set(names)
    assert sum(isinstance(event, RunStarted) for event in found) == 1
    ending = found[-1]
    assert isinstance(ending, RunFinished)
    assert (ending.status, ending.reason, ending.notebook) == ("cancelled", CUT, "/b.ipynb")
    assert [record.cell for record in ending.iterations] == names


def test_an_answered_run_is_taken_over_as_it_was() -> None:
    found = past(recorded(), kept(len(ended()), answered=True))
    before = [event for event in recorded() if isinstance(event, RunFinished)]
    after = [event for event in found if isinstance(event, RunFinished)]
    assert [event.answer for event in after] == [event.answer for event in before]
    assert after[0].status == "answered"
    charts = [event for event in recorded() if isinstance(event, ChartCaptured)]
    assert sum(isinstance(event, ChartCaptured) for event in found) == len(charts)


def test_a_run_without_journal_comes_from_the_notebook() -> None:
    found = past((), kept(2, answered=True))
    begun, ending = found[0], found[-1]
    assert isinstance(begun, RunStarted)
    assert (begun.question, begun.model) == ("What?", "a:b")
    assert isinstance(ending, RunFinished)
    assert (ending.status, ending.answer, ending.reason) == ("answered", "It is so.", "")
    assert len(ending.iterations) == 2


def test_what_the_notebook_does_not_hold_is_left_out() -> None:
    assert not any(event.run for event in past(recorded(), BranchContent(frozenset(), ())))

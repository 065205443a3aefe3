"""The history that a branch's own event log begins with: its parent's, up to the cell. Pure.

A run that the journal does not know (its notebook came from the command line) is told from what the
notebook holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyst_kernel.agent.observe import charts_of
from analyst_kernel.agent.ports import AnswerEntry, Entry, IterationEntry, PlanEntry, QuestionEntry
from analyst_kernel.protocol.events import (
    ChartCaptured,
    DatasetDetached,
    DatasetProfiled,
    Event,
    IterationFinished,
    IterationStarted,
    KernelChanged,
    NotebookSaved,
    OutputProduced,
    OutputsCleared,
    PlanUpdated,
    RunFinished,
    RunStarted,
)
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.records import Limits
from analyst_kernel.server.cut_off import closed_run

CUT = "The branch starts here. The question was not answered up to this cell."
_OF_THE_KERNEL = (KernelChanged, NotebookSaved)
"""Told of the parent's kernel and file; the branch has its own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the branch's notebook holds.

    Attributes:
        cells: The ids of all its cells.
        entries: What they are, in order.
    """

    cells: frozenset[CellId]
    entries: Sequence[Entry]

    @property
    def runs(self) -> tuple[RunId, ...]:
        """The questions, in order."""
        return tuple(dict.fromkeys(e.run for e in self.entries if isinstance(e, QuestionEntry)))

    def answered(self, run: RunId) -> bool:
        """Whether the answer is among the cells."""
        return any(isinstance(e, AnswerEntry) and e.run == run for e in self.entries)


def history(
    events: Iterable[Event],
    kept: Kept,
    *,
    analysis: AnalysisId,
    notebook: str,
    model: str,
    is_ai: bool,
) -> tuple[Event, ...]:
    """Return the branch's first events, numbered from 1.

    Args:
        events: The parent's, in order.
        kept: What the branch's notebook holds.
        analysis: The branch.
        notebook: Absolute path of its notebook.
        model: Named for runs that the parent's events do not tell.
        is_ai: Whether that is an AI model.
    """
    told = list(events)
    known = {event.run for event in told if isinstance(event, RunStarted)}
    found: list[Event] = []
    for run in kept.runs:
        if run not in known:
            found += _derived(kept, run, analysis, model, is_ai=is_ai)
    ends = {run: _end(told, kept, run) for run in kept.runs if run in known}
    taken: dict[RunId, list[Event]] = {run: [] for run in ends}
    for place, event in enumerate(told):
        if event.run is None:
            if _of_the_analysis(event, kept.cells):
                found.append(event)
        elif event.run in ends and place <= ends[event.run]:
            taken[event.run].append(event)
            if not isinstance(event, _OF_THE_KERNEL):
                found.append(event)
        if event.run in ends and place == ends[event.run] and not isinstance(event, RunFinished):
            found.append(closed_run(taken[event.run]).model_copy(update={"reason": CUT}))
    return tuple(
        _readdressed(event, analysis, number, notebook) for number, event in enumerate(found, 1)
    )


def _end(events: Sequence[Event], kept: Kept, run: RunId) -> int:
    """Return the place of the last event of a run that the branch takes over."""
    own = [(place, event) for place, event in enumerate(events) if event.run == run]
    if kept.answered(run):
        return own[-1][0]
    last = next(place for place, event in own if isinstance(event, RunStarted))
    planned = any(isinstance(e, PlanEntry) and e.run == run for e in kept.entries)
    begun = False
    for place, event in own:
        match event:
            case IterationStarted():
                begun = True
            case IterationFinished(cell=cell) if cell in kept.cells:
                last = place
            case ChartCaptured(chart=chart) if chart.cell in kept.cells:
                last = place
            case PlanUpdated() if planned and not begun:
                last = max(last, place)
            case _:
                pass
    return last


def _of_the_analysis(event: Event, cells: frozenset[CellId]) -> bool:
    match event:
        case DatasetProfiled() | DatasetDetached():
            return True
        case IterationStarted() | OutputProduced() | OutputsCleared() | IterationFinished():
            return event.cell in cells
        case ChartCaptured():
            return event.chart.cell in cells
        case _:
            return False


def _derived(
    kept: Kept, run: RunId, analysis: AnalysisId, model: str, *, is_ai: bool
) -> list[Event]:
    """Tell a run as its cells hold it."""
    found: list[Event] = []
    charts = 0
    for entry in kept.entries:
        if getattr(entry, "run", None) != run:
            continue
        match entry:
            case QuestionEntry():
                found.append(
                    RunStarted(
                        analysis=analysis, run=run, question=entry.question,
                        model=model, is_ai=is_ai, limits=Limits(),
                    )
                )  # fmt: skip
            case PlanEntry():
                found.append(PlanUpdated(analysis=analysis, run=run, steps=entry.steps))
            case IterationEntry():
                found += _iteration(entry, analysis, charts + 1)
                charts = sum(isinstance(event, ChartCaptured) for event in found)
            case AnswerEntry():
                status = entry.status
                ending = closed_run(found).model_copy(
                    update={
                        "status": status
                        if status in ("answered", "incomplete", "failed", "cancelled")
                        else "incomplete",
                        "answer": entry.answer.text,
                        "details": entry.answer,
                        "key_values": entry.answer.key_values,
                        "reason": "",
                    }
                )
                found.append(ending)
            case _:
                pass
    if not isinstance(found[-1], RunFinished):
        found.append(closed_run(found).model_copy(update={"reason": CUT}))
    return found


def _iteration(entry: IterationEntry, analysis: AnalysisId, first_chart: int) -> list[Event]:
    found: list[Event] = [
        IterationStarted(
            analysis=analysis, run=entry.run, iteration=entry.iteration, cell=entry.cell,
            step=entry.step, attempt=entry.attempt, language=entry.language,
            purpose=entry.purpose, code=entry.code,
        )
    ]  # fmt: skip
    execution = entry.execution
    if execution is None and entry.outcome is None:
        return found
    outputs = execution.outputs if execution is not None else ()
    found.append(
        IterationFinished(
            analysis=analysis, run=entry.run, iteration=entry.iteration, cell=entry.cell,
            outcome=entry.outcome or "ok", seconds=0.0, outputs=outputs,
            execution_count=execution.execution_count if execution is not None else None,
            error=execution.error if execution is not None else None,
        )
    )  # fmt: skip
    charts = charts_of(
        outputs, cell=entry.cell, iteration=entry.iteration, first=first_chart, title=entry.purpose
    )
    for chart in charts:
        bare = chart.model_copy(update={"png": None})
        found.append(ChartCaptured(analysis=analysis, run=entry.run, chart=bare))
    return found


def _readdressed(event: Event, analysis: AnalysisId, number: int, notebook: str) -> Event:
    changes: dict[str, object] = {"analysis": analysis, "number": number}
    if isinstance(event, RunFinished):
        changes["notebook"] = notebook
    return event.model_copy(update=changes)

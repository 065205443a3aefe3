"""The earlier conversation of a notebook that another program began, as events. Pure.

A notebook may come from anywhere: its outputs pass through the same sieve as a kernel's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from analyst_kernel.agent.observation.cell import charts_of, with_ids
from analyst_kernel.agent.ports import (
    AnswerEntry,
    Entry,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.agent.rebuild import status_of
from analyst_kernel.kernel.messages import DisplayMsg, ErrorMsg, ResultMsg, StreamMsg
from analyst_kernel.kernel.outputs.fold import OutputState, finish, fold
from analyst_kernel.kernel.outputs.limits import OutputLimits
from analyst_kernel.notebook.document.operations import Document, notes
from analyst_kernel.notebook.document.read import entries_of
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
from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.records import ChartRecord, IterationRecord, Limits
from analyst_kernel.server.events.recovery import closed_run

NO_ANSWER = "The notebook holds no answer to this question."


def title_of(document: Document) -> str:
    """Return the notebook's title, else its first question, else nothing."""
    entries = entries_of(document)
    titles = [entry.title for entry in entries if isinstance(entry, TitleEntry)]
    questions = [entry.question for entry in entries if isinstance(entry, QuestionEntry)]
    return next((text for text in (*titles, *questions) if text.strip()), "")


def events_of(
    document: Document, analysis: AnalysisId, *, path: str, is_ai: Callable[[str], bool]
) -> tuple[Event, ...]:
    """Return what the notebook tells of its runs, in its order, without numbers and times.

    What no notebook holds stays at its default: seconds, tokens, limits, streamed prose.

    Args:
        document: The notebook.
        analysis: To which the events belong.
        path: Absolute path of the notebook.
        is_ai: Says whether a model of that name is an AI model.
    """
    model = str(notes(document).get("model", ""))
    telling = _Telling(analysis, path, model, is_ai(model) if model else False)
    for entry in entries_of(document):
        match entry:
            case TitleEntry() | SetupEntry():
                pass
            case QuestionEntry():
                telling.begin(entry)
            case PlanEntry():
                telling.events.append(
                    PlanUpdated(analysis=analysis, run=entry.run, steps=entry.steps)
                )
            case IterationEntry():
                telling.iterate(entry)
            case AnswerEntry():
                telling.end(entry.run, entry)
            case _:
                assert_never(entry)
    telling.end_all()
    return tuple(telling.events)


class _Telling:
    """Collects the events; knows which run is open and what it did."""

    def __init__(self, analysis: AnalysisId, path: str, model: str, is_ai: bool) -> None:
        self.events: list[Event] = []
        self._analysis = analysis
        self._path = path
        self._model = model
        self._is_ai = is_ai
        self._charts: list[ChartRecord] = []
        self._open: dict[RunId, tuple[list[IterationRecord], list[ChartRecord]]] = {}

    def begin(self, entry: QuestionEntry) -> None:
        self.end_all()
        self._open[entry.run] = ([], [])
        self.events.append(
            RunStarted(
                analysis=self._analysis,
                run=entry.run,
                question=entry.question,
                model=self._model,
                is_ai=self._is_ai,
                limits=Limits(),
            )
        )

    def iterate(self, entry: IterationEntry) -> None:
        outcome = entry.outcome or "cancelled"
        records, charts = self._open.get(entry.run, ([], []))
        # A cell of the user's own belongs to no run.
        run = entry.run if entry.origin == "agent" and entry.run in self._open else None
        outputs = harmless(entry.execution.outputs) if entry.execution is not None else ()
        error = entry.execution.error if entry.execution is not None else None
        count = entry.execution.execution_count if entry.execution is not None else None
        record = IterationRecord(
            iteration=entry.iteration,
            cell=entry.cell,
            step=entry.step,
            attempt=entry.attempt,
            language=entry.language,
            purpose=entry.purpose,
            code=entry.code,
            outcome=outcome,
            error=error,
        )
        self.events.append(
            IterationStarted(
                analysis=self._analysis,
                run=run,
                iteration=entry.iteration,
                cell=entry.cell,
                step=entry.step,
                attempt=entry.attempt,
                language=entry.language,
                purpose=entry.purpose,
                code=entry.code,
            )
        )
        self.events.append(
            IterationFinished(
                analysis=self._analysis,
                run=run,
                iteration=entry.iteration,
                cell=entry.cell,
                outcome=outcome,
                seconds=0.0,
                execution_count=count,
                outputs=outputs,
                error=error,
            )
        )
        found = charts_of(
            outputs,
            cell=entry.cell,
            iteration=entry.iteration,
            first=1,
            title=entry.purpose,
        )
        bare = [chart.model_copy(update={"png": None}) for chart in with_ids(found, self._charts)]
        self._charts += bare
        self.events += [ChartCaptured(analysis=self._analysis, run=run, chart=c) for c in bare]
        if run is not None:
            records.append(record)
            charts += bare

    def end(self, run: RunId, entry: AnswerEntry | None) -> None:
        known = self._open.pop(run, None)
        if known is None:
            return
        records, charts = known
        self.events.append(
            RunFinished(
                analysis=self._analysis,
                run=run,
                status="cancelled" if entry is None else status_of(entry.status),
                answer="" if entry is None else entry.answer.text,
                reason=NO_ANSWER if entry is None else "",
                details=None if entry is None else entry.answer,
                key_values=() if entry is None else entry.answer.key_values,
                charts=tuple(charts),
                notebook=self._path,
                iterations=tuple(records),
            )
        )

    def end_all(self) -> None:
        for run in tuple(self._open):
            self.end(run, None)


def harmless(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return saved outputs as they would stand had a kernel just sent them."""
    limits = OutputLimits()
    state = OutputState()
    for output in outputs:
        state, _ = fold(state, _message(output), limits)
    return finish(state).outputs


def _message(output: Output) -> StreamMsg | DisplayMsg | ResultMsg | ErrorMsg:
    match output:
        case StreamOutput():
            return StreamMsg(output.name, output.text)
        case DisplayOutput():
            return DisplayMsg(output.data, output.metadata)
        case ResultOutput():
            return ResultMsg(output.data, output.metadata, output.execution_count)
        case ErrorOutput():
            return ErrorMsg(output.ename, output.evalue, output.traceback)
        case _:
            assert_never(output)


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

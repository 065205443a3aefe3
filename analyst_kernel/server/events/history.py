"""Makes events that no run emits: those that the journal of an analysis does not hold. Pure.

Needed for a notebook that was begun elsewhere (a shell, another computer), for a branch, and for a
run that a stopped server did not end.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

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
from analyst_kernel.analysis.saved_outputs import error_of, sanitise_saved_outputs
from analyst_kernel.notebook.document.ledger import ledger_of
from analyst_kernel.notebook.document.operations import Document, notes
from analyst_kernel.notebook.document.read import entries_of
from analyst_kernel.protocol.events import (
    ChartCaptured,
    DatasetDetached,
    DatasetProfiled,
    Event,
    FindingRecorded,
    IterationFinished,
    IterationStarted,
    KernelChanged,
    LedgerChanged,
    ModelReplied,
    NotebookSaved,
    OutputProduced,
    OutputsCleared,
    PlanUpdated,
    ReadingChanged,
    RunFinished,
    RunStarted,
)
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.records import (
    Answer,
    ChartRecord,
    Finding,
    IterationRecord,
    Limits,
    Usage,
)

STOPPED = "The server stopped while this run was at work. Ask again to go on from its notebook."
NO_ANSWER = "The notebook holds no answer to this question."


def title_of(document: Document) -> str:
    """Return the notebook's title, else its first question, else nothing."""
    entries = entries_of(document)
    titles = [entry.title for entry in entries if isinstance(entry, TitleEntry)]
    questions = [entry.question for entry in entries if isinstance(entry, QuestionEntry)]
    return next((text for text in (*titles, *questions) if text.strip()), "")


def events_from_notebook(
    document: Document, analysis: AnalysisId, *, path: str, is_ai: Callable[[str], bool]
) -> tuple[Event, ...]:
    """Return the events of every run that a notebook holds, without numbers and times.

    ``path`` is the notebook's own; ``is_ai`` returns whether a model of that name is an AI model.
    """
    model = str(notes(document).get("model", ""))
    events = events_from_entries(
        entries_of(document),
        analysis=analysis,
        notebook=path,
        model=model,
        is_ai=is_ai(model) if model else False,
    )
    # A claim until the analysis is opened, which tells the user's own words from others'.
    ledger = ledger_of(document, lambda text, mark: False)
    if not ledger.definitions and not ledger.versions:
        return events
    held = LedgerChanged(
        analysis=analysis, definitions=tuple(ledger.definitions), states=ledger.states
    )
    return (*events, held)


def events_from_entries(
    entries: Sequence[Entry],
    *,
    analysis: AnalysisId,
    notebook: str,
    model: str,
    is_ai: bool,
    only: Container[RunId] | None = None,
    charts: Sequence[ChartRecord] = (),
    unanswered: str = NO_ANSWER,
) -> tuple[Event, ...]:
    """Return what entries of a notebook hold as events, in their order, without numbers and times.

    Outputs are sanitised as a kernel's are, because a notebook may come from anywhere, and what it
    says of the proof of its answers is left out. Charts get
    ids that are unique in the analysis. What no notebook holds stays at its default: seconds,
    tokens, limits, streamed text.

    ``model`` is named for every run, and ``only`` limits them to some. ``charts`` of the analysis
    have their ids already. ``unanswered`` is the reason for the end of a run without an answer.
    """
    chosen = [e for e in entries if only is None or getattr(e, "run", None) in only]
    answered = {entry.run for entry in chosen if isinstance(entry, AnswerEntry)}
    events: list[Event] = []
    numbered = list(charts)
    open_runs: dict[RunId, RunFinished] = {}

    def end(run: RunId, **outcome: Any) -> None:
        ended = open_runs.pop(run, None)
        if ended is not None:
            events.append(ended.model_copy(update=outcome))

    def end_runs(*, but: Container[RunId] = ()) -> None:
        for run in [run for run in open_runs if run not in but]:
            end(run)

    for entry in chosen:
        match entry:
            case TitleEntry() | SetupEntry():
                pass
            case QuestionEntry():
                end_runs(but=answered)
                events.append(
                    RunStarted(
                        analysis=analysis, run=entry.run, question=entry.question,
                        model=model, is_ai=is_ai, limits=Limits(),
                    )
                )  # fmt: skip
                open_runs[entry.run] = RunFinished(
                    analysis=analysis, run=entry.run, status="cancelled", answer="",
                    reason=unanswered, notebook=notebook,
                )  # fmt: skip
            case PlanEntry():
                events.append(PlanUpdated(analysis=analysis, run=entry.run, steps=entry.steps))
            case IterationEntry():
                # A cell of the user's own has the number 0 and belongs to no run.
                run = entry.run if entry.iteration and entry.run in open_runs else None
                started, finished, captured = _iteration(entry, analysis, run, numbered)
                events += [started, finished, *captured]
                own = [event.chart for event in captured]
                numbered += own
                if run is not None:
                    ending = open_runs[run]
                    open_runs[run] = ending.model_copy(
                        update={
                            "iterations": (*ending.iterations, iteration_record(started, finished)),
                            "charts": (*ending.charts, *own),
                        }
                    )
            case AnswerEntry():
                answer = _claimed(entry.answer)
                end(
                    entry.run, status=status_of(entry.status), answer=answer.text, reason="",
                    details=answer, key_values=answer.key_values,
                )  # fmt: skip
            case _:
                assert_never(entry)
    end_runs()
    return tuple(events)


def _claimed(answer: Answer) -> Answer:
    """Return an answer as a notebook gives it: no number of it is proven or highlighted as ours.

    Which cell proves a number is what the notebook says of itself; nobody looked.
    """
    values = [f"{v.label}: {v.value} {v.unit}".rstrip() for v in answer.key_values]
    claims = tuple(f"Claimed by the notebook, not checked: {value}." for value in values)
    return answer.model_copy(
        update={"numbers": (), "key_values": (), "caveats": (*answer.caveats, *claims)}
    )


def _iteration(
    entry: IterationEntry, analysis: AnalysisId, run: RunId | None, numbered: Sequence[ChartRecord]
) -> tuple[IterationStarted, IterationFinished, list[ChartCaptured]]:
    execution = entry.execution
    outputs = sanitise_saved_outputs(execution.outputs) if execution is not None else ()
    charts = charts_of(outputs, cell=entry.cell, iteration=entry.iteration, title=entry.purpose)
    return (
        IterationStarted(
            analysis=analysis, run=run, iteration=entry.iteration, cell=entry.cell,
            step=entry.step, attempt=entry.attempt, language=entry.language,
            purpose=entry.purpose, code=entry.code,
        ),
        IterationFinished(
            analysis=analysis, run=run, iteration=entry.iteration, cell=entry.cell,
            outcome=entry.outcome or "cancelled", seconds=0.0, outputs=outputs,
            execution_count=execution.execution_count if execution is not None else None,
            error=error_of(outputs) if execution is not None and execution.error else None,
        ),
        [
            # The picture stands in the outputs already.
            ChartCaptured(analysis=analysis, run=run, chart=c.model_copy(update={"png": None}))
            for c in with_ids(charts, numbered)
        ],
    )  # fmt: skip


CUT = "The branch starts here. The question was not answered up to this cell."
_OF_THE_KERNEL = (KernelChanged, NotebookSaved)
"""Events about the parent's kernel and file; the branch has its own."""


@dataclass(frozen=True, slots=True)
class BranchContent:
    """What the notebook of a branch holds.

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
        """Return whether the answer is among the cells."""
        return any(isinstance(e, AnswerEntry) and e.run == run for e in self.entries)


def events_of_branch(
    events: Sequence[Event],
    content: BranchContent,
    *,
    analysis: AnalysisId,
    notebook: str,
    model: str,
    is_ai: bool,
) -> tuple[Event, ...]:
    """Return the first events of a branch, numbered from 1.

    Runs that the parent's events hold are taken over up to the last cell of the branch. Runs that
    only the notebook holds (asked in a shell, say) are made from its cells, and name ``model``.

    ``events`` are the parent's; all else belongs to the branch.
    """
    known = {event.run for event in events if isinstance(event, RunStarted)}
    found = list(
        events_from_entries(
            content.entries,
            analysis=analysis,
            notebook=notebook,
            model=model,
            is_ai=is_ai,
            only=set(content.runs) - known,
            charts=[event.chart for event in events if isinstance(event, ChartCaptured)],
            unanswered=CUT,
        )
    )
    ends = {run: _end(events, content, run) for run in content.runs if run in known}
    taken: dict[RunId, list[Event]] = {run: [] for run in ends}
    for place, event in enumerate(events):
        if event.run is None:
            if _is_taken_over(event, content.cells):
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


def _end(events: Sequence[Event], content: BranchContent, run: RunId) -> int:
    """Return the index of the last event of a run that the branch takes over."""
    own = [(place, event) for place, event in enumerate(events) if event.run == run]
    if content.answered(run):
        return own[-1][0]
    last = next(place for place, event in own if isinstance(event, RunStarted))
    planned = any(isinstance(e, PlanEntry) and e.run == run for e in content.entries)
    begun = False
    for place, event in own:
        match event:
            case IterationStarted():
                begun = True
            case IterationFinished(cell=cell) if cell in content.cells:
                last = place
            case ChartCaptured(chart=chart) if chart.cell in content.cells:
                last = place
            case PlanUpdated() if planned and not begun:
                last = max(last, place)
            case _:
                pass
    return last


def _is_taken_over(event: Event, cells: frozenset[CellId]) -> bool:
    match event:
        case DatasetProfiled() | DatasetDetached() | ReadingChanged():
            return True
        case IterationStarted() | OutputProduced() | OutputsCleared() | IterationFinished():
            return event.cell in cells
        case ChartCaptured():
            return event.chart.cell in cells
        case _:
            return False


def _readdressed(event: Event, analysis: AnalysisId, number: int, notebook: str) -> Event:
    changes: dict[str, object] = {"analysis": analysis, "number": number}
    if isinstance(event, RunFinished):
        changes["notebook"] = notebook
    return event.model_copy(update=changes)


def closed_run(events: Sequence[Event]) -> RunFinished:
    """Return the end of a run as cancelled, with what it reached by its ``events``."""
    begun = events[0]
    assert isinstance(begun, RunStarted)
    open_cells: dict[str, IterationStarted] = {}
    iterations: list[IterationRecord] = []
    findings: list[Finding] = []
    charts: list[ChartRecord] = []
    usage, notebook = Usage(), None
    for event in events:
        if event.run != begun.run:
            continue
        match event:
            case IterationStarted():
                open_cells[event.cell] = event
            case IterationFinished():
                iterations.append(iteration_record(open_cells.pop(event.cell), event))
            case FindingRecorded():
                findings.append(event.finding)
            case ChartCaptured():
                charts.append(event.chart)
            case ModelReplied():
                usage = event.usage
            case NotebookSaved():
                notebook = event.path
            case _:
                pass
    iterations += [iteration_record(started, None) for started in open_cells.values()]
    return RunFinished(
        analysis=begun.analysis,
        run=begun.run,
        status="cancelled",
        answer="",
        reason=STOPPED,
        findings=tuple(findings),
        charts=tuple(charts),
        notebook=notebook,
        iterations=tuple(iterations),
        usage=usage,
        seconds=max(0.0, events[-1].at - begun.at),
    )


def iteration_record(started: IterationStarted, ended: IterationFinished | None) -> IterationRecord:
    """Return the record of a cell; one that did not end was cancelled."""
    return IterationRecord(
        iteration=started.iteration,
        cell=started.cell,
        step=started.step,
        attempt=started.attempt,
        language=started.language,
        purpose=started.purpose,
        code=started.code,
        outcome="cancelled" if ended is None else ended.outcome,
        seconds=0.0 if ended is None else ended.seconds,
        error=None if ended is None else ended.error,
    )

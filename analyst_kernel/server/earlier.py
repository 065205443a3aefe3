"""The earlier conversation of a notebook that another program began, as events. Pure.

A notebook may come from anywhere: its outputs pass through the same sieve as a kernel's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from analyst_kernel.agent.observe import charts_of, with_ids
from analyst_kernel.agent.ports import (
    AnswerEntry,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.agent.recall import status_of
from analyst_kernel.kernel.limits import OutputLimits
from analyst_kernel.kernel.messages import DisplayMsg, ErrorMsg, ResultMsg, StreamMsg
from analyst_kernel.kernel.outputs import OutputState, finish, fold
from analyst_kernel.notebook.document import Document, notes
from analyst_kernel.notebook.history import entries_of
from analyst_kernel.protocol.events import (
    ChartCaptured,
    Event,
    IterationFinished,
    IterationStarted,
    PlanUpdated,
    RunFinished,
    RunStarted,
)
from analyst_kernel.protocol.ids import AnalysisId, RunId
from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.records import ChartRecord, IterationRecord, Limits

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
        # A cell of the person's own belongs to no run.
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

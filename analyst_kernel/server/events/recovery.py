"""Closes, when a server starts, what an earlier one left open: a run, a check, a queue. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.protocol.events import (
    EVENT,
    BranchFinished,
    ChartCaptured,
    Event,
    FindingRecorded,
    IterationFinished,
    IterationStarted,
    KernelChanged,
    ModelReplied,
    NotebookSaved,
    QueueChanged,
    RunFinished,
    RunStarted,
    VerificationFinished,
)
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import ChartRecord, Finding, IterationRecord, Usage
from analyst_kernel.server.events.journal import Journal

STOPPED = "The server stopped while this run was at work. Ask again to go on from its notebook."


def closing_events(journal: Journal, analysis: AnalysisId) -> tuple[Event, ...]:
    """Return the events that close what a stopped server left open in an analysis."""
    found: list[Event] = []
    rows = journal.open_run(analysis)
    if rows:
        found.append(closed_run([EVENT.validate_json(row.body) for row in rows]))
    checks = journal.of_type(analysis, "verification_started")
    checked = journal.of_type(analysis, "verification_finished")
    if checks and (not checked or checked[-1].number < checks[-1].number):
        found.append(
            VerificationFinished(
                analysis=analysis, reproduced=0, total=0, reason="The server stopped."
            )
        )
    begun = journal.of_type(analysis, "branch_started")
    if begun and not journal.of_type(analysis, "branch_finished"):
        reason = "The server stopped. The next question runs these cells first."
        found.append(BranchFinished(analysis=analysis, reproduced=0, total=0, reason=reason))
    for kind in ("queue_changed", "kernel_changed"):
        for row in journal.of_type(analysis, kind)[-1:]:
            match EVENT.validate_json(row.body):
                case QueueChanged(questions=waiting) if waiting:
                    found.append(QueueChanged(analysis=analysis, questions=()))
                case KernelChanged(state=state) if state != "stopped":
                    reason = "The server stopped. The next question starts a kernel."
                    found.append(KernelChanged(analysis=analysis, state="stopped", reason=reason))
                case _:
                    pass
    return tuple(found)


def closed_run(events: Sequence[Event]) -> RunFinished:
    """Return the end of a run as cancelled, with what it reached.

    Args:
        events: The run's, from its ``RunStarted``.
    """
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

"""One iteration: exactly one cell, recorded before it runs and again after, whatever happens.

The tools ``run_python`` and ``run_sql`` lead here. The result that the model reads is composed in
:mod:`analyst_kernel.agent.observation.reply`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from analyst_kernel.agent.approval import ask_approval, plan_reader
from analyst_kernel.agent.evidence.checks.shown import shown_cell
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.agent.evidence.typed import NOTHING, names_after, typed_in
from analyst_kernel.agent.lineage.judge import hints
from analyst_kernel.agent.lineage.lines import lineage_lines, one_line
from analyst_kernel.agent.lineage.reading import cell_reads
from analyst_kernel.agent.lineage.watching import watch_text
from analyst_kernel.agent.loads.check import Room, too_large
from analyst_kernel.agent.observation import repair
from analyst_kernel.agent.observation.cell import charts_of
from analyst_kernel.agent.observation.reply import reply_to
from analyst_kernel.agent.plan import Plan
from analyst_kernel.agent.ports import DatasetWatcher, Execution, IterationEntry, OutputChange
from analyst_kernel.agent.preflight import BLOCKING, PreflightFinding, check_code
from analyst_kernel.agent.run import OpenCell, Run, apply_change
from analyst_kernel.agent.tools.packages import may_be_fetched, provide_missing
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.errors import KernelError, NotebookError
from analyst_kernel.protocol.ids import new_cell_id
from analyst_kernel.protocol.outputs import CellError, Outcome
from analyst_kernel.protocol.records import CellLabel, IterationRecord


async def iterate(
    run: Run, code: str, language: Literal["python", "sql"], purpose: str, step: int | None
) -> Reply:
    """Run code as the run's next iteration, and return the result for the model.

    The code is plain Python, also if the model wrote it in SQL.
    """
    refusal = _may_not_run(run)
    if refusal:
        return Reply.refuse(refusal)
    if not run.plan.steps:
        run.move_plan(Plan.of([run.question[:200]], implicit=True), "straight to the first cell")
    label = CellLabel(number=run.memory.next_number, cell=new_cell_id())
    run.memory.labels[label.cell] = label.number
    plan, step = run.plan.begin(step, label, run.cells_that_ran)
    run.move_plan(plan)
    entry = IterationEntry(
        cell=label.cell,
        run=run.id,
        iteration=label.number,
        step=step,
        attempt=plan.attempt(step),
        language=language,
        purpose=purpose.strip() or run.goal_of(step),
        code=code,
    )
    before = run.memory.frames
    opened = await _open(run, entry)
    rejection = await _clear_to_run(run, opened)
    if rejection is None:
        await _execute(run, opened)
        while await provide_missing(run, opened):
            await _execute_again(run, opened)
    else:
        opened.outcome = "rejected"
        opened.execution = Execution("rejected", (), rejection, 0.0, frames=before)
    await settle(run)
    return await reply_to(run, opened, before)


async def run_entry(run: Run, entry: IterationEntry) -> Execution:
    """Run the user's own cell: as one of the agent, but without checks and approval."""
    opened = await _open(run, entry)
    await _execute(run, opened)
    await settle(run)
    assert opened.execution is not None
    return opened.execution


def _named(entry: IterationEntry) -> str:
    return f"Cell {entry.iteration}" if entry.iteration else "Your cell"


_TOO_LARGE = (
    "The server's estimate of this query is over a limit of the user's, and nobody is there to "
    "approve it. Filter or aggregate earlier in it, or say in the answer that it was not asked."
)


def _may_not_run(run: Run) -> str:
    """Return the answer to a call if no cell may run now, else an empty text."""
    ended = run.meter.iterations_ended(len(run.iterations))
    if ended:
        run.exhausted = ended
        return f"Not run. {ended} Answer with what is established."
    if plan_reader(run) is not None:
        return "Not run: the user wants to see the plan first. Call update_plan."
    blocked = run.plan.blocked
    if blocked is not None:
        return (
            f"Not run: step {blocked.number} is blocked. Call update_plan first and replace it by "
            "another way, or finish with what is established."
        )
    return ""


async def _open(run: Run, entry: IterationEntry) -> OpenCell:
    opened = run.open_cell = OpenCell(entry)
    await run.record(entry)
    return opened


async def _clear_to_run(run: Run, opened: OpenCell) -> CellError | None:
    """Check the code and ask the user if they approve cells; return why it must not run."""
    entry, deps = opened.entry, run.deps
    facts = run.memory.facts
    known = facts is not None and facts.versions and not may_be_fetched(run)
    findings = check_code(
        entry.code,
        installed=frozenset(facts.versions) if facts is not None and known else None,
        datasets=frozenset(run.memory.dataset_names()),
        addresses=[one.address for one in deps.catalog.datasets if one.address],
    ) + _too_large(run, entry.code)
    large = await deps.databases.too_large(entry.code) if deps.databases is not None else ()
    if large and deps.user is None:
        _announce(run, opened)
        return CellError(name="NotApproved", message=_TOO_LARGE)
    asks = (run.approve or bool(large)) and deps.user is not None
    blocking = [f for f in findings if f.kind in BLOCKING]
    stopping = [f for f in blocking if f.kind == "syntax" or not asks]
    if stopping:
        _announce(run, opened)
        return _as_error(stopping)
    for finding in findings:
        found = f"Line {finding.line}: {finding.message}"
        run.notice(f"preflight-{finding.kind}", found)
        if finding.kind != "overwrite":  # the lineage says what became of the data
            opened.notes.append(found)
    if asks and not await ask_approval(run, opened, [*large, *(f.message for f in blocking)]):
        _announce(run, opened)
        return CellError(name="Skipped", message="The user chose not to run this cell.")
    return None


def _too_large(run: Run, code: str) -> tuple[PreflightFinding, ...]:
    """Return what the cell would load and the kernel has no memory for."""
    memory, facts = run.memory, run.memory.facts
    if facts is None:
        return ()
    pandas = facts.versions.get("pandas", "3").partition(".")[0]
    room = Room(facts.sandbox.memory_bytes, memory.frames, objects=pandas in ("1", "2"))
    found = too_large(
        code, run.deps.catalog.datasets, memory.profiles, room,
        earlier=[shown.code for shown in memory.shown],
        setup=[setup.code for setup in memory.setups],
    )  # fmt: skip
    return tuple(PreflightFinding("memory", one.line, one.message) for one in found)


def _as_error(findings: list[PreflightFinding]) -> CellError:
    first = findings[0]
    name = {"syntax": "SyntaxError", "memory": "DoesNotFit"}.get(first.kind, "NotAllowed")
    message = " ".join(f"Line {finding.line}: {finding.message}" for finding in findings[:3])
    return CellError(name=name, message=message, line=first.line)


def _announce(run: Run, opened: OpenCell) -> None:
    entry = opened.entry
    opened.announced = True
    run.emit(
        ev.IterationStarted(
            **run.stamp, iteration=entry.iteration, cell=entry.cell, step=entry.step,
            attempt=entry.attempt, language=entry.language, purpose=entry.purpose, code=entry.code,
        )
    )  # fmt: skip


async def _execute_again(run: Run, opened: OpenCell) -> None:
    """Run the open cell once more, from the start, in the place of what it showed before."""
    opened.live.clear()
    opened.execution = opened.outcome = None
    run.emit(ev.OutputsCleared(**run.stamp, cell=opened.entry.cell))
    await run.record(opened.entry)
    await _execute(run, opened)


async def _execute(run: Run, opened: OpenCell) -> None:
    _announce(run, opened)
    cell = opened.entry.cell

    def changed(change: OutputChange) -> None:
        apply_change(opened.live, change)
        if change.output is None:
            run.emit(ev.OutputsCleared(**run.stamp, cell=cell))
            return
        run.emit(
            ev.OutputProduced(
                **run.stamp, cell=cell, index=change.index, output=change.output,
                append=change.append,
            )
        )  # fmt: skip

    code = opened.entry.code
    if isinstance(run.deps.kernel, DatasetWatcher):
        run.deps.kernel.watch(watch_text(run.memory.profiles.values()))
    try:
        execution = await run.deps.kernel.execute(
            code, timeout=run.meter.cell_timeout, on_change=changed
        )
    except KernelError as failure:
        died = CellError(name="KernelDied", message=failure.what, hint=failure.remedy)
        opened.execution = Execution("error", tuple(opened.live), died, 0.0, kernel_died=True)
        run.memory.forget_kernel()
        raise
    error = execution.error
    if error is not None and not error.hint:
        frames = execution.frames or run.memory.frames
        error = error.model_copy(update={"hint": repair.hint(error, code, frames)})
        execution = replace(execution, error=error)
    opened.execution, opened.outcome = execution, execution.outcome


async def settle(run: Run, *, closing: bool = False) -> None:
    """Record how the open cell ended, and emit it. Does nothing if no cell is open.

    A write that is cancelled or fails leaves the cell open, so that the end of the run tries once
    more. With ``closing``, a notebook that cannot be written becomes a notice. A cell without an
    execution counts as cancelled.
    """
    opened = run.open_cell
    if opened is None:
        return
    execution = opened.execution or Execution(
        "cancelled",
        tuple(opened.live),
        CellError(name="Cancelled", message="The run was stopped before this cell ended."),
        0.0,
        frames=run.memory.frames,
    )
    outcome: Outcome = opened.outcome or execution.outcome
    entry = opened.entry = replace(opened.entry, execution=execution, outcome=outcome)
    try:
        await run.record(entry)
    except NotebookError as error:
        if not closing:
            raise
        run.notice("not-saved", f"{_named(entry)} is not saved. {error}")
    run.open_cell = None
    memory = run.memory
    if not opened.announced:
        _announce(run, opened)
    ran = outcome == "ok"
    lines = lineage_lines(memory.frames, execution.frames, execution.trace) if ran else ()
    lineage = one_line(lines, execution.trace)
    if ran:
        opened.hints = hints(
            entry.code, execution.trace, question=run.question,
            profiles=tuple(memory.profiles.values()),
        )  # fmt: skip
    run.iterations.append(
        IterationRecord(
            iteration=entry.iteration, cell=entry.cell, step=entry.step, attempt=entry.attempt,
            language=entry.language, purpose=entry.purpose, code=entry.code, outcome=outcome,
            seconds=execution.seconds, error=execution.error, lineage=lineage, hints=opened.hints,
        )
    )  # fmt: skip
    typed = typed_in(entry.code, memory.typed)
    memory.typed = names_after(typed, memory.typed, ran=ran)
    if not entry.iteration:
        typed = NOTHING  # what the user types is the user's word
    memory.numbers.append(
        cell_numbers(
            entry.cell, execution.outputs, before=memory.frames, after=execution.frames,
            code=entry.code if ran else "", typed=typed,
        )
    )  # fmt: skip
    memory.shown = [shown for shown in memory.shown if shown.cell != entry.cell]
    if outcome == "ok":
        memory.shown.append(
            shown_cell(
                entry.cell, entry.iteration, entry.code, execution.outputs,
                before=memory.frames, after=execution.frames,
                reads=cell_reads(execution.trace),
            )
        )  # fmt: skip
    memory.frames = execution.frames
    run.emit(
        ev.IterationFinished(
            **run.stamp, iteration=entry.iteration, cell=entry.cell, outcome=outcome,
            seconds=execution.seconds, execution_count=execution.execution_count,
            outputs=execution.outputs, error=execution.error, frames=execution.frames,
            lineage=lineage, hints=opened.hints,
        )
    )  # fmt: skip
    found = charts_of(
        execution.outputs, cell=entry.cell, iteration=entry.iteration, title=entry.purpose
    )
    for chart in memory.replace_charts(entry.cell, found):
        run.charts.append(chart)
        bare = chart.model_copy(update={"png": None})
        run.emit(ev.ChartCaptured(**run.stamp, chart=bare))
    for code, message in execution.notices:
        run.notice(code, message)

"""What the user does to an analysis without the model: runs cells, or undoes a whole run.

None of it may be called while a run is at work. What was undone cannot be restored; the question
can be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.iteration import run_entry, settle
from analyst_kernel.agent.manual.detect import keep_for_next_question
from analyst_kernel.agent.observation.cell import Note
from analyst_kernel.agent.ports import Execution, IterationEntry, UserExecution
from analyst_kernel.agent.remember import show_ledger
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.start import bring_up, reload_after_death
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.events import KernelChanged, NotebookSaved, RunUndone
from analyst_kernel.protocol.ids import CellId, RunId, new_cell_id


async def run_user_code(
    deps: AgentDeps, memory: Memory, code: str, *, timeout: float
) -> tuple[CellId, Execution]:
    """Run code in the analysis's kernel as a new cell with origin ``user``.

    The cell's events carry no run, and its iteration number is 0. The kernel is started and the
    data loaded first, if that was not done yet.

    Raises:
        InputError, SandboxError, KernelError: As when a run begins.
    """
    run = Run.manual(deps, memory, timeout=timeout)
    entry = IterationEntry(
        cell=new_cell_id(),
        run=run.id,
        iteration=0,
        step=None,
        attempt=1,
        language="python",
        purpose="",
        code=code,
        origin="user",
    )
    return entry.cell, await _run(run, entry)


async def run_again(
    deps: AgentDeps, memory: Memory, entry: IterationEntry, *, timeout: float
) -> Execution:
    """Run an iteration's cell again; the same cell gets the new outputs.

    The same rules hold as for :func:`run_user_code`. ``entry`` is as the notebook holds it now, so
    that the user's edits of the cell run.
    """
    run = Run.manual(deps, memory, timeout=timeout)
    memory.numbers = [shown for shown in memory.numbers if shown.cell != entry.cell]
    return await _run(run, replace(entry, execution=None, outcome=None))


async def _run(run: Run, entry: IterationEntry) -> Execution:
    try:
        await bring_up(run)
        execution = await run_entry(run, entry)
        keep_for_next_question(run.memory, UserExecution(entry.code, execution, entry.cell))
        if execution.kernel_died:
            why = execution.error.message if execution.error is not None else "It ended."
            await reload_after_death(run, why)
    except asyncio.CancelledError:
        run.memory.kernel_unsure = True
        await finish_despite_cancel(settle(run, closing=True))
        raise
    return execution


async def undo_run(
    deps: AgentDeps, memory: Memory, run: RunId, *, roll_back: bool, timeout: float
) -> RunUndone:
    """Remove a run's cells from the notebook and the run from the memory.

    With ``roll_back`` the kernel is emptied and the remaining cells run again, each for at most
    ``timeout`` seconds. If that is cancelled, the cells stay removed and the next question runs the
    others again.

    Raises:
        InputError: The notebook holds no such run.
        NotebookError: The notebook could not be written; nothing was undone.
        KernelError: The kernel did not come back; the next question starts a new one.
    """
    found = await deps.notebook.remove_run(run)
    if not found.removed and not found.kept:
        raise InputError(f"The notebook holds no run {run}.", "Reload to see what it holds.")
    has_kernel = memory.facts is not None
    in_ledger = memory.ledger.undo(run)
    question = next((earlier.question for earlier in memory.earlier if earlier.run == run), "")
    forget_run(memory, run, found.removed)
    rolled_back = roll_back and has_kernel
    undone = RunUndone(
        analysis=deps.analysis, run=run, removed=found.removed, kept=found.kept,
        rolled_back=rolled_back,
    )  # fmt: skip
    notebook = deps.notebook
    deps.emit(NotebookSaved(analysis=deps.analysis, path=notebook.path, cells=notebook.cell_count))
    deps.emit(undone)
    if in_ledger:
        show_ledger(deps, memory)
    if has_kernel and not rolled_back:
        text = (
            f"The user undid the run {run}: its cells are gone from the notebook. Variables that "
            "it made are still in the kernel; do not build on them."
        )
        if question:
            text = f"{text} It had asked:"
        memory.pending_notes.append(Note(text, question[:200]))
    if rolled_back:
        await _roll_back(deps, memory, timeout)
    return undone


def forget_run(memory: Memory, run: RunId, cells: Collection[CellId]) -> None:
    """Drop from the memory what a run left there: answer, findings, charts and shown numbers."""
    gone = set(cells)
    of_run = {name for name, owner in memory.finding_runs.items() if owner == run}
    memory.earlier = [earlier for earlier in memory.earlier if earlier.run != run]
    memory.findings = [
        finding
        for finding in memory.findings
        if finding.id not in of_run and not gone.intersection(finding.cells)
    ]
    memory.charts = [chart for chart in memory.charts if chart.cell not in gone]
    memory.numbers = [shown for shown in memory.numbers if shown.cell not in gone]
    memory.user_executions = [ran for ran in memory.user_executions if ran.cell not in gone]


async def _roll_back(deps: AgentDeps, memory: Memory, timeout: float) -> None:
    reason = "Emptied, to run again what is left of the notebook."
    deps.emit(KernelChanged(analysis=deps.analysis, state="restarted", reason=reason))
    memory.empty_kernel()
    memory.kernel_lost = True  # until the replay has ended, so that a stopped one is repeated
    frame = Run.manual(deps, memory, timeout=timeout)
    try:
        facts = memory.facts = await deps.kernel.restart()
        await bring_up(frame)
    except asyncio.CancelledError:
        frame.notice(
            "rollback-stopped",
            "Running the notebook again was stopped. The next question does it from the start.",
        )
        raise
    memory.frames_at_run_end = memory.frames
    reason = facts.sandbox.sentence
    deps.emit(KernelChanged(analysis=deps.analysis, state="ready", reason=reason))

"""Undoes a whole run: its cells, what it found and, on request, its variables in the kernel.

Must not be called while a run is at work. What was undone cannot be restored; the question can be
asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.start import bring_up
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.events import KernelChanged, NotebookSaved, RunUndone
from analyst_kernel.protocol.ids import CellId, RunId


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
    if has_kernel and not rolled_back:
        what = f"the run {run} ({question[:200]!r})" if question else f"the run {run}"
        memory.pending_notes.append(
            f"The user undid {what}: its cells are gone from the notebook. Variables that it "
            "made are still in the kernel; do not build on them."
        )
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

"""Undoes a whole run: its cells, what it found, and where wanted what it left in the kernel.

Called by whoever holds the analysis, never while a run is at work. What was undone cannot be
brought back; the question can be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.ports import KernelFacts
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.start import bring_up
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.events import KernelChanged, NotebookSaved, RunUndone
from analyst_kernel.protocol.ids import CellId, RunId


async def undo_run(
    deps: AgentDeps, memory: Memory, run: RunId, *, roll_back: bool, timeout: float
) -> RunUndone:
    """Take a run's cells out of the notebook, forget it, and tell so.

    Args:
        deps: The seams.
        memory: Of the analysis.
        run: Which run.
        roll_back: Empty the kernel and run what is left again. Cancelling that leaves the replay
            to the next question; the cells stay removed.
        timeout: Of each cell that runs again, seconds.

    Raises:
        InputError: The notebook holds no such run.
        NotebookError: It could not be written; nothing was undone.
        KernelError: The kernel did not come back; the next question starts another one.
    """
    found = await deps.notebook.remove_run(run)
    if not found.removed and not found.kept:
        raise InputError(f"The notebook holds no run {run}.", "Reload to see what it holds.")
    session = memory.facts is not None
    question = next((earlier.question for earlier in memory.earlier if earlier.run == run), "")
    forget_run(memory, run, found.removed)
    rolled_back = roll_back and session
    undone = RunUndone(
        analysis=deps.analysis, run=run, removed=found.removed, kept=found.kept,
        rolled_back=rolled_back,
    )  # fmt: skip
    notebook = deps.notebook
    deps.emit(NotebookSaved(analysis=deps.analysis, path=notebook.path, cells=notebook.cell_count))
    deps.emit(undone)
    if session and not rolled_back:
        what = f"the run {run} ({question[:200]!r})" if question else f"the run {run}"
        memory.news.append(
            f"The user undid {what}: its cells are gone from the notebook. Variables that it "
            "made are still in the kernel; do not build on them."
        )
    if rolled_back:
        await _roll_back(deps, memory, timeout)
    return undone


def forget_run(memory: Memory, run: RunId, cells: Collection[CellId]) -> None:
    """Drop what a run left in the memory: its answer, findings, charts and shown numbers."""
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
    memory.heard = [heard for heard in memory.heard if heard.cell not in gone]


async def _roll_back(deps: AgentDeps, memory: Memory, timeout: float) -> None:
    reason = "Emptied, to run again what is left of the notebook."
    deps.emit(KernelChanged(analysis=deps.analysis, state="restarted", reason=reason))
    memory.empty_kernel()
    memory.kernel_lost = True  # until the replay is through, also when it is stopped
    frame = Run.by_hand(deps, memory, timeout=timeout)
    try:
        memory.facts = await deps.kernel.restart()
        await bring_up(frame)
    except asyncio.CancelledError:
        frame.notice(
            "rollback-stopped",
            "Running the notebook again was stopped. The next question does it from the start.",
        )
        raise
    memory.left = memory.frames
    _ready(deps, memory.facts)


def _ready(deps: AgentDeps, facts: KernelFacts | None) -> None:
    reason = facts.sandbox.sentence if facts is not None else ""
    deps.emit(KernelChanged(analysis=deps.analysis, state="ready", reason=reason))

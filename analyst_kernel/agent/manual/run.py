"""Runs cells for the user: their own code, or an iteration again. No model takes part."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.iteration import run_entry, settle
from analyst_kernel.agent.manual.changes import HeardRun
from analyst_kernel.agent.manual.detect import remember
from analyst_kernel.agent.ports import Execution, IterationEntry
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.start import bring_up, reload_after_death
from analyst_kernel.protocol.ids import CellId, new_cell_id


async def run_by_hand(
    deps: AgentDeps, memory: Memory, code: str, *, timeout: float
) -> tuple[CellId, Execution]:
    """Run code in the analysis's kernel as a new cell with origin ``user``.

    Called by whoever holds the analysis, never while a run is at work. Its events carry no run; its
    iteration number is 0. Starts the kernel and loads the data where that was not done yet.

    Raises:
        InputError, SandboxError, KernelError: As a run's beginning does.
    """
    run = Run.by_hand(deps, memory, timeout=timeout)
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

    Called as :func:`run_by_hand` is, with the entry as the notebook holds it: what runs is the text
    that stands there, also where the user edited it.
    """
    run = Run.by_hand(deps, memory, timeout=timeout)
    memory.numbers = [shown for shown in memory.numbers if shown.cell != entry.cell]
    return await _run(run, replace(entry, execution=None, outcome=None))


async def _run(run: Run, entry: IterationEntry) -> Execution:
    try:
        await bring_up(run)
        execution = await run_entry(run, entry)
        remember(
            run.memory,
            HeardRun(
                code=entry.code, outcome=execution.outcome, outputs=execution.outputs,
                error=execution.error, seconds=execution.seconds,
                execution_count=execution.execution_count, cell=entry.cell,
            ),
        )  # fmt: skip
        if execution.kernel_died:
            why = execution.error.message if execution.error is not None else "It ended."
            await reload_after_death(run, why)
    except asyncio.CancelledError:
        run.memory.kernel_unsure = True
        await finish_despite_cancel(settle(run, closing=True))
        raise
    return execution

"""Starts the kernel of a branch and brings it to the state that its notebook ends with."""

from __future__ import annotations

import asyncio

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.replay import Arrival, OnCell, StateTransfer, remember
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.start import start_kernel


async def arrive(
    deps: AgentDeps,
    memory: Memory,
    transfer: StateTransfer,
    *,
    timeout: float,
    on_cell: OnCell,
) -> Arrival:
    """Give the kernel the state of the whole notebook; it is fresh afterwards but for that.

    Called by whoever holds the analysis, never while a run is at work. When cancelled, or when it
    fails, the kernel is stopped: the next run starts one and runs the cells again.

    Raises:
        SandboxError, KernelError: The kernel did not come up; nothing ran.
    """
    run = Run.by_hand(deps, memory, timeout=timeout)
    try:
        await start_kernel(run)
        cells = deps.notebook.cells_to_replay()
        arrival = await transfer.bring(deps.kernel, cells, timeout=timeout, on_cell=on_cell)
    except (Exception, asyncio.CancelledError):
        await finish_despite_cancel(deps.kernel.stop())
        memory.forget_kernel()
        memory.kernel_lost = True
        raise
    remember(memory, arrival)
    for failure in arrival.failures:
        memory.news.append(f"{failure} This branch was made by running the cells again.")
    return arrival

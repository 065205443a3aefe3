"""Starts the kernel of a branch and brings it to the state that its notebook ends with."""

from __future__ import annotations

import asyncio

from analyst_kernel.agent.closing import undisturbed
from analyst_kernel.agent.opening import start_kernel
from analyst_kernel.agent.replay import remember
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.state import Bench, Memory
from analyst_kernel.agent.transfer import Arrival, OnCell, StateTransfer


async def arrive(
    bench: Bench,
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
    run = Run.by_hand(bench, memory, timeout=timeout)
    try:
        await start_kernel(run)
        cells = bench.notebook.cells_to_replay()
        arrival = await transfer.bring(bench.kernel, cells, timeout=timeout, on_cell=on_cell)
    except (Exception, asyncio.CancelledError):
        await undisturbed(bench.kernel.stop())
        memory.forget_kernel()
        memory.kernel_lost = True
        raise
    remember(memory, arrival)
    for failure in arrival.failures:
        memory.news.append(f"{failure} This branch was made by running the cells again.")
    return arrival

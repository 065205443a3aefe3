"""Gives a fresh kernel the state of its notebook by running the notebook's cells again.

Nothing is recorded: the cells and their saved outputs stay as they are. :func:`replay` does not
decide when it is due; that is :attr:`analyst_kernel.agent.state.Memory.kernel_lost`.
"""

from __future__ import annotations

from analyst_kernel.agent.run import Run
from analyst_kernel.agent.state import Memory
from analyst_kernel.agent.transfer import Arrival, CellArrived, Replay
from analyst_kernel.protocol.events import KernelChanged


async def replay(run: Run) -> list[str]:
    """Run the notebook's cells again, and tell the person how that went.

    A cell that fails now does not stop the ones after it; a kernel that dies does. When this is
    cancelled, the next run replays again from the start.

    Returns:
        Sentences for the model; empty where there was nothing to run.

    Raises:
        KernelError: The kernel could not be brought back after it died.
    """
    cells = run.bench.notebook.cells_to_replay()
    if not cells:
        run.memory.kernel_lost = False
        return []
    reason = f"The kernel is new: running the notebook's {_count(len(cells))} again."
    run.tell(KernelChanged(**run.stamp, state="restarted", reason=reason))

    async def progress(arrived: CellArrived) -> None:
        if arrived.number < arrived.of:
            told = f"Running the notebook again: cell {arrived.number + 1} of {arrived.of}."
            run.tell(KernelChanged(**run.stamp, state="restarted", reason=told))

    arrival = await Replay().bring(
        run.bench.kernel, cells, timeout=run.meter.cell_timeout, on_cell=progress
    )
    remember(run.memory, arrival)
    return _tell(run, len(cells), arrival.failures)


def remember(memory: Memory, arrival: Arrival) -> None:
    """Note what the living kernel holds after a transfer."""
    if arrival.died:
        memory.empty_kernel()
    else:
        memory.frames = arrival.frames
    for setup in memory.setups:
        setup.ran = setup.cell in arrival.ran
    memory.kernel_lost = False


def _tell(run: Run, cells: int, failures: tuple[str, ...]) -> list[str]:
    if not failures:
        message = f"The kernel was new, so the notebook's {_count(cells)} ran again."
        run.notice("kernel-replayed", message, level="info")
        return [f"{message} Variables are as they were."]
    message = (
        f"The kernel was new, so the notebook's {_count(cells)} ran again, and not all went as "
        f"before. {' '.join(failures)}"
    )
    run.notice("kernel-replayed", message)
    return [f"{message} Check what you need before you use it."]


def _count(cells: int) -> str:
    return "one cell" if cells == 1 else f"{cells} cells"

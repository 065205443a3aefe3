"""Gives a fresh kernel the state of its notebook by running the notebook's cells again.

Nothing is recorded: the cells and their saved outputs stay as they are. :func:`replay` does not
decide when it is due; that is :attr:`analyst_kernel.agent.context.Memory.kernel_lost`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from analyst_kernel.agent.context import Memory
from analyst_kernel.agent.ports import Execution, Kernel, ReplayCell
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.events import KernelChanged
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Frame


async def replay(run: Run) -> list[str]:
    """Run the notebook's cells again, and tell the user how that went.

    A cell that fails now does not stop the ones after it; a kernel that dies does. When this is
    cancelled, the next run replays again from the start.

    Returns:
        Sentences for the model; empty where there was nothing to run.

    Raises:
        KernelError: The kernel could not be brought back after it died.
    """
    cells = run.deps.notebook.cells_to_replay()
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
        run.deps.kernel, cells, timeout=run.meter.cell_timeout, on_cell=progress
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


@dataclass(frozen=True, slots=True)
class CellArrived:
    """One more cell's state is in the kernel, or is known not to be.

    Attributes:
        cell: Which cell.
        number: How many cells were dealt with so far, this one included.
        of: How many there are.
        execution: How it ran just now; ``None`` where its state came without running it.
    """

    cell: ReplayCell
    number: int
    of: int
    execution: Execution | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the kernel holds after a transfer.

    Attributes:
        ran: Cells whose state is there.
        failures: What could not be brought, one sentence each.
        frames: Variables in the kernel now.
        died: The kernel died meanwhile and is empty.
    """

    ran: frozenset[CellId] = frozenset()
    failures: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    died: bool = False


OnCell: TypeAlias = Callable[[CellArrived], Awaitable[None]]


async def nobody(arrived: CellArrived) -> None:
    """Hear of a cell and do nothing."""


class StateTransfer(Protocol):
    """Brings a fresh kernel to the state of the last of some cells."""

    async def bring(
        self,
        kernel: Kernel,
        cells: Sequence[ReplayCell],
        *,
        timeout: float,
        on_cell: OnCell = nobody,
    ) -> Arrival:
        """Give ``kernel``, which is started and empty, the state after ``cells``.

        Called by whoever holds the analysis, one at a time. A cell that fails does not stop the
        ones after it; a kernel that dies does. When cancelled, the kernel is idle and holds any
        part of the state: the caller must not go on in it.

        Args:
            kernel: The fresh kernel.
            cells: In order; the last one's state is wanted.
            timeout: Seconds that one cell may take.
            on_cell: Told of each cell as its state is there.

        Raises:
            KernelError: The kernel could not be brought back after it died.
        """
        ...


class Replay:
    """The transfer that is always possible: every cell runs again, in order."""

    async def bring(
        self,
        kernel: Kernel,
        cells: Sequence[ReplayCell],
        *,
        timeout: float,
        on_cell: OnCell = nobody,
    ) -> Arrival:
        """Run the cells; see :class:`StateTransfer`."""
        ran: set[CellId] = set()
        failures: list[str] = []
        frames: tuple[Frame, ...] = ()
        for number, cell in enumerate(cells, start=1):
            execution = await kernel.execute(cell.code, timeout=timeout)
            await on_cell(CellArrived(cell, number, len(cells), execution))
            if execution.kernel_died:
                failures.append(f"The kernel died in cell {cell.cell}; variables are gone.")
                return Arrival(failures=tuple(failures), died=True)
            frames = execution.frames
            if execution.outcome == "ok":
                ran.add(cell.cell)
            elif not cell.may_fail:
                failures.append(_failure(cell, execution))
        return Arrival(frozenset(ran), tuple(failures), frames)


def _failure(cell: ReplayCell, execution: Execution) -> str:
    error = execution.error
    what = f"{error.name}: {error.message[:200]}" if error is not None else execution.outcome
    return f"Cell {cell.cell} no longer runs ({what})."

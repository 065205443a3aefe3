"""The seam for giving a fresh kernel the state that another one had after some cell.

Today there is one way: :class:`Replay` runs the cells again. A faster one (a fork of a living
kernel, variables carried over) is another :class:`StateTransfer`; its callers stay as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from analyst_kernel.agent.ports import Execution, Kernel, ReplayCell
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Frame


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

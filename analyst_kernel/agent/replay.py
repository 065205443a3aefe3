"""Restores the state of a notebook in a fresh kernel by running the notebook's cells again.

Nothing is recorded: the cells and their saved outputs stay as they are.
:attr:`analyst_kernel.agent.context.Memory.kernel_lost` decides when a run needs a replay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from analyst_kernel.agent.context import Memory
from analyst_kernel.agent.evidence.shown import CellNumbers, cell_numbers
from analyst_kernel.agent.evidence.typed import Names, names_after, typed_in
from analyst_kernel.agent.observation.cell import Note, note_text
from analyst_kernel.agent.ports import Execution, Kernel, ReplayCell
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.events import KernelChanged
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Frame


@dataclass(frozen=True, slots=True)
class CellReplayed:
    """A cell that ran again in the fresh kernel: the ``number``-th, from 1, ``of`` all cells."""

    cell: ReplayCell
    number: int
    of: int
    execution: Execution


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The state of the kernel after a replay.

    Attributes:
        ran: Cells that ran without an error.
        failures: One sentence for each cell that ran without an error before, and now failed.
        died: Whether the kernel died meanwhile, so that it is empty.
        numbers: What the cells showed now.
        typed: The variables that only literals made.
    """

    ran: frozenset[CellId] = frozenset()
    failures: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    died: bool = False
    numbers: tuple[CellNumbers, ...] = ()
    typed: Names = field(default_factory=dict)


OnCell: TypeAlias = Callable[[CellReplayed], Awaitable[None]]


async def replay(run: Run) -> list[str]:
    """Run the notebook's cells again, notify the user, and return sentences for the model.

    When this is cancelled, the next run replays again from the start.

    Raises:
        KernelError: The kernel died and did not come back.
    """
    cells = run.deps.notebook.cells_to_replay()
    if not cells:
        run.memory.kernel_lost = False
        return []
    reason = f"The kernel is new: running the notebook's {_count(len(cells))} again."
    run.emit(KernelChanged(**run.stamp, state="restarted", reason=reason))

    async def progress(done: CellReplayed) -> None:
        if done.number < done.of:
            reason = f"Running the notebook again: cell {done.number + 1} of {done.of}."
            run.emit(KernelChanged(**run.stamp, state="restarted", reason=reason))

    result = await replay_cells(
        run.deps.kernel, cells, timeout=run.meter.cell_timeout, on_cell=progress
    )
    take_replayed(run.memory, result)
    return _report(run, len(cells), result.failures)


async def replay_cells(
    kernel: Kernel, cells: Sequence[ReplayCell], *, timeout: float, on_cell: OnCell | None = None
) -> ReplayResult:
    """Give a fresh kernel, which is started and empty, the state of a notebook.

    Every cell runs again, in order, each for at most ``timeout`` seconds; ``on_cell`` is awaited
    after each. A cell that fails does not stop the ones after it; a kernel that dies does. When
    cancelled, the kernel is idle and holds any part of the state: the caller must not go on in it.

    Raises:
        KernelError: The kernel died and did not come back.
    """
    ran: set[CellId] = set()
    failures: list[str] = []
    frames: tuple[Frame, ...] = ()
    numbers: list[CellNumbers] = []
    names: Names = {}
    for number, cell in enumerate(cells, start=1):
        execution = await kernel.execute(cell.code, timeout=timeout)
        if on_cell is not None:
            await on_cell(CellReplayed(cell, number, len(cells), execution))
        if execution.kernel_died:
            failures.append(f"The kernel died in cell {cell.cell}; variables are gone.")
            return ReplayResult(failures=tuple(failures), died=True, numbers=tuple(numbers))
        is_ok = execution.outcome == "ok"
        typed = typed_in(cell.code, names)
        names = names_after(typed, names, ran=is_ok)
        shown = cell_numbers(
            cell.cell, execution.outputs, before=frames, after=execution.frames,
            code=cell.code if is_ok else "", typed=typed,
        )  # fmt: skip
        numbers.append(shown)
        frames = execution.frames
        if is_ok:
            ran.add(cell.cell)
        elif not cell.may_fail:
            failures.append(_failure(cell, execution))
    return ReplayResult(
        frozenset(ran), tuple(failures), frames, numbers=tuple(numbers), typed=names
    )


def take_replayed(memory: Memory, result: ReplayResult) -> None:
    """Update the memory by what the kernel holds after a replay."""
    if result.died:
        memory.empty_kernel()
    else:
        memory.frames = result.frames
        memory.typed = result.typed
    for shown in result.numbers:
        memory.replace_numbers(shown)
    for setup in memory.setups:
        setup.ran = setup.cell in result.ran and not setup.renewed
    memory.kernel_lost = False


def _report(run: Run, cells: int, failures: tuple[str, ...]) -> list[str]:
    if not failures:
        message = f"The kernel was new, so the notebook's {_count(cells)} ran again."
        run.notice("kernel-replayed", message, level="info")
        return [f"{message} Variables are as they were."]
    message = (
        f"The kernel was new, so the notebook's {_count(cells)} ran again, and not all went as "
        "before."
    )
    run.notice("kernel-replayed", f"{message} {' '.join(failures)}")
    note = Note(
        f"{message} Check what you need before you use it. What failed:", "\n".join(failures)
    )
    return [note_text(note, run.nonce)]


def _count(cells: int) -> str:
    return "one cell" if cells == 1 else f"{cells} cells"


def _failure(cell: ReplayCell, execution: Execution) -> str:
    error = execution.error
    what = f"{error.name}: {error.message[:200]}" if error is not None else execution.outcome
    return f"Cell {cell.cell} no longer runs ({what})."

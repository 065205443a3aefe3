"""Gives a fresh kernel the state of its notebook by running the notebook's cells again.

Nothing is recorded: the cells and their saved outputs stay as they are. It does not decide when a
replay is due; that is :attr:`analyst_kernel.agent.state.Memory.kernel_lost`.
"""

from __future__ import annotations

from analyst_kernel.agent.ports import Execution, ReplayCell
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.events import KernelChanged
from analyst_kernel.protocol.ids import CellId


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
    ran: set[CellId] = set()
    failures: list[str] = []
    for number, cell in enumerate(cells, start=1):
        if number > 1:
            reason = f"Running the notebook again: cell {number} of {len(cells)}."
            run.tell(KernelChanged(**run.stamp, state="restarted", reason=reason))
        execution = await run.bench.kernel.execute(cell.code, timeout=run.meter.cell_timeout)
        if execution.kernel_died:
            failures.append(f"The kernel died in cell {cell.cell}; variables are gone.")
            run.memory.empty_kernel()
            ran.clear()
            break
        run.memory.frames = execution.frames
        if execution.outcome == "ok":
            ran.add(cell.cell)
        elif not cell.may_fail:
            failures.append(_failure(cell, execution))
    for setup in run.memory.setups:
        setup.ran = setup.cell in ran
    run.memory.kernel_lost = False
    return _tell(run, len(cells), failures)


def _tell(run: Run, cells: int, failures: list[str]) -> list[str]:
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


def _failure(cell: ReplayCell, execution: Execution) -> str:
    error = execution.error
    what = f"{error.name}: {error.message[:200]}" if error is not None else execution.outcome
    return f"Cell {cell.cell} no longer runs ({what})."


def _count(cells: int) -> str:
    return "one cell" if cells == 1 else f"{cells} cells"

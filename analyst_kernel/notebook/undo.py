"""Which cells of a notebook belong to a run, and the notebook without them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analyst_kernel.agent.hand_changes import RemovedRun
from analyst_kernel.notebook.cells import Cell
from analyst_kernel.protocol.ids import CellId, RunId

_ROLES = ("question", "plan", "iteration", "answer")


def cells_of_run(
    cells: list[Cell],
    run: RunId,
    *,
    notes: Callable[[Cell], dict[str, Any]],
    is_theirs: Callable[[Cell], bool],
) -> RemovedRun:
    """Sort a run's cells into those to remove and those that are a person's by now.

    Args:
        cells: Of the notebook.
        run: Which run.
        notes: Reads a cell's ``metadata.analyst_kernel``.
        is_theirs: Says whether a person edited the cell.
    """
    removed: list[CellId] = []
    kept: list[CellId] = []
    for cell in cells:
        note = notes(cell)
        if note.get("run") != run or note.get("role") not in _ROLES:
            continue
        theirs = note.get("origin") == "user" or is_theirs(cell)
        (kept if theirs else removed).append(CellId(cell["id"]))
    return RemovedRun(tuple(removed), tuple(kept))

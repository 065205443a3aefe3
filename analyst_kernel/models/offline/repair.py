"""One sensible second try for a cell that failed.

Pure; returns new code, or nothing where a second try would only repeat the failure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from analyst_kernel.models.offline.code_text import quoted
from analyst_kernel.models.offline.observed import error_of
from analyst_kernel.models.offline.recipe import Cell
from analyst_kernel.models.offline.task import Task
from analyst_kernel.protocol.outputs import Frame, Output


def repaired(
    cell: Cell,
    task: Task,
    before: Sequence[Cell],
    outputs: Sequence[Output],
    frames: Sequence[Frame],
) -> str | None:
    """Return code for a second try.

    Args:
        cell: What failed.
        task: What it serves.
        before: Cells of the recipe that ran before it.
        outputs: The failed cell's outputs.
        frames: Variables in the kernel afterwards.
    """
    name, message = error_of(outputs)
    match name:
        case "NameError":
            return _with_earlier_cells(cell, task, before, message)
        case "KeyError":
            return _with_nearest_column(cell, task, frames, message)
        case "TypeError" | "ValueError" | "DataError":
            return _with_numbers(cell, task)
        case _:
            return None


def _with_earlier_cells(cell: Cell, task: Task, before: Sequence[Cell], message: str) -> str | None:
    """Variables are gone (the kernel was restarted): make them again in front."""
    lost = re.search(r"'([^']+)'", message)
    if not before or (lost is not None and lost[1] == task.profile.dataset.name):
        return None
    parts = [_as_python(earlier) for earlier in before if not earlier.optional]
    return "\n\n".join([*parts, cell.code])


def _as_python(cell: Cell) -> str:
    if cell.sql_name is None:
        return cell.code
    return f"import duckdb\n\n{cell.sql_name} = duckdb.sql({quoted(cell.code)}).df()"


def _with_nearest_column(
    cell: Cell, task: Task, frames: Sequence[Frame], message: str
) -> str | None:
    """The column has a slightly different name in the kernel than in the profile."""
    live = next((frame for frame in frames if frame.name == task.profile.dataset.name), None)
    if live is None:
        return None
    names = [column.name for column in live.columns]
    code = cell.code
    for column in task.profile.dataset.columns:
        if column in message and column not in names:
            near = difflib.get_close_matches(column.strip(), names, n=1, cutoff=0.8)
            if near:
                code = code.replace(quoted(column), quoted(near[0]))
    return code if code != cell.code else None


def _with_numbers(cell: Cell, task: Task) -> str | None:
    """A column that should hold numbers holds text: turn what reads as a number into one."""
    frame = f"{task.profile.dataset.name}_used"
    if cell.sql_name is not None or not task.measures or f"{frame}[" not in cell.code:
        return None
    if cell.key == "rows":
        return None
    lines = ["import pandas as pd", ""]
    for column in task.measures:
        place = f"{frame}[{quoted(column.name)}]"
        lines.append(f'{place} = pd.to_numeric({place}, errors="coerce")')
    lines += [f"{frame} = {frame}.dropna()", "", cell.code]
    return "\n".join(lines)

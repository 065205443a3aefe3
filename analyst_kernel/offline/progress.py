"""How far a recipe has come: what its cells showed, what failed, what is next.

Pure; found again at every turn by replaying the run's calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel._text import nearest
from analyst_kernel.offline.recipes.recipe import UNREADABLE, Cell, Recipe, quoted
from analyst_kernel.offline.task import DataTask
from analyst_kernel.offline.transcript import Done

ODD = "an output did not have the expected form"


@dataclass(slots=True)
class RecipeProgress:
    """The state of a recipe; the results, cells and iterations are by the key of the cell."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)  # ids of the notebook's cells
    iterations: dict[str, int] = field(default_factory=dict)
    next: Cell | None = None  # ``None`` when nothing is left, or nothing can go on
    code: str = ""  # of ``next``: as planned, or repaired
    failure: str = ""  # why the recipe cannot go on
    notes: list[str] = field(default_factory=list)


def shows(key: str) -> bool:
    """Return whether the cell of this key shows values, and no chart or nothing at all."""
    return not key.startswith(("chart", "load"))


def follow(
    recipe: Recipe, task: DataTask, done: Sequence[Done], *, before: int = 0
) -> RecipeProgress:
    """Replay the cell calls of a run, in order, against its recipe.

    ``before`` counts the iterations that the run had before these.
    """
    progress = RecipeProgress()
    calls = enumerate(done, before + 1)
    ran: list[Cell] = []
    for entry in recipe.cells:
        try:
            cell = entry if isinstance(entry, Cell) else entry(progress.results)
        except UNREADABLE:
            progress.failure = ODD
            return progress
        if cell is None:
            continue
        code = cell.code
        for attempt, (ordinal, call) in enumerate(calls):
            again = _repaired(cell, task, ran, call) if attempt == 0 else None
            if again is None:
                _settle(progress, cell, call, ordinal)
                break
            code = again
        else:
            progress.next, progress.code = cell, code
        if progress.failure or progress.next is not None:
            return progress
        ran.append(cell)
        no_rows = cell.key == "rows" and progress.results["rows"].get("rows used") == 0
        if no_rows and task.intent not in ("count", "several"):
            return progress
    return progress


def _settle(progress: RecipeProgress, cell: Cell, call: Done, ordinal: int) -> None:
    """Take the last result of a cell: it is done, left out, or the end of the recipe."""
    ended = call.seen.outcome == "ok" and not call.result.is_error
    shown = (call.shown if shows(cell.key) else {}) if ended else None
    if shown is not None:
        progress.results[cell.key] = shown
        if call.seen.cell:
            progress.cells[cell.key] = call.seen.cell
        progress.iterations[cell.key] = call.iteration or ordinal
    elif not cell.optional:
        unread = f"the output of “{cell.purpose}” could not be read back"
        progress.failure = unread if ended else _failure(cell, call)
    elif cell.key.startswith("chart"):
        progress.notes.append("The chart could not be drawn.")


_ENDINGS = {
    "timeout": "took too long",
    "rejected": "was not run, because it was not approved",
    "cancelled": "was stopped",
    "refused": "was refused before it ran",
}


def _failure(cell: Cell, call: Done) -> str:
    name, message = call.error
    short = message.replace("`", "'").splitlines()[0][:160] if message else ""
    failed = f"failed with `{name}: {short}`" if name else "failed"
    return f"the cell “{cell.purpose}” {_ENDINGS.get(call.seen.outcome, failed)}"


def _repaired(cell: Cell, task: DataTask, before: Sequence[Cell], call: Done) -> str | None:
    """Return code for a second try, from the failed cell's outputs and the kernel's variables."""
    name, message = call.error if call.seen.outcome == "error" else ("", "")
    match name:
        case "NameError":
            return _with_earlier_cells(cell, task, before, message)
        case "KeyError":
            return _with_nearest_column(cell, task, call, message)
        case "TypeError" | "ValueError" | "DataError":
            return _with_numbers(cell, task)
        case _:
            return None


def _with_earlier_cells(
    cell: Cell, task: DataTask, before: Sequence[Cell], message: str
) -> str | None:
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


def _with_nearest_column(cell: Cell, task: DataTask, call: Done, message: str) -> str | None:
    """The column has a slightly different name in the kernel than in the profile."""
    if cell.sql_name is not None:
        return None  # a name is written otherwise in SQL
    live = (frame for frame in call.seen.frames if frame.name == task.profile.dataset.name)
    names = [column.name for frame in live for column in frame.columns]
    code = cell.code
    for column in task.profile.dataset.columns:
        if column in message and column not in names:
            near = nearest(column, names, 1, cutoff=0.8)
            if near:
                code = code.replace(quoted(column), quoted(near[0]))
    return code if code != cell.code else None


def _with_numbers(cell: Cell, task: DataTask) -> str | None:
    """A column that should hold numbers holds text: turn what reads as a number into one."""
    frame = f"{task.profile.dataset.name}_used"
    usable = cell.sql_name is None and cell.key != "rows" and f"{frame}[" in cell.code
    if not usable or not task.measures:
        return None
    lines = ["import pandas as pd", ""]
    for column in task.measures:
        place = f"{frame}[{quoted(column.name)}]"
        lines.append(f'{place} = pd.to_numeric({place}, errors="coerce")')
    lines += [f"{frame} = {frame}.dropna()", "", cell.code]
    return "\n".join(lines)

"""From an exception to a ``CellError``: its line, and what was likely meant.

Pure; reads only the error and the frames that the kernel holds.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from analyst_kernel.protocol.outputs import CellError, ErrorOutput, Frame

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELL_LINE = re.compile(r"Cell In ?\[(\d+)\], line (\d+)")
_ATTRIBUTE = re.compile(r"attribute '([^']{1,200})'")
_NAME = re.compile(r"name '([^']{1,200})' is not defined")
_MODULE = re.compile(r"No module named '([^']{1,200})'")


def cell_error(
    error: ErrorOutput, *, execution_count: int | None, frames: Sequence[Frame]
) -> CellError:
    """Return what went wrong, with the cell's line and the nearest name where there is one."""
    return CellError(
        name=error.ename,
        message=error.evalue,
        line=_line(error, execution_count),
        hint=_hint(error, frames),
    )


def _line(error: ErrorOutput, execution_count: int | None) -> int | None:
    line = None
    for found in _CELL_LINE.finditer(_ANSI.sub("", "\n".join(error.traceback))):
        if execution_count is None or int(found[1]) == execution_count:
            line = int(found[2])
    return line


def _hint(error: ErrorOutput, frames: Sequence[Frame]) -> str:
    if error.ename == "KeyError":
        return _nearest_column(error.evalue.strip("'\""), frames)
    if error.ename == "AttributeError" and (found := _ATTRIBUTE.search(error.evalue)):
        return _nearest_column(found[1], frames)
    if error.ename == "NameError" and (found := _NAME.search(error.evalue)):
        close = _closest(found[1], [frame.name for frame in frames])
        return f"The nearest variable is {close}." if close else ""
    if error.ename == "ModuleNotFoundError" and (found := _MODULE.search(error.evalue)):
        return f"{found[1]} is not installed in this kernel, and nothing can be installed."
    if error.ename == "StdinNotImplementedError":
        return "A cell cannot ask for input here; write the value into the code."
    return ""


def _nearest_column(wanted: str, frames: Sequence[Frame]) -> str:
    columns = {column.name: frame.name for frame in reversed(frames) for column in frame.columns}
    close = _closest(wanted, list(columns))
    return f"The nearest column is {close!r} of {columns[close]}." if close else ""


def _closest(wanted: str, names: list[str]) -> str:
    """Return the nearest name that is not ``wanted`` itself, or an empty string."""
    folded = {name.casefold().strip(): name for name in reversed(names)}
    found = difflib.get_close_matches(wanted.casefold().strip(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found and folded[found[0]] != wanted else ""

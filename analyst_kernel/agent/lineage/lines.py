"""The line that says where each table of a cell comes from and what became of its rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.agent.lineage.trace import CellTrace, TraceFrame
from analyst_kernel.agent.observation.repair import schema_line
from analyst_kernel.protocol.outputs import Frame

_MOST = 12
_NAMES = 8


def lineage_lines(
    before: Sequence[Frame], after: Sequence[Frame], trace: CellTrace | None
) -> tuple[str, ...]:
    """Return a line for each variable that a cell made, changed or removed.

    A table that the kernel followed gets its origin instead of its schema.
    """
    old = {frame.name: frame for frame in before}
    known = {frame.name: frame for frame in (*before, *after)}
    lines: list[str] = []
    for frame in after:
        was = old.pop(frame.name, None)
        if was == frame:
            continue
        origin = trace.frames.get(frame.name) if trace is not None else None
        line = _from_origin(frame, origin, known) if origin is not None else ""
        lines.append(line + _was(frame, was) if line else schema_line(frame) + _mark(frame, was))
    more = len(lines) - _MOST
    if more > 0:
        lines = [*lines[:_MOST], f"… {more} more variables changed"]
    lines += [f"{name}: deleted" for name in list(old)[:_MOST] if len(after) < 50]
    return tuple(lines)


def one_line(lines: Sequence[str], trace: CellTrace | None) -> str:
    """Return a cell's lineage in one line, for a reader: its tables, or what it read."""
    if lines:
        return "; ".join(lines)[:1000]
    if trace is None:
        return ""
    reads = [name for name in trace.reads if name != "?"]
    return f"reads {', '.join(reads)}" if reads else ""


def _mark(frame: Frame, was: Frame | None) -> str:
    if was is None:
        return " [new]"
    return _was(frame, was) or " [changed]"


def _was(frame: Frame, was: Frame | None) -> str:
    if was is None or was.shape == frame.shape or not (was.shape and frame.shape):
        return ""
    change = frame.shape[0] - was.shape[0]
    return f" [was {' x '.join(f'{n:,}' for n in was.shape)}; {change:+,} rows]"


def _from_origin(frame: Frame, origin: TraceFrame, known: dict[str, Frame]) -> str:
    if not frame.shape:
        return ""
    rows = frame.shape[0]
    sample = f" [{origin.sample}]" if origin.sample else ""
    if origin.made and not origin.roots:
        return f"{frame.name}: {_count(rows)} of {origin.made}{_schema(frame)}"
    if not origin.label or (origin.label == frame.name and origin.rows < 0):
        return ""
    source = known.get(origin.label)
    whole = f" ({origin.rows:,} rows)" if origin.rows >= 0 else ""
    if origin.reduced:
        by = f" by {', '.join(map(repr, origin.by))}" if origin.by else ""
        return f"{frame.name}: {_count(rows)}{by} from {origin.label}{whole}{_schema(frame)}"
    if origin.others:
        joined = ", ".join(f"{label} ({size:,} rows)" for label, size in origin.others)
        text = f"{frame.name}: {_count(rows)} from {origin.label}{whole} with {joined}"
        return text + _columns(frame, source) + sample
    if 0 <= rows <= origin.rows:
        part = f"{rows:,} of {origin.label}'s {_count(origin.rows)} ({rows - origin.rows:+,})"
        if rows == origin.rows:
            part = f"all {_count(rows)} of {origin.label}"
        return f"{frame.name}: {part}{_columns(frame, source)}{sample}"
    if origin.rows >= 0:
        return f"{frame.name}: {_count(rows)} from {origin.label}{whole}{_columns(frame, source)}"
    return ""


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _schema(frame: Frame) -> str:
    if not frame.columns:
        return ""
    names = [f"{column.name!r} {column.dtype}" for column in frame.columns[:_NAMES]]
    more = len(frame.columns) - _NAMES
    return ": " + ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _columns(frame: Frame, source: Frame | None) -> str:
    """Say how a table's columns differ from those of the one that it was taken from."""
    if not frame.columns:
        return f", {frame.summary}" if frame.summary else ""
    if source is None or not source.columns or source.name == frame.name:
        return _schema(frame)
    if frame.columns == source.columns:
        return ", same columns"
    old = {column.name: column.dtype for column in source.columns}
    new = {column.name: column.dtype for column in frame.columns}
    added = [f"{name!r} {kind}" for name, kind in new.items() if name not in old]
    kept = [name for name in new if name in old]
    now = [f"{name!r} now {new[name]}" for name in kept if new[name] != old[name]]
    parts: list[str] = []
    if len(kept) < len(old):
        named = f": {', '.join(map(repr, kept))}" if len(kept) <= _NAMES else ""
        parts.append(f"{len(kept)} of its {len(old)} columns{named}")
    elif not added:
        parts.append("same columns" if not now else "")
    if added:
        more = f" and {len(added) - _NAMES} more" if len(added) > _NAMES else ""
        parts.append(f"+{len(added)} columns: {', '.join(added[:_NAMES])}{more}")
    parts += now[:_NAMES]
    text = ", ".join(part for part in parts if part)
    return f", {text}" if text else ""

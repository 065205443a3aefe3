"""Profiles, variables and lineage without values: what the package itself counted stays. Pure.

Each function returns the text as it would be without the wall and the text that may leave, because
the conversation holds the one and the wall puts the other in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from analyst_kernel.agent.lineage.lines import lineage_lines
from analyst_kernel.agent.lineage.trace import CellTrace, TraceFrame
from analyst_kernel.agent.observation.repair import schema_line
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile
from analyst_kernel.protocol.outputs import Frame

_ENOUGH = 5
"""Distinct values from which a mean and a deviation say nothing of a single value."""

_DTYPE = re.compile(r"[A-Z][A-Z_ ]*(?:\([0-9]+,\s*[0-9]+\))?(?:\[\])?")
_WITHHELD = "(what it quotes is withheld)"

Mask = Callable[[str], str]


def masked_profile(profile: DatasetProfile, token: Mask) -> DatasetProfile:
    """Return a profile in which every value is a token; counts and types stay."""
    columns = tuple(_column(column, token) for column in profile.columns)
    return profile.model_copy(
        update={
            "columns": columns,
            "head": _rows(profile.head, token),
            "sample": _rows(profile.sample, token),
            "warnings": tuple(
                warning.model_copy(update={"message": _WITHHELD, "values": ()})
                for warning in profile.warnings
            ),
        }
    )


def schema_text(profile: DatasetProfile) -> str:
    """Describe a dataset by names, types and its number of rows alone."""
    one = profile.dataset
    rows = "rows not counted" if one.rows is None else f"{one.rows:,} rows"
    loaded = "a pandas DataFrame" if one.load == "frame" else "a DuckDB view: query it with SQL"
    lines = [f"{one.name}: {rows} x {len(one.columns):,} columns; loaded as {one.name}, {loaded}"]
    lines += [f"- {column.name!r} {_dtype(column.dtype)}" for column in profile.columns]
    return "\n".join(lines)


def variable_lines(
    before: Sequence[Frame],
    after: Sequence[Frame],
    trace: CellTrace | None,
    mask: Mask,
    summary: Mask,
) -> dict[str, str]:
    """Return the lines about a cell's variables, each with the form that may leave.

    ``mask`` is for names, ``summary`` for the value of a variable that is no table.
    """
    plain = lineage_lines(before, after, trace)
    shown = lineage_lines(
        [_frame(frame, mask, summary) for frame in before],
        [_frame(frame, mask, summary) for frame in after],
        None if trace is None else _trace(trace, mask),
    )
    pairs = dict(zip(plain, shown, strict=True)) if len(plain) == len(shown) else {}
    for frame in (*before, *after):
        pairs[schema_line(frame)] = schema_line(_frame(frame, mask, summary))
    return pairs


def _column(column: ColumnProfile, token: Mask) -> ColumnProfile:
    single = column.distinct < _ENOUGH
    names = ("minimum", "p25", "median", "p75", "maximum", *(("mean", "std") if single else ()))
    update: dict[str, object] = {
        name: token(_figure(value))
        for name in names
        if (value := getattr(column, name)) is not None
    }
    update["dtype"] = _dtype(column.dtype)
    update["words"] = None
    update["top"] = tuple(
        item.model_copy(update={"value": token(item.value)}) for item in column.top
    )
    return column.model_copy(update=update)


def _figure(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def _rows(
    rows: tuple[tuple[str | None, ...], ...], token: Mask
) -> tuple[tuple[str | None, ...], ...]:
    return tuple(
        tuple(cell if cell is None or not cell.strip() else token(cell) for cell in row)
        for row in rows
    )


def _dtype(dtype: str) -> str:
    """Return a type without what a type may list, such as the values of an ENUM."""
    found = _DTYPE.match(dtype)
    return found[0].strip() if found is not None and found[0].strip() else "OTHER"


def _frame(frame: Frame, mask: Mask, summary: Mask) -> Frame:
    return frame.model_copy(
        update={
            "name": mask(frame.name),
            "type": mask(frame.type),
            "summary": summary(frame.summary),
            "columns": tuple(
                column.model_copy(update={"name": mask(column.name), "dtype": mask(column.dtype)})
                for column in frame.columns
            ),
        }
    )


def _trace(trace: CellTrace, mask: Mask) -> CellTrace:
    frames = {mask(name): _origin(frame, mask) for name, frame in trace.frames.items()}
    return trace.model_copy(update={"frames": frames, "events": []})


def _origin(frame: TraceFrame, mask: Mask) -> TraceFrame:
    return frame.model_copy(
        update={
            "label": mask(frame.label),
            "others": [(mask(name), rows) for name, rows in frame.others],
            "by": [mask(name) for name in frame.by],
            "made": mask(frame.made),
            "sample": mask(frame.sample),
        }
    )

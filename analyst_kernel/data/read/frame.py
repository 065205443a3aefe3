"""A pandas frame as a table of the workspace, whatever its columns hold.

Used for formats that only Python can read; frames are small by then. Mixed values become text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.chosen import Chosen, ReadingNotKept
from analyst_kernel.data.read.infer import (
    as_said,
    full_date_formats,
    not_there,
    other_reading,
    try_date_sql,
)
from analyst_kernel.data.read.workspace import Workspace, column, literal

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class StagedFrame:
    """What a frame's columns hold beyond the types of the staged table.

    Attributes:
        mixed: Columns with several kinds of values.
        labels: Columns of lists and of structs, staged as JSON text, and of times with a zone.
    """

    mixed: tuple[str, ...]
    labels: dict[str, str]


def stage_frame(work: Workspace, frame: pd.DataFrame) -> StagedFrame:
    """Create the table ``staged`` from a frame."""
    import pyarrow as pa

    arrays, mixed, labels = [], [], {}
    for place, name in enumerate(frame.columns):
        work.stop.check()
        series = frame.iloc[:, place]
        array, was_mixed = _array(series)
        arrays.append(array)
        if was_mixed:
            mixed.append(str(name))
        elif label := _label(series):
            labels[str(name)] = label
    work.stage(pa.table(arrays, names=[column(place) for place in range(len(arrays))]))
    return StagedFrame(tuple(mixed), labels)


def _label(series: pd.Series[Any]) -> str:
    if getattr(series.dtype, "tz", None) is not None:
        return "TIMESTAMP WITH TIME ZONE"
    if series.dtype != object:
        return ""
    kinds = {type(value) for value in series if not is_missing(value)}
    return "LIST" if kinds and kinds <= {list, tuple} else "STRUCT" if kinds == {dict} else ""


def _array(series: pd.Series[Any]) -> tuple[pa.Array, bool]:
    import pandas as pd
    import pyarrow as pa

    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        zone = getattr(series.dtype, "tz", None)
        plain = series.dt.tz_convert("UTC").dt.tz_localize(None) if zone is not None else series
        return pa.Array.from_pandas(plain.astype("datetime64[us]")), False
    if series.dtype != object:
        try:
            return pa.Array.from_pandas(series), False
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return texts(list(series)), False
    present = [value for value in series if not is_missing(value)]
    kinds = {bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v)
             for v in present}  # fmt: skip
    if kinds <= {str} or kinds <= {bool} or kinds <= {float}:
        try:
            return pa.array([None if is_missing(v) else v for v in series]), False
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return texts(list(series)), False
    return texts(list(series)), len(kinds) > 1


def is_missing(value: object) -> bool:
    """Return whether a cell holds no value: None, NaN, NaT or NA."""
    if value is None:
        return True
    if isinstance(value, list | dict | tuple | str | bytes):
        return False
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def texts(items: list[Any]) -> pa.Array:
    """Return every value as text, containers as JSON."""
    import json

    import pyarrow as pa

    def text(value: Any) -> str | None:
        if is_missing(value):
            return None
        if isinstance(value, list | dict | tuple):
            return json.dumps(value, ensure_ascii=False, default=str)
        return str(value)

    return pa.array([text(item) for item in items], type=pa.string())


def convert_dates(
    work: Workspace, names: tuple[str, ...], chosen: Chosen
) -> tuple[tuple[str, str], ...]:
    """Turn text columns of ``staged`` that are dates throughout into dates; return which.

    Raises:
        ReadingNotKept: The user chose an order of day and month that the values do not have.
    """
    found: list[tuple[str, str]] = []
    kinds = work.rows("DESCRIBE staged")
    said = chosen.of("dates")
    for name in {**said, **chosen.gaps}:
        if name not in names:
            raise not_there(f"dates.{name}" if name in said else f"gap.{name}", name)
    for place, name in enumerate(names):
        order = said.get(name, "")
        if kinds[place][1] != "VARCHAR" or names.count(name) > 1 or order == "text":
            if order not in ("", "text"):
                raise ReadingNotKept(f"dates.{name}", f"{name!r} holds no dates written as text.")
            continue
        at = column(place)
        gone = chosen.gaps.get(name)
        if gone is not None:
            work.run(f"UPDATE staged SET {at} = NULL WHERE {at} = {literal(gone)}")
        count = work.row(f"SELECT count({at}) FROM staged")[0]
        full = full_date_formats(work, at, "staged", count)
        if order:
            known = as_said(full, name, order)
        elif not full or other_reading(full[0], full):
            continue
        else:
            known = full[0]
        target = "TIMESTAMP" if known.has_time else "DATE"
        work.run(
            f"ALTER TABLE staged ALTER {at} TYPE {target} USING "
            f"CAST({try_date_sql(at, known)} AS {target})"
        )
        found.append((name, known.text))
    return tuple(found)

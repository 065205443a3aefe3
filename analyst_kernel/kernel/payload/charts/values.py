"""Turns what artists hold into plain JSON: numbers, ISO dates, text; NaN and infinities are null.

Works on numpy arrays and whatever pandas puts into them; imports no other library.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np

MOST_POINTS = 5_000
"""Points of one chart that are listed."""

TEXT = 500
_EXACT = 2**53


def text_of(value: Any, most: int = TEXT) -> str:
    """Return a label as text without matplotlib's own mathematics around plain numbers."""
    text = " ".join(str(value).replace("\N{MINUS SIGN}", "-").split())
    if text.startswith("$\\mathdefault{") and text.endswith("}$"):
        text = text[len("$\\mathdefault{") : -2]
    return text if len(text) <= most else text[: most - 1] + "…"


def scalar(value: Any) -> Any:
    """Return one value as JSON has it."""
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, str):
        return text_of(value)
    moment = getattr(value, "start_time", value)  # of a period
    if isinstance(moment, (np.datetime64, dt.date)):
        return listed([moment])[0]
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return text_of(value)


def listed(values: Any) -> list[Any]:
    """Return a sequence as JSON has it; dates alike: all as days, or all with their time."""
    array = values if isinstance(values, np.ndarray) else as_array(values)
    if isinstance(array, np.ma.MaskedArray):
        gone = np.ma.getmaskarray(array)
        plain = listed(np.asarray(array.data))
        return [None if lost else value for value, lost in zip(plain, gone.tolist())]  # noqa: B905 - a kernel may be older
    kind = array.dtype.kind
    if kind == "f":
        return _numbers(array.astype(float))
    if kind in "iub":
        return list(array.tolist())
    if kind == "M":
        return _dates(array)
    if kind == "O":
        return _objects(array.tolist())
    return [scalar(value) for value in array.tolist()]


def as_array(values: Any) -> Any:
    """Return a sequence as an array, masked or not; of objects if its items differ in length."""
    if isinstance(values, np.ma.MaskedArray):
        return values
    try:
        return np.asarray(values)
    except ValueError:
        array = np.empty(len(values), dtype=object)
        array[:] = list(values)
        return array


def _numbers(array: Any) -> list[Any]:
    """Return floats; where all of them are whole, as integers (a year is 2024, not 2024.0)."""
    finite = np.isfinite(array)
    if bool(finite.all()):
        if array.size and bool((np.abs(array) < _EXACT).all()) and bool((array % 1 == 0).all()):
            return list(array.astype(np.int64).tolist())
        return list(array.tolist())
    kept = iter(_numbers(array[finite]))
    return [next(kept) if real else None for real in finite.tolist()]


def _dates(array: Any) -> list[Any]:
    known = ~np.isnat(array)
    if not bool(known.any()):
        return [None] * int(array.size)
    real = array[known]
    unit = next(
        (u for u in ("D", "s", "ms") if bool((real.astype(f"datetime64[{u}]") == real).all())), "us"
    )
    as_text: Any = np.datetime_as_string
    text = as_text(array.astype(f"datetime64[{unit}]"), unit=unit).tolist()
    return [item if real else None for item, real in zip(text, known.tolist())]  # noqa: B905 - a kernel may be older


def _objects(values: list[Any]) -> list[Any]:
    periods = [getattr(value, "start_time", None) for value in values]
    if values and all(isinstance(start, dt.date) for start in periods):
        values = periods
    if values and all(isinstance(value, dt.date) for value in values):
        zones = {getattr(value, "tzinfo", None) for value in values}
        if zones == {None}:
            return _dates(np.array([np.datetime64(value.isoformat()) for value in values]))
        return [value.isoformat() for value in values]
    if values and all(isinstance(value, (float, np.floating)) for value in values):
        return _numbers(np.array(values, dtype=float))
    return [value.isoformat() if isinstance(value, dt.date) else scalar(value) for value in values]


def from_days(days: Any) -> list[Any]:
    """Return dates from matplotlib's days since its epoch."""
    from matplotlib import dates

    get_epoch: Any = dates.get_epoch
    array = np.asarray(days, dtype=float)
    finite = np.isfinite(array) & (np.abs(array) < 1e8)
    moments = np.full(array.shape, np.datetime64("NaT"), dtype="datetime64[us]")
    since = np.round(array[finite] * 86_400e6).astype("timedelta64[us]")
    begin: Any = np.datetime64(str(get_epoch()), "us")
    moments[finite] = begin + since
    return _dates(moments)


def chosen(count: int, most: int) -> Any:
    """Return the places of at most ``most`` of ``count`` items, evenly spaced, both ends kept."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, max(1, most)).round().astype(int))


def floats(values: Any) -> Any:
    """Return an array of floats; masked values are NaN."""
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(float), np.nan)
    return np.asarray(values, dtype=float)


def xy_of(line: Any) -> tuple[Any, Any]:
    """Return the x and y of a line as it is drawn."""
    return floats(line.get_xdata(orig=False)), floats(line.get_ydata(orig=False))


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def short(value: Any) -> str:
    """Return a JSON value as text for a sentence."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def span(values: list[Any]) -> list[Any] | None:
    """Return the least and greatest of JSON values of one kind, or None."""
    known = [value for value in values if value is not None and not isinstance(value, bool)]
    if known and (all(is_number(value) for value in known) or all(map(_is_date, known))):
        return [min(known), max(known)]
    return None


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-"


def is_close(first: float, second: float, scale: float) -> bool:
    """Return whether two positions are the same one, for things of size ``scale``."""
    return abs(first - second) <= 1e-6 * max(abs(scale), 1e-12)

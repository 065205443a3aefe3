"""Facts of live pandas objects: repeated keys, values that are watched, fingerprints, empty tests.

Each function looks at most at some millions of values; what is larger is said to be unknown.
"""

from __future__ import annotations

import difflib
import sys
from typing import Any

from analyst_kernel.kernel.payload.frames import _is, _label, _short

MOST_ROWS = 2_000_000
MOST_VALUES = 4_000_000
MOST_HASHED = 300_000
_GROUPED = ("pandas.core.groupby.groupby", "BaseGroupBy")
_NEAR = 3


def is_frame(value: Any) -> bool:
    """Return whether a value is a table of pandas."""
    return _is(value, "pandas", "DataFrame")


def is_series(value: Any) -> bool:
    """Return whether a value is a column of pandas."""
    return _is(value, "pandas", "Series")


def is_table(value: Any) -> bool:
    """Return whether a value has rows of pandas."""
    return is_frame(value) or is_series(value)


def is_grouped(value: Any) -> bool:
    """Return whether a value is a table of pandas in groups (or resampled)."""
    return _is(value, *_GROUPED)


def is_array(value: Any) -> bool:
    """Return whether a value is an array of numpy."""
    return _is(value, "numpy", "ndarray")


def is_polars(value: Any) -> bool:
    """Return whether a value is a table of polars or of Arrow."""
    return _is(value, "polars", "DataFrame") or _is(value, "pyarrow", "Table")


def is_followed(value: Any) -> bool:
    """Return whether the origin of such a value is kept."""
    return is_table(value) or is_grouped(value) or is_array(value) or is_polars(value)


def rows(value: Any) -> int:
    """Return the rows of a table or an array, -1 for anything else."""
    if is_table(value) or is_array(value) or is_polars(value):
        shape = value.shape
        return int(shape[0]) if shape else 1
    return -1


def labels(value: Any) -> list[str]:
    """Return the names of a table's columns, at most 200."""
    if is_frame(value):
        return [_label(name) for name in value.columns[:200]]
    return [_label(value.name)] if is_series(value) else []


def column(frame: Any, name: str) -> Any:
    """Return a frame's only column of that name, or None."""
    if is_series(frame):
        return frame if _label(frame.name) == name else None
    places = [place for place, own in enumerate(frame.columns[:200]) if _label(own) == name]
    return frame.iloc[:, places[0]] if len(places) == 1 else None


def is_text(series: Any) -> bool:
    """Return whether a column holds text (also as a category)."""
    kind = series.dtype
    name = str(kind)
    if name in ("object", "str", "string") or name.startswith("string["):
        return True
    return name == "category" and str(kind.categories.dtype) in ("object", "str", "string")


def is_number(series: Any) -> bool:
    """Return whether a column holds numbers."""
    return str(series.dtype).lower().startswith(("int", "uint", "float"))


# --- keys ------------------------------------------------------------------------------------


def repeats(frame: Any, keys: list[Any] | None) -> dict[str, Any] | None:
    """Return how often keys repeat in a frame (its index, if ``keys`` is None); None if unknown."""
    if rows(frame) > MOST_ROWS:
        return None
    if keys is None:
        counts = frame.index.value_counts()
    elif len(keys) == 1:
        counts = frame[keys[0]].value_counts()
    else:
        counts = frame.groupby(keys, observed=True).size()
    many = counts[counts > 1]
    if not len(many):
        return {"keys": 0, "most": 1, "example": ""}
    most = many.max()
    example = many.index[many.to_numpy().argmax()]
    parts = example if isinstance(example, tuple) else (example,)
    shown = ", ".join(map(_short_item, parts))
    return {"keys": len(many), "most": int(most), "example": shown}


def repeated_rows(frame: Any, keys: list[str]) -> int:
    """Return how many rows hold a value of these columns that an earlier row holds too."""
    series = [column(frame, name) for name in keys]
    if any(one is None for one in series) or rows(frame) > MOST_ROWS:
        return 0
    found = 0
    for one in series:
        present = one.dropna()
        found = max(found, int(present.duplicated().sum()))
    return found


def shared_rows(first: Any, second: Any) -> int:
    """Return how many rows of the second frame stand in the first one too, value for value."""
    if list(first.columns) != list(second.columns) or not rows(first) or not rows(second):
        return 0
    if (rows(first) + rows(second)) * max(1, first.shape[1]) > MOST_VALUES:
        return 0
    hashed = sys.modules["pandas"].util.hash_pandas_object
    return int(hashed(second, index=False).isin(hashed(first, index=False)).sum())


# --- fingerprints ----------------------------------------------------------------------------


def fingerprint(frame: Any) -> tuple[Any, ...]:
    """Return a mark of a frame's contents that the order of its rows does not change.

    Of a large frame some rows, evenly apart, stand for all.
    """
    size = int(frame.shape[0]) * max(1, int(frame.shape[1]))
    part = frame
    if size > MOST_VALUES:
        part = frame.iloc[:: max(1, size // MOST_VALUES * 4)]
    hashed = sys.modules["pandas"].util.hash_pandas_object
    total = 0
    marks = []
    for place in range(min(200, part.shape[1])):
        try:
            total = int(hashed(part.iloc[:, place], index=False).to_numpy().sum())
        except Exception:  # noqa: BLE001 - values that cannot be hashed (lists)
            total = -1
        marks.append((_label(part.columns[place]), str(part.dtypes.iloc[place]), total))
    return (tuple(frame.shape), tuple(marks))


def differences(before: tuple[Any, ...], after: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return what two fingerprints of a frame differ in, or None if they do not."""
    if before == after:
        return None
    old = {mark[0]: mark[1:] for mark in before[1]}
    new = {mark[0]: mark[1:] for mark in after[1]}
    changed = [name for name in new if name in old and old[name] != new[name]]
    if before[0][:1] != after[0][:1]:
        changed = []
    added = [name for name in new if name not in old]
    gone = [name for name in old if name not in new]
    if not (changed or added or gone) and before[0][:1] == after[0][:1]:
        return None
    return {
        "before": before[0][0],
        "rows": after[0][0],
        "columns": changed[:8],
        "added": added[:8],
        "gone": gone[:8],
    }


# --- values ----------------------------------------------------------------------------------


def nothing_equal(series: Any, wanted: Any, operator: str) -> dict[str, Any]:
    """Describe a test of a column that no row passes: what is asked for, what is really there."""
    found: dict[str, Any] = {
        "column": _label(series.name),
        "operator": operator,
        "values": [_short(wanted)],
        "rows": rows(series),
        "text": isinstance(wanted, str),
    }
    if is_text(series) and isinstance(wanted, str):
        found["near"], found["there"] = near(series, wanted)
    elif len(series):
        present = series.dropna()
        if len(present):
            found["low"], found["high"] = _short_item(present.min()), _short_item(present.max())
        found["types"] = (is_number(series) and isinstance(wanted, str)) or (
            is_text(series) and isinstance(wanted, (int, float))
        )
        if is_text(series):
            found["there"] = [_short(one) for one in present.unique()[:6]]
            found.pop("low", None)
            found.pop("high", None)
    return found


def _short_item(value: Any) -> str:
    item = getattr(value, "item", None)
    plain = item() if _is(value, "numpy", "generic") and item is not None else value
    return str(plain)[:40] if _is(value, "pandas", "Timestamp") else _short(plain)


def near(series: Any, wanted: str) -> tuple[list[str], list[str]]:
    """Return the values that nearly are the one that is not there, and the most frequent ones."""
    counts = series.iloc[:MOST_HASHED].value_counts().head(5000)
    texts = [value for value in counts.index if isinstance(value, str)]
    return nearest(texts, wanted), [_short(text) for text in texts[:6]]


def nearest(texts: list[str], wanted: str) -> list[str]:
    """Return the texts that are the wanted one but for case, blanks, marks or a slip."""
    plain = _plain(wanted)
    same = [text for text in texts if _plain(text) == plain and text != wanted]
    if not same:
        by_plain = {_plain(text): text for text in reversed(texts)}
        close = difflib.get_close_matches(plain, list(by_plain), n=_NEAR, cutoff=0.75)
        inside = [text for key, text in by_plain.items() if _begins(key, plain)]
        same = [by_plain[key] for key in close if by_plain[key] != wanted] or inside
    return [_short(text) for text in same[:_NEAR]]


def _begins(known: str, wanted: str) -> bool:
    shorter, longer = sorted((known, wanted), key=len)
    return len(shorter) >= 3 and longer.startswith(shorter)


def _plain(text: str) -> str:
    return "".join(mark for mark in text.casefold() if mark.isalnum())


def missing_of(series: Any, wanted: list[Any]) -> dict[str, Any] | None:
    """Describe the members of a list that a column of text has nowhere; None if it has all."""
    asked = [one for one in wanted if isinstance(one, str)]
    if not asked or len(asked) > 50 or not is_text(series) or rows(series) > MOST_HASHED:
        return None
    present = {value for value in series.unique() if isinstance(value, str)}
    gone = [one for one in asked if one not in present]
    if not gone:
        return None
    found = [one for each in gone[:3] for one in nearest(sorted(present), each)]
    return {
        "column": _label(series.name),
        "operator": "isin",
        "values": [_short(one) for one in gone[:5]],
        "rows": rows(series),
        "text": True,
        "near": found[:_NEAR],
        "there": [_short(one) for one in sorted(present)[:6]],
        "all": len(gone) == len(wanted),
    }


def holding(frame: Any, name: str, wanted: list[str]) -> int:
    """Return how many rows hold one of some values in a column; 0 if there is no such column."""
    series = column(frame, name)
    if series is None or rows(series) > MOST_ROWS:
        return 0
    if is_number(series):
        numbers = []
        for text in wanted:
            try:
                numbers.append(float(text))
            except ValueError:
                continue
        return int(series.isin(numbers).sum())
    return int(series.isin(wanted).sum()) if is_text(series) else 0


def group_sizes(grouped: Any, name: str | None) -> dict[str, int] | None:
    """Return how many groups there are, the sizes of the smallest and largest, how many have one.

    Of one column only the rows with a value count.
    """
    source = getattr(grouped, "obj", None)
    if source is None or rows(source) > MOST_ROWS:
        return None
    sizes = grouped.size()
    if name is not None and is_frame(source) and column(source, name) is not None:
        counted = (
            grouped[name].count()
            if is_frame(getattr(grouped, "_selected_obj", None))
            else grouped.count()
        )
        sizes = counted if is_series(counted) else sizes
    if is_frame(sizes) and "size" in sizes.columns:  # as_index=False
        sizes = sizes["size"]
    if not is_series(sizes):
        return None
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return None
    return {
        "groups": len(sizes),
        "low": int(sizes.min()),
        "high": int(sizes.max()),
        "ones": int((sizes == 1).sum()),
    }

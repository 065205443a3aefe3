"""Runs inside the kernel after each cell: lists the tables, arrays and short values it holds.

Standard library only; never imported here. Calls no method of an object whose class is not known,
never raises into a cell, and looks closely at no more than 50 names.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import sys
import types
from collections.abc import Callable
from typing import Any

FRAMES_MIME = "application/vnd.analyst-kernel.frames+json"
NAMES = 50
COLUMNS = 200
TEXT = 80

_HIDDEN = frozenset({"In", "Out", "OUTPUT_DIR", "get_ipython", "exit", "quit", "open", "display"})
_SKIPPED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_SIMPLE = (str, int, float, bool, complex)
_DATES = (dt.date, dt.datetime, dt.time, dt.timedelta)
_SIZED = (list, tuple, dict, set, frozenset)
_seen: dict[str, tuple[Any, int]] = {}
_clock = itertools.count()


def _called(kind: type) -> str:
    """Return a class's name without asking its metaclass."""
    return str(type.__dict__["__name__"].__get__(kind))


def _one_of(kind: type, kinds: tuple[type, ...]) -> bool:
    """Return whether a class is one of those, by identity alone."""
    return any(kind is known for known in kinds)


def _is(value: Any, module: str, name: str) -> bool:
    """Return whether the value's class is, or inherits from, a library's class; imports nothing."""
    library = sys.modules.get(module)
    known = library.__dict__.get(name) if library is not None else None
    return isinstance(known, type) and known in type.__dict__["__mro__"].__get__(type(value))


def _short(value: Any) -> str:
    """Write a simple value in one short line; other classes only by their name."""
    kind = type(value)
    if kind is str:
        text: str = repr(value[:TEXT])
        return text if len(value) <= TEXT else text[:-1] + "…" + text[-1]
    if kind is int and value.bit_length() > 256:
        return f"int of {value.bit_length()} bits"
    if value is None or _one_of(kind, _SIMPLE) or _one_of(kind, _DATES):
        return str(value)[:TEXT]
    return f"<{_called(kind)}>"


def _label(value: Any) -> str:
    """Write a column's name; a name of an unknown class is not printed."""
    kind = type(value)
    if kind is str:
        return str(value[:200])
    if kind is tuple:
        return "(" + ", ".join(_short(part) for part in value[:8]) + ")"
    printed = (("pandas", "Timestamp"), ("pandas", "Period"), ("numpy", "generic"))
    if any(_is(value, *known) for known in printed):
        return str(value)[:TEXT]
    return _short(value)


def _dtype(value: Any) -> str:
    """Write a dtype as its library prints it."""
    root = str(type(value).__module__).split(".", 1)[0]
    known = root in ("numpy", "pandas", "pyarrow", "polars", "duckdb", "_duckdb")
    return (str(value) if known else _called(type(value)))[:100]


def _columns(names: Any, dtypes: Any) -> list[list[str]]:
    return [[_label(name), _dtype(kind)] for name, kind in zip(names, dtypes)]  # noqa: B905 - a kernel may be older


_TABLES: dict[tuple[str, str], Callable[[Any], tuple[Any, Any]]] = {
    ("pandas", "DataFrame"): lambda v: (v.columns[:COLUMNS], list(v.dtypes.values[:COLUMNS])),
    ("polars", "DataFrame"): lambda v: (v.columns[:COLUMNS], v.dtypes[:COLUMNS]),
    ("pyarrow", "Table"): lambda v: (v.schema.names[:COLUMNS], v.schema.types[:COLUMNS]),
    ("duckdb", "DuckDBPyRelation"): lambda v: (v.columns[:COLUMNS], v.types[:COLUMNS]),
}
"""The names and dtypes of a table's columns, by library and class."""

_ARRAYS = (("pandas", "Series"), ("pandas", "Index"), ("polars", "Series"), ("numpy", "ndarray"))
_NUMBERS = (("numpy", "number"), ("numpy", "bool_"))
_TIMES = (("pandas", "Timestamp"), ("pandas", "Timedelta"))


def describe(name: str, value: Any) -> dict[str, Any] | None:
    """Describe one variable, or return None if it is not worth a line."""
    kind = type(value)
    entry: dict[str, Any] = {"name": name, "type": _called(kind)}
    known = next((k for k in (*_TABLES, *_ARRAYS, *_NUMBERS, *_TIMES) if _is(value, *k)), None)
    if known is not None:
        entry["type"] = f"{known[0]}.{_called(kind)}"
        if known[0] == "duckdb":  # its shape would run the query
            entry["summary"] = "a query, not run yet"
        elif known in _TABLES or known in _ARRAYS:
            entry["shape"] = tuple(int(size) for size in value.shape)
        if known in _TABLES:
            entry["columns"] = _columns(*_TABLES[known](value))
        elif known in _ARRAYS:
            entry["summary"] = _dtype(value.dtype)
        else:
            entry["summary"] = str(value.item() if known in _NUMBERS else value)[:TEXT]
    elif value is None or _one_of(kind, _SIMPLE) or _one_of(kind, _DATES):
        entry["summary"] = _short(value)
    elif _one_of(kind, _SIZED):
        entry["summary"] = f"{_called(kind)} of {len(value)}"
    else:
        return None
    return entry


def listing(namespace: dict[str, Any], hidden: dict[str, Any]) -> list[dict[str, Any]]:
    """List a namespace's variables, the last assigned first, at most 50."""
    now = next(_clock)
    candidates = []
    for position, (name, value) in enumerate(list(namespace.items())):
        if type(name) is not str or name[:1] == "_" or name in _HIDDEN:
            continue
        kind = type(value)
        if _one_of(kind, _SKIPPED):
            continue
        if name in hidden and hidden[name] is value:
            continue
        mark = (id(value), len(value) if _one_of(kind, _SIZED) else None)
        known = _seen.get(name)
        stamp = known[1] if known is not None and known[0] == mark else now
        _seen[name] = (mark, stamp)
        candidates.append((stamp, position, name, value))
    for gone in set(_seen) - namespace.keys():
        del _seen[gone]
    candidates.sort(key=lambda item: item[:2], reverse=True)
    found: list[dict[str, Any]] = []
    for _stamp, _position, name, value in candidates:
        try:
            entry = describe(name, value)
        except Exception:  # noqa: BLE001 - nothing may reach the cell
            entry = {"name": name, "type": _called(type(value)), "summary": "could not be read"}
        if entry is not None:
            found.append(entry)
            if len(found) == NAMES:
                break
    return found


class Frames:
    """The listing, for one ``user_expressions`` reply."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def __repr__(self) -> str:
        """Return nothing: only the MIME bundle counts."""
        return ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        try:
            found = listing(self.shell.user_ns, self.shell.user_ns_hidden)
        except Exception:  # noqa: BLE001 - nothing may reach the cell
            found = []
        return {FRAMES_MIME: json.dumps(found), **self._lineage()}

    def _lineage(self) -> dict[str, Any]:
        """Return what was seen of the cell's tables, if a session asked to watch them."""
        watch = sys.modules.get("_analyst_lineage.watch")
        try:
            return watch.bundle(self.shell) if watch is not None else {}
        except Exception:  # noqa: BLE001 - nothing may reach the cell
            return {}

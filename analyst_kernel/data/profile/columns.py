"""Statistics of the columns of the table ``staged (c0, c1, ...)``.

Exact up to a million rows and a hundred million values; above that, distinct counts and quartiles
are DuckDB's estimates.
"""

from __future__ import annotations

import math
from typing import Any

from analyst_kernel.data.read import values
from analyst_kernel.data.read.infer import try_date_sql
from analyst_kernel.data.read.workspace import Workspace, column, literal
from analyst_kernel.protocol.datasets import ColumnKind, ColumnProfile, ValueCount

_EXACT_ROWS = 1_000_000
_EXACT_VALUES = 100_000_000
ALL_VALUES = 30
TOP = 10
_CHUNK = 16
_LONGEST = 200
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
            "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_FLOATS = ("FLOAT", "DOUBLE")


def is_exact(rows: int, width: int) -> bool:
    """Return whether a table is small enough for counts and quartiles that are no estimates."""
    return rows <= _EXACT_ROWS and rows * width <= _EXACT_VALUES


def kind_of(dtype: str) -> ColumnKind:
    """Return the class of values of a DuckDB type."""
    if dtype.endswith("]") or dtype.startswith(("LIST", "STRUCT", "MAP", "UNION", "BLOB", "TIME")):
        return "date" if dtype.startswith("TIMESTAMP") and not dtype.endswith("]") else "other"
    if dtype.startswith(_NUMBERS):
        return "number"
    if dtype == "BOOLEAN":
        return "bool"
    if dtype.startswith("DATE"):
        return "date"
    return "text" if dtype.startswith(("VARCHAR", "ENUM", "UUID", "JSON")) else "other"


def profile_columns(
    work: Workspace, names: tuple[str, ...], rows: int, labels: dict[str, str], wanted: list[int]
) -> list[ColumnProfile]:
    """Return the profiles of the columns at the ``wanted`` places.

    Args:
        work: Holds the table ``staged``.
        names: All column names, by place.
        rows: Row count of the table.
        labels: Type names that replace DuckDB's.
        wanted: Places of the columns to look at.
    """
    dtypes = [str(row[1]) for row in work.rows("DESCRIBE staged")]
    # Lists and structs of a frame are staged as JSON text; they are described as what they are.
    dtypes = [
        labels[name] if labels.get(name) in ("LIST", "STRUCT") else dtype
        for name, dtype in zip(names, dtypes, strict=True)
    ]
    exact = is_exact(rows, len(names))
    found: list[ColumnProfile] = []
    for start in range(0, len(wanted), _CHUNK):
        places = wanted[start : start + _CHUNK]
        fields = [_fields(column(p), dtypes[p], exact) for p in places]
        flat = work.row(
            "SELECT " + ", ".join(sql for one in fields for sql in one) + " FROM staged"
        )
        offset = 0
        for place, one in zip(places, fields, strict=True):
            part = dict(zip(one.values(), flat[offset : offset + len(one)], strict=True))
            offset += len(one)
            label = labels.get(names[place], dtypes[place])
            found.append(
                _column(work, place, names[place], label, dtypes[place], rows, part, exact)
            )
    return found


def _fields(name: str, dtype: str, exact: bool) -> dict[str, str]:
    kind = kind_of(dtype)
    plain = f"CAST({name} AS VARCHAR)" if kind == "other" else name
    distinct = f"count(DISTINCT {plain})" if exact else f"approx_count_distinct({plain})"
    fields = {f"count({name})": "n", distinct: "distinct"}
    if kind == "number":
        x = f"CAST({name} AS DOUBLE)"
        if dtype.startswith(_FLOATS):
            fields[f"count(*) FILTER ({name} IS NOT NULL AND NOT isfinite({name}))"] = "infinite"
            x = f"CASE WHEN isfinite({name}) THEN {x} END"
        quantile = "quantile_cont" if exact else "approx_quantile"
        fields |= {
            f"min({x})": "min", f"max({x})": "max", f"avg({x})": "mean",
            f"stddev_samp({x})": "std", f"{quantile}({x}, [0.25, 0.5, 0.75])": "quartiles",
            f"count(*) FILTER ({name} = 0)": "zeros",
            f"count(*) FILTER ({name} < 0)": "negatives",
        }  # fmt: skip
    elif kind == "date":
        fields |= {f"CAST(min({name}) AS VARCHAR)": "min", f"CAST(max({name}) AS VARCHAR)": "max"}
    elif kind == "text":
        fields[f"max(length(CAST({name} AS VARCHAR)))"] = "length"
    return fields


def _column(
    work: Workspace, place: int, name: str, label: str, dtype: str, rows: int,
    part: dict[str, Any], exact: bool,
) -> ColumnProfile:  # fmt: skip
    kind = kind_of(dtype)
    count, distinct = int(part["n"]), min(int(part["distinct"]), int(part["n"]))
    profile = ColumnProfile(
        name=name,
        dtype=label,
        kind=kind,
        nulls=rows - count,
        distinct=distinct,
        distinct_is_estimate=not exact,
    )
    update: dict[str, Any] = {}
    if kind == "number":
        low, middle, high = part["quartiles"] or (None, None, None)
        update = {
            "minimum": _number(part["min"]), "maximum": _number(part["max"]),
            "mean": _number(part["mean"]), "std": _number(part["std"]),
            "p25": _number(low), "median": _number(middle), "p75": _number(high),
            "zeros": int(part["zeros"]), "negatives": int(part["negatives"]),
        }  # fmt: skip
    elif kind == "date":
        update = {"minimum": _iso(part["min"]), "maximum": _iso(part["max"])}
    elif kind == "text":
        update = {"max_length": int(part["length"] or 0)} | _shares(work, place, count, exact)
    few = distinct <= ALL_VALUES
    if count and (kind in ("text", "bool") or few):
        update["top"] = _top(work, place, ALL_VALUES if few else TOP)
        if few and not exact:
            update |= {"distinct": len(update["top"]), "distinct_is_estimate": False}
    return profile.model_copy(update=update)


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _iso(text: str | None) -> str | None:
    return text.replace(" ", "T", 1) if text else text


def _top(work: Workspace, place: int, limit: int) -> tuple[ValueCount, ...]:
    name = column(place)
    rows = work.rows(
        f"SELECT CAST({name} AS VARCHAR) AS v, count(*) AS n FROM staged WHERE {name} IS NOT NULL "
        f"GROUP BY 1 ORDER BY n DESC, v LIMIT {limit}"
    )
    return tuple(ValueCount(value=str(value)[:_LONGEST], count=int(n)) for value, n in rows)


def _shares(work: Workspace, place: int, count: int, exact: bool) -> dict[str, Any]:
    """Return the shares of texts that read as numbers or dates; of very many, the first count."""
    if not count:
        return {}
    name = f"CAST({column(place)} AS VARCHAR)"
    part = f"(SELECT {name} AS v FROM staged WHERE {column(place)} IS NOT NULL"
    part += ")" if exact else " LIMIT 100000)"
    pattern = literal(f"{values.PLAIN}|{values.CURRENCY}")
    n, numbers = work.row(
        f"SELECT count(*), count(*) FILTER (regexp_full_match(v, {pattern})) FROM {part}"
    )
    sample = work.rows(
        f"SELECT DISTINCT v FROM (SELECT v FROM {part} LIMIT 2000) ORDER BY 1 LIMIT 60"
    )
    best, reads = None, 0
    for known in values.date_formats_of([str(row[0]) for row in sample])[:4]:
        hits = int(work.row(f"SELECT count({try_date_sql('v', known)}) FROM {part}")[0])
        if hits > reads:
            best, reads = known.text, hits
    return {
        "share_number": round(numbers / n, 6),
        "share_date": round(reads / n, 6),
        "date_format": best if reads * 2 > n else None,
    }

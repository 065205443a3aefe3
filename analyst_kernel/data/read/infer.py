"""The types of delimited columns, from counts over a table of texts.

DuckDB counts how many values of each column match which pattern; ``decide`` turns the counts into
types, the decimal mark and the mark between groups of digits. The table is ``raw (c0, c1, ...)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analyst_kernel.data.read import values
from analyst_kernel.data.read.options import ColumnType, DelimitedReading
from analyst_kernel.data.read.workspace import Workspace, column, literal

_CHUNK = 12
_OLDEST, _NEWEST = "1678-01-01", "2262-01-01"  # what a nanosecond timestamp of pandas 2 can hold


@dataclass(frozen=True)
class Evidence:
    """Counts of one column's values; ``n`` counts those that are not missing."""

    n: int
    digitish: int
    plain: int
    integer: int
    leading_zero: int
    wide: int
    huge: int
    boolean: int
    marker: int
    infinite: int
    comma: int
    comma_grouped: int
    comma_surely_grouped: int
    comma_decimal: int
    dot_decimal: int
    dot_grouped: int
    dot_surely_grouped: int


@dataclass(frozen=True)
class Decision:
    """The types of all columns, and the two marks that hold for the whole file."""

    types: tuple[ColumnType, ...]
    decimal: str
    thousands: str | None


_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("digitish", "", values.DIGITISH),
    ("infinite", "length({0}) < 10 AND contains(lower({0}), 'inf') AND ", values.INFINITE),
)
"""A field of Evidence, a cheap condition tried first, and the pattern: for every column."""
_NUMBER_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("plain", "", values.PLAIN),
    ("integer", "", values.INTEGER),
    ("leading_zero", "starts_with({0}, '0') AND ", values.LEADING_ZERO),
    ("wide", "length({0}) > 15 AND ", values.WIDE_INTEGER),
    ("huge", "length({0}) > 18 AND ", values.HUGE_INTEGER),
)
"""The same for columns with values that the first pattern matches, as all of these do."""
_COMMA_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("comma_grouped", "contains({0}, ',') AND ", values.grouped_with(",", ".")),
    ("comma_surely_grouped", "contains({0}, ',') AND ", values.surely_grouped_with(",", ".")),
    ("comma_decimal", "contains({0}, ',') AND ", values.decimal_with(",")),
)
"""The same for such columns with commas."""
_DOT_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("dot_decimal", "contains({0}, '.') AND ", values.decimal_with(".")),
    ("dot_grouped", "contains({0}, '.') AND ", values.grouped_with(".", ",")),
    ("dot_surely_grouped", "contains({0}, '.') AND ", values.surely_grouped_with(".", ",")),
)
"""The same for such columns with dots."""
_LATER = (*_NUMBER_PATTERNS, *_COMMA_PATTERNS, *_DOT_PATTERNS)


def collect(work: Workspace, width: int, table: str = "raw") -> list[Evidence]:
    """Count patterns for every column of a table of texts.

    DuckDB takes about a millisecond for each pattern of each column, however short the table is, so
    a column is asked only about patterns that may match.
    """
    found: list[Evidence] = []
    for start in range(0, width, _CHUNK):
        names = [column(p) for p in range(start, min(start + _CHUNK, width))]
        counts = _row(work, table, [_first_counts(name) for name in names])
        more = _row(
            work, table, [_later_counts(n, known) for n, known in zip(names, counts, strict=True)]
        )
        for known, later in zip(counts, more, strict=True):
            known.pop("dot")
            found.append(
                Evidence(**dict.fromkeys((field for field, *_ in _LATER), 0) | known | later)
            )
    return found


def _row(work: Workspace, table: str, wanted: list[dict[str, str]]) -> list[dict[str, int]]:
    """Return the values of the named expressions, all from one query."""
    flat = [sql for one in wanted for sql in one.values()]
    values_of = iter(work.row(f"SELECT {', '.join(flat)} FROM {table}") if flat else ())
    return [{name: int(next(values_of)) for name in one} for one in wanted]


def _first_counts(name: str) -> dict[str, str]:
    def among(texts: tuple[str, ...]) -> str:
        return f"count(*) FILTER ({name} IN ({', '.join(map(literal, texts))}))"

    return {
        "n": f"count({name})",
        **_matching(name, _PATTERNS),
        "boolean": among(values.BOOLEANS),
        "marker": among(values.MARKERS),
        "comma": f"count(*) FILTER (contains({name}, ','))",
        "dot": f"count(*) FILTER (contains({name}, '.'))",
    }


def _later_counts(name: str, known: dict[str, int]) -> dict[str, str]:
    if not known["digitish"]:
        return {}
    marks = (*(_COMMA_PATTERNS if known["comma"] else ()), *(_DOT_PATTERNS if known["dot"] else ()))
    return _matching(name, (*_NUMBER_PATTERNS, *marks))


def _matching(name: str, patterns: tuple[tuple[str, str, str], ...]) -> dict[str, str]:
    return {
        field: f"count(*) FILTER ({sparing.format(name)}"
        f"regexp_full_match({name}, {literal(pattern)}))"
        for field, sparing, pattern in patterns
    }


def decide(work: Workspace, reading: DelimitedReading, table: str = "raw") -> Decision:
    """Decide all column types from a table of texts that was read with ``reading``'s layout."""
    evidence = collect(work, len(reading.names), table)
    decimal, thousands = _marks(evidence, reading.delimiter)
    types = []
    for place, found in enumerate(evidence):
        kind = _number_type(found, decimal, thousands)
        if kind is None and found.n and found.boolean == found.n:
            kind = ColumnType("bool")
        if kind is None:
            kind = _date_type(work, column(place), table, found, decimal)
        if kind is None:
            kind = ColumnType("text", forced=found.n > 0 and found.digitish == found.n)
        if kind.kind != "text" and found.marker:
            rows = work.rows(
                f"SELECT DISTINCT {column(place)} FROM {table} WHERE {column(place)} IN "
                f"({', '.join(map(literal, values.MARKERS))}) ORDER BY 1"
            )
            kind = replace(kind, markers=tuple(str(row[0]) for row in rows))
        types.append(kind)
    return Decision(tuple(types), decimal, thousands)


def _reads_as_comma_decimal(e: Evidence) -> bool:
    n = e.n - e.marker
    return e.comma > 0 and e.integer + e.comma_decimal + e.dot_grouped >= n > 0


def _marks(evidence: list[Evidence], delimiter: str) -> tuple[str, str | None]:
    """Return the decimal mark and the grouping mark, which hold for the whole file.

    ``1,234`` and ``1.234`` each read both ways, so single columns decide nothing. Values that read
    one way only ("sure") settle the mark for all columns. Without any, a comma is the decimal mark
    only beside ``;`` as delimiter, as spreadsheets of such countries write it.
    """
    comma_columns = [e for e in evidence if _reads_as_comma_decimal(e)]
    sure_comma = any(
        e.comma_decimal > e.comma_grouped or e.dot_surely_grouped > 0 for e in comma_columns
    )
    dot_columns = [e for e in evidence if e.n and e.dot_decimal and e.plain >= e.n - e.marker]
    sure_dot = any(e.dot_decimal > e.dot_grouped for e in dot_columns)
    grouped = any(
        e.comma_grouped and e.plain + e.comma_grouped >= e.n - e.marker > 0 for e in evidence
    )
    surely_grouped = any(e.comma_surely_grouped for e in evidence)
    if sure_comma and not sure_dot and not surely_grouped:
        dot_grouped = any(e.dot_grouped or e.dot_surely_grouped for e in evidence)
        return ",", "." if dot_grouped else None
    if not sure_dot and comma_columns and not surely_grouped and delimiter == ";":
        return ",", None
    return ".", "," if grouped and (surely_grouped or not (sure_comma and sure_dot)) else None


def _number_type(e: Evidence, decimal: str, thousands: str | None) -> ColumnType | None:
    n = e.n - e.marker
    if n <= 0 or e.marker > n or e.leading_zero or e.huge:
        return None
    if e.integer == n:
        return ColumnType("integer", wide=e.wide > 0)
    if decimal == ".":
        reads = e.plain + e.infinite + (e.comma_grouped if thousands == "," else 0)
    else:
        reads = e.integer + e.infinite + e.comma_decimal
        reads += e.dot_grouped if thousands == "." else 0
    return None if reads < n else ColumnType("number")


def _date_type(
    work: Workspace, name: str, table: str, e: Evidence, decimal: str
) -> ColumnType | None:
    """Return the one date format that reads every value, or None if two read them differently."""
    n = e.n - e.marker
    if n <= 0 or e.marker > n or e.plain == n:
        return None
    full = full_date_formats(work, name, table, n, values.MARKERS)
    if not full:
        return None
    chosen = full[0]
    if other_reading(chosen, full):
        if "." not in chosen.text and decimal != ",":
            return None  # nothing in the file shows which part of 01/02/2024 is the month
        chosen = next(known for known in full if known.text.startswith("%d"))
    return ColumnType("date", date_format=chosen.text)


def full_date_formats(
    work: Workspace, name: str, table: str, count: int, markers: tuple[str, ...] = ()
) -> list[values.DateFormat]:
    """Return the formats that read all ``count`` values of a column, the usual ones first.

    Some values choose the formats to try, so that the whole column is read only a few times.
    """
    present = f"{name} IS NOT NULL"
    if markers:
        present += f" AND {name} NOT IN ({', '.join(map(literal, markers))})"
    sample = work.rows(
        f"SELECT DISTINCT {name} FROM (SELECT {name} FROM {table} WHERE {present} LIMIT 2000) "
        "ORDER BY 1 LIMIT 60"
    )
    full = []
    for known in values.date_formats_of([str(row[0]) for row in sample]):
        reads, low, high = work.row(
            f"SELECT count(v), min(v), max(v) FROM (SELECT {try_date_sql(name, known)} AS v "
            f"FROM {table} WHERE {name} IS NOT NULL)"
        )
        if reads == count > 0 and str(low) >= _OLDEST and str(high) < _NEWEST:
            full.append(known)
    return full


def other_reading(chosen: values.DateFormat, full: list[values.DateFormat]) -> bool:
    """Return whether the same values also read with day and month exchanged."""
    other = values.swapped(chosen.text)
    return other is not None and any(known.text == other for known in full)


def try_date_sql(name: str, known: values.DateFormat) -> str:
    """Return the SQL that reads a text as a date or gives NULL, as strictly as pandas."""
    read = f"try_strptime({name}, {literal(known.for_duckdb)})"
    return f"CASE WHEN {known.shape_sql(name)} THEN {read} END"

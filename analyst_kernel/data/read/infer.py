"""The types of delimited columns, from counts over a table of texts.

DuckDB counts how many values of each column match which pattern; ``decide`` turns the counts into
types, the decimal mark and the mark between groups of digits. The table is ``raw (c0, c1, ...)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from analyst_kernel.data.chosen import ReadingNotKept
from analyst_kernel.data.read import values
from analyst_kernel.data.read.options import ColumnType, DelimitedReading
from analyst_kernel.data.read.workspace import Workspace, column, literal

_CHUNK = 12
_WORDS = literal("|".join(values.WORDS))
CODE_NAME = re.compile(
    r"(?i)(^|[ _\-.])(id|key|code|nr|no|number|uuid|guid|version)$|[a-z](Id|ID)$"
)
"""Names of columns that hold names of things, not amounts."""
_OLDEST, _NEWEST = "1678-01-01", "2262-01-01"  # what a nanosecond timestamp of pandas 2 can hold


@dataclass(frozen=True)
class Evidence:
    """Counts of one column's values; ``n`` counts those that are not missing.

    Attributes:
        rows: All rows.
        word: Rows with one of ``values.WORDS``, which ``n`` does not count.
    """

    rows: int
    word: int

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
    power: int
    phone: int


@dataclass(frozen=True)
class Decision:
    """The types of all columns, and what holds for the whole file.

    Attributes:
        kept_words: Usual missing-value texts that are values here.
        found_markers: Missing-value texts that occur and are read as gaps.
        collapsed: Columns of numbers in which two texts are one number, with the two.
        text_words: The words that occur among texts.
    """

    types: tuple[ColumnType, ...]
    decimal: str
    thousands: str | None
    kept_words: tuple[str, ...] = ()
    found_markers: tuple[str, ...] = ()
    collapsed: tuple[tuple[str, str, str], ...] = ()
    text_words: tuple[str, ...] = ()


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
    ("power", "length({0}) < 12 AND contains(lower({0}), 'e') AND ", values.POWER_CODE),
    ("phone", "starts_with({0}, '+') AND ", values.PHONE),
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
        for known in counts:
            known["n"] -= known["word"]
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
        "rows": "count(*)",
        "n": f"count({name})",
        "word": f"count(*) FILTER (length({name}) < 5 AND regexp_full_match({name}, {_WORDS}))",
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
    """Decide all column types from a table of texts that was read with ``reading``'s layout.

    The table must hold the texts of ``values.WORDS`` as texts. What the user says is a gap becomes
    one in the table.

    Raises:
        ReadingNotKept: The values are not as the user said.
    """
    chosen = reading.chosen
    gone = _emptied(work, reading, table)
    evidence = collect(work, len(reading.names), table)
    decimal, thousands = _marks(evidence, reading.delimiter)
    if said := chosen.get("decimal"):
        decimal, thousands = _marks_as_said(evidence, said)
    types: list[ColumnType] = []
    collapsed: list[tuple[str, str, str]] = []
    for place, (found, name) in enumerate(zip(evidence, reading.names, strict=True)):
        kind = _number_type(found, decimal, thousands)
        if kind is not None and kind.kind == "number" and decimal == ".":
            twice = _two_writings(work, column(place), table)
            if twice and (place == 0 or CODE_NAME.search(name)):
                kind = ColumnType("text", forced=True)
            elif twice:
                collapsed.append((name, *twice))
        if kind is None and found.n and found.boolean == found.n:
            kind = ColumnType("bool")
        if kind is None:
            kind = _date_type(work, column(place), table, found, decimal)
        if kind is None:
            digits = max(found.digitish, found.power + found.integer)
            kind = ColumnType("text", forced=found.n > 0 and digits == found.n)
        if kind.kind != "text" and found.marker:
            kind = replace(kind, markers=_markers_in(work, place, table))
        kind = replace(kind, markers=(*kind.markers, *gone.get(name, ())))
        types.append(replace(kind, gaps=found.n - found.marker < found.rows))
    settled = _dates_as_said(work, reading, evidence, types, table)
    _settle_dates(work, evidence, types, table, decimal, settled)
    kept, markers, among = _words(work, evidence, types, table, chosen.of("word"))
    return Decision(tuple(types), decimal, thousands, kept, markers, tuple(collapsed), among)


def _emptied(work: Workspace, reading: DelimitedReading, table: str) -> dict[str, tuple[str, ...]]:
    """Take the values out of a table of texts that the user calls gaps; return them by column."""
    found: dict[str, tuple[str, ...]] = {}
    for name, said in reading.chosen.gaps.items():
        if name not in reading.names:
            raise not_there(f"gap.{name}", name)
        at = column(reading.names.index(name))
        number = f"TRY_CAST({literal(said)} AS DOUBLE)"
        same = f"(trim({at}) = trim({literal(said)}) OR TRY_CAST({at} AS DOUBLE) = {number})"
        rows = work.rows(f"SELECT DISTINCT {at} FROM {table} WHERE {same} ORDER BY 1")
        work.run(f"UPDATE {table} SET {at} = NULL WHERE {same}")
        found[name] = tuple(dict.fromkeys((said, *(str(row[0]) for row in rows))))
    return found


def not_there(key: str, name: str) -> ReadingNotKept:
    """Return what is to be raised where the user chose something for a column that is gone."""
    return ReadingNotKept(key, f"The table has no column {name!r}.")


def _marks_as_said(evidence: list[Evidence], decimal: str) -> tuple[str, str | None]:
    """Return the user's decimal mark, and the grouping mark that the values show beside it."""
    if decimal == ",":
        numbers = [e for e in evidence if _reads_as_comma_decimal(e)]
        grouped = any(e.dot_grouped or e.dot_surely_grouped for e in numbers)
        if numbers and any(e.comma_decimal for e in numbers):
            return ",", "." if grouped else None
        raise ReadingNotKept("decimal", "No column holds numbers with a decimal comma.")
    numbers = [e for e in evidence if e.plain + e.comma_grouped >= e.n - e.marker > 0]
    if not any(e.plain for e in numbers) and not any(e.comma_grouped for e in numbers):
        raise ReadingNotKept("decimal", "No column holds numbers with a decimal point.")
    return ".", "," if any(e.comma_grouped for e in numbers) else None


def _dates_as_said(
    work: Workspace, reading: DelimitedReading, evidence: list[Evidence], types: list[ColumnType],
    table: str,
) -> frozenset[int]:  # fmt: skip
    """Give columns the order of day and month that the user said; return their places."""
    settled: set[int] = set()
    for name, said in reading.chosen.of("dates").items():
        if name not in reading.names:
            raise not_there(f"dates.{name}", name)
        place = reading.names.index(name)
        found, kind = evidence[place], types[place]
        settled.add(place)
        if said == "text":
            digits = max(found.digitish, found.power + found.integer)
            forced = found.n > 0 and digits == found.n
            types[place] = ColumnType("text", forced=forced, markers=kind.markers, gaps=kind.gaps)
            continue
        marks = (*values.MARKERS, *values.WORDS)
        full = full_date_formats(work, column(place), table, max(0, found.n - found.marker), marks)
        known = as_said(full, name, said)
        types[place] = ColumnType(
            "date", date_format=known.text, markers=kind.markers or _markers_in(work, place, table),
            gaps=kind.gaps, assumed=other_reading(known, full),
        )  # fmt: skip
    return frozenset(settled)


def as_said(full: list[values.DateFormat], name: str, said: str) -> values.DateFormat:
    """Return the format with the part first that the user said; raise ``ReadingNotKept``."""
    start = "%d" if said == "day" else "%m"
    found = next((known for known in full if known.text.startswith(start)), None)
    if found is None:
        raise ReadingNotKept(
            f"dates.{name}", f"Not every value of {name!r} is a date with the {said} first."
        )
    return found


def _markers_in(work: Workspace, place: int, table: str) -> tuple[str, ...]:
    rows = work.rows(
        f"SELECT DISTINCT {column(place)} FROM {table} WHERE {column(place)} IN "
        f"({', '.join(map(literal, values.MARKERS))}) ORDER BY 1"
    )
    return tuple(str(row[0]) for row in rows)


def _settle_dates(
    work: Workspace, evidence: list[Evidence], types: list[ColumnType], table: str, decimal: str,
    said: frozenset[int],
) -> None:  # fmt: skip
    """Read dates that read both ways as the other dates of the file are written.

    ``said`` are the places of columns of which the user said it.
    """
    sure = [kind for place, kind in enumerate(types) if place in said or not kind.assumed]
    orders = {(kind.date_format or "")[:2] for kind in sure} & {"%d", "%m"}
    if len(orders) != 1:
        return
    order = orders.pop()
    for place, (found, kind) in enumerate(zip(evidence, types, strict=True)):
        if place in said:
            continue
        if kind.assumed or (kind.kind == "text" and not kind.forced and found.n):
            settled = _date_type(work, column(place), table, found, decimal, order)
            if settled is not None:
                types[place] = replace(settled, markers=kind.markers, gaps=kind.gaps)


def _two_writings(work: Workspace, name: str, table: str) -> tuple[str, str] | None:
    """Return two texts of a column that are one number and differ in zeros at the end."""
    rows = work.rows(
        f"SELECT min(t), max(t) FROM (SELECT DISTINCT trim({name}) AS t FROM {table} WHERE "
        f"contains({name}, '.') AND NOT contains(lower({name}), 'e')) "
        "GROUP BY rtrim(t, '0') HAVING count(*) > 1 AND NOT bool_or(starts_with(t, '-')) "
        "ORDER BY 1 LIMIT 1"
    )
    return (str(rows[0][0]), str(rows[0][1])) if rows else None


def _words(
    work: Workspace, evidence: list[Evidence], types: list[ColumnType], table: str,
    said: Mapping[str, str],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:  # fmt: skip
    """Return which of ``values.WORDS`` are values of this file, and which stand for gaps.

    Among numbers, dates or truth values a word can only mean a gap, and then it does so in all
    columns. A word that stands among texts alone is one of them, unless the user says otherwise.
    The third are the words of which they may say it.
    """
    gaps: set[str] = set()
    seen: set[str] = set()
    alone: set[str] = set()
    for place, (found, kind) in enumerate(zip(evidence, types, strict=True)):
        if not found.word:
            continue
        name = column(place)
        among = ", ".join(map(literal, values.WORDS))
        words = {str(row[0]) for row in work.rows(
            f"SELECT DISTINCT {name} FROM {table} WHERE {name} IN ({among})"
        )}  # fmt: skip
        if kind.kind != "text" or kind.forced:
            gaps |= words
        elif found.n:
            seen |= words
        else:
            alone |= words
    kept = seen - gaps
    for word, value in said.items():
        if word in gaps and value == "value":
            raise ReadingNotKept(
                f"word.{word}", f"{word!r} stands among numbers or dates, where it can be no value."
            )
        kept = kept | {word} if value == "value" and word in seen | alone else kept - {word}
    return _ordered(kept), _ordered((gaps | seen | alone) - kept), _ordered((seen | alone) - gaps)


def _ordered(words: set[str]) -> tuple[str, ...]:
    return tuple(word for word in values.WORDS if word in words)


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
    amounts = [e for e in evidence if e.plain + e.comma_grouped >= e.n - e.marker > 0]
    grouped = any(e.comma_grouped for e in amounts)
    surely_grouped = any(e.comma_surely_grouped for e in amounts)
    if sure_comma and not sure_dot and not surely_grouped:
        dot_grouped = any(e.dot_grouped or e.dot_surely_grouped for e in comma_columns)
        return ",", "." if dot_grouped else None
    if not sure_dot and comma_columns and not surely_grouped and delimiter == ";":
        return ",", None
    return ".", "," if grouped and (surely_grouped or not (sure_comma and sure_dot)) else None


def _number_type(e: Evidence, decimal: str, thousands: str | None) -> ColumnType | None:
    n = e.n - e.marker
    if n <= 0 or e.marker > n or e.leading_zero or e.huge or e.phone == n:
        return None
    if e.power and e.power + e.integer == n:
        return None  # codes such as 12E3: a power of ten has a mark or a sign somewhere
    if e.integer == n:
        return ColumnType("integer", wide=e.wide > 0)
    if decimal == ".":
        reads = e.plain + e.infinite + (e.comma_grouped if thousands == "," else 0)
    else:
        reads = e.integer + e.infinite + e.comma_decimal
        reads += e.dot_grouped if thousands == "." else 0
    return None if reads < n else ColumnType("number")


def _date_type(
    work: Workspace, name: str, table: str, e: Evidence, decimal: str, order: str = ""
) -> ColumnType | None:
    """Return the one date format that reads every value, or None if two read them differently.

    ``order`` (``%d`` or ``%m``) is how other columns of the file begin their dates.
    """
    n = e.n - e.marker
    if n <= 0 or e.marker > n or e.plain == n:
        return None
    full = full_date_formats(work, name, table, n, (*values.MARKERS, *values.WORDS))
    if not full:
        return None
    chosen = full[0]
    if other_reading(chosen, full):
        if order:
            chosen = next(known for known in full if known.text.startswith(order))
        elif "." not in chosen.text and decimal != ",":
            return None  # nothing in the file shows which part of 01/02/2024 is the month
        else:
            chosen = next(known for known in full if known.text.startswith("%d"))
        return ColumnType("date", date_format=chosen.text, assumed=True)
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

"""SQL that reads delimited text exactly as the setup cell's pandas call does.

Pure text building; columns are called ``c0, c1, ...`` unless other names are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from analyst_kernel.data.read import values
from analyst_kernel.data.read.names import read_sql
from analyst_kernel.data.read.options import ColumnType, DelimitedReading
from analyst_kernel.data.read.workspace import column, literal, quoted


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A UTF-8 file that DuckDB reads as it is, with the layout of this copy."""

    path: str
    delimiter: str
    quote: str
    header: bool
    skip_rows: int
    gzip: bool = False
    nulls: tuple[str, ...] = values.NULL_TEXTS


def direct(path: str, reading: DelimitedReading, *, gzip: bool = False) -> CsvFile:
    """Return the layout of the user's own file."""
    return CsvFile(
        path, reading.delimiter, reading.quote, reading.header, reading.skip_rows, gzip,
        missing_texts(reading),
    )  # fmt: skip


def canonical(path: str, reading: DelimitedReading) -> CsvFile:
    """Return the layout of a cleaned copy: comma, double quotes, no header."""
    return CsvFile(path, ",", '"', False, 0, nulls=missing_texts(reading))


def missing_texts(reading: DelimitedReading) -> tuple[str, ...]:
    """Return the texts that stand for a missing value in every column."""
    return tuple(text for text in values.NULL_TEXTS if text not in reading.kept_words)


def read_csv_sql(file: CsvFile, columns: Sequence[tuple[str, str]]) -> str:
    """Return the ``read_csv`` call; ``columns`` are names and DuckDB types to read them with."""
    spec = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns)
    nulls = ", ".join(map(literal, file.nulls))
    return read_sql(
        "read_csv",
        file.path,
        f"columns = {{{spec}}}",
        "auto_detect = false",
        f"header = {str(file.header).lower()}",
        f"skip = {file.skip_rows}",
        f"delim = {mark_sql(file.delimiter)}",
        f"quote = {literal(file.quote)}",
        f"escape = {literal(file.quote)}",
        f"nullstr = [{nulls}]",
        *(["compression = 'gzip'"] if file.gzip else []),
        plain=not file.gzip,
    )


def mark_sql(delimiter: str) -> str:
    """Return a delimiter for SQL."""
    return "'\\t'" if delimiter == "\t" else literal(delimiter)


def texts_sql(file: CsvFile, width: int) -> str:
    """Return a query that gives every column as text; words such as ``NA`` are texts."""
    file = replace(file, nulls=values.SIGNS)
    return f"SELECT * FROM {read_csv_sql(file, [(column(p), 'VARCHAR') for p in range(width)])}"


def typed_sql(file: CsvFile, reading: DelimitedReading, names: Sequence[str] | None = None) -> str:
    """Return a query that reads the file with its column types.

    A value that does not fit its column's type raises in DuckDB; nothing is rounded or dropped.
    """
    names = names or [column(place) for place in range(len(reading.names))]
    stored, selected = [], []
    for name, kind in zip(names, reading.types, strict=True):
        native = _stored_type(kind, reading)
        stored.append((name, native))
        selected.append(f"{value_sql(quoted(name), kind, reading, native)} AS {quoted(name)}")
    return f"SELECT {', '.join(selected)} FROM {read_csv_sql(file, stored)}"


def retyped_sql(table: str, reading: DelimitedReading) -> str:
    """Return a query that gives a table of texts its column types."""
    words = tuple(word for word in values.WORDS if word in reading.found_markers)
    selected = [
        f"{value_sql(column(place), gone, reading, 'VARCHAR')} AS {column(place)}"
        for place, kind in enumerate(reading.types)
        for gone in (replace(kind, markers=(*kind.markers, *words)),)
    ]
    return f"SELECT {', '.join(selected)} FROM {table}"


def _stored_type(kind: ColumnType, reading: DelimitedReading) -> str:
    plain = reading.decimal == "." and reading.thousands is None and not kind.markers
    if kind.kind in ("integer", "number") and plain and not kind.wide:
        return "DOUBLE"
    return "VARCHAR"


def value_sql(name: str, kind: ColumnType, reading: DelimitedReading, stored: str) -> str:
    """Return the expression that turns a stored column into its type.

    Integers are read as DOUBLE and checked, because DuckDB rounds ``7.6`` to 8 when it reads a
    column as integers.
    """
    value = name
    if kind.markers:
        gone = ", ".join(map(literal, kind.markers))
        value = f"CASE WHEN {name} IN ({gone}) THEN NULL ELSE {name} END"
    match kind.kind:
        case "text":
            return value
        case "bool":
            known = ", ".join(map(literal, values.BOOLEANS))
            checked = f"CASE WHEN {value} IN ({known}) THEN {value} ELSE 'not ' || {value} END"
            return f"CAST({checked} AS BOOLEAN)"
        case "integer":
            if stored == "DOUBLE":
                fits = f"{name} = trunc({name}) AND abs({name}) < 9e15"
                otherwise = f"WHEN {name} IS NOT NULL THEN 'nan'::DOUBLE"
                return f"CAST(CASE WHEN {fits} THEN {name} {otherwise} END AS BIGINT)"
            return f"CAST({_plain_number(value, reading)} AS BIGINT)"
        case "number":
            return (
                value if stored == "DOUBLE" else f"CAST({_plain_number(value, reading)} AS DOUBLE)"
            )
        case "date":
            known_format = values.FORMATS_BY_TEXT[kind.date_format or ""]
            shape = known_format.shape_sql(value)
            if known_format.text == "%Y-%m-%d":
                # The plain cast is many times faster; the hyphen excludes what else it reads.
                shape += f" AND substr({value}, 5, 1) = '-'"
                checked = f"CASE WHEN {shape} THEN {value} ELSE 'not ' || {value} END"
                return f"CAST({checked} AS DATE)"
            checked = f"CASE WHEN {shape} THEN {value} ELSE 'not ' || {value} END"
            parsed = f"strptime({checked}, {literal(known_format.for_duckdb)})"
            return parsed if known_format.has_time else f"CAST({parsed} AS DATE)"
        case _:
            assert_never(kind.kind)


def _plain_number(value: str, reading: DelimitedReading) -> str:
    text = f"trim({value})"
    if reading.thousands:
        text = f"replace({text}, {literal(reading.thousands)}, '')"
    if reading.decimal != ".":
        text = f"replace({text}, {literal(reading.decimal)}, '.')"
    return text


def type_label(kind: ColumnType) -> str:
    """Return a column's type as DuckDB names it."""
    match kind.kind:
        case "text":
            return "VARCHAR"
        case "bool":
            return "BOOLEAN"
        case "integer":
            return "BIGINT"
        case "number":
            return "DOUBLE"
        case "date":
            known = values.FORMATS_BY_TEXT[kind.date_format or ""]
            if known.utc:
                return "TIMESTAMP WITH TIME ZONE"
            return "TIMESTAMP" if known.has_time else "DATE"
        case _:
            assert_never(kind.kind)

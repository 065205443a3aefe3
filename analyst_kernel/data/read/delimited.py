"""From a delimited file to a typed table: find the layout, decide types, read, and mend if needed.

The fast path reads the file once, as it is, with types decided on its first megabytes. A value that
does not fit, a malformed row or a wrong byte leads to a slower path over the whole file.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, replace

from analyst_kernel.data.read import infer, relation, values
from analyst_kernel.data.read.archives import (
    DATA_DAMAGE,
    damaged,
    open_unpacked,
    read_head,
    unpacked_bytes,
)
from analyst_kernel.data.read.canonical import recode, rewrite
from analyst_kernel.data.read.encoding import (
    decode_head,
    detect_encoding,
    not_text,
    single_byte_encoding,
)
from analyst_kernel.data.read.names import named
from analyst_kernel.data.read.options import DelimitedReading, Packing
from analyst_kernel.data.read.sniff import sniff
from analyst_kernel.data.read.workspace import ReadingStopped, Workspace, column
from analyst_kernel.protocol.errors import DataError

SAMPLE_BYTES = 1 << 18
SMALL_BYTES = 2 << 20
_MENDED_ANYWAY = 64 << 20  # older DuckDB does not count blank lines among those to skip
_PIECE = 200_000  # bytes; pandas infers types over pieces of a little more than this
_NEVER_A_FRAME = 400 << 20  # bytes; above this a file stays on disk, so pandas infers nothing


@dataclass(frozen=True, slots=True)
class StagedText:
    """A delimited file as the table ``staged (c0, ...)`` of a workspace.

    Attributes:
        reading: With types, and with the encoding and the row faults of the whole file.
        short_rows: Rows that had too few fields and were padded.
    """

    reading: DelimitedReading
    short_rows: int = 0


def look(path: str, packing: Packing, name: str) -> DelimitedReading:
    """Return encoding and layout, found in the first part of a file; types stay open.

    Raises:
        DataError: It is not text, or holds no table.
    """
    head, complete = read_head(path, packing, SAMPLE_BYTES)
    encoding = detect_encoding(head, complete=complete)
    if encoding is None:
        raise not_text(os.path.basename(name))
    text = decode_head(head, encoding, complete=complete)
    prefer = "\t" if name.lower().endswith((".tsv", ".tab", ".tsv.gz")) else None
    reading = sniff(text, complete=complete, prefer=prefer)
    return replace(reading, encoding=encoding, packing=packing)


def stage(work: Workspace, path: str, reading: DelimitedReading) -> StagedText:
    """Read the whole file into the table ``staged``.

    Raises:
        DataError: It cannot be read as a table.
    """
    import duckdb

    try:
        try:
            return _stage(work, path, reading)
        except UnicodeDecodeError:
            return _stage(work, path, replace(reading, encoding=_whole_encoding(path, reading)))
    except csv.Error as error:
        raise DataError(
            f"{os.path.basename(path)} breaks off as a table: {error}.",
            "Look for an unclosed quote in it, or export it again.",
        ) from error
    except duckdb.InterruptException as error:
        raise ReadingStopped from error
    except DATA_DAMAGE as error:
        raise damaged(path, error) from error


def _stage(work: Workspace, path: str, reading: DelimitedReading) -> StagedText:
    import duckdb

    short = 0
    try:
        small = os.path.getsize(path) < _MENDED_ANYWAY
        if needs_rewrite(reading) or (reading.skip_rows and small):
            raise duckdb.InvalidInputException("structure")
        file = _as_utf8(work, path, reading)
        typed = _read(work, file, reading)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error as error:
        # The first part was UTF-8 but the file is not: recode it, the structure may be sound.
        if reading.encoding == "utf-8" and "utf" in str(error).lower():
            found = _whole_encoding(path, reading)
            if found != "utf-8":
                return _stage(work, path, replace(reading, encoding=found))
        target = work.file("rewritten.csv")
        done = rewrite(path, reading, target, work.stop)
        short = done.short
        reading = replace(reading, bad_rows=done.bad)
        typed = _read(work, relation.canonical(target), reading)
    return StagedText(_finished(work, path, typed), short)


def needs_rewrite(reading: DelimitedReading) -> bool:
    """Return whether DuckDB cannot read the layout even after recoding."""
    return (
        reading.skip_initial_space
        or reading.escape is not None
        or reading.delimiter == r"\s+"
        or reading.trailing_delimiter
        or len(reading.names) == 1
    )


def _as_utf8(work: Workspace, path: str, reading: DelimitedReading) -> relation.CsvFile:
    packed = reading.packing.compression
    if reading.encoding == "utf-8" and packed in (None, "gzip"):
        return relation.direct(named(work, path), reading, gzip=packed == "gzip")
    target = work.file("recoded.csv")
    recode(path, reading, target, work.stop)
    return relation.direct(target, reading)


def _read(work: Workspace, file: relation.CsvFile, reading: DelimitedReading) -> DelimitedReading:
    """Fill ``staged`` and return the reading with its types.

    Types come from the first megabytes, so that a big file is parsed once and never held as text.
    A later value that contradicts them makes DuckDB raise (nothing is coerced); then all values
    are read as text, and types are decided on every one of them.
    """
    import duckdb

    width = len(reading.names)
    for table in ("raw", "staged"):
        work.run(f"DROP TABLE IF EXISTS {table}")
    if os.path.getsize(file.path) > SMALL_BYTES and not file.gzip:
        sample = work.file("sample.csv")
        _copy_start(file.path, sample)
        part = replace(file, path=sample)
        try:
            work.run(f"CREATE TABLE raw AS {relation.texts_sql(part, width)}")
            reading = _decided(work, reading)
            work.run("DROP TABLE raw")
            work.run(f"CREATE TABLE staged AS {relation.typed_sql(file, reading)}")
            return reading
        except duckdb.ConversionException:
            pass
        except duckdb.InvalidInputException as error:
            if "strptime" not in str(error).lower() and "parse" not in str(error).lower():
                raise
    for table in ("raw", "staged"):
        work.run(f"DROP TABLE IF EXISTS {table}")
    work.run(f"CREATE TABLE raw AS {relation.texts_sql(file, width)}")
    reading = _decided(work, reading)
    work.run(f"CREATE TABLE staged AS {relation.retyped_sql('raw', reading)}")
    work.run("DROP TABLE raw")
    return reading


def _copy_start(path: str, target: str) -> None:
    with open(path, "rb") as source, open(target, "wb") as copy:
        block = source.read(SMALL_BYTES)
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        copy.write(block[: end + 1] if end > 0 else block)


def _decided(work: Workspace, reading: DelimitedReading) -> DelimitedReading:
    found = infer.decide(work, reading)
    return replace(reading, types=found.types, decimal=found.decimal, thousands=found.thousands)


def _finished(work: Workspace, path: str, reading: DelimitedReading) -> DelimitedReading:
    """Add what only the whole file shows: how pandas must infer types, missing-value texts."""
    mixed = _has_one_sided_piece(work, unpacked_bytes(path, reading.packing), reading)
    return replace(reading, whole_column_types=mixed, found_markers=_markers(path, reading))


def _has_one_sided_piece(work: Workspace, size: int, reading: DelimitedReading) -> bool:
    """Return whether a text column has a long stretch of nothing but numbers or gaps.

    pandas infers types stretch by stretch and would then mix numbers and texts in one column.
    """
    texts = [
        column(place)
        for place, kind in enumerate(reading.types)
        if kind.kind in ("text", "bool") and not kind.forced
    ]
    rows = work.row("SELECT count(*) FROM staged")[0]
    stretch = max(1, int(rows * _PIECE / max(size, 1)) // 4)
    if not _PIECE < size <= _NEVER_A_FRAME or not texts or not rows:
        return False
    for start in range(0, len(texts), 40):
        part = texts[start : start + 40]
        inner = ", ".join(
            f"count({name}) = count(TRY_CAST(CAST({name} AS VARCHAR) AS DOUBLE)) AS {name}"
            for name in part
        )
        outer = ", ".join(f"bool_or({name})" for name in part)
        found = work.row(
            f"SELECT {outer} FROM (SELECT {inner} FROM staged GROUP BY rowid // {stretch})"
        )
        if any(found):
            return True
    return False


def _markers(path: str, reading: DelimitedReading) -> tuple[str, ...]:
    """Return the usual missing-value texts that stand in the first part of the file."""
    head, complete = read_head(path, reading.packing, SAMPLE_BYTES * 4)
    try:
        text = decode_head(head, reading.encoding, complete=complete)
    except DataError:
        return ()
    delimiter = " " if reading.delimiter == r"\s+" else reading.delimiter
    cells = {
        cell.strip(" \r").strip(reading.quote)
        for line in text.split("\n")
        for cell in line.split(delimiter)
        if len(cell) < 12
    }
    return tuple(marker for marker in values.NULL_TEXTS if marker and marker in cells)


def _whole_encoding(path: str, reading: DelimitedReading) -> str:
    """Return an encoding that fits every byte, by reading the whole file."""
    import codecs

    utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    single = "cp1252"
    with open_unpacked(path, reading.packing) as source:
        while block := source.read(1 << 20):
            if utf8 is not None:
                try:
                    utf8.decode(block)
                except UnicodeDecodeError:
                    utf8 = None
            if single == "cp1252":
                single = single_byte_encoding(block)
    return single if utf8 is None else "utf-8"


def count_rows(work: Workspace, path: str, reading: DelimitedReading) -> int | None:
    """Return the number of records, or ``None`` if the structure needs mending first."""
    import duckdb

    if needs_rewrite(reading) or reading.skip_rows:
        try:
            return rewrite(path, reading, os.devnull, work.stop).rows
        except (csv.Error, UnicodeDecodeError):
            return None
    try:
        file = _as_utf8(work, path, reading)
        return int(
            work.row(f"SELECT count(*) FROM ({relation.texts_sql(file, len(reading.names))})")[0]
        )
    except (duckdb.Error, UnicodeDecodeError):
        return None

"""From a delimited file to a typed table: find the layout, decide types, read, and mend if needed.

The fast path reads the file once, as it is, with types decided on its first megabytes. A value that
does not fit, a malformed row or a wrong byte leads to a slower path over the whole file.
"""

from __future__ import annotations

import codecs
import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analyst_kernel.data.chosen import Chosen, ReadingNotKept
from analyst_kernel.data.read import infer, relation, values
from analyst_kernel.data.read.archives import (
    DATA_DAMAGE,
    damaged,
    open_unpacked,
    read_head,
    unpacked_bytes,
)
from analyst_kernel.data.read.canonical import is_badly_quoted, recode, rewrite, surveyed
from analyst_kernel.data.read.encoding import (
    decode_head,
    detect_encoding,
    legacy_encoding,
    not_text,
)
from analyst_kernel.data.read.names import all_unique, named
from analyst_kernel.data.read.options import DelimitedReading, LeftOut, Packing
from analyst_kernel.data.read.rows.layout import Judged, judge
from analyst_kernel.data.read.rows.survey import Survey
from analyst_kernel.data.read.sniff import sniff
from analyst_kernel.data.read.workspace import ReadingStopped, Workspace, column
from analyst_kernel.protocol.errors import DataError

SAMPLE_BYTES = 1 << 18
SMALL_BYTES = 2 << 20
_MENDED_ANYWAY = 64 << 20  # older DuckDB does not count blank lines among those to skip
_SURVEYED_ANYWAY = 4 << 20  # all rows of smaller files are looked at, sound or not
_SURVEYED_AT_MOST = 400 << 20
_PIECE = 200_000  # bytes; pandas infers types over pieces of a little more than this
_NAMED_LINES = 12  # more lines below a table are cut off by the number of its rows
_ODD_BLOCKS = 8
_NEVER_A_FRAME = 400 << 20  # bytes; above this a file stays on disk, so pandas infers nothing


@dataclass(frozen=True, slots=True)
class StagedText:
    """A delimited file as the table ``staged (c0, ...)`` of a workspace.

    Attributes:
        reading: With types, and with the encoding and the row faults of the whole file.
        short_rows: Rows that had too few fields and were padded.
        lines: The line of each row, if they were all looked at.
    """

    reading: DelimitedReading
    short_rows: int = 0
    lines: Sequence[int] = ()


def look(path: str, packing: Packing, name: str, chosen: Chosen | None = None) -> DelimitedReading:
    """Return encoding and layout, found in the first part of a file; types stay open.

    Raises:
        ReadingNotKept: The user chose an encoding or a header that the file does not have.
        DataError: It is not text, or holds no table.
    """
    chosen = chosen or Chosen()
    head, complete = read_head(path, packing, SAMPLE_BYTES)
    said = chosen.get("encoding")
    encoding = said or detect_encoding(head, complete=complete)
    if encoding is None:
        raise not_text(os.path.basename(name))
    if said:
        _check_encoding(path, packing, said)
    errors = "strict" if said else _errors(head, encoding, complete=complete)
    text = decode_head(head, encoding, complete=complete, errors=errors)
    prefer = "\t" if name.lower().endswith((".tsv", ".tab", ".tsv.gz")) else None
    reading = sniff(text, complete=complete, prefer=prefer, header=chosen.get("header"))
    return replace(
        reading, encoding=encoding, encoding_errors=errors, packing=packing,
        nul_characters="\0" in text, chosen=chosen,
    )  # fmt: skip


def _check_encoding(path: str, packing: Packing, encoding: str) -> None:
    """Raise ``ReadingNotKept`` if a file is no text of an encoding; all of it is looked at."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open_unpacked(path, packing) as source:
            while block := source.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except ValueError:
        raise ReadingNotKept(
            "encoding", f"{os.path.basename(path)} is no {encoding} text."
        ) from None


def _errors(sample: bytes, encoding: str, *, complete: bool) -> Literal["strict", "replace"]:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample, final=complete)
    except UnicodeDecodeError:
        return "replace"
    return "strict"


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
            return _stage(work, path, _with_whole_encoding(path, reading))
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

    size = unpacked_bytes(path, reading.packing)
    if size <= _SURVEYED_ANYWAY or needs_rewrite(reading) or reading.crooked:
        return _survey_and_read(work, path, reading)
    if reading.skip_rows and size < _MENDED_ANYWAY:
        return _survey_and_read(work, path, reading)
    try:
        file = _as_utf8(work, path, reading)
        typed = _read(work, file, reading, whole=size > _SURVEYED_AT_MOST)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error as error:
        # The first part was UTF-8 but the file is not: recode it, the structure may be sound.
        if reading.encoding == "utf-8" and "utf" in str(error).lower():
            found = _with_whole_encoding(path, reading)
            if found != reading:
                return _stage(work, path, found)
        return _survey_and_read(work, path, reading)
    return StagedText(finished(work, path, typed))


def _survey_and_read(work: Workspace, path: str, reading: DelimitedReading) -> StagedText:
    """Read a file after a look at all of its rows."""
    import duckdb

    reading, seen = look_at_rows(work, path, reading)
    sound = seen.clean() and not (reading.crooked or reading.skip_rows or needs_rewrite(reading))
    typed = None
    if sound and reading.encoding == "utf-8":
        try:
            typed = _read(work, _as_utf8(work, path, reading), reading, whole=True)
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            raise
        except duckdb.Error:
            typed = None
    short = seen.short
    if typed is None:
        typed, short = read_again(work, path, reading)
    return StagedText(finished(work, path, typed), short, seen.lines)


def read_again(
    work: Workspace, path: str, reading: DelimitedReading
) -> tuple[DelimitedReading, int]:
    """Fill ``staged`` by a reading whose rows are known; return it with types, and short rows."""
    target = work.file("rewritten.csv")
    done = rewrite(path, reading, target, work.stop)
    reading = replace(reading, bad_rows=done.bad)
    file = relation.canonical(target, reading)
    return _read(work, file, reading, whole=True), done.short


def look_at_rows(
    work: Workspace, path: str, reading: DelimitedReading
) -> tuple[DelimitedReading, Survey]:
    """Return the reading with what all rows show, and what was seen of them."""
    seen = surveyed(path, reading, work.stop)
    if seen.swallowed and reading.quote and is_badly_quoted(path, reading):
        plain = replace(reading, quote="")
        other = surveyed(path, plain, work.stop)
        if other.rows > seen.rows and not other.wide_count + other.short:
            reading, seen = plain, other
    judged, kept = _as_chosen(judge(seen), reading.chosen)
    lines = sum(len(one.lines) for one in judged.left_out)
    below = [one for one in judged.left_out if one.kind in ("footer", "empty")]
    many = sum(len(one.lines) for one in below) > _NAMED_LINES
    added = [f"column_{seen.width + place + 1}" for place in range(judged.added)]
    names = all_unique((*reading.names, *added)) if added else reading.names
    replaced = bool(added or judged.bad) or (judged.spare > 0 and not reading.trailing_delimiter)
    if judged.left_out and reading.trailing_delimiter:
        replaced = True
    return replace(
        reading,
        names=names,
        added=len(added),
        spare=judged.spare if replaced else 0,
        trailing_delimiter=reading.trailing_delimiter and not replaced,
        replaced_header=replaced and reading.header,
        explicit_names=reading.explicit_names or replaced,
        left_out=judged.left_out,
        kept_rows=kept,
        bad_rows=judged.bad,
        last_rows=seen.rows - lines if many else None,
    ), seen


def _as_chosen(judged: Judged, chosen: Chosen) -> tuple[Judged, tuple[LeftOut, ...]]:
    """Return what is left out, and apart from it what the user wants kept."""
    wanted = {kind for kind, said in chosen.of("rows").items() if said == "keep"}
    kept = tuple(one for one in judged.left_out if one.kind in wanted and one.fits)
    return replace(judged, left_out=tuple(o for o in judged.left_out if o not in kept)), kept


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
    strict = reading.encoding_errors == "strict"
    if reading.encoding == "utf-8" and strict and packed in (None, "gzip"):
        return relation.direct(named(work, path), reading, gzip=packed == "gzip")
    target = work.file("recoded.csv")
    recode(path, reading, target, work.stop)
    return relation.direct(target, reading)


def _read(
    work: Workspace, file: relation.CsvFile, reading: DelimitedReading, *, whole: bool
) -> DelimitedReading:
    """Fill ``staged`` and return the reading with its types.

    Types come from the first megabytes, so that a big file is parsed once and never held as text.
    A later value that contradicts them makes DuckDB raise (nothing is coerced); then all values
    are read as text, and types are decided on every one of them; if not ``whole``, it is raised.
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
            reading = decided(work, reading)
            work.run("DROP TABLE raw")
            file = replace(file, nulls=relation.missing_texts(reading))
            work.run(f"CREATE TABLE staged AS {relation.typed_sql(file, reading)}")
            return reading
        except duckdb.ConversionException:
            if not whole:
                raise
        except duckdb.InvalidInputException as error:
            if not whole:
                raise
            if "strptime" not in str(error).lower() and "parse" not in str(error).lower():
                raise
    for table in ("raw", "staged"):
        work.run(f"DROP TABLE IF EXISTS {table}")
    work.run(f"CREATE TABLE raw AS {relation.texts_sql(file, width)}")
    reading = decided(work, reading)
    work.run(f"CREATE TABLE staged AS {relation.retyped_sql('raw', reading)}")
    work.run("DROP TABLE raw")
    return reading


def _copy_start(path: str, target: str) -> None:
    with open(path, "rb") as source, open(target, "wb") as copy:
        block = source.read(SMALL_BYTES)
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        copy.write(block[: end + 1] if end > 0 else block)


def decided(work: Workspace, reading: DelimitedReading) -> DelimitedReading:
    """Return the reading with the types of all values of the table ``raw``, which are texts."""
    found = infer.decide(work, reading)
    return replace(
        reading,
        types=found.types,
        decimal=found.decimal,
        thousands=found.thousands,
        kept_words=found.kept_words,
        text_words=found.text_words,
        found_markers=found.found_markers,
        collapsed=found.collapsed,
    )


def finished(work: Workspace, path: str, reading: DelimitedReading) -> DelimitedReading:
    """Return the reading with what only the whole file shows: gaps, and how types are inferred."""
    mixed = _has_one_sided_piece(work, unpacked_bytes(path, reading.packing), reading)
    markers = dict.fromkeys((*_markers(path, reading), *reading.found_markers))
    found = tuple(marker for marker in markers if marker not in reading.kept_words)
    return replace(reading, whole_column_types=mixed, found_markers=found)


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
        text = decode_head(
            head, reading.encoding, complete=complete, errors=reading.encoding_errors
        )
    except DataError:
        return ()
    delimiter = " " if reading.delimiter == r"\s+" else reading.delimiter
    cells = {
        cell.strip(" \r").strip(reading.quote or " ")
        for line in text.split("\n")
        for cell in line.split(delimiter)
        if len(cell) < 12
    }
    return tuple(marker for marker in values.NULL_TEXTS if marker and marker in cells)


def _with_whole_encoding(path: str, reading: DelimitedReading) -> DelimitedReading:
    """Return the reading with an encoding that fits every byte, by reading the whole file.

    A few damaged bytes in UTF-8 are replaced: another encoding would spoil all other letters.
    """
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    wrong = right = 0
    odd: list[bytes] = []
    with open_unpacked(path, reading.packing) as source:
        while block := source.read(1 << 20):
            text = utf8.decode(block)
            if text.isascii():
                continue
            wrong += text.count("\ufffd") - block.count(b"\xef\xbf\xbd")
            right += sum(ord(mark) > 127 for mark in text) - text.count("\ufffd")
            if len(odd) < _ODD_BLOCKS:
                odd.append(block)
    if wrong * 4 <= right:
        return replace(reading, encoding="utf-8", encoding_errors="replace" if wrong else "strict")
    return replace(reading, encoding=legacy_encoding(b"".join(odd)), encoding_errors="strict")


def count_rows(work: Workspace, path: str, reading: DelimitedReading) -> int | None:
    """Return the number of records, or ``None`` if the structure needs mending first."""
    import duckdb

    size = unpacked_bytes(path, reading.packing)
    if needs_rewrite(reading) or reading.skip_rows or size <= _SURVEYED_ANYWAY:
        try:
            reading, seen = look_at_rows(work, path, reading)
        except (csv.Error, UnicodeDecodeError):
            return None
        return seen.rows - sum(len(one.lines) for one in reading.left_out) - reading.bad_rows
    try:
        file = _as_utf8(work, path, reading)
        return int(
            work.row(f"SELECT count(*) FROM ({relation.texts_sql(file, len(reading.names))})")[0]
        )
    except (duckdb.Error, UnicodeDecodeError):
        return None

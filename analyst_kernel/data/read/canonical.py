"""The records of a delimited file, and a clean UTF-8 copy of it for DuckDB.

``recode`` only changes compression and encoding. ``rewrite`` also leaves out what is no part of the
table and pads short rows, as pandas does when it loads the file by the same reading. All of them
stream, so that memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from analyst_kernel.data.read.archives import open_unpacked
from analyst_kernel.data.read.options import DelimitedReading
from analyst_kernel.data.read.rows.survey import Survey, survey
from analyst_kernel.data.read.workspace import Stop

_BLOCK = 1 << 20
_LONGEST_FIELD = 64 << 20


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Counts of rows kept, rows padded, and rows left out because they had too many fields."""

    rows: int
    short: int
    bad: int


def recode(path: str, reading: DelimitedReading, target: str, stop: Stop) -> None:
    """Write the unpacked text as UTF-8.

    Raises:
        UnicodeDecodeError: The bytes are not in the reading's encoding.
        OSError, EOFError: The file is damaged.
    """
    decoder = codecs.getincrementaldecoder(reading.encoding)(reading.encoding_errors)
    with open_unpacked(path, reading.packing) as source, open(target, "wb") as copy:
        while block := source.read(_BLOCK):
            stop.check()
            copy.write(decoder.decode(block).encode("utf-8"))
        copy.write(decoder.decode(b"", final=True).encode("utf-8"))


def surveyed(path: str, reading: DelimitedReading, stop: Stop) -> Survey:
    """Look once at all rows of the table.

    Raises:
        UnicodeDecodeError: The bytes are not in the reading's encoding.
        csv.Error: A record cannot be read at all.
        OSError, EOFError: The file is damaged.
    """
    with _opened(path, reading) as text:
        records = _records(text, reading)
        line = 0
        for _ in range(reading.skip_rows):
            next(records, None)
            line += 1
        header: list[str] | None = None
        while reading.header and header is None:
            header = next(records, [""])
            line += 1
            if not header:
                header = None  # a blank line
        width = len(reading.names) - reading.added
        return survey(_checked(records, stop), header, width, reading.delimiter, line)


def _checked(records: Iterable[list[str]], stop: Stop) -> Iterator[list[str]]:
    for place, cells in enumerate(records):
        if place % 10_000 == 0:
            stop.check()
        yield cells


def rewrite(path: str, reading: DelimitedReading, target: str, stop: Stop) -> Rewritten:
    """Write the table alone as plain comma-separated UTF-8 without a header.

    Raises:
        UnicodeDecodeError: The bytes are not in the reading's encoding.
        csv.Error: A record cannot be read at all.
        OSError, EOFError: The file is damaged.
    """
    rows = short = bad = 0
    width = len(reading.names)
    gone = {line for one in reading.left_out for line in one.lines}
    most = width + reading.spare
    with (
        _opened(path, reading) as text,
        open(target, "w", encoding="utf-8", newline="") as copy,
    ):
        writer = csv.writer(copy, lineterminator="\n")
        header = reading.header
        for line, cells in enumerate(_records(text, reading)):
            if line < reading.skip_rows or line in gone:
                continue
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if header:
                header = False
                continue
            if len(cells) > most and not reading.trailing_delimiter:
                bad += 1
                continue
            short += len(cells) < width - reading.added
            kept = [cell.replace("\0", "") for cell in cells[:width]]
            writer.writerow(kept + [""] * (width - len(cells)))
            rows += 1
            if rows % 10_000 == 0:
                stop.check()
    return Rewritten(rows, short, bad)


@contextmanager
def _opened(path: str, reading: DelimitedReading) -> Iterator[io.TextIOWrapper]:
    with (
        open_unpacked(path, reading.packing) as source,
        io.TextIOWrapper(
            source, encoding=reading.encoding, errors=reading.encoding_errors, newline=""
        ) as text,
    ):
        yield text


def is_badly_quoted(path: str, reading: DelimitedReading) -> bool:
    """Return whether a quote is opened somewhere that no delimiter, line end or quote closes."""
    try:
        with _opened(path, reading) as text:
            for _ in _records(text, reading, strict=True):
                pass
    except csv.Error:
        return True
    return False


def _records(
    text: Iterable[str], reading: DelimitedReading, *, strict: bool = False
) -> Iterator[list[str]]:
    """Yield every record of a file, blank ones as empty lists."""
    csv.field_size_limit(_LONGEST_FIELD)
    if reading.delimiter == r"\s+":
        for line in text:
            yield line.split()
        return
    yield from csv.reader(
        text,
        delimiter=reading.delimiter,
        quotechar=reading.quote or None,
        quoting=csv.QUOTE_MINIMAL if reading.quote else csv.QUOTE_NONE,
        escapechar=reading.escape,
        skipinitialspace=reading.skip_initial_space,
        strict=strict,
    )

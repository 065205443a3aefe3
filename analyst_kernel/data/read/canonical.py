"""A clean UTF-8 copy of a delimited file that DuckDB cannot read as it is.

``recode`` only changes compression and encoding. ``rewrite`` also mends the structure (short rows,
rows with too many fields, blanks after delimiters, blank lines) as pandas does when it loads the
file. Both stream, so that memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyst_kernel.data.read.archives import open_unpacked
from analyst_kernel.data.read.options import DelimitedReading
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
    decoder = codecs.getincrementaldecoder(reading.encoding)()
    with open_unpacked(path, reading.packing) as source, open(target, "wb") as copy:
        while block := source.read(_BLOCK):
            stop.check()
            copy.write(decoder.decode(block).encode("utf-8"))
        copy.write(decoder.decode(b"", final=True).encode("utf-8"))


def rewrite(path: str, reading: DelimitedReading, target: str, stop: Stop) -> Rewritten:
    """Write the table alone as plain comma-separated UTF-8 without a header.

    Raises:
        UnicodeDecodeError: The bytes are not in the reading's encoding.
        csv.Error: A record cannot be read at all.
        OSError, EOFError: The file is damaged.
    """
    rows = short = bad = 0
    width = len(reading.names)
    with (
        open_unpacked(path, reading.packing) as source,
        io.TextIOWrapper(source, encoding=reading.encoding, newline="") as text,
        open(target, "w", encoding="utf-8", newline="") as copy,
    ):
        writer = csv.writer(copy, lineterminator="\n")
        for _ in itertools.islice(text, reading.skip_rows):
            pass
        records = _records(text, reading)
        if reading.header:
            next(records, None)
        for cells in records:
            if len(cells) > width and not reading.trailing_delimiter:
                bad += 1
                continue
            short += len(cells) < width
            writer.writerow(cells[:width] + [""] * (width - len(cells)))
            rows += 1
            if rows % 10_000 == 0:
                stop.check()
    return Rewritten(rows, short, bad)


def _records(text: Iterable[str], reading: DelimitedReading) -> Iterator[list[str]]:
    csv.field_size_limit(_LONGEST_FIELD)
    if reading.delimiter == r"\s+":
        for line in text:
            if cells := line.split():
                yield cells
        return
    reader = csv.reader(
        text,
        delimiter=reading.delimiter,
        quotechar=reading.quote,
        escapechar=reading.escape,
        skipinitialspace=reading.skip_initial_space,
    )
    for cells in reader:
        if cells and not (len(cells) == 1 and not cells[0].strip()):
            yield cells

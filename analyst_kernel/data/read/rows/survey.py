"""What one pass over the rows of a file shows of its form: widths, and the rows at both ends.

Memory does not grow with the file. Rows are counted from 0 as pandas counts them: blank ones too, a
line break in quotes not.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

HEAD, TAIL = 400, 40
_WIDE = 400
_KEPT_LINES = 400_000


@dataclass(frozen=True, slots=True)
class SurveyedRow:
    """The cells of a row, its line, and its fields with the empty ones at its end."""

    line: int
    cells: Sequence[str]
    raw: int = 0

    @property
    def filled(self) -> int:
        """How many cells hold something."""
        return sum(bool(cell.strip()) for cell in self.cells)


@dataclass
class Survey:
    """What was seen of the rows below a header, or of all rows if there is none.

    Attributes:
        head: The first rows.
        tail: The last rows, without empty ones at the end.
        widths: Rows by their number of fields, empty fields at the end not counted beyond the
            header's.
        raw_widths: Rows by their number of fields.
        wide: Some rows with more fields than the header.
        wide_count: All of them.
        repeats: Lines that repeat the header.
        empty_end: Lines at the end that hold nothing but delimiters.
        blank_before: Lines that a blank line stands before.
        lines: The line of each row, in order; empty for very long files.
        swallowed: Cells that hold whole rows: a quote was opened and closed by chance.
        short: Rows with fewer fields than the header.
    """

    width: int
    head: list[SurveyedRow] = field(default_factory=list)
    tail: deque[SurveyedRow] = field(default_factory=lambda: deque(maxlen=TAIL))
    widths: Counter[int] = field(default_factory=Counter)
    wide: list[SurveyedRow] = field(default_factory=list)
    wide_count: int = 0
    raw_widths: Counter[int] = field(default_factory=Counter)
    repeats: list[int] = field(default_factory=list)
    empty_end: list[int] = field(default_factory=list)
    blank_before: set[int] = field(default_factory=set)
    lines: array[int] = field(default_factory=lambda: array("q"))
    rows: int = 0
    swallowed: int = 0
    short: int = 0

    def clean(self) -> bool:
        """Return whether every row has the header's fields and follows the one before."""
        return not (self.wide_count or self.repeats or self.empty_end or self.short)


def survey(
    records: Iterable[Sequence[str]], header: Sequence[str] | None, width: int, delimiter: str,
    first_line: int,
) -> Survey:  # fmt: skip
    """Look at the rows of a table once.

    Args:
        records: The rows below the header; blank ones are empty lists.
        header: Its cells, if there is one.
        width: How many columns there are.
        delimiter: Between the fields of a line, to recognise rows inside of a cell.
        first_line: The line of the first record.
    """
    seen = Survey(width)
    title = list(header) if header is not None and width > 1 else None
    blank = False
    for line, cells in enumerate(records, first_line):
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            blank = True
            continue
        size = len(cells)
        if size > width:
            while size > width and not cells[size - 1].strip():
                size -= 1
        if size == 1 or not any(cells):
            if not any(cell.strip() for cell in cells):
                seen.empty_end.append(line)
                seen.rows += 1
                _kept(seen, line)
                continue
        seen.empty_end.clear()
        seen.rows += 1
        _kept(seen, line)
        seen.widths[size] += 1
        seen.raw_widths[len(cells)] += 1
        row = SurveyedRow(line, cells[:size], len(cells))
        if blank:
            blank = False
            if len(seen.blank_before) < _WIDE:
                seen.blank_before.add(line)
        if size < width:
            seen.short += 1
        elif size > width:
            seen.wide_count += 1
            if len(seen.wide) < _WIDE:
                seen.wide.append(row)
        if title is not None and cells[0] == title[0] and list(cells[:width]) == title:
            seen.repeats.append(line)
        if len(seen.head) < HEAD:
            seen.head.append(row)
        seen.tail.append(row)
        if any("\n" in cell and _holds_rows(cell, delimiter, width) for cell in cells):
            seen.swallowed += 1
    return seen


def _kept(seen: Survey, line: int) -> None:
    if seen.rows <= _KEPT_LINES:
        seen.lines.append(line)
    elif seen.lines:
        seen.lines = array("q")


def _holds_rows(cell: str, delimiter: str, width: int) -> bool:
    inner = cell.splitlines()[1:-1] or cell.splitlines()[1:]
    return width > 1 and any(line.count(delimiter) == width - 1 for line in inner)

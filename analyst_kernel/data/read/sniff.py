"""The layout of delimited text: delimiter, quotes, lines before the table, header, column names.

Works on the first lines only and does no IO. Types of values are decided elsewhere.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace

from analyst_kernel.data.chosen import NONE, ReadingNotKept
from analyst_kernel.data.read.names import loaded_names
from analyst_kernel.data.read.options import DelimitedReading
from analyst_kernel.data.read.values import is_date_like, is_number_like
from analyst_kernel.protocol.errors import DataError

MAX_COLUMNS = 20_000
_DELIMITERS = (",", "\t", ";", "|")
_ROWS = 2000


@dataclass(frozen=True)
class _Row:
    """One record, and its place among all (from 0), blank ones too."""

    cells: list[str]
    line: int


@dataclass(frozen=True)
class _Parse:
    """The sample read one way, and how well that fits (higher is better)."""

    rows: list[_Row]
    delimiter: str
    quote: str
    escape: str | None
    width: int
    fit: float
    spaced: bool = False


def sniff(
    text: str, *, complete: bool, prefer: str | None = None, header: str = ""
) -> DelimitedReading:
    """Return the layout of delimited text.

    Args:
        text: The first part of the file, decoded.
        complete: Whether that is the whole file.
        prefer: A delimiter that the file's name promises; it wins where it fits.
        header: Where the user says that the names stand: a row from 1, or ``none``.

    Raises:
        ReadingNotKept: There is no such row.
        DataError: There is no line that could be a table.
    """
    # Every delimiter is tried with every way to quote, because none shows itself: a comma may be
    # the decimal mark, a quote an apostrophe. The parse with the most rows of one width wins. A
    # tie goes to the comma, and the delimiter that a name like .tsv promises wins where it fits.
    parses = [
        _parse(text, delimiter, quote, escape, complete)
        for delimiter in _DELIMITERS
        for quote, escape in _quotings(text)
        if quote or _is_badly_quoted(text, delimiter)
    ]
    usable = [parse for parse in parses if parse.width >= 2 and parse.fit > 0.5]
    promised = [parse for parse in usable if parse.delimiter == prefer]
    if promised:
        best = max(promised, key=lambda parse: parse.fit)
    elif usable:
        best = max(usable, key=lambda parse: (round(parse.fit, 3), parse.delimiter == ","))
    else:
        best = _blank_separated(text, complete) or _parse(text, ",", '"', None, complete)
    return _layout(best, header)


def _quotings(text: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = [('"', None)]
    if '\\"' in text:
        found.append(('"', "\\"))
    if re.search(r'(^|[,;\t|])"', text, re.MULTILINE):
        found.append(("", None))  # a stray mark may open a quote that is none
    if re.search(r"(^|[,;\t|])'", text, re.MULTILINE) and '"' not in text:
        found.append(("'", None))
    return found


def _is_badly_quoted(text: str, delimiter: str) -> bool:
    """Return whether a quote is opened that no delimiter or line end closes."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return "expected after" in str(error)
    return False


def _parse(text: str, delimiter: str, quote: str, escape: str | None, complete: bool) -> _Parse:
    spaced = _spaced(text, delimiter)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape,
        skipinitialspace=spaced,
    )
    rows: list[_Row] = []
    try:
        for place, cells in enumerate(reader):
            if cells and not (len(cells) == 1 and not cells[0].strip()):
                rows.append(_Row(cells, place))
            if len(rows) >= _ROWS:
                break
        else:
            if not complete and len(rows) > 1:
                rows.pop()  # the sample may have cut it
    except csv.Error:
        return _Parse([], delimiter, quote, escape, 0, 0.0)
    return _judged(_Parse(rows, delimiter, quote, escape, 1, 0.0, spaced))


def _judged(parse: _Parse) -> _Parse:
    """Return the parse with its width and fit.

    The fit is the share of rows with the most frequent width. A first row of that width counts
    for it, since titles above a table are rare. Other delimiters or quotes left inside cells count
    against it: they are the sign of a wrong guess that happens to split all rows alike.
    """
    rows = parse.rows
    widths = Counter(len(row.cells) for row in rows if len(row.cells) > 1)
    if not widths:
        return parse
    width = max(widths, key=lambda size: (widths[size], size))
    share = widths[width] / len(rows)
    cells = [cell for row in rows[:200] for cell in row.cells]
    others = [other for other in (";", "\t", "|") if other != parse.delimiter]
    dirt = sum(any(other in cell for other in others) for cell in cells) / len(cells)
    if parse.quote:
        quotes = sum(parse.quote in cell for cell in cells) / len(cells)
        quotes += 0.5 * any(_swallows(cell, parse.delimiter, width) for cell in cells)
    else:
        quotes = 0.1 + sum(cell[:1] == '"' == cell[-1:] for cell in cells) / len(cells)
    first = 0.4 if len(rows[0].cells) == width else 0.0
    return replace(parse, width=width, fit=share + first - 0.4 * dirt - quotes)


def _swallows(cell: str, delimiter: str, width: int) -> bool:
    """Return whether a cell holds whole rows, because a quote was opened by chance."""
    return any(line.count(delimiter) == width - 1 for line in cell.split("\n")[1:-1])


def _spaced(text: str, delimiter: str) -> bool:
    """Return whether every delimiter of the first lines is followed by a blank."""
    lines = [line for line in text.split("\n", 30)[:30] if delimiter in line]
    found = sum(line.count(delimiter) for line in lines)
    return found > 0 and sum(line.count(delimiter + " ") for line in lines) == found


def _blank_separated(text: str, complete: bool) -> _Parse | None:
    """Return the parse of columns set apart by runs of blanks, if all lines agree on them."""
    lines = text.splitlines()
    if not complete and len(lines) > 1:
        lines.pop()
    rows = [_Row(line.split(), place) for place, line in enumerate(lines[:_ROWS]) if line.strip()]
    widths = {len(row.cells) for row in rows}
    if len(widths) != 1 or len(rows) < 3 or '"' in text:
        return None
    width = widths.pop()
    numbers = sum(is_number_like(cell) for row in rows[1:] for cell in row.cells)
    if width < 2 or numbers * 3 < width * (len(rows) - 1):
        return None
    return _Parse(rows, r"\s+", '"', None, width, 1.0)


def _layout(parse: _Parse, said: str = "") -> DelimitedReading:
    rows = parse.rows
    if not rows:
        raise DataError("The file holds no lines with values.", "Check the export that made it.")
    start = _first_table_row(rows, parse.width)
    if said and said != NONE:
        start = _row_of_line(rows, int(said) - 1)
    first, body = rows[start].cells, [row.cells for row in rows[start + 1 :]]
    commented = len(first) > 1 and first[0].startswith("#") and len(first[0]) > 1
    body_width = Counter(map(len, body)).most_common(1)[0][0] if body else len(first)
    header = said != NONE if said else is_header(first, body)
    trailing, explicit = False, not header
    if header:
        names = loaded_names(first)
        if body and body_width > len(first):
            tails = [row[len(first) :] for row in body if len(row) > len(first)]
            if len(tails) == len(body) and not any(cell for tail in tails for cell in tail):
                trailing = True
            elif _has_row_names(len(first), body):
                # R's write.table leaves out the name of the row-name column.
                names = loaded_names([""] * (body_width - len(first)) + first)
                explicit = True
        if commented:
            names[0] = names[0].lstrip("# ") or names[0]
            explicit = True
    else:
        names = [f"column_{place + 1}" for place in range(max(body_width, len(first)))]
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"The first line has {len(names):,} columns, more than can be handled.",
            "Check the delimiter, or keep only the columns that you need.",
        )
    return DelimitedReading(
        names=tuple(names),
        delimiter=parse.delimiter,
        quote=parse.quote,
        escape=parse.escape,
        skip_rows=rows[start].line,
        header=header,
        explicit_names=explicit,
        skip_initial_space=parse.spaced,
        trailing_delimiter=trailing,
    )


def _row_of_line(rows: list[_Row], line: int) -> int:
    """Return the place of the row at a line; raise ``ReadingNotKept`` if none stands there."""
    for place, row in enumerate(rows):
        if row.line == line and place + 1 < len(rows):
            return place
    raise ReadingNotKept("header", f"No row of names can stand in row {line + 1} of the file.")


def _has_row_names(width: int, body: list[list[str]]) -> bool:
    """Return whether every row has one field more than the header, the first one a name of it."""
    names = {row[0] for row in body}
    return all(len(row) == width + 1 for row in body) and len(names) == len(body)


def _first_table_row(rows: list[_Row], width: int) -> int:
    """Return the place of the table's first row, after titles, notes and comment lines."""
    for place, row in enumerate(rows[:-1]):
        cells, following = row.cells, [after.cells for after in rows[place + 1 : place + 11]]
        if cells[0].startswith("#") and (following[0][0][:1] == "#" or len(cells) != width):
            continue
        if width == 1:
            return place
        if len(cells) < max(2, width - 1):
            continue
        filled = sum(bool(cell.strip()) for cell in cells)
        fuller = any(
            len(after) == width and all(cell.strip() for cell in after) for after in following
        )
        titled = bool(cells[0].strip()) or filled == 0
        if filled <= max(1, width // 3) and titled and fuller:
            continue
        return place
    return 0


def is_header(first: list[str], body: list[list[str]]) -> bool:
    """Return whether the first row names the columns.

    It does if it differs in kind from the values below it. If everything is text, it does if its
    cells are filled and do not come again below.
    """
    if not body:
        return not any(is_number_like(cell) for cell in first if cell)
    score = 0
    for place, cell in enumerate(first):
        values = [row[place] for row in body[:200] if place < len(row) and row[place].strip()]
        if not values or not cell.strip():
            continue
        typed = sum(is_number_like(v) or is_date_like(v) for v in values) * 2 > len(values)
        cell_typed = is_number_like(cell) or is_date_like(cell)
        if typed and not cell_typed:
            score += 1
        elif (
            (typed and not _is_year(cell))
            or (typed and all(_is_year(v) for v in values))
            or (not typed and cell in values and len(set(values)) * 2 < len(values))
        ):
            score -= 1
    if score:
        return score > 0
    filled = [cell for cell in first if cell.strip()]
    numbers = sum(is_number_like(cell) and not _is_year(cell) for cell in filled)
    return bool(filled) and numbers * 2 <= len(filled)


def _is_year(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*(19|20)\d\d\s*", cell))

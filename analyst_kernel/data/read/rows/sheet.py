"""How a table lies in the rows of a sheet: header rows, empty columns, merged cells, notes.

Pure; the cells come as the workbook's library gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyst_kernel.data.chosen import ReadingNotKept
from analyst_kernel.data.read import values
from analyst_kernel.data.read.names import loaded_names
from analyst_kernel.data.read.options import ExcelReading, LeftOut
from analyst_kernel.data.read.rows.layout import is_typed, judge, typed_columns
from analyst_kernel.data.read.rows.survey import survey

_LOOK = 200
_CODE = re.compile(rf"{values.LEADING_ZERO}|\d{{16,}}|{values.PHONE}|{values.POWER_CODE}")
_MOST_HEADERS = 3


@dataclass(frozen=True, slots=True)
class Merge:
    """Merged cells: columns and rows from 0, the last ones included."""

    left: int
    top: int
    right: int
    bottom: int


def look_at_sheet(
    reading: ExcelReading, rows: Sequence[Sequence[Any]], merges: Sequence[Merge]
) -> tuple[ExcelReading, list[int]]:
    """Return a sheet's reading with what its rows show, and the row of each of the table's rows.

    Args:
        reading: Knows where the header is.
        rows: All rows of the sheet, from its first one.
        merges: Its merged cells.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    width = max(map(len, texts))
    used = [n for n in range(width) if any(n < len(row) and row[n].strip() for row in texts)]
    chosen = reading.chosen
    if chosen.get("header") and (reading.header_row or 0) + 1 >= len(texts):
        row = (reading.header_row or 0) + 1
        raise ReadingNotKept("header", f"No row of names can stand in row {row} of the sheet.")
    if (
        not chosen.get("header")
        and reading.header_row
        and _is_upper_header(texts, reading.header_row, merges)
    ):
        reading = replace(reading, header_row=reading.header_row - 1)
    start = 0 if reading.header_row is None else reading.header_row
    first = start if reading.header_row is None else start + 1
    names: list[str] | None = None
    if reading.header_row is not None:
        count = _header_rows(texts, start, used, merges)
        first = start + count
        if count > 1:
            names = _joined(texts[start:first], used, [m for m in merges if m.top < first], start)
        elif len(used) < width:
            names = [texts[start][n].strip() if n < len(texts[start]) else "" for n in used]
    narrow = [[row[n] if n < len(row) else "" for n in used] for row in texts[first:]]
    header = None if names or reading.header_row is None else narrow_header(texts[start], used)
    records = [row if any(cell.strip() for cell in row) else [] for row in narrow]
    seen = survey(records, header, len(used), "\0", first)
    judged = judge(seen)
    blank = tuple(first + n for n, row in enumerate(records) if not row)
    wanted = {kind for kind, said in chosen.of("rows").items() if said == "keep"}
    kept = tuple(one for one in judged.left_out if one.kind in wanted and one.fits)
    left_out = [one for one in judged.left_out if one not in kept]
    last = max((first + n for n, row in enumerate(records) if row), default=first)
    if inner := tuple(line for line in blank if line < last):
        left_out.append(LeftOut("empty", inner, fits=False))
    gone = {line for one in left_out for line in one.lines}
    lines = [first + n for n, row in enumerate(records) if row and first + n not in gone]
    if names is not None:
        names = loaded_names(names)
    elif reading.header_row is None:
        names = [f"column_{n + 1}" for n in range(len(used))]
    final = names if names is not None else loaded_names(narrow_header(texts[start], used))
    columns = [[rows[line][n] if n < len(rows[line]) else None for line in lines] for n in used]
    merged = _filled(merges, used, lines)
    kept_words, text_words = _kept_words(columns, chosen.of("word"))
    whole = [place for place in range(len(used)) if _only_merged(columns[place], place, merged)]
    return replace(
        reading,
        start=first if names is not None and reading.header_row is not None else None,
        names=tuple(final),
        places=tuple(used) if len(used) < width else (),
        left_out=tuple(left_out),
        merged=tuple(one for one in merged if one[0] not in whole),
        filled=tuple((final[place], _are_whole(columns[place])) for place in whole),
        texts=tuple(n for n, cells in zip(final, columns, strict=True) if _are_codes(cells)),
        kept_words=kept_words,
        kept_rows=kept,
        text_words=text_words,
    ), lines


def _is_upper_header(texts: Sequence[Sequence[str]], start: int, merges: Sequence[Merge]) -> bool:
    """Return whether the row above a header names groups of its columns."""
    above = [cell for cell in texts[start - 1] if cell.strip()]
    names = [cell for cell in texts[start] if cell.strip()]
    spread = any(m.top == start - 1 and m.right > m.left for m in merges)
    return len(above) >= 2 and (spread or len(set(names)) < len(names))


def narrow_header(row: Sequence[str], used: Sequence[int]) -> list[str]:
    """Return the header's cells of the columns that hold something."""
    return [row[n] if n < len(row) else "" for n in used]


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _header_rows(
    texts: Sequence[Sequence[str]], start: int, used: Sequence[int], merges: Sequence[Merge]
) -> int:
    """Return how many rows the header takes: rows of texts with gaps above rows of numbers."""
    count = 1
    while count < _MOST_HEADERS and start + count + 1 < len(texts):
        upper, lower = (narrow_header(texts[start + count + n], used) for n in (-1, 0))
        spread = any(m.top <= start + count - 1 <= m.bottom and m.right > m.left for m in merges)
        gaps = sum(not cell.strip() for cell in upper)
        if not (spread or gaps) or not any(cell.strip() for cell in lower):
            break
        below = [narrow_header(row, used) for row in texts[start + count + 1 :][:_LOOK]]
        typed = typed_columns([row for row in below if any(row)], len(used))
        filled = [cell for cell in lower if cell.strip()]
        if not typed or any(is_typed(lower[n].strip()) and not _is_year(lower[n]) for n in typed):
            break
        # Below a gap stands a name: the upper name is of both columns.
        if not spread and not any(
            not up.strip() and low.strip() for up, low in zip(upper, lower, strict=True)
        ):
            break
        if len(set(filled)) == 1 and len(filled) > 2 and not spread:
            break
        count += 1
    return count


def _is_year(text: str) -> bool:
    return bool(re.fullmatch(r"\s*(19|20)\d\d\s*", text))


def _joined(
    rows: Sequence[Sequence[str]], used: Sequence[int], merges: Sequence[Merge], top: int
) -> list[str]:
    """Return one name for each column out of several header rows."""
    filled: list[list[str]] = []
    for place, row in enumerate(rows):
        cells = [row[n].strip() if n < len(row) else "" for n in range(max(used) + 1)]
        across = [m for m in merges if m.top == top + place and m.right > m.left]
        for m in across:
            cells[m.left : m.right + 1] = [cells[m.left]] * (min(m.right, max(used)) - m.left + 1)
        if not across and place < len(rows) - 1:
            last = ""
            below = rows[place + 1]
            for n, cell in enumerate(cells):
                last = cell or (last if n < len(below) and below[n].strip() else "")
                cells[n] = last
        filled.append([cells[n] for n in used])
    return [
        " ".join(dict.fromkeys(part for row in filled if (part := row[n])))
        for n in range(len(used))
    ]


def _filled(
    merges: Sequence[Merge], used: Sequence[int], lines: Sequence[int]
) -> tuple[tuple[int, int, int], ...]:
    """Return the merged cells of the table's rows: column, first and last row of the frame."""
    place_of = {line: place for place, line in enumerate(lines)}
    found = []
    for m in merges:
        inside = [place_of[line] for line in range(m.top, m.bottom + 1) if line in place_of]
        # A cell over several columns is a heading, whose text is no value of the others.
        if len(inside) > 1 and m.left == m.right and m.left in used and m.top in place_of:
            found.append((list(used).index(m.left), inside[0], inside[-1]))
    return tuple(sorted(found))


def _only_merged(cells: Sequence[Any], place: int, merged: Sequence[tuple[int, int, int]]) -> bool:
    """Return whether a column has gaps, all of them below the first row of merged cells."""
    covered = {
        row for at, first, last in merged if at == place for row in range(first + 1, last + 1)
    }
    gaps = {row for row, cell in enumerate(cells) if cell is None or not str(cell).strip()}
    return bool(covered) and gaps == covered


def _are_whole(cells: Sequence[Any]) -> bool:
    return all(cell is None or (type(cell) is int and abs(cell) < 1 << 53) for cell in cells)


def _are_codes(cells: Sequence[Any]) -> bool:
    """Return whether texts of digits would lose something as numbers."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
    if not any(_CODE.fullmatch(text) for text in texts):
        return False
    return all(values.is_number_like(text) for text in texts if text not in values.NULL_TEXTS)


def _kept_words(
    columns: Sequence[Sequence[Any]], said: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words that are values, and those of which the user may say what they are."""
    gaps: set[str] = set()
    kept: set[str] = set()
    for cells in columns:
        words = {cell for cell in cells if isinstance(cell, str) and cell in values.WORDS}
        if not words:
            continue
        rest = [c for c in cells if c is not None and c not in values.NULL_TEXTS]
        typed = [c for c in rest if not isinstance(c, str) or is_typed(c.strip())]
        if rest and len(typed) == len(rest):
            gaps |= words
        elif rest:
            kept |= words
    for word, value in said.items():
        if word in gaps and value == "value":
            raise ReadingNotKept(
                f"word.{word}", f"{word!r} stands among numbers or dates, where it can be no value."
            )
    among = tuple(word for word in values.WORDS if word in kept - gaps)
    return tuple(word for word in among if said.get(word) != "gap"), among

"""Which rows at the ends of a table are notes, units or a footer, and which have too many fields.

A row is judged by the types of the columns alone: whatever its words mean, and in whatever
language, a note has texts where the table has numbers and dates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyst_kernel.data.read import values
from analyst_kernel.data.read.options import LeftOut
from analyst_kernel.data.read.rows.survey import Survey, SurveyedRow

_MOST_FOOTER = 25
_MOST_UNITS = 3
_FEWEST = 3
_MOST_ADDED = 40
_FEWEST_EMPTY = 20  # fewer rows without values are rows of the table, perhaps
_SHARE = 0.9
_GAPS = frozenset((*values.NULL_TEXTS, *values.MARKERS))
_EXAMPLE = 60


@dataclass(frozen=True, slots=True)
class Judged:
    """What the ends and the widths say.

    Attributes:
        left_out: Rows that are no part of the table.
        added: Fields beyond the header that hold something in rows that are kept.
        spare: Fields beyond those that are empty in every kept row.
        bad: Rows with too many fields to be named one by one; all of them are left out.
    """

    left_out: tuple[LeftOut, ...] = ()
    added: int = 0
    spare: int = 0
    bad: int = 0


def fits(cell: str) -> bool:
    """Return whether a cell may stand in a column of numbers or dates."""
    text = cell.strip()
    return text in _GAPS or is_typed(text)


def is_typed(text: str) -> bool:
    """Return whether a text is a number or a date in some usual way of writing it."""
    return values.is_number_like(text) or values.is_date_like(text) or _is_written_date(text)


def _is_written_date(text: str) -> bool:
    return 6 <= len(text) <= 32 and text[-1].isdigit() and bool(values.date_formats_of([text]))


def judge(seen: Survey) -> Judged:
    """Return the rows that are no part of a table, and the fields beyond its header."""
    body = _body(seen)
    typed = typed_columns([row.cells for row in body], seen.width)
    found: list[LeftOut] = []
    units = _units(seen, typed)
    footer = _footer(seen, typed, {row.line for row in units})
    gone = {row.line for row in (*units, *footer)}
    found += _group("units", units, seen.width) + _group("footer", footer, seen.width)
    if seen.repeats:
        found.append(LeftOut("header", tuple(seen.repeats), fits=not seen.wide_count))
        gone |= set(seen.repeats)
    if len(seen.empty_end) >= _FEWEST_EMPTY:
        found.append(LeftOut("empty", tuple(seen.empty_end), fits=False))
    wide = [row for row in seen.wide if row.line not in gone]
    raw = seen.raw_widths - Counter(row.raw for row in (*units, *footer))
    odd = [row for row in wide if len(row.cells) - seen.width > _MOST_ADDED or _spoils(row, typed)]
    if seen.wide_count > len(seen.wide):
        most = max(raw, default=seen.width) - seen.width
        if odd or most > _MOST_ADDED:
            return Judged(tuple(found), bad=seen.wide_count)
        return Judged(tuple(found), added=most)
    found += _group("surplus", odd, seen.width)
    raw -= Counter(row.raw for row in odd)
    kept = [row for row in wide if row not in odd]
    added = max((len(row.cells) for row in kept), default=seen.width) - seen.width
    return Judged(tuple(found), added, max(0, max(raw, default=0) - seen.width - added))


def _group(kind: str, rows: Sequence[SurveyedRow], width: int) -> list[LeftOut]:
    if not rows:
        return []
    text = ", ".join(cell.strip() for cell in rows[0].cells if cell.strip())
    example = text if len(text) <= _EXAMPLE else text[: _EXAMPLE - 1] + "…"
    fits_in = all(max(row.raw, len(row.cells)) <= width for row in rows)
    return [LeftOut(kind, tuple(row.line for row in rows), example, fits_in)]  # type: ignore[arg-type]  # the callers' literals


def _body(seen: Survey) -> list[SurveyedRow]:
    """Return rows that are surely of the table: those between its ends, if there are enough."""
    most = min(_MOST_FOOTER, max(0, seen.rows // 2 - 1))
    ends = {row.line for row in list(seen.tail)[-most:]} if most else set()
    rows = [row for row in seen.head if row.line not in ends and len(row.cells) <= seen.width]
    if len(rows) > 2 * _MOST_UNITS:
        return rows[_MOST_UNITS:]
    return rows[1:] if len(rows) > _FEWEST else rows


def typed_columns(rows: Sequence[Sequence[str]], width: int) -> tuple[int, ...]:
    """Return the columns whose values are numbers or dates, a few gaps and oddities aside."""
    found = []
    for place in range(width):
        cells = [row[place].strip() for row in rows if place < len(row)]
        filled = [cell for cell in cells if cell not in _GAPS]
        typed = sum(map(is_typed, filled))
        if len(filled) >= _FEWEST and typed >= _SHARE * len(filled):
            found.append(place)
    return tuple(found)


def _counts(row: SurveyedRow, typed: Iterable[int]) -> tuple[int, int]:
    """Return how many filled cells of the typed columns fit, and how many do not."""
    cells = [row.cells[place].strip() for place in typed if place < len(row.cells)]
    filled = [cell for cell in cells if cell]
    good = sum(fits(cell) for cell in filled)
    return good, len(filled) - good


def _units(seen: Survey, typed: tuple[int, ...]) -> list[SurveyedRow]:
    found: list[SurveyedRow] = []
    for row in seen.head[:_MOST_UNITS]:
        good, bad = _counts(row, typed)
        bracketed = any(cell.strip()[:1] in "([" and cell.strip() for cell in row.cells)
        if good or not bad or (bad < 2 and not bracketed):
            break
        found.append(row)
    return found if seen.rows - len(found) >= _FEWEST else []


def _footer(seen: Survey, typed: tuple[int, ...], units: set[int]) -> list[SurveyedRow]:
    """Return the rows below the table: a run to the end, of which none fits the columns' types.

    A last row with one strange value is a row of the table. A note holds nothing that fits, and
    shows it by its form: hardly any cells, another width, a blank line before it.
    """
    rows = [row for row in seen.tail if row.line not in units]
    usual = seen.widths.most_common(1)[0][0] if seen.widths else seen.width
    best = 0
    for size in range(1, min(_MOST_FOOTER, max(0, len(rows) - 1), seen.rows // 2) + 1):
        row = rows[-size]
        apart = any(other.line in seen.blank_before for other in rows[-size:][:1])
        strange = _strange(row, typed, seen.width, usual, apart=apart)
        if strange is None:
            break
        if strange:
            best = size
    return rows[len(rows) - best :] if best and seen.rows - best >= 1 else []


def _strange(
    row: SurveyedRow, typed: tuple[int, ...], width: int, usual: int, *, apart: bool
) -> bool | None:
    """Return whether a row begins a footer: False for "within one", None for "above it"."""
    good, bad = _counts(row, typed)
    filled, first = row.filled, bool(row.cells[0].strip())
    if width < 2:
        return True if apart and bad else None
    if good == 0 and bad == 0:  # nothing where the numbers are
        note = filled == 1 and first and width >= 3 and (len(typed) >= 2 or len(row.cells) == 1)
        return True if typed and (note or (apart and filled == 1)) else None
    if good == 0:
        signs = bad >= 2 or apart or len(row.cells) != usual or filled <= max(1, width // 2)
        return True if signs and (bad >= 2 or filled < width or apart) else None
    return False if bad else None


def _spoils(row: SurveyedRow, typed: tuple[int, ...]) -> bool:
    """Return whether a row with too many fields has texts in columns of numbers."""
    return any(not fits(row.cells[place]) for place in typed if place < len(row.cells))

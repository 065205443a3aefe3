"""Rows that are sums of other rows: totals and subtotals, found by arithmetic.

A sum alone may be chance (10, 20, 30), so a row must also look unlike the rows that it sums up: a
name is missing in it, or its name holds theirs, or it stands where the others have a number or a
date. Without such a sign it takes several columns, or many addends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.read import values

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
_MOST_CANDIDATES = 2000
_MOST_SEARCHED = 20
_MOST_SHARE = 0.5
_FEWEST = 3
_MANY = 5
_FULL = 0.6
_LONGEST = 60
_ADDENDS = {"word": 1, "name of": 2, "type": 2, "gap": 3}
_WORDS = frozenset(
    """total totals subtotal sum overall gesamt gesamtsumme summe insgesamt zwischensumme somme
    totale totaal suma razem ogółem totalt summa yhteensä итого всего 合计 总计 小计 合計 総計
    小計 합계 toplam celkem összesen σύνολο المجموع""".split()
)
"""A help where the arithmetic holds; no row is a total for its word alone."""


@dataclass(frozen=True)
class _Names:
    """A column of texts: its cells, which texts it has how often, and what it mostly holds."""

    cells: list[str]
    counts: Counter[str]
    typed: bool
    full: bool


@dataclass(frozen=True)
class _Key:
    """A column of dates: which rows have one, and whether most do."""

    present: list[bool]
    full: bool


@dataclass
class _Table:
    """A frame as lists: numbers by column, names by column.

    Attributes:
        numbers: NaN for a gap.
        names: Empty for a gap; columns of texts, and of numbers that one text spoils.
        keys: Columns of dates.
        left: The rows that are no totals so far.
    """

    rows: int
    numbers: list[list[float]]
    names: list[_Names]
    keys: list[_Key]
    totals: set[int] = field(default_factory=set)


def total_rows(frame: pd.DataFrame) -> list[int]:
    """Return the places of the rows that are totals of others, in order.

    Without the first ones found, those may show themselves that sum up the same rows once more.
    """
    found = _totals(frame)
    if not found:
        return []
    rest = [row for row in range(len(frame)) if row not in set(found)]
    again = [rest[place] for place in _totals(frame.iloc[rest])]
    every = sorted({*found, *again})
    return every if len(every) <= _MOST_SHARE * len(frame) else found


def _totals(frame: pd.DataFrame) -> list[int]:
    if not _FEWEST <= len(frame) <= MOST_ROWS:
        return []
    table = _table(frame)
    if not table.numbers or not (table.names or table.keys):
        return []
    signs = _signs(table)
    if len(signs) > min(_MOST_CANDIDATES, max(1, table.rows // 2)):
        signs = {}
    # The sections' sums come first: the sum of everything must not count them.
    for row, sign in signs.items():
        if _is_section(table, row, sign, signs):
            table.totals.add(row)
    for row in list(signs)[:_MOST_SEARCHED] + list(signs)[_MOST_SEARCHED:][-_MOST_SEARCHED:]:
        if row not in table.totals and _is_everything(table, row, signs):
            table.totals.add(row)
    if not signs:
        table.totals |= {row for row in (table.rows - 1, 0) if _is_plain_total(table, row)}
        if len(table.totals) > 1:
            table.totals.clear()
    found = sorted(table.totals)
    return found if len(found) <= _MOST_SHARE * table.rows else []


def _table(frame: pd.DataFrame) -> _Table:
    import pandas as pd

    numbers: list[list[float]] = []
    names: list[_Names] = []
    keys: list[_Key] = []
    most = _FULL * len(frame)
    for place in range(frame.shape[1]):
        series: Any = frame.iloc[:, place]
        if pd.api.types.is_bool_dtype(series.dtype):
            continue
        if pd.api.types.is_numeric_dtype(series.dtype):
            numbers.append(series.astype("float64").tolist())
        elif pd.api.types.is_datetime64_any_dtype(series.dtype):
            present = series.notna().tolist()
            keys.append(_Key(present, sum(present) >= most))
        else:
            gaps = series.isna().tolist()
            cells = ["" if gap else str(v).strip() for gap, v in zip(gaps, series, strict=True)]
            full = len(cells) - cells.count("") >= most
            names.append(_Names(cells, Counter(cells), _mostly_typed(cells), full))
    return _Table(len(frame), numbers, names, keys)


def _signs(table: _Table) -> dict[int, str]:
    """Return how rows look unlike the others: ``gap``, ``name of``, ``word`` or ``type``."""
    found: dict[int, str] = {}
    for key in table.keys:
        if key.full:
            found |= {row: "gap" for row, present in enumerate(key.present) if not present}
    for column in table.names:
        if column.full and column.counts[""]:
            found |= {row: "gap" for row, text in enumerate(column.cells) if not text}
    for column in table.names:
        strange = {
            text: sign
            for text, count in column.counts.items()
            if text and count * 10 <= table.rows * 4 and (sign := _text_sign(column, text))
        }
        if strange and len(strange) * 2 <= len(column.counts) + 1:
            found |= {row: strange[t] for row, t in enumerate(column.cells) if t in strange}
    return dict(sorted(found.items()))


def _text_sign(column: _Names, text: str) -> str:
    if len(text) > _LONGEST:
        return ""
    if not _words(text).isdisjoint(_WORDS):
        return "word"
    if column.typed and not _typed(text):
        return "type"
    return "name of" if _named(column, text) else ""


def _words(text: str) -> set[str]:
    return set(text.casefold().replace(":", " ").replace("-", " ").split())


def _typed(text: str) -> bool:
    return values.is_number_like(text) or values.is_date_like(text)


def _mostly_typed(cells: list[str]) -> bool:
    filled = [cell for cell in cells[:400] if cell]
    return len(filled) >= _FEWEST and sum(map(_typed, filled)) * 10 >= 6 * len(filled)


def _named(column: _Names, text: str) -> set[str]:
    """Return the other names that a name holds with something more: ``North total``."""
    parts = text.split()
    found = {" ".join(parts[:n]) for n in range(1, len(parts))}
    found |= {" ".join(parts[n:]) for n in range(1, len(parts))}
    if len(parts) == 1 and not text.isascii():  # scripts without blanks
        found |= {text[:n] for n in range(2, len(text))}
        found |= {text[n:] for n in range(1, len(text) - 1)}
        found = {part for part in found if not part.isascii()}
    held = {one.strip(" :-\N{EN DASH}()") for one in found}
    return {part for part in held if part and part != text and part in column.counts}


def _is_section(table: _Table, row: int, sign: str, signs: dict[int, str]) -> bool:
    """Return whether a row sums up the rows of the name in its own, or those right above it."""
    for column in table.names:
        for name in _named(column, column.cells[row]):
            addends = [n for n, cell in enumerate(column.cells) if cell == name and n not in signs]
            if _sums(table, row, addends, fewest=1):
                return True
    above: list[int] = []
    for place in range(row - 1, -1, -1):
        if place in table.totals or place in signs:
            break
        above.append(place)
    if len(above) < table.rows - len(signs) and _sums(table, row, above, fewest=_ADDENDS[sign]):
        return True
    below: list[int] = []
    for place in range(row + 1, table.rows):
        if place in signs:
            break
        below.append(place)
    whole = len(below) >= table.rows - len(signs)
    return not whole and sign != "gap" and _sums(table, row, below, fewest=2)


def _is_everything(table: _Table, row: int, signs: dict[int, str]) -> bool:
    plain = [n for n in range(table.rows) if n != row and n not in table.totals]
    unsigned = [n for n in plain if n not in signs]
    others = sorted(n for n in table.totals if n != row)
    return (
        _sums(table, row, unsigned, fewest=2)
        or _sums(table, row, plain, fewest=2)
        or (len(others) >= 2 and _sums(table, row, others, fewest=2))
    )


def _is_plain_total(table: _Table, row: int) -> bool:
    """Return whether a first or last row without a sign is the sum of all others all the same."""
    others = [n for n in range(table.rows) if n != row]
    if len(others) < _MANY or any(key.present[row] for key in table.keys):
        return False
    if not any(one.cells[row] and one.counts[one.cells[row]] == 1 for one in table.names):
        return False
    columns = _summing(table, row, others, 1e-9)
    biggest = all(
        column[row] > max(column[n] for n in others if not math.isnan(column[n]))
        for column in columns
    )
    far = all(abs(column[row]) >= len(others) * 2 for column in columns)
    return bool(columns) and biggest and far and len(columns) == _present(table, row)


def _present(table: _Table, row: int) -> int:
    return sum(not math.isnan(column[row]) for column in table.numbers)


def _sums(table: _Table, row: int, addends: Sequence[int], *, fewest: int) -> bool:
    """Return whether at least half of a row's numbers are the sums of others' in their columns."""
    if len(addends) < fewest or row in addends:
        return False
    columns = _summing(table, row, addends, 1e-6)
    return bool(columns) and len(columns) * 2 >= _present(table, row)


def _summing(
    table: _Table, row: int, addends: Sequence[int], tolerance: float
) -> list[list[float]]:
    found = []
    for column in table.numbers:
        value = column[row]
        if math.isnan(value) or value == 0:
            continue
        parts = [column[n] for n in addends if not math.isnan(column[n])]
        total = math.fsum(parts)
        if parts and any(parts) and abs(total - value) <= tolerance * max(1.0, abs(total)) + 1e-9:
            found.append(column)
    return found

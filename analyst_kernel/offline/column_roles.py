"""What a column can be used for: measured, grouped by, or laid out in time.

Judges from the profile alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from analyst_kernel.offline.task import Grain
from analyst_kernel.offline.words import GENERIC, ROW_NOUNS, Word, name_tokens, stems
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

Role = Literal["number", "category", "time", "id", "text"]

_YEAR = {"year", "yr", "jahr"}
_PARTS = {"month": 12, "mo": 12, "quarter": 4, "week": 53, "day": 366, "hour": 24, "weekday": 7}


def is_date(column: ColumnProfile) -> bool:
    """Return whether the column holds dates, as dates or as text that reads as dates."""
    reads_so = column.date_format is not None or (column.share_date or 0.0) >= 0.9
    return column.kind == "date" or (column.kind == "text" and reads_so)


def is_number(column: ColumnProfile) -> bool:
    """Return whether the column holds numbers, as numbers or as text that reads as numbers."""
    return column.kind == "number" or number_as_text(column)


def number_as_text(column: ColumnProfile) -> bool:
    """Return whether the column holds numbers written as text."""
    return column.kind == "text" and (column.share_number or 0.0) >= 0.9 and not is_date(column)


def is_whole(column: ColumnProfile) -> bool:
    """Return whether the column holds whole numbers, which keep all of their digits."""
    return column.kind == "number" and "INT" in column.dtype.upper()


def may_overflow(column: ColumnProfile, rows: int | None) -> bool:
    """Return whether a sum of the column may be too large for 64 bits."""
    ends = [abs(end) for end in (column.minimum, column.maximum) if isinstance(end, int | float)]
    return is_whole(column) and max(ends, default=0) * (rows or 0) >= 2**63


def is_year(column: ColumnProfile) -> bool:
    """Return whether the column holds calendar years as numbers."""
    named = bool(_YEAR & set(name_tokens(column.name)))
    return named and column.kind == "number" and is_within(column, 0, 3000)


def is_within(column: ColumnProfile, low: float, high: float) -> bool:
    """Return whether the smallest and the largest number of the column lie from low to high."""
    least, most = column.minimum, column.maximum
    if not isinstance(least, int | float) or not isinstance(most, int | float):
        return False
    return low <= least and most <= high


def is_time(column: ColumnProfile) -> bool:
    """Return whether the column orders rows in time: a date, a year, or part of a date."""
    if is_date(column) or is_year(column):
        return True
    tokens = name_tokens(column.name)
    limit = _PARTS.get(tokens[-1]) if tokens and len(tokens) <= 2 else None
    return limit is not None and column.kind == "number" and is_within(column, 0, limit)


_TOTALS = frozenset(
    "sale revenue turnover profit umsatz amount quantity qty spend spending earning".split()
)
_PER_ONE = frozenset(
    "average avg mean median rate ratio per unit price margin growth percent pct share id".split()
)


def adds_up(column: ColumnProfile) -> bool:
    """Return whether "the revenue of a month" means the total of its rows."""
    tokens = set(name_tokens(column.name))
    return is_number(column) and bool(tokens & _TOTALS) and not tokens & _PER_ONE


def is_id(column: ColumnProfile, rows: int | None) -> bool:
    """Return whether the column only names rows."""
    tokens = set(name_tokens(column.name))
    marked = bool(tokens & {"id", "uuid", "guid", "key", "index"}) or column.name.startswith(
        "Unnamed"
    )
    unique = rows is not None and rows > 20 and column.distinct >= 0.98 * rows
    return (marked and (unique or column.kind == "text" or column.distinct > 50)) or (
        unique and column.kind == "text" and not is_date(column)
    )


def role(column: ColumnProfile, rows: int | None) -> Role:
    """Return the one main use of a column."""
    if is_time(column):
        return "time"
    if is_id(column, rows):
        return "id"
    if is_number(column):
        return "number"
    if column.kind in ("text", "bool") and column.distinct <= max(30, (rows or 1000) // 5):
        return "category"
    return "text"


def measures(profile: DatasetProfile) -> list[ColumnProfile]:
    """Return the columns worth averaging, the most telling first."""
    rows = profile.dataset.rows
    found = [column for column in profile.columns if role(column, rows) == "number"]
    place = {"lat", "lon", "latitude", "longitude", "tz", "zip", "postcode"}

    def worth(column: ColumnProfile) -> tuple[bool, bool, bool, float]:
        return (
            bool(place & set(name_tokens(column.name))),
            column.distinct <= 12,
            bool({"number", "code"} & set(name_tokens(column.name))),
            round(column.nulls / max(rows or 1, 1), 1),
        )

    return sorted((column for column in found if column.distinct > 1), key=worth)


def categories(profile: DatasetProfile) -> list[ColumnProfile]:
    """Return the columns worth grouping by, those with a handful of values first."""
    rows = profile.dataset.rows
    useful = [
        column
        for column in profile.columns
        if role(column, rows) == "category"
        and column.distinct > 1
        and (column.max_length or 0) <= 80
        and column.nulls < 0.5 * (rows or 1)
    ]

    def worth(column: ColumnProfile) -> tuple[bool, bool, bool]:
        bland = set(name_tokens(column.name)) <= GENERIC
        return (bland, column.distinct > 150, column.distinct <= 2)

    return sorted(useful, key=worth)


def default_grain(column: ColumnProfile, asked: Grain | None) -> Grain:
    """Choose how to cut a time column: as asked, else by the span of its dates."""
    if not is_date(column):
        return "value"
    if asked is not None:
        return asked
    low, high = str(column.minimum or ""), str(column.maximum or "")
    if low[:4].isdigit() and high[:4].isdigit():
        years = int(high[:4]) - int(low[:4])
        if years >= 3:
            return "year"
        if years == 0 and low[5:7] == high[5:7] and low[:7] != "":
            return "day"
    return "month"


def time_axes(profile: DatasetProfile) -> list[ColumnProfile]:
    """Return the columns that time can run along, the best first; constant ones are left out."""
    found = [column for column in profile.columns if is_time(column) and column.distinct > 1]

    def worth(column: ColumnProfile) -> int:
        if is_year(column):
            return 0
        if is_date(column):
            return 1
        return 2 if "month" in name_tokens(column.name) else 3

    return sorted(found, key=worth)


_NAMES_COLUMN = frozenset("by per each which what column mean different distinct unique".split())
_COUNTS = frozenset("number share percentage percent proportion fraction part count lot".split())


def row_nouns(profile: DatasetProfile) -> frozenset[str]:
    """Return the stems that mean a row of the dataset."""
    tokens = [token for token in name_tokens(profile.dataset.name) if not token.isdigit()]
    known = (ROW_NOUNS.get(token, frozenset()) for token in tokens if not profile.row_words)
    return frozenset(tokens).union(stems(" ".join(profile.row_words)), *known)


def row_words(
    words: Sequence[Word], profile: DatasetProfile, nouns: frozenset[str]
) -> frozenset[int]:
    """Find words that mean the rows ("events per day") although a column has such a name too."""
    tokens = [name_tokens(column.name) for column in profile.columns]
    numbers = {name_tokens(column.name) for column in profile.columns if is_number(column)}
    pairs = {pair for name in tokens for pair in pairwise(name)}
    found = set()
    for word in words:
        if word.stem not in nouns or word.quoted or (word.stem,) in numbers:
            continue  # "total sales" of sales.csv is the column of amounts
        before, earlier = (
            words[place].stem if place >= 0 else "" for place in (word.index - 1, word.index - 2)
        )
        after = words[word.index + 1].stem if word.index + 1 < len(words) else ""
        column = before in _NAMES_COLUMN or (before == "of" and earlier not in _COUNTS)
        if not column and not {(word.stem, after), (before, word.stem)} & pairs:
            found.add(word.index)
    return frozenset(found)


def foreign_rows(
    words: Sequence[Word], own: DatasetProfile, others: Sequence[DatasetProfile]
) -> frozenset[int]:
    """Find words after "how many" or "number of" that mean the rows of another dataset alone."""
    foreign = frozenset[str]().union(*(row_nouns(other) for other in others)) - row_nouns(own)
    return frozenset(
        word.index
        for word in words
        if word.index and word.stem in foreign and words[word.index - 1].stem in ("many", "of")
    )


def sentinels(column: ColumnProfile, profile: DatasetProfile) -> tuple[int, ...]:
    """Return the numbers of a column that the profile takes for missing values, such as -999."""
    return tuple(
        int(value)
        for warning in profile.warnings
        if warning.code == "sentinel" and warning.column == column.name
        for value in warning.values
    )


def totals(profile: DatasetProfile) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each column whose values mark rows as totals of others, with those values."""
    return tuple(
        (warning.column, warning.values)
        for warning in profile.warnings
        if warning.code == "total-rows" and warning.column is not None and warning.values
    )

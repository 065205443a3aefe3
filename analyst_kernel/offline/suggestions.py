"""Questions worth asking of any data, in the words of its own columns.

Used by every mode as first questions, and by the rules as next questions. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from analyst_kernel.offline.column_roles import (
    adds_up,
    categories,
    is_date,
    is_year,
    measures,
    time_axes,
)
from analyst_kernel.offline.words import UNITS, spoken
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_FILLERS = (
    "What is in this data?",
    "Which columns have missing values?",
    "How many rows are there?",
)


def suggest_questions(datasets: Sequence[DatasetProfile]) -> tuple[str, ...]:
    """Return three good first questions for the datasets at hand."""
    if not datasets:
        return _FILLERS
    picked: list[str] = []
    for question in questions_about(richest(datasets)):
        if question not in picked:
            picked.append(question)
        if len(picked) == 3:
            break
    return tuple(picked)


def richest(datasets: Sequence[DatasetProfile]) -> DatasetProfile:
    """Return the dataset with most to ask about: measures, groups, time, rows."""

    def worth(profile: DatasetProfile) -> tuple[int, int]:
        parts = (measures(profile)[:2], categories(profile)[:1], time_axes(profile)[:1])
        return (sum(map(len, parts)), profile.dataset.rows or 0)

    return max(datasets, key=worth)


def questions_about(profile: DatasetProfile) -> Iterator[str]:
    """Yield questions about one dataset, the most telling first."""
    numbers = sorted(measures(profile), key=_known_first)
    groups = [column for column in categories(profile) if column.kind != "bool"]
    times = time_axes(profile)
    first = numbers[0] if numbers else None
    usual = "total" if first is not None and adds_up(first) else "average"
    if first is not None and times:
        yield f"How did {usual} {said(first)} change by {_time_word(times[0])}?"
    if first is not None and groups:
        yield f"Which {said(groups[0])} has the highest {usual} {said(first)}?"
    if len(numbers) >= 2:
        yield f"Is {said(numbers[0])} related to {said(numbers[1])}?"
    if groups:
        yield f"What are the most common values of {said(groups[0])}?"
    if first is not None:
        yield f"What is the distribution of {said(first)}?"
        yield f"Are there outliers in {said(first)}?"
    yield from _FILLERS


def _known_first(column: ColumnProfile) -> int:
    return list(UNITS).index(column.name) if column.name in UNITS else len(UNITS)


def said(column: ColumnProfile) -> str:
    """Return how a question names a column: plainly where that is safe, else in backticks."""
    plain = spoken(column)
    simple = re.fullmatch(r"[A-Z]?[a-z]+(?: [A-Z]?[a-z]+)*|[A-Z]+", plain) is not None
    if not simple:
        return f"`{column.name}`" if "`" not in column.name else column.name
    return plain if plain.isupper() else plain.lower()


def _time_word(column: ColumnProfile) -> str:
    if is_year(column) or not is_date(column):
        return said(column)
    return "month" if str(column.minimum)[:4] == str(column.maximum)[:4] else "year"

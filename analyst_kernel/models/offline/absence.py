"""Columns that rows are said to have no value of: "planes without a year", "no cylinders".

Pure; the first of the rules that read a question.
"""

from __future__ import annotations

import re

from analyst_kernel.models.offline.column_roles import is_number
from analyst_kernel.models.offline.parts import Parts, new_task
from analyst_kernel.models.offline.task import Filter, Task
from analyst_kernel.protocol.datasets import ColumnProfile

_NONE = re.compile(r"\b(?:no|without(?: an?| any)?|lack(?:s|ing)?(?: an?)?)$", re.IGNORECASE)


def absence(parts: Parts) -> Task | str | None:
    """Read "how many planes have no year": a missing value, or the number 0."""
    column = _absent(parts)
    if column is None:
        return None
    said = f"“no {column.name}” can mean a missing value or the number 0"
    alone = {mention.column.name for mention in parts.mentions} == {column.name}
    if not alone or parts.members:
        return f"I count rows without a value in `{column.name}`, and nothing else about them."
    if not _may_be_zero(column):
        return new_task(parts, "missing", measures=(column,))
    if column.nulls:
        return f"{said}, and `{column.name}` has both: say which one you mean."
    return new_task(parts, "count", filters=(*parts.filters, Filter(column, "is", (0.0,))))


def _absent(parts: Parts) -> ColumnProfile | None:
    """Return the column that "no", "without" or "lacking" stands before."""
    for mention in parts.mentions:
        before = " ".join(word.text for word in parts.words[: mention.first])
        if mention.column.kind != "bool" and _NONE.search(before):
            return mention.column
    return None


def _may_be_zero(column: ColumnProfile) -> bool:
    """Whether "no rain" may mean the number 0."""
    low, high = column.minimum, column.maximum
    return (
        is_number(column)
        and isinstance(low, int | float)
        and isinstance(high, int | float)
        and low <= 0 <= high
    )

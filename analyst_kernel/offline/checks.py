"""Checks that a task answers its question: all of its words, its claims, and what rows lack.

Rules that read a question may each be right about the words that they look at and miss one that
they do not look at. The checks look at all words once more, and report what would be lost.
"""

from __future__ import annotations

import re

from analyst_kernel.offline.column_roles import is_date, is_number, may_overflow
from analyst_kernel.offline.filters import unread
from analyst_kernel.offline.roles import Parts, is_comparative, is_stop, new_task
from analyst_kernel.offline.task import DataTask, Filter
from analyst_kernel.offline.words import MONEY, name_tokens, statistic_of
from analyst_kernel.protocol.datasets import ColumnProfile

_WHOLE = ("missing", "profile", "join")
"""Intents that look at whole datasets, and at no selection of rows."""

_RANKED = ("mean", "median", "sum", "std")
_SIDES = ("compare", "correlation", "best_per_group", "groups")

_COUNTED_PERIODS = re.compile(
    r"\b(?:how many|number of)(?: \w+)? (hours|days|weeks|months|quarters|years)\b"
    r"(?! of (?:data|records?|history)\b)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\b(?:last|previous|past|this|current) (?:\d+ |two |three |few )?"
    r"(?:year|quarter|month|week|day)s?\b",
    re.IGNORECASE,
)
_WHEN = re.compile(r"^\W*when\b", re.IGNORECASE)
_THAN = re.compile(
    r"(?<!other )\bthan (?!\d|or\b|equal\b|(?:one|two|three|four|five|six|seven|eight|nine|ten)\b)",
    re.IGNORECASE,
)
_SPREAD = re.compile(r"\b(?:range|spread|histogram|skew\w*)\b", re.IGNORECASE)
_CHANGED = re.compile(
    r"\b(?:chang|improv|grow|grew|increas|decreas|declin|develop|evolv|rose|fell)\w*", re.IGNORECASE
)
_SIZE_ONLY = frozenset({"larger", "bigger", "greater", "smaller", "higher", "lower"})
_LEVEL = frozenset({"highest", "lowest", "largest", "smallest", "biggest", "greatest"})


def left_out(parts: Parts, task: DataTask) -> str:
    """Return one sentence that says what of the question the task leaves out; empty: nothing."""
    return next(filter(None, (check(parts, task) for check in _CHECKS)), "")


def _negation(parts: Parts, task: DataTask) -> str:
    conditions = [
        found
        for found in (*task.filters, *task.part)
        if found.column.kind != "bool" and found.values != (0.0,)  # "no rain" is read
    ]
    word = unread(parts.words, parts.denials) if conditions or task.members else ""
    if not word:
        return ""
    return f"I read “{word}”, and could not tell which rows it leaves out."


def _different(parts: Parts, task: DataTask) -> str:
    """Report that "how many different customers" would count every row."""
    if "distinct" not in parts.tags or task.intent != "count":
        return ""
    return "I would count every row, repeated ones too: name the column whose values are to differ."


def _currencies(parts: Parts, task: DataTask) -> str:
    return currencies(task)


def currencies(task: DataTask) -> str:
    """Report that amounts of several currencies have no common sum, mean or order."""
    profile = task.profile
    mixed = next(
        (c for c in profile.columns if "currency" in name_tokens(c.name) and c.distinct > 1), None
    )
    amount = next((c for c in task.measures if MONEY & set(name_tokens(c.name))), None)
    if mixed is None or amount is None or task.intent == "missing":
        return ""
    single = (f.column for f in task.filters if len(f.values) == 1 and not f.negated)
    if mixed in (*task.groups, *single):
        return ""
    return (
        f"`{amount.name}` is in {mixed.distinct} currencies (`{mixed.name}`), which cannot be "
        f"taken together: ask for it by `{mixed.name}`, or for one of them."
    )


def too_large(task: DataTask) -> str:
    """Report sums of groups that 64 bits may not hold."""
    if task.statistic != "sum" or not (task.groups or task.time is not None):
        return ""
    rows = task.profile.dataset.rows
    large = next((c for c in task.measures if may_overflow(c, rows)), None)
    if large is None:
        return ""
    return f"The numbers of `{large.name}` are so large that their sums by group may not be exact."


def _large(parts: Parts, task: DataTask) -> str:
    return too_large(task)


def _relative(parts: Parts, task: DataTask) -> str:
    found = _RELATIVE.search(parts.text)
    if found is None:
        return ""
    return f"I do not know which time “{found[0]}” means in these data: name the year or the month."


def _periods(parts: Parts, task: DataTask) -> str:
    found = _COUNTED_PERIODS.search(parts.text)
    if found is None or not (task.measures or task.filters) or task.intent == "distinct":
        return ""
    if statistic_of(parts.tags) is not None or task.statistic == "distinct":
        return ""
    return (
        f"I can count the rows that meet a condition, but not the {found[1].casefold()} that they "
        "make up."
    )


def _rows(parts: Parts, task: DataTask) -> str:
    """Report that a selection of rows, or a grouping, is not among what the intent looks at."""
    if task.intent not in _WHOLE:
        return ""
    what = {"missing": "missing values", "profile": "what a table holds", "join": "a join"}
    if task.filters:
        column = task.filters[0].column.name
        return f"I can tell {what[task.intent]} of whole tables only, not of a part by `{column}`."
    roles = parts.roles
    grouped = [c.name for c in (*roles.groups, *roles.times) if c.name in roles.marked]
    if roles.entity is not None:
        grouped.append(roles.entity.name)
    if task.intent == "missing" and grouped:
        return f"I can tell missing values per column, but not per `{grouped[0]}`."
    return ""


def _size(parts: Parts, task: DataTask) -> str:
    """Report that "larger" needs something that is measured, where only rows would be counted."""
    if task.measures or task.statistic != "rows" or parts.tags & {"count", "share"}:
        return ""
    sizes = _SIZE_ONLY if task.members else _LEVEL
    word = next((w.text for w in parts.words if w.text.casefold() in sizes), None)
    if word is None:
        return ""
    return f"“{word}” needs a column of numbers: say which one is compared."


def _time(parts: Parts, task: DataTask) -> str:
    if task.time is not None or task.intent in _WHOLE:
        return ""
    roles = parts.roles
    if _WHEN.search(parts.text) and not any(map(is_date, task.measures)):
        return "“When” asks for a time, and I found no ranking of times in the question."
    asked = roles.time is not None and (roles.time_is_entity or roles.time.name in roles.marked)
    used = {column.name for column in (*task.measures, *task.groups)}
    if roles.time is None or not asked or roles.time.name in used:
        return ""
    return _lost(roles.time)


def _ranking(parts: Parts, task: DataTask) -> str:
    """Report what "best" or "most" would rank, where the task ranks nothing."""
    roles = parts.roles
    if not roles.direction:
        return ""
    if task.intent == "scalar" and task.statistic in _RANKED:
        return f"I can rank the {task.statistic}s of groups: say of which column."
    if task.intent == "trend" and roles.entity is not None and _CHANGED.search(parts.text):
        name = roles.entity.name
        return f"I can show how each `{name}` changed, but not rank them by their change."
    return ""


def _sides(parts: Parts, task: DataTask) -> str:
    """Report that "colder than February" compares, where the task would only describe."""
    if task.intent in _SIDES or task.members or not _THAN.search(parts.text):
        return ""
    return "I read “than”, and found no two groups of one column to compare."


def _spread(parts: Parts, task: DataTask) -> str:
    found = _SPREAD.search(parts.text)
    if found is None or task.intent != "trend" or task.statistic == "rows":
        return ""
    return f"I can show the {found[0].casefold()} of a column and of its groups, but not over time."


def _lost(column: ColumnProfile) -> str:
    return (
        f"I recognised `{column.name}` too, but cannot bring it into one answer with the rest; "
        "without it, this would be another question."
    )


def _columns(parts: Parts, task: DataTask) -> str:
    if task.intent in _WHOLE:
        return ""
    used = {column.name for column in (*task.measures, *task.groups)}
    used |= {found.column.name for found in (*task.filters, *task.part)}
    used |= {task.time.column.name} if task.time is not None else set()
    named = (*parts.roles.measures, *parts.roles.groups)
    lost = next((column for column in named if column.name not in used), None)
    return "" if lost is None else _lost(lost)


_CHECKS = (
    _negation, _different, _currencies, _relative, _periods, _rows, _size, _time, _ranking, _sides,
    _spread, _columns, _large,
)  # fmt: skip


_ASKS_WHETHER = re.compile(r"^\W*(?:is|are|was|were|do|does|did|has|have|had)\s", re.IGNORECASE)
_OF_ANYTHING = frozenset(
    {"higher", "lower", "larger", "smaller", "greater", "bigger", "more", "less"}
)


def claim(parts: Parts, measure: ColumnProfile) -> int:
    """Return 1 where the first side is said to have more of ``measure``, -1 less, 0 no claim.

    Only for one comparative between two sides, which is about the measure or about any number.
    """
    compared = [word for word in parts.words if is_comparative(word)]
    if not _ASKS_WHETHER.match(parts.text) or len(parts.members) != 2 or len(compared) != 1:
        return 0
    word = compared[0]
    than = next((one.index for one in parts.words if one.text.casefold() == "than"), None)
    first, second = parts.members
    if than is None or not max(first.words) < than < min(second.words) or word.index > than:
        return 0
    measured = {index for one in parts.mentions if one.column == measure for index in one.words}
    if word.text.casefold() not in _OF_ANYTHING:
        return word.direction if word.index in measured else 0
    known = measured | first.words
    between = parts.words[word.index + 1 : than]
    return word.direction if all(one.index in known or is_stop(one) for one in between) else 0


_NONE = re.compile(r"\b(?:no|without(?: an?| any)?|lack(?:s|ing)?(?: an?)?)$", re.IGNORECASE)


def absence(parts: Parts) -> DataTask | str | None:
    """Read "how many planes have no year": a missing value, or the number 0."""
    column = _absent(parts)
    if column is None:
        return None
    if {one.value.casefold() for one in column.top} & _SAYS_NONE:
        return f"“no {column.name}” can mean a gap or the value that says so: name the value."
    said = f"“no {column.name}” can mean a missing value or the number 0"
    alone = {mention.column.name for mention in parts.mentions} == {column.name}
    if not alone or parts.members:
        return f"I count rows without a value in `{column.name}`, and nothing else about them."
    if not _may_be_zero(column):
        return new_task(parts, "missing", measures=(column,))
    if column.nulls:
        return f"{said}, and `{column.name}` has both: say which one you mean."
    return new_task(parts, "count", filters=(*parts.filters, Filter(column, "is", (0.0,))))


_SAYS_NONE = frozenset({"none", "no", "nil", "null", "n/a", "na", "not applicable", "unknown"})


def _absent(parts: Parts) -> ColumnProfile | None:
    """Return the column that "no", "without" or "lacking" stands before."""
    for mention in parts.mentions:
        before = " ".join(word.text for word in parts.words[: mention.first])
        if mention.column.kind != "bool" and _NONE.search(before):
            return mention.column
    return None


def _may_be_zero(column: ColumnProfile) -> bool:
    """Return whether "no rain" may mean the number 0."""
    low, high = column.minimum, column.maximum
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return False
    return is_number(column) and low <= 0 <= high

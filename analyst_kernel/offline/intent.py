"""Choose the intent of a question whose parts are known.

Pure; returns a task, or one sentence that says what is lacking.
"""

from __future__ import annotations

import re
from functools import partial

from analyst_kernel.offline.checks import absence, claim
from analyst_kernel.offline.column_roles import (
    default_grain,
    is_date,
    is_number,
    is_time,
    row_nouns,
    row_words,
    time_axes,
)
from analyst_kernel.offline.roles import Parts, comparatives, new_task
from analyst_kernel.offline.task import DataTask, Filter, Member, Statistic, TimeAxis
from analyst_kernel.offline.words import ADDED_UP, statistic_of, stem
from analyst_kernel.protocol.datasets import ColumnProfile


def classify(parts: Parts) -> DataTask | str:
    """Return the task, or what is lacking for one."""
    for rule in _RULES:
        task = rule(parts)
        if task is not None:
            return task
    return _last_resort(parts)


def _whole_table(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    named = [*roles.measures, *roles.groups, *roles.times]
    if "missing" in tags and not parts.members:
        return new_task(parts, "missing", measures=tuple(named), others=parts.others)
    if "join" in tags and not roles.measures:
        if not parts.others:
            return "A join needs two datasets, and only one is attached."
        return new_task(parts, "join", groups=tuple(roles.groups), others=parts.others)
    if "profile" in tags and not named and not parts.members and not parts.ties:
        return new_task(parts, "profile", others=parts.others)
    return None


_AGAINST = ("against", "versus", "vs")


def _numbers(parts: Parts) -> list[ColumnProfile]:
    """Return the columns of numbers, also those that would be groups, as they were named."""
    named = [*parts.roles.measures, *filter(is_number, parts.roles.groups)]
    return sorted(named, key=lambda column: _place(parts, column))


def _place(parts: Parts, column: ColumnProfile) -> int:
    return min((one.first for one in parts.mentions if one.column == column), default=0)


def _one_column(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    first = (*roles.measures, *roles.groups, *roles.times)
    if "outliers" in tags:
        numbers = _numbers(parts)
        if not numbers:
            return "Outliers need a column of numbers, and the question names none."
        return new_task(parts, "outliers", measures=tuple(numbers[:1]))
    wanted = roles.direction or statistic_of(tags)  # "the longest in the data" is one value
    describes = "profile" in tags and len(first) == 1 and not wanted
    if (("distribution" in tags and "correlation" not in tags) or describes) and first:
        if len(first) == 1:
            return new_task(parts, "distribution", measures=first[:1])
        if roles.measures and roles.groups:
            return _compare(parts, roles.measures[0], roles.groups[0])
    if "distribution" in tags and not first:
        return "A distribution needs a column, and the question names none."
    return None


def _two_columns(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    explicit = "correlation" in tags
    against = any(word.stem in _AGAINST for word in parts.words)
    numbers = _numbers(parts) if explicit or against else list(roles.measures)
    groups = [column for column in roles.groups if column not in numbers]
    if explicit and roles.time is not None and len(numbers) == 1 and is_number(roles.time):
        numbers.append(roles.time)
    compared = [] if parts.members else comparatives(parts.words)
    twice = len(compared) >= 2
    pair = len(numbers) >= 2 and (explicit or twice or "compare" in tags or against)
    if pair and _DIFFERENCE.search(parts.text) and not explicit:
        return "I can relate two columns, but compute no difference or ratio of them."
    if pair and _PREDICTS.search(parts.text):
        numbers = numbers[1::-1]
    if pair:
        return new_task(
            parts,
            "correlation",
            measures=tuple(numbers[:2]),
            groups=tuple(groups[:1]),
            direction=compared[0] * compared[1] if twice else 0,
        )
    if explicit:
        if len(numbers) == 1 and groups:
            return _compare(parts, numbers[0], groups[0])
        if len(numbers) == 1 and roles.time is not None:
            return None
        return "A relation needs two columns of numbers, and the question names fewer."
    return None


def _axis(parts: Parts) -> TimeAxis | None:
    time = parts.roles.time
    if time is None and "trend" in parts.tags:
        time = next(iter(time_axes(parts.profile)), None)
    if time is None:
        return None
    from_years = any(one.part == "year" and one.operator == "between" for one in parts.filters)
    return TimeAxis(
        time, default_grain(time, parts.roles.grain or ("year" if from_years else None))
    )


def _shares(parts: Parts) -> DataTask | str | None:
    """Read "share of electric cars per year": what part of each period or group has the values."""
    roles = parts.roles
    if "share" not in parts.tags or not parts.filters or roles.measures:
        return None
    axis = _axis(parts)
    group = next((column for column in roles.groups if column.name in roles.marked), None)
    if (axis is None) == (group is None):
        return None
    if axis is not None and not (roles.marked or "trend" in parts.tags):
        return None
    along = axis.column if axis is not None else group
    kept = tuple(f for f in parts.filters if f.column == along)
    part = tuple(f for f in parts.filters if f.column != along)
    if not part:
        return None
    share = partial(new_task, parts, statistic="share", filters=kept, part=part)
    return share("trend", time=axis) if axis is not None else share("groups", groups=(group,))


def _over_time(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    axis = _axis(parts)
    if axis is None:
        if "trend" in tags and roles.measures and not parts.members:
            return "There is no date, year or month column that time could run along."
        return None
    over = partial(new_task, parts, time=axis)
    measure, group = tuple(roles.measures[:1]), tuple(roles.groups[:1])
    marked = axis.column.name in roles.marked
    if roles.direction and (roles.time_is_entity or ("trend" not in tags and not marked)):
        if measure:
            return over("best_per_group" if group else "groups", measures=measure, groups=group)
        return over("groups", measures=group, statistic="distinct" if group else "rows")
    if roles.entity is not None and roles.direction and measure:
        return over("best_per_group", measures=measure, groups=group)
    notes = () if roles.time else (f"Time runs along the column `{axis.column.name}`.",)
    trend = partial(over, "trend", assumptions=notes)
    members = _members(parts)
    if members:
        group = (parts.members[0].column,)
    if measure:
        more = {"statistic": _statistic(parts), "direction": 0}
        return trend(measures=measure, groups=group, members=members, **more)
    if not (tags & {"trend", "chart"} or marked):
        return None
    counted = group and not members and tags & {"count", "distinct"}
    if counted and group[0].name not in roles.marked:
        return trend(measures=group, statistic="distinct")
    return trend(groups=group, statistic="rows", members=members)


def _statistic(parts: Parts) -> Statistic:
    """Read "highest X by Y" as the maximum, where nothing is ranked."""
    named = statistic_of(parts.tags)
    if named is not None or _ORDER.search(parts.text):
        return named or "mean"
    most = _MOST.search(parts.text)
    if most is not None and stem(most[1]) in ADDED_UP:
        return "sum"
    if parts.roles.direction and parts.roles.entity is None and not parts.roles.time_is_entity:
        return "max" if parts.roles.direction > 0 else "min"
    return "mean"


def _members(parts: Parts) -> tuple[Member, ...]:
    """Return the sides of the comparison; one value is called by its own name, more by the word."""
    members = []
    for item in parts.members:
        said = " ".join(parts.words[i].text for i in sorted(item.words))
        label = item.values[0] if len(item.values) == 1 else said
        members.append(Member(label, item.values, item.whole))
    return tuple(members)


def _compare(parts: Parts, measure: ColumnProfile, group: ColumnProfile) -> DataTask:
    columns = {"measures": (measure,), "groups": (group,)}
    named = statistic_of(parts.tags)
    if named not in (None, "mean") and all(member.whole for member in parts.members):
        values = tuple(value for member in parts.members for value in member.values)
        sides = (Filter(group, "is", values),) if values else ()
        return new_task(parts, "groups", filters=(*parts.filters, *sides), **columns)
    sides_claimed = {"members": _members(parts), "direction": claim(parts, measure)}
    return new_task(parts, "compare", **columns, **sides_claimed)


def _compare_within(parts: Parts, measure: ColumnProfile, within: ColumnProfile) -> DataTask:
    """Compare the sides inside each group: "do males weigh more than females, by species"."""
    sides = parts.members[0].column
    values = tuple(value for member in parts.members for value in member.values)
    rows = {"filters": (*parts.filters, Filter(sides, "is", values)), "direction": 1}
    return new_task(parts, "best_per_group", measures=(measure,), groups=(sides, within), **rows)


def _groups(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    if not roles.measures:
        return None
    measure = roles.measures[0]
    if len(roles.measures) > 1 and parts.members == () and not roles.groups:
        return (
            f"The question names {' and '.join(f'`{c.name}`' for c in roles.measures)}; "
            "ask whether they are related, or about one of them."
        )
    if len(parts.members) >= 2:
        sides = parts.members[0].column
        within = [c for c in roles.groups if c.name in roles.marked and c != sides]
        if within and all(member.whole for member in parts.members):
            return _compare_within(parts, measure, within[0])
        return _compare(parts, measure, sides)
    comparing = "compare" in tags or bool(comparatives(parts.words))
    if comparing and roles.groups and roles.entity is None and len(roles.groups) == 1:
        return _compare(parts, measure, roles.groups[0])
    if not roles.groups:
        return None
    columns = {"measures": (measure,), "groups": tuple(roles.groups[:2])}
    if len(roles.groups) >= 2 and roles.direction and roles.entity is not None:
        return new_task(parts, "best_per_group", **columns)
    ranked = roles.entity is not None or _ORDER.search(parts.text)
    direction = roles.direction if ranked else 0
    return new_task(parts, "groups", statistic=_statistic(parts), direction=direction, **columns)


def _ranking(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    common = bool(tags & {"common", "rare"})
    if not roles.measures:
        column = roles.groups[0] if roles.groups else None
        if column is not None and (common or (roles.direction and roles.entity is not None)):
            if len(roles.groups) > 1 and column == roles.entity and not common:
                return _distinct_per_group(parts, roles.groups[1], column)
            if len(roles.groups) > 1:
                return "Counting two columns at once is not among the things I can do."
            direction = -1 if "rare" in tags else (roles.direction or 1)
            return _top_values(parts, column, direction=direction)
        if column is None or not roles.direction or not is_number(column) or roles.groups[1:]:
            return None
        return new_task(parts, "top_rows", measures=(column,), groups=())  # "the largest by seats"
    measure = roles.measures[0]
    if not roles.direction or statistic_of(tags) in ("mean", "median", "sum", "std"):
        return None
    if parts.top is not None or (
        "which" in tags and not tags & {"max", "min"} and _asks_rows(parts)
    ):
        return new_task(parts, "top_rows", measures=(measure,))
    statistic: Statistic = "max" if roles.direction > 0 else "min"
    return new_task(parts, "scalar", measures=(measure,), statistic=statistic)


def _distinct_per_group(parts: Parts, counted: ColumnProfile, group: ColumnProfile) -> DataTask:
    """Count the different values of one column per value of another: models per make."""
    columns = {"measures": (counted,), "groups": (group,)}
    direction = parts.roles.direction or 1
    return new_task(parts, "groups", statistic="distinct", direction=direction, **columns)


def _asks_rows(parts: Parts) -> bool:
    """Return whether "which" is followed by a noun rather than "is the highest"."""
    low = parts.text.casefold()
    return not any(start in low for start in ("what is", "what's", "what was", "which is"))


def _counting(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    counted = bool(tags & {"count", "share"})
    named = statistic_of(tags) is not None
    if roles.measures and (named or not (counted and parts.filters)):
        return _single(parts)
    both = _by_two(parts)
    if both is not None:
        return both
    if "distinct" in tags and roles.groups:
        return new_task(parts, "distinct", groups=(roles.groups[0],))
    if roles.groups and (counted or "chart" in tags or roles.marked):
        column = roles.groups[0]
        if parts.filters and column.name not in roles.marked and not parts.assumed:
            return new_task(parts, "distinct", groups=(column,))
        if column.name in roles.marked or "chart" in tags or "share" in tags:
            return _top_values(parts, column)
        return new_task(parts, "distinct", groups=(column,))
    if roles.time is not None and roles.time.name not in roles.marked and not parts.filters:
        countable = counted and not is_date(roles.time)
        return new_task(parts, "distinct", groups=(roles.time,)) if countable else None
    if counted and not roles.groups and roles.time is None:
        if parts.filters or parts.assumed or "count" in tags:
            return new_task(parts, "count")
    if "compare" in tags and len(parts.members) >= 2:
        return _top_values(parts, parts.members[0].column, members=_members(parts))
    return None


def _top_values(parts: Parts, column: ColumnProfile, **more: object) -> DataTask:
    fields = {"groups": (column,), "direction": 1, "statistic": "rows", **more}
    return new_task(parts, "top_values", **fields)


def _by_two(parts: Parts) -> DataTask | None:
    """Count rows by two columns, or the different values of one for each value of the other."""
    groups, tags = tuple(parts.roles.groups), parts.tags
    if len(groups) != 2:
        return None
    marked = [column for column in groups if column.name in parts.roles.marked]
    if len(marked) == 2 and "distinct" not in tags:
        return new_task(parts, "groups", measures=(), groups=groups, statistic="rows", direction=0)
    if len(marked) == 1 and "count" in tags and "share" not in tags:
        counted = next(column for column in groups if column not in marked)
        return _distinct_per_group(parts, counted, marked[0])
    return None


def _single(parts: Parts) -> DataTask | str | None:
    roles, tags = parts.roles, parts.tags
    measure = (roles.measures[0],)
    several = len(tags & {"mean", "median", "std"}) > 1  # a distribution has all of them
    if several or ("chart" in tags and statistic_of(tags) is None):
        return new_task(parts, "distribution", measures=measure)
    low = parts.text.casefold()
    asked = any(start in low for start in ("what is", "what's", "what was", "how "))
    if statistic_of(tags) is not None or parts.filters or asked:
        return new_task(parts, "scalar", measures=measure)
    return None


_RULES = (
    absence, _whole_table, _one_column, _two_columns, _shares, _over_time, _groups, _ranking,
    _counting,
)  # fmt: skip
"""In order: the first that gives a task, or says what is lacking, decides."""


_ORDER = re.compile(r"\b(?:highest|largest|biggest|lowest|smallest) first\b", re.IGNORECASE)
_MOST = re.compile(r"\b(?:most|fewest|least) ([^\W\d_]+)", re.IGNORECASE)
_DIFFERENCE = re.compile(r"\b(?:difference|gap|ratio)s? (?:between|of)\b", re.IGNORECASE)
_PREDICTS = re.compile(r"\bpredict\w*\b.*\b(?:from|by|with|using)\b", re.IGNORECASE)


def _last_resort(parts: Parts) -> DataTask | str:
    if parts.filters and not parts.roles.groups and not parts.roles.measures:
        if row_words(parts.words, parts.profile, row_nouns(parts.profile)):
            return new_task(parts, "count")  # "cars with more than 8 cylinders"
    named = [f"`{column.name}`" for column in (*parts.roles.measures, *parts.roles.groups)]
    time = parts.roles.time
    if time is not None and (is_date(time) or is_time(time)):
        named.append(f"`{time.name}`")
    if named:
        return f"I recognised {', '.join(named)}, but not what you want to know about it."
    return "I could not tell what you want to know."

"""What a sentence asks, part by part, and the task that it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyst_kernel.offline.column_roles import adds_up, is_date, is_number, is_time
from analyst_kernel.offline.sentence.items import is_flag
from analyst_kernel.offline.task import (
    DataTask,
    Filter,
    Grain,
    Intent,
    Member,
    Statistic,
    TimeAxis,
)
from analyst_kernel.offline.words import name_tokens
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile


@dataclass(frozen=True, slots=True)
class Group:
    """A column that rows are grouped by; of dates, by which period."""

    column: ColumnProfile
    grain: Grain = "value"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is computed: a statistic of a column, or of the rows themselves."""

    statistic: Statistic | None = None  # ``None``: none was named
    column: ColumnProfile | None = None
    kind: str = "number"  # "rows", "distinct", "missing", "distribution", "first rows", "relation"
    other: ColumnProfile | None = None  # the second column of a relation


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of one question; follow-ups change some of them."""

    profile: DatasetProfile
    wanted: tuple[Wanted, ...] = ()
    groups: tuple[Group, ...] = ()
    filters: tuple[Filter, ...] = ()
    part: tuple[Filter, ...] = ()  # whose share of the rows is asked
    share: bool = False  # a share of the rows is asked
    of_total: bool = False  # each group's share of the sum
    ranks: bool = False  # "which": the first group is the answer
    direction: int = 0
    top: int | None = None
    chart: str = ""
    wants_chart: bool = False
    compared: bool = False
    missing: bool = False
    notes: tuple[str, ...] = ()


class NotRead(Exception):
    """Words without a place in this grammar: nothing knows them, or not in this order."""


class Refused(Exception):
    """The sentence was read, and cannot be answered; the message says why."""


def tasks_of(query: Asked) -> DataTask:
    """Return the task of a query; raises ``Refused`` where no recipe holds all of its parts."""
    tasks = [_task(replace(query, wanted=(one,))) for one in query.wanted or (Wanted(kind="rows"),)]
    if len(tasks) == 1:
        return tasks[0]
    return several(tasks)


def several(tasks: Sequence[DataTask]) -> DataTask:
    """Return one task for several requests."""
    flat = [one for task in tasks for one in (task.then or (task,))]
    if len(flat) > 4:
        raise Refused("I answer at most four requests in one question.")
    if any(task.intent in ("profile", "join", "missing") for task in flat[:1]) and len(flat) > 1:
        flat.sort(key=lambda task: task.intent in ("profile", "join", "missing"))
    return DataTask("several", flat[0].profile, then=tuple(flat))


def _task(query: Asked) -> DataTask:
    (wanted,) = query.wanted
    task = _PLANS.get(wanted.kind, _number)(query, wanted)
    allowed = drawable(task)
    chart = query.chart if query.chart != "any" else ""
    if chart and chart not in allowed:
        ways = " or ".join(_CHARTS[one] for one in allowed) or "no chart at all"
        named = _CHARTS.get(chart, "this kind of chart")
        raise Refused(f"I cannot draw {named} of this; I can draw {ways}.")
    notes = tuple(dict.fromkeys((*task.assumptions, *query.notes)))
    return replace(task, chart=chart, wants_chart=query.wants_chart, assumptions=notes)


_CHARTS = {
    "pie": "a pie chart", "bar": "bars", "stacked": "stacked bars", "line": "lines",
    "area": "an area chart", "scatter": "a scatter plot", "histogram": "a histogram",
    "box": "box plots", "heat": "a heat map",
}  # fmt: skip

_MOST_SLICES = 12


def drawable(task: DataTask) -> tuple[str, ...]:
    """Return the kinds of charts that the recipe of a task can draw, the usual one first."""
    adds = task.statistic in ("sum", "rows") or task.of_total
    keys = len(task.groups) + (task.time is not None)
    match task.intent:
        case "groups" if keys == 1:
            column = task.groups[0] if task.groups else task.time.column if task.time else None
            few = column is not None and column.distinct <= _MOST_SLICES
            return ("bar", "pie") if adds and few and not task.part else ("bar",)
        case "groups":
            return ("bar", "stacked", "heat")
        case "top_values":
            few = task.groups[0].distinct <= _MOST_SLICES
            return ("bar", "pie") if few and not task.filters else ("bar",)
        case "trend":
            return ("line",) if task.groups else ("line", "bar", "area")
        case "distribution" if is_number(task.measures[0]):
            return ("histogram", "box")
        case "distribution":
            return ("bar",)
        case "scalar":
            return ("histogram",)
        case "compare" | "outliers":
            return ("box",)
        case "correlation":
            return ("scatter",)
    return ()


def _common(query: Asked, intent: Intent, **more: object) -> DataTask:
    fields: dict[str, object] = {
        "filters": query.filters,
        "direction": query.direction,
        "top": query.top,
        **more,
    }
    return DataTask(intent, query.profile, **fields)  # type: ignore[arg-type] # each was checked where it was read


def _split(query: Asked) -> tuple[tuple[ColumnProfile, ...], TimeAxis | None]:
    """Return the groups that are columns, and the axis of time among them."""
    plain = tuple(group.column for group in query.groups if not is_time(group.column))
    times = [group for group in query.groups if is_time(group.column)]
    if len(times) > 1:
        raise Refused("I can group by one period of time, not by two at once.")
    axis = TimeAxis(times[0].column, times[0].grain) if times else None
    if len(plain) + len(times) > 2:
        raise Refused("I can group by two columns at once, not by more.")
    return plain, axis


def _none_of(query: Asked, *parts: str) -> None:
    """Refuse a query with parts that the recipe at hand has no place for."""
    names = {
        "groups": "the grouping", "part": "the share", "of_total": "the percentage",
        "ranks": "the ranking", "top": "the number of first rows", "direction": "the order",
        "compared": "the comparison", "filters": "the condition", "share": "the share",
    }  # fmt: skip
    for part in parts:
        if getattr(query, part):
            raise Refused(f"I found no place for {names[part]} in this question.")


def _statistic(wanted: Wanted) -> tuple[Statistic, tuple[str, ...]]:
    """Return the named statistic, or the usual one of the column with a note."""
    column = wanted.column
    if wanted.statistic is not None or column is None:
        return wanted.statistic or "mean", ()
    if adds_up(column):
        return "sum", (
            f"`{column.name}` adds up, so its total is meant; ask for the average to get that.",
        )
    return "mean", ()


def _has_figures(column: ColumnProfile, statistic: Statistic) -> None:
    """Refuse a statistic that a column of yes and no, of time or of text does not have."""
    if statistic == "sum" and is_time(column):
        raise Refused(f"A total of `{column.name}` has no meaning.")
    if is_flag(column) and statistic != "sum":
        if statistic != "mean" or column.kind == "bool":
            raise Refused(
                f"`{column.name}` is yes or no: ask how many there are, or for the share."
            )
    if not is_number(column) and not is_flag(column):
        raise Refused(f"`{column.name}` holds no numbers, so it has no {statistic}.")


def _of_total(query: Asked, wanted: Wanted, statistic: Statistic) -> dict[str, object]:
    """Return the fields of a percentage of the total, which needs a sum and one group."""
    if statistic != "sum" and wanted.statistic is not None:
        raise Refused("A percentage of the total needs a total, and another figure is asked.")
    if not query.groups:
        raise Refused("A percentage of the total needs groups: say by which column.")
    if len(query.groups) > 1:
        raise Refused("I can tell percentages of the total by one column, not by two.")
    return {"statistic": "sum", "of_total": True}


def _number(query: Asked, wanted: Wanted) -> DataTask:
    column = wanted.column
    assert column is not None
    if query.chart == "pie" and wanted.statistic is None:
        wanted = replace(wanted, statistic="sum")
        query = replace(
            query,
            notes=(*query.notes, f"A pie shows parts of a total: `{column.name}` is added up."),
        )
    statistic, notes = _statistic(wanted)
    _has_figures(column, statistic)
    plain, axis = _split(query)
    fields: dict[str, object] = {
        "measures": (column,),
        "statistic": statistic,
        "assumptions": notes,
    }
    _none_of(query, "part", "share")
    if query.of_total:
        fields |= _of_total(query, wanted, statistic)
    if query.compared:
        _none_of(query, "of_total", "ranks", "top", "direction")
        return _comparison(query, column, wanted, plain, axis)
    if not plain and axis is None and any(map(_listed, query.filters)):
        if is_flag(column) or query.ranks or query.top or query.direction:
            raise Refused("I could not tell whether the values are meant together or each.")
        return _comparison(query, column, replace(wanted, statistic=statistic), plain, axis, notes)
    if not plain and axis is None:
        _none_of(query, "ranks", "top")
        if query.direction:
            raise Refused("I found nothing that could be ordered.")
        return _common(query, "scalar", **fields)
    if axis is not None and not plain:
        if query.ranks or query.of_total or query.direction or query.chart == "pie":
            return _common(query, "groups", time=axis, **fields)
        _none_of(query, "top")
        return _common(query, "trend", time=axis, **fields)
    if axis is not None:
        _none_of(query, "of_total", "top", "ranks", "direction")
        if query.chart in ("", "any", "line"):
            return _common(query, "trend", groups=plain, time=axis, **fields)
        return _common(query, "groups", groups=plain, time=axis, **fields)
    if query.chart == "box" and statistic == "mean" and len(plain) == 1:
        _none_of(query, "ranks", "top", "direction")
        return _common(query, "compare", groups=plain, **fields)
    return _common(query, "groups", groups=plain, **fields)


def _listed(condition: Filter) -> bool:
    """Return whether a condition lists values ("for IT and HR"), each of which is told of."""
    several = condition.operator == "is" and len(condition.values) > 1
    return several and not condition.negated and condition.column.kind == "text"


def _comparison(
    query: Asked,
    column: ColumnProfile,
    wanted: Wanted,
    plain: tuple[ColumnProfile, ...],
    axis: TimeAxis | None,
    notes: tuple[str, ...] = (),
) -> DataTask:
    """Compare the values of one column that the conditions name, or all of a group's."""
    sides = [f for f in query.filters if f.operator == "is" and len(f.values) > 1 and not f.negated]
    if axis is not None or len(plain) > 1 or len(sides) > 1 or bool(plain) == bool(sides):
        raise Refused("I can compare the values of one column, and found none or several.")
    by = plain[0] if plain else sides[0].column
    if is_flag(column):
        raise Refused(f"`{column.name}` is yes or no: ask for its share by group.")
    statistic = wanted.statistic or "mean"
    fields = {"measures": (column,), "groups": (by,), "statistic": statistic}
    if statistic != "mean":
        return _common(query, "groups", assumptions=notes, **fields)
    rest = tuple(f for f in query.filters if f not in sides)
    members = tuple(Member(str(v), (str(v),)) for f in sides for v in f.values)
    return _common(query, "compare", **{**fields, "filters": rest, "members": members})


def _rows(query: Asked, wanted: Wanted) -> DataTask:
    plain, axis = _split(query)
    if query.share or query.part:
        return _share(query, plain, axis)
    if query.compared:
        raise Refused("I found nothing to compare but numbers of rows: ask for them by a column.")
    if not plain and axis is None:
        _none_of(query, "ranks", "top", "direction", "of_total")
        return _common(query, "count")
    if axis is not None and not plain:
        if query.ranks or query.of_total or query.direction or query.chart == "pie":
            fields = {"statistic": "rows", "of_total": query.of_total}
            return _common(query, "groups", time=axis, **fields)
        _none_of(query, "top")
        return _common(query, "trend", statistic="rows", time=axis)
    if axis is not None:
        _none_of(query, "of_total", "top", "ranks", "direction")
        if query.chart in ("", "any", "line"):
            return _common(query, "trend", statistic="rows", groups=plain, time=axis)
        return _common(query, "groups", statistic="rows", groups=plain, time=axis)
    if len(plain) == 1:
        direction = query.direction or 1
        return _common(query, "top_values", statistic="rows", groups=plain, direction=direction)
    _none_of(query, "of_total")
    return _common(query, "groups", statistic="rows", groups=plain)


def _share(query: Asked, plain: tuple[ColumnProfile, ...], axis: TimeAxis | None) -> DataTask:
    _none_of(query, "compared", "of_total")
    if len(plain) + (axis is not None) > 1:
        raise Refused("I can tell shares by one column, not by two at once.")
    if not query.part:
        if len(plain) != 1 or query.ranks:
            raise Refused("A share needs a condition: say of which rows.")
        direction = query.direction or 1
        return _common(query, "top_values", statistic="rows", groups=plain, direction=direction)
    fields = {"statistic": "share", "part": query.part}
    if plain:
        return _common(query, "groups", groups=plain, **fields)
    if axis is not None:
        if query.ranks or query.direction:
            return _common(query, "groups", time=axis, **fields)
        _none_of(query, "top")
        return _common(query, "trend", time=axis, **fields)
    _none_of(query, "ranks", "top", "direction")
    if not query.filters:
        return _common(query, "count", filters=query.part)
    return _common(query, "scalar", **fields)


def _distinct(query: Asked, wanted: Wanted) -> DataTask:
    plain, axis = _split(query)
    assert wanted.column is not None
    _none_of(query, "part", "share", "of_total", "compared")
    if not plain and axis is None:
        _none_of(query, "ranks", "top", "direction")
        return _common(query, "distinct", groups=(wanted.column,))
    fields = {"measures": (wanted.column,), "statistic": "distinct"}
    if axis is not None:
        if plain:
            raise Refused("I can count different values by one column, not by two at once.")
        if query.ranks or query.direction:
            return _common(query, "groups", time=axis, **fields)
        _none_of(query, "top")
        return _common(query, "trend", time=axis, **fields)
    return _common(query, "groups", groups=plain, **fields)


def _missing(query: Asked, wanted: Wanted) -> DataTask:
    _none_of(
        query, "groups", "filters", "part", "share", "of_total", "ranks", "top", "direction",
        "compared",
    )  # fmt: skip
    measures = () if wanted.column is None else (wanted.column,)
    return _common(query, "missing", measures=measures)


def _distribution(query: Asked, wanted: Wanted) -> DataTask:
    assert wanted.column is not None
    _none_of(query, "part", "share", "of_total", "ranks", "top", "direction", "compared", "groups")
    return _common(query, "distribution", measures=(wanted.column,))


def _relation(query: Asked, wanted: Wanted) -> DataTask:
    assert wanted.column is not None
    assert wanted.other is not None
    _none_of(query, "part", "share", "of_total", "ranks", "top", "direction", "compared")
    plain, axis = _split(query)
    if axis is not None or len(plain) > 1:
        raise Refused("I can relate two columns within the groups of one more, not of two.")
    return _common(query, "correlation", measures=(wanted.column, wanted.other), groups=plain)


def _first_rows(query: Asked, wanted: Wanted) -> DataTask:
    assert wanted.column is not None
    _none_of(query, "part", "share", "of_total", "compared", "groups")
    if not is_number(wanted.column):
        raise Refused(f"`{wanted.column.name}` holds no numbers that rows could be ranked by.")
    return _common(query, "top_rows", measures=(wanted.column,))


_PLANS = {
    "number": _number,
    "rows": _rows,
    "distinct": _distinct,
    "missing": _missing,
    "distribution": _distribution,
    "first rows": _first_rows,
    "relation": _relation,
}


def grain_of(column: ColumnProfile) -> Grain:
    """Return the period that a column of dates is grouped by when only its name is said."""
    if not is_date(column):
        return "value"
    named = name_tokens(column.name)
    for grain in ("year", "quarter", "month", "week", "day"):
        if grain in named and grain != "day":
            return grain
    return "day"

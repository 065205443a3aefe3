"""Recipes along time: one line, or one line per group.

Periods that the data cover in part are left out of comparisons of sums and counts. Pure; each
recipe takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from analyst_kernel.offline.column_roles import is_year
from analyst_kernel.offline.recipes.prose import (
    answer,
    called,
    capital,
    figure,
    goals,
    item,
    mean_note,
    measured_label,
    measured_unit,
    of_measure,
    period,
    share,
)
from analyst_kernel.offline.recipes.recipe import (
    Cell,
    Code,
    KeyValue,
    Recipe,
    RecipeAnswer,
    Results,
    chart_cell,
    code,
    grouped_digits,
    identifier,
    quoted,
    time_ticks,
)
from analyst_kernel.offline.recipes.rows import AGGREGATE, SHARE, prepare
from analyst_kernel.offline.task import DataTask, Grain

_MANY = 6
"""Lines that one chart can carry."""


def trend(task: DataTask) -> Recipe:
    """Answer how a measure (or the number of rows) changed over time."""
    if task.groups:
        return _by_group(task)
    assert task.time is not None
    numbers = () if task.statistic == "distinct" else task.measures
    rows = prepare(task, task.measures, numeric=numbers)
    time = rows.time
    measure = SHARE if task.part else task.measures[0].name if task.measures else ""
    series = identifier("rows_by", time)
    if measure:
        series = identifier(task.statistic, "" if task.part else measure, "by", time)
    # A period that is cut short has a smaller total for that reason alone.
    partly = task.time.grain in _NAMES and task.statistic in ("sum", "rows")
    compute = rows.code(
        "time/trend",
        time=time,
        series=series,
        picked=_picked(task, measure),
        every_year=task.statistic == "rows" and is_year(task.time.column),
        statistic=task.statistic,
        dates=task.time.column.name,
        period_name=Code(_NAMES[task.time.grain]) if partly else None,
        slack=_SLACK[task.time.grain] if partly else 0,
    )
    chart = chart_cell(
        code("time/line", series=series),
        after=[*time_ticks(task, f"{series}.index"), *grouped_digits("y", task)],
        title=f"{capital(of_measure(task))} by {time}",
        x=time,
        y=measured_label(task),
        purpose=f"Draw the {of_measure(task)} by {time} as a line",
    )
    purpose = f"Compute the {of_measure(task)} per {time}"
    cells = (*rows.cells, Cell("trend", purpose, compute, 2), chart)
    return Recipe(goals("time/trend", task, time=time), cells, partial(_compose_line, task, time))


def _picked(task: DataTask, measure: str) -> Code:
    """Return what follows a group-by: the statistic of the measure, or the number of rows."""
    method = AGGREGATE[task.statistic]
    return Code(f"[{quoted(measure)}].{method}()" if measure else ".size()")


def _compose_line(task: DataTask, time: str, results: Results) -> RecipeAnswer:
    shown, of, axis = results["trend"], measured_unit(task), task.time
    first, last = period(shown["first"], axis), period(shown["last"], axis)
    what = capital(of_measure(task))
    change, percent = shown["change"], shown["change in percent"]
    relative = percent is not None and shown["value in first"] > 0 and of != "%"
    found = answer(
        "time/trend",
        task,
        results,
        notes=mean_note(task),
        time=time,
        axis=axis,
        what=what,
        first=first,
        last=last,
        moved="rose" if change > 0 else "fell" if change < 0 else "stayed the same:",
        by=f" ({share(percent)})" if relative else "",
        cyclic=_is_cyclic(task),
        cut=[str(name) for name in shown.get("incomplete", ())],
    )
    if shown["periods"] < 2:
        return replace(found, assumptions=task.assumptions)
    few = [
        f"{period(shown[end], axis)} has only {figure(shown[f'rows in {end}'])} rows"
        for end in ("first", "last")
        if shown[f"rows in {end}"] < 0.5 * shown["median rows per period"]
    ]
    per = figure(shown["median rows per period"])
    caveat = f"{' and '.join(few)} (the median {time} has {per}), so it may be incomplete."
    values = (
        KeyValue(f"{what} in {first}", shown["value in first"], of),
        KeyValue(f"{what} in {last}", shown["value in last"], of),
        KeyValue("Change", shown["change"], of),
    )
    return replace(found, values=values, caveats=(*found.caveats, *([caveat] if few else ())))


def _is_cyclic(task: DataTask) -> bool:
    """Return whether the axis is part of a date, such as the month of the year, and comes again."""
    assert task.time is not None
    if task.time.grain == "value":
        return not is_year(task.time.column)
    return task.time.grain in ("month of year", "hour of day")


def _by_group(task: DataTask) -> Recipe:
    group = task.groups[0]
    rows = prepare(task, (group, *task.measures), numeric=task.measures)
    time = rows.time
    table = identifier(task.statistic, "by", time)
    measure = SHARE if task.part else task.measures[0].name if task.measures else ""
    whole = all(member.whole for member in task.members)
    compute = rows.code(
        "time/trend by group",
        time=time,
        group=group.name,
        members=[v for member in task.members for v in member.values] if whole else [],
        many=_MANY if group.distinct > _MANY else 0,
        table=table,
        picked=_picked(task, measure),
    )
    chart = chart_cell(
        code("time/lines", table=table, legend=group.name),
        after=[*time_ticks(task, f"{table}.index"), *grouped_digits("y", task)],
        title=f"{capital(of_measure(task))} by {time} and {group.name}",
        x=time,
        y=measured_label(task),
        purpose=f"Draw one line per {group.name}"[:80],
    )
    cells = (*rows.cells, Cell("trend", f"Compute it per {time} and group", compute, 2), chart)
    return Recipe(goals("time/trend", task, time=time), cells, partial(_compose_groups, task))


def _compose_groups(task: DataTask, results: Results) -> RecipeAnswer:
    of, lines = measured_unit(task), results["trend"]["lines"]
    ordered = sorted(lines, key=lambda name: lines[name]["change"])
    if not task.members and task.groups[0].distinct > _MANY:
        note = f"Only the groups of {called(task.groups[0])} with most rows are shown."
        task = replace(task, assumptions=(note, *task.assumptions))
    return answer(
        "time/trend by group",
        task,
        results,
        [KeyValue(f"Change for {item(name)}", lines[name]["change"], of) for name in lines][:8],
        notes=mean_note(task),
        shown=results["trend"],
        axis=task.time,
        what=capital(of_measure(task)),
        lines=lines,
        low=ordered[0],
        high=ordered[-1],
    )


_NAMES: dict[Grain, str] = {
    "year": "moment.year",
    "quarter": 'f"{moment.year}-Q{moment.quarter}"',
    "month": 'moment.strftime("%Y-%m")',
    "week": 'moment.strftime("%G-W%V")',
}
"""Grain -> how the period of a moment is called; the same names as the cut column has."""

_SLACK: dict[Grain, int] = {"year": 14, "quarter": 7, "month": 3, "week": 1}
"""Days without rows that may stand at the edge of a period that is taken as whole."""

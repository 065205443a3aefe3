"""The recipe of a change over time, of all rows or of each group.

Periods that the data cover in part are left out of comparisons of sums and counts.
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
from analyst_kernel.offline.recipes.rows import AGGREGATE, measured_name, prepare
from analyst_kernel.offline.task import DataTask, Grain

_MANY = 6
"""Lines that one chart can carry."""

_NAMES: dict[Grain, str] = {
    "year": "moment.year",
    "quarter": 'f"{moment.year}-Q{moment.quarter}"',
    "month": 'moment.strftime("%Y-%m")',
    "week": 'moment.strftime("%G-W%V")',
}
"""Grain -> how the period of a moment is called; the same names as the cut column has."""

_SLACK: dict[Grain, int] = {"year": 14, "quarter": 7, "month": 3, "week": 1}
"""Days without rows that may stand at the edge of a period that is taken as whole."""

_SHAPES = {"line": "a line", "bar": "bars", "area": "an area"}


def trend(task: DataTask) -> Recipe:
    """Answer how a measure, or the number of rows, changed over time; also of each group."""
    assert task.time is not None
    rows = prepare(task)
    time, measure = rows.time, measured_name(task)
    of, group = of_measure(task), task.groups[0] if task.groups else None
    method = AGGREGATE[task.statistic]
    picked = Code(f"[{quoted(measure)}].{method}()" if measure else ".size()")
    if group is not None:
        drawn = identifier(task.statistic, "by", time)
        whole = all(member.whole for member in task.members)
        compute = rows.cell(
            "time/trend by group",
            f"Compute it per {time} and group",
            time=time,
            picked=picked,
            group=group.name,
            members=[v for member in task.members for v in member.values] if whole else [],
            many=_MANY if group.distinct > _MANY else 0,
            table=drawn,
        )
        lines = code("time/lines", table=drawn, legend=group.name)
        purpose = f"Draw one line per {group.name}"[:80]
    else:
        drawn = identifier("rows_by", time)
        if measure:
            drawn = identifier(task.statistic, "" if task.part else measure, "by", time)
        # A period that is cut short has a smaller total for that reason alone.
        partly = task.time.grain in _NAMES and task.statistic in ("sum", "rows")
        compute = rows.cell(
            "time/trend",
            f"Compute the {of} per {time}",
            time=time,
            picked=picked,
            series=drawn,
            every_year=task.statistic == "rows" and is_year(task.time.column),
            statistic=task.statistic,
            dates=task.time.column.name,
            period_name=Code(_NAMES[task.time.grain]) if partly else None,
            slack=_SLACK[task.time.grain] if partly else 0,
        )
        shape = task.chart if task.chart in ("bar", "area") else "line"
        lines = code(f"time/{shape}", series=drawn)
        purpose = f"Draw the {of} by {time} as {_SHAPES[shape]}"[:80]
    chart = chart_cell(
        lines,
        after=[*time_ticks(task, f"{drawn}.index"), *grouped_digits("y", task)],
        title=f"{capital(of)} by {time}" + (f" and {group.name}" if group is not None else ""),
        x=time,
        y=measured_label(task),
        purpose=purpose,
    )
    compose = partial(_compose_lines, task) if group else partial(_compose_line, task, time)
    return Recipe(goals("time/trend", task, time=time), (*rows.cells, compute, chart), compose)


def _compose_line(task: DataTask, time: str, results: Results) -> RecipeAnswer:
    shown, of, axis = results["trend"], measured_unit(task), task.time
    assert axis is not None
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
        # A part of a date, such as the month of the year, comes again.
        cyclic=not is_year(axis.column) if axis.grain == "value" else " of " in axis.grain,
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


def _compose_lines(task: DataTask, results: Results) -> RecipeAnswer:
    of, lines = measured_unit(task), results["trend by group"]["lines"]
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
        axis=task.time,
        what=capital(of_measure(task)),
        lines=lines,
        low=ordered[0],
        high=ordered[-1],
    )

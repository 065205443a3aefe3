"""Recipes along time: one line, or one line per group.

Periods that the data cover in part are left out of comparisons of sums and counts. Pure; each
recipe takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from collections.abc import Mapping

from analyst_kernel.offline.column_roles import is_year
from analyst_kernel.offline.recipes.prose import (
    called,
    capital,
    change_of,
    figure,
    item,
    listed,
    measured_label,
    measured_unit,
    of_measure,
    period,
    share,
    unit_notes,
)
from analyst_kernel.offline.recipes.recipe import (
    AnswerDraft,
    Cell,
    Code,
    KeyValue,
    Recipe,
    Results,
    Shown,
    chart_cell,
    code,
    grouped_digits,
    identifier,
    quoted,
    time_ticks,
)
from analyst_kernel.offline.recipes.rows import AGGREGATE, SHARE, basis, dropped, prepare
from analyst_kernel.offline.task import DataTask, Grain

_MANY = 6
"""Lines that one chart can carry."""


def trend(task: DataTask) -> Recipe:
    """How a measure (or the number of rows) changed over time."""
    return _by_group(task) if task.groups else _one_line(task)


def _title(task: DataTask, time: str) -> str:
    spoken = of_measure(task)
    return f"{capital(spoken)} by {time}"


def _goals(task: DataTask, time: str) -> tuple[str, ...]:
    what = of_measure(task)
    return (
        f"Check which rows have a {time} and a value",
        f"Compute the {what} for each {time}",
        "Draw a line chart of it",
        "State the change with its numbers",
    )


def _one_line(task: DataTask) -> Recipe:
    assert task.time is not None
    numbers = () if task.statistic == "distinct" else task.measures
    rows = prepare(task, task.measures, numeric=numbers)
    time = rows.time
    measure = SHARE if task.part else task.measures[0].name if task.measures else ""
    series = identifier("rows_by", time)
    if measure:
        series = identifier(task.statistic, "" if task.part else measure, "by", time)
    partly = has_partial_periods(task)
    compute = code(
        "time",
        "trend",
        frame=rows.frame,
        observed=rows.observed,
        time=time,
        series=series,
        picked=_picked(task, measure),
        # A year without rows has none; a line must not run over it.
        every_year=task.statistic == "rows" and is_year(task.time.column),
        statistic=task.statistic,
        dates=task.time.column.name,
        period_name=Code(_NAMES[task.time.grain]) if partly else None,
        slack=_SLACK[task.time.grain] if partly else 0,
    )
    chart = chart_cell(
        code("time", "line", series=series),
        after=[*time_ticks(task, f"{series}.index"), *grouped_digits("y", task)],
        title=_title(task, time),
        x=time,
        y=measured_label(task),
        step=3,
        purpose=f"Draw the {of_measure(task)} by {time} as a line",
    )
    purpose = f"Compute the {of_measure(task)} per {time}"
    cells = (*rows.cells, Cell("trend", purpose, compute, 2), chart)
    return Recipe(_goals(task, time), cells, lambda shown: _tell_line(task, time, shown))


def _picked(task: DataTask, measure: str) -> Code:
    """Return what follows a group-by: the statistic of the measure, or the number of rows."""
    method = AGGREGATE[task.statistic]
    return Code(f"[{quoted(measure)}].{method}()" if measure else ".size()")


def _tell_line(task: DataTask, time: str, results: Results) -> AnswerDraft:
    shown, rows = results["trend"], results["rows"]
    assert task.time is not None
    of, axis = measured_unit(task), task.time
    first, last = period(shown["first"], axis), period(shown["last"], axis)
    what = capital(of_measure(task))
    change, percent = shown["change"], shown["change in percent"]
    start, end = figure(shown["value in first"], of), figure(shown["value in last"], of)
    if shown["periods"] < 2:
        sentences = [f"All {figure(rows['rows used'])} rows fall in one {time}, {first}: {start}."]
        return AnswerDraft((*sentences, basis(task, rows)), (), task.assumptions, dropped(rows))
    moved = "rose" if change > 0 else "fell" if change < 0 else "stayed the same:"
    relative = percent is not None and shown["value in first"] > 0 and of != "%"
    by = f" ({share(percent)})" if relative else ""
    sentences = [
        (
            f"{what} {moved} from {start} in {first} to {end} in {last}, a change of "
            f"{change_of(change, of)}{by}, over {figure(rows['rows used'])} rows."
        ),
        (
            f"It was lowest in {period(shown['lowest'], axis)} at "
            f"{figure(shown['value in lowest'], of)} "
            f"and highest in {period(shown['highest'], axis)} at "
            f"{figure(shown['value in highest'], of)}."
        ),
        *incomplete(shown),
        basis(task, rows),
    ]
    if _is_cyclic(task):
        sentences[:2] = [
            (
                f"{what} was highest in {period(shown['highest'], axis)} at "
                f"{figure(shown['value in highest'], of)} and lowest in "
                f"{period(shown['lowest'], axis)} at "
                f"{figure(shown['value in lowest'], of)}, over {figure(rows['rows used'])} rows."
            ),
            (
                f"From {first} to {last} it went from {start} to {end}, a change of "
                f"{change_of(change, of)}{by}."
            ),
        ]
    values = (
        KeyValue(f"{what} in {first}", shown["value in first"], of),
        KeyValue(f"{what} in {last}", shown["value in last"], of),
        KeyValue("Change", shown["change"], of),
    )
    caveats = [*dropped(rows)]
    few = [
        f"{period(shown[end_], axis)} has only {figure(shown[f'rows in {end_}'])} rows"
        for end_ in ("first", "last")
        if shown[f"rows in {end_}"] < 0.5 * shown["median rows per period"]
    ]
    if few:
        per = figure(shown["median rows per period"])
        said = " and ".join(few)
        caveats.append(f"{said} (the median {time} has {per}), so it may be incomplete.")
    return AnswerDraft(tuple(sentences), values, (*_notes(task), *task.assumptions), tuple(caveats))


def _is_cyclic(task: DataTask) -> bool:
    """Whether the axis is part of a date, such as the month of the year, and comes again."""
    assert task.time is not None
    if task.time.grain == "value":
        return not is_year(task.time.column)
    return task.time.grain in ("month of year", "hour of day")


def _notes(task: DataTask) -> tuple[str, ...]:
    notes = list(unit_notes(task))
    if task.statistic == "mean":
        notes.insert(0, "“Average” is the arithmetic mean; every row counts once.")
    return tuple(notes)


def _by_group(task: DataTask) -> Recipe:
    group = task.groups[0]
    rows = prepare(task, (group, *task.measures), numeric=task.measures)
    time = rows.time
    table = identifier(task.statistic, "by", time)
    measure = SHARE if task.part else task.measures[0].name if task.measures else ""
    whole = all(member.whole for member in task.members)
    compute = code(
        "time",
        "trend by group",
        frame=rows.frame,
        observed=rows.observed,
        time=time,
        group=group.name,
        members=[v for member in task.members for v in member.values] if whole else [],
        many=_MANY if group.distinct > _MANY else 0,
        table=table,
        picked=_picked(task, measure),
    )
    chart = chart_cell(
        code("time", "lines", table=table, legend=group.name),
        after=[*time_ticks(task, f"{table}.index"), *grouped_digits("y", task)],
        title=f"{_title(task, time)} and {group.name}",
        x=time,
        y=measured_label(task),
        step=3,
        purpose=f"Draw one line per {group.name}"[:80],
    )
    cells = (*rows.cells, Cell("trend", f"Compute it per {time} and group", compute, 2), chart)
    return Recipe(_goals(task, time), cells, lambda shown: _tell_groups(task, shown))


def _tell_groups(task: DataTask, results: Results) -> AnswerDraft:
    shown, rows = results["trend"], results["rows"]
    assert task.time is not None
    of, axis = measured_unit(task), task.time
    lines: Mapping[object, Mapping[str, float]] = shown["lines"]
    what = of_measure(task)
    parts = []
    values = []
    for name, line in lines.items():
        parts.append(
            f"{item(name)}: from {figure(line['value in first'], of)} in "
            f"{period(line['first'], axis)} to {figure(line['value in last'], of)} in "
            f"{period(line['last'], axis)}, a change of {change_of(line['change'], of)}"
        )
        values.append(KeyValue(f"Change for {item(name)}", line["change"], of))
    ordered = sorted(lines, key=lambda name: lines[name]["change"])
    low, high = ordered[0], ordered[-1]
    sentences = [
        f"{capital(what)} changed most upwards for {item(high)} "
        f"({change_of(lines[high]['change'], of)}) and least for {item(low)} "
        f"({change_of(lines[low]['change'], of)}), over {figure(shown['rows shown'])} rows."
        if len(lines) > 1
        else f"{capital(what)} changed by {change_of(lines[low]['change'], of)} for {item(low)}, "
        f"over {figure(shown['rows shown'])} rows.",
        *(f"{part}." for part in parts),
        basis(task, rows),
    ]
    notes = list(_notes(task))
    group = task.groups[0]
    if not task.members and group.distinct > _MANY:
        notes.append(f"Only the groups of {called(group)} with most rows are shown.")
    return AnswerDraft(
        tuple(sentences), tuple(values[:8]), (*notes, *task.assumptions), dropped(rows)
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


def has_partial_periods(task: DataTask) -> bool:
    """Whether a period that is cut short has a smaller value for that reason alone."""
    axis = task.time
    return axis is not None and axis.grain in _NAMES and task.statistic in ("sum", "rows")


def incomplete(shown: Shown) -> tuple[str, ...]:
    """Say which periods were left out of the comparison, and why."""
    names = [str(name) for name in shown.get("incomplete", ())]
    if not names:
        return ()
    verb = "is" if len(names) == 1 else "are"
    span = f"the rows run from {shown['data from']} to {shown['data to']}"
    return (f"{listed(names)} {verb} left out of this comparison as incomplete: {span}.",)

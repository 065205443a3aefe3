"""Recipes along time: one line, or one line per group.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from collections.abc import Mapping

from analyst_kernel.offline.column_roles import is_year
from analyst_kernel.offline.recipes.charts import chart_cell, grouped_digits, time_ticks
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
    KeyValue,
    Recipe,
    Results,
    Shown,
    identifier,
    quoted,
)
from analyst_kernel.offline.recipes.rows import SHARE, Prepared, basis, dropped, prepare
from analyst_kernel.offline.task import DataTask, Grain

_MANY = 6
"""Lines that one chart can carry."""

AGGREGATE = {
    "mean": "mean",
    "median": "median",
    "sum": "sum",
    "min": "min",
    "max": "max",
    "std": "std",
    "distinct": "nunique",
    "rows": "size",
    "share": "mean",
}
"""Statistic -> the method of a pandas group-by."""


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
    rows = prepare(
        task, task.measures, numeric=() if task.statistic == "distinct" else task.measures
    )
    time = rows.time or ""
    method = AGGREGATE[task.statistic]
    by = f"{rows.frame}.groupby({quoted(time)}{rows.observed})"
    if task.part or task.measures:
        measure = SHARE if task.part else task.measures[0].name
        series = identifier(task.statistic, "" if task.part else measure, "by", time)
        compute = [f"{series} = {by}[{quoted(measure)}].{method}()"]
    else:
        series = identifier("rows_by", time)
        compute = [f"{series} = {by}.size()"]
    compute.append(f"rows_per_period = {by}.size()")
    if task.statistic == "rows" and task.time is not None and is_year(task.time.column):
        years = f"range(int({series}.index.min()), int({series}.index.max()) + 1)"
        compute += [  # a year without rows has none; a line must not run over it
            f"every_year = {years}",
            f"{series} = {series}.reindex(every_year, fill_value=0)",
            "rows_per_period = rows_per_period.reindex(every_year, fill_value=0)",
        ]
    compute += [
        f"display({series}.round(2).to_frame({quoted(task.statistic)}).assign(rows=rows_per_period))",
        "",
        f"by_period = {series}.to_dict()",
        *whole_periods(task, rows),
        "first, last = min(compared), max(compared)",
        "lowest = min(compared, key=compared.get)",
        "highest = max(compared, key=compared.get)",
        "change = compared[last] - compared[first]",
        "",
        "{",
        '    "periods": len(compared),',
        '    "first": first,',
        '    "value in first": round(compared[first], 4),',
        '    "last": last,',
        '    "value in last": round(compared[last], 4),',
        '    "change": round(change, 4),',
        '    "change in percent": round(100 * change / compared[first], 2)',
        "    if compared[first]",
        "    else None,",
        '    "lowest": lowest,',
        '    "value in lowest": round(compared[lowest], 4),',
        '    "highest": highest,',
        '    "value in highest": round(compared[highest], 4),',
        '    "rows in first": int(rows_per_period[first]),',
        '    "rows in last": int(rows_per_period[last]),',
        '    "median rows per period": float(rows_per_period.median()),',
        *(SPAN if adds_up(task) else ()),
        "}",
    ]
    chart = chart_cell(
        [
            f'ax.plot({series}.index, {series}.values, marker="o")',
            *time_ticks(task, f"{series}.index"),
            *grouped_digits("y", task),
        ],
        title=_title(task, time),
        x=time,
        y=measured_label(task),
        step=3,
        purpose=f"Draw the {of_measure(task)} by {time} as a line",
    )
    purpose = f"Compute the {of_measure(task)} per {time}"
    cells = (*rows.cells, Cell("trend", purpose, "\n".join(compute), 2), chart)
    return Recipe(_goals(task, time), cells, lambda shown: _tell_line(task, time, shown))


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
    time, key = rows.time or "", quoted(group.name)
    compute = _chosen_groups(task, rows)
    by = f"{rows.frame}.groupby([{quoted(time)}, {key}]{rows.observed})"
    table = identifier(task.statistic, "by", time)
    method = AGGREGATE[task.statistic]
    measure = SHARE if task.part else task.measures[0].name if task.measures else ""
    picked = f"[{quoted(measure)}].{method}()" if measure else ".size()"
    compute += [
        f"{table} = {by}{picked}.unstack({key})",
        f"display({table}.round(2))",
        "",
        "lines = {}",
        f"for name in {table}.columns:",
        f"    values = {table}[name].dropna().to_dict()",
        "    first, last = min(values), max(values)",
        "    lines[name] = {",
        '        "first": first,',
        '        "value in first": round(values[first], 4),',
        '        "last": last,',
        '        "value in last": round(values[last], 4),',
        '        "change": round(values[last] - values[first], 4),',
        "    }",
        '{"groups": len(lines), "rows shown": len(' + rows.frame + '), "lines": lines}',
    ]
    chart = chart_cell(
        [
            f"for name in {table}.columns:",
            f'    ax.plot({table}.index, {table}[name], marker="o", label=str(name))',
            f"ax.legend(title={quoted(group.name)})",
            *time_ticks(task, f"{table}.index"),
            *grouped_digits("y", task),
        ],
        title=f"{_title(task, time)} and {group.name}",
        x=time,
        y=measured_label(task),
        step=3,
        purpose=f"Draw one line per {group.name}"[:80],
    )
    cells = (
        *rows.cells,
        Cell("trend", f"Compute it per {time} and group", "\n".join(compute), 2),
        chart,
    )
    return Recipe(_goals(task, time), cells, lambda shown: _tell_groups(task, shown))


def _chosen_groups(task: DataTask, rows: Prepared) -> list[str]:
    """Keep the members asked for, or the groups with most rows where there are too many lines."""
    key = f"{rows.frame}[{quoted(task.groups[0].name)}]"
    if task.members:
        wanted = [value for member in task.members for value in member.values]
        listing = ", ".join(map(quoted, wanted))
        if all(member.whole for member in task.members):
            return [f"{rows.frame} = {rows.frame}[{key}.isin([{listing}])]"]
    if task.groups[0].distinct <= _MANY:
        return []
    return [
        f"largest = {key}.value_counts().head({_MANY}).index",
        f"{rows.frame} = {rows.frame}[{key}.isin(largest)]",
    ]


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

SPAN = (
    '    "incomplete": incomplete,',
    '    "data from": str(start.date()),',
    '    "data to": str(end.date()),',
)
"""Entries of the shown result that :func:`incomplete` reads."""


def adds_up(task: DataTask) -> bool:
    """Whether a period that is cut short has a smaller value for that reason alone."""
    axis = task.time
    return axis is not None and axis.grain in _NAMES and task.statistic in ("sum", "rows")


def whole_periods(task: DataTask, rows: Prepared) -> list[str]:
    """Return lines that make ``compared`` of ``by_period``, without the periods cut short."""
    axis = task.time
    if axis is None or not adds_up(task):
        return ["compared = by_period"]
    return [
        f"dates = {rows.frame}[{quoted(axis.column.name)}]",
        "start, end = dates.min(), dates.max()",
        "gap = dates.drop_duplicates().sort_values().diff().median()",
        f"slack = max(pd.Timedelta(days={_SLACK[axis.grain]}), 1.5 * gap)",
        "",
        "",
        "def period(moment):",
        f"    return {_NAMES[axis.grain]}",
        "",
        "",
        "cut = {period(start)} if period(start - slack) == period(start) else set()",
        "cut |= {period(end)} if period(end + slack) == period(end) else set()",
        "compared = {name: value for name, value in by_period.items() if name not in cut}",
        "if len(compared) < 2:",
        "    compared, cut = by_period, set()",
        "incomplete = sorted(cut)",
    ]


def incomplete(shown: Shown) -> tuple[str, ...]:
    """Say which periods were left out of the comparison, and why."""
    names = [str(name) for name in shown.get("incomplete", ())]
    if not names:
        return ()
    verb = "is" if len(names) == 1 else "are"
    span = f"the rows run from {shown['data from']} to {shown['data to']}"
    return (f"{listed(names)} {verb} left out of this comparison as incomplete: {span}.",)

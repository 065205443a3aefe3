"""Recipes about groups and time: ranked, the best of each group, compared, and changing.

Periods that the data cover in part are left out of comparisons of sums and counts. Pure; each
recipe takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

from analyst_kernel.offline.column_roles import is_year
from analyst_kernel.offline.recipes.prose import (
    answer,
    axis_label,
    basis,
    called,
    capital,
    dropped,
    figure,
    goals,
    item,
    listed,
    mean_note,
    measured_label,
    measured_unit,
    of_measure,
    period,
    rows_of,
    share,
)
from analyst_kernel.offline.recipes.recipe import (
    Code,
    KeyValue,
    Recipe,
    RecipeAnswer,
    Results,
    bar_values,
    chart_cell,
    code,
    grouped_digits,
    identifier,
    is_month,
    quoted,
    time_ticks,
)
from analyst_kernel.offline.recipes.rows import AGGREGATE, SHARE, prepare, stays
from analyst_kernel.offline.task import DataTask, Grain
from analyst_kernel.protocol.datasets import ColumnProfile

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


def _measured(task: DataTask) -> str:
    """Return the column of the rows used that is computed with; empty where rows are counted."""
    return SHARE if task.part else task.measures[0].name if task.measures else ""


def groups(task: DataTask) -> Recipe:
    """Answer with a statistic of a measure per group (or per two groups), ranked."""
    rows = prepare(task)
    keys = [column.name for column in task.groups] or [rows.time]
    ranked_by = " and ".join(keys)
    table = identifier("by", *keys)
    show = task.top or 10
    method = AGGREGATE[task.statistic]
    steps = goals("groups/groups", task, ranked_by=ranked_by)
    compute = rows.cell(
        "groups/groups",
        steps[1],
        keys=keys,
        table=table,
        measure=_measured(task),
        method=str(method),
        method_name=method,
        ascending=task.direction < 0 or task.statistic == "min",
        show=show,
        listed=max(show, 10),
    )
    drawn = _drawn(task)
    bars = code("groups/bars", table=table, drawn=drawn, names=_bar_names(task, len(keys)))
    chart = chart_cell(
        bars,
        after=bar_values(task),
        title=f"{capital(of_measure(task))} by {ranked_by}{_left_out(task, drawn)}",
        x=measured_label(task),
        y=ranked_by,
        purpose="Draw the groups as bars",
        grid="x",
    )
    return Recipe(steps, (*rows.cells, compute, chart), partial(_compose_groups, task))


def _drawn(task: DataTask) -> int:
    """Return how many bars one chart carries: all where they are few, else the first ones."""
    groups = _possible_groups(task)
    return max(groups, 1) if task.top is None and groups <= 15 else min(max(task.top or 10, 10), 20)


def _possible_groups(task: DataTask) -> int:
    columns = task.groups or ((task.time.column,) if task.time is not None else ())
    return prod(column.distinct for column in columns)


def _bar_names(task: DataTask, keys: int) -> list[Code]:
    if keys > 1:
        joined = '", ".join(map(str, names))'
        if _drawn(task) > 10:  # no room for a second line
            return [Code(f"names = [{joined} for names in shown.index]")]
        wrapped = f"textwrap.fill({joined}, 36)"
        return [Code("import textwrap\n"), Code(f"names = [{wrapped} for names in shown.index]")]
    if task.time is not None and not task.groups and is_month(task.time):
        names = "[calendar.month_name[int(number)] for number in shown.index]"
        return [Code("import calendar"), Code(f"names = {names}")]
    return [Code("names = [str(name)[:40] for name in shown.index]")]


def _left_out(task: DataTask, drawn: int) -> str:
    """Return the end of a title that says that not every group is drawn."""
    groups = _possible_groups(task)
    if groups <= drawn or (task.time is not None and task.time.grain != "value"):
        return ""
    rank = "lowest" if task.direction < 0 or task.statistic == "min" else "highest"
    whole = "" if task.filters or len(task.groups) > 1 else f" of {groups}"
    return f" ({drawn} {rank}{whole})"


def _compose_groups(task: DataTask, results: Results) -> RecipeAnswer:
    shown, column = results["groups"], _single_key(task)
    named, of = _naming(task), measured_unit(task)
    values: dict[Any, Any] = shown["values"]
    names = list(values)
    best = names[0]
    rank = "lowest" if task.direction < 0 else "highest"
    last = next(iter(shown["last"]), None)
    measured = bool(task.measures or task.part)
    small = [name for name in names[:5] if measured and shown["rows"][name] < 10]
    said = listed(f"{named(n)} ({figure(shown['rows'][n])})" for n in small)
    note = "Groups are ranked by the arithmetic mean; every row counts once."
    return answer(
        "groups/groups",
        task,
        results,
        [KeyValue(named(name), values[name], of) for name in names[:5]],
        notes=[note] if task.statistic == "mean" else [],
        caveats=[f"Some groups have very few rows: {said}."] if small else [],
        named=named,
        best=best,
        # Names that are data keep their spelling; our own words get a capital.
        first=named(best) if column is not None and column.kind == "text" else capital(named(best)),
        what=of_measure(task),
        key=called(column) if column is not None else listed(called(c) for c in task.groups),
        rank=rank,
        over=f" over {rows_of(shown['rows'][best])}" if measured else "",
        next=[f"{named(name)} ({figure(values[name], of)})" for name in names[1:5]],
        last=last if last not in names[:5] else None,
        opposite="highest" if rank == "lowest" or task.statistic == "min" else "lowest",
    )


def _naming(task: DataTask) -> Callable[[Any], str]:
    """Return how the values of the key are called in prose."""
    axis = task.time if not task.groups else None
    if axis is not None:
        return lambda value: period(value, axis)
    if len(task.groups) == 2:
        first, second = task.groups
        return lambda value: f"{item(value[0], first)}, {item(value[1], second)}"
    column = _single_key(task)
    return lambda value: item(value, column)


def _single_key(task: DataTask) -> ColumnProfile | None:
    if len(task.groups) == 1:
        return task.groups[0]
    if not task.groups and task.time is not None:
        return task.time.column if task.time.grain == "value" else None
    return None


def best_per_group(task: DataTask) -> Recipe:
    """Answer with the periods (or items) of each group with the highest or lowest value."""
    entity, part = _entity_and_part(task)
    rows = prepare(task)
    entity_name = entity.name if entity is not None else rows.time
    part_name = part.name if part is not None else rows.time
    measure = task.measures[0]
    table = identifier(task.statistic, measure.name)
    word = "lowest" if task.direction < 0 else "highest"
    compute = rows.cell(
        "groups/best",
        "Rank within each group",
        entity=entity_name,
        part=part_name,
        measure=measure.name,
        method=str(AGGREGATE[task.statistic]),
        table=table,
        word=Code(word),
        word_text=word,
        low=task.direction < 0,
        high=task.direction > 0,
    )
    over_time = entity is None or (task.time is not None and entity == task.time.column)
    chart = chart_cell(
        code("time/lines", table=table, legend=part_name)
        if over_time
        else code("groups/bars of best", table=table, entity=entity_name),
        after=[
            *(time_ticks(task, f"{table}.index") if over_time else ()),
            *grouped_digits("y", task),
        ],
        title=f"{capital(of_measure(task))} by {entity_name} and {part_name}",
        x=entity_name if over_time else part_name,
        y=axis_label(measure, task.profile),
        purpose="Draw it for each group",
    )
    steps = goals("groups/best", task, entity=entity_name, part=part_name, word=word)
    compose = partial(_compose_best, task, entity_name)
    return Recipe(steps, (*rows.cells, compute, chart), compose)


def _entity_and_part(task: DataTask) -> tuple[ColumnProfile | None, ColumnProfile | None]:
    """Return what is ranked and within what; ``None`` is the time axis cut by grain."""
    if task.time is None:
        return task.groups[0], task.groups[1]
    return (task.time.column if task.time.grain == "value" else None), task.groups[0]


def _compose_best(task: DataTask, entity: str, results: Results) -> RecipeAnswer:
    shown, of = results["best"], measured_unit(task)
    word = "lowest" if task.direction < 0 else "highest"
    ranked: dict[Any, dict[Any, Any]] = shown[word]
    column = next((c for c in task.profile.columns if c.name == entity), None)
    axis = task.time if task.time is not None and column in (None, task.time.column) else None

    def named(value: Any) -> str:
        return period(value, axis) if axis is not None else item(value, column)

    place = "at" if axis is not None else "for"
    winners, values, runners_up = [], [], []
    for name, best in ranked.items():
        if not best:
            continue
        first = next(iter(best))
        winners.append(f"{named(first)} {place} {item(name)} ({figure(best[first], of)})")
        values.append(KeyValue(f"{item(name)}: {named(first)}", best[first], of))
        others = list(best)[1:]
        after = listed(f"{named(other)} ({figure(best[other], of)})" for other in others)
        worst = shown["opposite"].get(name, {})
        low = next(iter(worst), None)
        tail = (
            f"; the {'highest' if word == 'lowest' else 'lowest'} is {named(low)} "
            f"({figure(worst[low], of)})"
            if low is not None and low not in others
            else ""
        )
        if after:
            runners_up.append(f"{capital(place)} {item(name)}, next: {after}{tail}.")
    return answer(
        "groups/best",
        task,
        results,
        values,
        notes=["Ranked by the arithmetic mean of all rows."] if task.statistic == "mean" else [],
        entity=entity,
        word=word,
        winners=winners,
        runners_up=runners_up,
    )


def compare(task: DataTask) -> Recipe:
    """Answer how a measure differs between groups."""
    group, measure = task.groups[0], task.measures[0]
    rows = prepare(task)
    single = all(member.whole and len(member.values) == 1 for member in task.members)
    whole_values = [member.values[0] for member in task.members] if single else []
    fliers = ", showfliers=False" if stays(task.profile) else ""
    compute = rows.cell(
        "relation/compare",
        "Compare mean, median and spread",
        group=group.name,
        measure=measure.name,
        sides=[] if single else [(m.label, m.values, m.whole) for m in task.members],
        kept=whole_values,
        as_text=Code(".astype(str)" if group.kind == "bool" else ""),
        by=group.name if single else Code("side"),
    )
    chart = chart_cell(
        code("relation/boxes", fliers=Code(fliers)),
        after=grouped_digits("y", task),
        title=f"{axis_label(measure, task.profile)} by {group.name}"
        + (" (outliers not drawn)" if fliers else ""),
        x=group.name,
        y=axis_label(measure, task.profile),
        purpose="Draw the groups as box plots",
        grid="y",
    )
    keys = {"key": quoted(group.name), "value": quoted(measure.name)}
    steps = goals("relation/compare", task, **keys)
    return Recipe(steps, (*rows.cells, compute, chart), partial(_compose_comparison, task))


def _judged(task: DataTask, shown: Mapping[str, Any]) -> str:
    """Return whether the claim of the question holds of its two sides; empty if it claims nothing.

    A difference whose 95 % interval holds zero is not clear.
    """
    means = {str(name): mean for name, mean in shown["mean"].items()}
    sides = [member.label for member in task.members]
    if not task.direction or set(sides) != set(means):
        return ""
    low, high = shown["95 % interval"]
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return ""  # a side of one row has no spread
    if not low > 0:
        return "Not clearly"
    holds = (means[sides[0]] - means[sides[1]]) * task.direction > 0
    return "Yes" if holds else "No"


def _compose_comparison(task: DataTask, results: Results) -> RecipeAnswer:
    shown, rows = results["compare"], results["rows"]
    of = measured_unit(task)
    means: dict[Any, Any] = shown["mean"]
    names = list(means)
    if len(names) < 2:
        only = f"{item(names[0])} ({figure(means[names[0]], of)})" if names else "none"
        head = f"There are not two groups to compare: rows with both values exist only for {only}."
        return RecipeAnswer((head, basis(task, rows)), (), task.assumptions, dropped(rows))
    low = next(iter(shown["lowest"]))
    percent, interval = shown["difference in percent"], shown["95 % interval"]
    relative = percent is not None and shown["lowest"][low] > 0 and of != "%"
    verdict = _judged(task, shown)
    values = [KeyValue(f"Mean for {item(name)}", means[name], of) for name in names[:4]]
    return answer(
        "relation/compare",
        task,
        results,
        [*values, KeyValue("Difference", shown["difference"], of)],
        notes=[f"Groups of {called(task.groups[0])} are compared by the arithmetic mean."],
        means=means,
        high=names[0],
        low=low,
        two=len(names) == 2,
        by=f", {share(percent)}" if relative else "",
        verdict=f"{verdict}: a" if verdict else "A",
        medians=[
            f"{item(name)} {figure(shown['median'][name], of)} (n = {figure(shown['rows'][name])})"
            for name in names[:5]
        ],
        between=[f"{item(name)} ({figure(means[name], of)})" for name in names[1:-1][:4]],
        interval=interval,
        bounded=all(isinstance(end, int | float) for end in interval),
    )


def trend(task: DataTask) -> Recipe:
    """Answer how a measure, or the number of rows, changed over time; also of each group."""
    assert task.time is not None
    rows = prepare(task)
    time, measure = rows.time, _measured(task)
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
        lines = code("time/line", series=drawn)
        purpose = f"Draw the {of} by {time} as a line"
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

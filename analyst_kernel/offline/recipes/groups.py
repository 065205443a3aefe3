"""Recipes about groups and periods: ranked, the best of each group, and compared.

Pure; each recipe takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

from analyst_kernel.offline.recipes.on_disk import (
    fits,
    grouped_query,
    overall_query,
    rows_cell,
)
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
    measured_label,
    measured_unit,
    of_measure,
    period,
    rows_of,
    share,
    unit,
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
from analyst_kernel.offline.recipes.rows import (
    AGGREGATE,
    measured_name,
    number_type,
    prepare,
    stays,
)
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile


def groups(task: DataTask) -> Recipe:
    """Answer with a statistic of a measure per group (or per two groups), ranked."""
    rows = prepare(task)
    keys = [column.name for column in task.groups]
    keys += [rows.time] if task.time is not None else []
    ranked_by = " and ".join(keys)
    table = identifier("by", *keys)
    show = task.top or 10
    method = AGGREGATE[task.statistic]
    steps = goals("groups/groups", task, ranked_by=ranked_by)
    on_disk = fits(task)
    first = (rows_cell(task, (*task.groups, *task.measures)),) if on_disk else rows.cells
    compute = rows.cell(
        "groups/groups",
        steps[1],
        keys=keys,
        table=table,
        measure=measured_name(task),
        method=str(method),
        method_name=method,
        ascending=task.direction < 0 or task.statistic == "min",
        show=show,
        listed=max(show, 10),
        of_total=task.of_total,
        figure=number_type(task),
        query=grouped_query(task) if on_disk else "",
        overall_query=overall_query(task) if on_disk and task.measures else "",
    )
    drawn = _drawn(task)
    flat = task.chart in ("pie", "stacked", "heat")
    bars = code(
        f"groups/{task.chart if flat else 'bars'}",
        table=table,
        drawn=drawn,
        names=_bar_names(task, len(keys)),
    )
    if flat:
        chart = chart_cell(
            bars,
            title=f"{capital(of_measure(task))} by {ranked_by}",
            x="" if task.chart == "pie" else keys[0] if task.chart == "stacked" else keys[-1],
            y={"pie": "", "stacked": measured_label(task)}.get(task.chart, keys[0]),
            purpose=f"Draw the groups as {_DRAWN[task.chart]}",
            grid="y" if task.chart == "stacked" else "both",
        )
        return Recipe(steps, (*first, compute, chart), partial(_compose_groups, task))
    chart = chart_cell(
        bars,
        after=bar_values(task),
        title=f"{capital(of_measure(task))} by {ranked_by}{_left_out(task, drawn)}",
        x=measured_label(task),
        y=ranked_by,
        purpose="Draw the groups as bars",
        grid="x",
    )
    return Recipe(steps, (*first, compute, chart), partial(_compose_groups, task))


_DRAWN = {"pie": "a pie", "stacked": "stacked bars", "heat": "a heat map"}


def _drawn(task: DataTask) -> int:
    """Return how many bars one chart carries: all where they are few, else the first ones."""
    groups = _possible_groups(task)
    if task.chart == "pie":
        return max(groups, 400)
    return max(groups, 1) if task.top is None and groups <= 15 else min(max(task.top or 10, 10), 20)


def _possible_groups(task: DataTask) -> int:
    columns = (*task.groups, *((task.time.column,) if task.time is not None else ()))
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
    shows = len(names) if shown["groups"] <= 10 or task.top else 5
    measured = bool(task.measures or task.part)
    small = [name for name in names[:5] if measured and shown["rows"][name] < 10]
    said = listed(f"{named(n)} ({figure(shown['rows'][n])})" for n in small)
    note = "Groups are ranked by the arithmetic mean; every row counts once."
    return answer(
        "groups/groups",
        task,
        results,
        [KeyValue(named(name), values[name], of) for name in names[:shows]],
        notes=[note] if task.statistic == "mean" else [],
        caveats=[f"Some groups have very few rows: {said}."] if small else [],
        named=named,
        best=best,
        # Names that are data keep their spelling; our own words get a capital.
        first=named(best) if column is not None and column.kind == "text" else capital(named(best)),
        what=of_measure(task),
        key=called(column) if column is not None else listed(_keys(task)),
        rank=rank,
        over=f" over {rows_of(shown['rows'][best])}" if measured else "",
        next=[f"{named(name)} ({figure(values[name], of)})" for name in names[1:shows]],
        last=last if last not in names[:shows] else None,
        raw=unit(task.measures[0], task.profile) if task.measures else "rows",
        opposite="highest" if rank == "lowest" or task.statistic == "min" else "lowest",
    )


def _keys(task: DataTask) -> list[str]:
    time = [task.time.word] if task.time is not None else []
    return [*(called(column) for column in task.groups), *time]


def _naming(task: DataTask) -> Callable[[Any], str]:
    """Return how the values of the key are called in prose."""
    axis = task.time if not task.groups else None
    if axis is not None:
        return lambda value: period(value, axis)
    if task.groups and task.time is not None:
        plain, along = task.groups[0], task.time
        return lambda value: f"{item(value[0], plain)}, {period(value[1], along)}"
    if len(task.groups) == 2:
        first, second = task.groups
        return lambda value: f"{item(value[0], first)}, {item(value[1], second)}"
    column = _single_key(task)
    return lambda value: item(value, column)


def _single_key(task: DataTask) -> ColumnProfile | None:
    if len(task.groups) == 1 and task.time is None:
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

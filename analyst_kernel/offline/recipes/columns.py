"""Recipes about one column (its values, outliers, counts, first rows) or the relation of two.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from analyst_kernel.offline.column_roles import is_id, is_number, may_overflow
from analyst_kernel.offline.recipes.on_disk import (
    count_cells,
    counted_query,
    fits,
    rows_cell,
    scalar_cells,
)
from analyst_kernel.offline.recipes.prose import (
    answer,
    axis_label,
    capital,
    figure,
    goals,
    item,
    listed,
    mean_note,
    measured_unit,
    of_measure,
    rows_of,
    share,
    unit,
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
    literal,
    quoted,
)
from analyst_kernel.offline.recipes.rows import (
    AGGREGATE,
    SHARE,
    categories,
    number_type,
    prepare,
    stays,
    variable,
    whole_type,
)
from analyst_kernel.offline.recipes.tables import row_count
from analyst_kernel.offline.task import DataTask

_GROUPS = 8
"""Groups within which a relation is looked at, too."""

_POINTS = 5_000
"""Points of one scatter plot of a dataset that stays on disk."""


def distribution(task: DataTask) -> Recipe:
    """Answer how the values of a column are spread: a histogram of numbers, else counts."""
    column = task.measures[0]
    if not is_number(column):
        counted = replace(task, groups=task.measures, measures=(), direction=1, statistic="rows")
        return top_values(counted)
    rows = prepare(task)
    values = variable(column, task)
    purpose = "Summarise the values"
    summary = rows.cell(
        "columns/distribution",
        purpose,
        values=values,
        column=column.name,
        number=whole_type(column),
    )
    chart = (
        chart_cell(
            code("columns/box", values=values),
            title=f"Box plot of {axis_label(column, task.profile)}",
            x="",
            y=axis_label(column, task.profile),
            purpose="Draw a box plot",
            grid="y",
        )
        if task.chart == "box"
        else _histogram(task, "columns/histogram with middle", 3)
    )
    steps = goals("columns/distribution", task)
    return Recipe(steps, (*rows.cells, summary, chart), partial(_compose_distribution, task))


def _histogram(task: DataTask, template: str, step: int) -> Cell:
    column = task.measures[0]
    label = axis_label(column, task.profile)
    bins = min(max(column.distinct, 5), 40)
    return chart_cell(
        code(template, values=variable(column, task), bins=bins),
        title=f"Distribution of {label}",
        x=label,
        y="rows",
        step=step,
        purpose="Draw a histogram",
        grid="y",
    )


def _compose_distribution(task: DataTask, results: Results) -> RecipeAnswer:
    shown, of = results["distribution"], measured_unit(task)
    mean, median, spread = shown["mean"], shown["median"], shown["standard deviation"]
    side = ""
    if isinstance(spread, float) and spread > 0 and abs(mean - median) > 0.15 * spread:
        side = "above" if mean > median else "below"
    values = [
        KeyValue(name.capitalize(), shown[name], of)
        for name in ("median", "mean", "standard deviation", "minimum", "maximum")
        if shown[name] is not None
    ]
    return answer("columns/distribution", task, results, values, side=side)


def outliers(task: DataTask) -> Recipe:
    """Find values far outside the middle half of a column (the rule of the box plot)."""
    column = task.measures[0]
    labels = _labels(task, 3)
    rows = prepare(task, labels=labels)
    values = variable(column, task)
    template, purpose = "columns/outliers", "Find values beyond the whiskers"
    found = rows.cell(
        template,
        purpose,
        values=values,
        column=column.name,
        labels=labels,
        number=whole_type(column),
    )
    chart = chart_cell(
        code("columns/box", values=values),
        title=f"Box plot of {axis_label(column, task.profile)}",
        x="",
        y=axis_label(column, task.profile),
        purpose="Draw a box plot",
        grid="y",
    )
    steps = goals(template, task)
    return Recipe(steps, (*rows.cells, found, chart), partial(_compose_outliers, task))


def _compose_outliers(task: DataTask, results: Results) -> RecipeAnswer:
    shown, of = results["outliers"], measured_unit(task)
    rule = (
        f"An outlier lies more than {shown['factor']} times the interquartile range outside "
        "the quartiles."
    )
    values = (
        KeyValue("Outliers", shown["outliers"]),
        KeyValue("Lower bound", shown["lower bound"], of),
        KeyValue("Upper bound", shown["upper bound"], of),
    )
    caveat = "An outlier by this rule need not be an error."
    return answer("columns/outliers", task, results, values, notes=[rule], caveats=[caveat])


def _labels(task: DataTask, count: int) -> list[str]:
    """Return names of columns that identify a row for a reader."""
    rows = task.profile.dataset.rows
    skip = {column.name for column in task.measures}
    if stays(task.profile):  # names that differ in every row would not fit into memory
        texts = {column.name for column in task.profile.columns if column.kind == "text"}
        skip |= texts - {column.name for column in categories(task.profile, list(texts))}
    good = [
        column.name
        for column in task.profile.columns
        if column.name not in skip
        and column.distinct > 1
        and (column.kind in ("text", "date") or (is_id(column, rows) and not is_number(column)))
        and (column.max_length or 0) <= 60
        and column.nulls < 0.5 * (rows or 1)
    ]
    varied = [column.name for column in task.profile.columns if column.distinct > 1]
    time = [name for name in varied if name.casefold() in ("year", "month")][:1]
    return [*good[: count - len(time)], *time]


def scalar(task: DataTask) -> Recipe:
    """Answer with one statistic of a column; for a maximum or minimum also where it occurs."""
    if task.part:
        return _share(task)
    column = task.measures[0]
    extreme = task.statistic in ("max", "min")
    large = task.statistic == "sum" and may_overflow(column, task.profile.dataset.rows)
    labels = _labels(task, 3) if extreme else []
    if fits(task):
        cells = scalar_cells(task, labels)
        return Recipe(goals("columns/scalar", task), cells, partial(_compose_scalar, task))
    rows = prepare(task, labels=labels)
    values = variable(column, task)
    number = rows.cell(
        "columns/scalar",
        "Compute the number asked for",
        values=values,
        column=column.name,
        labels=labels,
        statistic=task.statistic,
        method=Code("astype(object).sum") if large else AGGREGATE[task.statistic],
        extreme=extreme,
        figure=number_type(task),
        number=whole_type(column),
    )
    parts = [*rows.cells, number]
    if task.wants_chart:
        parts.append(_histogram(task, "chart/histogram", 2))
    return Recipe(goals("columns/scalar", task), tuple(parts), partial(_compose_scalar, task))


def _compose_scalar(task: DataTask, results: Results) -> RecipeAnswer:
    shown = results["scalar"]
    example = [f"{name} {item(value)}" for name, value in shown.get("example", {}).items()]
    std = task.statistic == "std"
    notes = ("The standard deviation is that of a sample.",) if std else mean_note(task)
    values = (
        KeyValue(capital(of_measure(task)), shown["result"], measured_unit(task)),
        KeyValue("Rows", results["rows"]["rows used"]),
    )
    return answer("columns/scalar", task, results, values, notes=notes, example=example)


def _share(task: DataTask) -> Recipe:
    """Answer what part of the rows that meet the conditions meets others too."""
    rows = prepare(task)
    met = rows.cell("columns/share", "Count those that meet it", column=SHARE)
    steps = goals("columns/share", task)
    return Recipe(steps, (*rows.cells, met), partial(_compose_share, task))


def _compose_share(task: DataTask, results: Results) -> RecipeAnswer:
    shown = results["share"]
    values = (
        KeyValue("Share", shown["share in percent"], "%"),
        KeyValue("Rows that match", shown["rows that match"]),
        KeyValue("Rows", shown["rows"]),
    )
    return answer("columns/share", task, results, values)


def count(task: DataTask) -> Recipe:
    """Answer how many rows there are, or how many meet the conditions."""
    if not task.filters:
        return row_count(task)
    steps = goals("columns/count", task)
    if fits(task):
        return Recipe(steps, count_cells(task), partial(_compose_count, task))
    columns = dict.fromkeys(found.column.name for found in task.filters)
    rows = prepare(task)
    gaps = ", ".join(f"{quoted(c)}: int({rows.source}[{quoted(c)}].isna().sum())" for c in columns)
    counted = rows.cell("columns/count", "Count the rows", whole=rows.source, gaps=Code(gaps))
    return Recipe(steps, (*rows.cells, counted), partial(_compose_count, task))


def _compose_count(task: DataTask, results: Results) -> RecipeAnswer:
    shown = results["count"]
    gaps = [
        f"{figure(gap)} rows have no `{column}`"
        for column, gap in dict(shown["rows without a value"]).items()
        if gap
    ]
    values = (
        KeyValue("Rows that match", shown["rows that match"]),
        KeyValue("Share", shown["share in percent"], "%"),
    )
    caveats = (f"{listed(gaps)}; they do not match.",) if gaps else ()
    notes = ("One row counts as one; the share is of all rows.",)
    return answer("columns/count", task, results, values, notes=notes, caveats=caveats)


def top_values(task: DataTask) -> Recipe:
    """Answer how often each value of a column occurs, the commonest (or rarest) first."""
    column = task.groups[0]
    rows = prepare(task)
    show = task.top or min(10, max(column.distinct, 1))
    rare = task.direction < 0
    drawn = min(max(show, 5), 20)
    whole = "" if task.filters else f" of {column.distinct}"
    cut = f" ({drawn} {'rarest' if rare else 'most common'}{whole})"
    cut = cut if column.distinct > drawn and not task.members else ""
    wanted = [value for member in task.members if member.whole for value in member.values]
    counts = rows.cell(
        "columns/top values",
        "Count the rows of each value",
        column=column.name,
        only=Code(f".loc[lambda found: found.index.isin({literal(wanted)})]" if wanted else ""),
        rare=rare,
        show=show,
        query=counted_query(task) if fits(task) else "",
        listed=max(show, 10),
    )
    pie = task.chart == "pie"
    chart = chart_cell(
        code(f"columns/{'pie' if pie else 'bars'} of top values", drawn=drawn),
        after=[] if pie else grouped_digits("x", task),
        title=f"Rows by {column.name}{cut}",
        x="" if pie else "rows",
        y="" if pie else column.name,
        purpose=f"Draw the counts as {'a pie' if pie else 'bars'}",
        grid="x",
    )
    steps = goals("columns/top values", task)
    first = (rows_cell(task, task.groups),) if fits(task) else rows.cells
    return Recipe(steps, (*first, counts, chart), partial(_compose_counts, task))


def _compose_counts(task: DataTask, results: Results) -> RecipeAnswer:
    column, shown = task.groups[0], results["top values"]
    counted, percent = shown["rows"], shown["percent"]
    names = list(counted)
    others = [
        f"{item(n, column)} ({rows_of(counted[n])}, {share(percent[n])})"
        for n in names[1 : max(task.top or 6, 2)][:11]
    ]
    values = [
        KeyValue(item(n, column), percent[n], "%")
        if task.of_total
        else KeyValue(item(n, column), counted[n], "rows")
        for n in names[:10]
    ]
    found = answer("columns/top values", task, results, values, names=names, others=others)
    return found if names else RecipeAnswer(found.sentences)


def distinct(task: DataTask) -> Recipe:
    """Answer how many different values a column has."""
    column = task.groups[0]
    rows = prepare(task)
    on_disk = fits(task)
    counts = rows.cell(
        "columns/distinct",
        "Count the different values",
        column=column.name,
        query=counted_query(task) if on_disk else "",
    )
    steps = goals("columns/distinct", task)
    first = (rows_cell(task, task.groups),) if on_disk else rows.cells
    return Recipe(steps, (*first, counts), partial(_compose_distinct, task))


def _compose_distinct(task: DataTask, results: Results) -> RecipeAnswer:
    column, counted = task.groups[0], results["distinct"]["rows"]
    return answer(
        "columns/distinct",
        task,
        results,
        [KeyValue("Different values", results["distinct"]["different values"])],
        notes=["Values count as different when they are spelled differently."],
        once=max(counted.values(), default=0) == 1,
        names=[item(n, column) for n in counted],
        common=[f"{item(n, column)} ({figure(c)})" for n, c in counted.items()],
    )


def top_rows(task: DataTask) -> Recipe:
    """Answer with the rows with the highest (or lowest) values of a column."""
    column = task.measures[0]
    labels = _labels(task, 4)
    rows = prepare(task, labels=labels)
    top = rows.cell(
        "columns/top rows",
        "Sort the rows and keep the first",
        column=column.name,
        labels=labels,
        largest=Code("nsmallest" if task.direction < 0 else "nlargest"),
        show=task.top or 5,
    )
    steps = goals("columns/top rows", task)
    return Recipe(steps, (*rows.cells, top), partial(_compose_rows, task))


def _compose_rows(task: DataTask, results: Results) -> RecipeAnswer:
    shown, of = results["top rows"], measured_unit(task)
    values = shown["values"]
    names = [" ".join(filter(None, parts)) or "one row" for parts in shown["names"]]
    found = list(zip(names, values, strict=True))
    caveats = []
    if shown["last value shown is repeated beyond"]:
        caveats.append(
            f"{figure(shown['rows with the last value shown'])} rows share the last value shown, "
            f"{figure(values[-1], of)}; only some of them are listed."
        )
    return answer(
        "columns/top rows",
        task,
        results,
        [KeyValue(name, value, of) for name, value in found[:5]],
        caveats=caveats,
        best=values[0],
        first=names[0],
        others=[f"{name} ({figure(value, of)})" for name, value in found[1:]],
    )


def correlation(task: DataTask) -> Recipe:
    """Answer whether two columns of numbers move together."""
    x, y = task.measures[:2]
    rows = prepare(task, columns=(x, y, *task.groups))
    a, b = variable(x, task), variable(y, task)
    if a == b:
        b = Code(f"{b}_2")
    group = task.groups[0] if task.groups else None
    sampled = stays(task.profile) and (task.profile.dataset.rows or 0) > _POINTS
    shared = {"a": a, "b": b, "x": x.name, "y": y.name, "group": group.name if group else None}
    chart = chart_cell(
        code(
            "relation/scatter",
            **shared,
            frame=rows.frame,
            drawn=Code(f"{rows.frame}_drawn") if sampled else rows.frame,
            points=_POINTS if sampled else 0,
            coloured=group is not None and group.distinct <= _GROUPS,
        ),
        title=f"{axis_label(y, task.profile)} against {axis_label(x, task.profile)}"
        + (f" ({_POINTS:,} rows drawn at random)" if sampled else ""),
        x=axis_label(x, task.profile),
        y=axis_label(y, task.profile),
        purpose="Draw both columns as a scatter plot",
    )
    steps = goals("relation/relation", task, x=x, y=y)
    purpose = "Compute correlation and slope"
    compute = rows.cell("relation/relation", purpose, **shared, most=_GROUPS)
    return Recipe(steps, (*rows.cells, compute, chart), partial(_compose_relation, task))


def _compose_relation(task: DataTask, results: Results) -> RecipeAnswer:
    (x, y), shown = task.measures[:2], results["relation"]
    r, uy = shown["r"], unit(y, task.profile)
    group = task.groups[0] if task.groups else None
    strength = "strong" if abs(r or 0) >= 0.7 else "moderate" if abs(r or 0) >= 0.4 else "weak"
    found = answer(
        "relation/relation",
        task,
        results,
        notes=["r is Pearson's correlation."],
        x=x,
        y=y,
        r=r,
        verdict=_verdict(task, r or 0),
        strength=strength,
        group=group,
        within=[
            f"r = {figure(inside['r'])} for {item(name, group)} (n = {figure(inside['rows'])})"
            for name, inside in (shown["within"].items() if group and r is not None else ())
        ],
        most=_GROUPS,
    )
    if r is None:
        return replace(found, assumptions=task.assumptions)
    caveat = (
        "A correlation does not show that one causes the other, and groups in the data may differ."
    )
    values = (
        KeyValue("Correlation r", r),
        KeyValue("Rows", results["rows"]["rows used"]),
        KeyValue(f"Mean {y.name}, upper half", shown["mean of upper half"], uy),
        KeyValue(f"Mean {y.name}, lower half", shown["mean of lower half"], uy),
    )
    return replace(found, values=values, caveats=(*found.caveats, caveat))


def _verdict(task: DataTask, r: float) -> str:
    """Begin with yes or no where the question claims a direction ("do heavier X have longer Y")."""
    if not task.direction:
        return "R"
    return "Yes: r" if (r > 0) == (task.direction > 0) else "No: r"

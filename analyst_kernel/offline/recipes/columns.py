"""Recipes about single columns: distribution, outliers, one number, counts, the first rows.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from analyst_kernel.offline.column_roles import is_id, is_number
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
    quoted,
)
from analyst_kernel.offline.recipes.rows import (
    AGGREGATE,
    categories,
    prepare,
    stays,
    table_of,
    variable,
)
from analyst_kernel.offline.recipes.tables import row_count
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile


def distribution(task: DataTask) -> Recipe:
    """Answer how the values of a column are spread: a histogram of numbers, else counts."""
    column = task.measures[0]
    if not is_number(column):
        counted = replace(task, groups=task.measures, measures=(), direction=1, statistic="rows")
        return top_values(counted)
    rows = prepare(task, (column,), numeric=(column,))
    values = variable(column, task)
    compute = rows.code("columns/distribution", values=values, column=column.name)
    bars = code("columns/histogram with middle", values=values, bins=_bins(column))
    chart = _histogram(task, bars, 3)
    cells = (*rows.cells, Cell("values", "Summarise the values", compute, 2), chart)
    return Recipe(goals("columns/distribution", task), cells, partial(_compose_distribution, task))


def _bins(column: ColumnProfile) -> int:
    return min(max(column.distinct, 5), 40)


def _histogram(task: DataTask, body: Code, step: int) -> Cell:
    label = axis_label(task.measures[0], task.profile)
    return chart_cell(
        body,
        title=f"Distribution of {label}",
        x=label,
        y="rows",
        step=step,
        purpose="Draw a histogram",
        grid="y",
    )


def _compose_distribution(task: DataTask, results: Results) -> RecipeAnswer:
    shown, of = results["values"], measured_unit(task)
    mean, median, spread = shown["mean"], shown["median"], shown["standard deviation"]
    side = ""
    if isinstance(spread, float) and spread > 0 and abs(mean - median) > 0.15 * spread:
        side = "above" if mean > median else "below"
    values = [
        KeyValue(name.capitalize(), shown[name], of)
        for name in ("median", "mean", "standard deviation", "minimum", "maximum")
        if shown[name] is not None
    ]
    return answer("columns/distribution", task, results, values, shown=shown, side=side)


def outliers(task: DataTask) -> Recipe:
    """Find values far outside the middle half of a column (the rule of the box plot)."""
    column = task.measures[0]
    labels = label_columns(task, 3)
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    values = variable(column, task)
    compute = rows.code(
        "columns/outliers",
        values=values,
        column=column.name,
        labels=[label.name for label in labels],
    )
    chart = chart_cell(
        code("columns/box", values=values),
        title=f"Box plot of {axis_label(column, task.profile)}",
        x="",
        y=axis_label(column, task.profile),
        purpose="Draw a box plot",
        grid="y",
    )
    cells = (*rows.cells, Cell("outliers", "Find values beyond the whiskers", compute, 2), chart)
    return Recipe(goals("columns/outliers", task), cells, partial(_compose_outliers, task))


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


def label_columns(task: DataTask, count: int) -> list[ColumnProfile]:
    """Return columns that identify a row for a reader."""
    rows = task.profile.dataset.rows
    skip = {column.name for column in task.measures}
    if stays(task.profile):  # names that differ in every row would not fit into memory
        texts = {column.name for column in task.profile.columns if column.kind == "text"}
        skip |= texts - {column.name for column in categories(task.profile, list(texts))}
    good = [
        column
        for column in task.profile.columns
        if column.name not in skip
        and column.distinct > 1
        and (column.kind in ("text", "date") or (is_id(column, rows) and not is_number(column)))
        and (column.max_length or 0) <= 60
        and column.nulls < 0.5 * (rows or 1)
    ]
    time = [
        column
        for column in task.profile.columns
        if column.name.casefold() in ("year", "month") and column.distinct > 1
    ]
    return [*good[: count - len(time[:1])], *time[:1]]


def scalar(task: DataTask) -> Recipe:
    """Answer with one statistic of a column; for a maximum or minimum also where it occurs."""
    column = task.measures[0]
    extreme = task.statistic in ("max", "min")
    labels = label_columns(task, 3) if extreme else []
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    values = variable(column, task)
    compute = rows.code(
        "columns/scalar",
        values=values,
        column=column.name,
        labels=[label.name for label in labels],
        statistic=task.statistic,
        method=AGGREGATE[task.statistic],
        extreme=extreme,
    )
    cells = [*rows.cells, Cell("scalar", "Compute the number asked for", compute, 2)]
    if task.wants_chart:
        bars = code("chart/histogram", values=values, bins=_bins(column))
        cells.append(_histogram(task, bars, 2))
    return Recipe(goals("columns/scalar", task), tuple(cells), partial(_compose_scalar, task))


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


def count(task: DataTask) -> Recipe:
    """Answer how many rows there are, or how many meet the conditions."""
    if not task.filters:
        return row_count(task)
    columns = dict.fromkeys(found.column.name for found in task.filters)
    rows = prepare(task, ())
    whole = (
        Code(f"{table_of(task.profile)}_rows") if stays(task.profile) else table_of(task.profile)
    )
    gaps = ", ".join(f"{quoted(c)}: int({whole}[{quoted(c)}].isna().sum())" for c in columns)
    compute = rows.code("columns/count", whole=whole, gaps=Code(gaps))
    cells = (*rows.cells, Cell("count", "Count the rows", compute, 2))
    return Recipe(goals("columns/count", task), cells, partial(_compose_count, task))


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
    rows = prepare(task, (column,))
    show = task.top or min(10, max(column.distinct, 1))
    rare = task.direction < 0
    drawn = min(max(show, 5), 20)
    whole = "" if task.filters else f" of {column.distinct}"
    cut = f" ({drawn} {'rarest' if rare else 'most common'}{whole})"
    cut = cut if column.distinct > drawn and not task.members else ""
    wanted = [value for member in task.members if member.whole for value in member.values]
    compute = rows.code(
        "columns/top values",
        column=column.name,
        only=Code(f".loc[lambda found: found.index.isin({wanted!r})]" if wanted else ""),
        rare=rare,
        show=show,
        listed=max(show, 10),
    )
    chart = chart_cell(
        code("columns/bars of top values", drawn=drawn),
        after=grouped_digits("x", task),
        title=f"Rows by {column.name}{cut}",
        x="rows",
        y=column.name,
        purpose="Draw the counts as bars",
        grid="x",
    )
    cells = (*rows.cells, Cell("counts", "Count the rows of each value", compute, 2), chart)
    return Recipe(goals("columns/top values", task), cells, partial(_compose_counts, task))


def _compose_counts(task: DataTask, results: Results) -> RecipeAnswer:
    column, shown = task.groups[0], results["counts"]
    counted, percent = shown["rows"], shown["percent"]
    names = list(counted)
    others = [
        f"{item(n, column)} ({rows_of(counted[n])}, {share(percent[n])})"
        for n in names[1 : max(task.top or 6, 2)][:11]
    ]
    values = [KeyValue(item(n, column), counted[n], "rows") for n in names[:10]]
    found = answer(
        "columns/top values", task, results, values, shown=shown, names=names, others=others
    )
    return found if names else RecipeAnswer(found.sentences)


def distinct(task: DataTask) -> Recipe:
    """Answer how many different values a column has."""
    column = task.groups[0]
    rows = prepare(task, (column,))
    compute = rows.code("columns/distinct", column=column.name)
    cells = (*rows.cells, Cell("distinct", "Count the different values", compute, 2))
    return Recipe(goals("columns/distinct", task), cells, partial(_compose_distinct, task))


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
    labels = label_columns(task, 4)
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    compute = rows.code(
        "columns/top rows",
        column=column.name,
        labels=[label.name for label in labels],
        largest=Code("nsmallest" if task.direction < 0 else "nlargest"),
        show=task.top or 5,
    )
    cells = (*rows.cells, Cell("top", "Sort the rows and keep the first", compute, 2))
    return Recipe(goals("columns/top rows", task), cells, partial(_compose_rows, task))


def _compose_rows(task: DataTask, results: Results) -> RecipeAnswer:
    shown, of = results["top"], measured_unit(task)
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

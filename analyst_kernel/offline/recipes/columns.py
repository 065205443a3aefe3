"""Recipes about single columns: distribution, outliers, one number, counts, the first rows.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analyst_kernel.offline.column_roles import is_id, is_number
from analyst_kernel.offline.recipes.prose import (
    axis_label,
    called,
    capital,
    condition,
    figure,
    item,
    listed,
    of_measure,
    rows_of,
    share,
    unit,
    unit_notes,
)
from analyst_kernel.offline.recipes.recipe import (
    AnswerDraft,
    Cell,
    Code,
    KeyValue,
    Recipe,
    Results,
    chart_cell,
    code,
    grouped_digits,
    quoted,
)
from analyst_kernel.offline.recipes.rows import (
    AGGREGATE,
    basis,
    categories,
    dropped,
    prepare,
    stays,
    table_of,
    variable,
)
from analyst_kernel.offline.recipes.tables import row_count
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile


def distribution(task: DataTask) -> Recipe:
    """How the values of a column are spread: a histogram of numbers, else counts."""
    column = task.measures[0]
    if not is_number(column):
        counted = replace(task, groups=task.measures, measures=(), direction=1, statistic="rows")
        return top_values(counted)
    rows = prepare(task, (column,), numeric=(column,))
    values = variable(column, task)
    compute = code("single", "distribution", values=values, frame=rows.frame, column=column.name)
    chart = chart_cell(
        code("single", "histogram with middle", values=values, bins=_bins(column)),
        title=f"Distribution of {axis_label(column, task.profile)}",
        x=axis_label(column, task.profile),
        y="rows",
        step=3,
        purpose="Draw a histogram",
        grid="y",
    )
    goals = (
        f"Check which rows have a value of {called(column)}",
        f"Summarise {called(column)}",
        "Draw a histogram",
        "State what the distribution looks like",
    )
    cells = (*rows.cells, Cell("values", "Summarise the values", compute, 2), chart)
    return Recipe(goals, cells, lambda shown: _tell_distribution(task, shown))


def _bins(column: ColumnProfile) -> int:
    return min(max(column.distinct, 5), 40)


def _tell_distribution(task: DataTask, results: Results) -> AnswerDraft:
    column, shown, rows = task.measures[0], results["values"], results["rows"]
    of = unit(column, task.profile)
    mean, median, spread = shown["mean"], shown["median"], shown["standard deviation"]
    shape = "The mean lies close to the median, so the values are fairly symmetric."
    if isinstance(spread, float) and spread > 0 and abs(mean - median) > 0.15 * spread:
        side = "above" if mean > median else "below"
        shape = f"The mean lies {side} the median, so some values reach far {side} the middle."
    sentences = (
        (
            f"Half of the values of {called(column)} lie between "
            f"{figure(shown['lower quartile'], of)} and "
            f"{figure(shown['upper quartile'], of)}, with a median of {figure(median, of)} "
            f"(n = {figure(rows['rows used'])})."
        ),
        (
            f"The mean is {figure(mean, of)} with a standard deviation of {figure(spread, of)}; "
            "the values "
            f"run from {figure(shown['minimum'], of)} to {figure(shown['maximum'], of)}."
        ),
        shape,
        basis(task, rows),
    )
    values = tuple(
        KeyValue(name.capitalize(), shown[name], of)
        for name in ("median", "mean", "standard deviation", "minimum", "maximum")
        if shown[name] is not None
    )
    return AnswerDraft(sentences, values, (*unit_notes(task), *task.assumptions), dropped(rows))


def outliers(task: DataTask) -> Recipe:
    """Values far outside the middle half of a column (the rule of the box plot)."""
    column = task.measures[0]
    labels = label_columns(task, 3)
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    values = variable(column, task)
    compute = code(
        "single",
        "outliers",
        values=values,
        frame=rows.frame,
        selected=rows.selected,
        column=column.name,
        labels=[label.name for label in labels],
    )
    chart = chart_cell(
        code("single", "box", values=values),
        title=f"Box plot of {axis_label(column, task.profile)}",
        x="",
        y=axis_label(column, task.profile),
        step=3,
        purpose="Draw a box plot",
        grid="y",
    )
    goals = (
        f"Check which rows have a value of {called(column)}",
        "Find values outside the box plot's whiskers",
        "Draw a box plot",
        "State how many there are and where",
    )
    cells = (*rows.cells, Cell("outliers", "Find values beyond the whiskers", compute, 2), chart)
    return Recipe(goals, cells, lambda shown: _tell_outliers(task, shown))


def _tell_outliers(task: DataTask, results: Results) -> AnswerDraft:
    column, shown, rows = task.measures[0], results["outliers"], results["rows"]
    of = unit(column, task.profile)
    bounds = f"{figure(shown['lower bound'], of)} to {figure(shown['upper bound'], of)}"
    n = figure(rows["rows used"])
    if shown["outliers"]:
        head = (
            f"{figure(shown['outliers'])} of {n} values of {called(column)} "
            f"({share(shown['share in percent'])}) are outliers: they lie outside {bounds}."
        )
        sentences = [
            head,
            (
                f"{figure(shown['below'])} lie below and {figure(shown['above'])} above; they "
                f"reach from {figure(shown['smallest'], of)} to {figure(shown['largest'], of)}."
            ),
        ]
    else:
        sentences = [f"No value of {called(column)} is an outlier: all {n} lie within {bounds}."]
    sentences.append(basis(task, rows))
    rule = (
        f"An outlier lies more than {shown['factor']} times the interquartile range outside "
        "the quartiles."
    )
    values = (
        KeyValue("Outliers", shown["outliers"]),
        KeyValue("Lower bound", shown["lower bound"], of),
        KeyValue("Upper bound", shown["upper bound"], of),
    )
    caveats = (*dropped(rows), "An outlier by this rule need not be an error.")
    notes = (rule, *unit_notes(task), *task.assumptions)
    return AnswerDraft(tuple(sentences), values, notes, caveats)


def label_columns(task: DataTask, count: int) -> list[ColumnProfile]:
    """Return columns that tell a reader which row is which."""
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
    """One statistic of a column; for a maximum or minimum also where it occurs."""
    column = task.measures[0]
    extreme = task.statistic in ("max", "min")
    labels = label_columns(task, 3) if extreme else []
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    values = variable(column, task)
    compute = code(
        "single",
        "scalar",
        values=values,
        frame=rows.frame,
        selected=rows.selected,
        column=column.name,
        labels=[label.name for label in labels],
        statistic=task.statistic,
        method=AGGREGATE[task.statistic],
        extreme=extreme,
    )
    goals = (
        f"Check which rows have a value of {called(column)}",
        f"Compute the {of_measure(task)}",
        "State the answer with its numbers",
    )
    cells = [*rows.cells, Cell("scalar", "Compute the number asked for", compute, 2)]
    if task.wants_chart:
        histogram = chart_cell(
            code("chart", "histogram", values=values, bins=_bins(column)),
            title=f"Distribution of {axis_label(column, task.profile)}",
            x=axis_label(column, task.profile),
            y="rows",
            step=2,
            purpose="Draw a histogram",
            grid="y",
        )
        cells.append(histogram)
    return Recipe(goals, tuple(cells), lambda shown: _tell_scalar(task, shown))


def _tell_scalar(task: DataTask, results: Results) -> AnswerDraft:
    column, shown, rows = task.measures[0], results["scalar"], results["rows"]
    of = unit(column, task.profile)
    where = f" where {condition(task.filters)}" if task.filters else ""
    head = (
        f"{capital('the ' + of_measure(task))} is {figure(shown['result'], of)}{where}, "
        f"over {rows_of(rows['rows used'])}."
    )
    sentences = [head]
    example: dict[str, Any] = shown.get("example", {})
    if example:
        said = listed(f"{name} {item(value)}" for name, value in example.items())
        n = shown["rows with it"]
        which = "One row has it" if n == 1 else f"{figure(n)} rows have it, the first one"
        sentences.append(f"{which}: {said}.")
    others = {"mean": "mean", "median": "median"}
    centre = [
        f"the {word} is {figure(shown[key], of)}"
        for key, word in others.items()
        if key != task.statistic
    ]
    sentences.append(
        f"{capital(listed(centre))}; the values "
        f"run from {figure(shown['minimum'], of)} to {figure(shown['maximum'], of)}."
    )
    sentences.append(basis(task, rows))
    notes = list(unit_notes(task))
    if task.statistic == "mean":
        notes.insert(0, "“Average” is the arithmetic mean; every row counts once.")
    if task.statistic == "std":
        notes.insert(0, "The standard deviation is that of a sample.")
    values = (
        KeyValue(capital(of_measure(task)), shown["result"], of),
        KeyValue("Rows", rows["rows used"]),
    )
    return AnswerDraft(tuple(sentences), values, (*notes, *task.assumptions), dropped(rows))


def count(task: DataTask) -> Recipe:
    """How many rows there are, or how many meet the conditions."""
    if not task.filters:
        return row_count(task)
    columns = dict.fromkeys(found.column.name for found in task.filters)
    rows = prepare(task, ())
    whole = (
        Code(f"{table_of(task.profile)}_rows") if stays(task.profile) else table_of(task.profile)
    )
    gaps = ", ".join(f"{quoted(c)}: int({whole}[{quoted(c)}].isna().sum())" for c in columns)
    compute = code("counts", "count", whole=whole, selected=rows.selected, gaps=Code(gaps))
    goals = (
        "Select the rows that meet the condition",
        "Count them",
        "State the count and its share",
    )
    cells = (*rows.cells, Cell("count", "Count the rows", compute, 2))
    return Recipe(goals, cells, lambda shown: _tell_count(task, shown))


def _tell_count(task: DataTask, results: Results) -> AnswerDraft:
    shown = results["count"]
    name = task.profile.dataset.name
    n, whole = figure(shown["rows that match"]), figure(shown["rows"])
    part = share(shown["share in percent"])
    head = f"In {n} of {whole} rows of `{name}` ({part}), {condition(task.filters)}."
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
    notes = ("One row counts as one; the share is of all rows.", *task.assumptions)
    return AnswerDraft((head,), values, notes, caveats)


def top_values(task: DataTask) -> Recipe:
    """How often each value of a column occurs, the commonest (or rarest) first."""
    column = task.groups[0]
    rows = prepare(task, (column,))
    show = task.top or min(10, max(column.distinct, 1))
    rare = task.direction < 0
    drawn = min(max(show, 5), 20)
    whole = "" if task.filters else f" of {column.distinct}"
    cut = f" ({drawn} {'rarest' if rare else 'most common'}{whole})"
    cut = cut if column.distinct > drawn and not task.members else ""
    wanted = [value for member in task.members if member.whole for value in member.values]
    compute = code(
        "counts",
        "top values",
        frame=rows.frame,
        column=column.name,
        only=Code(f".loc[lambda found: found.index.isin({wanted!r})]" if wanted else ""),
        rare=rare,
        show=show,
        listed=max(show, 10),
    )
    chart = chart_cell(
        code("counts", "bars of top values", drawn=drawn),
        after=grouped_digits("x", task),
        title=f"Rows by {column.name}{cut}",
        x="rows",
        y=column.name,
        step=3,
        purpose="Draw the counts as bars",
        grid="x",
    )
    goals = (
        f"Check which rows have a value of {called(column)}",
        "Count the rows of each value",
        "Draw the counts as bars",
        "State the counts",
    )
    cells = (*rows.cells, Cell("counts", "Count the rows of each value", compute, 2), chart)
    return Recipe(goals, cells, lambda shown: _tell_counts(task, shown))


def _tell_counts(task: DataTask, results: Results) -> AnswerDraft:
    column, shown, rows = task.groups[0], results["counts"], results["rows"]
    counted: dict[Any, int] = shown["rows"]
    percent: dict[Any, float] = shown["percent"]
    names = list(counted)
    if not names:
        return AnswerDraft((f"No row has a value of {called(column)}.", basis(task, rows)))
    first = names[0]
    word = "rarest" if task.direction < 0 else "most common"
    head = (
        f"The {word} value of {called(column)} is {item(first, column)} with "
        f"{rows_of(counted[first])} "
        f"({share(percent[first])})."
    )
    sentences = [head]
    if len(names) > 1:
        rest = names[1 : max(task.top or 6, 2)][:11]
        said = listed(
            f"{item(n, column)} ({rows_of(counted[n])}, {share(percent[n])})" for n in rest
        )
        sentences.append(f"Next: {said}.")
    sentences.append(
        f"{figure(shown['different values'])} different values occur in "
        f"{rows_of(rows['rows used'])}."
    )
    sentences.append(basis(task, rows))
    values = tuple(KeyValue(item(n, column), counted[n], "rows") for n in names[:10])
    return AnswerDraft(tuple(sentences), values, task.assumptions, dropped(rows))


def distinct(task: DataTask) -> Recipe:
    """How many different values a column has."""
    column = task.groups[0]
    rows = prepare(task, (column,))
    compute = code("counts", "distinct", frame=rows.frame, column=column.name)
    goals = (
        f"Check which rows have a value of {called(column)}",
        "Count the different values",
        "State the number and the commonest values",
    )
    cells = (*rows.cells, Cell("distinct", "Count the different values", compute, 2))
    return Recipe(goals, cells, lambda shown: _tell_distinct(task, shown))


def _tell_distinct(task: DataTask, results: Results) -> AnswerDraft:
    column, shown, rows = task.groups[0], results["distinct"], results["rows"]
    where = f" where {condition(task.filters)}" if task.filters else ""
    counted: dict[Any, int] = shown["rows"]
    head = (
        f"There are {figure(shown['different values'])} different values of "
        f"{called(column)}{where}, "
        f"in {figure(rows['rows used'])} rows."
    )
    said = listed(f"{item(n, column)} ({figure(c)})" for n, c in counted.items())
    common = f"The commonest, with their rows: {said}."
    if max(counted.values(), default=0) == 1:
        common = f"Each is in one row; the first are {listed(item(n, column) for n in counted)}."
    sentences = (head, common, basis(task, rows))
    values = (KeyValue("Different values", shown["different values"]),)
    notes = ("Values count as different when they are spelled differently.", *task.assumptions)
    return AnswerDraft(sentences, values, notes, dropped(rows))


def top_rows(task: DataTask) -> Recipe:
    """The rows with the highest (or lowest) values of a column."""
    column = task.measures[0]
    labels = label_columns(task, 4)
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    compute = code(
        "counts",
        "top rows",
        frame=rows.frame,
        selected=rows.selected,
        column=column.name,
        labels=[label.name for label in labels],
        largest=Code("nsmallest" if task.direction < 0 else "nlargest"),
        show=task.top or 5,
    )
    goals = (
        f"Check which rows have a value of {called(column)}",
        "Sort the rows and keep the first",
        "Name them with their values",
    )
    cells = (*rows.cells, Cell("top", "Sort the rows and keep the first", compute, 2))
    return Recipe(goals, cells, lambda shown: _tell_rows(task, shown))


def _tell_rows(task: DataTask, results: Results) -> AnswerDraft:
    column, shown, rows = task.measures[0], results["top"], results["rows"]
    of = unit(column, task.profile)
    named = [" ".join(filter(None, names)) or "one row" for names in shown["names"]]
    values = shown["values"]
    word = "lowest" if task.direction < 0 else "highest"
    head = (
        f"The {word} {called(column)} is {figure(values[0], of)}: {named[0]} "
        f"(of {figure(rows['rows used'])} rows)."
    )
    sentences = [head]
    if len(named) > 1:
        said = listed(
            f"{name} ({figure(value, of)})"
            for name, value in zip(named[1:], values[1:], strict=True)
        )
        sentences.append(f"Next: {said}.")
    sentences.append(basis(task, rows))
    caveats = [*dropped(rows)]
    if shown["last value shown is repeated beyond"]:
        caveats.append(
            f"{figure(shown['rows with the last value shown'])} rows share the last value shown, "
            f"{figure(values[-1], of)}; only some of them are listed."
        )
    picked = tuple(
        KeyValue(name, value, of) for name, value in zip(named[:5], values[:5], strict=True)
    )
    return AnswerDraft(
        tuple(sentences), picked, (*unit_notes(task), *task.assumptions), tuple(caveats)
    )

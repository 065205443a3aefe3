"""Recipes about one column: its distribution, its outliers, one number of it.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from typing import Any

from analyst_kernel.offline.column_roles import is_id, is_number
from analyst_kernel.offline.recipes.charts import chart_cell
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
    KeyValue,
    Recipe,
    Results,
    quoted,
)
from analyst_kernel.offline.recipes.rows import basis, categories, dropped, prepare, stays, variable
from analyst_kernel.offline.recipes.time import AGGREGATE
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile

_NUMBERS = [
    '    "mean": round(float({v}.mean()), 4),',
    '    "median": round(float({v}.median()), 4),',
    '    "standard deviation": round(float({v}.std()), 4),',
    '    "minimum": round(float({v}.min()), 4),',
    '    "lower quartile": round(float({v}.quantile(0.25)), 4),',
    '    "upper quartile": round(float({v}.quantile(0.75)), 4),',
    '    "maximum": round(float({v}.max()), 4),',
]


def distribution(task: DataTask) -> Recipe:
    """How the values of a column of numbers are spread."""
    column = task.measures[0]
    rows = prepare(task, (column,), numeric=(column,))
    values = variable(column, task)
    compute = [
        f"{values} = {rows.frame}[{quoted(column.name)}]",
        f"display({values}.describe().round(2).to_frame())",
        "",
        "{",
        *(line.format(v=values) for line in _NUMBERS),
        f'    "distinct values": int({values}.nunique()),',
        "}",
    ]
    bins = min(max(column.distinct, 5), 40)
    chart = chart_cell(
        [
            f'ax.hist({values}, bins={bins}, edgecolor="white")',
            f'ax.axvline({values}.mean(), color="black", label="mean")',
            f'ax.axvline({values}.median(), color="black", linestyle="--", label="median")',
            "ax.legend()",
        ],
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
    cells = (*rows.cells, Cell("values", "Summarise the values", "\n".join(compute), 2), chart)
    return Recipe(goals, cells, lambda shown: _tell_distribution(task, shown))


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
    # The index still names the row of the source, so labels are looked up there.
    names = ", ".join(quoted(label.name) for label in labels)
    show = f"{rows.selected}.loc[outliers.index, [{names}]]"
    compute = [
        f"{values} = {rows.frame}[{quoted(column.name)}]",
        f"q1, q3 = {values}.quantile(0.25), {values}.quantile(0.75)",
        "factor = 1.5",
        "low, high = q1 - factor * (q3 - q1), q3 + factor * (q3 - q1)",
        f"outliers = {values}[({values} < low) | ({values} > high)].sort_values()",
        f"display({show}.assign(value=outliers).head(5))" if names else "display(outliers.head(5))",
        f"display({show}.assign(value=outliers).tail(5))" if names else "display(outliers.tail(5))",
        "",
        "{",
        '    "factor": factor,',
        '    "lower quartile": round(float(q1), 4),',
        '    "upper quartile": round(float(q3), 4),',
        '    "lower bound": round(float(low), 4),',
        '    "upper bound": round(float(high), 4),',
        '    "outliers": len(outliers),',
        f'    "share in percent": round(100 * len(outliers) / len({values}), 2),',
        '    "below": int((outliers < low).sum()),',
        '    "above": int((outliers > high).sum()),',
        '    "smallest": round(float(outliers.min()), 4) if len(outliers) else None,',
        '    "largest": round(float(outliers.max()), 4) if len(outliers) else None,',
        "}",
    ]
    chart = chart_cell(
        [f"ax.boxplot({values})", "ax.set_xticks([])"],
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
    cells = (
        *rows.cells,
        Cell("outliers", "Find values beyond the whiskers", "\n".join(compute), 2),
        chart,
    )
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
    method = AGGREGATE[task.statistic]
    compute = [
        f"{values} = {rows.frame}[{quoted(column.name)}]",
        f"result = {values}.{method}()",
    ]
    if extreme:
        compute += [
            f"rows_with_it = {values}.index[{values} == result]",
            f"display({rows.selected}.loc[rows_with_it].head(10))"
            if not labels
            else f"display({rows.selected}.loc[rows_with_it, "
            f"[{', '.join(quoted(c.name) for c in (*labels, column))}]].head(10))",
        ]
    compute += [
        "",
        "{",
        f'    "statistic": {quoted(task.statistic)},',
        '    "result": round(float(result), 4),',
        *(_NUMBERS[i].format(v=values) for i in (0, 1, 3, 6)),
    ]
    if extreme:
        compute.append('    "rows with it": len(rows_with_it),')
        if labels:
            names = ", ".join(quoted(label.name) for label in labels)
            compute.append(
                f'    "example": {rows.selected}.loc[rows_with_it[0], [{names}]]'
                ".astype(str).to_dict(),"
            )
    compute.append("}")
    goals = (
        f"Check which rows have a value of {called(column)}",
        f"Compute the {of_measure(task)}",
        "State the answer with its numbers",
    )
    cells: list[Cell] = [
        *rows.cells,
        Cell("scalar", "Compute the number asked for", "\n".join(compute), 2),
    ]
    if task.wants_chart:
        cells.append(
            chart_cell(
                [f'ax.hist({values}, bins={min(max(column.distinct, 5), 40)}, edgecolor="white")'],
                title=f"Distribution of {axis_label(column, task.profile)}",
                x=axis_label(column, task.profile),
                y="rows",
                step=2,
                purpose="Draw a histogram",
                grid="y",
            )
        )
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

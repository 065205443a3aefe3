"""Recipes that count: rows that meet conditions, different values, the commonest values, top rows.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from typing import Any

from analyst_kernel.offline.recipes.charts import chart_cell, grouped_digits
from analyst_kernel.offline.recipes.overview import row_count
from analyst_kernel.offline.recipes.prose import (
    called,
    condition,
    figure,
    item,
    listed,
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
from analyst_kernel.offline.recipes.rows import basis, dropped, prepare
from analyst_kernel.offline.recipes.single import label_columns
from analyst_kernel.offline.task import DataTask


def count(task: DataTask) -> Recipe:
    """How many rows there are, or how many meet the conditions."""
    if not task.filters:
        return row_count(task)
    columns = tuple({found.column.name: found.column for found in task.filters}.values())
    rows = prepare(task, ())
    source = task.profile.dataset.name
    whole = f"{source}_rows" if task.profile.dataset.load == "view" else source
    gaps = ", ".join(
        f"{quoted(c.name)}: int({whole}[{quoted(c.name)}].isna().sum())" for c in columns
    )
    compute = [
        "{",
        f'    "rows": len({whole}),',
        f'    "rows that match": len({rows.selected}),',
        f'    "share in percent": round(100 * len({rows.selected}) / max(len({whole}), 1), 2),',
        f'    "rows without a value": {{{gaps}}},',
        "}",
    ]
    goals = (
        "Select the rows that meet the condition",
        "Count them",
        "State the count and its share",
    )
    cells = (*rows.cells, Cell("count", "Count the rows", "\n".join(compute), 2))
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
    key = f"{rows.frame}[{quoted(column.name)}]"
    drawn = min(max(show, 5), 20)
    whole = "" if task.filters else f" of {column.distinct}"
    cut = f" ({drawn} {'rarest' if rare else 'most common'}{whole})"
    cut = cut if column.distinct > drawn and not task.members else ""
    wanted = [value for member in task.members if member.whole for value in member.values]
    only = f".loc[lambda found: found.index.isin({wanted!r})]" if wanted else ""
    compute = [
        f"counts = {key}.value_counts(){only}.sort_values(ascending={rare})",
        f"shares = (100 * counts / len({rows.frame})).round(2)",
        f'display(counts.head({max(show, 10)}).to_frame("rows").assign(percent=shares))',
        "",
        "{",
        '    "different values": len(counts),',
        f'    "shown": {show},',
        f'    "rows": counts.head({show}).to_dict(),',
        f'    "percent": shares.head({show}).to_dict(),',
        "}",
    ]
    chart = chart_cell(
        [
            f"shown = counts.head({drawn}).iloc[::-1]",
            "bars = ax.barh([str(name)[:40] for name in shown.index], shown.values)",
            'ax.bar_label(bars, [f"{rows:,}" for rows in shown], padding=3)',
            "ax.margins(x=0.15)",
            *grouped_digits("x", task),
        ],
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
    cells = (
        *rows.cells,
        Cell("counts", "Count the rows of each value", "\n".join(compute), 2),
        chart,
    )
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
    key = f"{rows.frame}[{quoted(column.name)}]"
    compute = [
        f"counts = {key}.value_counts()",
        "display(counts.head(10))",
        "",
        "{",
        '    "different values": len(counts),',
        '    "rows": counts.head(5).to_dict(),',
        "}",
    ]
    goals = (
        f"Check which rows have a value of {called(column)}",
        "Count the different values",
        "State the number and the commonest values",
    )
    cells = (*rows.cells, Cell("distinct", "Count the different values", "\n".join(compute), 2))
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
    show = task.top or 5
    labels = label_columns(task, 4)
    rows = prepare(task, (column,), numeric=(column,), labels=labels)
    largest = "nsmallest" if task.direction < 0 else "nlargest"
    key = quoted(column.name)
    names = ", ".join(quoted(c.name) for c in labels)
    compute = [
        f"first = {rows.frame}.{largest}({show}, {key})",
        f"names = {rows.selected}.loc[first.index, [{names}]].convert_dtypes()",
        "top = names.join(first)",
        "display(top)",
        "",
        f"edge = top[{key}].iloc[-1]",
        f"best = top[{key}].iloc[0]",
        "{",
        f'    "shown": {show},',
        '    "names": names.astype("string").fillna("").values.tolist(),',
        f'    "values": top[{key}].round(4).tolist(),',
        f'    "rows with the best value": int(({rows.frame}[{key}] == best).sum()),',
        f'    "rows with the last value shown": int(({rows.frame}[{key}] == edge).sum()),',
        (
            f'    "last value shown is repeated beyond": '
            f"int(({rows.frame}[{key}] == edge).sum() - (top[{key}] == edge).sum()),"
        ),
        "}",
    ]
    goals = (
        f"Check which rows have a value of {called(column)}",
        "Sort the rows and keep the first",
        "Name them with their values",
    )
    cells = (*rows.cells, Cell("top", "Sort the rows and keep the first", "\n".join(compute), 2))
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

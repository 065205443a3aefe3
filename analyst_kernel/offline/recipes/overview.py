"""Recipes about whole tables: how many rows they have, and what is in them.

They hold for one dataset, or for all that the question means. One that stays on disk is counted
there. Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from analyst_kernel.offline.column_roles import role
from analyst_kernel.offline.recipes.charts import chart_cell
from analyst_kernel.offline.recipes.prose import figure, listed, rows_of, share
from analyst_kernel.offline.recipes.recipe import (
    AnswerDraft,
    Cell,
    KeyValue,
    Recipe,
    Results,
    quoted,
    quoted_list,
    sql_name,
)
from analyst_kernel.offline.recipes.rows import imports, left_out, one_row, stays, tables_of
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

# --- how many rows ---------------------------------------------------------------------


def row_count(task: DataTask) -> Recipe:
    """How many rows there are."""
    tables = tables_of(task)
    entries = [
        f"    {quoted(table.dataset.name)}: "
        + (f"{one_row(table, ['count(*)'])}[0]," if stays(table) else f"len({table.dataset.name}),")
        for table in tables
    ]
    code = "\n".join([*imports(tables), "{", *entries, "}"])
    goals = ("Find the rows that are asked for", "Count them", "State the count")
    return Recipe(
        goals, (Cell("count", "Count the rows", code, 2),), lambda shown: _tell_rows(task, shown)
    )


def _tell_rows(task: DataTask, results: Results) -> AnswerDraft:
    counts = {str(name): count for name, count in results["count"].items()}
    said = listed(f"`{name}` has {rows_of(count)}" for name, count in counts.items())
    return AnswerDraft(
        (f"{said}.", "Every row counts once, repeated rows included."),
        tuple(
            KeyValue("Rows" if len(counts) == 1 else f"Rows of {name}", count)
            for name, count in counts.items()
        ),
        task.assumptions,
        left_out(task),
    )


# --- what is in the data ---------------------------------------------------------------


def profile(task: DataTask) -> Recipe:
    """What is in the data and how clean it is."""
    tables = tables_of(task)
    cells = [Cell("overview", "Count rows, columns, gaps and repeats", _overview(tables), 1)]
    main = task.profile
    if len(tables) == 1:
        cells += _details(main)
    else:
        cells.append(_sizes(tables))
    goals = (
        "Count rows, columns, gaps and repeated rows",
        "Summarise the numeric columns" if len(tables) == 1 else "Draw how complete each one is",
        *(("Count the values of text columns",) if len(tables) == 1 else ()),
        "Say what is in the data and what to mind",
    )
    return Recipe(goals, tuple(cells), lambda shown: _tell_profile(task, shown))


def _overview(tables: Sequence[DatasetProfile]) -> str:
    inside = [table.dataset.name for table in tables if not stays(table)]
    lines = imports(tables)
    if inside:
        listing = ", ".join(f"{quoted(name)}: {name}" for name in inside)
        lines += [
            f"tables = {{{listing}}}",
            "overview = {",
            "    name: {",
            '        "rows": len(table),',
            '        "columns": table.shape[1],',
            '        "repeated rows": int(table.duplicated().sum()),',
            '        "empty cells": int(table.isna().sum().sum()),',
            '        "empty cells in percent": round(100 * float(table.isna().mean().mean()), 2),',
            (
                '        "missing": table.isna().sum().loc[lambda n: n > 0]'
                ".sort_values(ascending=False).head(6).to_dict(),"
            ),
            '        "constant columns": [c for c in table.columns if table[c].nunique() <= 1],',
            "    }",
            "    for name, table in tables.items()",
            "}",
        ]
    else:
        lines.append("overview = {}")
    for table in tables:
        if stays(table):
            lines += _overview_on_disk(table)
    return "\n".join([*lines, "overview"])


def _overview_on_disk(table: DatasetProfile) -> list[str]:
    name = table.dataset.name
    names = [column.name for column in table.columns]
    fields = ["count(*)", *(f"count(*) - count({sql_name(column)})" for column in names)]
    fields += [f"min({sql_name(column)}) IS NOT DISTINCT FROM max({sql_name(column)})"
               for column in names]  # fmt: skip
    columns = f"{name}_columns"
    return [
        f"{columns} = {quoted_list(names)}",
        f"{name}_counted = {one_row(table, fields)}",
        f"{name}_empty = dict(zip({columns}, {name}_counted[1:]))",
        f"{name}_constant = dict(zip({columns}, {name}_counted[1 + len({columns}) :]))",
        f"overview[{quoted(name)}] = {{",
        f'    "rows": {name}_counted[0],',
        f'    "columns": len({columns}),',
        '    "repeated rows": None,',
        f'    "empty cells": sum({name}_empty.values()),',
        (
            f'    "empty cells in percent": round(100 * sum({name}_empty.values())'
            f" / max({name}_counted[0] * len({columns}), 1), 2),"
        ),
        (
            f'    "missing": dict(sorted(((c, n) for c, n in {name}_empty.items() if n), '
            "key=lambda pair: -pair[1])[:6]),"
        ),
        f'    "constant columns": [c for c, same in {name}_constant.items() if same],',
        "}",
    ]


def _sizes(tables: Sequence[DatasetProfile]) -> Cell:
    return chart_cell(
        [
            'shares = {name: facts["empty cells in percent"] for name, facts in overview.items()}',
            "bars = ax.barh(list(shares)[::-1], list(shares.values())[::-1])",
            'ax.bar_label(bars, fmt="%.2f %%", padding=3)',
            "ax.margins(x=0.15)",
        ],
        title="Empty cells by dataset",
        x="share of cells without a value (%)",
        y="dataset",
        step=2,
        purpose="Draw how complete each dataset is",
        grid="x",
        size=f"(8, {max(3, 1 + len(tables) / 2):g})",
    )


def _details(main: DatasetProfile) -> list[Cell]:
    """Return the cells that summarise the columns of the one dataset."""
    rows = main.dataset.rows
    numbers = [c for c in main.columns if role(c, rows) == "number"][:12]
    texts = [c for c in main.columns if role(c, rows) == "category"][:8]
    cells = []
    if stays(main):  # a text that reads as a number has no average in SQL
        numbers = [column for column in numbers if column.kind == "number"]
    if numbers:
        code = _numbers_on_disk(main, numbers) if stays(main) else _numbers(main, numbers)
        cells.append(Cell("numbers", "Summarise the numeric columns", code, 2, optional=True))
    if texts:
        code = _texts_on_disk(main, texts[:3]) if stays(main) else _texts(main, texts)
        cells.append(Cell("texts", "Count the values of text columns", code, 3, optional=True))
    return cells


def _numbers(main: DatasetProfile, columns: Sequence[ColumnProfile]) -> str:
    chosen = ", ".join(quoted(column.name) for column in columns)
    name = main.dataset.name
    return "\n".join(
        [
            "import pandas as pd",
            "",
            f'numbers = {name}[[{chosen}]].apply(pd.to_numeric, errors="coerce")',
            "display(numbers.describe().T.round(2))",
            "",
            "{",
            "    str(name): {",
            '        "mean": round(float(column.mean()), 2),',
            '        "minimum": round(float(column.min()), 2),',
            '        "maximum": round(float(column.max()), 2),',
            "    }",
            "    for name, column in numbers.items()",
            "}",
        ]
    )


def _numbers_on_disk(main: DatasetProfile, columns: Sequence[ColumnProfile]) -> str:
    fields = []
    for column in columns:
        cell = sql_name(column.name)
        fields += [f"avg({cell})", f"min({cell})", f"max({cell})"]
    names = quoted_list(column.name for column in columns)
    figures = f"{main.dataset.name}_figures"
    return "\n".join(
        [
            "import duckdb",
            "",
            f"{figures} = {one_row(main, fields)}",
            f"{figures} = [None if n is None else round(n, 2) for n in {figures}]",
            "{",
            (f'    name: dict(zip(["mean", "minimum", "maximum"], {figures}[3 * i : 3 * i + 3]))'),
            f"    for i, name in enumerate({names})",
            "}",
        ]
    )


def _texts(main: DatasetProfile, columns: Sequence[ColumnProfile]) -> str:
    name = main.dataset.name
    return "\n".join(
        [
            "{",
            "    column: {",
            f'        "different values": int({name}[column].nunique()),',
            (
                f'        "commonest": {{str(k): v for k, v in '
                f"{name}[column].value_counts().head(3).to_dict().items()}},"
            ),
            "    }",
            f"    for column in [{', '.join(quoted(column.name) for column in columns)}]",
            "}",
        ]
    )


def _texts_on_disk(main: DatasetProfile, columns: Sequence[ColumnProfile]) -> str:
    queries = []
    for column in columns:
        cell = sql_name(column.name)
        sql = (
            f"SELECT CAST({cell} AS VARCHAR), count(*), count(*) OVER () FROM {main.dataset.name} "
            f"WHERE {cell} IS NOT NULL GROUP BY {cell} ORDER BY 2 DESC, 1 LIMIT 3"
        )
        queries.append(f"    {quoted(column.name)}: duckdb.sql({quoted(sql)}).fetchall(),")
    commonest = f"{main.dataset.name}_commonest"
    return "\n".join(
        [
            "import duckdb",
            "",
            f"{commonest} = {{",
            *queries,
            "}",
            "{",
            "    column: {",
            '        "different values": found[0][2] if found else 0,',
            '        "commonest": {value: n for value, n, _ in found},',
            "    }",
            f"    for column, found in {commonest}.items()",
            "}",
        ]
    )


def _tell_profile(task: DataTask, results: Results) -> AnswerDraft:
    sentences: list[str] = []
    caveats: list[str] = []
    values: list[KeyValue] = []
    uncounted: list[str] = []
    tables = {table.dataset.name: table for table in tables_of(task)}
    for name, table in results["overview"].items():
        repeats = table["repeated rows"]
        repeated = "" if repeats is None else f" and {rows_of(repeats)} repeat another one"
        comma = "," if repeats is None else ";"
        sentences.append(
            f"`{name}` has {rows_of(table['rows'])} and {figure(table['columns'])} columns"
            f"{comma} {figure(table['empty cells'])} cells "
            f"({share(table['empty cells in percent'])}) are empty{repeated}."
        )
        values.append(KeyValue(f"Rows of {name}", table["rows"]))
        columns = tables[name].columns
        if len(columns) <= 20:
            sentences.append(f"Its columns are {listed(f'`{c.name}`' for c in columns)}.")
        if table["missing"]:
            gaps = listed(f"`{column}` ({figure(n)})" for column, n in table["missing"].items())
            sentences.append(f"Most values are missing in {gaps}.")
        if table["constant columns"]:
            said = listed(f"`{column}`" for column in table["constant columns"])
            caveats.append(f"Columns of `{name}` with at most one value: {said}.")
        if repeats is None:
            uncounted.append(f"`{name}`")
        elif repeats:
            caveats.append(f"`{name}` has repeated rows, which count twice in every total.")
    if uncounted:
        caveats.append(f"Repeated rows were not counted in {listed(uncounted)}, kept on disk.")
    sentences += _columns_told(results)
    for table_profile in tables.values():
        # A warning's numbers stand in no output of this run, so only those without any are told.
        told = [
            f"`{warning.column}`: {warning.message}" if warning.column else warning.message
            for warning in table_profile.warnings
            if warning.code != "constant-column" and not re.search(r"\d", warning.message)
        ]
        caveats += told[:4]
    caveats += left_out(task)
    return AnswerDraft(tuple(sentences), tuple(values), task.assumptions, tuple(caveats))


def _columns_told(results: Results) -> list[str]:
    sentences = []
    ranges = listed(
        f"`{name}` from {figure(n['minimum'])} to {figure(n['maximum'])} (mean {figure(n['mean'])})"
        for name, n in list(results.get("numbers", {}).items())[:4]
    )
    if ranges:
        sentences.append(f"Numbers: {ranges}.")
    kinds = []
    for name, found in list(results.get("texts", {}).items())[:3]:
        common = next(iter(found["commonest"]), None)
        if common is not None:
            n = rows_of(found["commonest"][common])
            values = figure(found["different values"])
            kinds.append(f"`{name}` with {values} values, most often {common} ({n})")
    if kinds:
        sentences.append(f"Categories: {listed(kinds)}.")
    return sentences


def missing(task: DataTask) -> Recipe:
    """How many values are missing, column by column."""
    tables = tables_of(task)
    lines = imports(tables, "pandas")
    lines.append("gaps = {}")
    for table in tables:
        lines += _gaps(table, [column.name for column in task.measures])
    several = len(tables) > 1
    lines += [
        "missing = pd.DataFrame(",
        "    [",
        '        (name, column, n, round(100 * n / max(facts["rows"], 1), 2))',
        "        for name, facts in gaps.items()",
        '        for column, n in facts["missing"].items()',
        "    ],",
        '    columns=["dataset", "column", "missing", "percent"],',
        ').sort_values("percent", ascending=False, ignore_index=True)',
        'missing = missing[missing["missing"] > 0]',
        "display(missing)",
        "",
        "{",
        "    name: {",
        '        "rows": facts["rows"],',
        '        "columns": len(facts["missing"]),',
        '        "columns with gaps": sum(n > 0 for n in facts["missing"].values()),',
        '        "missing values": sum(facts["missing"].values()),',
        '        "complete rows": facts["complete rows"],',
        '        "missing": missing[missing["dataset"] == name].head(12)',
        '        .set_index("column")[["missing", "percent"]]',
        '        .to_dict("index"),',
        "    }",
        "    for name, facts in gaps.items()",
        "}",
    ]  # fmt: skip
    label = (
        '[f"{d}: {c}" for d, c in zip(shown["dataset"], shown["column"])]'
        if several
        else '[str(name) for name in shown["column"]]'
    )

    def chart(results: Results) -> Cell | None:
        if not any(facts["missing"] for facts in results["missing"].values()):
            return None  # there is nothing to draw
        return chart_cell(
            [
                "shown = missing.head(20).iloc[::-1]",
                f'ax.barh({label}, shown["percent"])',
            ],
            title="Missing values" + ("" if several else f" of {task.profile.dataset.name}"),
            x="share of rows without a value (%)",
            y="column",
            step=2,
            purpose="Draw the shares as bars",
            grid="x",
        )

    goals = (
        "Count missing values per column",
        "Draw the shares as bars",
        "State where the gaps are",
    )
    cell = Cell("missing", "Count missing values per column", "\n".join(lines), 1)
    return Recipe(goals, (cell, chart), lambda shown: _tell_missing(task, shown))


def _gaps(table: DatasetProfile, chosen: Sequence[str]) -> list[str]:
    """Return lines that count the gaps of a table into ``gaps``."""
    name = table.dataset.name
    names = list(chosen) or [column.name for column in table.columns]
    if not stays(table):
        part = f"{name}[{quoted_list(names)}]" if chosen else name
        return [
            f"gaps[{quoted(name)}] = {{",
            f'    "rows": len({name}),',
            f'    "complete rows": len({part}.dropna()),',
            f'    "missing": {part}.isna().sum().to_dict(),',
            "}",
        ]
    whole = " AND ".join(f"{sql_name(column)} IS NOT NULL" for column in names)
    fields = ["count(*)", f"count(*) FILTER (WHERE {whole})"]
    fields += [f"count(*) - count({sql_name(column)})" for column in names]
    listing = quoted_list(names)
    return [
        f"{name}_counted = {one_row(table, fields)}",
        f"gaps[{quoted(name)}] = {{",
        f'    "rows": {name}_counted[0],',
        f'    "complete rows": {name}_counted[1],',
        f'    "missing": dict(zip({listing}, {name}_counted[2:])),',
        "}",
    ]


def _tell_missing(task: DataTask, results: Results) -> AnswerDraft:
    found = results["missing"]
    several = len(found) > 1
    sentences: list[str] = []
    values: list[KeyValue] = []
    heavy: list[str] = []
    whole = [str(name) for name, facts in found.items() if not facts["missing"]]
    for name, facts in found.items():
        gaps = facts["missing"]
        if not gaps:
            continue
        label = f"{name}: missing" if several else "Missing"
        sentences.append(
            f"{figure(facts['missing values'])} values are missing in `{name}`, in "
            f"{figure(facts['columns with gaps'])} of {figure(facts['columns'])} columns."
        )
        said = listed(
            f"`{column}` {figure(gap['missing'])} ({share(gap['percent'])})"
            for column, gap in list(gaps.items())[: 4 if several else 8]
        )
        sentences.append(f"Most of them: {said}." if several else f"By column: {said}.")
        sentences.append(
            f"{figure(facts['complete rows'])} of {figure(facts['rows'])} rows are complete."
        )
        values += [
            KeyValue(f"{label} {column}", gap["missing"]) for column, gap in list(gaps.items())[:6]
        ]
        heavy += [f"`{column}`" for column, gap in gaps.items() if gap["percent"] > 50]
    if whole:
        sentences.append(_complete(found, whole, several))
    if not values:
        values = [KeyValue("Missing values", 0)]
    caveats = (f"More than half is missing in {listed(heavy)}.",) if heavy else ()
    return AnswerDraft(
        tuple(sentences), tuple(values[:12]), task.assumptions, (*caveats, *left_out(task))
    )


def _complete(found: Results, names: Sequence[str], several: bool) -> str:
    if several:
        return f"No value is missing in {listed(f'`{name}`' for name in names)}."
    facts = found[names[0]]
    return (
        f"No value is missing in `{names[0]}`: all {figure(facts['columns'])} columns are complete "
        f"in {rows_of(facts['rows'])}."
    )

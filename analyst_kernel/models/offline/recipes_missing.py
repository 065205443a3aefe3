"""Recipes about whole tables: what is missing in them.

They hold for one dataset, or for all that the question means. One that stays on disk is counted
there. Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.models.offline.charts import chart_cell
from analyst_kernel.models.offline.code_text import quoted, quoted_list, sql_name
from analyst_kernel.models.offline.on_disk import stays
from analyst_kernel.models.offline.prose import figure, listed, rows_of, share
from analyst_kernel.models.offline.recipe import Cell, Draft, KeyValue, Recipe, Results
from analyst_kernel.models.offline.task import Task
from analyst_kernel.models.offline.whole_tables import imports, left_out, one_row, tables_of
from analyst_kernel.protocol.datasets import DatasetProfile


def missing(task: Task) -> Recipe:
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


def _tell_missing(task: Task, results: Results) -> Draft:
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
    return Draft(
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

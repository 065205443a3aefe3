"""Recipes about whole tables: their rows, what is in them, what is missing, whether two join.

All but the join hold for one dataset or for all that the question means. One that stays on disk is
counted there. Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from analyst_kernel.offline.column_roles import is_id, is_time, role
from analyst_kernel.offline.recipes.prose import answer, figure, goals, listed, rows_of, share
from analyst_kernel.offline.recipes.recipe import (
    Cell,
    Code,
    KeyValue,
    Recipe,
    RecipeAnswer,
    Results,
    chart_cell,
    code,
    literal,
    quoted,
    sql_name,
)
from analyst_kernel.offline.recipes.rows import load_cell, stays, table_of
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_MANY_TABLES = 12
"""Datasets that one answer covers; it names the others."""


def tables_of(task: DataTask) -> tuple[DatasetProfile, ...]:
    """Return the datasets that the question means, as many as one answer covers."""
    return (task.profile, *task.also)[:_MANY_TABLES]


def _not_covered(task: DataTask) -> tuple[str, ...]:
    rest = [f"`{other.dataset.name}`" for other in (task.profile, *task.also)[_MANY_TABLES:]]
    return (f"Not looked at: {listed(rest)}.",) if rest else ()


# --- how many rows ---------------------------------------------------------------------


def row_count(task: DataTask) -> Recipe:
    """Answer how many rows there are."""
    tables = tables_of(task)
    facts = [_facts(table, ["count(*)"]) for table in tables]
    compute = code("tables/row count", imports=_imports(tables), tables=facts)
    cell = Cell("count", "Count the rows", compute, 1)
    return Recipe(goals("tables/row count", task), (cell,), partial(_compose_rows, task))


def _facts(
    table: DatasetProfile, fields: Sequence[str], chosen: Sequence[str] = ()
) -> dict[str, object]:
    """Return what the templates insert of one table."""
    name = table_of(table)
    return {
        "name": str(name),
        "frame": name,
        "stays": stays(table),
        "columns": list(chosen) or [column.name for column in table.columns],
        "counted": _counted(table, fields),
        "part": Code(f"{name}[{literal(list(chosen))}]") if chosen else name,
    }


def _counted(table: DatasetProfile, fields: Sequence[str]) -> Code:
    """Return the code of one row of figures from the disk."""
    sql = f"SELECT {', '.join(fields)} FROM {table_of(table)}"
    return Code(f"duckdb.sql({quoted(sql)}).fetchall()[0]")


def _imports(tables: Sequence[DatasetProfile], *more: str) -> list[Code]:
    lines = [*more, *(("import duckdb",) if any(map(stays, tables)) else ())]
    return [Code(line) for line in (*sorted(lines), "")] if lines else []


def _compose_rows(task: DataTask, results: Results) -> RecipeAnswer:
    counts = {str(name): count for name, count in results["count"].items()}
    said = [f"`{name}` has {rows_of(count)}" for name, count in counts.items()]
    values = [
        KeyValue("Rows" if len(counts) == 1 else f"Rows of {name}", count)
        for name, count in counts.items()
    ]
    return answer("tables/row count", task, results, values, caveats=_not_covered(task), said=said)


# --- what is in the data ---------------------------------------------------------------


def profile(task: DataTask) -> Recipe:
    """Answer what is in the data and how clean it is."""
    tables = tables_of(task)
    several = len(tables) > 1
    overview = Cell("overview", "Count rows, columns, gaps and repeats", _overview(tables), 1)
    sizes = chart_cell(
        code("tables/completeness"),
        title="Empty cells by dataset",
        x="share of cells without a value (%)",
        y="dataset",
        step=2,
        purpose="Draw how complete each dataset is",
        grid="x",
        size=f"(8, {max(3, 1 + len(tables) / 2):g})",
    )
    more = [sizes] if several else _details(task.profile)
    steps = goals("tables/profile", task, several=several)
    return Recipe(steps, (overview, *more), partial(_compose_profile, task))


def _overview(tables: Sequence[DatasetProfile]) -> Code:
    inside = [table_of(table) for table in tables if not stays(table)]
    facts = []
    for table in tables:
        names = [sql_name(column.name) for column in table.columns]
        fields = ["count(*)", *(f"count(*) - count({name})" for name in names)]
        fields += [f"min({name}) IS NOT DISTINCT FROM max({name})" for name in names]
        facts.append(_facts(table, fields))
    listing = Code(", ".join(f"{quoted(name)}: {name}" for name in inside))
    return code("tables/overview", imports=_imports(tables), inside=listing, tables=facts)


def _details(main: DatasetProfile) -> list[Cell]:
    rows = main.dataset.rows
    numbers = [c for c in main.columns if role(c, rows) == "number"][:12]
    texts = [c for c in main.columns if role(c, rows) == "category"][:8]
    cells = []
    if stays(main):  # a text that reads as a number has no average in SQL
        numbers = [column for column in numbers if column.kind == "number"]
    if numbers:
        compute = _numbers(main, numbers)
        cells.append(Cell("numbers", "Summarise the numeric columns", compute, 2, optional=True))
    if texts:
        compute = _texts(main, texts)
        cells.append(Cell("texts", "Count the values of text columns", compute, 3, optional=True))
    return cells


def _numbers(main: DatasetProfile, columns: Sequence[ColumnProfile]) -> Code:
    names = [column.name for column in columns]
    if not stays(main):
        return code("tables/numbers", frame=table_of(main), columns=names)
    cells = [sql_name(name) for name in names]
    fields = [f"{figure}({cell})" for cell in cells for figure in ("avg", "min", "max")]
    counted = _counted(main, fields)
    return code("tables/numbers on disk", frame=table_of(main), counted=counted, columns=names)


def _texts(main: DatasetProfile, columns: Sequence[ColumnProfile]) -> Code:
    frame, names = table_of(main), [column.name for column in columns]
    if not stays(main):
        return code("tables/texts", frame=frame, columns=names)
    queries = []
    for name in names[:3]:
        cell = sql_name(name)
        sql = (
            f"SELECT CAST({cell} AS VARCHAR), count(*), count(*) OVER () FROM {frame} "
            f"WHERE {cell} IS NOT NULL GROUP BY {cell} ORDER BY 2 DESC, 1 LIMIT 3"
        )
        queries.append((name, sql))
    return code("tables/texts on disk", frame=frame, queries=queries)


def _compose_profile(task: DataTask, results: Results) -> RecipeAnswer:
    overview, caveats = results["overview"], []
    tables = {table.dataset.name: table for table in tables_of(task)}
    for name, table in overview.items():
        if table["constant columns"]:
            said = listed(f"`{column}`" for column in table["constant columns"])
            caveats.append(f"Columns of `{name}` with at most one value: {said}.")
        if table["repeated rows"]:
            caveats.append(f"`{name}` has repeated rows, which count twice in every total.")
    uncounted = [f"`{name}`" for name, table in overview.items() if table["repeated rows"] is None]
    if uncounted:
        caveats.append(f"Repeated rows were not counted in {listed(uncounted)}, kept on disk.")
    for profiled in tables.values():
        # A warning's numbers stand in no output of this run, so only those without any are answer.
        caveats += [
            f"`{warning.column}`: {warning.message}" if warning.column else warning.message
            for warning in profiled.warnings
            if warning.code != "constant-column" and not re.search(r"\d", warning.message)
        ][:4]
    values = tuple(KeyValue(f"Rows of {name}", table["rows"]) for name, table in overview.items())
    return answer(
        "tables/profile",
        task,
        results,
        values,
        caveats=(*caveats, *_not_covered(task)),
        overview=overview,
        columns={name: [f"`{c.name}`" for c in table.columns] for name, table in tables.items()},
        counts=lambda found: listed(f"`{column}` ({figure(n)})" for column, n in found.items()),
        ranges=[
            f"`{name}` from {figure(n['minimum'])} to {figure(n['maximum'])} "
            f"(mean {figure(n['mean'])})"
            for name, n in list(results.get("numbers", {}).items())[:4]
        ],
        kinds=[
            f"`{name}` with {figure(found['different values'])} values, most often "
            f"{next(iter(found['commonest']))} ({rows_of(next(iter(found['commonest'].values())))})"
            for name, found in list(results.get("texts", {}).items())[:3]
            if next(iter(found["commonest"]), None) is not None
        ],
    )


def missing(task: DataTask) -> Recipe:
    """Answer how many values are missing, column by column."""
    tables = tables_of(task)
    several = len(tables) > 1
    facts = []
    for table in tables:
        chosen = [column.name for column in task.measures]
        names = [sql_name(name) for name in chosen or [c.name for c in table.columns]]
        whole = " AND ".join(f"{name} IS NOT NULL" for name in names)
        fields = ["count(*)", f"count(*) FILTER (WHERE {whole})"]
        fields += [f"count(*) - count({name})" for name in names]
        facts.append(_facts(table, fields, chosen))
    imports = _imports(tables, "import pandas as pd")
    compute = code("tables/missing", imports=imports, tables=facts)

    def chart(results: Results) -> Cell | None:
        if not any(facts["missing"] for facts in results["missing"].values()):
            return None  # there is nothing to draw
        return chart_cell(
            code("tables/shares missing", several=several),
            title="Missing values" + ("" if several else f" of {task.profile.dataset.name}"),
            x="share of rows without a value (%)",
            y="column",
            step=2,
            purpose="Draw the shares as bars",
            grid="x",
        )

    cell = Cell("missing", "Count missing values per column", compute, 1)
    return Recipe(goals("tables/missing", task), (cell, chart), partial(_compose_missing, task))


def _compose_missing(task: DataTask, results: Results) -> RecipeAnswer:
    found = results["missing"]
    several = len(found) > 1
    values: list[KeyValue] = []
    heavy: list[str] = []
    for name, facts in found.items():
        label = f"{name}: missing" if several else "Missing"
        gaps = facts["missing"].items()
        values += [KeyValue(f"{label} {column}", gap["missing"]) for column, gap in gaps][:6]
        heavy += [f"`{column}`" for column, gap in gaps if gap["percent"] > 50]
    caveats = (f"More than half is missing in {listed(heavy)}.",) if heavy else ()
    return answer(
        "tables/missing",
        task,
        results,
        values[:12] or [KeyValue("Missing values", 0)],
        caveats=(*caveats, *_not_covered(task)),
        found=found,
        several=several,
        single=task.measures[0].name if len(task.measures) == 1 else "",
        gaps={
            name: [
                f"`{column}` {figure(gap['missing'])} ({share(gap['percent'])})"
                for column, gap in list(facts["missing"].items())[: 4 if several else 8]
            ]
            for name, facts in found.items()
        },
        whole=[f"`{name}`" for name, facts in found.items() if not facts["missing"]],
        only=next(iter(found.values())),
    )


def join(task: DataTask) -> Recipe:
    """Answer whether two tables fit together: the key, its overlap, and what a join would do."""
    other = task.others[0]
    cells: list[Cell] = []
    left = _in_memory(cells, task.profile, task.groups)
    right = _in_memory(cells, other, task.groups)
    search = code(
        "tables/keys",
        left=left,
        right=right,
        left_keys=[column.name for column in _keys(task.profile, task.groups)],
        right_keys=[column.name for column in _keys(other, task.groups)],
    )
    cells.append(Cell("keys", "Find columns whose values overlap", search, 1))

    def check(results: Results) -> Cell | None:
        if not results["keys"]["best"]:
            return None
        best = results["keys"]["best"][0]
        keys = {"left_key": str(best["left"]), "right_key": str(best["right"])}
        compute = code("tables/join", left=left, right=right, **keys)
        return Cell("join", "Count matched, unmatched and repeated keys", compute, 2)

    return Recipe(
        goals("tables/join", task),
        (*cells, check),
        partial(_compose_join, task, other),
        datasets=(task.profile.dataset.name, other.dataset.name),
    )


def _in_memory(cells: list[Cell], table: DatasetProfile, named: Sequence[ColumnProfile]) -> Code:
    """Return the variable of a table; of one on disk, a cell brings what could be a key."""
    name = table_of(table)
    if not stays(table):
        return name
    load = load_cell(table, [column.name for column in _keys(table, named)], Code(f"{name}_keys"))
    cells.append(replace(load, key=f"load {name}", purpose=f"Load the keys of {name}"[:70]))
    return Code(f"{name}_keys")


def _keys(profile: DatasetProfile, named: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """Return columns that could be a key: text and ids, not measurements and not parts of dates."""
    rows = profile.dataset.rows
    wanted = [column for column in profile.columns if column in named]
    if wanted:
        return wanted
    found = [
        column
        for column in profile.columns
        if column.distinct > 1
        and not is_time(column)
        and (column.kind == "text" or is_id(column, rows))
        and (column.max_length or 0) <= 60
    ]
    return found[:12] or list(profile.columns)[:6]


def _compose_join(task: DataTask, other: DatasetProfile, results: Results) -> RecipeAnswer:
    left, right = task.profile.dataset.name, other.dataset.name
    best = results["keys"]["best"]
    found = answer(
        "tables/join",
        task,
        results,
        left=left,
        right=right,
        tried=results["keys"]["pairs tried"],
        key=best[0] if best else None,
    )
    if not best:
        return found
    shown = results["join"]
    repeats = shown["right keys that repeat"]
    caveats = []
    if repeats:
        caveats.append(f"Repeated keys in `{right}` multiply rows; choose one row per key first.")
    if shown["examples unmatched"]:
        caveats.append(f"Keys without a match, for example: {listed(shown['examples unmatched'])}.")
    values = (
        KeyValue("Rows matched", shown["left rows matched"]),
        KeyValue("Rows unmatched", shown["left rows unmatched"]),
        KeyValue("Repeated keys", repeats),
    )
    note = "The key is the pair of columns whose values overlap most."
    return replace(
        found, values=values, assumptions=(note, *found.assumptions), caveats=tuple(caveats)
    )

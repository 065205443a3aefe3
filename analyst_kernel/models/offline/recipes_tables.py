"""Recipes about whole tables: what is in them, what is missing, whether two of them fit together.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from analyst_kernel.models.offline.charts import chart_cell
from analyst_kernel.models.offline.column_roles import is_id, is_time, role
from analyst_kernel.models.offline.prose import figure, listed, share
from analyst_kernel.models.offline.recipe import Cell, Draft, KeyValue, Recipe, Results
from analyst_kernel.models.offline.rows import quoted
from analyst_kernel.models.offline.task import Task
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_MANY = 4


def _loads(profiles: Sequence[DatasetProfile]) -> tuple[list[Cell], list[str]]:
    """Return the cells that bring datasets on disk into memory, and the variables of all."""
    cells, names = [], []
    for profile in profiles:
        name = profile.dataset.name
        if profile.dataset.load == "view":
            cells.append(
                Cell(
                    f"load {name}", f"Load {name}"[:70], f"SELECT *\nFROM {name}", 1, f"{name}_rows"
                )
            )
            name = f"{name}_rows"
        names.append(name)
    return cells, names


def profile(task: Task) -> Recipe:
    """What is in the data and how clean it is."""
    tables = (task.profile, *task.others)[:_MANY]
    cells, names = _loads(tables)
    listing = ", ".join(
        f"{quoted(t.dataset.name)}: {name}" for t, name in zip(tables, names, strict=True)
    )
    overview = [
        f"tables = {{{listing}}}",
        "{",
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
        '        "constant columns": [str(c) for c in table.columns if table[c].nunique() <= 1],',
        "    }",
        "    for name, table in tables.items()",
        "}",
    ]
    cells.append(Cell("overview", "Count rows, columns, gaps and repeats", "\n".join(overview), 1))
    main = names[0]
    numbers = [c for c in task.profile.columns if role(c, task.profile.dataset.rows) == "number"]
    if numbers:
        chosen = ", ".join(quoted(c.name) for c in numbers[:12])
        code = [
            "import pandas as pd",
            "",
            f'numbers = {main}[[{chosen}]].apply(pd.to_numeric, errors="coerce")',
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
        cells.append(
            Cell("numbers", "Summarise the numeric columns", "\n".join(code), 2, optional=True)
        )
    texts = [c for c in task.profile.columns if role(c, task.profile.dataset.rows) == "category"]
    if texts:
        chosen = ", ".join(quoted(c.name) for c in texts[:8])
        code = [
            "{",
            "    column: {",
            f'        "different values": int({main}[column].nunique()),',
            (
                f'        "commonest": {{str(k): v for k, v in '
                f"{main}[column].value_counts().head(3).to_dict().items()}},"
            ),
            "    }",
            f"    for column in [{chosen}]",
            "}",
        ]
        cells.append(
            Cell("texts", "Count the values of text columns", "\n".join(code), 3, optional=True)
        )
    goals = (
        "Count rows, columns, gaps and repeated rows",
        "Summarise the numeric columns",
        "Count the values of text columns",
        "Say what is in the data and what to mind",
    )
    return Recipe(goals, tuple(cells), lambda shown: _tell_profile(task, shown))


def _tell_profile(task: Task, results: Results) -> Draft:
    sentences: list[str] = []
    caveats: list[str] = []
    values: list[KeyValue] = []
    for name, table in results["overview"].items():
        sentences.append(
            f"`{name}` has {figure(table['rows'])} rows and {figure(table['columns'])} columns; "
            f"{figure(table['empty cells'])} cells ({share(table['empty cells in percent'])}) are "
            f"empty and {figure(table['repeated rows'])} rows repeat another one."
        )
        values.append(KeyValue(f"Rows of {name}", table["rows"]))
        if table["missing"]:
            gaps = listed(f"`{column}` ({figure(n)})" for column, n in table["missing"].items())
            sentences.append(f"Most values are missing in {gaps}.")
        if table["constant columns"]:
            said = listed(f"`{column}`" for column in table["constant columns"])
            caveats.append(f"Columns of `{name}` with at most one value: {said}.")
        if table["repeated rows"]:
            caveats.append(f"`{name}` has repeated rows, which count twice in every total.")
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
            n = figure(found["commonest"][common])
            kinds.append(
                f"`{name}` with {figure(found['different values'])} values, most often {common} "
                f"({n} rows)"
            )
    if kinds:
        sentences.append(f"Categories: {listed(kinds)}.")
    for table_profile in (task.profile, *task.others)[:_MANY]:
        # A warning's numbers stand in no output of this run, so only those without any are told.
        told = [
            f"`{warning.column}`: {warning.message}" if warning.column else warning.message
            for warning in table_profile.warnings
            if warning.code != "constant-column" and not re.search(r"\d", warning.message)
        ]
        caveats += told[:4]
    return Draft(tuple(sentences), tuple(values), task.assumptions, tuple(caveats))


def missing(task: Task) -> Recipe:
    """How many values are missing, column by column."""
    cells, names = _loads((task.profile,))
    table = names[0]
    chosen = ", ".join(quoted(column.name) for column in task.measures)
    part = f"{table}[[{chosen}]]" if chosen else table
    compute = [
        f"missing = {part}.isna().sum().sort_values(ascending=False)",
        f"percent = (100 * missing / max(len({table}), 1)).round(2)",
        'display(missing.to_frame("missing").assign(percent=percent))',
        "",
        "{",
        f'    "rows": len({table}),',
        '    "columns": len(missing),',
        '    "columns with gaps": int((missing > 0).sum()),',
        '    "missing values": int(missing.sum()),',
        f'    "complete rows": len({part}.dropna()),',
        '    "missing": missing[missing > 0].head(12).to_dict(),',
        '    "percent": percent[missing > 0].head(12).to_dict(),',
        "}",
    ]
    cells.append(Cell("missing", "Count missing values per column", "\n".join(compute), 1))
    cells.append(
        chart_cell(
            [
                "shown = percent.head(20).iloc[::-1]",
                "ax.barh([str(name) for name in shown.index], shown.values)",
            ],
            title=f"Missing values of {task.profile.dataset.name}",
            x="share of rows without a value (%)",
            y="column",
            step=2,
            purpose="Draw the shares as bars",
            grid="x",
        )
    )
    goals = (
        "Count missing values per column",
        "Draw the shares as bars",
        "State where the gaps are",
    )
    return Recipe(goals, tuple(cells), lambda shown: _tell_missing(task, shown))


def _tell_missing(task: Task, results: Results) -> Draft:
    shown = results["missing"]
    name = task.profile.dataset.name
    gaps: dict[str, int] = shown["missing"]
    rows = figure(shown["rows"])
    if not gaps:
        head = (
            f"No value is missing: all {figure(shown['columns'])} columns are complete in "
            f"{rows} rows."
        )
        return Draft((head,), (KeyValue("Missing values", shown["missing values"]),))
    head = (
        f"{figure(shown['missing values'])} values are missing in `{name}`, in "
        f"{figure(shown['columns with gaps'])} of {figure(shown['columns'])} columns."
    )
    said = listed(
        f"`{column}` {figure(n)} ({share(shown['percent'][column])})"
        for column, n in list(gaps.items())[:8]
    )
    sentences = (
        head,
        f"By column: {said}.",
        f"{figure(shown['complete rows'])} of {rows} rows are complete.",
    )
    values = tuple(KeyValue(f"Missing {column}", n) for column, n in list(gaps.items())[:6])
    heavy = [f"`{c}`" for c in gaps if shown["percent"][c] > 50]
    caveats = (f"More than half is missing in {listed(heavy)}.",) if heavy else ()
    return Draft(sentences, values, task.assumptions, caveats)


# --- join ------------------------------------------------------------------------------


def join(task: Task) -> Recipe:
    """Whether two tables fit together: the key, its overlap, and what a join would do."""
    other = task.others[0]
    cells, names = _loads((task.profile, other))
    left, right = names
    lefts = ", ".join(quoted(c.name) for c in _keys(task.profile, task.groups))
    rights = ", ".join(quoted(c.name) for c in _keys(other, task.groups))
    search = [
        "pairs = []",
        f"for left_key in [{lefts}]:",
        f"    left_values = set({left}[left_key].dropna().astype(str))",
        f"    for right_key in [{rights}]:",
        f"        right_values = set({right}[right_key].dropna().astype(str))",
        "        shared = left_values & right_values",
        "        share = len(shared) / max(min(len(left_values), len(right_values)), 1)",
        "        pairs.append((round(share, 4), len(shared), left_key, right_key))",
        "pairs.sort(key=lambda pair: (pair[0], pair[1], pair[2] == pair[3]), reverse=True)",
        "{",
        '    "pairs tried": len(pairs),',
        '    "best": [',
        '        {"left": left_key, "right": right_key, "shared values": shared, "share": share}',
        "        for share, shared, left_key, right_key in pairs[:3]",
        "        if shared",
        "    ],",
        "}",
    ]
    cells.append(Cell("keys", "Find columns whose values overlap", "\n".join(search), 1))

    def check(results: Results) -> Cell | None:
        best = results["keys"]["best"]
        return _check_cell(left, right, best[0]["left"], best[0]["right"]) if best else None

    goals = (
        "Find columns whose values overlap",
        "Count matched and unmatched keys, and repeated keys",
        "Say whether the tables fit together",
    )
    return Recipe(
        goals,
        (*cells, check),
        lambda shown: _tell_join(task, other, shown),
        datasets=(task.profile.dataset.name, other.dataset.name),
    )


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


def _check_cell(left: str, right: str, left_key: str, right_key: str) -> Cell:
    a, b = f"{left}[{quoted(left_key)}]", f"{right}[{quoted(right_key)}]"
    code = [
        f'left_key = {a}.astype("string")',
        f'right_key = {b}.astype("string")',
        "matched = left_key.isin(right_key.dropna())",
        "per_key = right_key.value_counts()",
        "{",
        '    "left rows": len(left_key),',
        '    "right rows": len(right_key),',
        '    "left rows without a key": int(left_key.isna().sum()),',
        '    "left rows matched": int(matched.sum()),',
        '    "left rows matched in percent": round(100 * float(matched.mean()), 2),',
        '    "left rows unmatched": int((~matched).sum()),',
        '    "examples unmatched": left_key[~matched].dropna().unique()[:5].tolist(),',
        '    "keys on the left": int(left_key.nunique()),',
        '    "keys on the right": int(right_key.nunique()),',
        '    "right keys unused": len(set(right_key.dropna()) - set(left_key.dropna())),',
        '    "right keys that repeat": int((per_key > 1).sum()),',
        (
            '    "rows after a left join": '
            "int(left_key.map(per_key).fillna(0).astype(int).clip(lower=1).sum()),"
        ),
        "}",
    ]
    return Cell("join", "Count matched, unmatched and repeated keys", "\n".join(code), 2)


def _tell_join(task: Task, other: DatasetProfile, results: Results) -> Draft:
    left, right = task.profile.dataset.name, other.dataset.name
    best = results["keys"]["best"]
    if not best:
        head = (
            f"`{left}` and `{right}` do not fit together: none of the "
            f"{figure(results['keys']['pairs tried'])} pairs of columns share a value."
        )
        return Draft((head,), (), task.assumptions)
    key, shown = best[0], results["join"]
    head = (
        f"`{left}` joins `{right}` on `{key['left']}` = `{key['right']}`: "
        f"{figure(shown['left rows matched'])} of {figure(shown['left rows'])} rows "
        f"({share(shown['left rows matched in percent'])}) find a match."
    )
    sentences = [
        head,
        (
            f"{figure(shown['left rows unmatched'])} rows stay without a match, "
            f"{figure(shown['left rows without a key'])} of them without a key."
        ),
        (
            f"`{left}` has {figure(shown['keys on the left'])} different keys, `{right}` has "
            f"{figure(shown['keys on the right'])}, of which {figure(shown['right keys unused'])} "
            "are unused."
        ),
    ]
    repeats = shown["right keys that repeat"]
    caveats: list[Any] = []
    if repeats:
        sentences.append(
            f"{figure(repeats)} keys repeat in `{right}`, so a left join would give "
            f"{figure(shown['rows after a left join'])} rows."
        )
        caveats.append(f"Repeated keys in `{right}` multiply rows; choose one row per key first.")
    else:
        sentences.append(
            f"No key repeats in `{right}`, so a left join keeps "
            f"{figure(shown['rows after a left join'])} rows."
        )
    if shown["examples unmatched"]:
        caveats.append(f"Keys without a match, for example: {listed(shown['examples unmatched'])}.")
    values = (
        KeyValue("Rows matched", shown["left rows matched"]),
        KeyValue("Rows unmatched", shown["left rows unmatched"]),
        KeyValue("Repeated keys", repeats),
    )
    notes = ("The key is the pair of columns whose values overlap most.", *task.assumptions)
    return Draft(tuple(sentences), values, notes, tuple(caveats))

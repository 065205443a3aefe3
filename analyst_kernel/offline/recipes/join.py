"""Whether two tables fit together. Pure; takes a task and returns cells and an answer to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analyst_kernel.offline.column_roles import is_id, is_time
from analyst_kernel.offline.recipes.prose import figure, listed, share
from analyst_kernel.offline.recipes.recipe import (
    AnswerDraft,
    Cell,
    KeyValue,
    Recipe,
    Results,
    quoted,
)
from analyst_kernel.offline.recipes.rows import load_cell, stays
from analyst_kernel.offline.task import DataTask
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile


def join(task: DataTask) -> Recipe:
    """Whether two tables fit together: the key, its overlap, and what a join would do."""
    other = task.others[0]
    cells: list[Cell] = []
    left = _in_memory(cells, task.profile, task.groups)
    right = _in_memory(cells, other, task.groups)
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


def _in_memory(cells: list[Cell], table: DatasetProfile, named: Sequence[ColumnProfile]) -> str:
    """Return the variable of a table; of one on disk, a cell brings what could be a key."""
    name = table.dataset.name
    if not stays(table):
        return name
    load = load_cell(table, [column.name for column in _keys(table, named)], f"{name}_keys")
    cells.append(replace(load, key=f"load {name}", purpose=f"Load the keys of {name}"[:70]))
    return f"{name}_keys"


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


def _tell_join(task: DataTask, other: DatasetProfile, results: Results) -> AnswerDraft:
    left, right = task.profile.dataset.name, other.dataset.name
    best = results["keys"]["best"]
    if not best:
        head = (
            f"`{left}` and `{right}` do not fit together: none of the "
            f"{figure(results['keys']['pairs tried'])} pairs of columns share a value."
        )
        return AnswerDraft((head,), (), task.assumptions)
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
    return AnswerDraft(tuple(sentences), values, notes, tuple(caveats))

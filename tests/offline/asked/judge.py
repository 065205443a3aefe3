"""Asks the rules in this process and judges the answer against pandas' own; draws no charts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from analyst_kernel.offline.model import recipe_of
from analyst_kernel.offline.reader import interpret
from analyst_kernel.offline.recipes.recipe import Cell, RecipeAnswer
from analyst_kernel.offline.task import Ready
from analyst_kernel.offline.transcript import parse_shown
from analyst_kernel.protocol.outputs import ErrorOutput, ResultOutput
from tests.offline.asked.cases import Case
from tests.offline.player import Player

_PLAYERS: dict[str, Player] = {}


def _player(case: Case) -> Player:
    name = case.table.name
    if name not in _PLAYERS:
        _PLAYERS[name] = Player(case.table.profile, frames={name: case.table.frame})
    return _PLAYERS[name]


def verdict(case: Case) -> tuple[str, str]:
    """Return ``right``, ``wrong`` or ``refused`` for a case, and what was answered."""
    player = _player(case)
    reading = interpret(case.question, player.profiles, earlier=case.earlier)
    if not isinstance(reading, Ready):
        return "refused", str(getattr(reading, "reason", reading))[:200]
    task = reading.task
    recipe = recipe_of(task)
    results: dict[str, dict[str, Any]] = {}
    for entry in recipe.cells:
        cell = entry if isinstance(entry, Cell) else entry(results)
        if cell is None or cell.optional:
            continue
        assert cell.sql_name is None
        (*_, last) = player.execute(cell.code) or (None,)
        if isinstance(last, ErrorOutput) or not isinstance(last, ResultOutput):
            return "wrong", f"{cell.key} failed: {last}"
        shown = parse_shown(str(last.data["text/plain"]))
        if shown is None:
            return "wrong", f"{cell.key} showed {last.data['text/plain']}"
        results[cell.key] = shown
    answer = recipe.compose(results)
    said = f"{answer.sentences[0]} {task.intent} {task.statistic}"
    if case.right is None:
        return "wrong", said
    if case.chart and case.chart != task.chart:
        return "wrong", f"{said} drawn as {task.chart}"
    return ("right" if _holds(case, results, answer) else "wrong"), said


def _near(a: object, b: object) -> bool:
    if not isinstance(a, int | float) or not isinstance(b, int | float):
        return False
    return math.isclose(a, b, rel_tol=1e-5, abs_tol=6e-3)


def _name(key: object) -> str:
    if isinstance(key, tuple):
        return ", ".join(map(_name, key))
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)


def _tables(shown: object) -> Iterator[dict[str, Any]]:
    if isinstance(shown, dict):
        yield {_name(key): value for key, value in shown.items()}
        for value in shown.values():
            yield from _tables(value)
    if isinstance(shown, list):
        yield {str(i): value for i, value in enumerate(shown)}


def _holds(case: Case, results: dict[str, dict[str, Any]], answer: RecipeAnswer) -> bool:
    right = case.right
    values = [one.value for one in answer.values]  # noqa: PD011 - a tuple of an answer, no frame
    if not isinstance(right, dict):
        return bool(values) and any(_near(value, right) for value in values[:2])
    if "second" in right:
        found = iter(values)
        return all(any(_near(one, wanted) for one in found) for wanted in right.values())
    right = {key: value for key, value in right.items() if not pd.isna(value)}
    if "trend" in results:
        shown = results["trend"]
        ends = [
            (shown[end], shown[f"value in {end}"]) for end in ("first", "last", "lowest", "highest")
        ]
        cut = set(shown.get("incomplete", ()))
        assert {_name(name) for name, _ in ends} <= set(right) - cut, (ends, right)
        return all(_near(value, right.get(_name(name))) for name, value in ends) and shown[
            "periods"
        ] == len(right) - len(cut)
    for found in _tables(results):
        same = _same(found, right)
        if same and (not case.best or next(iter(found)) == next(iter(right))):
            return True
        if case.best and same and _near(next(iter(found.values())), next(iter(right.values()))):
            return True
    return False


def _same(found: dict[str, Any], right: dict[str, float]) -> bool:
    """Return whether what was found is right: ten first ones are enough, nothing else may be."""
    known = {key: value for key, value in found.items() if key in right}
    enough = len(known) == len(found) and len(found) >= min(len(right), 10)
    left = [value for key, value in right.items() if key not in found]
    zeros = all(value == 0 for value in left) and len(known) == len(found) > 0
    return (enough or zeros) and all(_near(value, right[key]) for key, value in known.items())

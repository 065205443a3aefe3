"""The recipe of a question with several requests: theirs, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from analyst_kernel.offline.recipes.prose import condition, dropped
from analyst_kernel.offline.recipes.recipe import Cell, KeyValue, Recipe, RecipeAnswer, Results
from analyst_kernel.offline.task import DataTask, Intent

_GOALS = 7
"""Steps that a plan may have."""

Makers = Mapping[Intent, Callable[[DataTask], Recipe]]


def several(makers: Makers, task: DataTask) -> Recipe:
    """Answer each request of a question; the answer holds all of them, or there is none."""
    recipes = [makers[one.intent](one) for one in task.then]
    full = sum(len(recipe.goals) for recipe in recipes) <= _GOALS
    goals: list[str] = []
    cells: list[Cell | Callable[[Results], Cell | None]] = []
    for number, recipe in enumerate(recipes, 1):
        shift = len(goals)
        said = list(recipe.goals) if full else [recipe.goals[min(1, len(recipe.goals) - 1)]]
        goals += [f"{goal} ({number})" if goal in goals else goal for goal in said]
        for entry in recipe.cells:
            cells.append(_moved(entry, number, shift, 0 if full else len(said)))
    compose = partial(_compose, task.then, recipes)
    names = tuple(dict.fromkeys(name for recipe in recipes for name in recipe.datasets))
    return Recipe(tuple(goals), tuple(cells), compose, names)


def _moved(
    entry: Cell | Callable[[Results], Cell | None], number: int, shift: int, only: int
) -> Cell | Callable[[Results], Cell | None]:
    """Return a cell with the key and the step that it has among those of other requests."""
    if not isinstance(entry, Cell):
        return lambda results: (
            _placed(made, number, shift, only)
            if (made := entry(_own(results, number))) is not None
            else None
        )
    return _placed(entry, number, shift, only)


def _placed(cell: Cell, number: int, shift: int, only: int) -> Cell:
    step = shift + (min(cell.step, only) if only else cell.step)
    return replace(cell, key=_key(cell.key, number), step=step)


def _key(key: str, number: int) -> str:
    return key if number == 1 else f"{key} {number}"


def _own(results: Results, number: int) -> Results:
    """Return the results of one request under the keys that its recipe knows."""
    if number == 1:
        return results
    end = f" {number}"
    return {key.removesuffix(end): shown for key, shown in results.items() if key.endswith(end)}


def _compose(tasks: tuple[DataTask, ...], recipes: list[Recipe], results: Results) -> RecipeAnswer:
    first: list[str] = []
    more: list[str] = []
    values: list[KeyValue] = []
    assumptions: list[str] = []
    caveats: list[str] = []
    for number, (task, recipe) in enumerate(zip(tasks, recipes, strict=True), 1):
        own = _own(results, number)
        rows = own.get("rows", {})
        if task.intent != "count" and rows.get("rows used") == 0:
            said = f", {condition(task.filters)}" if task.filters else ""
            first.append(f"No row of `{task.profile.dataset.name}` has what is asked{said}.")
            caveats += dropped(rows)
            continue
        part = recipe.compose(own)
        first.append(part.sentences[0])
        more += [sentence for sentence in part.sentences[1:] if sentence not in more]
        values += part.values[:6]
        assumptions += part.assumptions
        caveats += part.caveats
    return RecipeAnswer(
        (" ".join(first), *more),
        tuple(values),
        tuple(dict.fromkeys(assumptions)),
        tuple(dict.fromkeys(caveats)),
    )

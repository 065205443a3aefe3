"""Recipes that set things side by side: two columns of numbers, or two and more groups.

Pure; each takes a task and returns cells and an answer to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from analyst_kernel.offline.recipes.prose import (
    answer,
    axis_label,
    basis,
    called,
    dropped,
    figure,
    goals,
    item,
    measured_unit,
    share,
    unit,
)
from analyst_kernel.offline.recipes.recipe import (
    Cell,
    Code,
    KeyValue,
    Recipe,
    RecipeAnswer,
    Results,
    chart_cell,
    code,
    grouped_digits,
    quoted,
)
from analyst_kernel.offline.recipes.rows import prepare, stays, variable
from analyst_kernel.offline.task import DataTask

_GROUPS = 8
"""Groups within which a relation is looked at, too."""

_POINTS = 5_000
"""Points of one scatter plot of a dataset that stays on disk."""


def correlation(task: DataTask) -> Recipe:
    """Answer whether two columns of numbers move together."""
    x, y = task.measures[:2]
    rows = prepare(task, (x, y, *task.groups), numeric=(x, y))
    a, b = variable(x, task), variable(y, task)
    if a == b:
        b = Code(f"{b}_2")
    group = task.groups[0] if task.groups else None
    sampled = stays(task.profile) and (task.profile.dataset.rows or 0) > _POINTS
    shared = {
        "frame": rows.frame,
        "a": a,
        "b": b,
        "x": x.name,
        "y": y.name,
        "group": group.name if group is not None else None,
    }
    chart = chart_cell(
        code(
            "relation/scatter",
            **shared,
            drawn=Code(f"{rows.frame}_drawn") if sampled else rows.frame,
            points=_POINTS if sampled else 0,
            coloured=group is not None and group.distinct <= _GROUPS,
        ),
        title=f"{axis_label(y, task.profile)} against {axis_label(x, task.profile)}"
        + (f" ({_POINTS:,} rows drawn at random)" if sampled else ""),
        x=axis_label(x, task.profile),
        y=axis_label(y, task.profile),
        purpose="Draw both columns as a scatter plot",
    )
    steps = goals("relation/relation", task, x=x, y=y)
    compute = code("relation/relation", **shared, most=_GROUPS)
    cells = (*rows.cells, Cell("relation", "Compute correlation and slope", compute, 2), chart)
    return Recipe(steps, cells, partial(_compose_relation, task))


def _compose_relation(task: DataTask, results: Results) -> RecipeAnswer:
    (x, y), shown = task.measures[:2], results["relation"]
    r, uy = shown["r"], unit(y, task.profile)
    group = task.groups[0] if task.groups else None
    found = answer(
        "relation/relation",
        task,
        results,
        notes=["r is Pearson's correlation."],
        x=x,
        y=y,
        r=r,
        verdict=_verdict(task, r or 0),
        strength="strong" if abs(r or 0) >= 0.7 else "moderate" if abs(r or 0) >= 0.4 else "weak",
        group=group,
        within=[
            f"r = {figure(inside['r'])} for {item(name, group)} (n = {figure(inside['rows'])})"
            for name, inside in (shown["within"].items() if group and r is not None else ())
        ],
        most=_GROUPS,
    )
    if r is None:
        return replace(found, assumptions=task.assumptions)
    caveat = (
        "A correlation does not show that one causes the other, and groups in the data may differ."
    )
    values = (
        KeyValue("Correlation r", r),
        KeyValue("Rows", results["rows"]["rows used"]),
        KeyValue(f"Mean {y.name}, upper half", shown["mean of upper half"], uy),
        KeyValue(f"Mean {y.name}, lower half", shown["mean of lower half"], uy),
    )
    return replace(found, values=values, caveats=(*found.caveats, caveat))


def _verdict(task: DataTask, r: float) -> str:
    """Begin with yes or no where the question claims a direction ("do heavier X have longer Y")."""
    if not task.direction:
        return "R"
    return "Yes: r" if (r > 0) == (task.direction > 0) else "No: r"


def compare(task: DataTask) -> Recipe:
    """Answer how a measure differs between groups."""
    group, measure = task.groups[0], task.measures[0]
    rows = prepare(task, (group, measure), numeric=(measure,))
    single = all(member.whole and len(member.values) == 1 for member in task.members)
    whole_values = [member.values[0] for member in task.members] if single else []
    fliers = ", showfliers=False" if stays(task.profile) else ""
    compute = rows.code(
        "relation/compare",
        group=group.name,
        measure=measure.name,
        sides=[] if single else [(m.label, m.values, m.whole) for m in task.members],
        kept=whole_values,
        as_text=Code(".astype(str)" if group.kind == "bool" else ""),
        by=group.name if single else Code("side"),
    )
    chart = chart_cell(
        code("relation/boxes", fliers=Code(fliers)),
        after=grouped_digits("y", task),
        title=f"{axis_label(measure, task.profile)} by {group.name}"
        + (" (outliers not drawn)" if fliers else ""),
        x=group.name,
        y=axis_label(measure, task.profile),
        purpose="Draw the groups as box plots",
        grid="y",
    )
    keys = {"key": quoted(group.name), "value": quoted(measure.name)}
    steps = goals("relation/compare", task, **keys)
    cells = (*rows.cells, Cell("compare", "Compare mean, median and spread", compute, 2), chart)
    return Recipe(steps, cells, partial(_compose_comparison, task))


def _judged(task: DataTask, shown: Mapping[str, Any]) -> str:
    """Return whether the claim of the question holds of its two sides; empty if it claims nothing.

    A difference whose 95 % interval holds zero is not clear.
    """
    means = {str(name): mean for name, mean in shown["mean"].items()}
    sides = [member.label for member in task.members]
    if not task.direction or set(sides) != set(means):
        return ""
    low, high = shown["95 % interval"]
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return ""  # a side of one row has no spread
    if not low > 0:
        return "Not clearly"
    holds = (means[sides[0]] - means[sides[1]]) * task.direction > 0
    return "Yes" if holds else "No"


def _compose_comparison(task: DataTask, results: Results) -> RecipeAnswer:
    shown, rows = results["compare"], results["rows"]
    of = measured_unit(task)
    means: dict[Any, Any] = shown["mean"]
    names = list(means)
    if len(names) < 2:
        only = f"{item(names[0])} ({figure(means[names[0]], of)})" if names else "none"
        head = f"There are not two groups to compare: rows with both values exist only for {only}."
        return RecipeAnswer((head, basis(task, rows)), (), task.assumptions, dropped(rows))
    low = next(iter(shown["lowest"]))
    percent, interval = shown["difference in percent"], shown["95 % interval"]
    relative = percent is not None and shown["lowest"][low] > 0 and of != "%"
    verdict = _judged(task, shown)
    values = [KeyValue(f"Mean for {item(name)}", means[name], of) for name in names[:4]]
    return answer(
        "relation/compare",
        task,
        results,
        [*values, KeyValue("Difference", shown["difference"], of)],
        notes=[f"Groups of {called(task.groups[0])} are compared by the arithmetic mean."],
        means=means,
        high=names[0],
        low=low,
        two=len(names) == 2,
        by=f", {share(percent)}" if relative else "",
        verdict=f"{verdict}: a" if verdict else "A",
        medians=[
            f"{item(name)} {figure(shown['median'][name], of)} (n = {figure(shown['rows'][name])})"
            for name in names[:5]
        ],
        between=[f"{item(name)} ({figure(means[name], of)})" for name in names[1:-1][:4]],
        interval=interval,
        bounded=all(isinstance(end, int | float) for end in interval),
    )

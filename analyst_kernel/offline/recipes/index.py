"""Intent -> recipe. The one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from analyst_kernel.offline.column_roles import is_number
from analyst_kernel.offline.recipes.counts import count, distinct, top_rows, top_values
from analyst_kernel.offline.recipes.groups import best_per_group, groups
from analyst_kernel.offline.recipes.join import join
from analyst_kernel.offline.recipes.overview import missing, profile
from analyst_kernel.offline.recipes.recipe import Recipe
from analyst_kernel.offline.recipes.relation import compare, correlation
from analyst_kernel.offline.recipes.single import distribution, outliers, scalar
from analyst_kernel.offline.recipes.time import trend
from analyst_kernel.offline.task import DataTask, Intent


def _any_distribution(task: DataTask) -> Recipe:
    """Numbers get a histogram, everything else is counted."""
    if is_number(task.measures[0]):
        return distribution(task)
    return top_values(
        replace(task, groups=task.measures, measures=(), direction=1, statistic="rows")
    )


RECIPES: dict[Intent, Callable[[DataTask], Recipe]] = {
    "profile": profile,
    "missing": missing,
    "distribution": _any_distribution,
    "top_values": top_values,
    "top_rows": top_rows,
    "groups": groups,
    "best_per_group": best_per_group,
    "scalar": scalar,
    "trend": trend,
    "compare": compare,
    "correlation": correlation,
    "outliers": outliers,
    "count": count,
    "distinct": distinct,
    "join": join,
}
"""Every intent has its recipe; a test holds the two together."""


def recipe_for(task: DataTask) -> Recipe:
    """Return the recipe that answers a task."""
    return RECIPES[task.intent](task)

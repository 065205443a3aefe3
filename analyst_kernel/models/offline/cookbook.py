"""Intent -> recipe. The one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from analyst_kernel.models.offline.column_roles import is_number
from analyst_kernel.models.offline.recipe import Recipe
from analyst_kernel.models.offline.recipes_counts import count, distinct, top_rows, top_values
from analyst_kernel.models.offline.recipes_groups import best_per_group, groups
from analyst_kernel.models.offline.recipes_join import join
from analyst_kernel.models.offline.recipes_missing import missing
from analyst_kernel.models.offline.recipes_overview import profile
from analyst_kernel.models.offline.recipes_relation import compare, correlation
from analyst_kernel.models.offline.recipes_single import distribution, outliers, scalar
from analyst_kernel.models.offline.recipes_time import trend
from analyst_kernel.models.offline.task import Intent, Task


def _any_distribution(task: Task) -> Recipe:
    """Numbers get a histogram, everything else is counted."""
    if is_number(task.measures[0]):
        return distribution(task)
    return top_values(
        replace(task, groups=task.measures, measures=(), direction=1, statistic="rows")
    )


RECIPES: dict[Intent, Callable[[Task], Recipe]] = {
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


def recipe_for(task: Task) -> Recipe:
    """Return the recipe that answers a task."""
    return RECIPES[task.intent](task)

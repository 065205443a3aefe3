"""What the kernel is told of the datasets, so that it can follow them through each cell. Pure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from analyst_kernel.protocol.datasets import DatasetProfile

_MOST_VALUES = 8
_FEWEST_COLUMNS = 3
_FEWEST_PARTS = 3
_TOTALS = frozenset({"total", "totals", "grand total", "subtotal", "overall", "sum"})
"""Labels of totals also where there are too few rows for the profile to warn."""


def watch_text(profiles: Iterable[DatasetProfile]) -> str:
    """Return the datasets by name, with what their profiles warn of, as JSON."""
    return json.dumps({one.dataset.name: _known(one) for one in profiles}, sort_keys=True)


def _known(profile: DatasetProfile) -> dict[str, Any]:
    dataset = profile.dataset
    found: dict[str, Any] = {"rows": dataset.rows, "file": os.path.basename(dataset.path)}
    by_code: dict[str, dict[str, list[str]]] = {"sentinel": {}, "total-rows": {}}
    keys: list[str] = []
    for warning in profile.warnings:
        if warning.column is None:
            continue
        if warning.code in by_code:
            values = by_code[warning.code].setdefault(warning.column, [])
            values += warning.values[:_MOST_VALUES]
        elif warning.code == "duplicate-keys":
            keys.append(warning.column)
    for column in profile.columns:
        labels = [item.value for item in column.top if item.value.strip().lower() in _TOTALS]
        if column.kind == "text" and labels and column.distinct >= _FEWEST_PARTS:
            by_code["total-rows"].setdefault(column.name, labels)
    found["sentinels"] = by_code["sentinel"]
    found["totals"] = by_code["total-rows"]
    found["keys"] = keys[:5]
    # Two columns alone repeat of themselves (a category and a value), and nothing is wrong.
    if profile.duplicate_rows and len(dataset.columns) >= _FEWEST_COLUMNS:
        found["twins"] = len(dataset.columns)
    return found


def ambiguous_dates(profiles: Iterable[DatasetProfile]) -> dict[str, str]:
    """Return the columns whose day and month may be swapped, with what the profile says of them."""
    return {
        warning.column: warning.message
        for profile in profiles
        for warning in profile.warnings
        if warning.code == "ambiguous-dates" and warning.column is not None
    }

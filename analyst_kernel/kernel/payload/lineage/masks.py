"""Tests of rows that no row passes: what was asked for, and what is really there."""

from __future__ import annotations

import ast
from typing import Any

from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.probes import is_literal, literal

_SIMPLE = (str, int, float)
_SWAPPED = {"Eq": "==", "NotEq": "!=", "Gt": ">", "GtE": ">=", "Lt": "<", "LtE": "<="}


def tested(column: Any, operator: str, wanted: Any, mask: Any) -> list[dict[str, Any]]:
    """Return the fact that no row passes a test, or none if one does."""
    if isinstance(wanted, bool) or not isinstance(wanted, _SIMPLE) or not tables.rows(column):
        return []
    sign = _SWAPPED.get(operator, operator)
    if sign == "!=":
        # Leaving out what is nowhere leaves everything in.
        if not isinstance(wanted, str) or not bool(mask.all()):
            return []
    elif not tables.is_series(mask) or bool(mask.fillna(False).astype(bool).any()):
        return []
    return [tables.nothing_equal(column, wanted, sign)]


def query_tests(frame: Any, text: Any, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the same of the tests in the text of ``DataFrame.query``."""
    if not isinstance(text, str) or len(text) > 2000:
        return []
    names = {f"COLUMN_{place}": name for place, name in enumerate(tables.labels(frame))}
    for key, name in names.items():
        text = text.replace(f"`{name}`", key)
    try:
        tree = ast.parse(text.strip().replace("@", ""), mode="eval")
    except (SyntaxError, ValueError):
        return []
    found: list[dict[str, Any]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Name):
            continue
        series = tables.column(frame, names.get(node.left.id, node.left.id))
        other = node.comparators[0]
        wanted = literal(other)
        if isinstance(other, ast.Name) and tables.column(frame, other.id) is None:
            wanted = namespace.get(other.id, wanted)
        if series is None or not is_literal(wanted):
            continue
        operator = type(node.ops[0]).__name__
        if operator in ("In", "NotIn") or isinstance(wanted, (list, tuple)):
            members = list(wanted) if isinstance(wanted, (list, tuple, set)) else []
            missing = tables.missing_of(series, members)
            found += [missing] if missing is not None else []
            continue
        if operator not in _SWAPPED or not isinstance(wanted, _SIMPLE):
            continue
        try:
            mask = _mask(series, operator, wanted)
        except TypeError:
            continue
        found += tested(series, operator, wanted, mask)
    return found


def _mask(series: Any, operator: str, wanted: Any) -> Any:
    names = {"Eq": "eq", "NotEq": "ne", "Gt": "gt", "GtE": "ge", "Lt": "lt", "LtE": "le"}
    return getattr(series, names[operator])(wanted)

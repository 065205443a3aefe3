"""Read back what a cell showed last, as plain values.

Numbers of an answer come from here and from nowhere else. Nothing is evaluated: the text of the
output is parsed, and only literals are kept.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any

from analyst_kernel.protocol.outputs import ErrorOutput, Output, ResultOutput


def shown_value(outputs: Sequence[Output]) -> dict[str, Any] | None:
    """Return the dict that a cell's last expression showed, or ``None`` where it showed none."""
    for output in reversed(outputs):
        if isinstance(output, ResultOutput):
            text = output.data.get("text/plain")
            return parse_shown(text) if isinstance(text, str) else None
    return None


def parse_shown(text: str) -> dict[str, Any] | None:
    """Parse the printed form of a dict of plain values; ``None`` for any other text."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = _literal(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return None
    return value if isinstance(value, dict) else None


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            if isinstance(value, float) and not math.isfinite(value):
                return None
            return value if isinstance(value, str | int | float | None) else ast.unparse(node)
        case ast.Dict():
            keys = [_literal(key) for key in node.keys if key is not None]
            return dict(zip(keys, map(_literal, node.values), strict=True))
        case ast.List() | ast.Tuple():
            items = [_literal(item) for item in node.elts]
            return items if isinstance(node, ast.List) else tuple(items)
        case ast.UnaryOp(op=ast.USub()):
            inner = _literal(node.operand)
            return None if inner is None else -inner
        case ast.Name():
            return None  # nan, inf, NaT: printed by name, and no value to tell.
        case ast.Call(args=[only]):
            return _literal(only)  # np.float64(1.5), Timestamp('2013-01-01')
        case _:
            return ast.unparse(node)


def error_of(outputs: Sequence[Output]) -> tuple[str, str]:
    """Return name and message of the exception that ended a cell; empty where there was none."""
    for output in reversed(outputs):
        if isinstance(output, ErrorOutput):
            return output.ename, output.evalue
    return "", ""

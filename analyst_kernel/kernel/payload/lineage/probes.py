"""Puts probes around the expressions of a cell's tree, so that each one's value is seen in passing.

A probe is a call of a builtin that returns its argument. It stands around whole expressions and
never inside a call, so a traceback, a warning and a displayed value are those of the plain cell.
"""

from __future__ import annotations

import ast
import builtins
import types
from typing import Any

PROBE = "_analyst_probe"
MOST_PROBES = 600
SQL_METHODS = frozenset({"sql", "query", "execute", "from_query", "read_sql", "read_sql_query"})

_NO_LITERAL = object()


class Node:
    """What is known of a probed expression before it runs.

    Attributes:
        kind: ``name``, ``attr``, ``item``, ``call``, ``compare`` or ``op``.
        name: The variable, attribute, method or operator.
        owner: Of a function, what stands before its last dot (``pd``, ``np.random``).
        receiver: The probe of the value that it is taken from, or None.
        children: The probes of the other parts, in order.
        literals: Positional arguments as plain values; ``NO_LITERAL`` for others.
        keywords: The same by keyword.
        parts: The probes inside each positional argument; ``named`` the same by keyword.
        words: Every text and every attribute inside the arguments.
        used: Whether another probe uses its value.
    """

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind = kind
        self.name = name
        self.owner = ""
        self.receiver: int | None = None
        self.children: list[int] = []
        self.literals: list[Any] = []
        self.keywords: dict[str, Any] = {}
        self.parts: list[list[int]] = []
        self.named: dict[str, list[int]] = {}
        self.words: list[str] = []
        self.tree: Any = None
        self.used = False


def is_literal(value: Any) -> bool:
    """Return whether an argument was written as a plain value."""
    return value is not _NO_LITERAL


def literal(node: ast.AST | None) -> Any:
    """Return the value of a constant expression; see :func:`is_literal`."""
    if node is None:
        return _NO_LITERAL
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NO_LITERAL


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for names and attributes, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def words_of(nodes: list[ast.AST]) -> list[str]:
    """Return the texts and the attribute names inside some expressions."""
    found: list[str] = []
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.Attribute):
                found.append(node.attr)
    return found[:200]


class Instrument:
    """Rewrites one cell's tree; ``nodes`` are the probes that it holds, in order of evaluation."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.nodes: list[Node] = []
        kinds = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
        self._plain = set(dir(builtins))
        for name, value in namespace.items():
            (self._plain.add if isinstance(value, kinds) else self._plain.discard)(name)
        self._called: set[str] = set()

    def cell(self, tree: ast.Module) -> ast.Module:
        """Put the probes into a cell."""
        loads: dict[str, int] = {}
        calls: dict[str, int] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                loads[node.id] = loads.get(node.id, 0) + 1
            elif isinstance(node, ast.Name):
                self._plain.discard(node.id)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                calls[node.func.id] = calls.get(node.func.id, 0) + 1
            if isinstance(node, ast.alias):
                self._plain.add((node.asname or node.name).partition(".")[0])
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self._plain.add(node.name)
        # A function that is handed on may run in another process, where there is no probe.
        self._called = {name for name, count in calls.items() if loads.get(name) == count}
        self._block(tree.body)
        return ast.fix_missing_locations(tree)

    # --- statements --------------------------------------------------------------------------

    def _block(self, body: list[Any]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: Any) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name in self._called and not node.decorator_list:
                self._block(node.body)
            return
        if isinstance(node, ast.ClassDef):
            return
        if isinstance(node, ast.Assert):
            node.test = self._expression(node.test)[0]
            return
        if isinstance(node, (ast.Delete, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)):
            return
        for field in ("value", "test", "iter"):
            value = getattr(node, field, None)
            if isinstance(value, ast.expr):
                setattr(node, field, self._expression(value)[0])
        for item in getattr(node, "items", []):
            item.context_expr = self._expression(item.context_expr)[0]
        for field in ("targets", "target"):
            value = getattr(node, field, None)
            for target in value if isinstance(value, list) else [value]:
                self._target(target)
        for field in ("body", "orelse", "finalbody"):
            self._block(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            self._block(handler.body)
        for case in getattr(node, "cases", []):
            self._block(case.body)

    def _target(self, node: Any) -> None:
        """Look at what selects the rows of an assignment (``df.loc[mask, "x"] = ...``)."""
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            node.slice = self._slice(node.slice)[0]
        elif isinstance(node, (ast.Tuple, ast.List)):
            for part in node.elts:
                self._target(part)

    # --- expressions -------------------------------------------------------------------------

    def _wrap(self, new: ast.expr, node: Node, old: ast.expr) -> tuple[ast.expr, list[int]]:
        if len(self.nodes) >= MOST_PROBES:
            return new, []
        for child in [node.receiver, *node.children]:
            if child is not None:
                self.nodes[child].used = True
        number = len(self.nodes)
        self.nodes.append(node)
        call = ast.Call(ast.Name(PROBE, ast.Load()), [ast.Constant(number), new], [])
        for made in (call, call.func, call.args[0]):
            ast.copy_location(made, old)
        return call, [number]

    def _expression(self, node: Any) -> tuple[Any, list[int]]:
        """Return the expression with its probes, and the probes that stand for its value."""
        if isinstance(node, ast.Name):
            if node.id in self._plain:
                return node, []
            return self._wrap(node, Node("name", node.id), node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Subscript):
            return self._item(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, (ast.BinOp, ast.UnaryOp)):
            return self._operation(node)
        if isinstance(node, ast.NamedExpr):
            node.value, numbers = self._expression(node.value)
            return node, numbers
        if isinstance(node, ast.IfExp):
            node.test = self._expression(node.test)[0]
            node.body, first = self._expression(node.body)
            node.orelse, second = self._expression(node.orelse)
            return node, first + second
        if isinstance(node, (ast.BoolOp, ast.JoinedStr)):
            node.values = [self._expression(part)[0] for part in node.values]
            return node, []
        if isinstance(node, ast.FormattedValue):
            node.value = self._expression(node.value)[0]
            return node, []
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return self._several(node, "elts")
        if isinstance(node, ast.Dict):
            return self._several(node, "values")
        if isinstance(node, (ast.Starred, ast.Await)):
            node.value, numbers = self._expression(node.value)
            return node, numbers
        return node, []

    def _several(self, node: Any, field: str) -> tuple[Any, list[int]]:
        found: list[int] = []
        parts = []
        for part in getattr(node, field):
            new, numbers = self._expression(part)
            parts.append(new)
            found += numbers
        setattr(node, field, parts)
        return node, found

    def _attribute(self, node: ast.Attribute) -> tuple[Any, list[int]]:
        if not dotted(node) or dotted(node).partition(".")[0] not in self._plain:
            known = Node("attr", node.attr)
            node.value, numbers = self._expression(node.value)
            known.receiver = numbers[0] if numbers else None
            if known.receiver is not None:
                return self._wrap(node, known, node)
        return node, []

    def _slice(self, node: Any) -> tuple[Any, list[int]]:
        if isinstance(node, ast.Slice):
            return node, []
        if isinstance(node, ast.Tuple):
            found: list[int] = []
            for position, part in enumerate(node.elts):
                node.elts[position], numbers = self._slice(part)
                found += numbers
            return node, found
        return self._expression(node)

    def _item(self, node: ast.Subscript) -> tuple[Any, list[int]]:
        known = Node("item")
        known.tree = node.slice
        known.literals = [literal(node.slice)]
        known.words = words_of([node.slice])
        node.value, numbers = self._expression(node.value)
        known.receiver = numbers[0] if numbers else None
        node.slice, inside = self._slice(node.slice)
        known.parts, known.children = [inside], list(inside)
        if known.receiver is None:
            return node, inside
        return self._wrap(node, known, node)

    def _call(self, node: ast.Call) -> tuple[Any, list[int]]:
        known = Node("call")
        function = node.func
        name = dotted(function)
        in_place = any(word.arg == "inplace" for word in node.keywords)
        if isinstance(function, ast.Attribute):
            known.name = function.attr
            known.owner = name.rpartition(".")[0]
            plain = known.owner.partition(".")[0] in self._plain
            # pandas counts references to warn of a chained change in place; one more would hide it.
            if not plain and not in_place:
                function.value, numbers = self._expression(function.value)
                known.receiver = numbers[0] if numbers else None
        elif isinstance(function, ast.Name):
            known.name = function.id
        known.words = words_of([*node.args, *(word.value for word in node.keywords)])
        known.tree = node
        for position, argument in enumerate(node.args):
            known.literals.append(literal(argument))
            if position == 0 and known.name in SQL_METHODS:
                new, numbers = self._wrap(argument, Node("text"), argument)
            else:
                new, numbers = self._expression(argument)
            node.args[position] = new
            known.parts.append(numbers)
            known.children += numbers
        for word in node.keywords:
            if word.arg is not None:
                known.keywords[word.arg] = literal(word.value)
            word.value, numbers = self._expression(word.value)
            known.named[word.arg or ""] = numbers
            known.children += numbers
        return self._wrap(node, known, node)

    def _compare(self, node: ast.Compare) -> tuple[Any, list[int]]:
        known = Node("compare", type(node.ops[0]).__name__)
        known.literals = [literal(node.left), literal(node.comparators[0])]
        node.left, left = self._expression(node.left)
        parts = [left]
        for position, other in enumerate(node.comparators):
            node.comparators[position], numbers = self._expression(other)
            parts.append(numbers)
        known.parts = parts
        known.children = [number for numbers in parts for number in numbers]
        return self._wrap(node, known, node) if known.children else (node, [])

    def _operation(self, node: Any) -> tuple[Any, list[int]]:
        known = Node("op", type(node.op).__name__)
        for field in ("left", "right", "operand"):
            part = getattr(node, field, None)
            if part is not None:
                new, numbers = self._expression(part)
                setattr(node, field, new)
                known.children += numbers
        return self._wrap(node, known, node) if known.children else (node, [])

"""Finds the numbers of an output that its code only repeats: somebody typed them. Pure.

``print("p =", 1.87e-28)`` shows a number and computes none, so it proves none. A number counts as
typed if it stands in the output where the code has it as a literal: in a text, in an f-string, as
an argument of ``print``, in a variable that only literals made, also rounded. What code does with a
literal is computed: ``60 * 24`` shows 1440. A literal that a computation on data uses is a
parameter of that, as 900 in ``orders[orders.amount > 900]``, and is no claim.

Whatever is not understood counts as computed: a right answer loses nothing.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from analyst_kernel._code import tree_of

_NUMERAL = re.compile(r"[0-9]+(?:[.,][0-9]+)*(?:[eE][+-]?[0-9]+)?")
_READS = re.compile(
    r"read|load|open|connect|sql|query|execute|fetch|glob|listdir|walk|request|globals|locals|eval"
    r"|exec|vars|getattr|input|import"
)
_OF_LITERALS = re.compile(
    r"\s*(?:select|values)\b(?!.*\b(?:from|with)\b)", re.IGNORECASE | re.DOTALL
)
_SHOWN_AS_TEXT = frozenset({"Markdown", "HTML", "Latex", "Pretty", "Text", "Math"})
_BUILTINS = frozenset(dir(builtins))
_MOST_SHOWN = 60
_LONGEST_LINE = 2000
_MOST_LITERALS = 500


@dataclass(frozen=True, slots=True)
class TypedValue:
    """What only literals made: the value where it is simple, and the numbers in it."""

    numbers: frozenset[float]
    value: Any = None


Names: TypeAlias = Mapping[str, TypedValue]
Line: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """What a cell's code types.

    Attributes:
        shown: Lines that the code shows: texts that stand in it, and None for anything else.
        numbers: Literals that the outputs may repeat.
        everywhere: Whether no output of the cell depends on data, so that each may.
        names: The variables that only literals made, after the cell.
        parameters: Numbers that a computation on data uses.
    """

    shown: tuple[Line, ...] = ()
    numbers: frozenset[float] = frozenset()
    everywhere: bool = False
    names: Names = field(default_factory=dict)
    parameters: frozenset[float] = frozenset()

    def is_typed(self, value: float, decimals: int) -> bool:
        """Return whether a number shown with so many decimals is a literal, or one rounded."""
        return any(
            value == number or round(number, decimals) == value or round(number, 12) == value
            for number in self.numbers
            if abs(abs(number) - abs(value)) <= 1
        )

    def masked(self, text: str) -> str:
        """Return an output's text with ``#`` in place of the digits that the code typed."""
        if self.everywhere and self.numbers:
            return _NUMERAL.sub(lambda m: _hidden(m[0]) if self._repeats(m[0]) else m[0], text)
        if not self.shown:
            return text
        return "".join(map(self._masked_line, text.splitlines(keepends=True)))

    def _masked_line(self, line: str) -> str:
        bare = line.rstrip("\r\n")
        if len(bare) > _LONGEST_LINE or not any(map(str.isdigit, bare)):
            return line
        written = [spans for parts in self.shown if (spans := _places(parts, bare)) is not None]
        if not written:
            return line
        # Of several displays that may have written a line, what all of them type is typed.
        written_at = [{at for span in spans for at in range(*span)} for spans in written]
        places = set.intersection(*written_at)
        kept = [
            found.span()
            for found in _NUMERAL.finditer(bare)
            if places.issuperset(range(*found.span())) and self._repeats(found[0])
        ]
        for start, end in kept:
            bare = bare[:start] + _hidden(bare[start:end]) + bare[end:]
        return bare + line[len(line.rstrip("\r\n")) :]

    def _repeats(self, numeral: str) -> bool:
        plain = numeral.replace(",", "")
        try:
            value = float(plain)
        except ValueError:
            return False
        decimals = len(plain.partition(".")[2]) if "e" not in plain.lower() else 12
        return self.is_typed(value, decimals)


def _places(parts: Line, line: str) -> list[tuple[int, int]] | None:
    """Return where the texts of a display stand in a line; None if it did not write that line.

    Each text is searched behind the one before it, the last one from the end: with nothing but gaps
    between texts, that finds a way if there is one.
    """
    spans: list[tuple[int, int]] = []
    at, after_gap = 0, False
    for number, part in enumerate(parts):
        if part is None:
            after_gap = True
            continue
        is_last = number == len(parts) - 1
        start = max(at, len(line) - len(part)) if after_gap and is_last else at
        start = line.find(part, start) if after_gap else start
        if start < 0 or not line.startswith(part, start):
            return None
        at, after_gap = start + len(part), False
        spans.append((start, at))
    return spans if after_gap or at == len(line) else None


def _hidden(text: str) -> str:
    return re.sub(r"[0-9]", "#", text)


NOTHING: Final = Typed()
"""Of a cell whose code is not known."""


def names_after(typed: Typed, before: Names, *, ran: bool) -> Names:
    """Return the variables that only literals made, after a cell; of one that failed, the rest."""
    if ran:
        return typed.names
    return {name: value for name, value in before.items() if typed.names.get(name) == value}


def typed_in(code: str, names: Names) -> Typed:
    """Return what a cell types; ``names`` are the variables that only literals made before it."""
    tree = tree_of(code)
    if tree is None:
        return Typed()
    return _Reader(names).read(tree)


class _Reader:
    """Reads one cell from top to bottom."""

    def __init__(self, names: Names) -> None:
        self._names: dict[str, TypedValue] = dict(names)
        self._shown: list[Line] = []
        self._numbers: set[float] = set()
        self._parameters: set[float] = set()
        self._uses_data = False

    def read(self, tree: ast.Module) -> Typed:
        once = _bound_once(tree)
        for statement in tree.body:
            self._statement(statement, once)
        if tree.body and isinstance(last := tree.body[-1], ast.Expr):
            if not _is_display(last.value):
                self._display([last.value], " ")
        free = not self._uses_data and bool(self._numbers)
        # What a computation uses is not hidden where the code shows it as well.
        numbers = frozenset(self._numbers - self._parameters)
        return Typed(
            tuple(self._shown[:_MOST_SHOWN]), numbers, free, self._names,
            frozenset(self._parameters),
        )  # fmt: skip

    def _statement(self, statement: ast.stmt, once: frozenset[str]) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    # A module types nothing, and reads nothing by being named.
                    name = alias.asname or alias.name.partition(".")[0]
                    self._names[name] = TypedValue(frozenset())
                return
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                typed = self._typed(value) if name in once else None
                if typed is not None:
                    self._names[name] = typed
                    self._numbers |= typed.numbers
                    return
            case ast.Expr(value=ast.Call() as call) if _is_display(call):
                self._shows(call)
                return
            case _:
                pass
        self._compute(statement)

    def _compute(self, node: ast.AST) -> None:
        """Read what is no plain display and no literal: its literals are parameters."""
        for inner in _bound_in(node):
            self._names.pop(inner, None)
        displays = [call for call in ast.walk(node) if _is_display(call)]
        inside = {id(part) for call in displays for part in ast.walk(call)}
        for call in displays:
            self._shows(call)
        outside = [part for part in ast.walk(node) if id(part) not in inside]
        if any(self._is_data(part) for part in outside) or not _is_simple(node):
            self._uses_data = True
            self._parameters.update(self._literals(outside))
        else:
            self._numbers.update(self._literals(outside))

    def _shows(self, call: ast.AST) -> None:
        assert isinstance(call, ast.Call)
        words = {word.arg: word.value for word in call.keywords}
        between = words.get("sep")
        text = between.value if isinstance(between, ast.Constant) else " "
        self._display(call.args, text if isinstance(text, str) else " ")
        self._parameters.update(self._literals(words.values()))

    def _display(self, shown: Iterable[ast.expr], between: str) -> None:
        parts: list[str | None] = []
        for number, expression in enumerate(shown):
            parts += [between] if number else []
            parts += self._parts(expression)
        lines: list[list[str | None]] = [[]]
        for part in parts:
            if part is None:
                lines[-1].append(None)
                continue
            self._numbers.update(_numbers_in(part))
            first, *rest = part.split("\n")
            lines[-1].append(first)
            lines += [[text] for text in rest]
        self._shown += [
            tuple(part for part in line if part != "")
            for line in lines
            if any(part and _NUMERAL.search(part) for part in line)
        ]

    def _parts(self, expression: ast.expr) -> Iterator[str | None]:
        """Yield the texts that an expression shows as they stand in the code; None between them."""
        match expression:
            case ast.JoinedStr(values=values):
                for value in values:
                    yield from self._piece(value)
                return
            case ast.Call(func=func, args=[inner]) if _last_name(func) in _SHOWN_AS_TEXT:
                yield from self._parts(inner)
                return
            case ast.BinOp(op=ast.Add(), left=left, right=right) if _is_text(left) or _is_text(
                right
            ):
                yield from self._parts(left)
                yield from self._parts(right)
                return
            case ast.Starred(value=inner):
                typed = self._typed(inner)
                if typed is None:
                    self._compute(inner)
                else:
                    self._numbers |= typed.numbers
                yield None
                return
            case _:
                pass
        typed = self._typed(expression)
        if typed is None:
            self._compute(expression)
            yield None
            return
        self._numbers |= typed.numbers
        yield None if typed.value is None else str(typed.value)

    def _piece(self, value: ast.expr) -> Iterator[str | None]:
        if isinstance(value, ast.FormattedValue):
            typed = self._typed(value.value)
            spec = value.format_spec
            form = "".join(_constants(spec)) if isinstance(spec, ast.JoinedStr) else ""
            if typed is None:
                self._compute(value.value)
                yield None
                return
            self._numbers |= typed.numbers
            try:
                yield None if typed.value is None else format(typed.value, form)
            except (ValueError, TypeError):
                yield None
            return
        yield from self._parts(value)

    def _typed(self, node: ast.expr) -> TypedValue | None:
        """Return what an expression is if only literals make it, else None."""
        match node:
            case ast.Constant(value=value):
                return TypedValue(frozenset(_numbers_of(value)), value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return TypedValue(frozenset({float(-value), float(value)}), -value)
            case ast.Name(id=name):
                return self._names.get(name)
            case ast.JoinedStr():
                return None  # as it is shown, see `_parts`
            case _:
                pass
        if not _is_simple(node) or any(self._is_data(part) for part in ast.walk(node)):
            return None
        numbers = frozenset(self._literals(ast.walk(node)))
        return TypedValue(numbers) if len(numbers) <= _MOST_LITERALS else None

    def _literals(self, nodes: Iterable[ast.AST]) -> Iterator[float]:
        for node in nodes:
            if isinstance(node, ast.Constant):
                yield from _numbers_of(node.value)
            elif isinstance(node, ast.Name) and node.id in self._names:
                yield from self._names[node.id].numbers

    def _is_data(self, node: ast.AST) -> bool:
        """Return whether a part of an expression is, or may read, something that was not typed."""
        if isinstance(node, ast.Name):
            known = node.id in self._names or node.id in _BUILTINS
            return isinstance(node.ctx, ast.Load) and not known
        if isinstance(node, ast.Call):
            reads = _READS.search(_last_name(node.func)) is not None
            return reads and not _is_query_of_literals(node)
        return isinstance(node, ast.Await | ast.Yield | ast.YieldFrom)


def _is_display(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return (isinstance(node.func, ast.Name) and node.func.id in ("print", "display")) or (
        isinstance(node.func, ast.Attribute)
        and node.func.attr == "write"
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr in ("stdout", "__stdout__")
    )


def _is_simple(node: ast.AST) -> bool:
    """Return whether no part binds names or branches, so that its literals say what it is."""
    return not any(
        isinstance(
            part,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.For | ast.While
            | ast.With | ast.Try | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
            | ast.NamedExpr | ast.Match | ast.If | ast.IfExp,
        )
        for part in ast.walk(node)
    )  # fmt: skip


def _bound_once(tree: ast.Module) -> frozenset[str]:
    """Return the names that a cell assigns at one place only."""
    found = [name for statement in tree.body for name in _bound_in(statement)]
    return frozenset(name for name in found if found.count(name) == 1)


def _bound_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.Global(names=[name, *_]):
                yield name
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case _:
                pass


def _is_query_of_literals(call: ast.Call) -> bool:
    """Return whether a call runs SQL that names no table, as in ``SELECT 42.7``."""
    match call.args:
        case [ast.Constant(value=str(text))]:
            return _OF_LITERALS.match(text) is not None
        case _:
            return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _constants(node: ast.JoinedStr) -> Iterator[str]:
    for value in node.values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def _numbers_of(value: object) -> Iterator[float]:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        yield float(value)
    elif isinstance(value, str):
        yield from _numbers_in(value)


def _numbers_in(text: str) -> Iterator[float]:
    for match in _NUMERAL.finditer(text[:20_000]):
        plain = match[0].replace(",", "")
        if len(plain) < 300:
            try:
                yield float(plain)
            except ValueError:
                continue

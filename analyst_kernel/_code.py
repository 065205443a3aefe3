"""Python code from templates and values, made so that no value ever becomes code.

A template is Python whose names in capitals are holes. It is parsed before a value is seen, the
values go into its tree as literals, and the printed tree is parsed again and compared: whatever a
column, a file or a sheet is called, the code is the one that the template says.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Container, Sequence
from typing import Any, TypeAlias

_WIDTH = 100
_INDENT = "    "
_LONG_CALLS = frozenset(("read_csv", "read_excel", "read_sql_query"))
_ATTEMPTS = 3
"""Python before 3.11.5 can fail to parse while another thread, or a collection of garbage, parses
too: https://github.com/python/cpython/issues/106905."""
_USUAL = {"\t": r'"\t"', r"\s+": r'r"\s+"'}
"""Delimiters, written as they are in every book about pandas."""


class Name(str):
    """A Python name for a hole.

    Raises ``ValueError`` for a text that is none.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Name:
        """Check the name."""
        if not text.isascii() or not text.isidentifier() or keyword.iskeyword(text):
            raise ValueError(f"{text!r} is not a plain Python name.")
        return super().__new__(cls, text)


class Block(str):
    """A text, such as a query, that is written on lines of its own where that is safe."""

    __slots__ = ()


class Comment(str):
    """A line of the code that is no code; what is not printable is replaced."""

    __slots__ = ()


Part: TypeAlias = ast.stmt | Comment | None


class NotPython(ValueError):
    """A text that is not Python, or nested too deep for its parser.

    Attributes:
        line: Where, from 1.
    """

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def parsed(code: str) -> ast.Module:
    """Return the syntax tree of code.

    Raises:
        NotPython: It cannot be parsed.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            message = getattr(error, "msg", None) or str(error) or type(error).__name__
            raise NotPython(message, getattr(error, "lineno", None) or 1) from error
        except SystemError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def tree_of(code: str) -> ast.Module | None:
    """Return the syntax tree of code, or None for what is not Python."""
    try:
        return parsed(code)
    except NotPython:
        return None


def text_literal(value: str) -> str:
    """Return a text as a literal on one line, in double quotes if that needs no escapes."""
    if value in _USUAL:
        return _USUAL[value]
    return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else repr(value)


def block_literal(value: str, *, marks: Sequence[str] = ('"""', "'''")) -> str | None:
    """Return a text as a literal of several lines, or None if it cannot be read so as it is.

    A line break stands at both ends of the text. Whoever reads the cell must see what it does, so
    there are no control characters in it, nothing that turns the direction of writing, and no line
    break but the usual one.
    """
    if not value.translate(_WITH_LINES).isprintable():
        return None
    prefix = "r" if "\\" in value else ""
    for quotes in marks:
        written = f"{prefix}{quotes}\n{value}\n{quotes}"
        try:
            if ast.literal_eval(written) == f"\n{value}\n":
                return written
        except (SyntaxError, ValueError):
            continue
    return None


_WITH_LINES = dict.fromkeys(map(ord, "\n\t\xa0\u202f\u3000\u200c\u200d"))
"""What may stand in a text of several lines though it is not printable: blanks and joiners."""


def statements(template: str, **holes: Any) -> list[ast.stmt]:
    """Return the statements of a template, with the values in its holes.

    A hole takes a :class:`Name`, or a value that becomes a literal; ``**HOLE`` in a call takes a
    dictionary of keyword arguments.
    """
    return [_Filled(holes).visit(statement) for statement in ast.parse(template.strip()).body]


def as_written(code: str) -> list[ast.stmt]:
    """Return statements of ours that hold no value, and are printed as they are written here."""
    found = ast.parse(code.strip()).body
    for node in found:
        written = ast.get_source_segment(code.strip(), node)
        node.written = written  # type: ignore[attr-defined]  # how it is printed
    return found


class _Filled(ast.NodeTransformer):
    def __init__(self, holes: dict[str, Any]) -> None:
        self._holes = holes

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not node.id.isupper():
            return node
        value = self._holes[node.id]
        return ast.Name(Name(value), node.ctx) if isinstance(node.ctx, ast.Store) else _value(value)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        given: list[ast.keyword] = []
        for one in node.keywords:
            if one.arg is not None:
                given.append(one)
                continue
            assert isinstance(one.value, ast.Dict)
            names = [ast.literal_eval(key) for key in one.value.keys if key is not None]
            given += [ast.keyword(Name(name), value)
                      for name, value in zip(names, one.value.values, strict=True)]  # fmt: skip
        node.keywords = given
        return node


def _value(value: Any) -> ast.expr:
    if isinstance(value, Name):
        return ast.Name(str(value), ast.Load())
    if isinstance(value, Block):
        marks = ("'''", '"""') if value.endswith('"') else ('"""', "'''")
        written = block_literal(value, marks=marks)
        node = ast.Constant(str(value) if written is None else f"\n{value}\n")
        node.written = written  # type: ignore[attr-defined]  # how it is printed
        return node
    if isinstance(value, list | tuple):
        return ast.List([_value(one) for one in value], ast.Load())
    if isinstance(value, dict):
        return ast.Dict([_value(key) for key in value], [_value(one) for one in value.values()])
    if value is not None and not isinstance(value, str | bool | int):
        raise TypeError(f"{value!r} has no literal here.")
    if isinstance(value, int) and value < 0:  # as Python reads it
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(str(value) if isinstance(value, str) else value)


def source(parts: Sequence[Part]) -> str:
    """Return the code of statements and comments; ``None`` is a blank line.

    Raises:
        ValueError: The code does not read back as the statements, or holds one of another kind.
    """
    lines: list[str] = []
    for part in parts:
        if part is None:
            lines.append("")
        elif isinstance(part, Comment):
            shown = "".join(mark if mark.isprintable() else "\ufffd" for mark in part)
            lines.append(f"# {shown}")
        else:
            lines += _lines(part)
    code = "\n".join(lines).strip()
    wanted = ast.Module([part for part in parts if isinstance(part, ast.stmt)], [])
    try:
        read = ast.dump(parsed(code))
    except (NotPython, RecursionError, MemoryError) as error:  # nested too deep for Python
        raise ValueError("The code does not read back.") from error
    if read != ast.dump(wanted):
        raise ValueError("The code does not read back as it was meant.")
    return code


def _lines(node: ast.stmt) -> list[str]:
    written: str | None = getattr(node, "written", None)
    if written is not None:
        return written.split("\n")
    match node:
        case ast.Import(names=[ast.alias(name=module, asname=short)]):
            return [f"import {module}" + (f" as {short}" if short else "")]
        case ast.ImportFrom(module=module, names=[ast.alias(name=name, asname=None)], level=0):
            return [f"from {module} import {name}"]
        case ast.Expr(value=value):
            return _expression(value).split("\n")
        case ast.Assign(targets=[target], value=value):
            return _call(f"{_expression(target)} = ", value, "", _LONG_CALLS)
        case ast.With(items=[ast.withitem(context_expr=value, optional_vars=ast.Name(id=name))]):
            return [f"with {_expression(value)} as {name}:", *_indented(node.body)]
        case ast.For(target=target, iter=ast.Call(func=func, args=[value], keywords=[]), orelse=[]):
            head = f"for {_expression(target)} in {_expression(func)}("
            lines = _call(head, value, "):", ("read_csv",))
            return [lines[0], *(_INDENT + line for line in lines[1:-1]), *lines[1:][-1:],
                    *_indented(node.body)]  # fmt: skip
        case ast.If(test=test):
            lines = [f"if {_expression(test)}:", *_indented(node.body)]
            return lines + (["else:", *_indented(node.orelse)] if node.orelse else [])
        case _:
            raise ValueError(f"A {type(node).__name__} statement is not written here.")


def _indented(body: Sequence[ast.stmt]) -> list[str]:
    return [_INDENT + line for statement in body for line in _lines(statement)]


def _call(head: str, node: ast.expr, tail: str, broken: Container[str]) -> list[str]:
    """Return a call on one line, or with one argument per line if it is long."""
    line = _expression(node)
    long = len(line if tail else head + line) > _WIDTH
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) if long and name in broken:
            each = [f"{_INDENT}{argument}," for argument in _arguments(node)]
            return [f"{head}{_expression(node.func)}(", *each, f"){tail}"]
        case _:
            return [f"{head}{line}{tail}"]


def _arguments(node: ast.Call) -> list[str]:
    named = [f"{one.arg}={_expression(one.value)}" for one in node.keywords]
    return [*map(_expression, node.args), *named]


def _expression(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str() as value):
            written: str | None = getattr(node, "written", None)
            return text_literal(value) if written is None else written
        case ast.Constant(value=None | bool() | int()):
            return repr(node.value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return f"-{value!r}"
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_expression(value)}.{name}"
        case ast.Subscript(value=value, slice=part):
            return f"{_expression(value)}[{_expression(part)}]"
        case ast.Slice(lower=first, upper=None, step=None) if first is not None:
            return f"{_expression(first)}:"
        case ast.Call(func=func):
            return f"{_expression(func)}({', '.join(_arguments(node))})"
        case ast.List(elts=items):
            return f"[{', '.join(map(_expression, items))}]"
        case ast.Tuple(elts=items):
            return ", ".join(map(_expression, items))
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return "{" + ", ".join(f"{_key(key)}: {_expression(one)}" for key, one in pairs) + "}"
        case ast.ListComp(
            elt=item, generators=[ast.comprehension(target=name, iter=every, ifs=[test])]
        ):
            return (
                f"[{_expression(item)} for {_expression(name)} in {_expression(every)} "
                f"if {_expression(test)}]"
            )
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return f"{_expression(left)} == {_expression(right)}"
        case _:
            raise ValueError(f"A {type(node).__name__} expression is not written here.")


def _key(key: ast.expr | None) -> str:
    assert key is not None
    return _expression(key)

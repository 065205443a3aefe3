"""The Python of the repository as syntax trees, and the graph of the package's imports."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache

import grimp

from tests.contracts.repository import sources, text

PACKAGE = "analyst_kernel"
MODULES = sources(".py", under=f"{PACKAGE}/")


@cache
def tree(name: str) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(text(name))


def docstrings(name: str) -> Iterator[tuple[ast.AST, int, str]]:
    """Yield each module, class or function that has a docstring, with its line and the text."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = ast.get_docstring(node)
            if found is not None:
                yield node, node.body[0].lineno, found


def comments(name: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each comment; strings that look like one are none."""
    for token in tokenize.generate_tokens(io.StringIO(text(name)).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@cache
def prose(name: str) -> tuple[tuple[int, str], ...]:
    """Return the line and text of each comment and of each line of a docstring."""
    found = list(comments(name))
    for node in ast.walk(tree(name)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(said))):
                found += enumerate(said.splitlines(), start=node.lineno)
            case _:
                pass
    return tuple(sorted(found))


def names(name: str) -> Iterator[tuple[int, str]]:
    """Yield the line and name of everything that a file defines or assigns."""
    for node in ast.walk(tree(name)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str()):
                yield node.lineno, str(node.asname)
            case _:
                pass


@cache
def imports() -> grimp.ImportGraph:
    """Return who imports whom, inside functions and for type checking only too."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def file_of(module: str) -> str:
    """Return the file of a module of the package."""
    path = module.replace(".", "/")
    return f"{path}.py" if f"{path}.py" in MODULES else f"{path}/__init__.py"

"""What the code of a notebook needs: names, packages and data files.

Pure analysis of source text, except that it checks which paths exist. No code runs.
"""

from __future__ import annotations

import ast
import glob
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from analyst_kernel import _code
from analyst_kernel._code import text_literal
from analyst_kernel._text import relative_path

_MAGIC = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"'((?:[^'\n]|'')+)'")
_WRITERS = re.compile(r"to_|save|write|dump|mkdir|makedirs|remove|unlink")
_FOLDER_TAKERS: Final = {"Path", "PurePath", "glob", "iglob", "listdir", "join", "read_parquet"}
_BY_USE: Final = (
    (re.compile(r"\b(?:read|to)_excel\("), "openpyxl"),
    (re.compile(r"\b(?:read|to)_(?:parquet|feather)\("), "pyarrow"),
    (re.compile(r"\.plot\b"), "matplotlib"),
    (re.compile(r"\.df\(\)"), "pandas"),
    (re.compile(r"\.style\b"), "jinja2"),
)


def tree_of(source: str) -> ast.Module | None:
    """Return the syntax tree of a cell without magics, or ``None`` if it is not Python."""
    if source.lstrip().startswith("%%"):
        return None
    return _code.tree_of(_MAGIC.sub(r"\1pass", source))


def uses_name(source: str, name: str) -> bool:
    """Return whether a cell's code uses a variable."""
    tree = tree_of(source)
    if tree is None:
        return re.search(rf"\b{re.escape(name)}\b", source) is not None
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))


def read_names(source: str) -> set[str]:
    """Return the names that a cell's code reads; all words of a text that is not Python."""
    tree = tree_of(source)
    if tree is None:
        return set(_WORD.findall(source))
    found = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    # SQL and query texts name variables too.
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return found.union(*(_WORD.findall(text) for text in texts if isinstance(text, str)))


def touched_names(source: str) -> set[str]:
    """Return the names that a cell's code binds, or whose value it may change in place."""
    tree = tree_of(source)
    if tree is None:
        return set(_WORD.findall(source))
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
            case ast.Subscript() | ast.Attribute() if not isinstance(node.ctx, ast.Load):
                found |= _roots(node.value)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=inner))):
                found |= _roots(inner)  # a call for its effect: rows.append(...)
    return found


def _roots(node: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def packages_of(sources: Iterable[str], recorded: Mapping[str, str]) -> dict[str, str]:
    """Return what to install for the code to run: distribution name to version ("" if unknown).

    ``recorded`` has versions when it ran, by import or distribution name; others are looked up.
    """
    modules: dict[str, None] = {}
    for source in sources:
        modules |= {module: None for needle, module in _BY_USE if needle.search(source)}
        modules |= dict.fromkeys(_imports(source))
    third_party = [m for m in modules if m not in sys.stdlib_module_names]
    by_module = importlib.metadata.packages_distributions() if third_party else {}
    found: dict[str, str] = {}
    for module in third_party:
        name = by_module.get(module, [module])[0]
        found[name] = recorded.get(module) or recorded.get(name) or _installed(name)
    return dict(sorted(found.items()))


def relocated(source: str, old: Path, new: Path) -> str:
    """Return code whose data paths, relative to folder ``old``, are relative to ``new``.

    A text is a path only if it names something that exists: a file, a pattern of files, or a
    folder as an argument of a call that takes one. Other texts and output paths stay.
    """
    tree = tree_of(source)
    if tree is None or old == new:
        return source
    edits: list[tuple[int, int, str]] = []
    starts = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", source))]
    for node, call in _texts(tree):
        moved = _moved_text(str(node.value), call, old, new)
        if moved is None or node.end_lineno is None or node.end_col_offset is None:
            continue
        begin = _offset(source, starts, node.lineno, node.col_offset)
        end = _offset(source, starts, node.end_lineno, node.end_col_offset)
        edits.append((begin, end, _rewritten(source[begin:end], moved)))
    for begin, end, text in sorted(edits, reverse=True):
        source = source[:begin] + text + source[end:]
    return source


def _imports(source: str) -> Iterator[str]:
    tree = tree_of(source)
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Import():
                yield from (alias.name.partition(".")[0] for alias in node.names)
            case ast.ImportFrom(module=str() as module, level=0):
                yield module.partition(".")[0]


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _texts(node: ast.AST, call: str = "") -> Iterator[tuple[ast.Constant, str]]:
    """Yield text constants that may be paths, each with the name of the call around it."""
    children: Iterable[ast.AST] = ()
    match node:
        case ast.Constant(value=str()):
            yield node, call
        case ast.JoinedStr() | ast.Compare():
            pass
        case ast.Subscript():
            children = [node.value]
        case ast.Dict():
            children = node.values
        case ast.Call():
            yield from _texts(node.func, call)
            call = _called(node.func)
            children = [*node.args, *node.keywords]
        case _:
            children = ast.iter_child_nodes(node)
    for child in children:
        yield from _texts(child, call)


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name():
            return function.id
        case ast.Attribute():
            return function.attr
        case _:
            return ""


def _moved_text(text: str, call: str, old: Path, new: Path) -> dict[str, str] | None:
    """Return the paths in ``text`` to replace, old to new, or None."""
    if _WRITERS.match(call):
        return None
    whole = _moved(text, call, old, new)
    if whole is not None:
        return {text: whole}
    found = {}
    for part in _QUOTED.findall(text):
        moved = _moved_in_sql(part.replace("''", "'"), call, old, new)
        if moved is not None:
            found[f"'{part}'"] = "'" + moved.replace("'", "''") + "'"
    return found or None


def _moved_in_sql(text: str, call: str, old: Path, new: Path) -> str | None:
    """Return the new path of a file that DuckDB reads: what would be a pattern is in brackets."""
    moved = _moved(text, call, old, new)
    plain = re.sub(r"\[([*?[])\]", r"\1", text)
    if moved is None and plain != text:
        moved = _moved(plain, call, old, new)
        return None if moved is None else re.sub(r"[*?[]", r"[\g<0>]", moved)
    return moved


def _moved(text: str, call: str, old: Path, new: Path) -> str | None:
    if not text.strip() or len(text) > 1000 or "\n" in text or "\0" in text or "://" in text:
        return None
    place = os.path.normpath(os.path.join(old, text))
    try:
        known = os.path.isfile(place) or (os.path.isdir(place) and call in _FOLDER_TAKERS)
        known = known or ("*" in text and bool(glob.glob(place, recursive=True)))
    except (OSError, ValueError):
        return None
    return relative_path(place, str(new)) if known else None


def _rewritten(literal: str, moved: Mapping[str, str]) -> str:
    """Return the literal with its paths replaced, in its own quotes if possible."""
    text, value = literal, str(ast.literal_eval(f"({literal})"))
    for old, new in moved.items():
        text, value = text.replace(old, new), value.replace(old, new)
    try:
        same = ast.literal_eval(f"({text})") == value
    except (SyntaxError, ValueError):
        same = False
    return text if same and all(map(str.isprintable, moved.values())) else text_literal(value)


def _offset(source: str, starts: list[int], line: int, column: int) -> int:
    """Return the character offset of a line (from 1) and a column in UTF-8 bytes."""
    start = starts[line - 1]
    return start + len(source[start:].encode()[:column].decode("utf-8", "ignore"))

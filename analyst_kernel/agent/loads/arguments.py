"""What is read off single expressions of a cell: paths, types, names. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyst_kernel.agent.loads.tables import Part


def joined_text(values: Sequence[object]) -> str | None:
    """Return the texts as one, or None if one of them is not known."""
    texts = [one for one in values if isinstance(one, str)]
    return "".join(texts) if len(texts) == len(values) else None


def joined_path(values: Sequence[object]) -> str | None:
    """Return a path of parts; a folder before them that is not known is left out."""
    texts = [one for one in values if isinstance(one, str)]
    if not texts or not isinstance(values[-1], str):
        return None
    unknown = [place for place, one in enumerate(values) if not isinstance(one, str)]
    known = [str(one) for one in values[(unknown[-1] + 1 if unknown else 0) :]]
    path = known[0]
    for one in known[1:]:
        path = one if one.startswith("/") else f"{path.rstrip('/')}/{one}"
    return path


def path_of(name: str, module: str, owner: object, arguments: Sequence[object]) -> str | None:
    """Return the path that a call makes of others, unchanged in what it names."""
    if name in ("Path", "PurePath", "PosixPath", "str", "fspath") and len(arguments) == 1:
        return arguments[0] if isinstance(arguments[0], str) else None
    if name in ("Path", "join", "joinpath") and (module or owner is not None or name == "Path"):
        return joined_path([*([owner] if isinstance(owner, str) else []), *arguments])
    if name in ("resolve", "absolute", "expanduser", "as_posix", "strip") and not arguments:
        return owner if isinstance(owner, str) else None
    if name in ("abspath", "realpath", "expanduser", "normpath", "open_local"):
        return arguments[0] if arguments and isinstance(arguments[0], str) else None
    if name in ("glob", "iglob", "rglob") and arguments and isinstance(arguments[0], str):
        within = "**/" if name == "rglob" else ""
        return joined_path([owner, within + arguments[0]]) if owner else arguments[0]
    return None


_NARROW = {"category": 2, "int8": 1, "uint8": 1, "bool": 1, "int16": 2, "float16": 2,
           "int32": 4, "uint32": 4, "float32": 4}  # fmt: skip


def typed(part: Part, node: ast.expr) -> Part:
    """Return a part with the types that are asked for; of what is not written out, the smallest."""
    if isinstance(node, ast.Dict):
        found = []
        for key, value in zip(node.keys, node.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                return replace(part, narrow=tuple((name, 2) for name in part.columns))
            found.append((key.value, _NARROW.get(_type_name(value), 1 << 20)))
        return replace(part, narrow=tuple(found))
    known = _NARROW.get(_type_name(node), 1 << 20 if _type_name(node) else 2)
    return replace(part, narrow=tuple((name, known) for name in part.columns))


def _type_name(node: ast.expr) -> str:
    """Return the type that an expression names: ``"float32"`` of ``np.float32``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.lower()
    if isinstance(node, ast.Attribute):
        return node.attr.lower()
    return node.id if isinstance(node, ast.Name) and node.id in ("str", "int", "float") else ""


def is_none(node: ast.expr) -> bool:
    """Return whether an expression is ``None``, written out."""
    return isinstance(node, ast.Constant) and node.value is None


def is_false(node: ast.expr) -> bool:
    """Return whether an expression is ``False``, written out."""
    return isinstance(node, ast.Constant) and node.value is False


def named_column(node: ast.expr) -> ast.expr:
    """Return the name in ``pl.col("name")``, or the expression as it is."""
    match node:
        case ast.Call(func=ast.Attribute(attr="col"), args=[name]):
            return name
    return node


def bound_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement gives another value than is followed here."""
    targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
    targets = [node.target] if isinstance(node, ast.AugAssign) else targets
    for target in targets:
        for one in ast.walk(target):
            if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
                yield one.id


def written(node: ast.expr) -> str:
    """Return the name of a call as the code has it: ``pd.read_csv``, ``duckdb.sql(...).df``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{written(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{written(node.func)}(...)"
    return "..."

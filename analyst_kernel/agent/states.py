"""Named states of the data: which cells make one, whether it is still there, and making it again.

A state is returned to in one of two ways. Either its variable still holds the same values, or the
cells that made it run again, in one new cell and within a function, so that they touch no variable
of the analysis. What comes out is compared with what the state was.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword

from analyst_kernel._code import parsed, tree_of
from analyst_kernel.agent.ports import Kernel, ReplayCell
from analyst_kernel.protocol.outputs import Frame, StreamOutput
from analyst_kernel.protocol.records import DataState

_CHECK_SECONDS = 20.0
_MARK = "analyst-state"
_MUTATING = frozenset(
    """add append clear extend fill insert itemset pop popitem put remove reverse setdefault
    setflags shuffle sort update discard execute executemany register load""".split()
)
_PURE = frozenset(
    """abs all any bool bytes dict display divmod enumerate filter float format frozenset getattr
    hasattr hash id int isinstance issubclass iter len list map max min next print range repr
    reversed round set sorted str sum tuple type zip""".split()
)
_MADE_IN_SQL = re.compile(
    r"\b(?:create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+)?(?:table|view|macro)"
    r"(?:\s+if\s+not\s+exists)?|insert\s+into|update|delete\s+from|alter\s+table|drop\s+table"
    r"|drop\s+view)\s+\"?([A-Za-z_]\w*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

# Runs in the kernel. It says nothing of a variable that is not there, and never raises.
_DIGEST = """
def _analyst_state_digest(names):
    import hashlib
    import json

    def digest(value):
        hashed = hashlib.sha256(type(value).__name__.encode())
        if hasattr(value, "iloc") and hasattr(value, "index"):
            import pandas

            step = max(1, value.size // 1_000_000)
            part = value.iloc[::step]
            hashed.update(repr((value.shape, step)).encode())
            if hasattr(value, "columns"):
                hashed.update(repr([(str(c), str(d)) for c, d in value.dtypes.items()]).encode())
            try:
                rows = pandas.util.hash_pandas_object(part)
            except TypeError:
                rows = pandas.util.hash_pandas_object(part.astype(str))
            hashed.update(rows.to_numpy().tobytes())
        elif hasattr(value, "tobytes") and hasattr(value, "dtype"):
            hashed.update(repr((value.shape, str(value.dtype))).encode() + value.tobytes())
        elif isinstance(value, (int, float, str, bytes, bool, list, tuple, dict, set)):
            hashed.update(repr(value).encode())
        else:
            return ""
        return hashed.hexdigest()[:16]

    found = {}
    for name in names:
        try:
            found[name] = digest(globals()[name])
        except Exception:
            found[name] = ""
    return json.dumps(found)


print("%s", _analyst_state_digest(%r))
del _analyst_state_digest
"""


async def digests(kernel: Kernel, names: Iterable[str], *, timeout: float) -> dict[str, str]:
    """Return a digest of the values of variables; empty for those of which none can be made."""
    import json

    wanted = sorted(set(names))
    if not wanted:
        return {}
    code = _DIGEST % (_MARK, wanted)
    execution = await kernel.execute(code, timeout=min(timeout, _CHECK_SECONDS))
    text = "".join(o.text for o in execution.outputs if isinstance(o, StreamOutput))
    _, marked, rest = text.partition(f"{_MARK} ")
    try:
        found = json.loads(rest.split("\n", 1)[0]) if marked else {}
    except ValueError:
        found = {}
    return {name: str(found.get(name, "")) for name in wanted}


def is_there(state: DataState, frames: Sequence[Frame], content: str) -> bool:
    """Return whether the state's variable holds what it held: the same values.

    ``content`` is the digest of the variable now.
    """
    frame = next((one for one in frames if one.name == state.variable), None)
    if frame is None or not state.content:
        return False
    return content == state.content and rows_of(frame) == state.rows


def rows_of(frame: Frame) -> int | None:
    """Return the number of rows of a table; None of anything else."""
    return frame.shape[0] if frame.shape else None


@dataclass(slots=True)
class CellNames:
    """The variables of the notebook that a cell makes or changes, and those that it uses."""

    changes: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)


def names_in(code: str) -> CellNames | None:
    """Return the names in a cell, or None if it is not plain Python.

    What cannot be told apart without running it counts as changed, so that rather too many cells
    make a state than too few.
    """
    tree = tree_of(code)
    if tree is None:
        return None
    names = CellNames()
    for statement in tree.body:
        _collect(statement, names)
    for text in names.texts:
        names.changes.update(_MADE_IN_SQL.findall(text))
    return names


def _collect(node: ast.AST, names: CellNames) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            names.uses.add(name)
        case ast.Name(id=name):
            names.changes.add(name)
        case ast.Import() | ast.ImportFrom():
            made = {alias.asname or alias.name.split(".")[0] for alias in node.names}
            names.changes |= made
            names.imports |= made
        case ast.Constant(value=str() as text):
            names.texts.append(text)
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del())
        ):
            names.changes |= _base(node)
        case ast.AugAssign(target=target):
            names.changes |= _base(target)
            names.uses |= _base(target)
        case ast.Call():
            names.changes |= _changed_by_call(node)
        case _:
            pass
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.changes.add(node.name)
    if isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
        _collect_scope(node, names)
        return
    for child in ast.iter_child_nodes(node):
        _collect(child, names)


def _collect_scope(node: ast.AST, names: CellNames) -> None:
    """Collect what a function uses of the notebook: not its own variables."""
    inner = CellNames()
    for child in ast.iter_child_nodes(node):
        _collect(child, inner)
    own = {arg.arg for arg in ast.walk(node) if isinstance(arg, ast.arg)}
    own |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _is_stored(n)}
    shared = {name for g in ast.walk(node) if isinstance(g, ast.Global) for name in g.names}
    names.uses |= inner.uses - (own - shared)
    names.changes |= (inner.changes - own) | shared
    names.texts += inner.texts


def _is_stored(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)


def _base(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _changed_by_call(call: ast.Call) -> set[str]:
    """Return the variables that a call may change in place."""
    in_place = any(
        word.arg in ("inplace", "out") and not _is_false(word.value) for word in call.keywords
    )
    changed: set[str] = set()
    if isinstance(call.func, ast.Attribute) and (in_place or call.func.attr in _MUTATING):
        changed |= _base(call.func)
    if in_place or (isinstance(call.func, ast.Name) and call.func.id not in _PURE):
        # A function of the notebook may change its arguments.
        for argument in (*call.args, *(word.value for word in call.keywords)):
            changed |= {argument.id} if isinstance(argument, ast.Name) else set()
    return changed


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def cells_making(variable: str, cells: Sequence[ReplayCell]) -> tuple[ReplayCell, ...] | None:
    """Return the cells, in order, that a fresh kernel needs to make ``variable`` as it is now.

    None if a cell among them cannot be read as plain Python.
    """
    # A cell that failed stopped before its end: what it left cannot be made by a function.
    read = [(cell, names_in(cell.code)) for cell in cells if not cell.may_fail]
    known = [names for _, names in read if names is not None]
    made = {name for names in known for name in names.changes}
    modules = {name for names in known for name in names.imports}
    needed = {variable}
    chosen: list[ReplayCell] = []
    for cell, names in reversed(read):
        if names is None:
            if any(re.search(rf"\b{re.escape(name)}\b", cell.code) for name in needed):
                return None
            continue
        # Calling a module's function does not change the module.
        if not (names.changes - (modules - names.imports)) & needed:
            continue
        chosen.append(cell)
        words = {word for text in names.texts for word in _WORD.findall(text)}
        needed |= names.uses | (words & made)
    return tuple(reversed(chosen))


def again_code(state: DataState, cells: Sequence[ReplayCell], variable: str) -> str:
    """Return the cell that makes a state again as ``variable``, apart from all other variables."""
    bodies = [_indented(cell.code) for cell in cells]
    function = f"make_{variable}"
    lines = [f"def {function}():", *bodies, f"    return {state.variable}", ""]
    shown = f"len({variable})" if state.rows is not None else variable
    return "\n".join([*lines, f"{variable} = {function}()", shown])


def _indented(code: str) -> str:
    """Return code for the body of a function; the text of literals stays as it is."""
    inside: set[int] = set()
    for node in ast.walk(parsed(code)):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno is not None:
            if not isinstance(node, ast.Constant) or isinstance(node.value, str | bytes):
                inside.update(range(node.lineno + 1, node.end_lineno + 1))
    lines = code.rstrip().split("\n")
    return "\n".join(
        line if number in inside or not line.strip() else f"    {line}"
        for number, line in enumerate(lines, start=1)
    )


def free_variable(state: DataState, taken: Iterable[str]) -> str:
    """Return a name for the variable that holds a state again; none of ``taken``."""
    words = "_".join(_WORD.findall(state.name.lower().replace("-", " ")))[:40].strip("_")
    plain = words if words.isidentifier() and not iskeyword(words) else state.variable
    names = set(taken)
    candidates = (plain, *(f"{plain}_{number}" for number in range(2, len(names) + 3)))
    return next(name for name in candidates if name not in names)

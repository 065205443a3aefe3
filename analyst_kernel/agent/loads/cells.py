"""What the code of a cell loads of the attached tables: its calls followed by hand, never run.

Paths are followed through names, ``Path``, ``os.path.join``, f-strings, ``glob`` and loops.
Whatever is not understood loads nothing: a kernel has its own limit, and a wrong finding would keep
good code from running.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from analyst_kernel._code import tree_of
from analyst_kernel.agent.loads.arguments import (
    bound_names,
    is_false,
    is_none,
    joined_path,
    joined_text,
    named_column,
    path_of,
    typed,
    written,
)
from analyst_kernel.agent.loads.calls import (
    ASKS,
    LIMITS,
    LOADED,
    PASSES,
    PATH_ARGUMENTS,
    PICKS,
    READERS,
    TAKES_ALL,
    USUAL_NAMES,
    FileCall,
)
from analyst_kernel.agent.loads.queries import Queries
from analyst_kernel.agent.loads.tables import AttachedTable, How, Part, Tables

_MOST_TEXTS = 20_000


@dataclass(frozen=True, slots=True)
class Load:
    """What one call loads.

    Attributes:
        line: Of the call, from 1.
        call: As the code names it.
        parts: Of which tables; several are loaded one below the other.
        how: What holds the rows; None for the bytes of a file.
        times: How many times the file's size is taken at least, of bytes.
        name: The variable that gets it, if any.
    """

    line: int
    call: str
    parts: tuple[Part, ...]
    how: How | None
    times: int = 1
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Several:
    """Texts, such as the files that a pattern finds."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is open for reading."""

    path: str


@dataclass(frozen=True, slots=True)
class _Lazy:
    """Rows that a later call loads; ``pieces`` if they come piece by piece."""

    parts: tuple[Part, ...]
    how: How | None = None
    pieces: bool = False


_Value: TypeAlias = "str | int | _Several | _Opened | _Lazy | None"


def loads_of(
    code: str, tables: Tables, *, earlier: Sequence[str] = (), setup: Sequence[str] = ()
) -> tuple[Load, ...]:
    """Return what a cell loads whole, in order of its lines.

    Args:
        code: Of the cell.
        tables: What is attached.
        earlier: The code of the cells that ran before.
        setup: That of the setup cells, which define the tables.
    """
    tree = tree_of(code)
    if tree is None:
        return ()
    reader = _Cell(tables)
    for before in setup:
        reader.take(before, defines=False)
    for before in earlier:
        reader.take(before)
    reader.loads.clear()
    reader.run(tree)
    return tuple(sorted(reader.loads, key=lambda one: one.line))


@dataclass
class _Cell:
    """Follows the statements of cells, one after the other."""

    tables: Tables
    loads: list[Load] = field(default_factory=list)
    values: dict[str, _Value] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=lambda: dict(USUAL_NAMES))
    _functions: dict[str, tuple[str, str]] = field(default_factory=dict)
    _made: dict[str, Part | None] = field(default_factory=dict)
    _defines: bool = True

    def __post_init__(self) -> None:
        self._queries = Queries(self._table, self._file)

    def take(self, code: str, *, defines: bool = True) -> None:
        """Follow a cell that ran; without ``defines``, its views are the attached tables."""
        tree = tree_of(code)
        if tree is None:
            return
        self._defines = defines
        self.run(tree)
        self._defines = True
        if not defines:
            for one in self.tables.all:
                self.values.pop(one.dataset.name, None)

    def run(self, tree: ast.Module) -> None:
        """Follow a cell; one that is nested too deep is left alone."""
        try:
            self.follow(tree.body)
        except RecursionError:
            self.loads.clear()

    def _table(self, name: str) -> Part | None:
        """Return what SQL finds under a name: what a cell made, or an attached table."""
        if name.lower() in self._made:
            return self._made[name.lower()]
        value = self.values.get(name)
        if isinstance(value, _Lazy) and len(value.parts) == 1 and not value.pieces:
            return value.parts[0]
        table = self.tables.named(name)
        if table is None:
            return None
        if table.dataset.load == "frame" and name in self.values:
            return None  # a variable that is another table now
        return Part.whole(table)

    def _file(self, path: str) -> Part | None:
        return _joined(self.tables.at(path))

    def follow(self, statements: Iterable[ast.stmt]) -> None:
        """Follow statements, in order."""
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import(names=names):
                for one in names:
                    top = one.name.partition(".")[0]
                    self._modules[one.asname or top] = top
            case ast.ImportFrom(module=str() as module, names=names):
                for one in names:
                    top = module.partition(".")[0]
                    self._functions[one.asname or one.name] = (top, one.name)
                    self._modules[one.asname or one.name] = top
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assign(name, value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as given):
                self._assign(name, given)
            case ast.For(target=target, iter=every, body=body, orelse=orelse):
                self._bind(target, self._one_of(self.value_of(every)))
                self.follow([*body, *orelse])
            case ast.With(items=items, body=body):
                for item in items:
                    entered = self.value_of(item.context_expr)
                    if item.optional_vars is not None:
                        self._bind(item.optional_vars, entered)
                self.follow(body)
            case ast.FunctionDef(args=arguments, body=body):
                inside = replace(self, values=dict(self.values), loads=self.loads)
                for argument in ast.walk(arguments):
                    if isinstance(argument, ast.arg):
                        inside.values[argument.arg] = None
                inside.follow(body)
            case ast.ClassDef() | ast.AsyncFunctionDef():
                return
            case _:
                self._children(node)

    def _children(self, node: ast.AST) -> None:
        """Follow what a node holds, of statements and expressions."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._statement(child)
            elif isinstance(child, ast.Lambda):
                continue
            elif isinstance(child, ast.expr):
                self.value_of(child)
            else:
                self._children(child)
        for name in bound_names(node):
            self.values[name] = None

    def _assign(self, name: str, node: ast.expr) -> None:
        before = len(self.loads)
        value = self.value_of(node)
        if len(self.loads) == before + 1 and self.loads[-1].how is not None:
            self.loads[-1] = replace(self.loads[-1], name=name)
        self.values[name] = value

    def _bind(self, target: ast.expr, value: _Value) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
            return
        for one in ast.walk(target):
            if isinstance(one, ast.Name):
                self.values[one.id] = None

    def _one_of(self, value: _Value) -> _Value:
        """Return the one of several files that takes most memory."""
        if not isinstance(value, _Several) or not value.texts:
            return None
        return max(value.texts, key=lambda text: sum(one.rows for one in self.tables.at(text)))

    def value_of(self, node: ast.expr) -> _Value:
        """Return what is known of an expression, and note what it loads."""
        match node:
            case ast.Constant(value=str() as text):
                return text
            case ast.Constant(value=int() as number) if not isinstance(number, bool):
                return number
            case ast.Name(id=name):
                return self.values.get(name)
            case ast.JoinedStr(values=parts):
                return joined_text([self.value_of(one) for one in parts])
            case ast.FormattedValue(value=value, format_spec=None):
                found = self.value_of(value)
                return str(found) if isinstance(found, str | int) else None
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return joined_path([self.value_of(left), self.value_of(right)])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return joined_text([self.value_of(left), self.value_of(right)])
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                found_items = [self.value_of(one) for one in items]
                texts = tuple(one for one in found_items if isinstance(one, str))
                return _Several(texts) if texts and len(texts) == len(items) else None
            case ast.ListComp() | ast.GeneratorExp():
                return self._comprehension(node)
            case ast.Attribute(value=owner):
                self.value_of(owner)
                return None
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                self._assign(name, value)
                return self.values[name]
            case ast.Call():
                return self._call(node)
            case ast.Lambda():
                return None
        self._children(node)
        return None

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> _Value:
        """Follow a list that is made of another one: all of its loads are held at once."""
        if len(node.generators) != 1:
            return None
        (every,) = node.generators
        over = self.value_of(every.iter)
        if isinstance(over, _Lazy) and over.pieces:
            whole = isinstance(node.elt, ast.Name) and not every.ifs
            return over if whole else None
        if not isinstance(over, _Several) or every.ifs or not isinstance(every.target, ast.Name):
            return None
        found: list[Load] = []
        texts: list[str] = []
        for text in over.texts[:_MOST_TEXTS]:
            inside = replace(self, loads=[], values=self.values | {every.target.id: text})
            value = inside.value_of(node.elt)
            if isinstance(value, str):
                texts.append(value)
            found += inside.loads
        if found and len({(one.call, one.how) for one in found}) == 1:
            parts = tuple(part for one in found for part in one.parts)
            self.loads.append(replace(found[0], parts=parts))
        return _Several(tuple(texts)) if len(texts) == len(over.texts) else None

    def _call(self, node: ast.Call) -> _Value:
        arguments = [self.value_of(one) for one in node.args]
        keywords = {one.arg: self.value_of(one.value) for one in node.keywords if one.arg}
        spread = any(one.arg is None for one in node.keywords)
        name, owner, module = self._called(node.func)
        first = next((keywords[key] for key in PATH_ARGUMENTS if key in keywords), None)
        first = arguments[0] if arguments else first
        reader = READERS.get((module, name))
        if reader is not None:
            return None if spread else self._reads(node, name, module, reader, first)
        if name in ASKS and isinstance(first, str):
            return self._asked(node, name, first)
        if isinstance(owner, _Lazy):
            return self._of_lazy(node, name, owner, arguments)
        if isinstance(first, _Lazy) and first.pieces and name in ("concat", "list"):
            self._add(node, first.parts, first.how or "pandas")
            return None
        if name in ("sorted", "list", "set") and isinstance(first, _Several):
            return first
        if name in ("table", "view") and isinstance(first, str):
            part = self._table(first)
            return None if part is None else _Lazy((part,))
        text = path_of(name, module, owner, arguments)
        if text is not None:
            return self._found(text) if name in ("glob", "iglob", "rglob") else text
        return self._of_file(node, name, owner, first, arguments)

    def _called(self, node: ast.expr) -> tuple[str, _Value, str]:
        """Return the called name, what it is a method of, and the library that it comes from."""
        if isinstance(node, ast.Name):
            module, name = self._functions.get(node.id, ("", node.id))
            return name, None, module
        if isinstance(node, ast.Attribute):
            root: ast.expr = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id not in self.values:
                return node.attr, None, self._modules.get(root.id, root.id)
            return node.attr, self.value_of(node.value), ""
        self.value_of(node)
        return "", None, ""

    def _found(self, text: str) -> _Value:
        """Return the attached files that a pattern finds."""
        found = self.tables.at(text)
        return _Several(tuple(one.dataset.path for one in found)) if found else None

    def _reads(
        self, node: ast.Call, name: str, module: str, reader: FileCall, first: _Value
    ) -> _Value:
        """Follow a call that reads a file, or opens it."""
        given = {one.arg: one.value for one in node.keywords if one.arg and not is_none(one.value)}
        parts = self._parts(first)
        if not parts or any(key in given for key in reader.unsure):
            return None
        found: list[Part] = []
        for part in parts:
            limited: Part | None = part
            if reader.rows in given:
                rows = self.value_of(given[reader.rows])
                limited = part.limited(rows) if isinstance(rows, int) else None
            if limited is not None and reader.columns in given:
                picked = _literal(given[reader.columns], self)
                limited = limited.picked(picked) if picked is not None else None
            if limited is not None and "dtype" in given:
                limited = typed(limited, given["dtype"])
            if limited is None:
                return None
            found.append(limited)
        if any(key in given and not is_false(given[key]) for key in reader.pieces):
            return _Lazy(tuple(found), reader.how, pieces=True)
        if reader.how is None:
            return _Lazy(tuple(found))
        self._add(node, tuple(found), reader.how)
        return None

    def _parts(self, value: _Value) -> tuple[Part, ...]:
        if isinstance(value, _Opened):
            value = value.path
        texts = value.texts if isinstance(value, _Several) else (value,)
        found: list[AttachedTable] = []
        for text in texts:
            if not isinstance(text, str):
                return ()
            found += self.tables.at(text)
        return tuple(Part.whole(one) for one in found)

    def _asked(self, node: ast.Call, name: str, sql: str) -> _Value:
        """Follow a query: pandas loads its result, DuckDB when it is asked to."""
        for made in self._queries.made(sql):
            if self._defines:
                self._made[made.name.lower()] = made.part
        part = self._queries.part(sql)
        if part is None:
            return None
        if not name.startswith("read_sql"):
            return _Lazy((part,))
        if any(one.arg == "chunksize" and not is_none(one.value) for one in node.keywords):
            return _Lazy((part,), "pandas", pieces=True)
        self._add(node, (part,), "pandas")
        return None

    def _of_lazy(self, node: ast.Call, name: str, owner: _Lazy, arguments: list[_Value]) -> _Value:
        if owner.pieces:
            return None
        if name in PASSES:
            return owner
        if name in LIMITS:
            rows = arguments[-1] if name == "slice" and len(arguments) > 1 else None
            rows = arguments[0] if name != "slice" and arguments else rows
            rows = 10 if not arguments else rows
            if not isinstance(rows, int):
                return None
            return replace(owner, parts=tuple(one.limited(rows) for one in owner.parts))
        if name in PICKS or (name in ("to_table", "read", "read_pandas") and node.keywords):
            return self._picked(node, name, owner)
        how = TAKES_ALL.get(name)
        if how is None or (name == "collect" and node.keywords):
            return None
        self._add(node, owner.parts, how)
        return None

    def _picked(self, node: ast.Call, name: str, owner: _Lazy) -> _Value:
        """Follow a choice of columns; one that reads at once, such as ``to_table``, loads them."""
        names: list[str | int] = []
        if name in PICKS:
            for one in node.args:
                found = _literal(one, self)
                if found is None or node.keywords:
                    return None
                names += found
            if name == "project":  # its one argument is SQL
                names = [part.strip() for one in names for part in str(one).split(",")]
        else:
            given = {one.arg: one.value for one in node.keywords}
            wanted = given.pop("columns", None)
            found = None if wanted is None else _literal(wanted, self)
            if given or found is None:
                return None
            names = found
        parts = [one.picked(names) for one in owner.parts]
        if any(one is None for one in parts):
            return None
        kept = tuple(one for one in parts if one is not None)
        if name in PICKS:
            return replace(owner, parts=kept)
        self._add(node, kept, TAKES_ALL[name])
        return None

    def _of_file(
        self, node: ast.Call, name: str, owner: _Value, first: _Value, arguments: list[_Value]
    ) -> _Value:
        """Follow what is done with the bytes of a file."""
        if (
            name == "open"
            and len(node.args) < 2
            and not any(k.arg == "mode" for k in node.keywords)
        ):
            path = first if isinstance(first, str) else owner
            return _Opened(path) if isinstance(path, str) else None
        if name == "open" and isinstance(first, str) and arguments[1:2] in (["r"], ["rb"], ["rt"]):
            return _Opened(first)
        if name in LOADED and not node.args:
            of_path = name.startswith("read_")
            path = owner if of_path else owner.path if isinstance(owner, _Opened) else None
            parts = self._parts(path) if isinstance(path, str) else ()
            if parts:
                self.loads.append(Load(node.lineno, written(node.func), parts, None, LOADED[name]))
        if name in ("load", "list") and isinstance(first, _Opened):
            if parts := self._parts(first):
                self.loads.append(Load(node.lineno, written(node.func), parts, None, 3))
        return None

    def _add(self, node: ast.Call, parts: tuple[Part, ...], how: How) -> None:
        self.loads.append(Load(node.lineno, written(node.func), parts, how))


def _joined(tables: Sequence[AttachedTable]) -> Part | None:
    """Return all rows of tables of the same columns, as a pattern of files gives them to SQL."""
    if not tables:
        return None
    largest = max(tables, key=lambda one: one.rows)
    return replace(Part.whole(largest), rows=sum(one.rows for one in tables))


def _literal(node: ast.expr, cell: _Cell) -> list[str | int] | None:
    """Return the names and places of columns that an expression lists, if they are written out."""
    items = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else [node]
    found: list[str | int] = []
    for one in items:
        value: Any = cell.value_of(named_column(one))
        if isinstance(value, _Several):
            found += value.texts
        elif isinstance(value, str | int):
            found.append(value)
        else:
            return None
    return found

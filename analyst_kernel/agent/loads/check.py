"""Compares what a cell loads with the kernel's memory, and names the SQL that would do. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyst_kernel._code import tree_of
from analyst_kernel.agent.loads.cells import Load, loads_of
from analyst_kernel.agent.loads.tables import AttachedTable, How, Part, Tables
from analyst_kernel.protocol.datasets import Dataset, DatasetProfile
from analyst_kernel.protocol.outputs import Frame

_SPARED = 256 << 20
_AGGREGATES = {
    "sum": "sum", "mean": "avg", "min": "min", "max": "max", "median": "median", "std": "stddev",
    "count": "count", "nunique": "count(DISTINCT", "first": "first", "last": "last",
}  # fmt: skip
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Room:
    """The memory of a kernel.

    Attributes:
        bytes: Its limit; 0 if there is none that is known.
        frames: The variables that it holds.
        objects: Whether its pandas keeps texts as Python objects, as those before 3 do.
    """

    bytes: int
    frames: Sequence[Frame] = ()
    objects: bool = False

    @property
    def free(self) -> float:
        """What a cell may still take: a part is for the kernel and its libraries."""
        held = 0
        for one in self.frames:
            if one.type.startswith(("pandas.", "polars.", "numpy.")) and one.shape:
                cells = 8
                for side in one.shape[:2]:
                    cells *= side
                held += cells
        return self.bytes - min(_SPARED, self.bytes // 4) - held


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A load that does not fit: the line, from 1, and a sentence with what to do."""

    line: int
    message: str


def too_large(
    code: str,
    datasets: Sequence[Dataset],
    profiles: Mapping[str, DatasetProfile],
    room: Room,
    *,
    earlier: Sequence[str] = (),
    setup: Sequence[str] = (),
) -> tuple[TooLarge, ...]:
    """Return what a cell loads and the kernel has no memory for.

    Args:
        code: Of the cell.
        datasets: What is attached.
        profiles: Those that are known, by the datasets' names.
        room: The kernel's memory.
        earlier: The code of the cells that ran.
        setup: That of the setup cells.
    """
    if room.bytes <= 0 or sum(_weight(one) for one in datasets) <= room.free:
        return ()  # all of it together fits
    tables = Tables(datasets, profiles)
    found: list[TooLarge] = []
    for load in loads_of(code, tables, earlier=earlier, setup=setup):
        needed = _needed(load, room)
        if needed > room.free:
            found.append(TooLarge(load.line, _sentence(code, load, needed, room)))
    return tuple(found)


def _weight(one: Dataset) -> int:
    """Return the most that a dataset might take, for a first look, bytes."""
    return max(one.bytes, (one.rows or 0) * len(one.columns) * 8) * 8


def _needed(load: Load, room: Room) -> float:
    if load.how is None:
        return sum(one.table.dataset.bytes for one in load.parts) * load.times
    return sum(one.bytes(load.how, objects=room.objects) for one in load.parts)


def _sentence(code: str, load: Load, needed: float, room: Room) -> str:
    tables = list({one.table.dataset.name: one.table for one in load.parts}.values())
    rows = sum(one.rows for one in load.parts)
    first = tables[0]
    names = ", ".join(one.dataset.name for one in tables[:3])
    names += f" and {len(tables) - 3} more" if len(tables) > 3 else ""
    what = f"all {rows:,} rows of {names}"
    if load.how is not None and len(load.parts[0].columns) < len(first.dataset.columns):
        what += f" ({len(load.parts[0].columns):,} of {len(first.dataset.columns):,} columns)"
    return (
        f"{load.call} would load {what}: about {_amount(needed)} of memory, and this kernel has "
        f"{_amount(max(0.0, room.free))} left. Compute in SQL, where the data lie, and load the "
        f"result. {_instead(code, load, first, room)}"
    )


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _instead(code: str, load: Load, table: AttachedTable, room: Room) -> str:
    """Return the SQL that would do: what the cell groups, or the columns that it names."""
    name = _name(table.dataset.name)
    tree = tree_of(code)
    assert tree is not None, "a load was found in it"
    grouped = _grouped(tree, table, load.name)
    if grouped:
        return f"For what this cell computes: {_call(grouped)}"
    used = _used(tree, table)
    part = Part.whole(table).picked(used) if used else None
    if part is not None and len(load.parts) == 1:
        how: How = "query"
        size = part.bytes(how, objects=room.objects)
        if size <= room.free:
            listed = ", ".join(map(_name, used))
            sql = f"SELECT {listed} FROM {name}"
            return f"The columns that this cell names take about {_amount(size)}: {_call(sql)}"
    return f"For example: {_call(_example(table, used))}"


def _call(sql: str) -> str:
    quotes = '"""' if '"' in sql else '"'
    return f"duckdb.sql({quotes}{sql}{quotes}).df()"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _example(table: AttachedTable, used: Sequence[str]) -> str:
    """Return a query that gives few rows of this table."""
    known = [table.columns[name] for name in used if name in table.columns]
    known += [one for one in table.columns.values() if one not in known]
    keys = [one.name for one in known if one.kind in ("text", "bool") and one.distinct <= 1000]
    numbers = [one.name for one in known if one.kind == "number"]
    name = _name(table.dataset.name)
    shown = [*map(_name, keys[:1]), "count(*) AS number"]
    shown += [f"avg({_name(one)}) AS mean" for one in numbers[:1]]
    return f"SELECT {', '.join(shown)} FROM {name}" + (" GROUP BY 1" if keys else "")


def _used(tree: ast.Module, table: AttachedTable) -> list[str]:
    """Return the columns that a cell names, in the table's order; none if it names very many."""
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.add(node.value)
        elif isinstance(node, ast.Attribute):
            named.add(node.attr)
    found = [name for name in table.dataset.columns if name in named]
    return found if len(found) <= _MOST_NAMED else []


def _grouped(tree: ast.Module, table: AttachedTable, variable: str) -> str:
    """Return the query for a group of a frame that is folded by one function; empty if none is."""
    columns = set(table.dataset.columns)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=inner, attr=fold), args=[]) if (
                fold in _AGGREGATES or fold == "size"
            ):
                pass
            case _:
                continue
        value = ""
        match inner:
            case ast.Subscript(value=group, slice=ast.Constant(value=str() as value)):
                pass
            case ast.Attribute(value=group, attr=value) if value in columns:
                pass
            case group if fold == "size":
                pass
            case _:
                continue
        match group:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="groupby"), args=[by, *_]
            ) if name == variable:
                keys = [
                    one.value
                    for one in (by.elts if isinstance(by, ast.List | ast.Tuple) else [by])
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                ]
            case _:
                continue
        if not keys or not {*keys, *([value] if value else [])} <= columns:
            continue
        listed = ", ".join(map(_name, keys))
        function = _AGGREGATES.get(fold, "")
        shown = f"{function}({_name(value)})" if value else "count(*)"
        shown = f"{function} {_name(value)})" if function.endswith("DISTINCT") else shown
        label = _name(f"{fold}_{value}" if value else "number")
        from_ = _name(table.dataset.name)
        return f"SELECT {listed}, {shown} AS {label} FROM {from_} GROUP BY {listed}"
    return ""

"""The attached tables as what memory they would take, and how code names them. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

from analyst_kernel.protocol.datasets import ColumnProfile, Dataset, DatasetProfile

How: TypeAlias = Literal["pandas", "arrow", "query"]
"""What holds the rows: a pandas frame, Arrow or polars, or a frame made of a query's result."""

_BYTES = {
    "TINYINT": 1, "UTINYINT": 1, "BOOLEAN": 1, "SMALLINT": 2, "USMALLINT": 2, "INTEGER": 4,
    "UINTEGER": 4, "FLOAT": 4,
}  # fmt: skip
_NUMBER, _NESTED, _TEXT = 8, 60, 8
_OBJECT = 57  # a Python text with its reference, beside its characters
_GUESSED = 8  # characters of a text of which nothing is known
_AT_WORK = {"pandas": 1.5, "arrow": 1.3, "query": 2.0}
"""How much of the result's size is in use while it is made, at least: parts of it exist twice."""


@dataclass(frozen=True)
class AttachedTable:
    """An attached table.

    Attributes:
        dataset: What was attached.
        columns: Their profiles, by name; empty if the table was not described yet.
        text_size: The mean length of each column of texts, characters.
    """

    dataset: Dataset
    columns: Mapping[str, ColumnProfile]
    text_size: Mapping[str, float]

    @property
    def rows(self) -> int:
        """The number of rows; one for each hundred bytes where it was not counted."""
        return self.dataset.rows if self.dataset.rows is not None else self.dataset.bytes // 100

    @cached_property
    def by_lower(self) -> dict[str, str]:
        """The names of the columns by their small letters, as SQL finds them."""
        return {name.lower(): name for name in self.dataset.columns}

    def width(self, column: str, how: How, *, objects: bool) -> float:
        """Return what one value takes, bytes; ``objects`` for a pandas whose texts are Python's."""
        one = self.columns.get(column)
        if one is None:
            return self.dataset.bytes / max(1, self.rows) / max(1, len(self.dataset.columns))
        if one.kind == "text":
            size = self.text_size.get(column, _GUESSED)
            plain = size + (_OBJECT if objects and how != "arrow" else _TEXT)
            return plain + (size + _OBJECT) / 2 if how == "query" else plain
        if one.kind == "other":
            return _NESTED
        return _NUMBER if one.kind == "date" else _BYTES.get(one.dtype, _NUMBER)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows and columns of a table that code asks for.

    Attributes:
        computed: How many further columns of numbers, at least, are computed.
        narrow: Columns that are to be kept as types of so many bytes.
    """

    table: AttachedTable
    rows: int
    columns: tuple[str, ...]
    computed: int = 0
    narrow: tuple[tuple[str, int], ...] = ()

    @classmethod
    def whole(cls, table: AttachedTable) -> Part:
        """Return all of a table."""
        return cls(table, table.rows, table.dataset.columns)

    def limited(self, rows: int) -> Part:
        """Return the first rows of it."""
        return replace(self, rows=min(self.rows, max(0, rows)))

    def picked(self, names: Iterable[str | int]) -> Part | None:
        """Return some columns of it; None if one is not there."""
        found = []
        numbered = dict(enumerate(self.columns))
        for one in names:
            name = numbered.get(one) if isinstance(one, int) else one
            if name is None or name not in self.columns:
                return None
            found.append(name)
        return replace(self, columns=tuple(dict.fromkeys(found)), computed=0)

    def bytes(self, how: How, *, objects: bool) -> float:
        """Return what it takes in memory while it is loaded, at least."""
        narrow = dict(self.narrow)
        row = sum(
            min(narrow.get(name, 1 << 20), self.table.width(name, how, objects=objects))
            for name in self.columns
        )
        return self.rows * (row + self.computed * _NUMBER) * _AT_WORK[how]


class Tables:
    """The attached tables, found by the names that code has for them."""

    def __init__(self, datasets: Sequence[Dataset], profiles: Mapping[str, DatasetProfile]) -> None:
        """Take over what is known of them."""
        self.all = [_table(one, profiles.get(one.name)) for one in datasets]
        self._named = {one.dataset.name.lower(): one for one in self.all}

    def named(self, name: str) -> AttachedTable | None:
        """Return the table that SQL finds under a name."""
        found = self._named.get(name.lower())
        if found is not None:
            return found
        inside = [one for one in self.all if one.dataset.table == name]
        return inside[0] if len(inside) == 1 else None

    def at(self, path: str) -> list[AttachedTable]:
        """Return the tables of the files that a path, a folder or a pattern stands for.

        Of a path that may be of several files it is the smallest.
        """
        path = path.rpartition("::")[2].replace("\\", "/")
        away = "://" in path
        plain = path if away or path.startswith("/") else _plain(path)
        if not plain:
            return []
        exact = [one for one in self.all if _is_at(one, plain)]
        if exact:
            return [min(exact, key=lambda one: one.rows)]
        if re.search(r"[*?\[]", plain):
            pattern = re.compile(_pattern(plain))
            found = [one for one in self.all if any(map(pattern.search, _places(one)))]
        else:
            below = plain.rstrip("/") + "/"
            inside = below if below.startswith("/") or away else f"/{below}"
            found = [
                one for one in self.all
                if any(p.startswith(below) or inside in p for p in _places(one))
            ]  # fmt: skip
        each: dict[str, AttachedTable] = {}
        for one in found:
            other = each.setdefault(one.dataset.path, one)
            if one.rows < other.rows:
                each[one.dataset.path] = one
        return list(each.values())


def _table(dataset: Dataset, profile: DatasetProfile | None) -> AttachedTable:
    if profile is None:
        return AttachedTable(dataset, {}, {})
    sizes = {}
    for place, one in enumerate(profile.columns):
        if one.kind != "text":
            continue
        if one.top and one.distinct == len(one.top) and not one.distinct_is_estimate:
            lengths = [(len(item.value), item.count) for item in one.top]
        else:
            # The rows have the places of the table's columns, which a profile of some has not.
            at = dataset.columns.index(one.name) if one.name in dataset.columns else place
            rows = (*profile.head, *profile.sample)
            lengths = [(len(row[at] or ""), 1) for row in rows if at < len(row)]
        count = sum(times for _, times in lengths)
        if count:
            sizes[one.name] = sum(size * times for size, times in lengths) / count
    return AttachedTable(dataset, {one.name: one for one in profile.columns}, sizes)


def _plain(path: str) -> str:
    """Return the end of a relative path that is the same wherever it starts."""
    path = posixpath.normpath(path)
    while path.startswith("../"):
        path = path[3:]
    return "" if path in (".", "..") else path


def _places(table: AttachedTable) -> list[str]:
    one = table.dataset
    return [one.path.replace("\\", "/"), *([one.address] if one.address else [])]


def _is_at(table: AttachedTable, path: str) -> bool:
    relative = not path.startswith("/") and "://" not in path
    return any(p == path or (relative and p.endswith("/" + path)) for p in _places(table))


def _pattern(path: str) -> str:
    """Return the expression for a pattern of file names."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]/]+\])", path)
    said = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(
        said[p] if p in said else _class(p) if p.startswith("[") and p.endswith("]")
        else re.escape(p) for p in parts
    )  # fmt: skip
    return f"{'^' if path.startswith('/') or '://' in path else '(?:^|/)'}{text}$"


def _class(text: str) -> str:
    """Return one sign of several as an expression says it."""
    inner = text[1:-1].replace("\\", "\\\\").replace("[", "\\[")
    inner = "^" + inner[1:] if inner.startswith("!") else inner.replace("^", "\\^")
    try:
        re.compile(f"[{inner}]")
    except re.error:
        return re.escape(text)
    return f"[{inner}]"

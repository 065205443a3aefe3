"""Columns that link two tables: declared ones, names that fit, and values that are contained.

Pure. Sketches are compared, so no file is read, and the work grows as the number of columns: each
of them is held against a few columns that tell rows apart, never against all others.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from analyst_kernel.data.profile.inspected import ColumnSketch, DeclaredKey
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile, DataWarning

MOST_LINKS = 12
"""Links that are listed of one table; more are counted."""
_MOST_TARGETS = 6  # that one column is compared with
_PROBES = 16
_FEWEST_PROBES = 5
_NAMED_SHARE, _UNNAMED_SHARE = 0.5, 0.95
_COUNTER_FROM = 1000  # whole numbers without gaps below it are row numbers as likely as not
_GENERIC = frozenset({"id", "code", "key", "no", "nr", "number"})
_ID_ENDS = ("id", "code", "key", "no", "nr", "number", "sku")


@dataclass(frozen=True, slots=True)
class LinkedTable:
    """What is known of one table.

    Attributes:
        profile: Its profile, with its name.
        sketches: Of the columns that may link it.
        declared: Links that its file or its dictionary declares.
    """

    profile: DatasetProfile
    sketches: tuple[ColumnSketch, ...] = ()
    declared: tuple[DeclaredKey, ...] = ()

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.profile.dataset.name


@dataclass(slots=True)
class _Side:
    """One column of one table."""

    table: LinkedTable
    column: ColumnProfile
    sketch: ColumnSketch
    hashes: array[int]
    linked: list[_Side] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Return the hash up to which all are kept."""
        return self.hashes[-1] if len(self.hashes) < self.sketch.distinct else (1 << 64) - 1

    @property
    def is_key(self) -> bool:
        return self.sketch.unique

    @property
    def where(self) -> str:
        return f"{self.table.name}[{self.column.name!r}]"


def find_links(tables: Sequence[LinkedTable]) -> dict[str, tuple[DataWarning, ...]]:
    """Return by table what its columns refer to: ``foreign-key`` and ``many-to-many`` warnings.

    Declared links come first, then names that fit, then values alone. A column is called a key of
    another table only if no value stands there twice.
    """
    sides = [side for table in tables for side in _sides(table)]
    found: dict[str, list[DataWarning]] = {table.name: [] for table in tables}
    reported: set[tuple[str, str]] = set()
    by_column = {(side.table.name, side.column.name): side for side in sides}
    for table in tables:
        for warning, column in _declared(table, tables, by_column):
            found[table.name].append(warning)
            reported.add((table.name, column))
    rest = [side for side in sides if (side.table.name, side.column.name) not in reported]
    keys = [side for side in sides if side.is_key]
    for side, warnings in (*_by_name(rest, keys), *_by_values(rest, keys), *_repeated(rest)):
        found[side.table.name] += warnings
    return {name: _limited(warnings) for name, warnings in found.items()}


def _sides(table: LinkedTable) -> list[_Side]:
    columns = {column.name: column for column in table.profile.columns}
    return [
        _Side(table, columns[sketch.column], sketch, sketch.numbers())
        for sketch in table.sketches
        if sketch.column in columns
    ]


def _declared(
    table: LinkedTable, tables: Sequence[LinkedTable], sides: dict[tuple[str, str], _Side]
) -> Iterable[tuple[DataWarning, str]]:
    known = {column.name for column in table.profile.columns}
    for one in table.declared:
        other = _named_table(one.table, table, tables)
        if one.column not in known or other is None:
            continue
        if one.other_column not in {column.name for column in other.profile.columns}:
            continue
        mine = sides.get((table.name, one.column))
        theirs = sides.get((other.name, one.other_column))
        message = f"declared as a reference to {other.name}[{one.other_column!r}]"
        if theirs is not None and not theirs.is_key:
            message += ", whose values repeat: a join multiplies rows"
        elif mine is not None and theirs is not None and (seen := _shared(mine, theirs)):
            message += f"; {seen.text} of its {mine.sketch.distinct:,} values occur there"
        yield (
            DataWarning(code="foreign-key", message=message + ".", column=one.column),
            one.column,
        )


def _named_table(
    name: str, table: LinkedTable, tables: Sequence[LinkedTable]
) -> LinkedTable | None:
    """Return the table that is meant: of the same file, or the only one of that name."""
    here = table.profile.dataset.path
    same = [one for one in tables if one.profile.dataset.path == here]
    for some in (same, tables):
        hits = [one for one in some if name in (one.profile.dataset.table, one.name)]
        if len(hits) == 1:
            return hits[0]
    return None


def _by_name(
    sides: Sequence[_Side], keys: Sequence[_Side]
) -> Iterable[tuple[_Side, list[DataWarning]]]:
    """Find keys whose name, or whose table's name, a column has."""
    called: dict[str, list[_Side]] = {}
    for key in keys:
        for way in _ways(key):
            called.setdefault(way, []).append(key)
    for side in sides:
        fit = called.get(_plain(side.column.name), ())
        warnings = []
        for key in [key for key in fit if _differ(side, key)][:_MOST_TARGETS]:
            seen = _shared(side, key)
            if seen is not None and seen.share >= _NAMED_SHARE:
                side.linked.append(key)
                warnings.append(_link(side, key, seen))
        yield side, warnings


def _by_values(
    sides: Sequence[_Side], keys: Sequence[_Side]
) -> Iterable[tuple[_Side, list[DataWarning]]]:
    """Find keys that hold the values of a column of another name.

    Each key's hashes are walked through once, whatever the number of columns.
    """
    probes: dict[int, list[_Side]] = {}
    for side in sides:
        if not side.linked and not side.is_key and _is_distinctive(side):
            for number in side.hashes[:_PROBES]:
                probes.setdefault(number, []).append(side)
    for key in keys:
        if not probes:
            return
        hits: dict[int, tuple[_Side, int]] = {}
        for number in key.hashes:
            for side in probes.get(number, ()):
                hits[id(side)] = (side, hits.get(id(side), (side, 0))[1] + 1)
        for side, count in hits.values():
            if count < _FEWEST_PROBES or not _differ(side, key) or not _is_distinctive(key):
                continue
            seen = _shared(side, key)
            if seen is None or seen.looked_at < _FEWEST_PROBES or seen.share < _UNNAMED_SHARE:
                continue
            side.linked.append(key)
            if len(side.linked) >= _MOST_TARGETS:
                for number in side.hashes[:_PROBES]:
                    probes[number] = [one for one in probes[number] if one is not side]
            yield side, [_link(side, key, seen)]


def _repeated(sides: Sequence[_Side]) -> Iterable[tuple[_Side, list[DataWarning]]]:
    """Warn of columns of one name that identify something and are a key of neither table."""
    called: dict[str, list[_Side]] = {}
    for side in sides:
        if not side.is_key and _plain(side.column.name).endswith(_ID_ENDS):
            called.setdefault(_plain(side.column.name), []).append(side)
    for side in (side for several in called.values() for side in several):
        if side.linked:
            continue
        others = [one for one in called[_plain(side.column.name)] if _differ(side, one)]
        shared = [
            one.where
            for one in others[:_MOST_TARGETS]
            if (seen := _shared(side, one)) and seen.share >= _NAMED_SHARE
        ]
        if shared:
            message = (
                f"its values repeat here and in {', '.join(shared[:3])} too: it is a key of "
                "neither, and a join on it alone multiplies rows."
            )
            yield (
                side,
                [DataWarning(code="many-to-many", message=message, column=side.column.name)],
            )


def _plain(name: str) -> str:
    return "".join(mark for mark in name.lower() if mark.isalnum())


def _ways(key: _Side) -> set[str]:
    """Return the names by which other tables refer to a key."""
    plain, table = _plain(key.column.name), _plain(key.table.name)
    if plain not in _GENERIC:
        return {plain}
    one = table[:-3] + "y" if table.endswith("ies") else table.removesuffix("s")
    ways = {table + plain, one + plain, one}
    return ways if not _is_distinctive(key) else {*ways, plain}


def _differ(one: _Side, other: _Side) -> bool:
    return one.table.name != other.table.name and one.column.kind == other.column.kind


def _is_distinctive(side: _Side) -> bool:
    """Return whether equal values say something: not among small whole numbers without gaps."""
    column = side.column
    if side.sketch.distinct < _FEWEST_PROBES:
        return False
    if column.kind == "text":
        return True
    low, high = column.minimum, column.maximum
    if not isinstance(low, float | int) or not isinstance(high, float | int):
        return False
    return low >= _COUNTER_FROM or high - low > 4 * side.sketch.distinct


@dataclass(frozen=True, slots=True)
class _Shared:
    share: float
    looked_at: int
    exact: bool

    @property
    def text(self) -> str:
        return f"{'' if self.exact else 'about '}{self.share:.0%}"


def _shared(mine: _Side, theirs: _Side) -> _Shared | None:
    """Return how many distinct values of ``mine`` occur in ``theirs``; None if not known."""
    end = min(mine.end, theirs.end)
    looked_at = mine.hashes[: bisect_right(mine.hashes, end)]
    if not looked_at:
        return None
    there = theirs.hashes
    found = 0
    for number in looked_at:
        place = bisect_right(there, number)
        found += place > 0 and there[place - 1] == number
    exact = len(looked_at) == mine.sketch.distinct
    return _Shared(found / len(looked_at), len(looked_at), exact)


def _link(side: _Side, key: _Side, seen: _Shared) -> DataWarning:
    return DataWarning(
        code="foreign-key",
        message=(
            f"{seen.text} of its {side.sketch.distinct:,} values occur in {key.where}, "
            "which tells its rows apart."
        ),
        column=side.column.name,
    )


def _limited(warnings: list[DataWarning]) -> tuple[DataWarning, ...]:
    if len(warnings) <= MOST_LINKS:
        return tuple(warnings)
    left = len(warnings) - MOST_LINKS
    more = DataWarning(
        code="more-links", message=f"{left} more columns seem to link it to other tables."
    )
    return (*warnings[:MOST_LINKS], more)

"""Where a live value comes from: the tables it was made of, and what became of their rows."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

MOST_KEPT = 2000


@dataclass(frozen=True)
class Origin:
    """The origin of a table, a column, groups or an array.

    Attributes:
        roots: Datasets and files that it was made of.
        label, rows: The named table that it was last taken from, and that table's rows.
        others: Tables that were joined to it.
        sample: How a part of the rows was taken (``head(5)``), with rows, of rows, of which table.
        ordered: Whether its rows were sorted before, so that the first ones are the top ones.
        reduced: Whether it holds results of an aggregation.
        by: The columns that it is grouped or was aggregated by.
        means: Which columns are means of groups of different sizes; the sizes are in ``sizes``.
        made: How it was made up (``literal values``); empty if it was read.
        fan: Columns of a table whose rows a join repeated; ``fan_label`` is that table.
        tests: Of a mask that no row passes, what it asked for.
        joined: Whether rows of another table were joined, at any time.
    """

    roots: frozenset[str] = frozenset()
    label: str = ""
    rows: int = -1
    others: tuple[tuple[str, int], ...] = ()
    sample: tuple[str, int, int, str] | None = None
    ordered: bool = False
    reduced: bool = False
    by: tuple[str, ...] = ()
    means: tuple[str, ...] = ()
    sizes: tuple[int, int, int] = (0, 0, 0)
    made: str = ""
    fan: frozenset[str] = frozenset()
    fan_label: str = ""
    fan_rows: tuple[int, int] = (0, 0)
    joined: bool = False
    tests: tuple[Any, ...] = ()


def merged(origins: Iterable[Origin | None]) -> Origin | None:
    """Return the origin of a value that was made of several: the first one's, with all roots."""
    known = [one for one in origins if one is not None]
    if not known:
        return None
    first = known[0]
    if len(known) == 1:
        return first
    roots = frozenset().union(*(one.roots for one in known))
    sample = next((one.sample for one in known if one.sample is not None), None)
    # What is made up stays so only as long as nothing that was read joins it.
    made = first.made if not roots else ""
    return replace(first, roots=roots, sample=sample, made=made)


class Origins:
    """The origins of live objects, as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Origin]] = {}

    def get(self, value: Any) -> Origin | None:
        """Return the origin of an object, if it is known."""
        found = self._known.get(id(value))
        return found[1] if found is not None and found[0]() is value else None

    def put(self, value: Any, origin: Origin) -> None:
        """Remember an object's origin; does nothing for what cannot be referred to weakly."""
        try:
            reference = weakref.ref(value)
        except TypeError:
            return
        if len(self._known) >= MOST_KEPT:
            self._known = {key: kept for key, kept in self._known.items() if kept[0]() is not None}
        if len(self._known) < MOST_KEPT * 5:
            self._known[id(value)] = (reference, origin)

"""What the user said of the tables of an analysis, by file and table, as it is kept and asked for.

One row is five texts: the file's real path, the table (a sheet, a table of a database), the member
of an archive, the key and the value. An empty table and member mean all of the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from analyst_kernel.data.chosen import KINDS, Chosen, checked
from analyst_kernel.data.reader.wire import ChosenOfTable
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import DataError

Place: TypeAlias = tuple[str | None, str | None]
"""The table, and the member of an archive, of a dataset in its file."""
Row: TypeAlias = tuple[str, str, str, str, str]

_OF_FILE = frozenset({"hidden-sheets"})
_ASKED = re.compile(
    rf"(?P<name>.+?):(?P<key>(?:{'|'.join(KINDS)})(?:\..+?)?)=(?P<value>.*)", re.DOTALL
)


class KeptReadings:
    """What the user said, by file and table."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Take over rows that were kept; those that no version knows any more are left out."""
        self._chosen: dict[tuple[str, Place], Chosen] = {}
        for path, table, member, key, value in rows:
            at = (path, (table or None, member or None))
            try:
                self._chosen[at] = self._chosen.get(at, Chosen()).saying(key, value)
            except DataError:
                continue

    def rows(self) -> tuple[Row, ...]:
        """Return what is to be kept."""
        return tuple(
            (path, table or "", member or "", key, value)
            for (path, (table, member)), chosen in self._chosen.items()
            for key, value in chosen.values
        )

    def of_file(self, path: str) -> tuple[ChosenOfTable, ...]:
        """Return what was said of the tables of a file."""
        return tuple(
            ChosenOfTable(table=table, member=member, chosen=chosen)
            for (at, (table, member)), chosen in self._chosen.items()
            if at == path
        )

    def saying(self, path: str, place: Place, key: str, value: str) -> KeptReadings:
        """Return these with one more, or without it if ``value`` is empty.

        Raises:
            DataError: There is no such choice, or none of that value.
        """
        if not value:
            checked(key, _any_value(key))  # a key that nobody knows is a mistake
        at = (path, (None, None)) if key in _OF_FILE else (path, place)
        made = KeptReadings(self.rows())
        made._chosen[at] = made._chosen.get(at, Chosen()).saying(key, value)
        return made

    def forget(self, path: str, place: Place) -> None:
        """Forget what was said of a table that is taken back."""
        self._chosen.pop((path, place), None)


def _any_value(key: str) -> str:
    kind = key.partition(".")[0]
    known = {
        "header": "1", "encoding": "utf-8", "decimal": ".", "dates": "text", "rows": "keep",
        "word": "gap", "gap": "none", "hidden-sheets": "load", "labels": "codes",
    }  # fmt: skip
    return known.get(kind, "")


@dataclass(frozen=True, slots=True)
class AskedReading:
    """A reading that was asked for in words: of which dataset or file, what, and how."""

    name: str
    key: str
    value: str

    @classmethod
    def of(cls, text: str) -> AskedReading:
        """Read ``FILE:KEY=VALUE``.

        Raises:
            DataError: It is not written so, or there is no such choice.
        """
        found = _ASKED.fullmatch(text)
        if found is None:
            known = ", ".join(KINDS)
            raise DataError(
                f"{text[:80]!r} says nothing of a reading.",
                f"Write FILE:KEY=VALUE; the keys are {known}, such as sales.csv:dates.day=month.",
            )
        if found["value"]:
            checked(found["key"], found["value"])
        return cls(found["name"], found["key"], found["value"])


def dataset_named(datasets: Sequence[Dataset], name: str) -> Dataset:
    """Return the dataset that a user means by its name, its path or its file's name.

    Raises:
        DataError: There is none, or a file holds several.
    """
    plain = os.path.expanduser(name)
    found = [one for one in datasets if one.name == name]
    found = found or [one for one in datasets if one.path == os.path.realpath(plain)]
    found = found or [one for one in datasets if os.path.basename(one.path) == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found or datasets) or "none"
    if found:
        raise DataError(f"{name} holds several datasets.", f"Name one of them: {names}.")
    raise DataError(f"There is no dataset {name}.", f"There are: {names}.")


def not_kept_text(name: str, key: str, why: str) -> str:
    """Return what is said of a choice that no longer fits its file."""
    return f"{name} is not read as you said ({key}): {why} Look at how it is read now."

"""Tables whose rows lie in files of many folders, named like ``year=2024/month=01``.

Found by the names of files and folders alone; nothing is opened here.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from analyst_kernel.data.read.archives import SUFFIXES
from analyst_kernel.protocol.datasets import DataFormat

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark write into a folder's name where the column has no value."""
MAX_PARTS = 10_000
_MOST_NAMES = 50
_PLAIN = re.compile(r"[^*?\[\]\\\x00-\x1f]+")
_KEY = re.compile(r"[^=*?\[\]'\"\\/{}\x00-\x1f]+")
_FORMATS: dict[str, DataFormat] = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv", ".txt": "csv",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FolderTable:
    """One table in many files.

    Attributes:
        root: The folder that holds the folders; absolute.
        keys: What the folders' names give, outermost first, as it is written there.
        suffix: What the names of all files end with.
        files: Relative to ``root``, in order.
        name: Of the file in each folder, where folders hold files of several tables; else empty.
    """

    root: str
    keys: tuple[str, ...]
    suffix: str
    format: DataFormat
    files: tuple[str, ...]
    name: str = ""

    @property
    def pattern(self) -> str:
        """What the files are found by, below ``root``."""
        return "/".join((*(f"{key}=*" for key in self.keys), self.name or f"*{self.suffix}"))

    @property
    def paths(self) -> tuple[str, ...]:
        """The absolute paths of the files."""
        return tuple(os.path.join(self.root, *name.split("/")) for name in self.files)

    def of_name(self, name: str) -> FolderTable:
        """Return the table of the files of one name."""
        files = tuple(file for file in self.files if file.rpartition("/")[2] == name)
        return replace(self, files=files, name=name)

    def by_name(self) -> tuple[FolderTable, ...]:
        """Return a table for each name of files, if each name stands in several folders."""
        names = Counter(file.rpartition("/")[2] for file in self.files)
        several = 1 < len(names) <= _MOST_NAMES and min(names.values()) > 1
        plain = all(_PLAIN.fullmatch(name) for name in names)
        return tuple(self.of_name(name) for name in sorted(names)) if several and plain else ()


def values_of(file: str) -> tuple[str | None, ...]:
    """Return what the folders of a file give, outermost first; ``file`` is relative."""
    texts = [part.partition("=")[2] for part in file.split("/")[:-1]]
    return tuple(None if text == NO_VALUE else unquote(text) for text in texts)


def folder_tables(folder: str, files: Iterable[str]) -> list[FolderTable]:
    """Return the tables that files below ``folder`` make up by their folders' names.

    Folders make up a table if all of them, down to the files, are named ``KEY=VALUE`` with the same
    keys in the same order, and the files are of one kind. A single file is none.
    """
    groups: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for path in files:
        parts = os.path.relpath(path, folder).split(os.sep)
        first = next((n for n, part in enumerate(parts[:-1]) if "=" in part), None)
        if first is not None:
            root = os.path.join(folder, *parts[:first])
            keys = tuple(part.partition("=")[0] if "=" in part else "" for part in parts[first:-1])
            groups.setdefault(root, []).append((keys, "/".join(parts[first:])))
    found = (_table(root, group) for root, group in groups.items())
    return [table for table in found if table is not None]


def _table(root: str, group: Sequence[tuple[tuple[str, ...], str]]) -> FolderTable | None:
    keys = {one for one, _ in group}
    suffixes = {_suffix(name) for _, name in group}
    if not 1 < len(group) <= MAX_PARTS or len(keys) > 1 or len(suffixes) > 1:
        return None
    (found,), (suffix,) = keys, suffixes
    kind = _FORMATS.get(_bare(suffix))
    distinct = len({key.casefold() for key in found}) == len(found)
    if kind is None or not distinct or not all(map(_KEY.fullmatch, found)):
        return None
    return FolderTable(root, found, suffix, kind, tuple(sorted(name for _, name in group)))


def _suffix(name: str) -> str:
    """Return a file name's suffix as it is written, with that of a compression."""
    stem, last = os.path.splitext(name)
    return os.path.splitext(stem)[1] + last if last.lower() in SUFFIXES else last


def _bare(suffix: str) -> str:
    """Return the suffix of the data; that of a packed file only if DuckDB reads it packed."""
    plain = suffix.lower()
    return plain.removesuffix(".gz")

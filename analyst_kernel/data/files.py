"""What is in files and folders: data files with their size, rows and columns, and what lies beside.

Nothing is granted by listing a file, and none is parsed here: readers do that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import unquote

from analyst_kernel.agent.documents import Document
from analyst_kernel.agent.ports import FoundFile
from analyst_kernel.data.granted import paths_of
from analyst_kernel.data.read.discover import (
    checked,
    data_files,
    files_below,
)
from analyst_kernel.data.read.formats import DOCUMENTS, is_doubtful_name, refusal_of, suffix_of
from analyst_kernel.data.read.names import DICTIONARY_SUFFIX, shown
from analyst_kernel.data.reader.opened import opened
from analyst_kernel.data.reader.outside import FileReader, in_turn
from analyst_kernel.data.remote.address import parse_address, scheme_of
from analyst_kernel.data.remote.fetch import Fetcher
from analyst_kernel.data.remote.objects import RemoteObject
from analyst_kernel.protocol.datasets import DataFormat, Dataset, DataWarning
from analyst_kernel.protocol.errors import DataError

_MAX_FOUND = 1000
MOST_DOCUMENTS = 200
_MOST_SKIPPED = 200


async def find_files(
    paths: Sequence[str] = (), *, reader: FileReader | None = None
) -> tuple[FoundFile, ...]:
    """List the data files in files and folders (the current one when none is named).

    Of a remote address, the objects are listed with their sizes, and none is fetched. A file that
    cannot be read is listed with its ``problem``, and one with several tables with their names in
    place of rows and columns.

    Raises:
        DataError: A named path does not exist, or a folder holds too many files.
        SandboxError: No reader of the required isolation can be started.
    """
    reader = reader or FileReader()
    remote = [parse_address(path) for path in paths if scheme_of(path)]
    here = [path for path in paths if not scheme_of(path)]
    listed = await asyncio.to_thread(_listed, here if remote else here or (".",))
    found = await in_turn([_found(reader, path) for path, _named in listed])
    apart = [
        (part, False)
        for one, (path, _named) in zip(found, listed, strict=True)
        if one.problem and os.path.isdir(path)
        for part in await asyncio.to_thread(paths_of, path)
        if part != path
    ]
    if apart:  # what is no table is listed file by file
        kept = [n for n, (path, _) in enumerate(listed) if not os.path.isdir(path)]
        kept += [n for n, (path, _) in enumerate(listed) if n not in kept and not found[n].problem]
        more = await in_turn([_found(reader, path) for path, _named in apart])
        found = [*(found[n] for n in kept), *more]
        listed = [*(listed[n] for n in kept), *apart]
    away = [one for address in remote for one in await Fetcher().find(address)]
    return tuple(_away(one) for one in away) + tuple(
        one
        for one, (path, named) in zip(found, listed, strict=True)
        if named or not (is_doubtful_name(path) and (one.problem or len(one.columns) < 2))
    )


def _listed(paths: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the paths of the files, and whether each was named itself."""
    files: list[tuple[str, bool]] = []
    for path in paths:
        real = checked(path)
        if os.path.isdir(real):
            files += [(file, False) for file in data_files(real, limit=_MAX_FOUND)]
        else:
            files.append((real, True))
    return files


def _away(one: RemoteObject) -> FoundFile:
    """Return an object as its store describes it: it is not read before it is attached."""
    kinds: dict[str, DataFormat] = {
        ".tsv": "tsv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "excel",
        ".parquet": "parquet", ".xls": "excel", ".sqlite": "sqlite", ".db": "sqlite",
        ".duckdb": "duckdb", ".feather": "arrow", ".arrow": "arrow", ".dta": "stata",
        ".sav": "spss", ".zsav": "spss", ".por": "spss", ".sas7bdat": "sas", ".xpt": "sas",
    }  # fmt: skip
    suffix = suffix_of(one.address.name)
    return FoundFile(one.address.text, kinds.get(suffix, "csv"), one.size or 0)


def folder_values(dataset: Dataset) -> tuple[DataWarning, ...]:
    """Return what the folders of a partitioned table (``year=2024``) say that its file does not.

    A column of the file of the same name is used as it is: neither overrides the other.
    """
    known = {name.casefold() for name in dataset.columns}
    found: list[DataWarning] = []
    for part in PurePath(dataset.path).parent.parts:
        key, sign, value = part.partition("=")
        if not sign or not key:
            continue
        key, value = unquote(key), unquote(value)
        said = "no value" if value == "__HIVE_DEFAULT_PARTITION__" else repr(value)
        message = (
            f"its folder gives {key!r} {said}, and so does a column of the file, which is what was "
            "loaded: check that they agree."
            if key.casefold() in known
            else f"its folder gives {key!r} {said} for all of its rows; no column holds it: add "
            "the column before rows of several such folders are put together."
        )
        found.append(DataWarning(code="folder-value", message=message))
    return tuple(found)


def _size_of(path: str) -> int:
    """Return the bytes of a data file, or of all files of a table; raises ``DataError``."""
    with opened(path) as file:
        return file.size


async def _found(reader: FileReader, path: str) -> FoundFile:
    try:
        size = await asyncio.to_thread(_size_of, os.path.realpath(path))
        found = await reader.find(os.path.realpath(path))
    except DataError as error:
        size = os.path.getsize(path) if os.path.isfile(path) else 0
        return FoundFile(path, "csv", size, problem=str(error))
    return FoundFile(path, found.format, size, found.rows, found.columns, tables=found.tables)


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies in a granted folder beside its datasets; ``skipped`` holds names and reasons.

    ``files`` are all that were seen, by which later ones are noticed.
    """

    folder: str
    documents: tuple[Document, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    files: frozenset[str] = frozenset()


def looked_beside(
    paths: Sequence[str], added: Sequence[Dataset], problems: Collection[str]
) -> dict[str, Beside]:
    """Return what lies in those granted paths that are folders, beside what could be read."""
    folders = [checked(path) for path in paths]
    tables = {path for one in added for path in paths_of(one.path)} | set(problems)
    return {folder: beside_data(folder, tables) for folder in folders if os.path.isdir(folder)}


def beside_data(folder: str, tables: Collection[str]) -> Beside:
    """Look through a folder.

    Args:
        folder: Real and absolute.
        tables: Real paths of the files that gave datasets or were reported already.
    """
    documents: list[Document] = []
    skipped: list[tuple[str, str]] = []
    seen: set[str] = set()
    for path in files_below(folder):
        seen.add(path)
        name = shown(os.path.relpath(path, folder))
        real = os.path.realpath(path)
        if real in tables or name.lower().endswith(DICTIONARY_SUFFIX):
            continue
        if name.rpartition("/")[2] == "_SUCCESS":  # Spark's mark that a folder is complete
            continue
        suffix = suffix_of(path)
        try:
            size = os.stat(real).st_size
        except OSError as error:
            skipped.append((name, error.strerror or "cannot be looked at"))
            continue
        if suffix in DOCUMENTS or (not suffix and size < 1_000_000):
            if len(documents) < MOST_DOCUMENTS:
                documents.append(Document(name, real, size))
            else:
                skipped.append((name, f"one document more than the {MOST_DOCUMENTS} listed"))
        else:
            skipped.append((name, refusal_of(suffix)))
    return Beside(folder, tuple(documents), tuple(skipped[:_MOST_SKIPPED]), frozenset(seen))

"""The list of data files in files and folders, each with its size, rows and columns.

Nothing is granted by listing a file, and none is parsed here: readers do that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from analyst_kernel.agent.ports import FoundFile
from analyst_kernel.data.read.discover import checked, data_files
from analyst_kernel.data.read.formats import is_doubtful_name, suffix_of
from analyst_kernel.data.reader.outside import FileReader, in_turn
from analyst_kernel.data.remote.address import parse_address, scheme_of
from analyst_kernel.data.remote.fetch import Fetcher
from analyst_kernel.data.remote.objects import RemoteObject
from analyst_kernel.protocol.datasets import DataFormat
from analyst_kernel.protocol.errors import DataError

_MAX_FOUND = 1000


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
        ".duckdb": "duckdb", ".feather": "arrow", ".arrow": "arrow",
    }  # fmt: skip
    suffix = suffix_of(one.address.name)
    return FoundFile(one.address.text, kinds.get(suffix, "csv"), one.size or 0)


async def _found(reader: FileReader, path: str) -> FoundFile:
    size = os.path.getsize(path) if os.path.exists(path) else 0
    try:
        found = await reader.find(os.path.realpath(path))
    except DataError as error:
        return FoundFile(path, "csv", size, problem=str(error))
    return FoundFile(path, found.format, size, found.rows, found.columns, tables=found.tables)

"""From a path to the tables in it: files of a folder, members of an archive, sheets, tables.

Hidden files are left out, and links that lead out of a granted folder are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

from analyst_kernel._text import nearest
from analyst_kernel.data.read import database, excel
from analyst_kernel.data.read.archives import MAX_MEMBERS, compression_of, zip_members
from analyst_kernel.data.read.folders import staging
from analyst_kernel.data.read.folders.tables import FolderTable, folder_tables
from analyst_kernel.data.read.formats import identify, looks_like_data, stem_of, suffix_of
from analyst_kernel.data.read.names import shown
from analyst_kernel.data.read.options import FolderReading, Packing, Reading, Source
from analyst_kernel.data.read.workspace import Stop, is_utf8, workspace
from analyst_kernel.protocol.errors import DataError

MAX_DEPTH = 6
MAX_SEEN = 20_000
MAX_FILES = 100
_SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".ods")


def checked(path: str) -> str:
    """Return the absolute path, links resolved, of something that exists and may be read.

    Raises:
        DataError: It does not exist, is not a file or folder, or may not be read.
    """
    real = os.path.realpath(os.path.expanduser(path))
    if not os.path.exists(real):
        raise DataError(f"There is no file or folder {path}.", _near(real))
    if not os.path.isfile(real) and not os.path.isdir(real):
        raise DataError(f"{path} is neither a file nor a folder.", "Name a data file.")
    if not os.access(real, os.R_OK):
        raise DataError(
            f"{path} may not be read by this user.", "Change its permissions, or copy it."
        )
    return real


def _near(path: str) -> str:
    folder = os.path.dirname(path)
    try:
        names = [name for name in os.listdir(folder) if looks_like_data(name)]
    except OSError:
        return "Check the path."
    close = nearest(os.path.basename(path), names, 1)
    return f"Did you mean {close[0]}?" if close else "Check the path."


def data_files(folder: str, *, limit: int = MAX_FILES) -> list[str]:
    """List what lies below a folder and looks like data by its name, in order of the paths.

    A folder below, or this one, that holds a table in folders such as ``year=2024`` stands for all
    of the table's files.

    Raises:
        DataError: There are more than ``limit``, or the folder is too big to look through.
    """
    found = _data_files(folder)
    for table in folder_tables(folder, found):
        parts = set(table.paths)
        found = [*(path for path in found if path not in parts), table.root]
    if len(found) > limit:
        raise DataError(
            f"{folder} holds more than {limit} data files.",
            "Name a smaller folder, or the data files themselves.",
        )
    return sorted(found)


def folder_table(folder: str, name: str | None = None) -> FolderTable | None:
    """Return the table that the files of a folder make up by the names of their folders.

    ``name`` is that of the files, where folders hold those of several tables.
    """
    tables = folder_tables(folder, _data_files(folder))
    found = next((table for table in tables if table.root == folder), None)
    return found.of_name(name) if found and name else found


def _data_files(folder: str) -> list[str]:
    found: list[str] = []
    for seen, path in enumerate(_walk(folder, os.path.realpath(folder), MAX_DEPTH)):
        if seen > MAX_SEEN:
            raise DataError(
                f"{folder} holds more than {MAX_SEEN:,} files.", "Name the data files themselves."
            )
        if looks_like_data(os.path.basename(path)):
            found.append(path)
    return found


def files_below(folder: str) -> Iterator[str]:
    """Return the files that a folder is looked through for, at most as many as are looked at."""
    return islice(_walk(folder, os.path.realpath(folder), MAX_DEPTH), MAX_SEEN)


def _walk(folder: str, root: str, depth: int) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # a folder below that may not be listed holds nothing for us
    for entry in entries:
        if entry.name.startswith((".", "~$")) or entry.name.endswith("_files"):
            continue
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if os.path.commonpath([real, root]) == root and os.path.isfile(real):
                yield entry.path
        elif entry.is_file():
            yield entry.path
        elif entry.is_dir() and depth > 1 and entry.name not in ("node_modules", "__pycache__"):
            yield from _walk(entry.path, root, depth - 1)


def sources(path: str, stop: Stop | None = None, *, hidden_too: bool = False) -> tuple[Source, ...]:
    """List the tables in one file; ``path`` is absolute.

    ``hidden_too`` also lists the hidden sheets of a workbook.

    Raises:
        DataError: It cannot be read as data.
    """
    if not is_utf8(path):
        raise DataError(
            f"The name {shown(os.path.basename(path))} or its folder's is not UTF-8, as notebooks "
            "need it.",
            "Rename it.",
        )
    if os.path.isdir(path):
        return _folder_sources(path)
    try:
        if os.path.getsize(path) == 0:
            raise DataError(
                f"{os.path.basename(path)} is empty (0 bytes).", "Check the export that made it."
            )
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError as error:
        raise DataError(
            f"{os.path.basename(path)} cannot be read: {error.strerror}.",
            "Change its permissions, or copy it.",
        ) from error
    name = os.path.basename(path)
    if head.startswith(b"PK\x03\x04") and suffix_of(name) not in _SPREADSHEETS:
        return _zipped(path, hidden_too=hidden_too)
    packing = Packing(compression_of(head))
    return _tables(path, packing, name, stem_of(name), stop, hidden_too=hidden_too)


def _folder_sources(path: str) -> tuple[Source, ...]:
    """Return the table of a folder, or those of the files of each name if they are not one."""
    table = folder_table(path)
    if table is None:
        raise DataError(
            f"{os.path.basename(path)} holds no table in folders any more.", "Attach it again."
        )
    if several := table.by_name():
        try:
            staging.look(table)
        except staging.NotOneTable:
            return tuple(_folder_source(one) for one in several)
    return (_folder_source(table),)


def _folder_source(table: FolderTable) -> Source:
    size = sum(os.path.getsize(part) for part in table.paths)
    reading = FolderReading(table.keys, table.pattern, len(table.files))
    stem = stem_of(table.name) if table.name else os.path.basename(table.root)
    return Source(table.root, table.format, size, stem, reading, table=table.name or None)


def _zipped(path: str, *, hidden_too: bool) -> tuple[Source, ...]:
    every = zip_members(path)
    members = [entry for entry in every if looks_like_data(entry.filename)]
    members = [entry for entry in members if not entry.filename.lower().endswith(".zip")]
    name = os.path.basename(path)
    if any(entry.filename.startswith("xl/") for entry in every):
        return _tables(path, Packing(), name, stem_of(name), None, hidden_too=hidden_too)
    if not members:
        raise DataError(f"{name} holds no data files.", "Attach the data files themselves.")
    if len(members) > MAX_MEMBERS:
        raise DataError(
            f"{name} holds {len(members)} data files, more than the {MAX_MEMBERS} taken from one "
            "archive.",
            "Unpack it and attach the files that you need.",
        )
    found: list[Source] = []
    for entry in members:
        packing = Packing("zip", entry.filename, len(every))
        stem = stem_of(name) if len(members) == 1 else stem_of(os.path.basename(entry.filename))
        found += _tables(path, packing, entry.filename, stem, None)
    return tuple(found)


def _tables(
    path: str, packing: Packing, name: str, stem: str, stop: Stop | None, *,
    hidden_too: bool = False,
) -> tuple[Source, ...]:  # fmt: skip
    kind = identify(path, packing, name)
    size = os.path.getsize(path)

    def source(reading: Reading | None, part: str = stem, table: str | None = None) -> Source:
        return Source(path, kind, size, part, reading, packing, table)

    if kind in ("csv", "tsv", "json", "jsonl"):
        return (source(None),)
    if packing.compression is not None:
        raise DataError(
            f"{os.path.basename(name)} is packed, and a {kind} file can only be read unpacked.",
            "Unpack it and attach the result.",
        )
    if kind == "excel":
        pages = excel.sheets(path, hidden_too=hidden_too)
        return tuple(
            source(page, stem if len(pages) == 1 else f"{stem}_{page.sheet}", page.sheet)
            for page in pages
        )
    if kind == "sqlite":
        return tuple(source(one, one.table, one.table) for one in database.sqlite_tables(path))
    if kind == "duckdb":
        with workspace(stop, path) as work:
            tables = database.duckdb_tables(work, path)
        return tuple(source(one, one.table, one.table) for one in tables)
    return (source(None),)

"""The list of data files in files and folders, each with its size, rows and columns.

Nothing is granted by listing a file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import assert_never

from analyst_kernel.agent.ports import FoundFile
from analyst_kernel.data.profile.profile import inspect
from analyst_kernel.data.read import columnar, database, delimited
from analyst_kernel.data.read.archives import unpacked_bytes
from analyst_kernel.data.read.discover import checked, data_files, refuse_remote, sources
from analyst_kernel.data.read.formats import is_doubtful_name
from analyst_kernel.data.read.options import DuckdbReading, Source, SqliteReading
from analyst_kernel.data.read.workspace import Stop, workspace
from analyst_kernel.protocol.errors import DataError

_MAX_FOUND = 1000
_COUNTED_BYTES = 2 * 1000**3


def find_files(paths: Sequence[str] = (), *, stop: Stop | None = None) -> tuple[FoundFile, ...]:
    """List the data files in files and folders (the current one when none is named).

    A file that cannot be read is listed with its ``problem``, and one with several tables with
    their names in place of rows and columns. Blocking.

    Raises:
        DataError: A named path does not exist, or a folder holds too many files.
    """
    found: list[FoundFile] = []
    for path in paths or (".",):
        refuse_remote(path)
        real = checked(path)
        if os.path.isdir(real):
            for file in data_files(real, limit=_MAX_FOUND):
                one = _found(file, stop)
                if not (is_doubtful_name(file) and (one.problem or len(one.columns) < 2)):
                    found.append(one)
        else:
            found.append(_found(real, stop))
    return tuple(found)


def _found(path: str, stop: Stop | None) -> FoundFile:
    size = os.path.getsize(path) if os.path.exists(path) else 0
    try:
        tables = sources(path, stop)
        first = tables[0]
        if len(tables) > 1:
            names = tuple(table.table or table.stem for table in tables)
            return FoundFile(path, first.format, size, tables=names)
        rows, columns = _measured(first, stop)
        return FoundFile(path, first.format, size, rows, columns)
    except DataError as error:
        return FoundFile(path, "csv", size, problem=str(error))


def _measured(source: Source, stop: Stop | None) -> tuple[int | None, tuple[str, ...]]:
    """Count rows and name columns with as little reading as the format allows."""
    match source.format:
        case "parquet":
            _, names, rows, _ = columnar.look_parquet(source.path)
            return rows, names
        case "csv" | "tsv":
            reading = delimited.look(source.path, source.packing, source.path)
            if unpacked_bytes(source.path, source.packing) > _COUNTED_BYTES:
                return None, reading.names
            with workspace(stop) as work:
                return delimited.count_rows(work, source.path, reading), reading.names
        case "sqlite":
            assert isinstance(source.reading, SqliteReading)
            return database.measure_sqlite(source.path, source.reading)
        case "duckdb":
            assert isinstance(source.reading, DuckdbReading)
            with workspace(stop) as work:
                database.attach_duckdb(work, source.path)
                table = database.duckdb_table_sql(source.reading)
                return int(work.row(f"SELECT count(*) FROM {table}")[0]), work.names(table)
        case "json" | "jsonl" | "excel" | "arrow":
            one = inspect(source, "found", max_frame_bytes=1 << 40, columns=("",), stop=stop)
            return one.profile.dataset.rows, one.profile.dataset.columns
        case _:
            assert_never(source.format)

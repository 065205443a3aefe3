"""SQLite and DuckDB files: their tables, opened for reading only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from analyst_kernel._damage import UNREADABLE
from analyst_kernel.data.read.names import not_readable_by_name
from analyst_kernel.data.read.options import DuckdbReading, SqliteReading
from analyst_kernel.data.read.workspace import Workspace, column, literal, quoted
from analyst_kernel.protocol.errors import DataError

MAX_TABLES = 100
MAX_CELL_BYTES = 64 << 20
_BATCH = 20_000
_BATCH_BYTES = 32 << 20
_STEP = 200  # rows fetched before their size is looked at
_ARROW = {"integer": "int64", "real": "float64"}


@contextmanager
def open_sqlite(path: str) -> Iterator[sqlite3.Connection]:
    """Open an SQLite file for reading only; what is wrong with it is a ``DataError``."""
    how = "mode=ro&immutable=1" if _is_closed_wal(path) else "mode=ro"
    connection = sqlite3.connect(f"{Path(path).as_uri()}?{how}", uri=True, timeout=5)
    try:
        # A view may ask for anything: neither functions with side effects nor gigabytes in a cell.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield connection
    except UNREADABLE as error:
        raise DataError(
            f"{os.path.basename(path)} cannot be read as an SQLite database: {error}.",
            "Close the program that writes to it, or export its tables as CSV.",
        ) from error
    finally:
        connection.close()


def _is_closed_wal(path: str) -> bool:
    """Return whether a file is in write-ahead mode and no log lies beside it.

    Opened as usual, such a file gets a log, which a folder that may only be read refuses.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError:
        return False
    return head[18:20] == b"\x02\x02" and not os.path.exists(f"{path}-wal")


def sqlite_tables(path: str) -> tuple[SqliteReading, ...]:
    """List the tables and views of an SQLite file.

    Raises:
        DataError: It is damaged, locked, or holds none.
    """
    with open_sqlite(path) as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
        ).fetchall()
        good: list[str] = []
        broken: list[str] = []
        for (name,) in _some(rows, path):
            try:
                connection.execute(f"SELECT * FROM {quoted(str(name))} LIMIT 0")
                good.append(str(name))
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    raise
                broken.append(f"{name} ({error})")
    if not good:
        raise DataError(
            f"{os.path.basename(path)} has no table that can be read: {broken[0]}.",
            "Mend its views, or export the tables as CSV.",
        )
    wal = _is_closed_wal(path)
    return tuple(SqliteReading(name, immutable=wal, left_out=tuple(broken)) for name in good)


def measure_sqlite(path: str, reading: SqliteReading) -> tuple[int, tuple[str, ...]]:
    """Return the row count and column names of an SQLite table.

    Raises:
        DataError: The file is damaged or locked.
    """
    with open_sqlite(path) as connection:
        table = quoted(reading.table)
        names = _names(connection, table)
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows[0]), names


def stage_sqlite(
    work: Workspace, path: str, reading: SqliteReading
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy an SQLite table into ``staged``.

    Returns:
        The column names, and those of the columns that hold several kinds of values.

    Raises:
        DataError: The file is damaged or locked.
    """
    import pyarrow as pa

    table = quoted(reading.table)
    with open_sqlite(path) as connection:
        names = _names(connection, table)
        kinds = [_kind(connection, table, name) for name in names]
        schema = pa.schema(
            [pa.field(column(n), _ARROW.get(kind, "string")) for n, kind in enumerate(kinds)]
        )
        work.stage(schema.empty_table())
        cursor = connection.execute(f"SELECT * FROM {table}")
        while rows := _some_rows(cursor):
            arrays = [
                pa.array([_cell(row[n], kind) for row in rows], schema.field(n).type)
                for n, kind in enumerate(kinds)
            ]
            work.stage(pa.table(arrays, schema=schema), append=True)
    return names, tuple(n for n, kind in zip(names, kinds, strict=True) if kind == "mixed")


def _some_rows(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """Return the next rows: so many, or fewer if they hold long texts."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while size < _BATCH_BYTES and len(rows) < _BATCH:
        more = cursor.fetchmany(min(_STEP, _BATCH - len(rows)))
        if not more:
            break
        size += sum(len(cell) for row in more for cell in row if isinstance(cell, str | bytes))
        rows += more
    return rows


def _names(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
    return tuple(str(entry[0]) for entry in cursor.description)


def _kind(connection: sqlite3.Connection, table: str, name: str) -> str:
    """Return the kind of a column's values; SQLite does not enforce declared types."""
    rows = connection.execute(f"SELECT DISTINCT typeof({quoted(name)}) FROM {table}").fetchall()
    kinds = {str(row[0]) for row in rows} - {"null"}
    if kinds <= {"integer"} and kinds:
        return "integer"
    if kinds <= {"integer", "real"} and kinds:
        return "real"
    if kinds <= {"text"}:
        return "text"
    return "blob" if kinds == {"blob"} else "mixed"


def _cell(value: Any, kind: str) -> Any:
    if value is None or kind in ("integer", "text"):
        return value
    if kind == "real":
        return float(value)
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def attach_duckdb(work: Workspace, path: str) -> None:
    """Attach a DuckDB file, for reading only, as ``source``.

    Raises:
        DataError: It is locked, damaged, or of a newer DuckDB.
    """
    import duckdb

    try:
        work.run("DETACH DATABASE IF EXISTS source")
        work.run(attach_sql(path, "source"))
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{os.path.basename(path)} cannot be opened as a DuckDB database: {reason}.",
            "Close the program that has it open, or export its tables as Parquet.",
        ) from error


def attach_sql(path: str, catalog: str) -> str:
    """Return the statement that attaches a DuckDB file.

    ``ATTACH`` knows no patterns, but DuckDB 2 takes a backslash in its path for a slash, and the
    log of changes that it looks for beside ``a?b`` is ``a.wal?b``.

    Raises:
        DataError: DuckDB has no way to name this file.
    """
    if os.sep == "\\":
        path = path.replace("\\", "/")
    if "\\" in path or "?" in path:
        raise not_readable_by_name(path)
    return f"ATTACH IF NOT EXISTS {literal(path)} AS {catalog} (READ_ONLY)"


def duckdb_tables(work: Workspace, path: str) -> tuple[DuckdbReading, ...]:
    """List the tables and views of a DuckDB file.

    Raises:
        DataError: It cannot be opened, or holds none.
    """
    import duckdb

    attach_duckdb(work, path)
    rows = work.rows(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_catalog = 'source' ORDER BY 1, 2"
    )
    good: list[DuckdbReading] = []
    broken: list[str] = []
    for schema, name in _some(rows, path):
        one = DuckdbReading(str(name), str(schema))
        try:
            work.names(duckdb_table_sql(one))
            good.append(one)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            broken.append(f"{name} ({str(error).splitlines()[0]})")
    if not good:
        raise DataError(
            f"{os.path.basename(path)} has no table that can be read: {broken[0]}.",
            "Mend its views, or export the tables as Parquet.",
        )
    return tuple(replace(one, left_out=tuple(broken)) for one in good)


def duckdb_table_sql(reading: DuckdbReading, catalog: str = "source") -> str:
    """Return the SQL name of a table in an attached DuckDB file."""
    return f"{quoted(catalog)}.{quoted(reading.schema)}.{quoted(reading.table)}"


def _some(rows: list[Any], path: str) -> list[Any]:
    if not rows:
        raise DataError(f"{os.path.basename(path)} holds no tables.", "Check the file.")
    if len(rows) > MAX_TABLES:
        raise DataError(
            f"{os.path.basename(path)} holds {len(rows)} tables, more than the {MAX_TABLES} that "
            "one analysis takes.",
            "Export the tables that you need as Parquet or CSV.",
        )
    return rows

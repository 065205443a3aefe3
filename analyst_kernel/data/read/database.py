"""SQLite and DuckDB files: their tables, opened for reading only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analyst_kernel.data.read.options import DuckdbReading, SqliteReading
from analyst_kernel.data.read.workspace import Workspace, column, literal, quoted
from analyst_kernel.protocol.errors import DataError

_BATCH = 20_000
MAX_TABLES = 100


@contextmanager
def _sqlite(path: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield connection
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"{os.path.basename(path)} cannot be read as an SQLite database: {error}.",
            "Close the program that writes to it, or export its tables as CSV.",
        ) from error
    finally:
        connection.close()


def sqlite_tables(path: str) -> tuple[SqliteReading, ...]:
    """List the tables and views of an SQLite file.

    Raises:
        DataError: It is damaged, locked, or holds none.
    """
    with _sqlite(path) as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
        ).fetchall()
    return tuple(SqliteReading(str(row[0])) for row in _some(rows, path))


def stage_sqlite(
    work: Workspace, path: str, reading: SqliteReading
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy an SQLite table into ``staged``; return its column names and the columns of mixed kinds.

    Raises:
        DataError: The file is damaged or locked.
    """
    import pyarrow as pa

    table = quoted(reading.table)
    with _sqlite(path) as connection:
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
        names = tuple(str(entry[0]) for entry in cursor.description)
        kinds = [_kind(connection, table, name) for name in names]
        schema = pa.schema([(column(n), _ARROW[kind]()) for n, kind in enumerate(kinds)])
        columns = ", ".join(f"{column(n)} {_DUCKDB[kind]}" for n, kind in enumerate(kinds))
        work.run(f"CREATE OR REPLACE TABLE staged ({columns})")
        cursor = connection.execute(f"SELECT * FROM {table}")
        while rows := cursor.fetchmany(_BATCH):
            work.stop.check()
            arrays = [
                pa.array([_cell(row[n], kind) for row in rows], schema.field(n).type)
                for n, kind in enumerate(kinds)
            ]
            work.connection.register("incoming", pa.table(arrays, schema=schema))
            work.run("INSERT INTO staged SELECT * FROM incoming")
            work.connection.unregister("incoming")
    return names, tuple(n for n, kind in zip(names, kinds, strict=True) if kind == "mixed")


def _int64() -> Any:
    import pyarrow as pa

    return pa.int64()


def _float64() -> Any:
    import pyarrow as pa

    return pa.float64()


def _string() -> Any:
    import pyarrow as pa

    return pa.string()


_ARROW = {"integer": _int64, "real": _float64, "text": _string, "mixed": _string, "blob": _string}
_DUCKDB = {
    "integer": "BIGINT",
    "real": "DOUBLE",
    "text": "VARCHAR",
    "mixed": "VARCHAR",
    "blob": "VARCHAR",
}


def _kind(connection: sqlite3.Connection, table: str, name: str) -> str:
    """Name the kind of a column by the values in it; SQLite's declared types promise nothing."""
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
    """Attach a DuckDB file for reading as ``source``.

    Raises:
        DataError: It is locked, damaged, or of a newer DuckDB.
    """
    import duckdb

    try:
        work.run(f"ATTACH IF NOT EXISTS {literal(path)} AS source (READ_ONLY)")
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{os.path.basename(path)} cannot be opened as a DuckDB database: {reason}.",
            "Close the program that has it open, or export its tables as Parquet.",
        ) from error


def duckdb_tables(work: Workspace, path: str) -> tuple[DuckdbReading, ...]:
    """List the tables and views of a DuckDB file.

    Raises:
        DataError: It cannot be opened, or holds none.
    """
    attach_duckdb(work, path)
    rows = work.rows(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_catalog = 'source' ORDER BY 1, 2"
    )
    return tuple(DuckdbReading(str(row[1]), str(row[0])) for row in _some(rows, path))


def duckdb_table_sql(reading: DuckdbReading, catalog: str = "source") -> str:
    """Name a table of an attached DuckDB file in SQL."""
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


def measure_sqlite(path: str, reading: SqliteReading) -> tuple[int, tuple[str, ...]]:
    """Return the row count and column names of an SQLite table.

    Raises:
        DataError: The file is damaged or locked.
    """
    with _sqlite(path) as connection:
        table = quoted(reading.table)
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
        names = tuple(str(entry[0]) for entry in cursor.description)
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows[0]), names

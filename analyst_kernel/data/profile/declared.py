"""Foreign keys that a database file declares itself; it runs in a reader."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

from analyst_kernel._damage import UNREADABLE
from analyst_kernel.data.read.database import open_sqlite
from analyst_kernel.data.read.options import DuckdbReading, Source, SqliteReading
from analyst_kernel.data.read.workspace import Workspace, literal, quoted

_MOST = 200
Reference: TypeAlias = tuple[str, str, str]
"""A column, the table that it refers to, and that table's column."""


def declared_keys(work: Workspace, source: Source) -> tuple[Reference, ...]:
    """Return the foreign keys of one column that are declared for a table.

    Keys of several columns are left out: no single column of theirs refers to anything.
    """
    match source.reading:
        case SqliteReading(table=table):
            with open_sqlite(source.path) as connection:
                return _of_sqlite(connection, table)
        case DuckdbReading(table=table, schema=schema):
            return _of_duckdb(work, schema, table)
        case _:
            return ()


def _of_sqlite(connection: sqlite3.Connection, table: str) -> tuple[Reference, ...]:
    try:
        rows = connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchmany(_MOST)
    except UNREADABLE:  # a damaged schema declares nothing
        return ()
    counts = [row[0] for row in rows]
    found: list[Reference] = []
    for number, _place, other, mine, named, *_rest in rows:
        theirs = named
        if counts.count(number) > 1:
            continue
        if theirs is None:  # the primary key is meant
            keys = connection.execute(f"PRAGMA table_info({quoted(str(other))})").fetchall()
            primary = [str(row[1]) for row in keys if row[5]]
            if len(primary) != 1:
                continue
            theirs = primary[0]
        found.append((str(mine), str(other), str(theirs)))
    return tuple(found)


def _of_duckdb(work: Workspace, schema: str, table: str) -> tuple[Reference, ...]:
    import duckdb

    query = (
        "SELECT constraint_column_names, referenced_table, referenced_column_names "
        "FROM duckdb_constraints() WHERE database_name = 'source' "
        f"AND schema_name = {literal(schema)} AND table_name = {literal(table)} "
        f"AND constraint_type = 'FOREIGN KEY' LIMIT {_MOST}"
    )
    try:
        rows = work.rows(query)
    except duckdb.BinderException:  # a DuckDB before 1.2 does not name the other table
        return ()
    return tuple(
        (str(mine[0]), str(other), str(theirs[0]))
        for mine, other, theirs in rows
        if len(mine) == 1 and theirs and len(theirs) == 1
    )

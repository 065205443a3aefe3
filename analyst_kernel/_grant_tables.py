"""The tables of the store of grants, and what is kept beside the grants: how data is read.

Imported wherever a kernel starts, so it needs the standard library alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import TypeAlias

VERSION = 3
READINGS = """
CREATE TABLE readings (
    number INTEGER NOT NULL REFERENCES analyses ON DELETE CASCADE,
    path TEXT NOT NULL,
    "table" TEXT NOT NULL,
    member TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (number, path, "table", member, key)
)"""
"""What the user said of tables: the file, the table in it, the choice; ``place`` is the order."""
SCHEMA = (
    """
CREATE TABLE analyses (
    number INTEGER PRIMARY KEY,
    notebook TEXT NOT NULL,
    analysis TEXT NOT NULL,
    inode INTEGER, born INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
    UNIQUE (notebook, analysis)
)""",
    """
CREATE TABLE grants (
    number INTEGER NOT NULL REFERENCES analyses ON DELETE CASCADE,
    path TEXT NOT NULL,
    given TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')),
    granted_at REAL NOT NULL,
    device INTEGER, inode INTEGER, born INTEGER, owner INTEGER,
    folder_inode INTEGER, folder_born INTEGER,
    PRIMARY KEY (number, path)
)""",
    READINGS,
)
_COLUMNS = 'path, "table", member, key, value, place'

Reading: TypeAlias = tuple[str, str, str, str, str]
"""The file's real path, the table, the member of an archive, the key, the value."""


def readings_of(connection: sqlite3.Connection, number: int | None) -> tuple[Reading, ...]:
    """Return what the user said of the tables of an analysis, in the order of the saying."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM readings WHERE number = ? ORDER BY place", (number,)
    ).fetchall()
    return tuple((path, table, member, key, value) for path, table, member, key, value, _ in rows)


def keep_readings(connection: sqlite3.Connection, number: int, rows: Iterable[Reading]) -> None:
    """Keep what the user said of the tables of an analysis, in place of what was kept."""
    connection.execute("DELETE FROM readings WHERE number = ?", (number,))
    connection.executemany(
        f"INSERT INTO readings (number, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(number, *row, place) for place, row in enumerate(rows)],
    )


def copy_readings(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Give a branch what the user said of the tables of the analysis that it comes from."""
    connection.execute(
        f"INSERT INTO readings (number, {_COLUMNS}) SELECT ?, {_COLUMNS} FROM readings "
        "WHERE number = ?",
        (new, old),
    )


def drop_readings(connection: sqlite3.Connection, notebook: str, path: str) -> None:
    """Forget what was said of the files at a path, or below it, that is granted no more."""
    below = path.rstrip(os.sep) + os.sep
    connection.execute(
        "DELETE FROM readings WHERE (path = ? OR substr(path, 1, ?) = ?) AND number IN "
        "(SELECT number FROM analyses WHERE notebook = ?)",
        (path, len(below), below, notebook),
    )

"""SQLite files that are damaged: recognised, and set aside for a new one."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What is raised over an SQLite file; its names, which complaints quote, may be no text."""


def is_damage(error: Exception) -> bool:
    """Return whether an error says that an SQLite file is damaged, and not that it is in use."""
    if not isinstance(error, sqlite3.OperationalError):
        return True
    # SQLite itself gives a code; without one, Python could not read a text as UTF-8.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path) -> str:
    """Rename a damaged SQLite file, so that a new one can be made, and return its new name."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}-{os.getpid()}")
    with suppress(FileNotFoundError):
        os.replace(path, aside)
    for tail in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.unlink(f"{path}{tail}")
    return aside.name

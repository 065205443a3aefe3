"""A private DuckDB database and a temporary folder for looking at one file.

Memory, threads and disk are bounded, nothing outlives the block, and another thread may stop the
work at any moment.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "300MB"
THREADS = 2


class Stopped(Exception):
    """The work was asked to stop; never leaves this package."""


@dataclass
class Stop:
    """A switch that ends work in another thread; harmless when nothing runs."""

    _event: threading.Event = field(default_factory=threading.Event)
    _connections: list[duckdb.DuckDBPyConnection] = field(default_factory=list)

    def set(self) -> None:
        """Ask for the end; a running query is interrupted."""
        self._event.set()
        for connection in tuple(self._connections):
            connection.interrupt()

    def check(self) -> None:
        """Raise :class:`Stopped` when the end was asked for; called between pieces of work."""
        if self._event.is_set():
            raise Stopped

    def watch(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Interrupt this connection too when the end is asked for."""
        self._connections.append(connection)

    def forget(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Leave the connection alone from now on; it is about to be closed."""
        self._connections.remove(connection)


@dataclass
class Workspace:
    """One database, one folder, one switch.

    Attributes:
        connection: A database of our own, kept in the folder so that big tables stay out of memory.
        folder: Temporary files; removed at the end.
        stop: Asked between pieces of work.
    """

    connection: duckdb.DuckDBPyConnection
    folder: str
    stop: Stop

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return all its rows; raises ``duckdb.Error`` as it comes."""
        self.stop.check()
        return self.connection.execute(sql, parameters).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Run a query that returns one row."""
        return self.rows(sql)[0]

    def run(self, sql: str) -> None:
        """Run a statement."""
        self.stop.check()
        self.connection.execute(sql)

    def file(self, name: str) -> str:
        """Return the path of a temporary file of that name."""
        return os.path.join(self.folder, name)


@contextmanager
def workspace(stop: Stop | None = None) -> Iterator[Workspace]:
    """Open a workspace and clean it up, whatever happens in the block."""
    import duckdb

    stop = stop or Stop()
    with tempfile.TemporaryDirectory(prefix="analyst-data-", ignore_cleanup_errors=True) as folder:
        connection = duckdb.connect(os.path.join(folder, "stage.db"))
        stop.watch(connection)
        try:
            connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
            connection.execute(f"SET threads = {THREADS}")
            connection.execute(f"SET temp_directory = {literal(os.path.join(folder, 'spill'))}")
            # Data files name no extension to fetch: what is not there offline is not there.
            connection.execute("SET autoinstall_known_extensions = false")
            connection.execute("SET enable_progress_bar = false")
            yield Workspace(connection, folder, stop)
        except duckdb.InterruptException as error:
            raise Stopped from error
        finally:
            stop.forget(connection)
            connection.close()


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def column(place: int) -> str:
    """Name the column at a place (from 0) in a staged table; free of the file's own names."""
    return f"c{place}"

"""A private DuckDB database and a temporary folder for reading one file.

Memory, threads and disk are bounded, everything is removed at the end of the block, and another
thread may stop the work at any moment.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY_LIMIT = "300MB"
SPARING_LIMIT = "700MB"
THREADS = 2


class ReadingStopped(Exception):
    """The work was asked to stop. Never raised out of this package."""


@dataclass
class Stop:
    """A switch that ends work in another thread. Idempotent."""

    _event: threading.Event = field(default_factory=threading.Event)
    _connections: list[duckdb.DuckDBPyConnection] = field(default_factory=list)

    def set(self) -> None:
        """Request the end of the work and interrupt a running query."""
        self._event.set()
        for connection in tuple(self._connections):
            connection.interrupt()

    def check(self) -> None:
        """Raise :class:`ReadingStopped` if the end was requested; called between pieces of work."""
        if self._event.is_set():
            raise ReadingStopped

    def watch(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Interrupt this connection too when the end is requested."""
        self._connections.append(connection)

    def forget(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Don't interrupt this connection any more; it is about to be closed."""
        self._connections.remove(connection)


@dataclass
class Workspace:
    """One database, one folder and one switch.

    Attributes:
        connection: A database in the folder, so that big tables stay out of memory.
        folder: Temporary files, removed at the end.
        stop: Checked between pieces of work.
    """

    connection: duckdb.DuckDBPyConnection
    folder: str
    stop: Stop

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a query; ``duckdb.Error`` is passed on."""
        self.stop.check()
        return self.connection.execute(sql, parameters).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Return the one row of a query."""
        return self.rows(sql)[0]

    def run(self, sql: str) -> None:
        """Run a statement."""
        self.stop.check()
        self.connection.execute(sql)

    def names(self, relation: str) -> tuple[str, ...]:
        """Return the column names of a table or a table function."""
        return tuple(str(row[0]) for row in self.rows(f"DESCRIBE SELECT * FROM {relation}"))

    def stage(self, table: pa.Table, *, append: bool = False) -> None:
        """Copy an Arrow table into ``staged (c0, c1, ...)``, or append it there."""
        self.connection.register("incoming", table)
        try:
            verb = "INSERT INTO staged" if append else "CREATE OR REPLACE TABLE staged AS"
            self.run(f"{verb} SELECT * FROM incoming")
        finally:
            self.connection.unregister("incoming")

    def file(self, name: str) -> str:
        """Return the path of a temporary file of that name."""
        return os.path.join(self.folder, name)


@contextmanager
def workspace(stop: Stop | None = None, *paths: str, sparing: bool = False) -> Iterator[Workspace]:
    """Open a workspace and clean it up, whatever happens in the block.

    Its queries reach the files at ``paths`` or below them, and its own folder, and no other: a
    database file holds views, whose queries are not ours. A ``sparing`` one uses one thread and
    more memory, for tables of so many columns that what each of them needs is more than the usual.
    """
    import duckdb

    stop = stop or Stop()
    with tempfile.TemporaryDirectory(prefix="analyst-data-", ignore_cleanup_errors=True) as folder:
        connection = duckdb.connect(os.path.join(folder, "stage.db"))
        stop.watch(connection)
        try:
            most = SPARING_LIMIT if sparing else MEMORY_LIMIT
            connection.execute(f"SET memory_limit = '{most}'")
            connection.execute(f"SET threads = {1 if sparing else THREADS}")
            connection.execute(f"SET temp_directory = {literal(os.path.join(folder, 'spill'))}")
            # DuckDB must not download an extension because a file asks for it.
            connection.execute("SET autoinstall_known_extensions = false")
            connection.execute("SET enable_progress_bar = false")
            _confine(connection, folder, paths)
            yield Workspace(connection, folder, stop)
        except duckdb.InterruptException as error:
            raise ReadingStopped from error
        finally:
            stop.forget(connection)
            connection.close()


def _confine(connection: duckdb.DuckDBPyConnection, folder: str, paths: Sequence[str]) -> None:
    """Allow nothing but these files from now on; no query can widen that."""
    import duckdb

    # The log of a database in use lies beside it. A link is allowed by its own name: DuckDB asks
    # for a folder by where a link leads, which is not in the workspace's.
    allowed = ", ".join(
        literal(name)
        for path in paths
        for name in (path, f"{path}.wal", os.path.join(folder, link_name(path)))
        if is_utf8(name)
    )
    # Before DuckDB 1.2 there are no exceptions: the process's own walls are then all there is.
    with contextlib.suppress(duckdb.CatalogException):
        connection.execute(f"SET allowed_paths = [{allowed}]")
        folders = [folder, *(path for path in paths if os.path.isdir(path) and is_utf8(path))]
        allowed = ", ".join(map(literal, folders))
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def link_name(path: str) -> str:
    """Return the name of the link in a workspace that stands for a file of another name."""
    return f"named-{zlib.crc32(os.fsencode(path)):08x}"


def is_utf8(path: str) -> bool:
    """Return whether a path is text, as it must be in SQL, in notebooks and on the wire."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def column(place: int) -> str:
    """Return the name of the column at a place (from 0) of a staged table."""
    return f"c{place}"


def columns(width: int) -> str:
    """Return the names of the first ``width`` columns of a staged table, for SQL."""
    return ", ".join(column(place) for place in range(width))

"""The user's grants, stored in their Jupyter data folder: which analysis may read which path.

Only an act of the user (attaching in the panel, ``--data``) may lead to
:meth:`GrantStore.record`; notebooks, models and data files never do. It imports only the standard
library and the errors, because a starting kernel reads the store.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analyst_kernel.protocol.errors import InputError

GrantKind = Literal["file", "folder"]
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS grants (
    notebook TEXT NOT NULL,
    folder TEXT NOT NULL,
    path TEXT NOT NULL,
    given TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')),
    granted_at REAL NOT NULL,
    PRIMARY KEY (notebook, path)
);
CREATE INDEX IF NOT EXISTS grants_by_folder ON grants (folder);
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """One path that one analysis may read.

    Attributes:
        notebook: Real path of the analysis' notebook.
        path: Real path, with links resolved when it was granted; the sandbox opens this one.
        given: Absolute path as the user gave it.
        granted_at: Seconds since 1970.
    """

    notebook: str
    path: str
    given: str
    kind: GrantKind
    granted_at: float


class GrantStoreError(InputError):
    """The store cannot be used; the message has the reason and the remedy."""


def default_path() -> Path:
    """Return the path of the store in the user's Jupyter data folder."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "analyst-kernel" / "grants.sqlite3"


class GrantStore:
    """A small SQLite file that several processes may use at once.

    ``notice`` is a sentence about a damaged store that was set aside; else empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the store, or create it.

        A damaged file is renamed, and ``notice`` reports that its grants must be given again.

        Raises:
            GrantStoreError: The folder cannot be written, or a newer version wrote the store.
        """
        self.path = default_path() if path is None else path
        self.notice = ""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix":
                self.path.parent.chmod(0o700)
        except OSError as error:
            raise GrantStoreError(
                f"The grant store {self.path} cannot be made: {error.strerror}. "
                "Make its folder writable, or set JUPYTER_DATA_DIR."
            ) from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                raise GrantStoreError(
                    f"The grant store {self.path} cannot be opened: {error}. "
                    "Close other programs that use it and check its permissions."
                ) from error
            self._set_aside(error)
            self._prepare()

    def _prepare(self) -> None:
        with self._open() as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise GrantStoreError(
                    f"The grant store {self.path} is of a newer version of this package. "
                    "Update the package, or move the file away."
                )
            connection.execute("PRAGMA journal_mode = WAL")
            if version < _VERSION:
                connection.executescript(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            # Damage shows only when a page is read; the store is small.
            connection.execute("SELECT count(given) FROM grants").fetchone()
        if os.name == "posix":
            with suppress(OSError):
                self.path.chmod(0o600)

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(time.time())}-{os.getpid()}")
        with suppress(FileNotFoundError):
            os.replace(self.path, aside)
        for tail in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self.path}{tail}")
        self.notice = (
            f"The store of data grants was damaged ({error}) and was set aside as {aside.name}. "
            "Attach your data again."
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            connection.execute("PRAGMA busy_timeout = 10000")
            yield connection
        finally:
            connection.close()

    def record(self, notebook: str, path: str, kind: GrantKind) -> Grant:
        """Store and return a grant. Only called for an act of the user; a repeat renews it.

        Raises:
            FileNotFoundError: ``path`` does not exist.
        """
        real = os.path.realpath(path, strict=True)
        grant = Grant(_real(notebook), real, os.path.abspath(path), kind, time.time())
        with self._open() as connection:
            connection.execute(
                "INSERT INTO grants (notebook, folder, path, given, kind, granted_at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (notebook, path) DO UPDATE SET "
                "given = excluded.given, kind = excluded.kind, granted_at = excluded.granted_at",
                (
                    grant.notebook, os.path.dirname(grant.notebook), real, grant.given, kind,
                    grant.granted_at,
                ),
            )  # fmt: skip
        return grant

    def record_all(self, notebook: str, paths: Iterable[str | os.PathLike[str]]) -> None:
        """Store a grant of each file or folder, as :meth:`record` does."""
        for path in paths:
            self.record(notebook, os.fspath(path), "folder" if os.path.isdir(path) else "file")

    def for_notebook(self, notebook: str) -> tuple[Grant, ...]:
        """Return the grants of one analysis, oldest first."""
        return self._select("notebook = ?", _real(notebook))

    def for_folder(self, folder: str) -> tuple[Grant, ...]:
        """Return the grants of all analyses whose notebooks are directly in a folder."""
        return self._select("folder = ?", os.path.realpath(folder))

    def _select(self, condition: str, value: str) -> tuple[Grant, ...]:
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT notebook, path, given, kind, granted_at FROM grants WHERE {condition} "
                "ORDER BY granted_at, path",
                (value,),
            ).fetchall()
        return tuple(Grant(*row) for row in rows)

    def revoke(self, notebook: str, path: str) -> bool:
        """Remove a grant and return whether there was one. Running kernels keep open files."""
        with self._open() as connection:
            done = connection.execute(
                "DELETE FROM grants WHERE notebook = ? AND (path = ? OR given = ?)",
                (_real(notebook), os.path.realpath(path), os.path.abspath(path)),
            )
            return done.rowcount > 0

    def copy(self, notebook_old: str, notebook_new: str) -> int:
        """Give a new notebook exactly the grants of another one; return their number.

        The user's act is branching. Paths are copied as they were resolved when they were granted,
        so a link that leads elsewhere now adds nothing. Grants of an earlier notebook of the new
        name are removed.
        """
        old, new = _real(notebook_old), _real(notebook_new)
        if old == new:
            return 0
        with self._open() as connection, connection:  # the second commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM grants WHERE notebook = ?", (new,))
            return connection.execute(
                "INSERT INTO grants (notebook, folder, path, given, kind, granted_at) "
                "SELECT ?, ?, path, given, kind, granted_at FROM grants WHERE notebook = ?",
                (new, os.path.dirname(new), old),
            ).rowcount

    def forget(self, notebook: str) -> None:
        """Remove all grants of a notebook."""
        with self._open() as connection:
            connection.execute("DELETE FROM grants WHERE notebook = ?", (_real(notebook),))

    def rename(self, notebook_old: str, notebook_new: str) -> int:
        """Move the grants of a notebook that the user renamed; return their number."""
        old, new = _real(notebook_old), _real(notebook_new)
        if old == new:
            return 0
        with self._open() as connection:
            return connection.execute(
                "UPDATE OR REPLACE grants SET notebook = ?, folder = ? WHERE notebook = ?",
                (new, os.path.dirname(new), old),
            ).rowcount


def _real(notebook: str) -> str:
    """Return a notebook's real path; the file need not exist."""
    return os.path.realpath(notebook)


def _is_damage(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

"""The user's grants, stored in their Jupyter data folder: which analysis may read which path.

Only an act of the user (attaching in the panel, ``--data``) may lead to
:meth:`GrantStore.record`; notebooks, models and data files never do. It imports only the standard
library and the errors, because a starting kernel reads the store.

A grant belongs to an analysis, and the store tells its notebook by the path *and* what stands
there: the very file that it saw last, or one that holds the analysis's id. So a new notebook of an
old name has no grants, nor has a copy, which holds the id at another path. A notebook that was
moved outside Jupyter is found by the file itself.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from analyst_kernel import _grant_tables as tables
from analyst_kernel._damage import UNREADABLE, is_damage, set_aside
from analyst_kernel._real_paths import (
    FileVersion,
    PathIdentity,
    PathKind,
    UnsafePath,
    identify,
    version_at,
)
from analyst_kernel.protocol.errors import InputError

_IDENTITY = tuple(field.name for field in fields(PathIdentity) if field.name != "kind")
_COLUMNS = ", ".join(("path", "given", "kind", "granted_at", *_IDENTITY))
_LARGEST = 64 << 20
_MOST_VALUES = 3_000_000


@dataclass(frozen=True, slots=True)
class Grant:
    """One path that one analysis may read.

    Attributes:
        notebook: Real path of the analysis' notebook; empty if the path was only named.
        path: Real path, with links resolved when it was granted; the sandbox opens this one.
        given: Absolute path as the user gave it.
        granted_at: Seconds since 1970.
        identity: What stood at ``path`` then. None if an earlier version recorded the grant and
            nothing stood there any more when this one took it over.
    """

    notebook: str
    path: str
    given: str
    kind: PathKind
    granted_at: float
    identity: PathIdentity | None = None

    def look(self) -> PathIdentity:
        """Return what stands at the path now, if that may be read.

        Raises:
            FileNotFoundError: Nothing, or it cannot be looked up.
            GrantRefused: Something else than what was granted.
        """
        try:
            now = identify(self.path)
        except UnsafePath as error:
            raise GrantRefused(self.path, error.reason) from error
        except OSError as error:
            raise FileNotFoundError(error.errno, error.strerror, self.path) from error
        if self.identity is None:
            reason = "" if now.kind == self.kind else f"is a {now.kind} now, not a {self.kind}"
        else:
            reason = self.identity.difference(now)
        if reason:
            raise GrantRefused(self.path, reason)
        return now


class GrantStoreError(InputError):
    """The store cannot be used; the message has the reason and the remedy."""


class GrantRefused(InputError):
    """Something else stands at a granted path now."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} {reason}, so it is not read.",
            "If that is as you want it, attach it again.",
        )


def grant_of(path: str, notebook: str = "") -> Grant:
    """Return a grant of what stands at a path now, links followed, without storing it.

    Raises:
        FileNotFoundError: Nothing.
        GrantRefused: Neither a file nor a folder.
    """
    real = os.path.realpath(path, strict=True)
    try:
        identity = identify(real)
    except UnsafePath as error:
        raise GrantRefused(real, error.reason) from error
    return Grant(notebook, real, os.path.abspath(path), identity.kind, time.time(), identity)


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
        except UNREADABLE as error:
            if not is_damage(error):
                raise GrantStoreError(
                    f"The grant store {self.path} cannot be opened: {error}. "
                    "Close other programs that use it and check its permissions."
                ) from error
            aside = set_aside(self.path)
            self.notice = (
                f"The store of data grants was damaged ({error}) and was set aside as {aside}. "
                "Attach your data again."
            )
            self._prepare()

    def _prepare(self) -> None:
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if self._version(connection) < tables.VERSION:
                with _at_once(connection):
                    self._upgrade(connection)
            # Damage shows only when a page is read; the store is small.
            connection.execute("SELECT count(given) FROM grants").fetchone()
        if os.name == "posix":
            with suppress(OSError):
                self.path.chmod(0o600)

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > tables.VERSION:
            raise GrantStoreError(
                f"The grant store {self.path} is of a newer version of this package. "
                "Update the package, or move the file away."
            )
        return version

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        """Make the tables, and take over the grants that version 1 kept by the notebook's path."""
        version = self._version(connection)  # another process may have been faster
        if version == tables.VERSION:
            return
        if version == 2:  # what the user said of the data's reading was not kept
            connection.execute(tables.READINGS)
            connection.execute(f"PRAGMA user_version = {tables.VERSION}")
            return
        kept: list[tuple[str, str, str, PathKind, float]] = []
        if version == 1:
            kept = connection.execute(
                "SELECT notebook, path, given, kind, granted_at FROM grants"
            ).fetchall()
            connection.execute("DROP TABLE grants")
        for statement in tables.SCHEMA:
            connection.execute(statement)
        numbers: dict[str, int] = {}
        for notebook, path, given, kind, granted_at in kept:
            if notebook not in numbers:
                numbers[notebook] = _bind(connection, notebook, *_identified(notebook))
            grant = Grant(notebook, path, given, kind, granted_at)
            with suppress(OSError, GrantRefused):
                grant = replace(grant, identity=grant.look())
            _insert(connection, numbers[notebook], grant)
        connection.execute(f"PRAGMA user_version = {tables.VERSION}")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
        finally:
            connection.close()

    def record(self, notebook: str, path: str, *, analysis: str | None = None) -> Grant:
        """Store and return a grant; see :meth:`record_all`."""
        return self.record_all(notebook, [path], analysis=analysis)[0][0]

    def record_all(
        self,
        notebook: str,
        paths: Iterable[str | os.PathLike[str]],
        *,
        analysis: str | None = None,
    ) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
        """Store grants. Only called for an act of the user; a repeat renews one.

        Args:
            notebook: The analysis' notebook.
            paths: Files and folders; links are resolved now, and never again.
            analysis: Its id, for a caller that knows it; else the notebook's file must exist.

        Returns:
            All of them, and those that were not granted before.

        Raises:
            FileNotFoundError: A path, or a notebook of unknown analysis, does not exist.
            GrantRefused: A path is neither a file nor a folder. Nothing was stored.
        """
        place = os.path.realpath(notebook)
        made = tuple(grant_of(os.fspath(path), place) for path in paths)
        if not made:
            return (), ()
        if analysis is None and version_at(place) is None:
            raise FileNotFoundError(f"There is no notebook {notebook}.")
        known, file = _identified(place, analysis)
        before = {grant.path for grant in self.for_notebook(notebook, analysis=analysis)}
        with self._open() as connection, _at_once(connection):
            number = _bind(connection, place, known, file)
            for grant in made:
                _insert(connection, number, grant)
        return made, tuple(grant for grant in made if grant.path not in before)

    def for_notebook(self, notebook: str, *, analysis: str | None = None) -> tuple[Grant, ...]:
        """Return the grants of the analysis whose notebook stands at a path, oldest first.

        ``analysis`` is for a caller that knows from its own records that this is the notebook's
        place; else the file there has to show it.
        """
        place = os.path.realpath(notebook)
        with self._open() as connection:
            number = self._find(connection, place, analysis)
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM grants WHERE number = ? ORDER BY granted_at, path",
                (number,),
            ).fetchall()
        return tuple(_grant(place, row) for row in rows)

    def _find(
        self, connection: sqlite3.Connection, notebook: str, analysis: str | None
    ) -> int | None:
        """Return the number of the analysis at a path; None if the store knows none there."""
        known = connection.execute(
            "SELECT number, analysis, inode, born, size, modified, changed FROM analyses "
            "WHERE notebook = ?",
            (notebook,),
        ).fetchall()
        file = version_at(notebook)
        if analysis is not None:
            for number, held, inode, *_ in known:
                if held == analysis:
                    return int(number)
                # Version 1 left grants of a notebook that is not there: the caller makes it again.
                if not held and inode is None and file is None:
                    return _bind(connection, notebook, analysis, None, number)
            return None
        if file is None:
            return None
        for number, _held, *stamp in known:
            if tuple(stamp) == file:
                return int(number)
        held = _analysis_at(notebook)
        if held is None:
            return None
        for number, name, inode, born, *_ in known:
            if name == held and (held or file.is_same_file(inode, born)):
                return _bind(connection, notebook, held, file, number)
        return self._find_moved(connection, notebook, held, file)

    def _find_moved(
        self, connection: sqlite3.Connection, notebook: str, held: str, file: FileVersion
    ) -> int | None:
        """Return the analysis whose notebook's very file was moved to a path."""
        if not file.born:
            return None  # a number alone may have been given to another file since
        found = connection.execute(
            "SELECT number, notebook FROM analyses WHERE analysis = ? AND inode = ? AND born = ?",
            (held, file.inode, file.born),
        ).fetchall()
        for number, before in found:
            there = version_at(before)
            if there is None or not file.is_same_file(there.inode, there.born):
                return _bind(connection, notebook, held, file, number)
        return None

    def seen(self, notebook: str, analysis: str, *, written: bool = False) -> None:
        """Note an analysis' own file, by which it is found when it is moved.

        ``written`` says that the caller has just written it, so that its content needs no look.
        """
        place = os.path.realpath(notebook)
        file = version_at(place) if written else _identified(place, analysis)[1]
        with suppress(sqlite3.Error), self._open() as connection:
            found = connection.execute(
                "SELECT number FROM analyses WHERE notebook = ? AND analysis = ?", (place, analysis)
            ).fetchone()
            if found is not None:
                _bind(connection, place, analysis, file, found[0])

    def revoke(self, notebook: str, path: str) -> bool:
        """Remove a grant and return whether there was one. Running kernels keep open files."""
        with self._open() as connection:
            done = connection.execute(
                "DELETE FROM grants WHERE (path = ? OR given = ?) AND number IN "
                "(SELECT number FROM analyses WHERE notebook = ?)",
                (os.path.realpath(path), os.path.abspath(path), os.path.realpath(notebook)),
            )
            tables.drop_readings(connection, os.path.realpath(notebook), os.path.realpath(path))
            return done.rowcount > 0

    def readings(self, notebook: str, *, analysis: str | None = None) -> tuple[tables.Reading, ...]:
        """Return what the user said of the tables of an analysis; see :meth:`for_notebook`."""
        with self._open() as connection:
            number = self._find(connection, os.path.realpath(notebook), analysis)
            return tables.readings_of(connection, number)

    def keep_readings(
        self, notebook: str, rows: Iterable[tables.Reading], *, analysis: str
    ) -> None:
        """Keep what the user said of the tables of an analysis, in place of what was kept."""
        place = os.path.realpath(notebook)
        known, file = _identified(place, analysis)
        with self._open() as connection, _at_once(connection):
            tables.keep_readings(connection, _bind(connection, place, known, file), rows)

    def copy(self, notebook_old: str, notebook_new: str, *, analysis: str | None = None) -> int:
        """Give a new notebook exactly the grants of another one; return their number.

        The user's act is branching. Paths are copied as they were resolved when they were granted,
        so a link that leads elsewhere now adds nothing. Grants of an earlier notebook of the new
        name are removed. ``analysis`` is that of the new notebook, whose file may hold it.
        """
        old, new = os.path.realpath(notebook_old), os.path.realpath(notebook_new)
        if old == new:
            return 0
        held, file = _identified(new, analysis)
        with self._open() as connection, _at_once(connection):
            source = self._find(connection, old, None)
            connection.execute("DELETE FROM analyses WHERE notebook = ?", (new,))
            if source is None:
                return 0
            number = _bind(connection, new, held, file)
            tables.copy_readings(connection, source, number)
            return connection.execute(
                f"INSERT INTO grants (number, {_COLUMNS}) SELECT ?, {_COLUMNS} FROM grants "
                "WHERE number = ?",
                (number, source),
            ).rowcount

    def forget(self, notebook: str, *, analysis: str | None = None) -> None:
        """Remove all grants of a notebook, or those of one analysis there."""
        with self._open() as connection:
            connection.execute(
                "DELETE FROM analyses WHERE notebook = ? AND (? IS NULL OR analysis = ?)",
                (os.path.realpath(notebook), analysis, analysis),
            )

    def rename(self, old: str, new: str) -> None:
        """Move the grants of a notebook, or of a folder's notebooks, that the user renamed."""
        old, new = os.path.realpath(old), os.path.realpath(new)
        if old == new:
            return
        with self._open() as connection, _at_once(connection):
            for number, notebook, analysis in connection.execute(
                "SELECT number, notebook, analysis FROM analyses "
                "WHERE notebook = ? OR substr(notebook, 1, ?) = ?",
                (old, len(old) + 1, old + os.sep),
            ).fetchall():
                place = new + notebook[len(old) :]
                _bind(connection, place, analysis, version_at(place), number)


@contextmanager
def _at_once(connection: sqlite3.Connection) -> Iterator[None]:
    """Make all changes of a block, or none."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:  # commits, or rolls back
        yield


def _bind(
    connection: sqlite3.Connection,
    notebook: str,
    analysis: str,
    file: FileVersion | None,
    number: int | None = None,
) -> int:
    """Note where an analysis' notebook is and which file that is; return the analysis' number.

    Without a ``number``, that of the analysis at this place, or a new one.
    """
    if number is None:
        found = connection.execute(
            "SELECT number, inode, born FROM analyses WHERE notebook = ? AND analysis = ?",
            (notebook, analysis),
        ).fetchone()
        if found is not None and not analysis:
            # Without an id, another file is another notebook.
            if file is None or not file.is_same_file(*found[1:]):
                connection.execute("DELETE FROM analyses WHERE number = ?", (found[0],))
                found = None
        number = found[0] if found is not None else None
    else:
        connection.execute(
            "DELETE FROM analyses WHERE notebook = ? AND analysis = ? AND number != ?",
            (notebook, analysis, number),
        )
    stamp = file or (None,) * len(FileVersion._fields)
    columns = ("number", "notebook", "analysis", *FileVersion._fields)
    # Without a file, what was known of it stays.
    renewed = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in columns[1:])
    places = ", ".join("?" * len(columns))
    made = connection.execute(
        f"INSERT INTO analyses ({', '.join(columns)}) VALUES ({places}) "
        f"ON CONFLICT (number) DO UPDATE SET {renewed} RETURNING number",
        (number, notebook, analysis, *stamp),
    )
    return int(made.fetchone()[0])


def _insert(connection: sqlite3.Connection, number: int, grant: Grant) -> None:
    seen = grant.identity
    identity = [None if seen is None else getattr(seen, name) for name in _IDENTITY]
    values = (number, grant.path, grant.given, grant.kind, grant.granted_at, *identity)
    places = ", ".join("?" * len(values))
    connection.execute(
        f"INSERT OR REPLACE INTO grants (number, {_COLUMNS}) VALUES ({places})", values
    )


def _grant(notebook: str, row: tuple[Any, ...]) -> Grant:
    path, given, kind, granted_at, *seen = row
    identity = None if seen[0] is None else PathIdentity(kind, *seen)
    return Grant(notebook, path, given, kind, granted_at, identity)


def _identified(notebook: str, analysis: str | None = None) -> tuple[str, FileVersion | None]:
    """Return the analysis of a notebook, and its file unless that is another analysis's.

    ``notebook`` is a real path; ``analysis`` is given by a caller that knows it.
    """
    file = version_at(notebook)
    held = _analysis_at(notebook) if file is not None else ""
    if analysis is None:
        return held or "", file
    return analysis, file if held in ("", analysis) else None


def _analysis_at(path: str) -> str | None:
    """Return the analysis that a notebook's file says it belongs to; empty if to none.

    None if that cannot be read within bounds: the file may come from anywhere.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
        values = content.count(b",") + content.count(b"[") + content.count(b"{")
        if len(content) > _LARGEST or values > _MOST_VALUES:
            return None
        found = json.loads(content)["metadata"]["analyst_kernel"]["analysis"]
    except (KeyError, TypeError):
        return ""
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None

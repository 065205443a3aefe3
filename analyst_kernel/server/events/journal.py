"""The journal: every analysis of this user and what happened in it, in one SQLite file.

Streamed text is not written piece by piece: the text of a model call is written once, when the
call ends. Everything here blocks, so the event loop calls it in threads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analyst_kernel._damage import UNREADABLE, is_damage, set_aside
from analyst_kernel.notebook.document.operations import Operation
from analyst_kernel.notebook.storage.pending import from_json, key_of, to_json
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.errors import JournalError
from analyst_kernel.protocol.ids import AnalysisId, CellId
from analyst_kernel.protocol.records import ApprovalMode, PackageUsed
from analyst_kernel.server.events.coalesce import EncodedEvent

_MIGRATIONS = (
    """
    CREATE TABLE analyses (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL,
        reserved INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE events (
        analysis TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        first INTEGER NOT NULL,
        type TEXT NOT NULL,
        run TEXT,
        body TEXT NOT NULL,
        PRIMARY KEY (analysis, number)
    );
    CREATE INDEX events_by_type ON events (type, analysis, number);
    """,
    """
    CREATE TABLE operations (
        analysis TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        place INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (analysis, key)
    );
    """,
)
"""Statement groups; the n-th leads from schema version n to n + 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it is stored.

    ``first`` is the number of its first piece if it joins streamed pieces, else ``number``.
    ``body`` is the whole event as JSON.
    """

    number: int
    first: int
    type: str
    run: str | None
    body: str

    @classmethod
    def of(cls, encoded: EncodedEvent) -> Row:
        """Return the row of an event."""
        event = encoded.event
        return cls(event.number, encoded.first, event.type, event.run, encoded.json)


class Journal:
    """The file. Used by one server at a time; safe to call from several threads.

    ``notice`` holds what happened to a damaged journal, for the user, or is empty.
    """

    def __init__(self, path: Path) -> None:
        """Open the journal, making or migrating it if needed; a damaged one is set aside.

        Raises:
            JournalError: Its folder cannot be written, or a newer version wrote it.
        """
        self.path = path
        self.notice = ""
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(
                f"The journal's folder {path.parent} cannot be made: {error.strerror}.",
                "Make it writable, or set AnalystKernelApp.journal_path.",
            ) from error
        try:
            self._connection = self._open()
        except UNREADABLE as error:
            if not is_damage(error):
                raise JournalError(
                    f"The journal {path} cannot be opened: {error}.",
                    "Close other programs that use it and check its permissions.",
                ) from error
            aside = set_aside(path)
            self.notice = (
                f"The journal of your analyses was damaged ({error}) and was set aside as "
                f"{aside}. Their notebooks are untouched: open one to continue its analysis."
            )
            self._connection = self._open()

    def close(self) -> None:
        """Release the file. Idempotent."""
        with self._lock:
            self._connection.close()

    # --- analyses ------------------------------------------------------------------------------

    def analyses(self) -> tuple[tuple[StoredAnalysis, int], ...]:
        """Return every analysis with the highest event number that may have been used."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT record, max(reserved, coalesce((SELECT max(number) FROM events "
                "WHERE events.analysis = analyses.id), 0)) FROM analyses"
            ).fetchall()
        return tuple((StoredAnalysis.model_validate_json(record), last) for record, last in rows)

    def save(self, record: StoredAnalysis, first: Sequence[Row] = ()) -> None:
        """Write the record of an analysis, new or changed; ``first`` are a new one's events."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO analyses (id, record) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                (record.id, record.model_dump_json()),
            )
        if first:
            self.append(record.id, first, len(first))

    def remove(self, analysis: AnalysisId) -> None:
        """Remove an analysis and its events."""
        with self._writing() as connection:
            connection.execute("DELETE FROM analyses WHERE id = ?", (analysis,))

    # --- events --------------------------------------------------------------------------------

    def append(self, analysis: AnalysisId, rows: Sequence[Row], reserved: int) -> None:
        """Write events, in order, and reserve the numbers up to ``reserved``."""
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO events (analysis, number, first, type, run, body) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(analysis, r.number, r.first, r.type, r.run, r.body) for r in rows],
            )
            connection.execute(
                "UPDATE analyses SET reserved = max(reserved, ?) WHERE id = ?", (reserved, analysis)
            )

    def events(
        self, analysis: AnalysisId, *, after: int = 0, until: int | None = None, most: int = -1
    ) -> tuple[Row, ...]:
        """Return events in order: ``after < number <= until``, at most ``most`` (-1: all)."""
        return self._rows(
            "analysis = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?",
            (analysis, after, (1 << 62) if until is None else until, most),
        )

    def of_type(self, analysis: AnalysisId, kind: str) -> tuple[Row, ...]:
        """Return the events of one type, in order."""
        return self._rows("type = ? AND analysis = ? ORDER BY number", (kind, analysis))

    def newest_kernel(self) -> str | None:
        """Return the newest event that holds the isolation of a kernel, as JSON."""
        with self._lock:
            row = self._connection.execute(
                "SELECT body FROM events WHERE type = 'kernel_changed' "
                "AND json_extract(body, '$.sandbox') IS NOT NULL "
                "ORDER BY json_extract(body, '$.at') DESC LIMIT 1"
            ).fetchone()
        return None if row is None else str(row[0])

    def open_run(self, analysis: AnalysisId) -> tuple[Row, ...]:
        """Return the events of a run that never ended, from its start, or nothing if all ended."""
        return self._rows(
            "analysis = ? AND number >= (SELECT max(number) FROM events WHERE analysis = ? "
            "AND type = 'run_started') AND NOT EXISTS (SELECT 1 FROM events AS later WHERE "
            "later.analysis = ? AND later.type = 'run_finished' AND later.number > (SELECT "
            "max(number) FROM events WHERE analysis = ? AND type = 'run_started')) "
            "ORDER BY number",
            (analysis,) * 4,
        )

    # --- operations on notebooks -----------------------------------------------------------------

    def keep(self, analysis: AnalysisId, operations: Sequence[Operation]) -> None:
        """Store operations until they are forgotten; they are on the disk when this returns.

        A newer version of an operation takes the place of the older one.
        """
        with self._writing(durable=True) as connection:
            for operation in operations:
                connection.execute(
                    "INSERT INTO operations (analysis, key, place, body) VALUES (?, ?, (SELECT "
                    "coalesce(max(place), 0) + 1 FROM operations WHERE analysis = ?), ?) "
                    "ON CONFLICT (analysis, key) DO UPDATE SET body = excluded.body",
                    (analysis, key_of(operation), analysis, to_json(operation)),
                )

    def forget(self, analysis: AnalysisId, operations: Sequence[Operation]) -> None:
        """Remove exactly these operations; a newer version of one stays."""
        with self._writing() as connection:
            connection.executemany(
                "DELETE FROM operations WHERE analysis = ? AND key = ? AND body = ?",
                [(analysis, key_of(o), to_json(o)) for o in operations],
            )

    def outstanding(self, analysis: AnalysisId) -> tuple[Operation, ...]:
        """Return the stored operations, in the order to apply."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM operations WHERE analysis = ? ORDER BY place", (analysis,)
            ).fetchall()
        return tuple(from_json(body) for (body,) in rows)

    def unsettled(self) -> frozenset[AnalysisId]:
        """Return the analyses that have stored operations."""
        with self._lock:
            rows = self._connection.execute("SELECT DISTINCT analysis FROM operations").fetchall()
        return frozenset(AnalysisId(analysis) for (analysis,) in rows)

    # --- the file ------------------------------------------------------------------------------

    def _rows(self, condition: str, values: tuple[object, ...]) -> tuple[Row, ...]:
        with self._lock:
            found = self._connection.execute(
                f"SELECT number, first, type, run, body FROM events WHERE {condition}", values
            ).fetchall()
        return tuple(Row(*row) for row in found)

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Write in one step; a ``durable`` one survives a power cut too, not only this process."""
        with self._lock:
            if durable:
                self._connection.execute("PRAGMA synchronous = FULL")
            try:
                with _transaction(self._connection):
                    yield self._connection
            finally:
                if durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=10, isolation_level=None, check_same_thread=False
        )
        try:
            if os.name == "posix":
                self.path.chmod(0o600)
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._migrate(connection)
            # A damaged page shows only when it is read.
            _check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(_MIGRATIONS):
            raise JournalError(
                f"The journal {self.path} is of a newer version of this package.",
                "Update the package, or move the file away; the notebooks stay.",
            )
        if version < 0:
            raise sqlite3.DatabaseError("it is of no version that there was")
        for number in range(version, len(_MIGRATIONS)):
            with _transaction(connection):
                for statement in _MIGRATIONS[number].split(";"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("it holds damaged pages")
    for (record,) in connection.execute("SELECT record FROM analyses").fetchall():
        try:
            StoredAnalysis.model_validate_json(record)
        except ValueError as error:
            raise sqlite3.DatabaseError("a record cannot be read") from error
    for (body,) in connection.execute("SELECT body FROM operations").fetchall():
        try:
            from_json(body)
        except ValueError as error:
            raise sqlite3.DatabaseError("an operation cannot be read") from error


class StoredAnalysis(Record):
    """One analysis as the journal stores it.

    Attributes:
        titled: Whether the user chose the title, and not the first question.
        folder: Absolute folder where its notebook will be made; empty for the first dataset's.
        notebook: Absolute path of its notebook; empty before the first question.
        pending: Paths granted before there was a notebook.
        readings: What the user said of their tables before; see ``data.readings``.
        connections: The databases that it may ask, as of when it was opened last.
        created, updated: Seconds since the epoch.
        model: The model that the user chose; empty for the default.
        approval: What waits for the user; None for cells if the isolation is weak.
        budget_usd: What each further question may cost.
        analysis_budget_usd: What the whole analysis may cost.
        failed: Whether the last run failed.
        parent: The analysis it branched from.
        parent_cell: The last cell that it took over from there.
        packages: What was fetched for it.
    """

    id: AnalysisId
    title: str = ""
    titled: bool = False
    folder: str = ""
    notebook: str = ""
    pending: tuple[str, ...] = ()
    readings: tuple[tuple[str, str, str, str, str], ...] = ()
    connections: tuple[str, ...] = ()
    created: float = 0.0
    updated: float = 0.0
    model: str = ""
    approval: ApprovalMode | None = None
    budget_usd: float | None = None
    analysis_budget_usd: float | None = None
    questions: int = 0
    failed: bool = False
    parent: AnalysisId | None = None
    parent_cell: CellId | None = None
    packages: tuple[PackageUsed, ...] = ()


_log = logging.getLogger(__name__)


class KeptOperations:
    """Implements :class:`analyst_kernel.notebook.storage.port.OperationStore` in the journal.

    A write of the notebook may be postponed for hours, until a browser that has the notebook open
    comes back. So each operation is stored here before its first write is tried, and removed after
    it was seen in the saved notebook. If the journal cannot be written, the notebook still is, but
    what is postponed does not survive a crash of the server.
    """

    def __init__(self, journal: Journal, analysis: AnalysisId) -> None:
        """Store for one analysis, whose record the journal holds."""
        self._journal = journal
        self._analysis = analysis

    async def keep(self, operations: Sequence[Operation]) -> None:
        """Store operations before any of them is written into the notebook."""
        try:
            await asyncio.to_thread(self._journal.keep, self._analysis, operations)
        except (sqlite3.Error, OSError) as error:
            _log.warning("Changes of a notebook are not in the journal: %s", error)

    async def forget(self, operations: Sequence[Operation]) -> None:
        """Remove operations that are in the notebook; applying one that stays again is harmless."""
        try:
            await asyncio.to_thread(self._journal.forget, self._analysis, operations)
        except (sqlite3.Error, OSError) as error:
            _log.warning("Changes that landed stay in the journal: %s", error)

    async def pending(self) -> tuple[Operation, ...]:
        """Return the operations that an earlier server process left."""
        try:
            return await asyncio.to_thread(self._journal.outstanding, self._analysis)
        except (sqlite3.Error, OSError, ValueError) as error:
            _log.warning("Changes of a notebook cannot be read from the journal: %s", error)
            return ()

"""All analyses of this server: found, begun, branched, removed, their tabs and their kernels."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from jupyter_server.serverapp import ServerApp

from analyst_kernel._aio import BackgroundTasks
from analyst_kernel.credentials.store import Keys, NamedKey
from analyst_kernel.grants import GrantStore, GrantStoreError
from analyst_kernel.kernel.manager import warm_up
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.read import analysis_of
from analyst_kernel.notebook.export.export import read
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.verify.verify import claimed_text
from analyst_kernel.protocol.errors import AnalystError, JournalError, NotFound
from analyst_kernel.protocol.events import EVENT, KernelChanged, NoticeRaised
from analyst_kernel.protocol.ids import AnalysisId, new_analysis_id
from analyst_kernel.protocol.socket import (
    AnalysisChangedFrame,
    AnalysisRemovedFrame,
    AnalysisSummary,
)
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.history import events_from_notebook, title_of
from analyst_kernel.server.events.journal import Journal, Row, StoredAnalysis
from analyst_kernel.server.events.recorder import close_open_ends
from analyst_kernel.server.session.branch import new_branch, parent_of
from analyst_kernel.server.session.connections import UserConnections
from analyst_kernel.server.session.jobs import restore_branch
from analyst_kernel.server.session.services import ModelChoice, ServerServices
from analyst_kernel.server.session.session import AnalysisSession
from analyst_kernel.server.settings import Places, ServerSettings

_LOOK_SECONDS = 2.0
_log = logging.getLogger(__name__)


class SessionRegistry:
    """Made once per server, on its event loop; use :meth:`open`."""

    def __init__(self, services: ServerServices) -> None:
        self.services = services
        self._sessions: dict[AnalysisId, AnalysisSession] = {}
        self._tabs: set[Tab] = set()
        self._tasks = BackgroundTasks()
        services.announce = self._announce
        services.deliver = self._deliver

    @classmethod
    async def open(cls, settings: ServerSettings, jupyter: ServerApp) -> SessionRegistry:
        """Read the journal, close what an earlier server process left open, and start the watch.

        Raises:
            JournalError: The journal or the store of grants cannot be used.
        """
        journal = await asyncio.to_thread(Journal, settings.journal)
        try:
            grants = await asyncio.to_thread(GrantStore)
        except GrantStoreError as error:
            journal.close()
            raise JournalError(str(error)) from error
        files, urls = settings.key_files, settings.provider_urls
        named = {
            name: NamedKey(files.get(name, ""), urls.get(name, "")) for name in {**files, **urls}
        }
        keys = await asyncio.to_thread(
            Keys, settings.data, named=named, locked=settings.keys_locked
        )
        services = ServerServices(
            settings=settings,
            places=Places(settings.root),
            journal=journal,
            keys=keys,
            models=ModelChoice(keys, settings),
            grants=grants,
            jupyter=jupyter,
            connections=UserConnections(settings.data, stores_nothing=settings.keys_locked),
        )
        self = cls(services)
        await services.models.look()
        for record, last in await asyncio.to_thread(journal.analyses):
            closed = await asyncio.to_thread(close_open_ends, journal, record.id, last)
            self._sessions[record.id] = AnalysisSession(record, closed, services)
        for unsettled in await asyncio.to_thread(journal.unsettled):
            self._sessions[unsettled].coordinator.expect(settings.reconnect_seconds)
        newest = await asyncio.to_thread(journal.newest_kernel)
        if newest is not None:
            event = EVENT.validate_json(newest)
            services.newest_report = event.sandbox if isinstance(event, KernelChanged) else None
        self._tasks.start(self._watch_kernels())
        self._tasks.start(_warm())
        assert jupyter.event_logger is not None  # made before extensions are loaded
        jupyter.event_logger.add_listener(
            schema_id=jupyter.contents_manager.event_schema_id, listener=self._on_file_event
        )
        return self

    # --- the list ------------------------------------------------------------------------------

    def summaries(self) -> list[AnalysisSummary]:
        """Return the rows of all analyses, the one that changed last first."""
        found = [session.summary() for session in self._sessions.values()]
        return sorted(found, key=lambda summary: (-summary.updated, summary.id))

    @property
    def at_work(self) -> int:
        """The number of analyses with a job that runs or waits."""
        return sum(session.queue.busy for session in self._sessions.values())

    def find(self, analysis: str) -> AnalysisSession:
        """Return an analysis. Raises ``NotFound``."""
        found = self._sessions.get(AnalysisId(analysis))
        if found is None:
            raise NotFound("There is no such analysis.", "It may have been deleted; reload.")
        return found

    async def begin(
        self, *, notebook: str | None = None, title: str = "", folder: str | None = None
    ) -> AnalysisSession:
        """Begin an analysis, or return the one that a notebook belongs to.

        Args:
            notebook: The browser's path of a notebook to continue.
            title: The title that the user gave; the first question by default.
            folder: The browser's path of the folder where its notebook will be made.

        Raises:
            InputError: The notebook cannot be continued.
        """
        places, now = self.services.places, time.time()
        path, known, document = "", None, None
        parent, cell = None, None
        if notebook:
            path = str(notebook_path(places.absolute(notebook)))
            document = await asyncio.to_thread(read, notebook_path(path))
            known = analysis_of(document)
            for session in self._sessions.values():
                if session.id == known or session.record.notebook == path:
                    return session
            parent, cell = parent_of(document, self._sessions)
            title = title or title_of(document) or os.path.basename(path).removesuffix(".ipynb")
        record = StoredAnalysis(
            id=known or new_analysis_id(),
            title=" ".join(title.split()),
            titled=bool(title.strip()),
            folder=places.folder(folder) if folder is not None else "",
            notebook=path,
            created=now,
            updated=now,
            parent=parent,
            parent_cell=cell,
        )
        rows: list[Row] = []
        if document is not None:
            record, rows = await asyncio.to_thread(self._continued, record, document)
        await asyncio.to_thread(self.services.journal.save, record, rows)
        if (meanwhile := self._sessions.get(record.id)) is not None:  # two tabs at once
            return meanwhile
        session = self._sessions[record.id] = AnalysisSession(record, len(rows), self.services)
        session.configure()
        if document is not None:
            self._tasks.start(_describe_data(session))
        claim = claimed_text(document) if document is not None else ""
        if claim:
            session.emit(
                NoticeRaised(
                    analysis=session.id, level="info", code="claimed-by-notebook", message=claim
                )
            )
        return session

    def _continued(
        self, record: StoredAnalysis, document: Document
    ) -> tuple[StoredAnalysis, list[Row]]:
        """Return the record and the journal's rows of a notebook that was begun elsewhere."""
        models = self.services.models
        events = events_from_notebook(document, record.id, path=record.notebook, is_ai=models.is_ai)
        at = os.path.getmtime(record.notebook) if events else 0.0
        stamped = [e.model_copy(update={"number": n, "at": at}) for n, e in enumerate(events, 1)]
        asked = sum(event.type == "run_started" for event in events)
        return record.model_copy(update={"questions": asked}), [
            Row.of(EncodedEvent.of(event)) for event in stamped
        ]

    async def branch(
        self, analysis: str, *, cell: str | None = None, run: str | None = None, title: str = ""
    ) -> AnalysisSession:
        """Begin a branch; see :func:`new_branch`. A job brings its kernel to the cell's state."""
        async with new_branch(self.find(analysis), cell=cell, run=run, title=title) as made:
            record, rows = made.record, [Row.of(EncodedEvent.of(event)) for event in made.events]
            await asyncio.to_thread(self.services.journal.save, record, rows)
            session = AnalysisSession(record, len(rows), self.services)
            self._sessions[record.id] = session
            session.configure()
            session.enqueue(restore_branch, made.cells)
            return session

    async def remove(self, analysis: str, *, notebook_too: bool) -> None:
        """Stop and forget an analysis and its grants, and its notebook with ``notebook_too``."""
        session = self.find(analysis)
        del self._sessions[session.id]
        path = session.record.notebook
        try:
            await session.close()
            if path:
                await asyncio.to_thread(self.services.grants.forget, path, analysis=session.id)
            await asyncio.to_thread(self.services.journal.remove, session.id)
            if notebook_too and path:
                with contextlib.suppress(FileNotFoundError):
                    await asyncio.to_thread(os.unlink, path)
                # A notebook that stays may be continued, and then needs its tokens.
                await asyncio.to_thread(session.kept_privacy.remove)
        finally:
            for tab in self._tabs:
                tab.unsubscribe(session.id)
                tab.send(AnalysisRemovedFrame(analysis=session.id))

    # --- tabs ----------------------------------------------------------------------------------

    def join(self, tab: Tab) -> None:
        """Send a tab the changes of the list from now on."""
        self._tabs.add(tab)

    def leave(self, tab: Tab, *, closed: bool = False) -> None:
        """Forget a tab whose socket was closed; ``closed`` says that its page was, too."""
        self._tabs.discard(tab)
        for session in self._sessions.values():
            session.coordinator.left(tab, closed=closed)
        tab.stop()

    async def models_changed(self) -> None:
        """Look up the models again after a key was stored or removed."""
        await self.services.models.look()
        for session in self._sessions.values():
            session.models_changed()

    async def close(self) -> None:
        """Stop every run and release everything; called when the server stops."""
        await self._tasks.cancel()
        await asyncio.gather(
            *(session.close() for session in self._sessions.values()), return_exceptions=True
        )
        for tab in tuple(self._tabs):
            self.leave(tab)
        await asyncio.to_thread(self.services.journal.close)

    async def _on_file_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Follow notebooks that are renamed through Jupyter."""
        if data.get("action") == "rename" and data.get("source_path"):
            root = self.services.places.root
            old = os.path.normpath(os.path.join(root, data["source_path"].strip("/")))
            new = os.path.normpath(os.path.join(root, data["path"].strip("/")))
            for session in list(self._sessions.values()):
                session.coordinator.renamed(old, new)
            # Notebooks of analyses that no session has, too.
            with contextlib.suppress(GrantStoreError, sqlite3.Error, OSError):
                await asyncio.to_thread(self.services.grants.rename, old, new)

    async def _watch_kernels(self) -> None:
        """Check the kernels every few seconds until this is cancelled.

        Idle kernels are looked for less often, every ``settings.idle_check_seconds``.
        """
        settings = self.services.settings
        pause = min(_LOOK_SECONDS, settings.idle_check_seconds)
        looked = time.time()
        while True:
            await asyncio.sleep(pause)
            idle_too = time.time() - looked >= settings.idle_check_seconds
            if idle_too:
                looked = time.time()
            for one in tuple(self._sessions.values()):
                one.coordinator.look()
                try:
                    await _look(one, settings.idle_seconds if idle_too else 0)
                except AnalystError as error:
                    _log.warning("A kernel could not be checked: %s", error)
                except Exception:  # noqa: BLE001 - one analysis must not end the watch of the others
                    _log.exception("A kernel could not be checked")

    def _announce(self, summary: AnalysisSummary) -> None:
        if summary.id in self._sessions:
            frame = AnalysisChangedFrame(summary=summary)
            for tab in self._tabs:
                tab.send(frame)

    def _deliver(self, analysis: AnalysisId, events: Sequence[EncodedEvent]) -> None:
        for tab in tuple(self._tabs):
            tab.send_events(analysis, events)


async def _warm() -> None:
    """Load the libraries that the first question needs while the user types it."""
    await asyncio.to_thread(warm_up)
    for name in ("pandas", "duckdb", "pyarrow", "jsonschema"):
        with contextlib.suppress(ImportError):
            await asyncio.to_thread(import_module, name)


async def _describe_data(session: AnalysisSession) -> None:
    """Emit the datasets that the user granted to this notebook before."""
    try:
        catalog = await session.catalog()
        assert catalog is not None  # the analysis has a notebook
        await session.describe(catalog.datasets)
    except AnalystError as error:
        session.notice("data-not-shown", str(error))


async def _look(one: AnalysisSession, idle_seconds: float) -> None:
    """Act on the condition of a kernel; 0 means that it may be idle for any time."""
    if one.queue.busy:
        # The run itself detects what happens to its kernel.
        one.host.touch()
        return
    condition = await one.host.condition()
    analysis = one.analysis
    if analysis is None:
        return
    match condition:
        case "gone":
            await analysis.release_kernel("stopped", "The kernel was shut down from outside.")
        case "dead":
            await analysis.release_kernel("died", "The kernel ended while nothing ran in it.")
        case "replaced":
            reason = "The kernel was restarted from outside. The next question goes on in it."
            await analysis.adopt_kernel(reason, one.host.take_over)
        case "running" if idle_seconds > 0 and not one.host.busy:
            if time.time() - max(one.last_work, one.host.last_activity) >= idle_seconds:
                await analysis.release_kernel("stopped", _idle_reason(idle_seconds))
        case _:
            pass


def _idle_reason(seconds: float) -> str:
    minutes = seconds / 60
    span = f"{minutes:g} minutes" if minutes >= 1 else f"{seconds:g} seconds"
    return f"The kernel was idle for {span} and was stopped. The next question starts it again."

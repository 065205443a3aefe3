"""All analyses of this server: found, begun, watched by tabs, closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from analyst_kernel.grants import GrantStore, GrantStoreError
from analyst_kernel.kernel.manager import warm_up
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.read import analysis_of
from analyst_kernel.notebook.export.export import read
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.verify.verify import verified
from analyst_kernel.protocol.errors import AnalystError, InputError, JournalError, NotFound
from analyst_kernel.protocol.events import (
    EVENT,
    DatasetProfiled,
    Event,
    KernelChanged,
    RunStarted,
    VerificationFinished,
)
from analyst_kernel.protocol.ids import AnalysisId, new_analysis_id
from analyst_kernel.protocol.socket import (
    AnalysisChangedFrame,
    AnalysisRemovedFrame,
    AnalysisSummary,
)
from analyst_kernel.server.credentials import Keys
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.history import events_from_notebook, title_of
from analyst_kernel.server.events.journal import Journal, Row, StoredAnalysis
from analyst_kernel.server.events.recovery import endings
from analyst_kernel.server.events.replay import past
from analyst_kernel.server.http.loader import Managers
from analyst_kernel.server.models import ModelChoice
from analyst_kernel.server.paths import Places
from analyst_kernel.server.session.branch import parent_of, rows_of
from analyst_kernel.server.session.idle import Watch
from analyst_kernel.server.session.queue import Job
from analyst_kernel.server.session.services import ServerServices
from analyst_kernel.server.session.session import AnalysisSession
from analyst_kernel.server.settings import ServerSettings

_log = logging.getLogger(__name__)


class SessionRegistry:
    """Made once per server, on its event loop; see :meth:`open`."""

    def __init__(self, services: ServerServices) -> None:
        """Take what the analyses share."""
        self.services = services
        self._living: dict[AnalysisId, AnalysisSession] = {}
        self._tabs: set[Tab] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        services.announce = self._announce
        services.deliver = self._deliver

    @classmethod
    async def open(cls, settings: ServerSettings, managers: Managers) -> SessionRegistry:
        """Read the journal, close what an earlier server left open, and begin to watch.

        Raises:
            JournalError: The journal or the store of grants cannot be used.
        """
        journal = await asyncio.to_thread(Journal, settings.journal)
        try:
            grants = await asyncio.to_thread(GrantStore)
        except GrantStoreError as error:
            journal.close()
            raise JournalError(str(error)) from error
        keys = await asyncio.to_thread(Keys, settings.data)
        services = ServerServices(
            settings=settings,
            places=Places(settings.root),
            journal=journal,
            keys=keys,
            models=ModelChoice(keys, settings),
            grants=grants,
            kernels=managers.kernels,
            sessions=managers.sessions,
            contents=managers.contents,
            server_settings=managers.settings,
            announce=lambda _living: None,
            deliver=lambda _analysis, _told: None,
        )
        self = cls(services)
        await services.models.look()
        for record, last in await asyncio.to_thread(journal.analyses):
            closed = await asyncio.to_thread(_close_open_ends, journal, record.id, last)
            self._living[record.id] = AnalysisSession(record, closed, services)
        for unsettled in await asyncio.to_thread(journal.unsettled):
            self._living[unsettled].coordinator.expect(settings.reconnect_seconds)
        newest = await asyncio.to_thread(journal.newest_kernel)
        if newest is not None:
            event = EVENT.validate_json(newest)
            services.newest_report = event.sandbox if isinstance(event, KernelChanged) else None
        watch = Watch(
            self._living.values,
            idle_seconds=settings.idle_seconds,
            check_seconds=settings.idle_check_seconds,
        )
        self._keep(watch.run())
        self._keep(_warm())
        managers.events.add_listener(
            schema_id=managers.contents.event_schema_id, listener=self._heard_of_files
        )
        return self

    # --- the list ------------------------------------------------------------------------------

    def summaries(self) -> list[AnalysisSummary]:
        """Return all analyses, the one changed last first."""
        found = [session.summary() for session in self._living.values()]
        return sorted(found, key=lambda summary: (-summary.updated, summary.id))

    @property
    def at_work(self) -> int:
        """How many analyses have a run at work or waiting."""
        return sum(session.line.busy for session in self._living.values())

    def find(self, analysis: str) -> AnalysisSession:
        """Return an analysis. Raises ``NotFound``."""
        found = self._living.get(AnalysisId(analysis))
        if found is None:
            raise NotFound("There is no such analysis.", "It may have been deleted; reload.")
        return found

    async def begin(
        self, *, notebook: str | None = None, title: str = "", folder: str | None = None
    ) -> AnalysisSession:
        """Begin an analysis, or return the one that a notebook belongs to.

        Args:
            notebook: The browser's path of a notebook to continue.
            title: What the user calls it; the first question otherwise.
            folder: The browser's path of the folder where its notebook will be made.

        Raises:
            InputError: The notebook cannot be continued.
        """
        places, now = self.services.places, time.time()
        path, known, document, noted = "", None, None, None
        parent, cell = None, None
        if notebook:
            path = str(notebook_path(places.absolute(notebook)))
            document = await asyncio.to_thread(read, notebook_path(path))
            known, noted = analysis_of(document), verified(document)
            for session in self._living.values():
                if session.id == known or session.record.notebook == path:
                    return session
            parent, cell = parent_of(document, self._living)
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
        last = 0
        if document is not None:
            record, rows = await asyncio.to_thread(self._earlier, record, document)
            last = len(rows)
        await asyncio.to_thread(self.services.journal.save, record)
        if document is not None:
            await asyncio.to_thread(self.services.journal.append, record.id, rows, last)
        if (meanwhile := self._living.get(record.id)) is not None:  # two tabs at once
            return meanwhile
        session = self._living[record.id] = AnalysisSession(record, last, self.services)
        session.configure()
        if document is not None:
            self._keep(_show_data(session))
        if noted is not None:
            session.tell(
                VerificationFinished(
                    analysis=session.id,
                    reproduced=noted.reproduced,
                    total=noted.total,
                    stale=noted.stale,
                )
            )  # fmt: skip
        return session

    def _earlier(
        self, record: StoredAnalysis, document: Document
    ) -> tuple[StoredAnalysis, list[Row]]:
        """Return the record and the events of what the notebook tells already."""
        models = self.services.models
        told = events_from_notebook(document, record.id, path=record.notebook, is_ai=models.is_ai)
        at = os.path.getmtime(record.notebook) if told else 0.0
        stamped = [e.model_copy(update={"number": n, "at": at}) for n, e in enumerate(told, 1)]
        asked = sum(isinstance(event, RunStarted) for event in told)
        return record.model_copy(update={"questions": asked}), [_row(event) for event in stamped]

    async def add(
        self, record: StoredAnalysis, past: tuple[Event, ...], first: Job
    ) -> AnalysisSession:
        """Add a branch with its history, and have it do its first job."""

        def keep() -> None:
            self.services.journal.save(record)
            self.services.journal.append(record.id, rows_of(past), len(past))

        await asyncio.to_thread(keep)
        session = self._living[record.id] = AnalysisSession(record, len(past), self.services)
        session.configure()
        session.line.add(first)
        return session

    def rename(self, analysis: str, title: str) -> AnalysisSession:
        """Give an analysis another title. Raises ``InputError`` for an empty one."""
        session = self.find(analysis)
        plain = " ".join(title.split())
        if not plain or len(plain) > 500:
            raise InputError("A title has 1 to 500 characters.", "Type another one.")
        session.configure(title=plain, titled=True)
        return session

    async def remove(self, analysis: str, *, notebook_too: bool) -> AnalysisSession:
        """Stop and forget an analysis and its grants; the notebook stays unless it is to go."""
        session = self.find(analysis)
        del self._living[session.id]
        path = session.record.notebook
        try:
            await session.close()
            if path:
                await asyncio.to_thread(_revoke_all, self.services.grants, path)
            await asyncio.to_thread(self.services.journal.remove, session.id)
            if notebook_too and path:
                with contextlib.suppress(FileNotFoundError):
                    await asyncio.to_thread(os.unlink, path)
        finally:
            for tab in self._tabs:
                tab.unsubscribe(session.id)
                tab.say(AnalysisRemovedFrame(analysis=session.id))
        return session

    # --- tabs ----------------------------------------------------------------------------------

    def join(self, tab: Tab) -> None:
        """Tell a tab from now on."""
        self._tabs.add(tab)

    def leave(self, tab: Tab, *, closed: bool = False) -> None:
        """The tab's socket is gone (``closed``: its page too); nothing else stops by that."""
        self._tabs.discard(tab)
        for session in self._living.values():
            session.coordinator.left(tab, closed=closed)
        tab.stop()

    def subscribe(self, tab: Tab, session: AnalysisSession, after: int) -> None:
        """Send a tab the events after number ``after``, then each new one."""
        recorder = session.recorder
        tab.subscribe(session.id, after)
        edge = recorder.delivered
        sent = past(
            self.services.journal,
            session.id,
            after=after,
            edge=edge,
            live=recorder.tail.after(after),
        )
        self._keep(tab.catch_up(session.id, sent, edge))

    async def models_changed(self) -> None:
        """Look at the models anew after a key came or went."""
        await self.services.models.look()
        for session in self._living.values():
            session.models_changed()

    async def close(self) -> None:
        """Stop every run and release everything; called when the server stops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(session.close() for session in self._living.values()), return_exceptions=True
        )
        for tab in tuple(self._tabs):
            self.leave(tab)
        await asyncio.to_thread(self.services.journal.close)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heard_of_files(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Follow notebooks that are renamed through Jupyter."""
        if data.get("action") == "rename" and data.get("source_path"):
            root = self.services.places.root
            old = os.path.normpath(os.path.join(root, data["source_path"].strip("/")))
            new = os.path.normpath(os.path.join(root, data["path"].strip("/")))
            for session in list(self._living.values()):
                session.coordinator.renamed(old, new)

    def _announce(self, session: AnalysisSession) -> None:
        if self._living.get(session.id) is session:
            frame = AnalysisChangedFrame(summary=session.summary())
            for tab in self._tabs:
                tab.say(frame)

    def _deliver(self, analysis: AnalysisId, told: Sequence[EncodedEvent]) -> None:
        for tab in tuple(self._tabs):
            tab.tell(analysis, told)


async def _warm() -> None:
    """Load what the first question needs while the user types it."""
    await asyncio.to_thread(warm_up)
    for name in ("pandas", "duckdb", "pyarrow", "jsonschema"):
        with contextlib.suppress(ImportError):
            await asyncio.to_thread(import_module, name)


def _close_open_ends(journal: Journal, analysis: AnalysisId, last: int) -> int:
    """Write the events that close what a stopped server left open; returns the last number."""
    rows: list[Row] = []
    for event in endings(journal, analysis):
        last += 1
        stamped: Event = event.model_copy(update={"number": last, "at": time.time()})
        rows.append(_row(stamped))
    if rows:
        journal.append(analysis, rows, last)
    return last


def _row(event: Event) -> Row:
    return Row(event.number, event.number, event.type, event.run, event.model_dump_json())


async def _show_data(session: AnalysisSession) -> None:
    """Tell of the datasets that the user granted to this notebook before."""
    try:
        catalog = await session.catalog()
        assert catalog is not None  # the analysis has a notebook
        for dataset in catalog.datasets:
            profile = await catalog.profile(dataset.name)
            if session.analysis is not None:
                session.analysis.memory.profiles[dataset.name] = profile
            session.tell(DatasetProfiled(analysis=session.id, profile=profile))
    except AnalystError as error:
        session.notice("data-not-shown", str(error))


def _revoke_all(grants: GrantStore, notebook: str) -> None:
    for grant in grants.for_notebook(notebook):
        grants.revoke(notebook, grant.path)

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

from analyst_kernel.agent.errors import AnalystError, InputError
from analyst_kernel.data.grants import GrantStore, GrantStoreError
from analyst_kernel.kernel.host import warm_up
from analyst_kernel.notebook.document import Document
from analyst_kernel.notebook.export import read
from analyst_kernel.notebook.history import analysis_of
from analyst_kernel.notebook.naming import notebook_path
from analyst_kernel.notebook.verify import verified
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
from analyst_kernel.server.bootstrap import Managers
from analyst_kernel.server.branching import parent_of, rows_of
from analyst_kernel.server.cut_off import endings
from analyst_kernel.server.earlier import events_of, title_of
from analyst_kernel.server.errors import JournalError, NotFound
from analyst_kernel.server.jobs import Job
from analyst_kernel.server.journal import Journal, Row
from analyst_kernel.server.keys import Keys
from analyst_kernel.server.living import LivingAnalysis
from analyst_kernel.server.model_choice import ModelChoice
from analyst_kernel.server.past import past
from analyst_kernel.server.paths import Places
from analyst_kernel.server.settings import ServerSettings
from analyst_kernel.server.stored import StoredAnalysis
from analyst_kernel.server.surroundings import Surroundings
from analyst_kernel.server.tab import Tab
from analyst_kernel.server.told import Told
from analyst_kernel.server.watch import Watch

_log = logging.getLogger(__name__)


class Analyses:
    """Made once per server, on its event loop; see :meth:`open`."""

    def __init__(self, around: Surroundings) -> None:
        """Take what the analyses share."""
        self.around = around
        self._living: dict[AnalysisId, LivingAnalysis] = {}
        self._tabs: set[Tab] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        around.announce = self._announce
        around.deliver = self._deliver

    @classmethod
    async def open(cls, settings: ServerSettings, managers: Managers) -> Analyses:
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
        around = Surroundings(
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
        self = cls(around)
        await around.models.look()
        for record, last in await asyncio.to_thread(journal.analyses):
            closed = await asyncio.to_thread(_close_open_ends, journal, record.id, last)
            self._living[record.id] = LivingAnalysis(record, closed, around)
        for unsettled in await asyncio.to_thread(journal.unsettled):
            self._living[unsettled].keeper.expect(settings.reconnect_seconds)
        newest = await asyncio.to_thread(journal.newest_kernel)
        if newest is not None:
            event = EVENT.validate_json(newest)
            around.newest_report = event.sandbox if isinstance(event, KernelChanged) else None
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
        found = [living.summary() for living in self._living.values()]
        return sorted(found, key=lambda summary: (-summary.updated, summary.id))

    @property
    def at_work(self) -> int:
        """How many analyses have a run at work or waiting."""
        return sum(living.line.busy for living in self._living.values())

    def find(self, analysis: str) -> LivingAnalysis:
        """Return an analysis. Raises ``NotFound``."""
        found = self._living.get(AnalysisId(analysis))
        if found is None:
            raise NotFound("There is no such analysis.", "It may have been deleted; reload.")
        return found

    async def begin(
        self, *, notebook: str | None = None, title: str = "", folder: str | None = None
    ) -> LivingAnalysis:
        """Begin an analysis, or return the one that a notebook belongs to.

        Args:
            notebook: The browser's path of a notebook to continue.
            title: What the person calls it; the first question otherwise.
            folder: The browser's path of the folder where its notebook will be made.

        Raises:
            InputError: The notebook cannot be continued.
        """
        places, now = self.around.places, time.time()
        path, known, document, noted = "", None, None, None
        parent, cell = None, None
        if notebook:
            path = str(notebook_path(places.absolute(notebook)))
            document = await asyncio.to_thread(read, notebook_path(path))
            known, noted = analysis_of(document), verified(document)
            for living in self._living.values():
                if living.id == known or living.record.notebook == path:
                    return living
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
        await asyncio.to_thread(self.around.journal.save, record)
        if document is not None:
            await asyncio.to_thread(self.around.journal.append, record.id, rows, last)
        if (meanwhile := self._living.get(record.id)) is not None:  # two tabs at once
            return meanwhile
        living = self._living[record.id] = LivingAnalysis(record, last, self.around)
        living.configure()
        if document is not None:
            self._keep(_show_data(living))
        if noted is not None:
            living.tell(
                VerificationFinished(
                    analysis=living.id,
                    reproduced=noted.reproduced,
                    total=noted.total,
                    stale=noted.stale,
                )
            )  # fmt: skip
        return living

    def _earlier(
        self, record: StoredAnalysis, document: Document
    ) -> tuple[StoredAnalysis, list[Row]]:
        """Return the record and the events of what the notebook tells already."""
        models = self.around.models
        told = events_of(document, record.id, path=record.notebook, is_ai=models.is_ai)
        at = os.path.getmtime(record.notebook) if told else 0.0
        stamped = [e.model_copy(update={"number": n, "at": at}) for n, e in enumerate(told, 1)]
        asked = sum(isinstance(event, RunStarted) for event in told)
        return record.model_copy(update={"questions": asked}), [_row(event) for event in stamped]

    async def add(
        self, record: StoredAnalysis, past: tuple[Event, ...], first: Job
    ) -> LivingAnalysis:
        """Add a branch with its history, and have it do its first job."""

        def keep() -> None:
            self.around.journal.save(record)
            self.around.journal.append(record.id, rows_of(past), len(past))

        await asyncio.to_thread(keep)
        living = self._living[record.id] = LivingAnalysis(record, len(past), self.around)
        living.configure()
        living.line.add(first)
        return living

    def rename(self, analysis: str, title: str) -> LivingAnalysis:
        """Give an analysis another title. Raises ``InputError`` for an empty one."""
        living = self.find(analysis)
        plain = " ".join(title.split())
        if not plain or len(plain) > 500:
            raise InputError("A title has 1 to 500 characters.", "Type another one.")
        living.configure(title=plain, titled=True)
        return living

    async def remove(self, analysis: str, *, notebook_too: bool) -> LivingAnalysis:
        """Stop and forget an analysis and its grants; the notebook stays unless it is to go."""
        living = self.find(analysis)
        del self._living[living.id]
        path = living.record.notebook
        try:
            await living.close()
            if path:
                await asyncio.to_thread(_revoke_all, self.around.grants, path)
            await asyncio.to_thread(self.around.journal.remove, living.id)
            if notebook_too and path:
                with contextlib.suppress(FileNotFoundError):
                    await asyncio.to_thread(os.unlink, path)
        finally:
            for tab in self._tabs:
                tab.unsubscribe(living.id)
                tab.say(AnalysisRemovedFrame(analysis=living.id))
        return living

    # --- tabs ----------------------------------------------------------------------------------

    def join(self, tab: Tab) -> None:
        """Tell a tab from now on."""
        self._tabs.add(tab)

    def leave(self, tab: Tab, *, closed: bool = False) -> None:
        """The tab's socket is gone (``closed``: its page too); nothing else stops by that."""
        self._tabs.discard(tab)
        for living in self._living.values():
            living.keeper.left(tab, closed=closed)
        tab.stop()

    def subscribe(self, tab: Tab, living: LivingAnalysis, after: int) -> None:
        """Send a tab the events after number ``after``, then each new one."""
        recorder = living.recorder
        tab.subscribe(living.id, after)
        edge = recorder.delivered
        sent = past(
            self.around.journal, living.id, after=after, edge=edge, live=recorder.tail.after(after)
        )
        self._keep(tab.catch_up(living.id, sent, edge))

    async def models_changed(self) -> None:
        """Look at the models anew after a key came or went."""
        await self.around.models.look()
        for living in self._living.values():
            living.models_changed()

    async def close(self) -> None:
        """Stop every run and release everything; called when the server stops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(living.close() for living in self._living.values()), return_exceptions=True
        )
        for tab in tuple(self._tabs):
            self.leave(tab)
        await asyncio.to_thread(self.around.journal.close)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heard_of_files(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Follow notebooks that are renamed through Jupyter."""
        if data.get("action") == "rename" and data.get("source_path"):
            root = self.around.places.root
            old = os.path.normpath(os.path.join(root, data["source_path"].strip("/")))
            new = os.path.normpath(os.path.join(root, data["path"].strip("/")))
            for living in list(self._living.values()):
                living.keeper.renamed(old, new)

    def _announce(self, living: LivingAnalysis) -> None:
        if self._living.get(living.id) is living:
            frame = AnalysisChangedFrame(summary=living.summary())
            for tab in self._tabs:
                tab.say(frame)

    def _deliver(self, analysis: AnalysisId, told: Sequence[Told]) -> None:
        for tab in tuple(self._tabs):
            tab.tell(analysis, told)


async def _warm() -> None:
    """Load what the first question needs while the person types it."""
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


async def _show_data(living: LivingAnalysis) -> None:
    """Tell of the datasets that the person granted to this notebook before."""
    try:
        catalog = await living.catalog()
        assert catalog is not None  # the analysis has a notebook
        for dataset in catalog.datasets:
            profile = await catalog.profile(dataset.name)
            if living.analysis is not None:
                living.analysis.memory.profiles[dataset.name] = profile
            living.tell(DatasetProfiled(analysis=living.id, profile=profile))
    except AnalystError as error:
        living.notice("data-not-shown", str(error))


def _revoke_all(grants: GrantStore, notebook: str) -> None:
    for grant in grants.for_notebook(notebook):
        grants.revoke(notebook, grant.path)

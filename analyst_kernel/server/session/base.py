"""What jobs need of a session: its record, its events, and its analysis, opened when needed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from analyst_kernel._aio import BackgroundTasks
from analyst_kernel._text import title_from_question
from analyst_kernel.agent.privacy.wall import MODES
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import Embedding, open_analysis
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.analysis.instructions import InstructionFiles
from analyst_kernel.analysis.privacy import PrivacyStore, PrivacySwitch
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.connections.results import is_results_folder
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.contents import Contents
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.readings import KeptReadings
from analyst_kernel.data.remote.cache import RemoteCache
from analyst_kernel.data.remote.fetch import Fetcher
from analyst_kernel.notebook.storage.names import default_path, free_path
from analyst_kernel.packages.outside import is_package_folder
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import AnalystError, NotebookError
from analyst_kernel.protocol.events import (
    EVENT,
    AnalysisConfigured,
    DatasetProfiled,
    Event,
    KernelChanged,
    LedgerChanged,
    QueueChanged,
    RunFinished,
    RunStarted,
)
from analyst_kernel.protocol.records import ApprovalMode, PrivacyMode
from analyst_kernel.protocol.sandbox import meets
from analyst_kernel.protocol.socket import AnalysisSummary
from analyst_kernel.server.events.journal import StoredAnalysis
from analyst_kernel.server.events.recorder import Recorder
from analyst_kernel.server.notebooks.coordinator import NotebookCoordinator, NotebookOwner
from analyst_kernel.server.session.datasets import FetchNotices, unswapped
from analyst_kernel.server.session.queue import JobQueue
from analyst_kernel.server.session.services import ServerServices
from analyst_kernel.server.session.user import BrowserUser, RetryDelay

UNTITLED = "New analysis"


class BaseSession:
    """The state of one analysis of the journal; cheap until the analysis is opened.

    Attributes:
        record: What the journal keeps of it.
        analysis: The analysis, or None before it is opened.
        host: Its kernel on this server.
        contents: What is known of files, before the analysis is opened.
        last_work: When a job last began or ended, seconds since the epoch.
        key_version: Version of the keys when its model was opened.
    """

    def __init__(self, record: StoredAnalysis, last: int, services: ServerServices) -> None:
        """Continue after event ``last``."""
        self.id = record.id
        self.record = record
        self.services = services
        self.log = EventLog(last=last)
        self.user = BrowserUser(self.changed)
        self.retry_delay = RetryDelay()
        self.host = services.host(lambda: services.places.served(self.record.notebook))
        self.coordinator = NotebookCoordinator(
            services,
            NotebookOwner(
                analysis=record.id,
                opening=(opening := asyncio.Lock()),
                path=lambda: self.record.notebook,
                notebook=lambda: None if self.analysis is None else self.analysis.notebook,
                moved=self._notebook_moved,
                move_kernel=self.host.moved,
                log=self.log,
            ),
        )
        self.queue = JobQueue(self.changed)
        self.recorder = Recorder(
            services.journal,
            record.id,
            last=last,
            deliver=lambda events: services.deliver(record.id, events),
        )
        self.fetcher = Fetcher(progress=FetchNotices(self.log, record.id))
        self.contents = Contents()
        self.last_work = 0.0
        self.key_version = -1
        self._emitted_model = services.models.wanted(record.model)
        self._emitted_privacy: PrivacyMode = "full"
        self.analysis: Analysis | None = None
        self._catalog: LocalCatalog | None = None
        self._opening = opening
        self._questions: tuple[str, ...] = ()
        self._shown: AnalysisSummary | None = None
        self._tasks = BackgroundTasks()
        self._saving: asyncio.Task[None] | None = None
        self._unsaved = False
        # The recorder first: the other listener may emit events of its own, which come later.
        self.log.listen(self.recorder.take)
        self.log.listen(self._on_event)

    # --- what it is ----------------------------------------------------------------------------

    @property
    def state(self) -> Literal["idle", "running", "waiting", "failed"]:
        """The state that the list of analyses shows."""
        if self.user.waiting:
            return "waiting"
        if self.queue.busy:
            return "running"
        return "failed" if self.record.failed else "idle"

    @property
    def model(self) -> str:
        """The model that the next question goes to."""
        return self.services.models.wanted(self.record.model)

    @property
    def approval(self) -> ApprovalMode:
        """What waits for the user; by default cells, if the isolation is weak."""
        chosen = self.services.settings.locked_approval or self.record.approval
        if chosen is not None:
            return chosen
        running = None if self.analysis is None else self.analysis.isolation
        level = running or self.services.settings.sandbox
        return "automatic" if meets(level, "restricted") else "cells"

    @property
    def kept_privacy(self) -> PrivacyStore:
        """What is kept of the privacy mode: the choice, the tokens, what was sent."""
        return PrivacyStore(self.services.grants.path.parent, self.id)

    @property
    def privacy(self) -> PrivacyMode:
        """What of the data the model may see at the next question.

        The strictest mode if it cannot be told, in which case no question is answered.
        """
        try:
            return self.switch().mode
        except AnalystError:
            return MODES[-1]

    def switch(self) -> PrivacySwitch:
        """Return the switch of the privacy mode, that of the opened analysis if it is opened."""
        if self.analysis is not None:
            return self.analysis.privacy
        return PrivacySwitch(self.kept_privacy, self.services.settings.least_privacy)

    def instructions(self) -> InstructionFiles:
        """Return the files with the user's and the project's rules."""
        data = self.services.grants.path.parent
        return InstructionFiles(data, self.id, beside=self.home_folder())

    def summary(self) -> AnalysisSummary:
        """Return its row in the list of analyses."""
        record = self.record
        return AnalysisSummary(
            id=record.id,
            title=record.title or UNTITLED,
            notebook=self.services.places.served(record.notebook),
            notebook_path=record.notebook,
            created=record.created,
            updated=record.updated,
            state=self.state,
            model=self.model,
            is_ai=self.services.models.is_ai(self.model),
            questions=record.questions,
            last_event=self.log.last,
            parent=record.parent,
            parent_cell=record.parent_cell,
        )

    # --- changes -------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Emit an event of the analysis itself."""
        self.log.record(event)

    def notice(self, code: str, message: str) -> None:
        """Emit a warning for the user that belongs to no run."""
        self.log.notice(self.id, code, message)

    def home_folder(self) -> str:
        """Return the folder of the notebook, or where it will be made."""
        if self.record.notebook:
            return os.path.dirname(self.record.notebook)
        return self._folder(self.record.pending)

    def models_changed(self) -> None:
        """Emit which model the next question goes to, if that changed."""
        if self.model != self._emitted_model:
            self.configure()

    def configure(self, **changes: Any) -> None:
        """Change the record, and emit title and settings as they are now."""
        self.remember(**changes)
        self._emitted_model = self.model
        self._emitted_privacy = self.privacy
        self.emit(
            AnalysisConfigured(
                analysis=self.id,
                title=self.record.title or UNTITLED,
                notebook=self.record.notebook,
                model=self.model,
                is_ai=self.services.models.is_ai(self.model),
                approval=self.approval,
                budget_usd=self.record.budget_usd,
                privacy=self._emitted_privacy,
                analysis_budget_usd=self.record.analysis_budget_usd,
                packages=self.record.packages,
                connections=self.record.connections,
            )
        )
        self.changed()

    def remember(self, **changes: Any) -> None:
        """Change the record; it is written to the journal soon."""
        self.record = self.record.model_copy(update=changes)
        self._unsaved = True
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._save())

    def changed(self) -> None:
        """Emit the queue and announce the summary, if they changed."""
        if self.queue.questions != self._questions:
            self._questions = self.queue.questions
            self.emit(QueueChanged(analysis=self.id, questions=self._questions))
        shown = self.summary().model_copy(update={"last_event": 0, "updated": 0.0})
        if shown != self._shown:
            self._shown = shown
            self.services.announce(self.summary())

    # --- the analysis ---------------------------------------------------------------------------

    async def opened(self, question: str = "", data: Sequence[str] = ()) -> Analysis:
        """Return the analysis, opened if it was not; makes its notebook if there is none yet.

        Raises:
            InputError: Notebook, model or data cannot be used.
        """
        async with self._opening:
            if self.analysis is None:
                self.analysis = await self._open(question, data)
            elif data:
                await self.analysis.grant(data)
            return self.analysis

    async def _open(self, question: str, data: Sequence[str]) -> Analysis:
        record, settings = self.record, self.services.settings
        granted = [*await asyncio.to_thread(unswapped, record.pending), *data]
        if record.notebook and not os.path.exists(record.notebook):
            granted = [*await asyncio.to_thread(self._granted_before), *data]
        path = record.notebook or str(
            free_path(default_path(question or record.title, self._folder(granted)))
        )
        await self.coordinator.hand_over()
        env = await self.services.models.look()
        limits = {"limits": dict(settings.kernel_limits)} if settings.kernel_limits else {}
        analysis = await open_analysis(
            notebook=path,
            data=granted,
            connections=await self._wanted_connections(),
            settings=AnalysisSettings(
                model=self.model,
                sandbox=settings.sandbox,
                limits=settings.limits,
                kernel_name=settings.kernel_name,
                least_privacy=settings.least_privacy,
                packages=settings.packages,
                start_options=dict(limits),
            ),
            user=self.user,
            grants=self.services.grants,
            host=self.host,
            embedding=Embedding(
                analysis=self.id,
                log=self.log,
                env=env,
                catalog=self._catalog,
                fetcher=self.fetcher,
                sleep=self.retry_delay.sleep,
                writer=self.coordinator.writer,
                store=self.coordinator.store,
            ),
        )
        self._catalog, self.key_version = analysis.catalog, self.services.keys.version
        await self._show_ledger(analysis)
        packages = analysis.packages
        packages.changed = lambda: self.configure(packages=packages.used)
        self.configure(
            notebook=analysis.notebook.path,
            pending=(),
            readings=(),
            connections=analysis.connections,
            packages=packages.used,
        )
        return analysis

    async def _wanted_connections(self) -> tuple[str, ...]:
        """Return what the user attached before there was a notebook and is still in their list."""
        wanted = () if self.record.notebook else self.record.connections
        if not wanted:
            return ()
        there = await self.services.connections.names()
        for name in wanted:
            if name not in there:
                self.notice(
                    "connection-gone", f"The connection {name} is not in your list any more."
                )
        return tuple(name for name in wanted if name in there)

    async def _show_ledger(self, analysis: Analysis) -> None:
        """Emit the definitions and states, unless the journal ends with them as they are."""
        rows = await asyncio.to_thread(self.services.journal.of_type, self.id, "ledger_changed")
        newest = EVENT.validate_json(rows[-1].body) if rows else None
        now = LedgerChanged(
            analysis=self.id,
            definitions=tuple(analysis.ledger.definitions),
            states=analysis.ledger.states,
        )
        known = newest if isinstance(newest, LedgerChanged) else LedgerChanged(
            analysis=self.id, definitions=(), states=()
        )  # fmt: skip
        if (now.definitions, now.states) != (known.definitions, known.states):
            self.emit(now)

    def _granted_before(self) -> list[str]:
        """Return what to grant to a notebook that is made again, since an empty one was not kept.

        Raises:
            NotebookError: The notebook held cells and is gone.
        """
        path = self.record.notebook
        if self.services.journal.of_type(self.id, "iteration_started"):
            raise NotebookError(
                f"The notebook of this analysis, {path}, is not there any more.",
                "Put it back, or start a new analysis.",
            )
        granted = self.services.grants.for_notebook(path, analysis=self.id)
        ours = (is_results_folder, is_package_folder)
        paths = (grant.path for grant in granted if not any(is_it(grant.path) for is_it in ours))
        return unswapped(tuple(paths))

    async def grant(self, paths: Sequence[str]) -> tuple[Dataset, ...]:
        """Grant files or folders; only called for an act of the user. Raises ``DataError``.

        Before there is a notebook, they are granted to the catalog that the analysis gets when it
        is opened. The record holds their real paths, so that they outlast a restart of the server
        and nothing that stands there later is followed.
        """
        paths = await self.fetcher.local(paths)
        if self.analysis is not None or self.record.notebook:
            analysis = await self.opened()
            return await analysis.grant(paths)
        if self._catalog is None:
            folder = self._folder(paths)
            self._catalog = LocalCatalog(
                notebook=os.path.join(folder, "analysis.ipynb"),
                reader=FileReader(require=self.services.settings.sandbox),
            )
            self._catalog.keep_readings(KeptReadings(self.record.readings))
            self.remember(folder=folder)
            if self.record.pending:
                await self._catalog.grant(await asyncio.to_thread(unswapped, self.record.pending))
        added = await self._catalog.grant(paths)
        real = await asyncio.to_thread(lambda: [os.path.realpath(path) for path in paths])
        self.remember(pending=tuple(dict.fromkeys([*self.record.pending, *real])))
        return added

    async def catalog(self) -> LocalCatalog | None:
        """Return the datasets, or None if no data was attached; opens the analysis if needed."""
        if self.analysis is None and self.record.notebook:
            await self.opened()
        elif self._catalog is None and self.record.pending:
            await self.grant(self.record.pending)
        return self._catalog

    async def describe(self, datasets: Iterable[Dataset]) -> None:
        """Emit the profiles of datasets. Raises ``DataError``."""
        catalog = await self.catalog()
        assert catalog is not None  # it holds the datasets
        for dataset in datasets:
            source = catalog.profile if self.analysis is None else self.analysis.describe
            profile = await source(dataset.name)
            self.emit(DatasetProfiled(analysis=self.id, profile=profile))

    def check_shared_kernel(self) -> None:
        """Have the next run check a kernel in which a notebook tab or a console may have worked."""
        if self.analysis is not None and self.host.is_shared:
            self.analysis.mark_kernel_shared()

    async def close(self) -> None:
        """Cancel the jobs, stop the kernel and write what is left. Idempotent."""
        await self._tasks.cancel()
        await self.queue.close()
        await self.coordinator.close()
        analysis, self.analysis = self.analysis, None
        if analysis is not None:
            await analysis.close(keep_grants=True)
        await self.host.close()
        await self.recorder.close()
        if self._saving is not None:
            await asyncio.wait([self._saving])

    def _notebook_moved(self, path: str) -> None:
        self.configure(notebook=path)
        if self.analysis is not None:
            self.analysis.moved(path)

    def _on_event(self, event: Event) -> None:
        match event:
            case RunStarted():
                asked = self.record.questions + 1
                self.remember(questions=asked, updated=time.time(), failed=False)
                if not self.record.title:
                    self.configure(title=title_from_question(event.question))
                # A command beside the server may have chosen another one.
                if self._emitted_privacy != self.privacy:
                    self.configure()
                self.changed()
            case RunFinished():
                self.remember(failed=event.status == "failed", updated=time.time())
            case KernelChanged(sandbox=report) if report is not None:
                self.services.newest_report = report
            case _:
                pass

    async def _save(self) -> None:
        while self._unsaved:
            self._unsaved = False
            await asyncio.to_thread(self.services.journal.save, self.record)

    def _folder(self, paths: Sequence[str]) -> str:
        """Return the notebook's folder: the chosen one, the first dataset's, or the root folder."""
        if self.record.folder:
            return self.record.folder
        for path in paths:
            if RemoteCache().id_at(path):
                continue  # a copy of remote data: nobody's folder
            folder = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
            if os.path.isdir(folder) and os.access(folder, os.W_OK):
                return folder
        return self.services.places.folder(None)

"""One analysis as it lives in the server: opened when needed, journalled, told to every tab.

It knows its line of jobs, not how they are done (:mod:`deeds`), and no browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any, Literal

from analyst_kernel.analysis.analysis import Analysis, AnalysisSettings, Embedding
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.notebook.storage.names import default_path, free_path
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import AnalystError, NotebookError
from analyst_kernel.protocol.events import (
    AnalysisConfigured,
    Event,
    KernelChanged,
    NoticeRaised,
    QueueChanged,
    RunFinished,
    RunStarted,
)
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import ApprovalMode
from analyst_kernel.protocol.sandbox import meets
from analyst_kernel.protocol.socket import AnalysisSummary
from analyst_kernel.server.events.journal import StoredAnalysis
from analyst_kernel.server.events.recorder import Recorder
from analyst_kernel.server.kernels import ServerHost
from analyst_kernel.server.notebooks.coordinator import NotebookCoordinator
from analyst_kernel.server.session import jobs
from analyst_kernel.server.session.queue import Job, JobQueue
from analyst_kernel.server.session.services import ServerServices
from analyst_kernel.server.session.user import BrowserUser, RetryDelay

UNTITLED = "New analysis"
_TITLE_LENGTH = 80
_TAKE_UP_SECONDS = 10.0


class AnalysisSession:
    """Made for every analysis in the journal; costs nothing until it is opened.

    Attributes:
        record: What is kept of it.
        log: Its events.
        user: Whoever sits before the browser.
        line: Its jobs.
        host: Its kernel on this server.
        keeper: Who looks after its notebook.
        patience: The wait between two tries of the model.
        last_work: When a job last began or ended, seconds since the epoch.
        key_version: Of the keys when its model was opened.
        judging: The task that judges a command, so that it can be stopped.
    """

    def __init__(self, record: StoredAnalysis, last: int, services: ServerServices) -> None:
        """Live on after event ``last``."""
        self.record = record
        self.services = services
        self.log = EventLog(last=last)
        self.user = BrowserUser(self.changed)
        self.retry_delay = RetryDelay()
        self.host = ServerHost(
            services.kernels,
            services.sessions,
            lambda: services.places.served(self.record.notebook),
        )
        self.coordinator = NotebookCoordinator(self)
        self.line = JobQueue(self._do, self.changed)
        self.recorder = Recorder(
            services.journal,
            record.id,
            last=last,
            deliver=lambda told: services.deliver(record.id, told),
        )
        self.last_work = 0.0
        self.key_version = -1
        self.judging: asyncio.Task[Any] | None = None
        self._told_model = services.models.wanted(record.model)
        self._analysis: Analysis | None = None
        self._early: LocalCatalog | None = None
        self._opening = asyncio.Lock()
        self._deciding = asyncio.Lock()
        self._queue: tuple[str, ...] = ()
        self._shown: AnalysisSummary | None = None
        self._saving: asyncio.Task[None] | None = None
        self._unsaved = False
        # First, because those after it may tell events of their own.
        self.log.listen(self.recorder.take)
        self.log.listen(self.user.heard)
        self.log.listen(self._heard)

    # --- what it is ----------------------------------------------------------------------------

    @property
    def id(self) -> AnalysisId:
        """Its id."""
        return self.record.id

    @property
    def analysis(self) -> Analysis | None:
        """The analysis itself, while it is open."""
        return self._analysis

    @property
    def deciding(self) -> asyncio.Lock:
        """Held while a command is judged, so that commands are taken in the order sent."""
        return self._deciding

    @property
    def opening(self) -> asyncio.Lock:
        """Held while the analysis or its notebook is opened."""
        return self._opening

    @property
    def state(self) -> Literal["idle", "running", "waiting", "failed"]:
        """What the list shows."""
        if self.user.waiting:
            return "waiting"
        if self.line.busy:
            return "running"
        return "failed" if self.record.failed else "idle"

    @property
    def model(self) -> str:
        """The model that the next question goes to."""
        return self.services.models.wanted(self.record.model)

    @property
    def approval(self) -> ApprovalMode:
        """What waits for the user; cells, where nothing was chosen and isolation is weak."""
        chosen = self.services.settings.locked_approval or self.record.approval
        if chosen is not None:
            return chosen
        facts = self._analysis.memory.facts if self._analysis is not None else None
        level = self.services.settings.sandbox if facts is None else facts.sandbox.level
        return "automatic" if meets(level, "restricted") else "cells"

    def summary(self) -> AnalysisSummary:
        """Describe it for the list."""
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

    def tell(self, event: Event) -> None:
        """Record an event of the analysis itself."""
        self.log.record(event)

    def notice(
        self, code: str, message: str, *, level: Literal["info", "warning"] = "warning"
    ) -> None:
        """Tell the user something that no run tells."""
        self.tell(NoticeRaised(analysis=self.id, level=level, code=code, message=message))

    def home_folder(self) -> str:
        """Return the folder of the notebook, or where it will be made."""
        if self.record.notebook:
            return os.path.dirname(self.record.notebook)
        return self._folder(self.record.pending)

    def models_changed(self) -> None:
        """Tell where the next question goes, if that is another model now."""
        if self.model != self._told_model:
            self.configure()

    def configure(self, **changes: Any) -> None:
        """Change title or settings, and tell what they are now."""
        self.remember(**changes)
        self._told_model = self.model
        self.tell(
            AnalysisConfigured(
                analysis=self.id,
                title=self.record.title or UNTITLED,
                notebook=self.record.notebook,
                model=self.model,
                is_ai=self.services.models.is_ai(self.model),
                approval=self.approval,
                budget_usd=self.record.budget_usd,
            )
        )
        self.changed()

    def remember(self, **changes: Any) -> None:
        """Change what is kept of it; it is written soon."""
        self.record = self.record.model_copy(update=changes)
        self._unsaved = True
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._save())

    def changed(self) -> None:
        """Look whether queue or summary are other ones now, and tell who wants to know."""
        if self.line.questions != self._queue:
            self._queue = self.line.questions
            self.tell(QueueChanged(analysis=self.id, questions=self._queue))
        shown = self.summary().model_copy(update={"last_event": 0, "updated": 0.0})
        if shown != self._shown:
            self._shown = shown
            self.services.announce(self)

    # --- its life ------------------------------------------------------------------------------

    async def opened(self, question: str = "", data: Sequence[str] = ()) -> Analysis:
        """Return the open analysis; where there is no notebook yet, it is made now.

        Raises:
            InputError: Notebook, model or data cannot be used.
        """
        async with self._opening:
            if self._analysis is None:
                self._analysis = await self._open(question, data)
            elif data:
                await self._analysis.grant(data)
            return self._analysis

    async def _open(self, question: str, data: Sequence[str]) -> Analysis:
        record, settings = self.record, self.services.settings
        granted = [*record.pending, *data]
        if record.notebook and not os.path.exists(record.notebook):
            granted = [*await asyncio.to_thread(self._granted_before), *data]
        path = record.notebook or str(
            free_path(default_path(question or record.title, self._folder(granted)))
        )
        await self.coordinator.hand_over()
        env = await self.services.models.look()
        limits = {"limits": dict(settings.kernel_limits)} if settings.kernel_limits else {}
        analysis = await Analysis.open(
            notebook=path,
            data=granted,
            settings=AnalysisSettings(
                model=self.model,
                sandbox=settings.sandbox,
                limits=settings.limits,
                kernel_name=settings.kernel_name,
                start_options=dict(limits),
            ),
            user=self.user,
            grants=self.services.grants,
            host=self.host,
            embedding=Embedding(
                analysis=self.id,
                log=self.log,
                env=env,
                catalog=self._early,
                sleep=self.retry_delay.sleep,
                writer=self.coordinator.writer,
                store=self.coordinator.store,
            ),
        )
        if self._early is not None:  # described already, so the run need not do it again
            for dataset in self._early.datasets:
                analysis.memory.profiles[dataset.name] = await self._early.profile(dataset.name)
        self._early, self.key_version = None, self.services.models.version
        self.configure(notebook=analysis.notebook.path, pending=())
        return analysis

    def _granted_before(self) -> list[str]:
        """Say what to grant to a notebook that is made again: an empty one was not kept.

        Raises:
            NotebookError: It held something and is gone.
        """
        path = self.record.notebook
        if self.services.journal.of_type(self.id, "iteration_started"):
            raise NotebookError(
                f"The notebook of this analysis, {path}, is not there any more.",
                "Put it back, or start a new analysis.",
            )
        return [grant.given for grant in self.services.grants.for_notebook(path)]

    async def attach(self, paths: Sequence[str]) -> tuple[Dataset, ...]:
        """Grant files or folders; the user's act. Raises ``DataError``."""
        if self._analysis is not None or self.record.notebook:
            analysis = await self.opened()
            return await analysis.grant(paths)
        if self._early is None:
            folder = self._folder(paths)
            self._early = LocalCatalog(notebook=os.path.join(folder, "analysis.ipynb"))
            self.remember(folder=folder)
            if self.record.pending:
                await self._early.grant(self.record.pending)
        added = await self._early.grant(paths)
        self.remember(pending=tuple(dict.fromkeys([*self.record.pending, *paths])))
        return added

    async def catalog(self) -> LocalCatalog | None:
        """Return the datasets, opening the analysis where that was not done; ``None``: no data."""
        if self._analysis is None and self.record.notebook:
            await self.opened()
        elif self._early is None and self._analysis is None and self.record.pending:
            await self.attach(self.record.pending)
        return self._early if self._analysis is None else self._analysis.catalog

    async def kernel_lost(
        self, state: Literal["died", "restarted", "stopped"], reason: str, *, keep: bool = False
    ) -> None:
        """Let go of the kernel; the next question starts one (or takes up the one to ``keep``)."""
        analysis = self._analysis
        if analysis is None:
            return
        async with analysis.exclusive:
            if keep:
                self.host.release()
            await analysis.kernel.stop()
            analysis.memory.forget_kernel()
            self.tell(KernelChanged(analysis=self.id, state=state, reason=reason))
            if keep:
                analysis.memory.news.append(
                    "The user restarted the kernel by hand, which emptied it; what they ran "
                    "before the notebook's cells ran again may have failed with NameError."
                )
                # Taken up at once, so that what the user runs in it is heard; a kernel that they
                # keep busy is left alone, and heard from the next question on.
                with self.host.spared(), contextlib.suppress(AnalystError, TimeoutError):
                    async with asyncio.timeout(_TAKE_UP_SECONDS):
                        await analysis.kernel.start()

    async def close(self) -> None:
        """Stop what is at work, end the kernel, write down what is left."""
        await self.line.close()
        await self.coordinator.close()
        analysis, self._analysis = self._analysis, None
        if analysis is not None:
            await analysis.close()
        await self.host.close()
        await self.recorder.close()
        if self._saving is not None:
            await asyncio.wait([self._saving])

    # --- inside --------------------------------------------------------------------------------

    async def _do(self, job: Job) -> None:
        self.last_work = time.time()
        try:
            await jobs.do(self, job)
        except AnalystError as error:
            self.notice("not-done", str(error))
        finally:
            self.last_work = time.time()

    def _heard(self, event: Event) -> None:
        match event:
            case RunStarted():
                asked = self.record.questions + 1
                self.remember(questions=asked, updated=time.time(), failed=False)
                if not self.record.title:
                    self.configure(title=_title_of(event.question))
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
        """Where the notebook goes: as the user said, beside the first dataset, or at the root."""
        if self.record.folder:
            return self.record.folder
        for path in paths:
            folder = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
            if os.path.isdir(folder) and os.access(folder, os.W_OK):
                return folder
        return self.services.places.folder(None)


def _title_of(question: str) -> str:
    title = " ".join(question.split())
    if len(title) > _TITLE_LENGTH:
        title = title[:_TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(",.;:") + " …"
    return title

"""One analysis: its notebook, kernel, data, model and memory behind one object.

The command line, the Python API and the server all use it and reach nothing behind it.
:mod:`analyst_kernel.analysis.assemble` makes it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.manual.actions import run_again, run_user_code, undo_run
from analyst_kernel.agent.manual.detect import record_user_execution
from analyst_kernel.agent.observation.cell import Note
from analyst_kernel.agent.ports import Execution, Model, SetupEntry
from analyst_kernel.agent.privacy.wall import GuardedModel
from analyst_kernel.agent.remember import keep_ledger
from analyst_kernel.agent.start import restore_kernel_state
from analyst_kernel.analysis.branch import is_trouble, restore_and_compare, trouble_text
from analyst_kernel.analysis.databases import KERNEL_ENDED, change_connections
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.analysis.freshness import Freshness, OnCell
from analyst_kernel.analysis.instructions import InstructionFiles
from analyst_kernel.analysis.notebook_lock import (
    NotebookLock,
    WorkElsewhere,
    take_in_others,
    waiting_text,
)
from analyst_kernel.analysis.packages import AnalysisPackages
from analyst_kernel.analysis.privacy import PrivacySwitch
from analyst_kernel.analysis.readings import change_reading
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.analysis.spending import SpendingStore
from analyst_kernel.analysis.verify import (
    CELL_SECONDS,
    check_names,
    entries_to_run_again,
    verify_notebook,
)
from analyst_kernel.connections.attached import AttachedConnections
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.readings import AskedReading
from analyst_kernel.data.remote.fetch import Fetcher, revoke_earlier
from analyst_kernel.grants import Grant, GrantStore
from analyst_kernel.kernel.manager import KernelHost
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.verify.verify import CellCheck, VerifyReport
from analyst_kernel.protocol.datasets import Dataset, DatasetProfile
from analyst_kernel.protocol.errors import AnalystError, InputError, NotebookError
from analyst_kernel.protocol.events import Event, KernelChanged, RunFinished, RunUndone
from analyst_kernel.protocol.freshness import RefreshReport
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import Frame
from analyst_kernel.protocol.records import Limits, PrivacyMode
from analyst_kernel.protocol.sandbox import SandboxLevel

LONGEST_QUESTION = 100_000
"""Characters; it is stored, shown and sent with every request of the conversation."""

KernelEnd: TypeAlias = Literal["died", "restarted", "stopped"]
_ADOPT_SECONDS = 10.0


class Analysis:
    """One notebook, its kernel, its data grants and all its runs. One run at a time."""

    def __init__(  # noqa: PLR0913 - the parts, which only the composition root puts together
        self,
        *,
        deps: AgentDeps,
        memory: Memory,
        log: EventLog,
        notebook: StoredNotebook,
        catalog: LocalCatalog,
        kernel: KernelSession,
        grants: GrantStore,
        privacy: PrivacySwitch,
        instructions: InstructionFiles,
        settings: AnalysisSettings,
        spending: SpendingStore,
        fresh_grants: Sequence[Grant] = (),
        databases: AttachedConnections | None = None,
        packages: AnalysisPackages,
    ) -> None:
        self.log = log
        self.notebook = notebook
        self.catalog = catalog
        self.grants = grants
        self.privacy = privacy
        self.instructions = instructions
        self.settings = settings
        self.spending = spending
        # Not granted before, and nothing in the notebook uses them yet.
        self._unused_grants = [grant.path for grant in fresh_grants]
        self._deps = deps
        self._memory = memory
        self._kernel = kernel
        # Held by whatever works in the kernel: a run, a cell of the user's, a restart.
        self._lock = asyncio.Lock()
        # Held beside it, so that no other process works on the notebook meanwhile.
        self._notebook_lock = NotebookLock(grants.path.parent)
        self._kernel_misplaced = False
        self._databases = databases
        self.packages = packages
        self.freshness = Freshness(deps, memory, notebook, catalog, grants)
        self._deferred: list[tuple[str, str]] = []
        self._reported_problems: set[tuple[str, str]] = set()
        kernel.foreign.listener = lambda execution: record_user_execution(
            self._deps, self._memory, execution
        )

    @property
    def id(self) -> AnalysisId:
        """The id that the notebook holds."""
        return self.notebook.analysis

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self._deps.model

    @property
    def variables(self) -> tuple[Frame, ...]:
        """Variables in the kernel now."""
        return self._memory.frames

    @property
    def isolation(self) -> SandboxLevel | None:
        """The isolation of the running kernel, or None while no kernel runs."""
        facts = self._memory.facts
        return None if facts is None else facts.sandbox.level

    def choose_privacy(self, mode: PrivacyMode, *, confirmed: bool = False) -> None:
        """Choose what the model may see; ``confirmed`` is needed for a less strict mode.

        A stricter mode holds at once, a less strict one from the next question on. Raises
        ``InputError``.
        """
        said = self.privacy.choose(mode, confirmed=confirmed)
        if said:
            self.log.notice(self.id, "privacy-changed", said, level="info")

    async def choose_model(self, model: Model) -> None:
        """Use ``model`` from the next question on; a run at work keeps its own to its end."""
        async with self._lock:
            before = self._deps.model
            if isinstance(before, GuardedModel):
                model = before.in_front_of(model)
            self._deps = replace(self._deps, model=model)
            await before.aclose()

    def moved(self, notebook: str) -> None:
        """Continue at the notebook's new path.

        A kernel keeps its working folder, so in another folder the next run starts a new one.
        """
        elsewhere = os.path.dirname(notebook) != os.path.dirname(self._kernel.notebook)
        self._kernel.notebook = notebook
        if elsewhere:
            self.catalog.move(notebook)
            for setup in self._memory.setups:
                setup.code = self.catalog.setup_code(setup.names)
            self._kernel_misplaced = True

    async def grant(self, paths: Sequence[str | os.PathLike[str]]) -> tuple[Dataset, ...]:
        """Let the analysis read more files; only called for an act of the user.

        If the running kernel cannot be given access, the next run starts a new one and replays.
        Raises ``DataError``, and grants nothing, if a file cannot be read as data.
        """
        check_names(paths)
        paths = await Fetcher().local([os.fspath(path) for path in paths])
        added = await self.catalog.grant(paths)
        granted, fresh = await asyncio.to_thread(
            self.grants.record_all, self.notebook.path, paths, analysis=self.id
        )
        self._unused_grants += [grant.path for grant in fresh]
        # A kernel learns of addresses when it starts.
        remote = await asyncio.to_thread(revoke_earlier, self.grants, self.notebook.path, paths)
        if remote or not await self._kernel.admit([grant.path for grant in granted]):
            async with self._lock:  # a run at work keeps its kernel to its end
                await self._stop_kernel()
        return added

    @property
    def connections(self) -> tuple[str, ...]:
        """The names of the databases that it may ask."""
        return () if self._databases is None else self._databases.names

    async def change_connections(self, *, attached: str = "", detached: str = "") -> None:
        """Let it ask a database, or no longer; see ``change_connections``. Waits for a run."""
        parts = (self.grants, self.notebook.path, self._kernel, self.privacy.wall)
        async with self._lock:
            change = change_connections(self._deps, self._databases, *parts, attached, detached)
            self._deps, self._databases = await change
            if self._memory.facts is not None:  # a kernel learns of databases when it starts
                await self._stop_kernel()
                self._kernel_changed("stopped", KERNEL_ENDED)

    async def choose_reading(self, asked: AskedReading) -> None:
        """Have a dataset read as the user says; see ``change_reading``. Waits for a run at work."""
        parts = (self.notebook, self.catalog, self.grants)
        async with self._lock:
            await change_reading(self._deps, self._memory, *parts, asked)

    async def describe(self, dataset: str) -> DatasetProfile:
        """Return a dataset's profile, which the next run then does not emit again."""
        profile = self._memory.profiles[dataset] = await self.catalog.profile(dataset)
        return profile

    async def forget_dataset(self, name: str) -> None:
        """Take a withdrawn dataset out of the setup cells, here and in the notebook."""
        for setup in self._memory.forget_dataset(name, self.catalog.setup_code):
            if setup.code:
                await self.notebook.record(SetupEntry(setup.cell, setup.code))

    async def ask(
        self, question: str, *, limits: Limits | None = None, approve: bool | None = None
    ) -> RunFinished:
        """Answer one question; events go to :attr:`log`. Waits for a run at work to end first.

        Cancelling ends the run as ``cancelled``, with everything so far saved and the kernel idle.
        ``limits`` and ``approve`` replace those of the settings for this run.
        """
        if not question.strip():
            raise InputError("The question is empty.", "Ask something about the data.")
        if len(question) > LONGEST_QUESTION:
            raise InputError(
                f"The question has {len(question):,} characters, more than {LONGEST_QUESTION:,}; "
                "nothing was asked.",
                "Ask in fewer words, and attach what belongs to it as a file.",
            )
        async with self._at_work():
            self.privacy.catch_up()
            await self._catch_up()
            limits = await self._with_day_limit(limits or self.settings.limits)
            approve = self.settings.approve if approve is None else approve
            instructions = await self.instructions.holding(
                self.notebook.path, partial(self.log.notice, self.id), is_ai=self.model.is_ai
            )
            with self._using_grants():
                finished = await run_question(
                    self._deps, self._memory, question, limits=limits, approve=approve,
                    instructions=instructions,
                )  # fmt: skip
            await self.freshness.keep(finished)
            facts = self._memory.facts
            if facts is not None:
                with suppress(NotebookError):  # the run itself reported what it could not write
                    await self.notebook.describe(
                        model=self.model.name, python=facts.python, packages=facts.versions
                    )
            return finished

    async def _with_day_limit(self, limits: Limits) -> Limits:
        """Add the user's own limit for each day; the lower one holds if there is another."""
        if not self.model.is_ai:
            return limits
        own = await asyncio.to_thread(self.spending.day_limit)
        least = min((each for each in (own, limits.day_usd) if each is not None), default=None)
        return limits.model_copy(update={"day_usd": least})

    def stream(self, question: str, *, limits: Limits | None = None) -> AsyncGenerator[Event, None]:
        """Answer one question and yield its events; see :meth:`EventLog.follow`."""
        return self.log.follow(partial(self.ask, question, limits=limits))

    async def run(self, code: str, *, timeout: float | None = None) -> tuple[CellId, Execution]:
        """Run the user's own code as a cell of the notebook."""
        timeout = timeout or self.settings.limits.cell_seconds
        async with self._at_work():
            with self._using_grants():
                return await run_user_code(self._deps, self._memory, code, timeout=timeout)

    async def run_again(self, cell: CellId | None = None) -> None:
        """Run one iteration's cell again, or all of them in order in an emptied kernel."""
        chosen = await entries_to_run_again(self.notebook, cell)
        async with self._at_work():
            if cell is None and self._memory.facts is not None:
                await self._kernel.restart()
                self._memory.empty_kernel()
                self._kernel_changed("restarted", "Emptied, to run every cell again.")
            edited = [entry for entry in chosen if self.notebook.is_edited(entry.cell)]
            if edited:
                which = ", ".join(f"cell {e.iteration}" for e in edited if e.iteration)
                message = f"Runs as you edited it in the notebook: {which}."
                self.log.notice(self.id, "edited-cell-runs", message, level="info")
            timeout = self.settings.limits.cell_seconds
            for entry in chosen:
                await run_again(self._deps, self._memory, entry, timeout=timeout)

    async def verify(
        self, *, host: KernelHost | None = None, on_check: Callable[[CellCheck], None] | None = None
    ) -> VerifyReport:
        """Run the notebook in a fresh kernel of ``host`` and compare; see ``verify_notebook``."""
        book, sandbox = self.notebook, self.settings.sandbox
        return await verify_notebook(
            book.path, sandbox=sandbox, on_check=on_check, host=host, book=book,
            packages=self.settings.packages,
            on_problem=partial(self.log.notice, self.id, "packages-missing"),
        )  # fmt: skip

    async def refresh(
        self, *, host: KernelHost | None = None, on_cell: OnCell | None = None
    ) -> RefreshReport:
        """Compute the answers again on the data as they are now; see ``Freshness.refresh``."""
        async with self._at_work():
            return await self.freshness.refresh(
                sandbox=self.settings.sandbox, host=host, on_cell=on_cell,
                stop_kernel=self._stop_kernel,
            )  # fmt: skip

    async def restore_branch(
        self, *, on_check: Callable[[CellCheck, int, int], None] | None = None
    ) -> tuple[CellCheck, ...]:
        """Bring the kernel of a branch, which is not started yet, to the state of its notebook.

        If the kernel does not start, the next question tries again.
        """
        async with self._lock:
            book = self.notebook
            restore = partial(restore_kernel_state, self._deps, self._memory, timeout=CELL_SECONDS)
            checks = await restore_and_compare(restore, book.document, book.path, on_check)
            for check in checks:
                if is_trouble(check):
                    self.log.notice(self.id, "branch-differs", trouble_text(check))
        return checks

    async def undo(self, run: RunId, *, roll_back: bool = False) -> RunUndone:
        """Take a whole run out of the notebook; see ``undo_run``."""
        timeout = self.settings.limits.cell_seconds
        async with self._at_work():
            return await undo_run(
                self._deps, self._memory, run, roll_back=roll_back, timeout=timeout
            )

    async def remove_package(self, name: str) -> None:
        """Take a fetched package away; the next run starts a kernel without it.

        Waits for a run at work. Raises ``InputError`` if there is no such package.
        """
        async with self._lock:
            gone = await self.packages.remove(name)
            if self._memory.facts is not None:
                await self._stop_kernel()
                reason = f"{', '.join(gone)} taken away; the next question starts a kernel without."
                self._kernel_changed("stopped", reason)

    @property
    def ledger(self) -> Ledger:
        """The user's definitions and the named states; do not change it."""
        return self._memory.ledger

    async def change_definitions(self, change: Callable[[Ledger], object]) -> None:
        """Add, edit or remove definitions as the user says; they hold from the next question on.

        May be called while a run is at work, which goes on with what it began with.

        Raises:
            InputError: There is no such definition, or it cannot be kept; nothing was changed.
            NotebookError: The notebook could not be written.
        """
        if not self._lock.locked():  # a run at work keeps the ledger itself
            await self._take_in_others()
        change(self._memory.ledger)
        await keep_ledger(self._deps, self._memory)

    def mark_kernel_shared(self) -> None:
        """Check at the next run whether the kernel holds its variables: others may work in it."""
        self._memory.kernel_unsure = True

    async def release_kernel(self, state: KernelEnd, reason: str) -> None:
        """Stop the kernel and emit why; the next run starts one. Waits for a run at work."""
        async with self._lock:
            await self._stop_kernel()
            self._kernel_changed(state, reason)

    async def adopt_kernel(
        self, reason: str, take_over: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Continue in a kernel that the user restarted. Waits for a run at work.

        ``take_over`` has the host keep the kernel when this stops it and return it at the next
        start. The host never ends the kernel inside the context manager that it returns.
        """
        async with self._lock:
            keeping = take_over()
            await self._stop_kernel()
            self._kernel_changed("restarted", reason)
            self._memory.pending_notes.append(
                Note(
                    "The user restarted the kernel by hand, which emptied it; what they ran "
                    "before the notebook's cells ran again may have failed with NameError."
                )
            )
            # Connected at once, so that what the user runs in it is detected. A kernel that the
            # user keeps busy does not answer in time; the next question connects to it then.
            with keeping, suppress(AnalystError, TimeoutError):
                async with asyncio.timeout(_ADOPT_SECONDS):
                    await self._kernel.start()

    async def close(self, *, keep_grants: bool = False) -> None:
        """Stop the kernel, release the model, remove a new notebook without cells. Idempotent.

        Grants for a question that was refused, and left no cell, are taken back, unless
        ``keep_grants`` says that the user still sees the data as attached.
        """
        try:
            await self._kernel.stop()
            await self.notebook.discard_if_empty()
            if not keep_grants:
                await asyncio.to_thread(self._take_back_grants)
        finally:
            if self._databases is not None:
                await self._databases.aclose()
            await self.model.aclose()

    def _take_back_grants(self) -> None:
        path = self.notebook.path
        for grant in self._unused_grants:
            self.grants.revoke(path, grant)
        self._unused_grants.clear()
        self._note_file()
        if not self.notebook.document["cells"] and not os.path.lexists(path):
            self.grants.forget(path, analysis=self.id)

    def _note_file(self) -> None:
        """Let the grants follow the notebook when it is moved outside Jupyter."""
        with suppress(NotebookError):  # it was made another's meanwhile
            self.grants.seen(self.notebook.path, self.id)

    @contextmanager
    def _using_grants(self) -> Iterator[None]:
        """Keep new grants for good if the block leaves a cell that may use them."""
        before = len(self.notebook.document["cells"])
        try:
            yield
        finally:
            if len(self.notebook.document["cells"]) > before:
                self._unused_grants.clear()

    def defer_notice(self, code: str, message: str) -> None:
        """Emit a notice when the next question begins."""
        self._deferred.append((code, message))

    async def _stop_kernel(self) -> None:
        await self._kernel.stop()
        self._memory.forget_kernel()

    def _kernel_changed(self, state: KernelEnd, reason: str) -> None:
        self.log.record(KernelChanged(analysis=self.id, state=state, reason=reason))

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        """Work on the notebook, after whatever works on it here or in another process."""

        def say(other: WorkElsewhere) -> None:
            self.log.notice(self.id, "notebook-busy", waiting_text(other))

        async with self._lock, self._notebook_lock.held(self.notebook.path, say):
            await self._take_in_others()
            yield

    async def _take_in_others(self) -> None:
        """Take in what others did to the notebook, and say it."""
        which = await take_in_others(self._deps, self._memory, self.notebook, self.catalog)
        if which:
            message = f"Asked or undone elsewhere since the last question here: {', '.join(which)}."
            self.log.notice(self.id, "asked-elsewhere", message, level="info")
            # This kernel knows nothing of it; the next run starts one from the notebook.
            if self._memory.facts is not None:
                await self._stop_kernel()
                self._kernel_changed("stopped", f"{message} The notebook's cells run again.")

    async def _catch_up(self) -> None:
        """Take in what changed outside since the last run, and emit it."""
        if changed := await self.freshness.take_in():
            names = ", ".join(changed)
            self.defer_notice("data-changed", f"{names} changed on disk and is loaded again.")
        # What could not be read, or not as the user said, is reported once, with a question.
        for problem in self.catalog.notices():
            if problem not in self._reported_problems:
                self._reported_problems.add(problem)
                self.defer_notice(*problem)
        if self._kernel.outdated() or self._kernel_misplaced:
            self._kernel_misplaced = False
            await self._stop_kernel()
        for code, message in self._deferred:
            self.log.notice(self.id, code, message)
        self._deferred.clear()

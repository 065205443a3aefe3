"""One analysis: its notebook, kernel, data, model and memory behind one object.

The command line, the Python API and the server all use it and reach nothing behind it.
:mod:`analyst_kernel.analysis.assemble` makes it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.manual.detect import record_user_execution
from analyst_kernel.agent.manual.run import run_again, run_user_code
from analyst_kernel.agent.ports import Execution, Model, SetupEntry
from analyst_kernel.agent.start import restore_kernel_state
from analyst_kernel.agent.undo import undo_run
from analyst_kernel.analysis.branch import is_trouble, restore_and_compare, trouble_text
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.analysis.verify import CELL_SECONDS, entries_to_run_again, verify_notebook
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.grants import GrantStore
from analyst_kernel.kernel.manager import KernelHost
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.verify.verify import CellCheck, VerifyReport
from analyst_kernel.protocol.datasets import Dataset, DatasetProfile
from analyst_kernel.protocol.errors import AnalystError, InputError, NotebookError
from analyst_kernel.protocol.events import Event, KernelChanged, RunFinished, RunUndone
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import Frame
from analyst_kernel.protocol.records import Limits
from analyst_kernel.protocol.sandbox import SandboxLevel

KernelEnd: TypeAlias = Literal["died", "restarted", "stopped"]
_ADOPT_SECONDS = 10.0


class Analysis:
    """One notebook, its kernel, its data grants and all its runs. One run at a time."""

    def __init__(
        self,
        *,
        deps: AgentDeps,
        memory: Memory,
        log: EventLog,
        notebook: StoredNotebook,
        catalog: LocalCatalog,
        kernel: KernelSession,
        grants: GrantStore,
        settings: AnalysisSettings,
    ) -> None:
        self.log = log
        self.notebook = notebook
        self.catalog = catalog
        self.grants = grants
        self.settings = settings
        self._deps = deps
        self._memory = memory
        self._kernel = kernel
        # Held by whatever works in the kernel: a run, a cell of the user's, a restart.
        self._lock = asyncio.Lock()
        self._kernel_misplaced = False
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

    async def choose_model(self, model: Model) -> None:
        """Use ``model`` from the next question on; a run at work keeps its own to its end."""
        async with self._lock:
            before, self._deps = self.model, replace(self._deps, model=model)
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
        added = await self.catalog.grant([os.fspath(path) for path in paths])
        await asyncio.to_thread(self.grants.record_all, self.notebook.path, paths)
        if not await self._kernel.admit([os.path.realpath(path) for path in paths]):
            async with self._lock:  # a run at work keeps its kernel to its end
                await self._stop_kernel()
        return added

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
        async with self._lock:
            await self._catch_up()
            limits = limits or self.settings.limits
            approve = self.settings.approve if approve is None else approve
            finished = await run_question(
                self._deps, self._memory, question, limits=limits, approve=approve
            )
            facts = self._memory.facts
            if facts is not None:
                with suppress(NotebookError):  # the run itself reported what it could not write
                    await self.notebook.describe(
                        model=self.model.name, python=facts.python, packages=facts.versions
                    )
            return finished

    def stream(self, question: str, *, limits: Limits | None = None) -> AsyncGenerator[Event, None]:
        """Answer one question and yield its events; see :meth:`EventLog.follow`."""
        return self.log.follow(partial(self.ask, question, limits=limits))

    async def run(self, code: str, *, timeout: float | None = None) -> tuple[CellId, Execution]:
        """Run the user's own code as a cell of the notebook."""
        timeout = timeout or self.settings.limits.cell_seconds
        async with self._lock:
            return await run_user_code(self._deps, self._memory, code, timeout=timeout)

    async def run_again(self, cell: CellId | None = None) -> None:
        """Run one iteration's cell again, or all of them in order in an emptied kernel."""
        chosen = await entries_to_run_again(self.notebook, cell)
        async with self._lock:
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
            book.path, sandbox=sandbox, on_check=on_check, host=host, book=book
        )

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
        """Take a whole run out of the notebook; see :func:`analyst_kernel.agent.undo.undo_run`."""
        timeout = self.settings.limits.cell_seconds
        async with self._lock:
            return await undo_run(
                self._deps, self._memory, run, roll_back=roll_back, timeout=timeout
            )

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
                "The user restarted the kernel by hand, which emptied it; what they ran "
                "before the notebook's cells ran again may have failed with NameError."
            )
            # Connected at once, so that what the user runs in it is detected. A kernel that the
            # user keeps busy does not answer in time; the next question connects to it then.
            with keeping, suppress(AnalystError, TimeoutError):
                async with asyncio.timeout(_ADOPT_SECONDS):
                    await self._kernel.start()

    async def close(self) -> None:
        """Stop the kernel, release the model, remove a new notebook without cells. Idempotent."""
        try:
            await self._kernel.stop()
            await self.notebook.discard_if_empty()
        finally:
            await self.model.aclose()

    def defer_notice(self, code: str, message: str) -> None:
        """Emit a notice when the next question begins."""
        self._deferred.append((code, message))

    async def _stop_kernel(self) -> None:
        await self._kernel.stop()
        self._memory.forget_kernel()

    def _kernel_changed(self, state: KernelEnd, reason: str) -> None:
        self.log.record(KernelChanged(analysis=self.id, state=state, reason=reason))

    async def _catch_up(self) -> None:
        """Take in what changed outside since the last run, and emit it."""
        changed = await self.catalog.refresh()
        if changed:
            self._memory.reload(changed, self.catalog.setup_code)
            names = ", ".join(changed)
            self.defer_notice("data-changed", f"{names} changed on disk and is loaded again.")
        # Files of granted folders that could not be read are reported once, with a question.
        for problem in self.catalog.problems:
            if problem not in self._reported_problems:
                self._reported_problems.add(problem)
                path, reason = problem
                self.defer_notice("file-left-out", f"{path} was left out. {reason}")
        with suppress(NotebookError):  # the run itself reports a notebook that it cannot use
            await self.notebook.refresh()
        if self._kernel.outdated() or self._kernel_misplaced:
            self._kernel_misplaced = False
            await self._stop_kernel()
        for code, message in self._deferred:
            self.log.notice(self.id, code, message)
        self._deferred.clear()

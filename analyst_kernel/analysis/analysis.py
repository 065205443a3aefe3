"""One analysis: its notebook, kernel, data, model and memory behind one object.

The command line, the Python API and the server all use it and reach nothing behind it.
:mod:`analyst_kernel.analysis.assemble` makes it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.manual.changes import UserExecution
from analyst_kernel.agent.manual.detect import record_user_execution
from analyst_kernel.agent.manual.run import run_again, run_user_code
from analyst_kernel.agent.ports import Execution, IterationEntry, Model, SetupEntry
from analyst_kernel.agent.replay import OnCell
from analyst_kernel.agent.start import restore_kernel_state
from analyst_kernel.agent.undo import undo_run
from analyst_kernel.analysis.branch import (
    CELL_SECONDS,
    is_trouble,
    restore_and_compare,
    trouble_text,
)
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.analysis.verify import verify_notebook
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.grants import GrantStore, GrantStoreError, grant_kind
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

DEFAULT_SANDBOX: SandboxLevel = "restricted"
SANDBOXED = "analyst"
"""The kernelspec whose kernels are the sandbox."""
_ADOPT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """How an analysis is to run.

    Attributes:
        model: ``provider:name``, or None for the default.
        sandbox: The level of isolation below which nothing runs.
        limits: Of each run.
        approve: Whether each cell waits for the user.
        kernel_name: Kernelspec to start.
        start_options: Passed to the kernel's provisioner (memory and process limits...).
    """

    model: str | None = None
    sandbox: SandboxLevel = DEFAULT_SANDBOX
    limits: Limits = field(default_factory=Limits)
    approve: bool = False
    kernel_name: str = SANDBOXED
    start_options: dict[str, object] = field(default_factory=dict)


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
        kernel.foreign.listener = self._record_user_execution

    @property
    def id(self) -> AnalysisId:
        """The id that the notebook holds."""
        return self.notebook.analysis

    @property
    def model_name(self) -> str:
        """``provider:name`` of the model that answers."""
        return self._deps.model.name

    @property
    def is_ai(self) -> bool:
        """Whether an AI model answers."""
        return self._deps.model.is_ai

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets that were granted, in order."""
        return tuple(self.catalog.datasets)

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
            before = self._deps.model
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

    # --- data ----------------------------------------------------------------------------------

    async def grant(self, paths: Sequence[str | os.PathLike[str]]) -> tuple[Dataset, ...]:
        """Let the analysis read more files; only called for an act of the user.

        If the running kernel cannot be given access, the next run starts a new one and replays.

        Raises:
            DataError: A file cannot be read as data; nothing was granted.
        """
        added = await self.catalog.grant([os.fspath(path) for path in paths])
        await record_grants(self.grants, self.notebook.path, paths)
        if not await self._kernel.admit([os.path.realpath(path) for path in paths]):
            async with self._lock:  # a run at work keeps its kernel to its end
                await self._stop_kernel()
        return added

    async def describe(self, dataset: str) -> DatasetProfile:
        """Return a dataset's profile, which the next run then does not emit again.

        Raises:
            DataError: There is no such dataset, or its file is gone.
        """
        profile = self._memory.profiles[dataset] = await self.catalog.profile(dataset)
        return profile

    async def forget_dataset(self, name: str) -> None:
        """Take a withdrawn dataset out of the setup cells, here and in the notebook.

        Raises:
            NotebookError: The notebook cannot be written.
        """
        self._memory.profiles.pop(name, None)
        for setup in self._memory.setups:
            if name in setup.names:
                setup.names = tuple(other for other in setup.names if other != name)
                setup.code = self.catalog.setup_code(setup.names) if setup.names else ""
                if setup.code:
                    await self.notebook.record(SetupEntry(setup.cell, setup.code))

    # --- runs ----------------------------------------------------------------------------------

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
            finished = await run_question(
                self._deps,
                self._memory,
                question,
                limits=limits or self.settings.limits,
                approve=self.settings.approve if approve is None else approve,
            )
            await self._note_versions()
            return finished

    async def stream(
        self, question: str, *, limits: Limits | None = None
    ) -> AsyncGenerator[Event, None]:
        """Answer one question and yield its events as they happen; the last is ``RunFinished``.

        Leaving the iteration early cancels the run; under ``contextlib.aclosing`` it is over then.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        stop = self.log.listen(queue.put_nowait)
        run = asyncio.ensure_future(self.ask(question, limits=limits))
        run.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await run
        finally:
            stop()
            if not run.done():
                run.cancel()
                await asyncio.wait([run])

    async def run(self, code: str, *, timeout: float | None = None) -> tuple[CellId, Execution]:
        """Run the user's own code as a cell of the notebook."""
        timeout = timeout or self.settings.limits.cell_seconds
        async with self._lock:
            return await run_user_code(self._deps, self._memory, code, timeout=timeout)

    async def run_again(self, cell: CellId | None = None) -> None:
        """Run one iteration's cell again, or all of them in order in an emptied kernel.

        Raises:
            InputError: There is no such cell, or it never ran to an end.
        """
        await self.notebook.refresh()
        chosen = [
            entry
            for entry in self.notebook.restore()
            if isinstance(entry, IterationEntry)
            and entry.outcome in ("ok", "error")
            and cell in (None, entry.cell)
        ]
        if not chosen:
            raise InputError(
                "There is no such cell to run again.", "Only cells that ran to an end can be."
            )
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
        return await verify_notebook(
            self.notebook.path,
            sandbox=self.settings.sandbox,
            on_check=on_check,
            host=host,
            book=self.notebook,
        )

    async def restore_branch(
        self, *, on_check: Callable[[CellCheck, int, int], None] | None = None
    ) -> tuple[CellCheck, ...]:
        """Bring the kernel of a branch, which is not started yet, to the state of its notebook.

        Args:
            on_check: Called with each cell's result, how many there were so far, and how many
                there are.

        Returns:
            Each cell's result, compared with what the notebook holds.

        Raises:
            SandboxError, KernelError: The kernel did not start; the next question tries again.
        """

        async def restore(on_cell: OnCell) -> None:
            await restore_kernel_state(
                self._deps, self._memory, timeout=CELL_SECONDS, on_cell=on_cell
            )

        async with self._lock:
            path = Path(self.notebook.path)
            checks = await restore_and_compare(restore, self.notebook.document, path, on_check)
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

    # --- the kernel ----------------------------------------------------------------------------

    def mark_kernel_shared(self) -> None:
        """Check at the next run whether the kernel holds its variables: others may work in it."""
        self._memory.kernel_unsure = True

    async def release_kernel(
        self, state: Literal["died", "restarted", "stopped"], reason: str
    ) -> None:
        """Stop the kernel and emit why; the next run starts one. Waits for a run at work."""
        async with self._lock:
            await self._stop_kernel()
            self._kernel_changed(state, reason)

    async def adopt_kernel(
        self, reason: str, take_over: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Continue in a kernel that the user restarted. Waits for a run at work.

        Args:
            reason: For the event.
            take_over: Has the host keep the kernel when this stops it and return it at the next
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
        """Stop the kernel and release the model. Idempotent.

        A notebook that was made here and got no cell is removed again.
        """
        try:
            await self._kernel.stop()
            await self.notebook.discard_if_empty()
        finally:
            await self._deps.model.aclose()

    # --- inside --------------------------------------------------------------------------------

    def defer_notice(self, code: str, message: str) -> None:
        """Emit a notice when the next question begins."""
        self._deferred.append((code, message))

    async def _stop_kernel(self) -> None:
        await self._kernel.stop()
        self._memory.forget_kernel()

    def _kernel_changed(self, state: Literal["died", "restarted", "stopped"], reason: str) -> None:
        self.log.record(KernelChanged(analysis=self.id, state=state, reason=reason))

    async def _catch_up(self) -> None:
        """Take in what changed outside since the last run, and emit it."""
        changed = await self.catalog.refresh()
        if changed:
            self._memory.reload(changed, self.catalog.setup_code)
            names = ", ".join(changed)
            self.defer_notice("data-changed", f"{names} changed on disk and is loaded again.")
        self._report_problems()
        with suppress(NotebookError):  # the run itself reports a notebook that it cannot use
            await self.notebook.refresh()
        if self._kernel.outdated() or self._kernel_misplaced:
            self._kernel_misplaced = False
            await self._stop_kernel()
        for code, message in self._deferred:
            self.log.notice(self.id, code, message)
        self._deferred.clear()

    async def _note_versions(self) -> None:
        """Write into the notebook with which library versions its cells ran."""
        facts = self._memory.facts
        if facts is not None:
            with suppress(NotebookError):  # the run itself reported what it could not write
                await self.notebook.describe(
                    model=self.model_name, python=facts.python, packages=facts.versions
                )

    def _record_user_execution(self, execution: UserExecution) -> None:
        record_user_execution(self._deps, self._memory, execution)

    def _report_problems(self) -> None:
        """Report, with the next question, files of granted folders that could not be read."""
        for problem in self.catalog.problems:
            if problem not in self._reported_problems:
                self._reported_problems.add(problem)
                path, reason = problem
                self.defer_notice("file-left-out", f"{path} was left out. {reason}")


async def record_grants(
    store: GrantStore, notebook: str, paths: Sequence[str | os.PathLike[str]]
) -> None:
    """Record paths that the user granted to a notebook.

    Raises:
        InputError: The store cannot be used.
    """
    for item in paths:
        try:
            await asyncio.to_thread(store.record, notebook, os.fspath(item), grant_kind(item))
        except GrantStoreError as error:
            raise InputError(str(error)) from error

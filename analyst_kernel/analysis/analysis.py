"""One analysis, wired together: its notebook, kernel, data, model and memory behind one object.

The command line, the Python API and the server all drive this; it is the only place that knows
every real implementation of the core's ports. It renders nothing and speaks no protocol of its own.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.manual.changes import HeardRun
from analyst_kernel.agent.manual.detect import detect_user_run
from analyst_kernel.agent.manual.run import run_by_hand
from analyst_kernel.agent.ports import Execution, Model, User
from analyst_kernel.agent.rebuild import recall
from analyst_kernel.agent.replay import CellArrived, Replay, StateTransfer
from analyst_kernel.agent.restore import arrive
from analyst_kernel.agent.undo import undo_run
from analyst_kernel.analysis.branch import CELL_SECONDS, is_trouble, judged, trouble_text
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.grants import GrantKind, GrantStore, GrantStoreError
from analyst_kernel.kernel.manager import KernelHost, warm_up
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.models.registry import open_model
from analyst_kernel.notebook.storage.names import default_path, free_path, notebook_path
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.port import OperationStore, Writer
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import InputError, NotebookError
from analyst_kernel.protocol.events import Event, NoticeRaised, RunFinished, RunUndone
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_analysis_id
from analyst_kernel.protocol.records import Limits
from analyst_kernel.protocol.sandbox import SandboxLevel

DEFAULT_SANDBOX: SandboxLevel = "restricted"
SANDBOXED = "analyst"
"""The kernelspec whose kernels are the sandbox."""


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """How an analysis is to run.

    Attributes:
        model: ``provider:name``, or ``None`` for the default.
        sandbox: The level below which nothing runs.
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


@dataclass(frozen=True, slots=True)
class Embedding:
    """What a server brings into an analysis that lives in it; the defaults are a lone process's.

    Attributes:
        analysis: Id for a notebook that has none yet.
        log: Where events go, e.g. one that counts on from an earlier life of the server.
        env: Environment variables, with keys that the server keeps; the process's own by default.
        catalog: Holds datasets that were granted before there was a notebook.
        sleep: Waits between two tries of the model.
        writer: Makes who writes the notebook at a path; the file's own writer by default.
        store: Keeps what is to be written into the notebook until it was seen there.
    """

    analysis: AnalysisId | None = None
    log: EventLog | None = None
    env: Mapping[str, str] | None = None
    catalog: LocalCatalog | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    writer: Callable[[Path], Writer] | None = None
    store: OperationStore | None = None


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
        model: Model,
        grants: GrantStore,
        settings: AnalysisSettings,
    ) -> None:
        """Take the parts; use :meth:`open`."""
        self.log = log
        self.notebook = notebook
        self.settings = settings
        self._deps = deps
        self._memory = memory
        self._catalog = catalog
        self._kernel = kernel
        self._model = model
        self._grants = grants
        self._lock = asyncio.Lock()
        self._moved = False
        self._to_tell: list[tuple[str, str]] = []
        self._told_problems: set[tuple[str, str]] = set()
        kernel.foreign.listener = self._detect_user_run

    @classmethod
    async def open(
        cls,
        *,
        notebook: str | os.PathLike[str] | None = None,
        question: str = "analysis",
        data: Sequence[str | os.PathLike[str]] = (),
        settings: AnalysisSettings | None = None,
        user: User | None = None,
        grants: GrantStore | None = None,
        host: KernelHost | None = None,
        embedding: Embedding | None = None,
    ) -> Analysis:
        """Open an analysis on a new or existing notebook.

        Args:
            notebook: Where it is saved. An existing notebook is continued; without a path one is
                named after ``question`` in the working folder, with a number where it is taken.
            question: Only used to name a new notebook.
            data: Files and folders that the user grants.
            settings: How it runs.
            user: Who answers questions and approvals; ``None`` takes the defaults.
            grants: The store of grants; the user's own by default.
            host: Who starts kernels; ``jupyter_client`` by default.
            embedding: What a server brings in.

        Raises:
            InputError: For data, a notebook or a model name that cannot be used; nothing is left
                behind then.
        """
        settings = settings or AnalysisSettings()
        own = embedding or Embedding()
        if settings.kernel_name == SANDBOXED:
            warm_up()  # while the data is read
        store = grants if grants is not None else await _open_store()
        path, exists = _resolve(notebook, question)
        catalog = own.catalog or LocalCatalog(notebook=path)
        lost = await _regrant(catalog, store, path) if exists else ()
        await catalog.grant([os.fspath(item) for item in data])
        model = await open_model(settings.model, env=own.env)
        try:
            book = await (
                StoredNotebook.open(path, analysis=own.analysis, writer=own.writer, store=own.store)
                if exists
                else _create(path, model.name, own)
            )
        except BaseException:
            await model.aclose()
            raise
        await _record_grants(store, path, data)
        log = own.log or EventLog()
        kernel = KernelSession(
            notebook=path,
            kernel_name=settings.kernel_name,
            require=settings.sandbox,
            host=host,
            start_options=dict(settings.start_options),
        )
        deps = AgentDeps(
            analysis=book.analysis,
            model=model,
            kernel=kernel,
            notebook=book,
            catalog=catalog,
            user=user,
            emit=log.record,
            sleep=own.sleep,
        )
        memory = recall(book.restore(), (d.name for d in catalog.datasets))
        memory.runs = int(book.next_run[1:]) - 1  # the number of an undone run is not used again
        analysis = cls(
            deps=deps,
            memory=memory,
            log=log,
            notebook=book,
            catalog=catalog,
            kernel=kernel,
            model=model,
            grants=store,
            settings=settings,
        )
        gone = (f"{path} was granted earlier and is no longer there." for path in lost)
        analysis._to_tell += [("grant-lost", message) for message in gone]
        if store.notice:
            analysis._to_tell.append(("grants-damaged", store.notice))
        analysis._tell_of_problems()
        return analysis

    @property
    def id(self) -> AnalysisId:
        """The id kept in the notebook."""
        return self.notebook.analysis

    @property
    def model_name(self) -> str:
        """``provider:name`` of the model at work."""
        return self._model.name

    @property
    def is_ai(self) -> bool:
        """Whether an AI model is at work."""
        return self._model.is_ai

    @property
    def deps(self) -> AgentDeps:
        """The seams; whoever runs cells with them holds :attr:`exclusive`."""
        return self._deps

    @property
    def memory(self) -> Memory:
        """What lives over all runs."""
        return self._memory

    @property
    def kernel(self) -> KernelSession:
        """The managed kernel."""
        return self._kernel

    @property
    def catalog(self) -> LocalCatalog:
        """The datasets."""
        return self._catalog

    @property
    def grants(self) -> GrantStore:
        """The store of the user's grants."""
        return self._grants

    @property
    def exclusive(self) -> asyncio.Lock:
        """Held by whoever works in the kernel: a run, a cell of the user's, a restart."""
        return self._lock

    def moved(self, notebook: str) -> None:
        """Go on at the notebook's new path; in another folder the next run starts a new kernel."""
        elsewhere = os.path.dirname(notebook) != os.path.dirname(self._kernel.notebook)
        self._kernel.notebook = notebook
        if elsewhere:
            self._catalog.move(notebook)
            for setup in self._memory.setups:
                setup.code = self._catalog.setup_code(setup.names)
            self._moved = True

    async def choose_model(self, model: Model) -> None:
        """Ask ``model`` from the next question on; a run at work keeps its own to its end."""
        async with self._lock:
            before, self._model = self._model, model
            self._deps = replace(self._deps, model=model)
            await before.aclose()

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What was granted so far."""
        return tuple(self._catalog.datasets)

    async def grant(self, paths: Sequence[str | os.PathLike[str]]) -> tuple[Dataset, ...]:
        """Let the analysis read more files; the user's act.

        Where the living kernel cannot be given them, the next run starts a new one and replays.

        Raises:
            DataError: A file cannot be read as data; nothing was granted.
        """
        added = await self._catalog.grant([os.fspath(path) for path in paths])
        await _record_grants(self._grants, self.notebook.path, paths)
        self._tell_of_problems()
        if not await self._kernel.admit([os.path.realpath(path) for path in paths]):
            async with self._lock:  # a run at work keeps its kernel to its end
                await self._kernel.stop()
                self._memory.forget_kernel()
        return added

    async def ask(self, question: str, *, limits: Limits | None = None) -> RunFinished:
        """Answer one question; events go to :attr:`log`. Waits for a run at work to end first.

        Cancelling ends the run ``cancelled``, with everything so far saved and the kernel idle.
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
                approve=self.settings.approve,
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
        async with self._lock:
            return await run_by_hand(
                self._deps,
                self._memory,
                code,
                timeout=timeout or self.settings.limits.cell_seconds,
            )

    async def bring_state(
        self,
        *,
        transfer: StateTransfer | None = None,
        on_check: Callable[[CellCheck, int, int], None] | None = None,
    ) -> tuple[CellCheck, ...]:
        """Bring the kernel of a branch, which is not started yet, to the state of its notebook.

        Args:
            transfer: How it comes; by running the cells again, by default.
            on_check: Called with what became of a cell, how many there were, how many there are.

        Returns:
            What became of each cell, compared with what the notebook holds.

        Raises:
            SandboxError, KernelError: The kernel did not come up; the next question tries again.
        """
        checks: list[CellCheck] = []
        path = Path(self.notebook.path)

        async def judge(arrived: CellArrived) -> None:
            check = await judged(self.notebook.document, path, arrived)
            checks.append(check)
            if on_check is not None:
                on_check(check, arrived.number, arrived.of)

        async with self._lock:
            await arrive(
                self._deps, self._memory, transfer or Replay(),
                timeout=CELL_SECONDS, on_cell=judge,
            )  # fmt: skip
            for check in checks:
                if is_trouble(check):
                    self._notice("branch-differs", trouble_text(check))
        return tuple(checks)

    async def undo(self, run: RunId, *, roll_back: bool = False) -> RunUndone:
        """Take a whole run out of the notebook; see :func:`analyst_kernel.agent.undo.undo_run`."""
        async with self._lock:
            return await undo_run(
                self._deps,
                self._memory,
                run,
                roll_back=roll_back,
                timeout=self.settings.limits.cell_seconds,
            )

    async def close(self) -> None:
        """Stop the kernel and release the model; harmless when closed.

        A notebook that was made here and got no cell is removed again.
        """
        try:
            await self._kernel.stop()
            await self.notebook.discard_if_empty()
        finally:
            await self._model.aclose()

    async def _catch_up(self) -> None:
        """Take in what happened outside since the last run, and tell the user."""
        changed = await self._catalog.refresh()
        if changed:
            self._memory.reload(changed, self._catalog.setup_code)
            names = ", ".join(changed)
            self._to_tell.append(("data-changed", f"{names} changed on disk and is loaded again."))
        self._tell_of_problems()
        with suppress(NotebookError):  # the run itself tells of a notebook it cannot use
            await self.notebook.refresh()
        if self._kernel.outdated() or self._moved:
            self._moved = False
            await self._kernel.stop()
            self._memory.forget_kernel()
        for code, message in self._to_tell:
            self._notice(code, message)
        self._to_tell.clear()

    async def _note_versions(self) -> None:
        """Write into the notebook with which library versions its cells ran."""
        facts = self._memory.facts
        if facts is not None:
            with suppress(NotebookError):  # the run itself told of a notebook it could not write
                await self.notebook.describe(
                    model=self.model_name, python=facts.python, packages=facts.versions
                )

    def _detect_user_run(self, heard: HeardRun) -> None:
        detect_user_run(self._deps, self._memory, heard)

    def _tell_of_problems(self) -> None:
        """Keep, for the next question, what in granted folders could not be read."""
        for problem in self._catalog.problems:
            if problem not in self._told_problems:
                self._told_problems.add(problem)
                path, reason = problem
                self._to_tell.append(("file-left-out", f"{path} was left out. {reason}"))

    def _notice(self, code: str, message: str) -> None:
        self.log.record(NoticeRaised(analysis=self.id, level="warning", code=code, message=message))


def _resolve(notebook: str | os.PathLike[str] | None, question: str) -> tuple[str, bool]:
    """Return the notebook's absolute path and whether it is there to be continued."""
    if notebook is None:
        return str(free_path(default_path(question))), False
    path = notebook_path(notebook)
    return str(path), path.exists()


async def _create(path: str, model: str, own: Embedding) -> StoredNotebook:
    return await StoredNotebook.create(
        path,
        analysis=own.analysis or new_analysis_id(),
        model=model,
        # JupyterLab would add it on opening, and call the notebook changed for it.
        python=platform.python_version(),
        writer=own.writer,
        store=own.store,
    )


async def _regrant(catalog: LocalCatalog, store: GrantStore, path: str) -> tuple[str, ...]:
    """Grant again what the user granted to this notebook earlier; return what is gone."""
    lost: list[str] = []
    for grant in await asyncio.to_thread(store.for_notebook, path):
        if not os.path.exists(grant.path):
            lost.append(grant.path)
            continue
        await catalog.grant([grant.path])
    return tuple(lost)


async def _open_store() -> GrantStore:
    try:
        return await asyncio.to_thread(GrantStore)
    except GrantStoreError as error:
        raise InputError(str(error)) from error


async def _record_grants(
    store: GrantStore, notebook: str, paths: Sequence[str | os.PathLike[str]]
) -> None:
    for item in paths:
        kind: GrantKind = "folder" if os.path.isdir(item) else "file"
        try:
            await asyncio.to_thread(store.record, notebook, os.fspath(item), kind)
        except GrantStoreError as error:
            raise InputError(str(error)) from error

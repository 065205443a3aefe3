"""The Python API: ``async with Analyst() as analyst`` and the blocking :func:`ask`.

A thin layer over :class:`analyst_kernel.analysis.analysis.Analysis`. Importing it starts nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.observation.cell import charts_of
from analyst_kernel.agent.ports import User
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import open_analysis
from analyst_kernel.analysis.branch import discard, is_trouble, make_branch
from analyst_kernel.analysis.results import CellResult, Chart, Result
from analyst_kernel.analysis.settings import DEFAULT_SANDBOX, AnalysisSettings
from analyst_kernel.grants import GrantStore
from analyst_kernel.notebook.branch import branch_name
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.protocol.errors import AnalystError, InputError
from analyst_kernel.protocol.events import Event, RunFinished
from analyst_kernel.protocol.records import Limits, PrivacyMode
from analyst_kernel.protocol.sandbox import SandboxLevel

PathLike: TypeAlias = str | os.PathLike[str]


class Analyst:
    """An analysis that is open as long as the ``async with`` block.

    Example::

        async with Analyst(model="offline:rules") as analyst:
            result = await analyst.ask("How did mileage change?", data=["vehicles.csv"])
            more = await analyst.ask("Only for Toyota")

    Args:
        model: ``provider:name``; None takes the default (Anthropic if credentials are found, else
            the built-in rules).
        sandbox: The level of isolation below which nothing runs.
        limits: Of each run.
        approve: Whether each cell waits for ``user``.
        privacy: What of the data the model may see: ``full``, ``no-values`` or ``schema-only``;
            None for what the notebook's analysis used last.
        instructions: Markdown files with rules for every question, beside the user's own.
        user: Who answers questions and approvals; None takes the offered defaults.
        allow_packages: Whether packages that the kernel lacks are fetched without asking ``user``.
        on_event: Called with every event as it happens; must not block.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        sandbox: SandboxLevel = DEFAULT_SANDBOX,
        limits: Limits | None = None,
        approve: bool = False,
        privacy: PrivacyMode | None = None,
        instructions: Sequence[PathLike] | PathLike = (),
        user: User | None = None,
        on_event: Callable[[Event], None] | None = None,
        allow_packages: bool = False,
    ) -> None:
        self._settings = AnalysisSettings(
            model=model,
            sandbox=sandbox,
            limits=limits or Limits(),
            approve=approve,
            privacy=privacy,
            instructions=tuple(os.fspath(path) for path in _listed(instructions)),
            packages=PackagePolicy("allow" if allow_packages else "ask"),
        )
        self._user = user
        self._on_event = on_event
        self._analysis: Analysis | None = None
        self._not_reproduced: tuple[CellCheck, ...] = ()

    async def __aenter__(self) -> Analyst:
        """Return self."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the kernel; the notebook stays."""
        await self.close()

    async def close(self) -> None:
        """Stop the kernel and release the model; the notebook stays. Idempotent."""
        analysis, self._analysis = self._analysis, None
        if analysis is not None:
            await analysis.close()

    async def ask(
        self,
        question: str,
        *,
        data: Sequence[PathLike] | PathLike = (),
        connections: Sequence[str] = (),
        notebook: PathLike | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """Ask a question; the same kernel and notebook serve every question of the block.

        Args:
            question: In plain words.
            data: Files or folders to grant, in addition to those granted before.
            connections: Databases of ``analyst connections`` to attach; with the first question.
            notebook: Where to save; only the first call may choose. An existing one is continued.
            limits: For this run only.

        Returns:
            The answer with its findings, charts, iterations and usage. A provider that failed or a
            budget that is used up shows in ``status`` and raises nothing.

        Raises:
            InputError: The data, notebook or model cannot be used.
            SandboxError: The required isolation is not available; nothing ran.
            KernelError: The kernel did not start.
        """
        analysis = await self._open(question, _listed(data), notebook, connections=connections)
        return Result.of(await analysis.ask(question, limits=limits))

    async def stream(
        self,
        question: str,
        *,
        data: Sequence[PathLike] | PathLike = (),
        connections: Sequence[str] = (),
        notebook: PathLike | None = None,
        limits: Limits | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Ask a question and yield its events; the last one is ``RunFinished``.

        Leaving the iteration early cancels the run; under ``contextlib.aclosing`` it is over then.
        """
        analysis = await self._open(question, _listed(data), notebook, connections=connections)
        async with aclosing(analysis.stream(question, limits=limits)) as events:
            async for event in events:
                yield event

    async def run(self, code: str, *, timeout: float | None = None) -> CellResult:
        """Run your own code in the analysis's kernel; it becomes a cell of the notebook.

        Before the first question it opens an analysis without data.

        Raises:
            SandboxError: The required isolation is not available; nothing ran.
            KernelError: The kernel did not start.
        """
        analysis = self._analysis or await self._open("my own cells", (), None)
        cell, execution = await analysis.run(code, timeout=timeout)
        charts = charts_of(execution.outputs, cell=cell, iteration=0, title="")
        return CellResult(
            outcome=execution.outcome,
            outputs=execution.outputs,
            error=execution.error,
            charts=tuple(Chart.of(chart) for chart in charts),
            frames=execution.frames,
            cell=cell,
            seconds=execution.seconds,
        )

    async def branch(self, at: str | None = None, *, notebook: PathLike | None = None) -> Analyst:
        """Start a new analysis from a cell of this one; both go on, each in a kernel of its own.

        Example::

            async with await analyst.branch("3f2a90c1d4e7") as other:
                await other.ask("The same, for Toyota only")

        The new notebook holds the cells up to and including ``at``, which run again in its kernel.
        Cells that no longer reproduce are in :attr:`not_reproduced`; each is reported by a notice.

        Args:
            at: Id of the last cell to take over (``CellResult.cell``, ``Result.iterations``); the
                last cell of the notebook by default.
            notebook: Where to save it; beside this one by default. A name that is taken gets a
                number.

        Raises:
            InputError: There is no such cell, or nothing was asked yet.
            SandboxError, KernelError: No kernel started; nothing is left behind.
        """
        analysis = self._analysis
        if analysis is None or not analysis.notebook.document["cells"]:
            raise InputError("There is nothing to branch from yet.", "Ask a question first.")
        path = Path(analysis.notebook.path)
        made = await make_branch(
            path,
            at=at or analysis.notebook.document["cells"][-1]["id"],
            to=notebook or branch_name(path),
            grants=analysis.grants,
        )
        other = Analyst(user=self._user, on_event=self._on_event)
        other._settings = replace(analysis.settings, model=analysis.model.name)
        try:
            await other._open("", (), made.path, analysis.grants)
            assert other._analysis is not None
            checks = await other._analysis.restore_branch()
        except BaseException:
            await finish_despite_cancel(other.close())
            await finish_despite_cancel(discard(made, analysis.grants))
            raise
        other._not_reproduced = tuple(check for check in checks if is_trouble(check))
        return other

    @property
    def not_reproduced(self) -> tuple[CellCheck, ...]:
        """Cells that did not reproduce when this branch was made; empty if this is no branch."""
        return self._not_reproduced

    @property
    def notebook(self) -> str | None:
        """Absolute path of the notebook, or None before it is made."""
        return self._analysis.notebook.path if self._analysis is not None else None

    async def _open(
        self,
        question: str,
        data: Sequence[PathLike],
        notebook: PathLike | None,
        grants: GrantStore | None = None,
        connections: Sequence[str] = (),
    ) -> Analysis:
        if self._analysis is not None:
            if connections:
                raise InputError(
                    "Databases are attached with the first question.",
                    "Open another Analyst, on the same notebook if you like.",
                )
            saved = self._analysis.notebook.path
            if notebook is not None and str(notebook_path(notebook)) != saved:
                raise InputError(
                    f"This analysis is saved in {saved}, not in {notebook}.",
                    "Open another Analyst for another notebook.",
                )
            if data:
                await self._analysis.grant(data)
            return self._analysis
        self._analysis = await open_analysis(
            notebook=notebook,
            question=question,
            data=data,
            connections=connections,
            settings=self._settings,
            user=self._user,
            grants=grants,
        )
        if self._on_event is not None:
            self._analysis.log.listen(self._on_event)
        return self._analysis


def ask(
    question: str,
    *,
    data: Sequence[PathLike] | PathLike = (),
    notebook: PathLike | None = None,
    model: str | None = None,
    sandbox: SandboxLevel = DEFAULT_SANDBOX,
    limits: Limits | None = None,
) -> Result:
    """Ask one question and wait for the answer; :meth:`Analyst.ask` without ``async``.

    Works inside a running event loop too (in a notebook), because it uses a thread of its own.
    """

    async def once() -> Result:
        async with Analyst(model, sandbox=sandbox, limits=limits) as analyst:
            return await analyst.ask(question, data=data, notebook=notebook)

    outcome: list[Result | BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(once()))
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread below
            outcome.append(error)

    # A thread of its own, also without a running loop: the kernel ends with the thread that started
    # it, so that thread must run exactly as long as the analysis.
    thread = threading.Thread(target=work, name="analyst-kernel-ask", daemon=True)
    thread.start()
    thread.join()
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


def _listed(data: Sequence[PathLike] | PathLike) -> Sequence[PathLike]:
    return [data] if isinstance(data, str | os.PathLike) else data


__all__ = ["Analyst", "AnalystError", "RunFinished", "ask"]

"""What an analysis does, one job after the other: a question, the user's code, a check..."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass

from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.protocol.errors import AnalystError, NotebookError
from analyst_kernel.protocol.events import (
    BranchAdvanced,
    BranchFinished,
    CellVerified,
    Event,
    RunStarted,
    VerificationFinished,
    VerificationStarted,
)
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.records import Limits
from analyst_kernel.server.session.base import BaseSession

_BRANCH_STOPPED = "It was stopped. The next question runs these cells first."


class Job(ABC):
    """One job. Cancelling it stops what it does and leaves the analysis usable."""

    question: str = ""
    """The text, if the job answers a question."""

    @abstractmethod
    async def run(self, session: BaseSession) -> None:
        """Do it to its end.

        Raises:
            AnalystError: It could not be done, and no event says so yet.
        """


@dataclass(frozen=True)
class Question(Job):
    """A question, answered with the model and the approval mode that are chosen when it begins."""

    question: str
    limits: Limits | None = None

    async def run(self, session: BaseSession) -> None:
        """Answer it."""
        analysis = await session.opened(self.question)
        await _use_chosen_model(session, analysis)
        _check_shared_kernel(session, analysis)
        mode = session.approval
        session.user.wants_plan = mode == "plan"
        started: list[Event] = []

        def listen(event: Event) -> None:
            if isinstance(event, RunStarted):
                started.append(event)

        stop = session.log.listen(listen)
        try:
            limits = _limits_for(session, self.limits)
            await analysis.ask(self.question, limits=limits, approve=mode == "cells")
        except AnalystError:
            if not started:
                raise  # otherwise the end of the run says why
        except asyncio.CancelledError:
            if not started:
                session.notice("not-begun", "The question was stopped before its run began.")
            raise
        finally:
            stop()


@dataclass(frozen=True)
class OwnCode(Job):
    """The user's own code."""

    code: str

    async def run(self, session: BaseSession) -> None:
        """Run it as a cell."""
        analysis = await session.opened()
        _check_shared_kernel(session, analysis)
        await analysis.run(self.code)


@dataclass(frozen=True)
class Repetition(Job):
    """One cell again, or all of them in order if ``cell`` is None."""

    cell: CellId | None

    async def run(self, session: BaseSession) -> None:
        """Run the cells."""
        analysis = await session.opened()
        _check_shared_kernel(session, analysis)
        await analysis.run_again(self.cell)


@dataclass(frozen=True)
class Undoing(Job):
    """A whole run taken out of the notebook, and with ``roll_back`` out of the kernel."""

    target: RunId
    roll_back: bool

    async def run(self, session: BaseSession) -> None:
        """Undo it."""
        analysis = await session.opened()
        await analysis.undo(self.target, roll_back=self.roll_back)


@dataclass(frozen=True)
class Verification(Job):
    """The whole notebook in a fresh kernel."""

    async def run(self, session: BaseSession) -> None:
        """Run it and emit for each cell whether it reproduced."""
        analysis = await session.opened()
        await analysis.notebook.refresh()
        cells = [c for c in analysis.notebook.document["cells"] if c["cell_type"] == "code"]
        if not cells:
            raise NotebookError("There is no code to verify yet.", "Ask a question first.")
        session.emit(VerificationStarted(analysis=session.id, cells=len(cells)))

        def emit(check: CellCheck) -> None:
            session.emit(
                CellVerified(
                    analysis=session.id, cell=check.cell, verdict=check.verdict, detail=check.detail
                )
            )

        reproduced, total, reason = 0, len(cells), "It was stopped."
        try:
            report = await analysis.verify(host=session.services.host(), on_check=emit)
            reproduced, total, reason = report.reproduced, report.total, ""
        except AnalystError as error:
            reason = str(error)
        finally:
            session.emit(
                VerificationFinished(
                    analysis=session.id, reproduced=reproduced, total=total, reason=reason
                )
            )


@dataclass(frozen=True)
class BranchState(Job):
    """The kernel of a new branch, brought to the state of its notebook.

    When this is cancelled or fails, the branch stays usable; its next question runs the cells.

    Attributes:
        cells: How many cells make the state.
    """

    cells: int

    async def run(self, session: BaseSession) -> None:
        """Run the cells and emit for each one whether it reproduced."""
        checks: list[CellCheck] = []

        def emit(check: CellCheck, number: int, of: int) -> None:
            checks.append(check)
            session.emit(
                BranchAdvanced(
                    analysis=session.id, cell=check.cell, place=number,
                    verdict=check.verdict, detail=check.detail,
                )
            )  # fmt: skip

        total, reason = self.cells, _BRANCH_STOPPED
        try:
            analysis = await session.opened()
            await analysis.restore_branch(on_check=emit)
            total, reason = sum(check.verdict != "skipped" for check in checks), ""
        except AnalystError as error:
            reason = str(error)
        finally:
            reproduced = sum(check.verdict == "reproduced" for check in checks)
            session.emit(
                BranchFinished(
                    analysis=session.id, reproduced=reproduced, total=total, reason=reason
                )
            )


def _check_shared_kernel(session: BaseSession, analysis: Analysis) -> None:
    """Have the next run check the kernel if a notebook tab or a console may have worked in it."""
    if session.host.is_shared:
        analysis.mark_kernel_shared()


async def _use_chosen_model(session: BaseSession, analysis: Analysis) -> None:
    """Change to the chosen model, opened with the key that is stored now."""
    models = session.services.models
    await models.look()
    if analysis.model.name == session.model and session.key_version == models.version:
        return
    model = await models.open(session.model)
    session.key_version = models.version
    changed = model.name != analysis.model.name
    await analysis.choose_model(model)
    if changed:
        session.configure()


def _limits_for(session: BaseSession, wanted: Limits | None) -> Limits:
    """Return a question's limits, with the chosen budget and what the administrator locked."""
    settings = session.services.settings
    limits = wanted or settings.limits
    if session.record.budget_usd is not None and limits.cost_usd is None:
        limits = limits.model_copy(update={"cost_usd": session.record.budget_usd})
    budget = settings.locked.get("budget_usd")
    if isinstance(budget, int | float):
        least = min(float(budget), limits.cost_usd or float(budget))
        limits = limits.model_copy(update={"cost_usd": least})
    most = settings.locked.get("max_iterations")
    if isinstance(most, int):
        limits = limits.model_copy(update={"iterations": min(most, limits.iterations)})
    return limits

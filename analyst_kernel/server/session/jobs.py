"""How the jobs of an analysis are done: a question, the user's code, cells again, a check."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from analyst_kernel.agent.manual.run import run_again
from analyst_kernel.agent.ports import IterationEntry
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.verify import verify_notebook
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.protocol.errors import AnalystError, InputError, NotebookError
from analyst_kernel.protocol.events import (
    CellVerified,
    Event,
    KernelChanged,
    RunStarted,
    VerificationFinished,
    VerificationStarted,
)
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import Limits
from analyst_kernel.server.kernels import ServerHost
from analyst_kernel.server.session.queue import (
    BranchState,
    Job,
    OwnCode,
    Question,
    Repetition,
    Undoing,
    Verification,
)

if TYPE_CHECKING:
    from analyst_kernel.server.session.session import AnalysisSession
from typing import TYPE_CHECKING

from analyst_kernel.protocol.events import BranchAdvanced, BranchFinished

if TYPE_CHECKING:
    from analyst_kernel.server.session.session import AnalysisSession


async def do(session: AnalysisSession, job: Job) -> None:
    """Do one job to its end.

    Raises:
        AnalystError: It could not be done, and nothing told the user so yet.
    """
    match job:
        case Question():
            await answer(session, job)
        case OwnCode(code):
            analysis = await session.opened()
            _prepare(session, analysis)
            await analysis.run(code)
        case Repetition(cell):
            await repeat(session, cell)
        case Verification():
            await check(session)
        case BranchState():
            await bring_branch(session, job)
        case Undoing(run, roll_back):
            analysis = await session.opened()
            await analysis.undo(run, roll_back=roll_back)
        case _:
            assert_never(job)


async def answer(session: AnalysisSession, question: Question) -> None:
    """Answer a question with the model and the approval that hold now."""
    analysis = await session.opened(question.text)
    await use_model(session, analysis)
    _prepare(session, analysis)
    mode = session.approval
    session.user.wants_plan = mode == "plan"
    analysis.settings = replace(analysis.settings, approve=mode == "cells")
    begun: list[Event] = []

    def heard(event: Event) -> None:
        if isinstance(event, RunStarted):
            begun.append(event)

    stop = session.log.listen(heard)
    try:
        await analysis.ask(question.text, limits=limits_for(session, question.limits))
    except AnalystError:
        if not begun:
            raise  # else the run's own end told it
    except asyncio.CancelledError:
        if not begun:
            session.notice("not-begun", "The question was stopped before its run began.")
        raise
    finally:
        stop()


async def use_model(session: AnalysisSession, analysis: Analysis) -> None:
    """Change to the model that is wanted now, and to its present key."""
    models = session.services.models
    await models.look()
    if analysis.model_name == session.model and session.key_version == models.version:
        return
    model = await models.open(session.model)
    session.key_version = models.version
    changed = model.name != analysis.model_name
    await analysis.choose_model(model)
    if changed:
        session.configure()


def limits_for(session: AnalysisSession, wanted: Limits | None) -> Limits:
    """Return a question's limits, with the budget chosen and what the administrator fixed."""
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


async def repeat(session: AnalysisSession, cell: CellId | None) -> None:
    """Run one iteration's cell again, or all of them in order in an emptied kernel."""
    analysis = await session.opened()
    await analysis.notebook.refresh()
    ran = [
        entry
        for entry in analysis.notebook.restore()
        if isinstance(entry, IterationEntry) and entry.outcome in ("ok", "error")
    ]
    chosen = ran if cell is None else [entry for entry in ran if entry.cell == cell]
    if not chosen:
        raise InputError(
            "There is no such cell to run again.", "Only cells that ran to an end can be."
        )
    _prepare(session, analysis)
    async with analysis.exclusive:
        if cell is None and analysis.memory.facts is not None:
            await analysis.kernel.restart()
            analysis.memory.empty_kernel()
            reason = "Emptied, to run every cell again."
            session.tell(KernelChanged(analysis=session.id, state="restarted", reason=reason))
        edited = [e for e in chosen if analysis.notebook.is_edited(e.cell)]
        if edited:
            which = ", ".join(f"cell {e.iteration}" for e in edited if e.iteration)
            session.notice(
                "edited-cell-runs", f"Runs as you edited it in the notebook: {which}.", level="info"
            )
        for entry in chosen:
            await run_again(
                analysis.deps, analysis.memory, entry,
                timeout=analysis.settings.limits.cell_seconds,
            )  # fmt: skip


async def check(session: AnalysisSession) -> None:
    """Run the notebook in a fresh kernel and tell cell by cell what reproduced."""
    analysis = await session.opened()
    await analysis.notebook.refresh()
    cells = [c for c in analysis.notebook.document["cells"] if c["cell_type"] == "code"]
    if not cells:
        raise NotebookError("There is no code to verify yet.", "Ask a question first.")
    session.tell(VerificationStarted(analysis=session.id, cells=len(cells)))

    def checked(found: CellCheck) -> None:
        session.tell(
            CellVerified(
                analysis=session.id, cell=found.cell, verdict=found.verdict, detail=found.detail
            )
        )

    services = session.services
    reproduced, total, reason = 0, len(cells), "It was stopped."
    try:
        report = await verify_notebook(
            analysis.notebook.path,
            sandbox=services.settings.sandbox,
            on_check=checked,
            host=ServerHost(services.kernels, services.sessions),
            book=analysis.notebook,
        )
        reproduced, total, reason = report.reproduced, report.total, ""
    except AnalystError as error:
        reason = str(error)
    finally:
        session.tell(
            VerificationFinished(
                analysis=session.id, reproduced=reproduced, total=total, reason=reason
            )
        )


def _prepare(session: AnalysisSession, analysis: Analysis) -> None:
    """Have the next run look at the kernel anew where somebody else may have worked in it."""
    if session.host.is_shared:
        analysis.memory.kernel_unsure = True


STOPPED = "It was stopped. The next question runs these cells first."


async def bring_branch(session: AnalysisSession, job: BranchState) -> None:
    """Do the job to its end; cancelled or failed, the branch stays usable without a kernel."""
    checks: list[CellCheck] = []

    def told(check: CellCheck, number: int, of: int) -> None:
        checks.append(check)
        session.tell(
            BranchAdvanced(
                analysis=session.id, cell=check.cell, place=number,
                verdict=check.verdict, detail=check.detail,
            )
        )  # fmt: skip

    total, reason = job.cells, STOPPED
    try:
        analysis = await session.opened()
        await analysis.bring_state(on_check=told)
        total, reason = sum(check.verdict != "skipped" for check in checks), ""
    except AnalystError as error:
        reason = str(error)
    finally:
        reproduced = sum(check.verdict == "reproduced" for check in checks)
        session.tell(
            BranchFinished(analysis=session.id, reproduced=reproduced, total=total, reason=reason)
        )

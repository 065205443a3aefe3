"""How the jobs of an analysis are done: a question, the person's code, cells again, a check."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from analyst_kernel.agent.by_hand import run_again
from analyst_kernel.agent.errors import AnalystError, InputError, NotebookError
from analyst_kernel.agent.ports import IterationEntry
from analyst_kernel.analysis import Analysis
from analyst_kernel.notebook.verify import CellCheck
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
from analyst_kernel.server.bringing import bring_branch
from analyst_kernel.server.jobs import (
    BranchState,
    Job,
    OwnCode,
    Question,
    Repetition,
    Undoing,
    Verification,
)
from analyst_kernel.server.kernel_host import ServerHost
from analyst_kernel.verification import verify_notebook

if TYPE_CHECKING:
    from analyst_kernel.server.living import LivingAnalysis


async def do(living: LivingAnalysis, job: Job) -> None:
    """Do one job to its end.

    Raises:
        AnalystError: It could not be done, and nothing told the person so yet.
    """
    match job:
        case Question():
            await answer(living, job)
        case OwnCode(code):
            analysis = await living.opened()
            _prepare(living, analysis)
            await analysis.run(code)
        case Repetition(cell):
            await repeat(living, cell)
        case Verification():
            await check(living)
        case BranchState():
            await bring_branch(living, job)
        case Undoing(run, roll_back):
            analysis = await living.opened()
            await analysis.undo(run, roll_back=roll_back)
        case _:
            assert_never(job)


async def answer(living: LivingAnalysis, question: Question) -> None:
    """Answer a question with the model and the approval that hold now."""
    analysis = await living.opened(question.text)
    await use_model(living, analysis)
    _prepare(living, analysis)
    mode = living.approval
    living.person.wants_plan = mode == "plan"
    analysis.settings = replace(analysis.settings, approve=mode == "cells")
    begun: list[Event] = []

    def heard(event: Event) -> None:
        if isinstance(event, RunStarted):
            begun.append(event)

    stop = living.log.listen(heard)
    try:
        await analysis.ask(question.text, limits=limits_for(living, question.limits))
    except AnalystError:
        if not begun:
            raise  # else the run's own end told it
    except asyncio.CancelledError:
        if not begun:
            living.notice("not-begun", "The question was stopped before its run began.")
        raise
    finally:
        stop()


async def use_model(living: LivingAnalysis, analysis: Analysis) -> None:
    """Change to the model that is wanted now, and to its present key."""
    models = living.around.models
    await models.look()
    if analysis.model_name == living.model and living.key_version == models.version:
        return
    model = await models.open(living.model)
    living.key_version = models.version
    changed = model.name != analysis.model_name
    await analysis.choose_model(model)
    if changed:
        living.configure()


def limits_for(living: LivingAnalysis, wanted: Limits | None) -> Limits:
    """Return a question's limits, with the budget chosen and what the administrator fixed."""
    settings = living.around.settings
    limits = wanted or settings.limits
    if living.record.budget_usd is not None and limits.cost_usd is None:
        limits = limits.model_copy(update={"cost_usd": living.record.budget_usd})
    budget = settings.locked.get("budget_usd")
    if isinstance(budget, int | float):
        least = min(float(budget), limits.cost_usd or float(budget))
        limits = limits.model_copy(update={"cost_usd": least})
    most = settings.locked.get("max_iterations")
    if isinstance(most, int):
        limits = limits.model_copy(update={"iterations": min(most, limits.iterations)})
    return limits


async def repeat(living: LivingAnalysis, cell: CellId | None) -> None:
    """Run one iteration's cell again, or all of them in order in an emptied kernel."""
    analysis = await living.opened()
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
    _prepare(living, analysis)
    async with analysis.exclusive:
        if cell is None and analysis.memory.facts is not None:
            await analysis.kernel.restart()
            analysis.memory.empty_kernel()
            reason = "Emptied, to run every cell again."
            living.tell(KernelChanged(analysis=living.id, state="restarted", reason=reason))
        edited = [e for e in chosen if analysis.notebook.is_edited(e.cell)]
        if edited:
            which = ", ".join(f"cell {e.iteration}" for e in edited if e.iteration)
            living.notice(
                "edited-cell-runs", f"Runs as you edited it in the notebook: {which}.", level="info"
            )
        for entry in chosen:
            await run_again(
                analysis.bench, analysis.memory, entry,
                timeout=analysis.settings.limits.cell_seconds,
            )  # fmt: skip


async def check(living: LivingAnalysis) -> None:
    """Run the notebook in a fresh kernel and tell cell by cell what reproduced."""
    analysis = await living.opened()
    await analysis.notebook.refresh()
    cells = [c for c in analysis.notebook.document["cells"] if c["cell_type"] == "code"]
    if not cells:
        raise NotebookError("There is no code to verify yet.", "Ask a question first.")
    living.tell(VerificationStarted(analysis=living.id, cells=len(cells)))

    def checked(found: CellCheck) -> None:
        living.tell(
            CellVerified(
                analysis=living.id, cell=found.cell, verdict=found.verdict, detail=found.detail
            )
        )

    around = living.around
    reproduced, total, reason = 0, len(cells), "It was stopped."
    try:
        report = await verify_notebook(
            analysis.notebook.path,
            sandbox=around.settings.sandbox,
            on_check=checked,
            host=ServerHost(around.kernels, around.sessions),
            book=analysis.notebook,
        )
        reproduced, total, reason = report.reproduced, report.total, ""
    except AnalystError as error:
        reason = str(error)
    finally:
        living.tell(
            VerificationFinished(
                analysis=living.id, reproduced=reproduced, total=total, reason=reason
            )
        )


def _prepare(living: LivingAnalysis, analysis: Analysis) -> None:
    """Have the next run look at the kernel anew where somebody else may have worked in it."""
    if living.host.is_shared:
        analysis.memory.kernel_unsure = True

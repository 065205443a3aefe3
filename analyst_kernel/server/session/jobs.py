"""What an analysis does, one job after the other: a question, the user's code, a check...

A job runs to its end. Cancelling it stops what it does and leaves the analysis usable. It raises an
``AnalystError`` if it could not be done and no event says so yet.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.behind import changes_behind
from analyst_kernel.analysis.freshness import runs_again
from analyst_kernel.analysis.verify import data_changes
from analyst_kernel.notebook.export.export import read
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.protocol.errors import AnalystError, NotebookError
from analyst_kernel.protocol.events import (
    BranchAdvanced,
    BranchFinished,
    CellVerified,
    DatasetProfiled,
    VerificationFinished,
    VerificationStarted,
)
from analyst_kernel.protocol.freshness import (
    CellRefreshed,
    DataChange,
    RefreshFinished,
    RefreshStarted,
)
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.records import Limits
from analyst_kernel.server.session.base import BaseSession

LOCKED_MONEY = {
    "cost_usd": "budget_usd",
    "analysis_usd": "analysis_budget_usd",
    "day_usd": "day_budget_usd",
}
"""The limits in money, and the settings by which an administrator locks them."""


async def answer(session: BaseSession, question: str, limits: Limits | None) -> None:
    """Answer a question with the model and the approval mode that are chosen when this begins."""
    analysis = await session.opened(question)
    await _use_chosen_model(session, analysis)
    session.check_shared_kernel()
    mode = session.approval
    session.user.wants_plan = mode == "plan"
    asked = session.record.questions  # counted when a run starts
    try:
        limits = _limits_for(session, limits)
        await analysis.ask(question, limits=limits, approve=mode == "cells")
    except AnalystError:
        if session.record.questions == asked:
            raise  # otherwise the end of the run says why
    except asyncio.CancelledError:
        if session.record.questions == asked:
            session.notice("not-begun", "The question was stopped before its run began.")
        raise


async def run_code(session: BaseSession, code: str) -> None:
    """Run the user's own code as a cell."""
    analysis = await session.opened()
    session.check_shared_kernel()
    await analysis.run(code)


async def run_again(session: BaseSession, cell: CellId | None) -> None:
    """Run one cell again, or all of them in order if ``cell`` is None."""
    analysis = await session.opened()
    session.check_shared_kernel()
    await analysis.run_again(cell)


async def undo(session: BaseSession, run: RunId, roll_back: bool) -> None:
    """Take a whole run out of the notebook, and with ``roll_back`` out of the kernel."""
    analysis = await session.opened()
    await analysis.undo(run, roll_back=roll_back)


async def verify(session: BaseSession) -> None:
    """Run the notebook in a fresh kernel and emit for each cell whether it reproduced."""
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
        for sentence in await data_changes(analysis.notebook.path, session.services.grants):
            session.notice("data-changed", sentence)
    except AnalystError as error:
        reason = str(error)
    finally:
        session.emit(
            VerificationFinished(
                analysis=session.id, reproduced=reproduced, total=total, reason=reason
            )
        )


async def changes_of(session: BaseSession) -> tuple[DataChange, ...]:
    """Return which data changed since it was answered from, without opening an analysis for it."""
    if session.analysis is not None:
        document, contents = session.analysis.notebook.document, session.analysis.catalog.contents
    else:
        try:
            document = await asyncio.to_thread(read, Path(session.record.notebook))
        except NotebookError:
            return ()  # the next question reports it
        contents = session.contents
    path = session.record.notebook
    granted = await asyncio.to_thread(
        session.services.grants.for_notebook, path, analysis=session.id
    )
    return await changes_behind(document, path, granted, contents)


async def refresh(session: BaseSession) -> None:
    """Compute the answers again on the data as they are now, and emit what became of each."""
    analysis = await session.opened()
    report, reason = None, "It was stopped; the notebook is as it was."

    def emit(cell: CellId, place: int, of: int, failure: str) -> None:
        session.emit(CellRefreshed(analysis=session.id, cell=cell, place=place, failure=failure))

    await analysis.notebook.refresh()
    cells = sum(map(runs_again, analysis.notebook.document["cells"]))
    session.emit(RefreshStarted(analysis=session.id, cells=cells))
    try:
        report = await analysis.refresh(host=session.services.host(), on_cell=emit)
        for dataset in analysis.catalog.datasets:
            profile = await analysis.describe(dataset.name)
            session.emit(DatasetProfiled(analysis=session.id, profile=profile))
    except AnalystError as error:
        reason = str(error)
    finally:
        session.emit(
            RefreshFinished(analysis=session.id, reason=reason)
            if report is None
            else RefreshFinished(
                analysis=session.id,
                answers=report.answers,
                problems=(*report.problems, *report.failed.values()),
            )
        )


async def restore_branch(session: BaseSession, cells: int) -> None:
    """Run the cells of a new branch and emit for each one whether it reproduced.

    When this is cancelled or fails, the branch stays usable; its next question runs the ``cells``.
    """
    checks: list[CellCheck] = []

    def emit(check: CellCheck, number: int, of: int) -> None:
        checks.append(check)
        session.emit(
            BranchAdvanced(
                analysis=session.id, cell=check.cell, place=number,
                verdict=check.verdict, detail=check.detail,
            )
        )  # fmt: skip

    total, reason = cells, "It was stopped. The next question runs these cells first."
    try:
        analysis = await session.opened()
        await analysis.restore_branch(on_check=emit)
        total, reason = sum(check.verdict != "skipped" for check in checks), ""
    except AnalystError as error:
        reason = str(error)
    finally:
        reproduced = sum(check.verdict == "reproduced" for check in checks)
        session.emit(
            BranchFinished(analysis=session.id, reproduced=reproduced, total=total, reason=reason)
        )


async def _use_chosen_model(session: BaseSession, analysis: Analysis) -> None:
    """Change to the chosen model, opened with the key that is stored now."""
    models, keys = session.services.models, session.services.keys
    await models.look()
    if analysis.model.name == session.model and session.key_version == keys.version:
        return
    model = await models.open(session.model)
    session.key_version = keys.version
    changed = model.name != analysis.model.name
    await analysis.choose_model(model)
    if changed:
        session.configure()


def _limits_for(session: BaseSession, wanted: Limits | None) -> Limits:
    """Return a question's limits, with the chosen budget and what the administrator locked."""
    settings, record = session.services.settings, session.record
    limits = wanted or settings.limits
    chosen = {"cost_usd": record.budget_usd, "analysis_usd": record.analysis_budget_usd}
    changes = {
        name: amount
        for name, amount in chosen.items()
        if amount is not None and (wanted is None or getattr(wanted, name) is None)
    }
    limits = limits.model_copy(update=changes)
    for name, lock in LOCKED_MONEY.items():
        most = settings.locked.get(lock)
        if isinstance(most, int | float):
            least = min(float(most), getattr(limits, name) or float(most))
            limits = limits.model_copy(update={name: least})
    most = settings.locked.get("max_iterations")
    if isinstance(most, int):
        limits = limits.model_copy(update={"iterations": min(most, limits.iterations)})
    return limits

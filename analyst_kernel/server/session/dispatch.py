"""What each command of a browser tab does to an analysis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from analyst_kernel.agent.ports import Approval
from analyst_kernel.protocol.commands import (
    AnswerQuestion,
    AskQuestion,
    AttachData,
    CancelRun,
    ChooseApproval,
    ChooseBudget,
    ChooseModel,
    Command,
    DecideApproval,
    DecidePlan,
    DetachData,
    ReportDocument,
    ReportNotebook,
    ReportWrite,
    RetryModel,
    RunAgain,
    RunCode,
    SubscribeAnalysis,
    UndoRun,
    UnqueueQuestion,
    UnsubscribeAnalysis,
    VerifyAnalysis,
)
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.server.session.datasets import attach, detach
from analyst_kernel.server.session.queue import OwnCode, Question, Repetition, Undoing, Verification
from analyst_kernel.server.session.session import AnalysisSession

if TYPE_CHECKING:
    from analyst_kernel.server.events.client import Tab
    from analyst_kernel.server.session.registry import SessionRegistry


async def perform(analyses: SessionRegistry, tab: Tab, command: Command) -> None:
    """Do what a tab commands; returns when it is taken up, which is not when it is done.

    Raises:
        AnalystError: It was not taken; nothing changed.
    """
    session = analyses.find(command.analysis)
    match command:
        case SubscribeAnalysis():
            analyses.subscribe(tab, session, command.after)
        case UnsubscribeAnalysis():
            tab.unsubscribe(session.id)
        case ReportNotebook():
            await session.coordinator.report(tab, command)
        case ReportWrite() | ReportDocument():
            session.coordinator.answered(command)
        case CancelRun():
            cancel(session)
        case AnswerQuestion():
            session.user.reply("question", command.ask, command.answer)
        case DecideApproval():
            session.user.reply("cell", command.ask, Approval(command.decision, command.code))
        case DecidePlan():
            session.user.reply("plan", command.ask, command.goals)
        case UnqueueQuestion():
            session.line.withdraw(command.position)
        case RetryModel():
            if not session.retry_delay.cut():
                raise InputError("Nothing waits for the model now.")
        case (
            AskQuestion()
            | AttachData()
            | DetachData()
            | ChooseModel()
            | ChooseApproval()
            | ChooseBudget()
            | RunCode()
            | RunAgain()
            | VerifyAnalysis()
            | UndoRun()
        ):
            # In the order sent: a question after the file that it is about.
            async with session.deciding:
                session.judging = asyncio.current_task()
                try:
                    await _judge(session, command)
                finally:
                    session.judging = None
        case _:
            assert_never(command)


def cancel(session: AnalysisSession) -> None:
    """Stop the run at work, or the question that is about to become one."""
    if session.judging is not None:
        session.judging.cancel()
    elif not session.line.cancel():
        raise InputError("Nothing is at work in this analysis.")


async def _judge(
    session: AnalysisSession,
    command: AskQuestion
    | AttachData
    | DetachData
    | ChooseModel
    | ChooseApproval
    | ChooseBudget
    | RunCode
    | RunAgain
    | VerifyAnalysis
    | UndoRun,
) -> None:
    match command:
        case AskQuestion():
            await _ask(session, command)
        case AttachData():
            await attach(session, command.paths)
        case DetachData():
            await detach(session, command.name)
        case ChooseModel():
            session.configure(model=await session.services.models.check(command.model))
        case ChooseApproval():
            _refuse_locked(session, "approval")
            session.configure(approval=command.mode)
        case ChooseBudget():
            _refuse_locked(session, "budget_usd")
            session.configure(budget_usd=command.cost_usd)
        case RunCode():
            await session.opened("My own cells")
            session.line.add(OwnCode(command.code))
        case RunAgain():
            await _opened_with_notebook(session)
            session.line.add(Repetition(command.cell))
        case VerifyAnalysis():
            await _opened_with_notebook(session)
            session.line.add(Verification())
        case UndoRun():
            await _opened_with_notebook(session)
            if session.line.busy:
                raise InputError(
                    "This analysis is at work, so no run can be undone now. Nothing was changed.",
                    "Stop it or wait for its end, then undo.",
                )
            session.line.add(Undoing(command.run, command.roll_back))
        case _:
            assert_never(command)


async def _ask(session: AnalysisSession, command: AskQuestion) -> None:
    text = command.question.strip()
    if not text:
        raise InputError("The question is empty.", "Ask something about the data.")
    if command.model is not None:
        model = await session.services.models.check(command.model)
        if model != session.model:
            session.configure(model=model)
    if command.data:
        await attach(session, command.data)
    await session.opened(text)
    session.line.add(Question(text, command.limits))


async def _opened_with_notebook(session: AnalysisSession) -> None:
    if not session.record.notebook:
        raise InputError("This analysis has no cells yet.", "Ask a question first.")
    await session.opened()


def _refuse_locked(session: AnalysisSession, setting: str) -> None:
    if setting in session.services.settings.locked:
        raise InputError(
            "The administrator of this server chose this setting.", "It cannot be changed here."
        )

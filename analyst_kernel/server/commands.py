"""What each command of a browser tab does to an analysis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from analyst_kernel.agent.errors import InputError
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
from analyst_kernel.protocol.events import DatasetProfiled
from analyst_kernel.server.detaching import detach
from analyst_kernel.server.jobs import OwnCode, Question, Repetition, Undoing, Verification
from analyst_kernel.server.living import LivingAnalysis

if TYPE_CHECKING:
    from analyst_kernel.server.analyses import Analyses
    from analyst_kernel.server.tab import Tab


async def perform(analyses: Analyses, tab: Tab, command: Command) -> None:
    """Do what a tab commands; returns when it is taken up, which is not when it is done.

    Raises:
        AnalystError: It was not taken; nothing changed.
    """
    living = analyses.find(command.analysis)
    match command:
        case SubscribeAnalysis():
            analyses.subscribe(tab, living, command.after)
        case UnsubscribeAnalysis():
            tab.unsubscribe(living.id)
        case ReportNotebook():
            await living.keeper.report(tab, command)
        case ReportWrite() | ReportDocument():
            living.keeper.answered(command)
        case CancelRun():
            cancel(living)
        case AnswerQuestion():
            living.person.reply("question", command.ask, command.answer)
        case DecideApproval():
            living.person.reply("cell", command.ask, Approval(command.decision, command.code))
        case DecidePlan():
            living.person.reply("plan", command.ask, command.goals)
        case UnqueueQuestion():
            living.line.take_back(command.position)
        case RetryModel():
            if not living.patience.cut():
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
            async with living.deciding:
                living.judging = asyncio.current_task()
                try:
                    await _judge(living, command)
                finally:
                    living.judging = None
        case _:
            assert_never(command)


def cancel(living: LivingAnalysis) -> None:
    """Stop the run at work, or the question that is about to become one."""
    if living.judging is not None:
        living.judging.cancel()
    elif not living.line.cancel():
        raise InputError("Nothing is at work in this analysis.")


async def _judge(
    living: LivingAnalysis,
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
            await _ask(living, command)
        case AttachData():
            await attach(living, command.paths)
        case DetachData():
            await detach(living, command.name)
        case ChooseModel():
            living.configure(model=await living.around.models.check(command.model))
        case ChooseApproval():
            _refuse_locked(living, "approval")
            living.configure(approval=command.mode)
        case ChooseBudget():
            _refuse_locked(living, "budget_usd")
            living.configure(budget_usd=command.cost_usd)
        case RunCode():
            await living.opened("My own cells")
            living.line.add(OwnCode(command.code))
        case RunAgain():
            await _opened_with_notebook(living)
            living.line.add(Repetition(command.cell))
        case VerifyAnalysis():
            await _opened_with_notebook(living)
            living.line.add(Verification())
        case UndoRun():
            await _opened_with_notebook(living)
            if living.line.busy:
                raise InputError(
                    "This analysis is at work, so no run can be undone now. Nothing was changed.",
                    "Stop it or wait for its end, then undo.",
                )
            living.line.add(Undoing(command.run, command.roll_back))
        case _:
            assert_never(command)


async def attach(living: LivingAnalysis, paths: tuple[str, ...]) -> None:
    """Grant what the person attached, and describe it."""
    places = living.around.places
    added = await living.attach([places.absolute(path) for path in paths])
    catalog = await living.catalog()
    assert catalog is not None
    for dataset in added:
        profile = await catalog.profile(dataset.name)
        if living.analysis is not None:
            living.analysis.memory.profiles[dataset.name] = profile
        living.tell(DatasetProfiled(analysis=living.id, profile=profile))


async def _ask(living: LivingAnalysis, command: AskQuestion) -> None:
    text = command.question.strip()
    if not text:
        raise InputError("The question is empty.", "Ask something about the data.")
    if command.model is not None:
        model = await living.around.models.check(command.model)
        if model != living.model:
            living.configure(model=model)
    if command.data:
        await attach(living, command.data)
    await living.opened(text)
    living.line.add(Question(text, command.limits))


async def _opened_with_notebook(living: LivingAnalysis) -> None:
    if not living.record.notebook:
        raise InputError("This analysis has no cells yet.", "Ask a question first.")
    await living.opened()


def _refuse_locked(living: LivingAnalysis, setting: str) -> None:
    if setting in living.around.settings.locked:
        raise InputError(
            "The administrator of this server chose this setting.", "It cannot be changed here."
        )

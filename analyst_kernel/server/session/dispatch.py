"""The table that leads from each command of a browser tab to what it does."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

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
    CommandBase,
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
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.session.registry import SessionRegistry
from analyst_kernel.server.session.session import AnalysisSession

_Handler: TypeAlias = Callable[[AnalysisSession, Tab, Any], Awaitable[None] | None]

HANDLERS: Mapping[type[CommandBase], _Handler] = {
    AskQuestion: lambda s, _, c: s.ask(c.question, data=c.data, model=c.model, limits=c.limits),
    CancelRun: lambda s, _, c: s.cancel(),
    RunCode: lambda s, _, c: s.run_code(c.code),
    RunAgain: lambda s, _, c: s.run_again(c.cell),
    VerifyAnalysis: lambda s, _, c: s.verify(),
    UndoRun: lambda s, _, c: s.undo(c.run, roll_back=c.roll_back),
    UnqueueQuestion: lambda s, _, c: s.queue.withdraw(c.position),
    RetryModel: lambda s, _, c: s.retry_delay.skip(),
    AttachData: lambda s, _, c: s.attach(c.paths),
    DetachData: lambda s, _, c: s.detach(c.name),
    ChooseModel: lambda s, _, c: s.choose_model(c.model),
    ChooseApproval: lambda s, _, c: s.choose_approval(c.mode),
    ChooseBudget: lambda s, _, c: s.choose_budget(c.cost_usd),
    AnswerQuestion: lambda s, _, c: s.user.reply("question", c.ask, c.answer),
    DecideApproval: lambda s, _, c: s.user.reply("cell", c.ask, Approval(c.decision, c.code)),
    DecidePlan: lambda s, _, c: s.user.reply("plan", c.ask, c.goals),
    SubscribeAnalysis: lambda s, tab, c: s.subscribe(tab, c.after),
    UnsubscribeAnalysis: lambda s, tab, c: s.unsubscribe(tab),
    ReportNotebook: lambda s, tab, c: s.coordinator.report(tab, c),
    ReportWrite: lambda s, _, c: s.coordinator.answered(c),
    ReportDocument: lambda s, _, c: s.coordinator.answered(c),
}
"""What each command does with the session, the tab that sent it, and the command itself."""


async def perform(registry: SessionRegistry, tab: Tab, command: Command) -> None:
    """Accept a command of a tab; the work that it starts goes on in a job.

    Raises:
        AnalystError: It was refused; nothing changed.
    """
    session = registry.find(command.analysis)
    accepted = HANDLERS[type(command)](session, tab, command)
    if inspect.isawaitable(accepted):
        await accepted

"""The table that leads from each command of a browser tab to what it does."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from analyst_kernel.agent.ports import Approval
from analyst_kernel.protocol import commands
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.session.session import AnalysisSession

_Handler: TypeAlias = Callable[[AnalysisSession, Tab, Any], Awaitable[None] | None]

HANDLERS: Mapping[type[commands.CommandBase], _Handler] = {
    commands.AskQuestion: lambda s, _, c: s.ask(
        c.question, data=c.data, model=c.model, limits=c.limits
    ),
    commands.CancelRun: lambda s, _, c: s.cancel(),
    commands.RunCode: lambda s, _, c: s.run_code(c.code),
    commands.RunAgain: lambda s, _, c: s.run_again(c.cell),
    commands.VerifyAnalysis: lambda s, _, c: s.verify(),
    commands.UndoRun: lambda s, _, c: s.undo(c.run, roll_back=c.roll_back),
    commands.UnqueueQuestion: lambda s, _, c: s.queue.withdraw(c.position),
    commands.RetryModel: lambda s, _, c: s.retry_delay.skip(),
    commands.AttachData: lambda s, _, c: s.attach(c.paths),
    commands.DetachData: lambda s, _, c: s.detach(c.name),
    commands.ChooseModel: lambda s, _, c: s.choose_model(c.model),
    commands.ChooseApproval: lambda s, _, c: s.choose_approval(c.mode),
    commands.ChooseBudget: lambda s, _, c: s.choose_budget(c.cost_usd),
    commands.AnswerQuestion: lambda s, _, c: s.user.reply("question", c.ask, c.answer),
    commands.DecideApproval: lambda s, _, c: s.user.reply(
        "cell", c.ask, Approval(c.decision, c.code)
    ),
    commands.DecidePlan: lambda s, _, c: s.user.reply("plan", c.ask, c.goals),
    commands.SubscribeAnalysis: lambda s, tab, c: s.subscribe(tab, c.after),
    commands.UnsubscribeAnalysis: lambda s, tab, c: tab.unsubscribe(s.id),
    commands.ReportNotebook: lambda s, tab, c: s.coordinator.report(tab, c),
    commands.ReportWrite: lambda s, _, c: s.coordinator.answered(c),
    commands.ReportDocument: lambda s, _, c: s.coordinator.answered(c),
}
"""What each command does with the session, the tab that sent it, and the command itself."""


async def perform(session: AnalysisSession, tab: Tab, command: commands.Command) -> None:
    """Accept a command of a tab; the work that it starts goes on in a job.

    Raises:
        AnalystError: It was refused; nothing changed.
    """
    accepted = HANDLERS[type(command)](session, tab, command)
    if inspect.isawaitable(accepted):
        await accepted

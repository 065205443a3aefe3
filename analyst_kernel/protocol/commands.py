"""Commands: what a person asks of an analysis, imperative, one tagged union.

The tag has no default here, so that TypeScript must write it and a missing tag is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.ids import AnalysisId, AskId, CellId, RunId
from analyst_kernel.protocol.records import ApprovalMode, Limits


class CommandBase(Record):
    """What every command has: the analysis it is for."""

    analysis: AnalysisId


class AskQuestion(CommandBase):
    """Ask; starts a run, or queues behind the one at work."""

    type: Literal["ask_question"]
    question: str = Field(min_length=1)
    data: tuple[str, ...] = ()
    model: str | None = None
    limits: Limits | None = None


class CancelRun(CommandBase):
    """Stop the run at work, interrupting the kernel."""

    type: Literal["cancel_run"]


class RunCode(CommandBase):
    """Run the person's own code in the analysis's kernel, as a cell."""

    type: Literal["run_code"]
    code: str = Field(min_length=1)


class AttachData(CommandBase):
    """Grant files or folders to the analysis."""

    type: Literal["attach_data"]
    paths: tuple[str, ...] = Field(min_length=1)


class AnswerQuestion(CommandBase):
    """Answer what the run asked."""

    type: Literal["answer_question"]
    ask: AskId
    answer: str


class DecideApproval(CommandBase):
    """Decide about a cell that waits; ``code`` replaces it where the decision is ``edit``."""

    type: Literal["decide_approval"]
    ask: AskId
    decision: Literal["run", "edit", "skip", "run_all"]
    code: str | None = None


class DecidePlan(CommandBase):
    """Accept the plan that waits, as it is or as edited (goals in order)."""

    type: Literal["decide_plan"]
    ask: AskId
    goals: tuple[str, ...] = Field(min_length=1, max_length=7)


class DetachData(CommandBase):
    """Take a dataset back from the analysis, by its name."""

    type: Literal["detach_data"]
    name: str


class RunAgain(CommandBase):
    """Run one iteration's cell again, or with ``cell`` null every cell of the analysis in order."""

    type: Literal["run_again"]
    cell: CellId | None = None


class UnqueueQuestion(CommandBase):
    """Take back a question that waits its turn; ``position`` counts from 0."""

    type: Literal["unqueue_question"]
    position: int = Field(ge=0)


class RetryModel(CommandBase):
    """Ask the model again now instead of waiting for the next try."""

    type: Literal["retry_model"]


class ChooseModel(CommandBase):
    """Use another model from the next question on."""

    type: Literal["choose_model"]
    model: str = Field(min_length=1)


class ChooseApproval(CommandBase):
    """Choose what waits for the person's leave from now on."""

    type: Literal["choose_approval"]
    mode: ApprovalMode


class ChooseBudget(CommandBase):
    """Limit what each further question may cost, US dollars; null is no limit."""

    type: Literal["choose_budget"]
    cost_usd: float | None = Field(default=None, gt=0)


class VerifyAnalysis(CommandBase):
    """Run the whole notebook in a fresh kernel and compare."""

    type: Literal["verify_analysis"]


class UndoRun(CommandBase):
    """Take a whole run out of the notebook; with ``roll_back`` out of the kernel's state too."""

    type: Literal["undo_run"]
    run: RunId
    roll_back: bool


class SubscribeAnalysis(CommandBase):
    """Send this tab the events after number ``after``, then each new one."""

    type: Literal["subscribe_analysis"]
    after: int = Field(default=0, ge=0)


class UnsubscribeAnalysis(CommandBase):
    """Send this tab no more events of the analysis."""

    type: Literal["unsubscribe_analysis"]


Command = Annotated[
    AskQuestion
    | CancelRun
    | RunCode
    | AttachData
    | DetachData
    | AnswerQuestion
    | DecideApproval
    | DecidePlan
    | RunAgain
    | UnqueueQuestion
    | RetryModel
    | ChooseModel
    | ChooseApproval
    | ChooseBudget
    | VerifyAnalysis
    | UndoRun
    | SubscribeAnalysis
    | UnsubscribeAnalysis,
    Field(discriminator="type"),
]

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
"""Reads and writes any command."""

"""Commands: what a user asks of an analysis, imperative, one tagged union.

The tag has no default here, so that TypeScript must write it and a missing tag is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.ids import AnalysisId, AskId, CellId, RunId
from analyst_kernel.protocol.live import NotebookJson
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
    """Run the user's own code in the analysis's kernel, as a cell."""

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
    """Choose what waits for the user's leave from now on."""

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


class ReportNotebook(CommandBase):
    """Say how this tab has the notebook open: its lease, which makes it the notebook's writer.

    Sent when the notebook is opened, closed or renamed, when ``dirty`` or ``busy`` changes, on
    focus, every 20 seconds, and at once after a reconnect.

    Attributes:
        tab: The tab's own random id; the same after a reconnect and a reload of its page.
        path: The file browser's path of the notebook.
        open: False: this tab has it open no more.
        dirty: Whether the tab holds what is not saved.
        busy: Whether a cell that the user started is at work.
        collaborative: Whether a live room synchronises it.
        active: Whether it is the tab's current document and the page has the focus.
    """

    type: Literal["report_notebook"]
    tab: str = Field(min_length=1, max_length=64)
    path: str
    open: bool
    dirty: bool
    busy: bool
    collaborative: bool
    active: bool


class ReportWrite(CommandBase):
    """Say what became of a ``write_notebook``; ``unsaved`` is followed by ``saved`` once it is.

    Attributes:
        write: Its number.
        outcome: ``saved``: in the file; ``unsaved``: in the model, and lands with the next save;
            ``refused``: something was not as expected, nothing was changed.
        hash: Of the file after the save, where the contents service gives one.
        document: Where it was refused: the notebook as it stands in the tab.
    """

    type: Literal["report_write"]
    write: int
    outcome: Literal["saved", "unsaved", "refused"]
    hash: str | None = None
    document: NotebookJson | None = None


class ReportDocument(CommandBase):
    """Answer a ``read_notebook``: the notebook as it stands in the tab, saved or not."""

    type: Literal["report_document"]
    read: int
    document: NotebookJson
    dirty: bool


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
    | UnsubscribeAnalysis
    | ReportNotebook
    | ReportWrite
    | ReportDocument,
    Field(discriminator="type"),
]

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
"""Reads and writes any command."""

"""Commands: what a user asks of an analysis, in the imperative, as one tagged union.

The tag has no default, so that TypeScript must write it and a missing tag is refused.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.ids import AnalysisId, AskId, CellId, DefinitionId, RunId
from analyst_kernel.protocol.live import NotebookJson
from analyst_kernel.protocol.records import (
    LONGEST_DEFINITION,
    ApprovalMode,
    Limits,
    PrivacyMode,
)


class CommandBase(Record):
    """What every command has: the analysis that it is for, and the tag that its class fixes."""

    analysis: AnalysisId
    type: str


class AskQuestion(CommandBase):
    """Ask a question; it starts a run, or waits in the queue behind the current one."""

    type: Literal["ask_question"]
    question: str = Field(min_length=1)
    data: tuple[str, ...] = ()
    model: str | None = None
    limits: Limits | None = None


class CancelRun(CommandBase):
    """Cancel the current run and interrupt the kernel."""

    type: Literal["cancel_run"]


class RunCode(CommandBase):
    """Run the user's own code in the analysis's kernel, as a cell."""

    type: Literal["run_code"]
    code: str = Field(min_length=1)


class AttachData(CommandBase):
    """Grant files or folders to the analysis."""

    type: Literal["attach_data"]
    paths: tuple[str, ...] = Field(min_length=1)


class DetachData(CommandBase):
    """Detach a dataset from the analysis, by its name."""

    type: Literal["detach_data"]
    name: str


class AttachConnection(CommandBase):
    """Let the analysis ask a database of the user's list, by the connection's name."""

    type: Literal["attach_connection"]
    name: str = Field(min_length=1, max_length=40)


class DetachConnection(CommandBase):
    """Take a database back from the analysis; the user's list keeps the connection."""

    type: Literal["detach_connection"]
    name: str = Field(min_length=1, max_length=40)


class ChooseReading(CommandBase):
    """Have a dataset read as the user says, or by itself again if ``value`` is empty.

    Attributes:
        name: The dataset.
        key: What is chosen, as in the dataset's ``choices``.
        value: What is to hold.
    """

    type: Literal["choose_reading"]
    name: str
    key: str = Field(min_length=1, max_length=200)
    value: str = Field(max_length=200)


class RemovePackage(CommandBase):
    """Take a package that was fetched for the analysis away from it, by its name."""

    type: Literal["remove_package"]
    name: str = Field(min_length=1, max_length=200)


class AnswerQuestion(CommandBase):
    """Answer a question of the run."""

    type: Literal["answer_question"]
    ask: AskId
    answer: str


class DecideApproval(CommandBase):
    """Decide about a cell or a package that waits; ``skip`` is the No to a package.

    With the decision ``edit``, ``code`` replaces the source of a cell.
    """

    type: Literal["decide_approval"]
    ask: AskId
    decision: Literal["run", "edit", "skip", "run_all"]
    code: str | None = None


class DecidePlan(CommandBase):
    """Accept the plan that waits, as it is or edited; ``goals`` are in order."""

    type: Literal["decide_plan"]
    ask: AskId
    goals: tuple[str, ...] = Field(min_length=1, max_length=7)


class RunAgain(CommandBase):
    """Run one iteration's cell again, or every cell in order if ``cell`` is null."""

    type: Literal["run_again"]
    cell: CellId | None = None


class UnqueueQuestion(CommandBase):
    """Withdraw a question from the queue; ``position`` counts from 0."""

    type: Literal["unqueue_question"]
    position: int = Field(ge=0)


class RetryModel(CommandBase):
    """Ask the model again now instead of waiting for the next attempt."""

    type: Literal["retry_model"]


class ChooseModel(CommandBase):
    """Use another model from the next question on."""

    type: Literal["choose_model"]
    model: str = Field(min_length=1)


class ChooseApproval(CommandBase):
    """Choose what waits for the user's approval from now on."""

    type: Literal["choose_approval"]
    mode: ApprovalMode


class ChooseBudget(CommandBase):
    """Limit what further questions may cost, in US dollars; null means no limit.

    Attributes:
        cost_usd: Of each question.
        analysis_usd: Of the whole analysis, earlier questions included.
    """

    type: Literal["choose_budget"]
    cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    analysis_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class ChoosePrivacy(CommandBase):
    """Choose what of the data the model may see.

    A stricter mode holds at once; a less strict one holds from the next question on, and is refused
    unless it is ``confirmed``.
    """

    type: Literal["choose_privacy"]
    mode: PrivacyMode
    confirmed: bool = False


class SwitchInstructions(CommandBase):
    """Have the instructions of a file hold or not, in this analysis.

    ``digest`` is that of the text which the user was shown; another text is not switched on.
    """

    type: Literal["switch_instructions"]
    place: Literal["user", "project"]
    digest: str = Field(max_length=64)
    on: bool


class VerifyAnalysis(CommandBase):
    """Run the whole notebook in a fresh kernel and compare the outputs."""

    type: Literal["verify_analysis"]


class CheckFreshness(CommandBase):
    """Look whether data changed since it was answered from; object stores are not asked."""

    type: Literal["check_freshness"]


class RefreshAnalysis(CommandBase):
    """Compute every answer again on the data as they are now, and compare."""

    type: Literal["refresh_analysis"]


class UndoRun(CommandBase):
    """Remove a whole run from the notebook; with ``roll_back`` also from the kernel's state."""

    type: Literal["undo_run"]
    run: RunId
    roll_back: bool


class AddDefinition(CommandBase):
    """Add a definition that holds from the next question on."""

    type: Literal["add_definition"]
    text: str = Field(min_length=1, max_length=LONGEST_DEFINITION)


class EditDefinition(CommandBase):
    """Change what a definition says, or whether it holds from the next question on."""

    type: Literal["edit_definition"]
    definition: DefinitionId
    text: str = Field(min_length=1, max_length=LONGEST_DEFINITION)
    active: bool


class RemoveDefinition(CommandBase):
    """Remove a definition for good."""

    type: Literal["remove_definition"]
    definition: DefinitionId


class SubscribeAnalysis(CommandBase):
    """Send this tab the events after number ``after``, then each new one."""

    type: Literal["subscribe_analysis"]
    after: int = Field(default=0, ge=0)


class UnsubscribeAnalysis(CommandBase):
    """Stop sending this tab the events of the analysis."""

    type: Literal["unsubscribe_analysis"]


class ReportNotebook(CommandBase):
    """Report how this tab has the notebook open: a lease, which makes the tab its writer.

    Sent when the notebook is opened, closed or renamed, when ``dirty`` or ``busy`` changes, on
    focus, every 20 seconds, and at once after a reconnect.

    Attributes:
        tab: The tab's random id, which stays the same after a reconnect or a reload of the page.
        path: The notebook's path in the file browser.
        open: Whether this tab has the notebook open; false ends the lease.
        dirty: Whether the tab has unsaved changes.
        busy: Whether a cell that the user started is running.
        collaborative: Whether a live room synchronises the notebook.
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
    """Report the outcome of a ``write_notebook``.

    ``unsaved`` is followed by ``saved`` as soon as the notebook is saved.

    Attributes:
        write: The number of the write.
        outcome: ``saved`` if the changes are in the file, ``unsaved`` if they are in the tab's
            model until the next save, ``refused`` if something was not as expected and nothing was
            changed.
        hash: The file's hash after the save, if the contents service gives one.
        document: The notebook as it is in the tab, if the write was refused.
    """

    type: Literal["report_write"]
    write: int
    outcome: Literal["saved", "unsaved", "refused"]
    hash: str | None = None
    document: NotebookJson | None = None


class ReportDocument(CommandBase):
    """Answer a ``read_notebook`` with the notebook as it is in the tab, saved or not."""

    type: Literal["report_document"]
    read: int
    document: NotebookJson
    dirty: bool


if TYPE_CHECKING:
    Command: TypeAlias = CommandBase
else:
    # Each class above, in order: a new command is known as soon as its class stands here.
    Command = Annotated[reduce(or_, CommandBase.__subclasses__()), Field(discriminator="type")]

"""Events: what happened in an analysis, in the past tense, as one tagged union.

The log that records an event sets its ``number`` (1, 2, 3 ... in the analysis) and ``at``; the
producer leaves both at 0. The command line's ``--json`` lines and the browser's socket carry the
same records.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

import analyst_kernel.protocol.freshness  # noqa: F401 - its events are events too
from analyst_kernel.protocol import records
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.event_base import EventBase
from analyst_kernel.protocol.ids import AnalysisId, AskId, CellId, RunId
from analyst_kernel.protocol.outputs import CellError, Frame, LineageHint, Outcome, Output
from analyst_kernel.protocol.sandbox import SandboxReport

NoticeLevel = Literal["info", "warning"]


class RunStarted(EventBase):
    """The run of a question began. ``is_ai`` is false if no AI model is at work.

    Attributes:
        privacy: What of the data the model may see.
        instructions: The files with rules that go with the question.
    """

    type: Literal["run_started"] = "run_started"
    question: str
    model: str
    is_ai: bool
    limits: records.Limits
    privacy: records.PrivacyMode = "full"
    instructions: tuple[records.InstructionsUsed, ...] = ()


class KernelChanged(EventBase):
    """The analysis's kernel changed state. ``reason`` is a sentence for the user."""

    type: Literal["kernel_changed"] = "kernel_changed"
    state: Literal["starting", "ready", "interrupted", "died", "restarted", "stopped"]
    reason: str = ""
    ready_ms: float | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    sandbox: SandboxReport | None = None


class DatasetProfiled(EventBase):
    """A granted dataset was read and described."""

    type: Literal["dataset_profiled"] = "dataset_profiled"
    profile: DatasetProfile


class PlanUpdated(EventBase):
    """The plan was made or changed; ``steps`` is the whole plan."""

    type: Literal["plan_updated"] = "plan_updated"
    steps: tuple[records.Step, ...]
    reason: str = ""


class ModelCalled(EventBase):
    """A request went to the model; ``call`` counts from 1 in the run."""

    type: Literal["model_called"] = "model_called"
    call: int


class TextStreamed(EventBase):
    """The model's prose continued."""

    type: Literal["text_streamed"] = "text_streamed"
    call: int
    text: str


class ThinkingStreamed(EventBase):
    """The model's thinking summary continued."""

    type: Literal["thinking_streamed"] = "thinking_streamed"
    call: int
    text: str


class ToolInputStreamed(EventBase):
    """A tool call's input continued, as raw JSON text; for display only, never executed."""

    type: Literal["tool_input_streamed"] = "tool_input_streamed"
    call: int
    tool: str
    tool_call: str
    text: str


class ModelRetried(EventBase):
    """The model failed and is asked again in ``wait`` seconds; what ``call`` streamed is void."""

    type: Literal["model_retried"] = "model_retried"
    call: int
    attempt: int
    of: int
    wait: float
    reason: str


class ModelReplied(EventBase):
    """A model call ended. ``usage`` is the run's total so far."""

    type: Literal["model_replied"] = "model_replied"
    call: int
    stop_reason: str
    usage: records.Usage


class UsageCounted(EventBase):
    """A model call ended, well or not, and was counted.

    Attributes:
        usage: Of the run so far.
        analysis_usage: Of the analysis so far.
        day_usage: Of all the user's analyses on ``day``.
        day: The local calendar day, as ``2026-11-29``.
    """

    type: Literal["usage_counted"] = "usage_counted"
    usage: records.Usage
    analysis_usage: records.Usage
    day_usage: records.Usage
    day: str


class IterationStarted(EventBase):
    """A cell was recorded and is about to run."""

    type: Literal["iteration_started"] = "iteration_started"
    iteration: int
    cell: CellId
    step: int | None
    attempt: int
    language: Literal["python", "sql"]
    purpose: str
    code: str


class OutputProduced(EventBase):
    """A running cell produced an output at ``index``.

    If ``append`` is true, the output is a stream whose text continues the one at ``index``.
    Otherwise the output replaces the one at ``index``, or is added.
    """

    type: Literal["output_produced"] = "output_produced"
    cell: CellId
    index: int
    output: Output
    append: bool = False


class OutputsCleared(EventBase):
    """The running cell cleared its outputs."""

    type: Literal["outputs_cleared"] = "outputs_cleared"
    cell: CellId


class IterationFinished(EventBase):
    """A cell ended; ``outputs`` are final, as saved, and replace what streamed.

    ``lineage`` says in one line where the tables that it made come from, and ``hints`` what in it
    should be looked at twice.
    """

    type: Literal["iteration_finished"] = "iteration_finished"
    iteration: int
    cell: CellId
    outcome: Outcome
    seconds: float
    execution_count: int | None = None
    outputs: tuple[Output, ...] = ()
    error: CellError | None = None
    frames: tuple[Frame, ...] = ()
    lineage: str = ""
    hints: tuple[LineageHint, ...] = ()


class ChartCaptured(EventBase):
    """A figure was captured. ``chart.png`` is null here; the picture is in the cell's output."""

    type: Literal["chart_captured"] = "chart_captured"
    chart: records.ChartRecord


class FindingRecorded(EventBase):
    """A statement was recorded with its proof."""

    type: Literal["finding_recorded"] = "finding_recorded"
    finding: records.Finding


class DefinitionRecorded(EventBase):
    """A definition of the user was recorded; it holds for every later question."""

    type: Literal["definition_recorded"] = "definition_recorded"
    definition: records.Definition


class StateNamed(EventBase):
    """A state of the data got a name, or was returned to (``state.named`` is an earlier run)."""

    type: Literal["state_named"] = "state_named"
    state: records.DataState


class LedgerChanged(EventBase):
    """The definitions or the named states changed; the event has all of them.

    It also comes when an analysis is opened that has some.
    """

    type: Literal["ledger_changed"] = "ledger_changed"
    definitions: tuple[records.Definition, ...]
    states: tuple[records.DataState, ...]


class NoticeRaised(EventBase):
    """Something was cut, dropped, downgraded or is doubtful; ``message`` is for the user."""

    type: Literal["notice_raised"] = "notice_raised"
    level: NoticeLevel
    code: str
    message: str


class UserAsked(EventBase):
    """The run waits for the user's answer; ``default`` is one of ``options``."""

    type: Literal["user_asked"] = "user_asked"
    ask: AskId
    question: str
    options: tuple[str, ...]
    default: str


class UserAnswered(EventBase):
    """The question was answered, by a user or by its default."""

    type: Literal["user_answered"] = "user_answered"
    ask: AskId
    answer: str
    by: Literal["person", "default"]


class ApprovalRequested(EventBase):
    """A cell waits for the user's approval, or ``package``, which it needs, does."""

    type: Literal["approval_requested"] = "approval_requested"
    ask: AskId
    cell: CellId
    code: str
    purpose: str
    package: records.PackageOffer | None = None


class ApprovalDecided(EventBase):
    """The user decided about a waiting cell or package."""

    type: Literal["approval_decided"] = "approval_decided"
    ask: AskId
    decision: Literal["run", "edit", "skip", "run_all"]


class PlanApprovalRequested(EventBase):
    """The plan waits for the user, who may edit it."""

    type: Literal["plan_approval_requested"] = "plan_approval_requested"
    ask: AskId
    steps: tuple[records.Step, ...]


class PlanApproved(EventBase):
    """The user accepted the plan; ``edited`` is true if they changed its goals."""

    type: Literal["plan_approved"] = "plan_approved"
    ask: AskId
    edited: bool


class QueueChanged(EventBase):
    """The queue of questions changed; ``questions`` is the whole queue."""

    type: Literal["queue_changed"] = "queue_changed"
    questions: tuple[str, ...]


class DatasetDetached(EventBase):
    """A dataset was detached from the analysis."""

    type: Literal["dataset_detached"] = "dataset_detached"
    name: str


class ReadingChanged(EventBase):
    """The user has a dataset read otherwise; ``runs`` have answers that rest on the earlier way."""

    type: Literal["reading_changed"] = "reading_changed"
    dataset: str
    sentence: str
    runs: tuple[RunId, ...]


class AnalysisConfigured(EventBase):
    """The analysis's title or settings changed; the event has all of them.

    Attributes:
        privacy: What of the data the model may see at the next question.
        budget_usd: US dollars that each further question may cost.
        analysis_budget_usd: US dollars that the whole analysis may cost.
        connections: The names of the databases that it may ask.
    """

    type: Literal["analysis_configured"] = "analysis_configured"
    title: str
    notebook: str
    model: str
    is_ai: bool
    approval: records.ApprovalMode
    budget_usd: float | None = None
    privacy: records.PrivacyMode = "full"
    analysis_budget_usd: float | None = None
    packages: tuple[records.PackageUsed, ...] = ()
    connections: tuple[str, ...] = ()


class VerificationStarted(EventBase):
    """The notebook began to run again in a fresh kernel; ``cells`` will be compared."""

    type: Literal["verification_started"] = "verification_started"
    cells: int


class CellVerified(EventBase):
    """One cell was run again and compared; ``detail`` says what differs."""

    type: Literal["cell_verified"] = "cell_verified"
    cell: CellId
    verdict: records.CellVerdict
    detail: str = ""


class VerificationFinished(EventBase):
    """The comparison ended; ``reproduced`` of ``total`` cells gave the saved outputs.

    ``stale`` is true for an earlier result if the notebook's code has changed since.
    """

    type: Literal["verification_finished"] = "verification_finished"
    reproduced: int
    total: int
    reason: str = ""
    stale: bool = False


class BranchStarted(EventBase):
    """The analysis branched from a cell of another one, whose history precedes this event.

    Attributes:
        parent, parent_title: The other analysis, and its title then.
        cell: The last cell of the other analysis that is part of the branch.
        cells: How many cells run now to restore the kernel's state.
    """

    type: Literal["branch_started"] = "branch_started"
    parent: AnalysisId
    parent_title: str
    cell: CellId
    cells: int


class BranchAdvanced(EventBase):
    """One more cell of a branch ran in the kernel; ``place`` counts them from 1."""

    type: Literal["branch_advanced"] = "branch_advanced"
    cell: CellId
    place: int
    verdict: records.CellVerdict
    detail: str = ""


class BranchFinished(EventBase):
    """The kernel of a branch holds the notebook's state, or ``reason`` says why it does not.

    ``reproduced`` of the ``total`` cells that could be compared gave the saved outputs.
    """

    type: Literal["branch_finished"] = "branch_finished"
    reproduced: int
    total: int
    reason: str = ""


class CellRanByHand(EventBase):
    """The user ran a cell of the analysis in the notebook itself; ``outputs`` are final."""

    type: Literal["cell_ran_by_hand"] = "cell_ran_by_hand"
    cell: CellId
    code: str
    outcome: Outcome
    seconds: float = 0.0
    execution_count: int | None = None
    outputs: tuple[Output, ...] = ()
    error: CellError | None = None


class HandChangesNoticed(EventBase):
    """The user changed cells in the notebook since the last question; the model gets this too."""

    type: Literal["hand_changes_noticed"] = "hand_changes_noticed"
    changes: tuple[records.HandChange, ...]


class RunUndone(EventBase):
    """A run was undone; its cells were removed, except the ``kept`` ones, which the user edited.

    If ``rolled_back`` is true, the kernel is emptied and the remaining cells run again.
    """

    type: Literal["run_undone"] = "run_undone"
    removed: tuple[CellId, ...]
    kept: tuple[CellId, ...] = ()
    rolled_back: bool = False


class NumbersChecked(EventBase):
    """The answer's numbers were looked up in the executed outputs."""

    type: Literal["numbers_checked"] = "numbers_checked"
    numbers: tuple[records.NumberProof, ...]
    corrected: bool


class NotebookSaved(EventBase):
    """The notebook on disk holds everything up to here."""

    type: Literal["notebook_saved"] = "notebook_saved"
    path: str
    cells: int


class RunFinished(EventBase):
    """The run ended; the last event of a run, always.

    ``reason`` says why unless ``status`` is ``answered``. ``answer`` is the Markdown text, and
    ``details`` the same with assumptions, caveats, next questions and proofs. A browser gets the
    ``charts`` without picture and data, because it has both from the charts' cells.
    """

    type: Literal["run_finished"] = "run_finished"
    status: records.RunStatus
    answer: str
    reason: str = ""
    details: records.Answer | None = None
    key_values: tuple[records.Value, ...] = ()
    findings: tuple[records.Finding, ...] = ()
    charts: tuple[records.ChartRecord, ...] = ()
    notebook: str | None = None
    iterations: tuple[records.IterationRecord, ...] = ()
    usage: records.Usage = records.Usage()
    seconds: float = 0.0


if TYPE_CHECKING:
    Event: TypeAlias = EventBase
else:
    # Each class above, in order: a new event is known as soon as its class stands here.
    Event = Annotated[reduce(or_, EventBase.__subclasses__()), Field(discriminator="type")]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Reads and writes any event."""

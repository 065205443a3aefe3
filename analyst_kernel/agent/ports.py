"""The seams of the core: what it needs of a model, a kernel, a notebook, data and a user.

Each is a Protocol with one real implementation outside this package and a small fake in the tests.
Every method may be cancelled at any await and must then leave its side in the state it promises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from analyst_kernel.agent.manual.changes import CellChange, RemovedRun
from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.datasets import DataFormat, Dataset, DatasetProfile
from analyst_kernel.protocol.ids import AskId, CellId, RunId
from analyst_kernel.protocol.outputs import CellError, Frame, Outcome, Output
from analyst_kernel.protocol.records import Answer, Step, Usage
from analyst_kernel.protocol.sandbox import SandboxReport

# --- model -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More prose."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the thinking summary."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The model began a tool call; ``index`` tells parallel calls of one turn apart."""

    index: int
    call_id: str
    tool: str


@dataclass(frozen=True, slots=True)
class ToolInputDelta:
    """More of a tool call's input, raw JSON text."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool call's input is complete as text; whether it is valid JSON is the core's to decide."""

    index: int
    raw_input: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens of this call so far (cumulative, not a difference)."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Stopped:
    """The message is complete; always the last event of a stream that did not raise.

    Attributes:
        reason: ``tool_use`` is the only one after which a tool may run.
        raw: The provider's content blocks verbatim, for :class:`AssistantMessage`.
        detail: The provider's own words on a refusal, if any.
    """

    reason: Literal["end_turn", "tool_use", "max_tokens", "refusal", "context_exceeded"]
    raw: Json = None
    detail: str = ""


ModelEvent: TypeAlias = (
    TextDelta | ThinkingDelta | ToolStarted | ToolInputDelta | ToolEnded | UsageReported | Stopped
)


class Model(Protocol):
    """A language model (or a rule-based stand-in) behind one analysis."""

    @property
    def name(self) -> str:
        """``provider:name``."""
        ...

    @property
    def is_ai(self) -> bool:
        """False for rules and scripts; the UI then says that no AI model is at work."""
        ...

    @property
    def sees_images(self) -> bool:
        """Whether pictures may stand in a request."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Send one request and yield its events; called by the loop, one stream at a time.

        No retries inside. Any failure, foreign exceptions included, is raised as
        :class:`~analyst_kernel.protocol.errors.ModelError`; a stream that ends before its message
        did raises fault ``truncated``. Cancelling closes the connection at once.
        """
        ...

    async def aclose(self) -> None:
        """Release connections; called once, when the analysis closes."""
        ...


# --- kernel ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutputChange:
    """One change of a running cell's outputs, as in ``OutputProduced`` and ``OutputsCleared``.

    ``output is None`` means cleared.
    """

    index: int
    output: Output | None
    append: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """One finished execution.

    Attributes:
        outcome: ``ok``, ``error``, ``timeout`` or ``cancelled``.
        outputs: Final, sanitised and capped, as the notebook saves them.
        error: Set unless ``ok``.
        seconds: Wall time from request to idle.
        execution_count: The kernel's counter.
        frames: All user variables after the cell that are tables, arrays or short values, newest
            first, at most 50.
        notices: What was cut or dropped, one sentence each, as ``(code, message)``.
        kernel_died: The kernel is gone (and was restarted empty); ``error`` says of what.
    """

    outcome: Outcome
    outputs: tuple[Output, ...]
    error: CellError | None
    seconds: float
    execution_count: int | None = None
    frames: tuple[Frame, ...] = ()
    notices: tuple[tuple[str, str], ...] = ()
    kernel_died: bool = False


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What the kernel said of itself at start.

    Attributes:
        python: ``3.11.7``.
        versions: Library name to version, of those that are installed (pandas, numpy, duckdb,
            matplotlib, scipy, sklearn, seaborn, statsmodels, plotly, pyarrow...).
        sandbox: The probed isolation.
        ready_ms: From start request to ready, milliseconds.
        output_dir: ``OUTPUT_DIR`` as the code sees it.
    """

    python: str
    versions: dict[str, str]
    sandbox: SandboxReport
    ready_ms: float
    output_dir: str = ""


class Kernel(Protocol):
    """The managed kernel of one analysis. One execution at a time; a second one waits."""

    async def start(self) -> KernelFacts:
        """Start and probe the kernel; called before the first cell, and again after a stop.

        Raises ``SandboxError`` below the required level (nothing ran) and ``KernelError`` when it
        does not come up.
        """
        ...

    async def execute(
        self, code: str, *, timeout: float, on_change: Callable[[OutputChange], None] | None = None
    ) -> Execution:
        """Run one cell to its end.

        A cell over ``timeout`` seconds is interrupted, then killed. When cancelled, the kernel is
        interrupted (or killed and restarted where it does not obey) before ``CancelledError``
        leaves, so that it is idle afterwards.
        """
        ...

    async def interrupt(self) -> None:
        """Interrupt whatever runs; harmless when idle."""
        ...

    async def restart(self) -> KernelFacts:
        """Give an empty kernel; variables are gone."""
        ...

    async def stop(self) -> None:
        """Shut down and clean up; harmless when stopped."""
        ...


# --- notebook --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TitleEntry:
    """The notebook's heading; written once."""

    cell: CellId
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SetupEntry:
    """A cell that imports libraries and loads datasets; one more when data is added later."""

    cell: CellId
    code: str
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class QuestionEntry:
    """The user's question, as a Markdown cell."""

    cell: CellId
    run: RunId
    question: str


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """The plan of a run; the same cell is rewritten when the plan changes."""

    cell: CellId
    run: RunId
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class IterationEntry:
    """One iteration; recorded before it runs (``execution`` None) and again after."""

    cell: CellId
    run: RunId
    iteration: int
    step: int | None
    attempt: int
    language: Literal["python", "sql"]
    purpose: str
    code: str
    origin: str = "agent"
    execution: Execution | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class AnswerEntry:
    """The answer of a run, as a Markdown cell that cites its cells."""

    cell: CellId
    run: RunId
    answer: Answer
    status: str


Entry: TypeAlias = (
    TitleEntry | SetupEntry | QuestionEntry | PlanEntry | IterationEntry | AnswerEntry
)


@dataclass(frozen=True, slots=True)
class ReplayCell:
    """A code cell that had a part in the kernel's state.

    Attributes:
        cell: Its id.
        code: What runs.
        may_fail: It ended with an error when it ran; what it did before that still counts.
    """

    cell: CellId
    code: str
    may_fail: bool


class Notebook(Protocol):
    """The notebook of one analysis."""

    @property
    def path(self) -> str:
        """Absolute path on disk."""
        ...

    @property
    def cell_count(self) -> int:
        """Cells in the saved notebook."""
        ...

    async def record(self, entry: Entry) -> None:
        """Put the entry's cell and save; called after every change, idempotent by cell id.

        New cells go to the end. On disk there is always a complete, valid notebook: the state
        before or the state after. Cancelling waits for the write under way. Raises
        ``NotebookError`` when it cannot be written; what was there stays.
        """
        ...

    def cells_to_replay(self) -> Sequence[ReplayCell]:
        """Cells that give a fresh kernel the notebook's state, in order; without what never ran."""
        ...

    async def refresh(self) -> None:
        """Take in what others saved since; called at the beginning of whatever builds on it.

        Raises ``NotebookError`` when what is there now cannot be used.
        """
        ...

    def changes_by_hand(self) -> Sequence[CellChange]:
        """Code cells that are not as the analysis last saw them; from then on they are seen."""
        ...

    def cell_of(self, code: str) -> CellId | None:
        """The code cell with exactly this text; ``None`` where there is none, or several."""
        ...

    async def remove_run(self, run: RunId) -> RemovedRun:
        """Take a run's cells out and save, in one step; cells that a user edited stay theirs.

        Raises ``NotebookError`` when it cannot be written; what was there stays.
        """
        ...


# --- data ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A data file found in a folder, not granted by that.

    Attributes:
        rows, columns: Of its table; unknown where it holds several ``tables``.
        tables: Sheets or tables, where there is more than one.
        problem: Why it cannot be read.
    """

    path: str
    format: DataFormat
    bytes: int
    rows: int | None = None
    columns: tuple[str, ...] = field(default_factory=tuple)
    problem: str = ""
    tables: tuple[str, ...] = ()


class Catalog(Protocol):
    """The datasets of one analysis."""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """Granted so far, in order."""
        ...

    async def profile(
        self,
        name: str,
        *,
        columns: Sequence[str] = (),
        detail: Literal["concise", "full"] = "concise",
    ) -> DatasetProfile:
        """Describe a dataset; raises ``DataError`` naming the nearest one where there is none."""
        ...

    def describe(self, profile: DatasetProfile, *, question: str = "", budget: int = 2000) -> str:
        """Render a profile as text for a model, at most about ``budget`` tokens."""
        ...

    def setup_code(self, names: Sequence[str] | None = None) -> str:
        """Plain Python that loads all or the named datasets, relative to the notebook."""
        ...


# --- user ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approval:
    """The user's decision about a cell."""

    decision: Literal["run", "edit", "skip", "run_all"]
    code: str | None = None


class User(Protocol):
    """Whoever asked; may be absent."""

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        """Return the answer, and whether the user gave it (else the default was taken).

        ``ask`` is the id of the question in the events, here and below.
        """
        ...

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        """Decide about a cell; only called where approval is on. May take hours."""
        ...


@runtime_checkable
class PlanReader(Protocol):
    """What a user may do beyond :class:`User`: see and edit a plan before any cell runs."""

    @property
    def wants_plan(self) -> bool:
        """Whether the plan of each question waits for them."""
        ...

    async def approve_plan(self, ask: AskId, steps: Sequence[Step]) -> tuple[str, ...]:
        """Return the goals as accepted, in order; only where it is wanted. May take hours."""
        ...

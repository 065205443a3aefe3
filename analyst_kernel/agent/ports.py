"""The ports of the core: what it needs from a model, a kernel, a notebook, data and a user.

Each is a Protocol with an implementation outside this package and a small fake in the tests. Every
method may be cancelled at any await, and must then leave its side in the state that it promises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.lineage.trace import CellTrace
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
    """A further piece of the prose."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A further piece of the thinking summary."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The model began a tool call; ``index`` distinguishes parallel calls of one turn."""

    index: int
    call_id: str
    tool: str


@dataclass(frozen=True, slots=True)
class ToolInputDelta:
    """A further piece of a tool call's input, as raw JSON text."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool call's input is complete as text; the core checks whether it is valid JSON."""

    index: int
    raw_input: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The tokens of this call so far (cumulative, not a difference)."""

    usage: Usage


StopReason: TypeAlias = Literal["end_turn", "tool_use", "max_tokens", "refusal", "context_exceeded"]
"""Why a message ended; only after ``tool_use`` may a tool run."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The message is complete; always the last event of a stream that did not raise.

    ``raw`` is for :class:`AssistantMessage`; ``detail`` is the provider's explanation of a refusal.
    """

    reason: StopReason
    raw: Json = None
    detail: str = ""


ModelEvent: TypeAlias = (
    TextDelta | ThinkingDelta | ToolStarted | ToolInputDelta | ToolEnded | UsageReported | Stopped
)


class Model(Protocol):
    """A language model (or a rule-based stand-in) behind one analysis."""

    @property
    def name(self) -> str:
        """The model's full name, ``provider:name``."""

    @property
    def is_ai(self) -> bool:
        """Return whether an AI model is at work; False for rules and scripts (the UI says so)."""

    @property
    def sees_images(self) -> bool:
        """Return whether a request may contain pictures."""

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Send one request and yield its events; called by the loop, one stream at a time.

        The implementation does not retry. It raises any failure, including exceptions of
        libraries, as :class:`~analyst_kernel.protocol.errors.ModelError`; a stream that ends before
        its message raises the fault ``truncated``. Cancelling closes the connection at once.
        """

    async def aclose(self) -> None:
        """Release connections; called once, when the analysis closes."""


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
        outputs: Final, sanitised and capped, as the notebook saves them.
        error: Set unless ``outcome`` is ``ok``.
        seconds: Wall time from request to idle.
        frames: All user variables after the cell that are tables, arrays or short values, newest
            first, at most 50.
        notices: What was cut or dropped, one sentence each, as ``(code, message)``.
        kernel_died: Whether the kernel died (and was restarted empty); ``error`` gives the cause.
        trace: What was seen of the cell's tables, if the kernel watches them.
    """

    outcome: Outcome
    outputs: tuple[Output, ...]
    error: CellError | None
    seconds: float
    execution_count: int | None = None
    frames: tuple[Frame, ...] = ()
    notices: tuple[tuple[str, str], ...] = ()
    kernel_died: bool = False
    trace: CellTrace | None = None


@dataclass(frozen=True, slots=True)
class UserExecution:
    """Code that the user ran in the analysis's kernel, and how it ended.

    ``cell`` is the cell of the notebook whose source is exactly this code, if there is one.
    """

    code: str
    execution: Execution
    cell: CellId | None = None


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What the kernel reported at its start.

    Attributes:
        versions: Versions of the libraries that are installed and that the preflight tracks.
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

        Raises ``SandboxError`` below the required level (nothing ran) and ``KernelError`` if the
        kernel does not start.
        """

    async def execute(
        self, code: str, *, timeout: float, on_change: Callable[[OutputChange], None] | None = None
    ) -> Execution:
        """Run one cell to its end.

        A cell that takes more than ``timeout`` seconds is interrupted, then killed. When cancelled,
        the kernel is interrupted (or killed and restarted, if it does not react) before
        ``CancelledError`` is raised, so that it is idle afterwards.
        """

    async def interrupt(self) -> None:
        """Interrupt the running cell, if any."""

    async def restart(self) -> KernelFacts:
        """Restart the kernel; its variables are gone."""

    async def stop(self) -> None:
        """Shut the kernel down and clean up. Idempotent."""


@runtime_checkable
class DatasetWatcher(Protocol):
    """A :class:`Kernel` that follows the datasets through each cell."""

    def watch(self, datasets: str) -> None:
        """Take what is known of the datasets, from the next cell on; JSON of :mod:`.lineage`."""


@runtime_checkable
class PricedModel(Protocol):
    """A :class:`Model` that says beforehand how its cost becomes known."""

    @property
    def billing(self) -> Literal["free", "reported", "listed", "unknown"]:
        """Return how it is known what a call costs."""


class Spending(Protocol):
    """What the user's questions used: in this analysis, and today in all of them."""

    def add(self, usage: Usage, *, model: str) -> None:
        """Count one call to a model, answered or not. Never raises, and never waits long."""

    def of_analysis(self) -> Usage:
        """Return what the analysis used so far, in earlier sessions too."""

    def of_day(self) -> Usage:
        """Return what all analyses of the user used on :meth:`day`."""

    def day(self) -> str:
        """Return today by the local calendar, as ``2026-11-29``."""


# --- notebook --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TitleEntry:
    """The notebook's heading; written once."""

    cell: CellId
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SetupEntry:
    """A cell that imports libraries and loads datasets; data added later gets its own cell."""

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
    """One iteration; recorded before it runs (``execution`` is None) and again after.

    Attributes:
        iteration: The cell's number in the analysis, from 1; 0 for a cell of the user. (Earlier
            versions began again with each run.)
    """

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
    """A code cell that contributed to the kernel's state.

    ``may_fail`` if it ended with an error before; its effects up to the error still count.
    """

    cell: CellId
    code: str
    may_fail: bool


@dataclass(frozen=True, slots=True)
class CellChange:
    """A code cell that differs from what the analysis last read.

    Attributes:
        kind: ``ran`` if only the outputs differ.
        iteration: The number of the iteration that wrote the cell; 0 if the user wrote it.
        before: The source as last read, or None if it is not known.
        now: The source now; empty if the cell is deleted.
        ran: Whether the cell was run since it was last read, so that ``outputs`` are new.
    """

    kind: Literal["edited", "added", "deleted", "ran"]
    cell: CellId
    iteration: int = 0
    run: RunId | None = None
    before: str | None = None
    now: str = ""
    ran: bool = False
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class RemovedRun:
    """The cells of a run that was undone; those in ``kept`` stay because the user edited them."""

    removed: tuple[CellId, ...]
    kept: tuple[CellId, ...]


class Notebook(Protocol):
    """The notebook of one analysis."""

    @property
    def path(self) -> str:
        """The notebook's absolute path on disk."""

    @property
    def cell_count(self) -> int:
        """The number of cells in the saved notebook."""

    async def record(self, entry: Entry) -> None:
        """Put the entry's cell into the notebook and save. Idempotent by cell id.

        New cells go to the end. The file is always a complete, valid notebook: the state before or
        the state after. Cancelling waits for the current write. Raises ``NotebookError`` if the
        notebook cannot be written; the file is then unchanged.
        """

    def cells_to_replay(self) -> Sequence[ReplayCell]:
        """Return the cells that ran and give a fresh kernel the notebook's state, in order."""

    async def refresh(self) -> None:
        """Read what others saved since; called before work that builds on the notebook.

        Raises ``NotebookError`` if the file cannot be used any more.
        """

    def manual_changes(self) -> Sequence[CellChange]:
        """Return the code cells that differ from what was last read; each is returned once."""

    def cell_of(self, code: str) -> CellId | None:
        """Return the code cell with exactly this source; None if there is none, or several."""

    async def keep_ledger(self, ledger: Ledger) -> None:
        """Note definitions and states in the notebook and save.

        Raises ``NotebookError`` if the notebook cannot be written.
        """

    async def remove_run(self, run: RunId) -> RemovedRun:
        """Remove a run's cells and save, in one step; cells that the user edited stay.

        Raises ``NotebookError`` if the notebook cannot be written; the file is then unchanged.
        """


# --- data ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A data file found in a folder; finding a file does not grant it.

    Attributes:
        rows, columns: Of its table; unknown if it holds several ``tables``.
        tables: Sheets or tables, if there is more than one.
        problem: Why the file cannot be read; empty if it can.
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
        """The datasets granted so far, in order."""

    async def profile(
        self,
        name: str,
        *,
        columns: Sequence[str] = (),
        detail: Literal["concise", "full"] = "concise",
    ) -> DatasetProfile:
        """Describe a dataset; raises ``DataError`` with the nearest name if it is unknown."""

    def describe(self, profile: DatasetProfile, *, question: str = "", budget: int = 2000) -> str:
        """Return a profile as text for a model, at most about ``budget`` tokens."""

    def setup_code(self, names: Sequence[str] | None = None) -> str:
        """Return plain Python that loads all or the named datasets, relative to the notebook."""


# --- user ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approval:
    """The user's decision about a cell."""

    decision: Literal["run", "edit", "skip", "run_all"]
    code: str | None = None


class User(Protocol):
    """The user who asked the question."""

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        """Return the answer, and whether the user gave it instead of taking the default.

        ``ask`` is the id of the question in the events, here and below.
        """

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        """Return the decision about a cell; only called if approval is on. May take hours."""


@runtime_checkable
class PlanReader(Protocol):
    """A :class:`User` who can also see and edit a plan before any cell runs."""

    @property
    def wants_plan(self) -> bool:
        """Return whether the plan of each question waits for the user."""

    async def approve_plan(self, ask: AskId, steps: Sequence[Step]) -> tuple[str, ...]:
        """Return the goals as accepted, in order. May take hours."""

"""The state of one run, from question to answer, and the few things that everybody does with it.

Whoever changes the state tells it as an event at once. What happens next is decided in
:mod:`analyst_kernel.agent.loop`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from analyst_kernel.agent.budget import Meter, add_usage
from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.observation.repair import Attempt
from analyst_kernel.agent.plan import Plan
from analyst_kernel.agent.ports import Entry, Execution, IterationEntry, OutputChange, PlanEntry
from analyst_kernel.agent.transcript import Message
from analyst_kernel.protocol.events import Event, NotebookSaved, NoticeRaised, PlanUpdated
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_cell_id
from analyst_kernel.protocol.outputs import Outcome, Output, StreamOutput
from analyst_kernel.protocol.records import (
    Answer,
    ChartRecord,
    Finding,
    IterationRecord,
    Limits,
    RunStatus,
    Usage,
    Value,
)


class Stamp(TypedDict):
    """What every event of a run carries."""

    analysis: AnalysisId
    run: RunId | None


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer as proposed, before its numbers are looked up.

    ``answered`` is false where it says itself that the question stays open.
    """

    text: str
    key_values: tuple[Value, ...] = ()
    assumptions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    next_questions: tuple[str, ...] = ()
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends.

    Attributes:
        status: As the user is told.
        draft: What is answered.
        reason: Why, where the status is not ``answered``.
    """

    status: RunStatus
    draft: Draft
    reason: str = ""


@dataclass(slots=True)
class OpenCell:
    """The iteration under way: recorded in the notebook, not yet settled."""

    entry: IterationEntry
    live: LiveOutputs
    announced: bool = False
    outcome: Outcome | None = None
    execution: Execution | None = None


@dataclass(slots=True)
class Run:
    """One run. Everything here is the run's own; what outlives it is in ``memory``.

    Attributes:
        approve: Whether cells wait for the user; "run all" turns it off.
        transcript: What the model has been sent and has said; append-only.
        attempts: What no-progress detection compares with.
        open_cell: Set from before a cell is recorded until it is settled.
        charts: With pictures.
        asked_back: Whether the one correction round for unproven numbers was used.
        exhausted: Why no further cell may run; empty while one may.
        plan_approved: Whether the user saw the plan, where they want to.
        ending: Set once the run is to end.
        settled: The checked answer, once there is one.
        of_user: Whether this only frames a cell that the user runs by hand.
    """

    deps: AgentDeps
    memory: Memory
    question: str
    limits: Limits
    approve: bool
    id: RunId
    meter: Meter
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))
    question_cell: CellId = field(default_factory=new_cell_id)
    plan_cell: CellId = field(default_factory=new_cell_id)
    answer_cell: CellId = field(default_factory=new_cell_id)
    question_written: bool = False
    plan: Plan = field(default_factory=Plan)
    transcript: list[Message] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    iterations: list[IterationRecord] = field(default_factory=list)
    open_cell: OpenCell | None = None
    findings: list[Finding] = field(default_factory=list)
    charts: list[ChartRecord] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    asked_back: bool = False
    exhausted: str = ""
    plan_approved: bool = False
    ending: Ending | None = None
    settled: Answer | None = None
    of_user: bool = False

    @classmethod
    def take_up(
        cls, deps: AgentDeps, memory: Memory, question: str, limits: Limits, *, approve: bool
    ) -> Run:
        """Number a new run of the analysis and start its clock."""
        memory.runs += 1
        return cls(
            deps=deps,
            memory=memory,
            question=question.strip(),
            limits=limits,
            approve=approve,
            id=RunId(f"r{memory.runs}"),
            meter=Meter(limits, deps.clock),
        )

    @classmethod
    def by_hand(cls, deps: AgentDeps, memory: Memory, *, timeout: float) -> Run:
        """Make the frame for a cell of the user's own; it belongs to no run."""
        limits = Limits(iterations=1, cell_seconds=timeout, seconds=None)
        run = cls(
            deps=deps,
            memory=memory,
            question="My own cells",
            limits=limits,
            approve=False,
            id=RunId(f"r{memory.runs}"),
            meter=Meter(limits, deps.clock),
        )
        run.of_user = True
        return run

    @property
    def stamp(self) -> Stamp:
        """What each event of this run carries; use as ``Event(**run.stamp, ...)``."""
        return {"analysis": self.deps.analysis, "run": None if self.of_user else self.id}

    def tell(self, event: Event) -> None:
        """Emit an event."""
        self.deps.emit(event)

    def notice(
        self, code: str, message: str, level: Literal["info", "warning"] = "warning"
    ) -> None:
        """Tell the user of something that was cut, dropped, downgraded or is doubtful."""
        self.tell(NoticeRaised(**self.stamp, level=level, code=code, message=message))

    async def record(self, entry: Entry) -> None:
        """Put a cell into the notebook and tell that it is saved. Raises ``NotebookError``."""
        notebook = self.deps.notebook
        await notebook.record(entry)
        self.tell(NotebookSaved(**self.stamp, path=notebook.path, cells=notebook.cell_count))

    def spend(self, usage: Usage) -> Usage:
        """Add the tokens of a model call, and return the run's total."""
        self.usage = add_usage(self.usage, usage)
        return self.usage

    def move_plan(self, plan: Plan, reason: str = "") -> None:
        """Replace the plan, and tell it if it shows a difference."""
        changed = plan.steps != self.plan.steps
        self.plan = plan
        if changed:
            self.tell(PlanUpdated(**self.stamp, steps=plan.steps, reason=reason))

    async def write_plan(self) -> None:
        """Write the plan's cell; a plan that the loop made up has none."""
        if self.plan.steps and not self.plan.implicit:
            await self.record(PlanEntry(self.plan_cell, self.id, self.plan.steps))

    def goal_of(self, step: int | None) -> str:
        """Return a step's goal, or an empty text."""
        return next((s.goal for s in self.plan.steps if s.number == step), "")


class LiveOutputs:
    """Folds changes into a list of outputs."""

    def __init__(self) -> None:
        """Start empty."""
        self._outputs: list[Output] = []

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What stands there now."""
        return tuple(self._outputs)

    def apply(self, change: OutputChange) -> None:
        """Fold one change: cleared, text appended, replaced, or added at the end."""
        output = change.output
        if output is None:
            self._outputs.clear()
            return
        if change.index >= len(self._outputs):
            self._outputs.append(output)
            return
        there = self._outputs[change.index]
        if change.append and isinstance(there, StreamOutput) and isinstance(output, StreamOutput):
            output = there.model_copy(update={"text": there.text + output.text})
        self._outputs[change.index] = output

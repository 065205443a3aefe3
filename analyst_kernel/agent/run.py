"""The state of one run, from question to answer, with the operations that every step needs.

Each change of the state emits its event at once. :mod:`analyst_kernel.agent.loop` decides what
happens next.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TypedDict

from analyst_kernel.agent.budget import BudgetMeter, add_usage, money_limits
from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.evidence.checks.mismatch import Doubt
from analyst_kernel.agent.observation.repair import Attempt
from analyst_kernel.agent.plan import Plan
from analyst_kernel.agent.ports import Entry, Execution, IterationEntry, OutputChange, PlanEntry
from analyst_kernel.agent.transcript import Message
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_cell_id
from analyst_kernel.protocol.outputs import LineageHint, Outcome, Output, StreamOutput
from analyst_kernel.protocol.records import (
    Answer,
    ChartRecord,
    Finding,
    InstructionsFile,
    IterationRecord,
    Limits,
    PrivacyMode,
    RunStatus,
    Usage,
    Value,
)


class EventStamp(TypedDict):
    """The fields that every event of a run has in common."""

    analysis: AnalysisId
    run: RunId | None


@dataclass(frozen=True, slots=True)
class AnswerDraft:
    """A proposed answer, before its numbers are looked up.

    ``answered`` is false if the text itself leaves the question open. ``reasons`` answer what was
    asked about an earlier draft, as ``q1: ...``.
    """

    text: str
    key_values: tuple[Value, ...] = ()
    assumptions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    next_questions: tuple[str, ...] = ()
    answered: bool = True
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends; ``reason`` says why, unless the status is ``answered``."""

    status: RunStatus
    draft: AnswerDraft
    reason: str = ""


def apply_change(outputs: list[Output], change: OutputChange) -> None:
    """Apply one change to a cell's outputs: cleared, text appended, replaced, or added."""
    output = change.output
    if output is None:
        outputs.clear()
        return
    if change.index >= len(outputs):
        outputs.append(output)
        return
    old = outputs[change.index]
    if change.append and isinstance(old, StreamOutput) and isinstance(output, StreamOutput):
        output = old.model_copy(update={"text": old.text + output.text})
    outputs[change.index] = output


@dataclass(slots=True)
class OpenCell:
    """The iteration at work: recorded in the notebook, not yet settled.

    Attributes:
        notes: What was found in the code before it ran, for the model.
    """

    entry: IterationEntry
    live: list[Output] = field(default_factory=list)
    announced: bool = False
    outcome: Outcome | None = None
    execution: Execution | None = None
    hints: tuple[LineageHint, ...] = ()
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One run. What outlives the run is in ``memory``.

    Attributes:
        approve: Whether cells wait for the user; "run all" turns it off.
        transcript: The messages to and from the model; append-only.
        attempts: Earlier iterations, as no-progress detection compares them.
        open_cell: Set from before a cell is recorded until it is settled.
        charts: With pictures.
        user_answers: What the user answered to questions of this run.
        rests_on: The definitions that the model named with its answer; None if it named none.
        states_there: Names of states that the kernel held unchanged when the run began.
        asked_back: Whether the one correction round was used.
        doubts: What was asked in it about the words of the answer.
        exhausted: Why no further cell may run; empty while one may.
        sent_hints: The hints that the model got, by code and message: none is repeated.
        plan_approved: Whether the user accepted the plan, if they want to see it.
        ending: Set as soon as the run is to end.
        settled: The checked answer, as soon as there is one.
        instructions: The files whose rules hold for this question.
        not_fetched: By package that was looked for, why the kernel does not have it.
        privacy: What of the data the model may see, as the wall was taught last.
        is_manual: Whether this only frames a cell that the user runs; its events name no run.
    """

    deps: AgentDeps
    memory: Memory
    question: str
    limits: Limits
    approve: bool
    is_manual: bool = False
    id: RunId = field(init=False)
    meter: BudgetMeter = field(init=False)
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
    user_answers: list[str] = field(default_factory=list)
    rests_on: tuple[str, ...] | None = None
    states_there: frozenset[str] = frozenset()
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    asked_back: bool = False
    doubts: tuple[Doubt, ...] = ()
    exhausted: str = ""
    sent_hints: set[tuple[str, str]] = field(default_factory=set)
    plan_approved: bool = False
    ending: Ending | None = None
    settled: Answer | None = None
    privacy: PrivacyMode = "full"
    instructions: tuple[InstructionsFile, ...] = ()
    not_fetched: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = RunId(f"r{self.memory.runs}")
        self.meter = BudgetMeter(self.limits, self.deps.clock, self.deps.spending)

    @classmethod
    def begin(
        cls, deps: AgentDeps, memory: Memory, question: str, limits: Limits, *, approve: bool
    ) -> Run:
        """Return a new run of the analysis, numbered and with its clock started."""
        memory.runs += 1
        return cls(deps, memory, question.strip(), limits, approve)

    @classmethod
    def manual(cls, deps: AgentDeps, memory: Memory, *, timeout: float) -> Run:
        """Return the frame for a cell that the user runs; it belongs to no run."""
        limits = Limits(iterations=1, cell_seconds=timeout, seconds=None)
        return cls(deps, memory, "My own cells", limits, approve=False, is_manual=True)

    @property
    def stamp(self) -> EventStamp:
        """The common fields of this run's events, for use as ``Event(**run.stamp, ...)``."""
        return {"analysis": self.deps.analysis, "run": None if self.is_manual else self.id}

    def emit(self, event: ev.Event) -> None:
        """Emit an event."""
        self.deps.emit(event)

    def notice(self, code: str, message: str, level: ev.NoticeLevel = "warning") -> None:
        """Notify the user: what was cut, dropped, downgraded or is doubtful, and what to do next.

        ``code`` is the stable kebab-case name of the kind of notice.
        """
        self.emit(ev.NoticeRaised(**self.stamp, level=level, code=code, message=message))

    def count(self, call: Usage) -> None:
        """Count one call to the model, answered or not, and warn of a limit that is near."""
        self.usage = add_usage(self.usage, call)
        deps = self.deps
        if not deps.model.is_ai:
            return
        deps.spending.add(call, model=deps.model.name)
        self.emit(
            ev.UsageCounted(
                **self.stamp,
                usage=self.usage,
                analysis_usage=deps.spending.of_analysis(),
                day_usage=deps.spending.of_day(),
                day=deps.spending.day(),
            )
        )
        if call.calls and call.cost_usd is None and not self.meter.unpriced:
            self.meter.unpriced = True
            for what, _ in money_limits(self.limits):
                self.notice(
                    "cost-unknown",
                    f"The price of a call to {deps.model.name} is not known, so the cost limit "
                    f"for {what} cannot be kept.",
                )
        for key, sentence in self.meter.money_near(self.usage):
            mark = f"{self.id} {key}" if key.startswith("this question") else key
            if mark not in self.memory.warned:
                self.memory.warned.add(mark)
                self.notice("cost-near-limit", sentence)

    async def record(self, entry: Entry) -> None:
        """Put a cell into the notebook and save. Raises ``NotebookError``."""
        notebook = self.deps.notebook
        await notebook.record(entry)
        self.emit(ev.NotebookSaved(**self.stamp, path=notebook.path, cells=notebook.cell_count))

    def move_plan(self, plan: Plan, reason: str = "") -> None:
        """Replace the plan, and emit it if its steps differ."""
        changed = plan.steps != self.plan.steps
        self.plan = plan
        if changed:
            self.emit(ev.PlanUpdated(**self.stamp, steps=plan.steps, reason=reason))

    async def write_plan(self) -> None:
        """Write the plan's cell, unless the loop made the plan up."""
        if self.plan.steps and not self.plan.implicit:
            await self.record(PlanEntry(self.plan_cell, self.id, self.plan.steps))

    @property
    def cells_that_ran(self) -> frozenset[CellId]:
        """The cells of this run that ran without an error."""
        return frozenset(record.cell for record in self.iterations if record.outcome == "ok")

    def numbered(self) -> dict[int, CellId]:
        """Return the cells that can be cited, by number: those of the analysis that ran here.

        In notebooks of earlier versions the numbers began again with each run; then the run's own
        cell is meant, and the newest one of the others.
        """
        there = {shown.cell for shown in self.memory.numbers}
        found = {number: cell for cell, number in self.memory.labels.items() if cell in there}
        return found | {record.iteration: record.cell for record in self.iterations}

    def name_of(self, cell: CellId) -> str:
        """Return what a cell is called in texts."""
        number = self.memory.labels.get(cell)
        if number is not None:
            return f"cell {number}"
        is_setup = any(setup.cell == cell for setup in self.memory.setups)
        return "the setup cell" if is_setup else f"the user's cell {cell}"

    def goal_of(self, step: int | None) -> str:
        """Return a step's goal, or an empty text if there is no such step."""
        return next((s.goal for s in self.plan.steps if s.number == step), "")

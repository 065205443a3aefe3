"""The parts of a run: its plan, findings, charts, usage, limits and answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.ids import CellId, ChartId, FindingId
from analyst_kernel.protocol.outputs import CellError, Outcome

StepStatus = Literal["todo", "doing", "done", "blocked"]
RunStatus = Literal["answered", "incomplete", "failed", "cancelled"]
ApprovalMode = Literal["automatic", "cells", "plan"]
"""What waits for the user's approval: nothing, each cell, or the plan of each question."""

CellVerdict = Literal["reproduced", "differs", "error", "skipped"]
"""How a cell's outputs compare after it ran again in a fresh kernel."""


class HandChange(Record):
    """A change that the user made to a cell in the notebook; ``code`` is its source now."""

    cell: CellId
    change: Literal["edited", "added", "deleted", "ran"]
    code: str = ""


class Step(Record):
    """One goal of a plan. ``number`` counts from 1."""

    number: int
    goal: str
    status: StepStatus = "todo"


class Value(Record):
    """A number or text that an answer or finding rests on."""

    label: str
    value: float | int | str
    unit: str = ""


class Finding(Record):
    """One recorded statement with its values and the cells that prove it."""

    id: FindingId
    statement: str
    values: tuple[Value, ...] = ()
    cells: tuple[CellId, ...] = ()
    caveats: tuple[str, ...] = ()


class ChartRecord(Record):
    """One captured figure.

    Attributes:
        id: Its id in the analysis.
        cell: The cell whose outputs hold it.
        output: Index of the output in that cell.
        iteration: The iteration that drew it.
        title: As drawn, or the iteration's purpose.
        alt: One sentence for a screen reader.
        data: Typed data (the bundle's chart MIME type), or null if it has none.
        png: Base64 PNG, or null if the figure has no picture.
    """

    id: ChartId
    cell: CellId
    output: int
    iteration: int
    title: str = ""
    alt: str = ""
    data: dict[str, Json] | None = None
    png: str | None = None


class IterationRecord(Record):
    """One cell that the agent ran, and how its execution ended."""

    iteration: int
    cell: CellId
    step: int | None
    attempt: int
    language: Literal["python", "sql"]
    purpose: str
    code: str
    outcome: Outcome
    seconds: float = 0.0
    error: CellError | None = None


class Usage(Record):
    """Tokens of a run, as the provider counted them, and their price.

    Attributes:
        input_tokens: Input that was not cached.
        cached_tokens: Input read from the provider's prompt cache.
        cache_write_tokens: Input written to the provider's prompt cache.
        output_tokens: Output, thinking included.
        calls: Model calls that were answered.
        cost_usd: US dollars; null if the price is not known, 0 for models that cost nothing.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    cost_usd: float | None = 0.0

    @property
    def prompt_tokens(self) -> int:
        """All input, cached parts included."""
        return self.input_tokens + self.cached_tokens + self.cache_write_tokens


class NumberProof(Record):
    """One number of an answer: its place in the text, and the cell that proves it.

    Attributes:
        text: As written in the answer (``20.8``, ``33,442``, ``12 %``).
        start, end: Character offsets in the answer, end exclusive.
        cell: The cell whose output shows the number; null if it is not verified.
    """

    text: str
    start: int
    end: int
    cell: CellId | None


class Answer(Record):
    """The answer of a run.

    Attributes:
        text: Markdown; the first sentence answers the question.
        key_values: The numbers that matter, each with its unit.
        assumptions: Interpretations of the question that would change the answer.
        caveats: Problems of the data and of the method.
        next_questions: At most three.
        numbers: Every number in ``text``, proven or not.
        unfinished: Goals that the run did not reach.
    """

    text: str
    key_values: tuple[Value, ...] = ()
    assumptions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    next_questions: tuple[str, ...] = ()
    numbers: tuple[NumberProof, ...] = ()
    unfinished: tuple[str, ...] = ()


class Limits(Record):
    """What a run may use; null means no limit."""

    iterations: int = Field(default=10, ge=1)
    repairs: int = Field(default=3, ge=0)
    cell_seconds: float = Field(default=120.0, gt=0)
    seconds: float | None = Field(default=1800.0, gt=0)
    tokens: int | None = Field(default=400_000, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)

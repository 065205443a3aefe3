"""What a run is made of: its plan, findings, charts, usage and answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.ids import CellId, ChartId, FindingId
from analyst_kernel.protocol.outputs import CellError, Outcome

StepStatus = Literal["todo", "doing", "done", "blocked"]
RunStatus = Literal["answered", "incomplete", "failed", "cancelled"]
ApprovalMode = Literal["automatic", "cells", "plan"]
"""What waits for the user: nothing; each cell; the plan of each question."""

CellVerdict = Literal["reproduced", "differs", "error", "skipped"]
"""How a cell compared when it was run again in a fresh kernel."""


class HandChange(Record):
    """What a user did to a cell in the notebook itself; ``code`` is the cell's text now."""

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
        data: Typed data (the bundle's chart MIME), or ``None`` where there is none.
        png: Base64 PNG, or ``None`` where the figure has no picture.
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
    """One piece of code and how its execution ended; exactly one cell."""

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
        input_tokens: Not cached.
        cached_tokens: Read from the provider's prompt cache.
        cache_write_tokens: Written to it.
        output_tokens: Thinking included.
        calls: Answered model calls.
        cost_usd: US dollars; ``None`` where the price is not known, 0 for models without one.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    cost_usd: float | None = 0.0


class NumberProof(Record):
    """One number of an answer: where it stands in the text, and the cell that proves it.

    Attributes:
        text: As written in the answer (``20.8``, ``33,442``, ``12 %``).
        start, end: Character offsets in the answer, end exclusive.
        cell: The cell whose output shows it; ``None`` means not verified.
    """

    text: str
    start: int
    end: int
    cell: CellId | None


class Answer(Record):
    """What a run says at its end.

    Attributes:
        text: Markdown; the first sentence answers the question.
        key_values: The numbers that matter, each with its unit.
        assumptions: Readings of the question that would change the answer.
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
    """What a run may use. ``None`` is no limit."""

    iterations: int = Field(default=10, ge=1)
    repairs: int = Field(default=3, ge=0)
    cell_seconds: float = Field(default=120.0, gt=0)
    seconds: float | None = Field(default=1800.0, gt=0)
    tokens: int | None = Field(default=400_000, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)

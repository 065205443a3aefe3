"""The parts of a run: its plan, findings, charts, usage, limits and answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.ids import CellId, ChartId, DefinitionId, FindingId, RunId
from analyst_kernel.protocol.outputs import CellError, LineageHint, Outcome

StepStatus = Literal["todo", "doing", "done", "blocked", "failed", "skipped"]
"""``failed``: its last cell failed and the run went on; ``skipped``: the run ended without it."""
RunStatus = Literal["answered", "incomplete", "failed", "cancelled"]
ApprovalMode = Literal["automatic", "cells", "plan"]
"""What waits for the user's approval: nothing, each cell, or the plan of each question."""

PrivacyMode = Literal["full", "no-values", "schema-only"]
"""What of the data a model may see: all, no value, or names, types and sizes alone."""

InstructionsPlace = Literal["user", "project", "given"]
"""Where a file with instructions lies: in Jupyter's configuration folder, beside the notebook, or
where the user said with the question."""

LONGEST_DEFINITION = 500
"""Characters: a definition goes into every question."""

CellVerdict = Literal["reproduced", "differs", "error", "skipped"]
"""How a cell's outputs compare after it ran again in a fresh kernel."""


class HandChange(Record):
    """A change that the user made to a cell in the notebook; ``code`` is its source now."""

    cell: CellId
    change: Literal["edited", "added", "deleted", "ran"]
    code: str = ""


class CellLabel(Record):
    """A cell by its number, which counts the agent's cells over the whole analysis from 1."""

    number: int
    cell: CellId


class Step(Record):
    """One goal of a plan.

    Attributes:
        number: Counts from 1.
        cells: The cells that ran for it, failed ones too.
    """

    number: int
    goal: str
    status: StepStatus = "todo"
    cells: tuple[CellLabel, ...] = ()


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


class InstructionsUsed(Record):
    """The instructions that an answer was made under: where from, and exactly which text.

    Attributes:
        digest: SHA-256 of the file, hexadecimal.
    """

    place: InstructionsPlace
    path: str
    digest: str = ""


class InstructionsFile(InstructionsUsed):
    """A file with rules for every question, in Markdown.

    Attributes:
        state: ``holds`` if it goes with every question, ``off`` if the user switched it off,
            ``new`` or ``changed`` if the user was not shown this text yet.
        text: As it is sent; empty if it is ``unusable``.
        problem: Why it is unusable, in sentences.
    """

    state: Literal["holds", "off", "new", "changed", "unusable"]
    text: str = ""
    problem: str = ""


class Definition(Record):
    """What the user said of the data or of a word, for every later question of the analysis.

    Attributes:
        id: Its id in the analysis.
        text: What holds, in one sentence.
        quote: The user's own words that it rests on; empty if the user wrote the ``text``.
        by: ``choice`` if the user chose it on a question card.
        run: The question in which it was recorded; null if the user wrote it outside a question.
        active: Whether it holds for the next question.
        ended: The question in which another definition took its place, or that withdrew it.
        replaces: The definition whose place it took.
        claimed: Whether only the notebook says that the user said so, which anybody may have
            written.
    """

    id: DefinitionId
    text: str
    quote: str = ""
    by: Literal["user", "choice"] = "user"
    run: RunId | None = None
    active: bool = True
    ended: RunId | None = None
    replaces: DefinitionId | None = None
    claimed: bool = False


class DataState(Record):
    """A named state of the data: a variable as it was when it got the name.

    Attributes:
        name: As questions refer to it (``orders without refunds``).
        definition: What was done to the data, in words.
        variable: The variable that held it, or that holds it again.
        cells: The cells that make it, in order, those that load the data included.
        rows: Number of rows; null if it is no table.
        columns: Of a table, at most 200.
        content: A digest of the values, by which a change is noticed; empty if none can be made.
        run: The question in which it was named, or was returned to last.
        named: The question in which it was named first.
        claimed: Whether only the notebook says so.
    """

    name: str
    definition: str
    variable: str
    cells: tuple[CellId, ...] = ()
    rows: int | None = None
    columns: tuple[str, ...] = ()
    content: str = ""
    run: RunId | None = None
    named: RunId | None = None
    claimed: bool = False


class ChartRecord(Record):
    """One captured figure.

    Attributes:
        id: Its id in the analysis.
        cell: The cell whose outputs hold it.
        output: Index of the output in that cell.
        iteration: The number of the cell that drew it; 0 for a cell of the user.
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
    """One cell that the agent ran, and how its execution ended.

    Attributes:
        iteration: The cell's number in the analysis, from 1.
        lineage: Where the tables that it made come from, in one line.
        hints: What in it should be looked at twice.
    """

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
    lineage: str = ""
    hints: tuple[LineageHint, ...] = ()


class Usage(Record):
    """Tokens of a run, as the provider counted them, and their price.

    Attributes:
        input_tokens: Input that was not cached.
        cached_tokens: Input read from the provider's prompt cache.
        cache_write_tokens: Input written to the provider's prompt cache.
        output_tokens: Output, thinking included.
        calls: Model calls that were answered.
        failed_calls: Model calls that failed, broke off or were cancelled; what is known of their
            tokens is counted.
        cost_usd: US dollars; null if the price is not known, 0 for models that cost nothing.
        partial_usd: If ``cost_usd`` is null, the US dollars of those parts whose price is known: it
            cost at least so much. Else 0.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    failed_calls: int = 0
    cost_usd: float | None = 0.0
    partial_usd: float = 0.0

    @property
    def known_usd(self) -> float:
        """US dollars that it cost for certain; it may have cost more if ``cost_usd`` is null."""
        return self.partial_usd if self.cost_usd is None else self.cost_usd

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
        derivation: How it follows from what is shown (``33,442 − 33,384``); empty if it is shown
            itself.
        nearest: For a number that is not verified, the nearest shown value, in words.
        nearest_cell: The cell that shows that.
    """

    text: str
    start: int
    end: int
    cell: CellId | None
    derivation: str = ""
    nearest: str = ""
    nearest_cell: CellId | None = None


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
        cells: The cells that the texts cite by number.
    """

    text: str
    key_values: tuple[Value, ...] = ()
    assumptions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    next_questions: tuple[str, ...] = ()
    numbers: tuple[NumberProof, ...] = ()
    unfinished: tuple[str, ...] = ()
    cells: tuple[CellLabel, ...] = ()


class Limits(Record):
    """What a run may use; null means no limit.

    Attributes:
        iterations: Cells.
        repairs: Cells that repair another one, within a step.
        cell_seconds: Of one cell.
        seconds: Of the run, without the time that it waits for the user.
        tokens: Of all model calls of the run, in and out, cached ones included.
        cost_usd: US dollars of the run.
        analysis_usd: US dollars of the whole analysis, earlier runs included.
        day_usd: US dollars of all the user's analyses on one day, by the local calendar.
    """

    iterations: int = Field(default=10, ge=1)
    repairs: int = Field(default=3, ge=0)
    cell_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    seconds: float | None = Field(default=1800.0, gt=0, allow_inf_nan=False)
    tokens: int | None = Field(default=400_000, gt=0)
    cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    analysis_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    day_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


PackageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$")]
PackageVersion = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]{0,98}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PackageWheel(Record):
    """One wheel of a package, before it is fetched.

    Attributes:
        bytes: To download; null if its host does not say.
        host: Which machine has the file.
    """

    name: PackageName
    version: PackageVersion
    sha256: Sha256
    file: str
    host: str
    bytes: int | None = None


class PackageOffer(Record):
    """A package that is not installed and could be fetched.

    Attributes:
        module: The name in the import; empty if it is not known.
        name: Of the distribution, exactly as the index writes it.
        indexes: The addresses that were asked, without credentials.
        wheels: Its own, then those of the packages that it brings.
        known: Whether the name is one of those known here.
        alike: A known name that this may be a misspelling of; empty if there is none.
    """

    module: str
    name: PackageName
    version: PackageVersion
    indexes: tuple[str, ...]
    wheels: tuple[PackageWheel, ...]
    known: bool
    alike: str = ""


class PackageUsed(Record):
    """A package that was fetched for an analysis, as its notebook notes it.

    Attributes:
        index: The first address that was asked, without credentials.
        brought_by: The packages that the user said yes to and that need it, itself included.
    """

    name: PackageName
    version: PackageVersion
    sha256: Sha256
    file: str = ""
    index: str = ""
    brought_by: tuple[str, ...] = ()

"""The inputs of the tools; what a model reads of a tool is the docstring of its input.

Only the essential fields are required. Constraints that providers' strict schemas cannot express
are checked here and stand in the tool's description.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from analyst_kernel.agent.budget import MOST_LISTED
from analyst_kernel.agent.run import AnswerDraft
from analyst_kernel.protocol.records import Value


class ToolInput(BaseModel):
    """Base of the inputs; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Filled = Annotated[str, AfterValidator(_not_blank)]
Texts = Annotated[list[str] | str, BeforeValidator(_listed)]
"""One text or several, as a list."""


def _named(value: object) -> object:
    return [f"{name}: {text}" for name, text in value.items()] if isinstance(value, dict) else value


Reasons = Annotated[Texts, BeforeValidator(_named)]
"""Texts such as ``q1: why``; an object from names to texts is taken as well."""


class Goal(ToolInput):
    """A step of a plan, as an object."""

    goal: Filled


class ValueInput(ToolInput):
    """A value with its label, for findings and answers."""

    label: str
    value: float | int | str
    unit: str = ""

    def record(self) -> Value:
        """Return the value as it travels on the wire."""
        return Value(label=self.label, value=self.value, unit=self.unit)


class RunPython(ToolInput):
    """Run Python in the live kernel as one new cell.

    Returns output, the last expression's value, variables made or changed, charts; on failure the
    error with live columns.
    """

    code: Filled
    purpose: Annotated[str, Field(description="at most 12 words")] = ""
    step: int | None = None


class RunSql(ToolInput):
    """Run DuckDB SQL over datasets and DataFrames by variable name, as one new cell.

    The result becomes the DataFrame `name` and is displayed. With `connection`, that database runs
    it, in its own SQL: one query that reads; aggregate there.
    """

    sql: Filled
    name: Annotated[str, Field(description="variable for the result")] = ""
    connection: str = ""
    purpose: str = ""
    step: int | None = None


class ProfileDataset(ToolInput):
    """Describe a dataset's columns, values and problems again; costs no cell."""

    name: Filled
    columns: list[str] = []
    detail: Literal["concise", "full"] = "concise"


class UsePackage(ToolInput):
    """Ask the user for a package that is not installed, by its import name. They may say no."""

    module: Filled
    reason: Filled


class ReadDocument(ToolInput):
    """Read a document beside the data (README, manual, codebook) from character `start`, or where it holds `search`; costs no cell."""  # noqa: E501 - as AskUser's

    name: Filled
    search: str = ""
    start: Annotated[int, Field(ge=0)] = 0


class UpdatePlan(ToolInput):
    """Set the plan: 3 to 7 goals in order (at most 7).

    Send the whole list; goals that stay keep their status. Replace a wrong or blocked step, do not
    append to it.
    """

    steps: list[str | Goal]
    datasets: list[str] = []
    reason: str = ""

    def goals(self) -> list[str]:
        """Return the steps as texts."""
        return [step if isinstance(step, str) else step.goal for step in self.steps]


class RecordFinding(ToolInput):
    """Record one result that the answer rests on, with its values and its cells."""

    statement: Filled
    values: list[ValueInput] = []
    cells: Annotated[list[int | str], Field(description="numbers of cells that prove it")] = []
    caveats: Texts = []


class RecordDefinition(ToolInput):
    """Keep what the user says a word means or always leaves out, for all later questions.

    Not for what only this question asks. With `replaces` it takes that definition's place; an
    empty text then withdraws it.
    """

    text: Annotated[str, Field(description="one sentence; empty to withdraw", max_length=500)]
    quote: Annotated[Filled, Field(description="the user's own words, verbatim", max_length=500)]
    replaces: Annotated[str, Field(description="such as d2")] = ""


class NameState(ToolInput):
    """Name a variable's present state so that later questions can return to it; costs no cell."""

    name: Annotated[Filled, Field(description="as a user would refer to it")]
    variable: Filled
    definition: Annotated[Filled, Field(description="what was done to the data")]


class ReturnToState(ToolInput):
    """Return to a named state: the variable if it is unchanged, else it is made again in a cell."""

    name: Filled
    step: int | None = None


class AskUser(ToolInput):
    """Ask the user one question with 2 to 4 options; the first, or `default`, is taken if nobody answers.

    Only before computing, only if the data cannot decide.
    """  # noqa: E501 - a model reads this sentence, which has no shorter form

    question: Filled
    options: list[str]
    default: str = ""

    @model_validator(mode="after")
    def _options(self) -> AskUser:
        if not 2 <= len(self.options) <= 4:
            raise ValueError("options must be 2 to 4 texts")
        if self.default and self.default not in self.options:
            raise ValueError("default must be one of options")
        return self


class Finish(ToolInput):
    """End with the answer.

    Its numbers are looked up in the executed outputs.
    """

    answer: Annotated[Filled, Field(description="Markdown, cites cells as [cell 3]")]
    key_values: list[ValueInput] = []
    assumptions: Texts = []
    caveats: Texts = []
    next_questions: Annotated[Texts, Field(description="at most 3")] = []
    answered: Annotated[bool, Field(description="false if you gave up")] = True
    reasons: Annotated[Reasons, Field(description="for what was asked back: 'q1: why'")] = []
    definitions: Annotated[
        list[str] | None, Field(description="ids of definitions that the answer rests on")
    ] = None

    def draft(self) -> AnswerDraft:
        """Return the proposed answer."""
        return AnswerDraft(
            text=self.answer.strip(),
            key_values=tuple(value.record() for value in self.key_values[:MOST_LISTED]),
            assumptions=texts(self.assumptions),
            caveats=texts(self.caveats),
            next_questions=texts(self.next_questions)[:3],
            answered=self.answered,
            reasons=texts(self.reasons),
        )


def texts(items: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that are not blank, stripped, as many as are kept."""
    return tuple(item.strip() for item in items if item.strip())[:MOST_LISTED]

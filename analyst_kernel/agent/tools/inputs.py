"""What each tool takes, as a model or an outside caller sends it.

Only the essential fields are required. Constraints that providers' strict schemas do not know are
checked here and told in the tool's description.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from analyst_kernel.protocol.records import Value


class ToolInput(BaseModel):
    """Base of the inputs: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Filled = Annotated[str, AfterValidator(_not_blank)]
Texts = Annotated[list[str] | str, BeforeValidator(_listed)]
"""One text or several; always a list once read."""


class Goal(ToolInput):
    """A step of a plan, as an object."""

    goal: Filled


class Figure(ToolInput):
    """A value with its label, as findings and answers name it."""

    label: str
    value: float | int | str
    unit: str = ""

    def record(self) -> Value:
        """Return it as it travels on the wire."""
        return Value(label=self.label, value=self.value, unit=self.unit)


class RunPython(ToolInput):
    """Input of ``run_python``."""

    code: Filled
    purpose: Annotated[str, Field(description="at most 12 words")] = ""
    step: int | None = None


class RunSql(ToolInput):
    """Input of ``run_sql``."""

    sql: Filled
    name: Annotated[str, Field(description="variable for the result")] = ""
    purpose: str = ""
    step: int | None = None


class ProfileDataset(ToolInput):
    """Input of ``profile_dataset``."""

    name: Filled
    columns: list[str] = []
    detail: Literal["concise", "full"] = "concise"


class UpdatePlan(ToolInput):
    """Input of ``update_plan``."""

    steps: list[str | Goal]
    datasets: list[str] = []
    reason: str = ""

    def goals(self) -> list[str]:
        """Return the steps as texts."""
        return [step if isinstance(step, str) else step.goal for step in self.steps]


class RecordFinding(ToolInput):
    """Input of ``record_finding``."""

    statement: Filled
    values: list[Figure] = []
    cells: Annotated[
        list[int | str], Field(description="iteration numbers or cell ids that prove it")
    ] = []
    caveats: Texts = []


class AskUser(ToolInput):
    """Input of ``ask_user``."""

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
    """Input of ``finish``."""

    answer: Annotated[Filled, Field(description="Markdown, cites cells as [cell 3]")]
    key_values: list[Figure] = []
    assumptions: Texts = []
    caveats: Texts = []
    next_questions: Annotated[Texts, Field(description="at most 3")] = []
    answered: Annotated[bool, Field(description="false if you gave up")] = True


def texts(value: list[str] | str) -> tuple[str, ...]:
    """Return the filled texts of a field that may be one text or several."""
    items = [value] if isinstance(value, str) else value
    return tuple(item.strip() for item in items if item.strip())

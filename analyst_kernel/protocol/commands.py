"""Commands: what a person asks of an analysis, imperative, one tagged union.

The tag has no default here, so that TypeScript must write it and a missing tag is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.ids import AnalysisId, AskId
from analyst_kernel.protocol.records import Limits


class CommandBase(Record):
    """What every command has: the analysis it is for."""

    analysis: AnalysisId


class AskQuestion(CommandBase):
    """Ask; starts a run, or queues behind the one at work."""

    type: Literal["ask_question"]
    question: str = Field(min_length=1)
    data: tuple[str, ...] = ()
    model: str | None = None
    limits: Limits | None = None


class CancelRun(CommandBase):
    """Stop the run at work, interrupting the kernel."""

    type: Literal["cancel_run"]


class RunCode(CommandBase):
    """Run the person's own code in the analysis's kernel, as a cell."""

    type: Literal["run_code"]
    code: str = Field(min_length=1)


class AttachData(CommandBase):
    """Grant files or folders to the analysis."""

    type: Literal["attach_data"]
    paths: tuple[str, ...] = Field(min_length=1)


class AnswerQuestion(CommandBase):
    """Answer what the run asked."""

    type: Literal["answer_question"]
    ask: AskId
    answer: str


class DecideApproval(CommandBase):
    """Decide about a cell that waits; ``code`` replaces it where the decision is ``edit``."""

    type: Literal["decide_approval"]
    ask: AskId
    decision: Literal["run", "edit", "skip", "run_all"]
    code: str | None = None


Command = Annotated[
    AskQuestion | CancelRun | RunCode | AttachData | AnswerQuestion | DecideApproval,
    Field(discriminator="type"),
]

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
"""Reads and writes any command."""

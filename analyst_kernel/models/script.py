"""The format of a recorded script, and reading it.

A JSON file::

    {"version": 1,
     "pace": 0.0,                        seconds between pieces, for demonstrations (optional)
     "turns": [
       {"blocks": [
          {"type": "thinking", "thinking": "I look at the columns first."},
          {"type": "text", "text": "Let me look."},
          {"type": "tool_use", "name": "run_python",
           "input": {"code": "...", "purpose": "...", "step": 1}}],
        "stop_reason": "tool_use",       optional: tool_use after a tool call, else end_turn
        "usage": {"input_tokens": 900, "output_tokens": 80}},     optional
       ...]}

Each request to the model takes the next turn. In a tool call's input, ``{{cell}}`` stands for the
id of the newest executed cell and ``{{cell:2}}`` for the second one of the conversation. ``chunk``
(characters per piece) may stand in a turn. The test server plays the same files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.errors import ModelChoiceError

ScriptStop = Literal["end_turn", "tool_use", "max_tokens", "refusal"]


class ThinkingBlock(Record):
    """A thinking summary."""

    type: Literal["thinking"] = "thinking"
    thinking: str


class TextBlock(Record):
    """Prose."""

    type: Literal["text"] = "text"
    text: str


class ToolUseBlock(Record):
    """A tool call; an empty ``id`` is filled in."""

    type: Literal["tool_use"] = "tool_use"
    name: str
    input: dict[str, Json]
    id: str = ""


Block = Annotated[ThinkingBlock | TextBlock | ToolUseBlock, Field(discriminator="type")]


class ScriptUsage(Record):
    """Token numbers of a turn, as recorded."""

    input_tokens: int = 0
    output_tokens: int = 0


class ScriptTurn(Record):
    """One reply of the model."""

    blocks: tuple[Block, ...]
    stop_reason: ScriptStop | None = None
    usage: ScriptUsage = ScriptUsage()
    chunk: int = Field(default=40, ge=1)

    @property
    def reason(self) -> ScriptStop:
        """The stop reason, derived where it is not given."""
        if self.stop_reason is not None:
            return self.stop_reason
        calls = any(block.type == "tool_use" for block in self.blocks)
        return "tool_use" if calls else "end_turn"


class Script(Record):
    """A whole recording."""

    version: Literal[1] = 1
    title: str = ""
    pace: float = Field(default=0.0, ge=0.0, le=5.0)
    turns: tuple[ScriptTurn, ...]


def read_script(path: str) -> Script:
    """Read and check a script; raises ``ModelChoiceError`` saying what is wrong and where."""
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ModelChoiceError(
            f"The script {path!r} cannot be read: {error.strerror or error}.",
            "Give the path of a script after 'scripted:'.",
        ) from error
    return parse_script(content, path=path)


def parse_script(content: str | bytes, *, path: str) -> Script:
    """Check a script's JSON text; ``path`` is for messages. Raises ``ModelChoiceError``."""
    try:
        return Script.model_validate_json(content)
    except ValidationError as error:
        raise ModelChoiceError(
            f"{path!r} is not a script: {_first_problem(error)}.",
            "The format is described in analyst_kernel/models/script.py.",
        ) from error


def _first_problem(error: ValidationError) -> str:
    problem: Any = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"])
    return f"{said} (at {place})" if place else said

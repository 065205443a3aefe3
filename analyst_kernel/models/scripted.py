"""The model ``scripted:PATH``: replays recorded turns; the tools that it calls really run.

For demonstrations and tests. It does not read the question, and is marked as no AI everywhere. A
script is a JSON file::

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

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field, ValidationError

from analyst_kernel.agent import ports
from analyst_kernel.agent.transcript import ModelRequest, UserMessage
from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.errors import ModelChoiceError, ModelError
from analyst_kernel.protocol.records import Usage
from analyst_kernel.providers import Env, ProviderInfo

_CELL = re.compile(r"\{\{cell(?::(\d+))?\}\}")

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


class ScriptedProvider:
    """Replays ``scripted:PATH``."""

    name = "scripted"

    def describe(self, env: Env) -> ProviderInfo:
        """Return what lists show; a script needs no credentials."""
        return ProviderInfo(
            name=self.name,
            label="Recorded script",
            has_credentials=True,
            note="No AI model: replays the turns recorded in a file, as scripted:PATH.",
            is_ai=False,
        )

    async def open(self, model: str, env: Env) -> ScriptedModel:
        """Read the script; raises ``ModelChoiceError`` if it cannot be read or is not a script."""
        if not model:
            raise ModelChoiceError("'scripted' needs a file.", "For example scripted:demo.json.")
        return ScriptedModel(await asyncio.to_thread(read_script, model), path=model)


class ScriptedModel:
    """Implements the ``Model`` port; each request takes the next turn of the script."""

    def __init__(self, script: Script, *, path: str) -> None:
        self.name = f"scripted:{path}"
        self.is_ai = self.sees_images = False
        self._script = script
        self._path = path
        self._next = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[ports.ModelEvent]:
        """Replay the next turn; raises ``ModelError`` when none is left."""
        number = self._next
        if number >= len(self._script.turns):
            raise ModelError(
                f"The script {self._path!r} has no turn left after {number}.",
                "Add the missing turns to the script, or choose another model.",
                fault="request",
                retryable=False,
            )
        self._next += 1
        turn = self._script.turns[number]
        for event in _events(turn, number, executed_cells(request)):
            await asyncio.sleep(self._script.pace)
            yield event
        tokens = turn.usage
        yield ports.UsageReported(
            Usage(input_tokens=tokens.input_tokens, output_tokens=tokens.output_tokens, calls=1)
        )
        yield ports.Stopped(reason=turn.reason)

    async def aclose(self) -> None:
        """Nothing to release."""


def executed_cells(request: ModelRequest) -> tuple[str, ...]:
    """List the ids of the cells that the conversation's tool results observed, oldest first."""
    sent = (message for message in request.messages if isinstance(message, UserMessage))
    observed = (result.observation for message in sent for result in message.results)
    return tuple(dict.fromkeys(found.cell for found in observed if found and found.cell))


def _events(turn: ScriptTurn, number: int, cells: tuple[str, ...]) -> Iterator[ports.ModelEvent]:
    for index, block in enumerate(turn.blocks):
        match block:
            case ThinkingBlock():
                yield from map(ports.ThinkingDelta, _pieces(block.thinking, turn.chunk))
            case TextBlock():
                yield from map(ports.TextDelta, _pieces(block.text, turn.chunk))
            case ToolUseBlock():
                call_id = block.id or f"call_{number + 1}_{index + 1}"
                raw = json.dumps(_with_cells(block.input, cells), ensure_ascii=False)
                yield ports.ToolStarted(index=index, call_id=call_id, tool=block.name)
                for piece in _pieces(raw, turn.chunk):
                    yield ports.ToolInputDelta(index=index, text=piece)
                yield ports.ToolEnded(index=index, raw_input=raw)
            case _:
                assert_never(block)


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _with_cells(value: Json, cells: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _with_cells(item, cells) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_cells(item, cells) for item in value]
    if not isinstance(value, str):
        return value

    def cell(match: re.Match[str]) -> str:
        position = int(match.group(1) or len(cells)) - 1
        return cells[position] if 0 <= position < len(cells) else match.group(0)

    return _CELL.sub(cell, value)


def read_script(path: str) -> Script:
    """Read and check a script; raises ``ModelChoiceError`` saying what is wrong and where."""
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ModelChoiceError(
            f"The script {path!r} cannot be read: {error.strerror or error}.",
            "Give the path of a script after 'scripted:'.",
        ) from error
    try:
        return Script.model_validate_json(content)
    except ValidationError as error:
        raise ModelChoiceError(
            f"{path!r} is not a script: {_first_problem(error)}.",
            "The format is described in analyst_kernel/models/scripted.py.",
        ) from error


def _first_problem(error: ValidationError) -> str:
    problem: Any = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"])
    return f"{said} (at {place})" if place else said

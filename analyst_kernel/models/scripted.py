"""The model ``scripted:PATH``: replays recorded turns; the tools that it calls really run.

For demonstrations and tests. It does not read the question, and is marked as no AI everywhere.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_never

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import ModelRequest, UserMessage
from analyst_kernel.models.script import (
    Script,
    ScriptTurn,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    parse_script,
    read_script,
)
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.errors import ModelChoiceError, ModelError
from analyst_kernel.protocol.records import Usage
from analyst_kernel.providers import Env, ProviderInfo

_CELL = re.compile(r"\{\{cell(?::(\d+))?\}\}")


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

    def __init__(self, script: Script, *, path: str = "memory") -> None:
        self.name = f"scripted:{path}"
        self.is_ai = self.sees_images = False
        self._script = script
        self._path = path
        self._next = 0

    @classmethod
    def from_json(cls, content: str | bytes, *, path: str = "memory") -> ScriptedModel:
        """Return the model of a script's JSON text; raises ``ModelChoiceError``."""
        return cls(parse_script(content, path=path), path=path)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
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
        yield UsageReported(
            Usage(input_tokens=tokens.input_tokens, output_tokens=tokens.output_tokens, calls=1)
        )
        yield Stopped(reason=turn.reason)

    async def aclose(self) -> None:
        """Nothing to release."""


def executed_cells(request: ModelRequest) -> tuple[str, ...]:
    """List the ids of the cells that the conversation's tool results observed, oldest first."""
    sent = (message for message in request.messages if isinstance(message, UserMessage))
    observed = (result.observation for message in sent for result in message.results)
    return tuple(dict.fromkeys(found.cell for found in observed if found and found.cell))


def _events(turn: ScriptTurn, number: int, cells: tuple[str, ...]) -> Iterator[ModelEvent]:
    for index, block in enumerate(turn.blocks):
        match block:
            case ThinkingBlock():
                yield from map(ThinkingDelta, _pieces(block.thinking, turn.chunk))
            case TextBlock():
                yield from map(TextDelta, _pieces(block.text, turn.chunk))
            case ToolUseBlock():
                call_id = block.id or f"call_{number + 1}_{index + 1}"
                raw = json.dumps(_with_cells(block.input, cells), ensure_ascii=False)
                yield ToolStarted(index=index, call_id=call_id, tool=block.name)
                for piece in _pieces(raw, turn.chunk):
                    yield ToolInputDelta(index=index, text=piece)
                yield ToolEnded(index=index, raw_input=raw)
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

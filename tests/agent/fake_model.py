"""A model that plays turns, and remembers what it was sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TypeAlias, cast

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import AssistantMessage, ModelRequest, ToolResult, UserMessage
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.records import Usage
from tests.fakes.turns import Turn

Played: TypeAlias = "Turn | Sequence[ModelEvent | ModelError | float]"
Scripted: TypeAlias = "Played | Callable[[ModelRequest], Played]"

PER_CALL = Usage(input_tokens=100, output_tokens=20)


def events_of(turn: Turn) -> Iterator[ModelEvent]:
    """Play a turn as a provider's model does, each text in two halves."""
    kinds = {block["type"] for block in turn.blocks}
    if "tool_use" in kinds and "thinking" not in kinds:
        yield ThinkingDelta("hm")
    for index, block in enumerate(turn.blocks):
        match block["type"]:
            case "thinking":
                yield ThinkingDelta(block["thinking"])
            case "text":
                yield from map(TextDelta, halves(block["text"]))
            case "tool_use":
                raw = block.get("raw_input") or json.dumps(block["input"])
                digest = hashlib.sha256((block["name"] + raw).encode()).hexdigest()[:6]
                yield ToolStarted(index, f"t{index}-{digest}", block["name"])
                for half in halves(raw):
                    yield ToolInputDelta(index, half)
                yield ToolEnded(index, raw)
    yield UsageReported(PER_CALL)
    reason = cast("StopReason", turn.reason)
    yield Stopped(reason, raw=[{"type": block["type"]} for block in turn.blocks])


def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def message_hash(message: UserMessage | AssistantMessage) -> str:
    return hashlib.sha256(repr(message).encode()).hexdigest()


class FakeModel:
    """Plays its script turn by turn; a float in a turn waits that long, infinity for ever."""

    def __init__(self, *script: Scripted, sees_images: bool = False) -> None:
        self.script = list(script)
        self.requests: list[ModelRequest] = []
        self.closed_early = 0
        self._sees = sees_images

    @property
    def name(self) -> str:
        return "fake:model"

    @property
    def is_ai(self) -> bool:
        return True

    @property
    def sees_images(self) -> bool:
        return self._sees

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        check_history(request)
        self.requests.append(request)
        assert self.script, "the model was asked more often than the script has turns"
        turn = self.script.pop(0)
        played = turn(request) if callable(turn) else turn
        for event in events_of(played) if isinstance(played, Turn) else played:
            await asyncio.sleep(0)
            if isinstance(event, ModelError):
                raise event
            if isinstance(event, float):
                await asyncio.Event().wait()
                continue
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""

    def newest(self, request: int = -1) -> UserMessage:
        """Return the last message of a request."""
        message = self.requests[request].messages[-1]
        assert isinstance(message, UserMessage)
        return message

    def result(self, request: int = -1) -> ToolResult:
        """Return the only result that stands last in a request."""
        (result,) = self.newest(request).results
        return result

    def results(self, request: int = -1) -> list[tuple[str, bool]]:
        """Return text and error flag of the results that stand last in a request."""
        texts = []
        for result in self.newest(request).results:
            text = "\n".join(part.text for part in result.content if hasattr(part, "text"))
            texts.append((text, result.is_error))
        return texts

    def said(self, request: int = -1) -> str:
        """Return the text (not the results) of the last message of a request."""
        message = self.newest(request)
        return "\n".join(part.text for part in message.text if hasattr(part, "text"))

    def check_prefixes(self) -> None:
        """Each request of a run must start with all messages of the one before, unchanged."""
        for before, after in zip(self.requests, self.requests[1:], strict=False):
            assert before.system == after.system
            assert before.tools == after.tools
            if len(after.messages) == 1 and len(before.messages) > 1:
                continue  # A new run starts afresh.
            old = [message_hash(message) for message in before.messages]
            new = [message_hash(message) for message in after.messages]
            assert new[: len(old)] == old


def check_history(request: ModelRequest) -> None:
    """Refuse what real providers refuse."""
    check_messages(request.messages)
    assert isinstance(request.messages[-1], UserMessage)


def check_messages(messages: Sequence[UserMessage | AssistantMessage]) -> None:
    """Roles alternate, and every call is answered once, in order, in the next message."""
    pending: list[str] = []
    for index, message in enumerate(messages):
        match message:
            case UserMessage():
                assert index % 2 == 0, "two messages of one side in a row"
                assert [result.call_id for result in message.results] == pending
                assert message.results or message.text
                pending = []
            case AssistantMessage():
                assert index % 2 == 1, "two messages of one side in a row"
                pending = [call.call_id for call in message.calls]
                for call in message.calls:
                    assert isinstance(json.loads(call.raw_input), dict)
    assert not pending, "unanswered calls"

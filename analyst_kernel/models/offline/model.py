"""The deterministic analyst behind ``offline:rules``: a model port without a language model.

It reads the structured side of the transcript and answers with the same tool calls that a language
model sends. It calls no network, keeps no state and needs no key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.models.offline.conversation import read_conversation
from analyst_kernel.models.offline.decide import Call, Say, decide
from analyst_kernel.protocol.records import Usage

_CHUNK = 160
"""Characters of one piece of streamed text."""

_ALL_TOOLS = frozenset(
    {"run_python", "run_sql", "update_plan", "record_finding", "ask_user", "finish"}
)


class OfflineRules:
    """Implements :class:`analyst_kernel.agent.ports.Model` with rules."""

    @property
    def name(self) -> str:
        """``offline:rules``."""
        return "offline:rules"

    @property
    def is_ai(self) -> bool:
        """False: no AI model is at work."""
        return False

    @property
    def sees_images(self) -> bool:
        """False: pictures tell rules nothing."""
        return False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield one turn: one tool call, or text where no tool may be called.

        A pure function of the request; it cannot fail and may be cancelled between any two events.
        """
        talk = read_conversation(request.messages)
        tools = frozenset(tool.name for tool in request.tools) or _ALL_TOOLS
        action = decide(talk, tools=tools, wrap_up=request.tool_choice == "none")
        for event in _events(action, call_id=f"offline-{talk.calls + 1}"):
            yield event
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Release nothing; there is nothing to release."""


def _events(action: Call | Say, *, call_id: str) -> Iterator[ModelEvent]:
    usage = UsageReported(Usage(calls=1, cost_usd=0.0))
    if isinstance(action, Say):
        for piece in _pieces(action.text):
            yield TextDelta(piece)
        yield usage
        yield Stopped("end_turn")
        return
    if action.remark:
        yield TextDelta(action.remark)
    raw = json.dumps(action.arguments, ensure_ascii=False, allow_nan=False)
    yield ToolStarted(0, call_id, action.tool)
    for piece in _pieces(raw):
        yield ToolInputDelta(0, piece)
    yield ToolEnded(0, raw)
    yield usage
    yield Stopped("tool_use")


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _CHUNK):
        yield text[start : start + _CHUNK]

"""What the fake server plays: turns of blocks, each with at most one fault.

A turn is JSON in the product's script format (``analyst_kernel/models/script.py``) plus ``fault``,
or is made with the functions here, or is a callable that gets the request's JSON and gives a turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

FaultKind = Literal[
    "status",  # an HTTP error before the stream: status, error_type, message, retry_after, headers
    "error_event",  # an error event at status 200: error_type, message
    "truncate",  # the body ends cleanly before the message does
    "reset",  # the connection is reset
    "stall",  # silence for `seconds`, with pings where `pings`; then the stream goes on
    "bad_json",  # the tool's input is not JSON, though the stream is complete
    "garbage_sse",  # data that is not JSON
    "empty",  # 200 without a body
    "max_tokens_in_tool",  # the tool's input is cut and the message stops with max_tokens
    "refusal",  # the message stops with refusal: category, explanation
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    Attributes:
        kind: What.
        after: Number of events that are sent before it; ``tool``: in the middle of the first tool
            call's input; for ``truncate`` also ``half``: in the middle of an event's bytes.
        status, error_type, message, retry_after, headers: Of an HTTP error or an error event.
        seconds: Of a stall.
        pings: Whether a stall sends ping events meanwhile.
        category, explanation: Of a refusal.
    """

    kind: FaultKind
    after: int | Literal["tool", "half"] = 2
    status: int = 500
    error_type: str = ""
    message: str = "The fake server was told to fail."
    retry_after: str | float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    pings: bool = False
    category: str = "policy"
    explanation: str = "This request was declined."


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply.

    Attributes:
        blocks: API content blocks; thinking without signature gets one; a tool_use without id too,
            and ``raw_input`` (text) instead of ``input`` is sent as it is.
        stop_reason: Derived where empty.
        chunk: Characters per delta.
        fault: What goes wrong, if anything.
        delay: Seconds between events.
    """

    blocks: tuple[dict[str, Any], ...] = ()
    stop_reason: str = ""
    chunk: int = 12
    fault: Fault | None = None
    delay: float = 0.0

    @property
    def reason(self) -> str:
        if self.stop_reason:
            return self.stop_reason
        calls = any(block["type"] == "tool_use" for block in self.blocks)
        return "tool_use" if calls else "end_turn"


TurnSource: TypeAlias = Turn | Mapping[str, Any] | Callable[[dict[str, Any]], Any]


def turn(
    *blocks: dict[str, Any],
    stop_reason: str = "",
    chunk: int = 12,
    fault: Fault | None = None,
    delay: float = 0.0,
) -> Turn:
    """Make a turn of blocks."""
    return Turn(tuple(blocks), stop_reason, chunk, fault, delay)


def think(text: str) -> dict[str, Any]:
    """Make a thinking block; the server signs it."""
    return {"type": "thinking", "thinking": text}


def redacted() -> dict[str, Any]:
    """Make a redacted thinking block; the server fills it."""
    return {"type": "redacted_thinking"}


def say(text: str) -> dict[str, Any]:
    """Make a text block."""
    return {"type": "text", "text": text}


def call(tool: str, /, **tool_input: Any) -> dict[str, Any]:
    """Make a tool call."""
    return {"type": "tool_use", "name": tool, "input": tool_input}


def raw_call(tool: str, raw_input: str) -> dict[str, Any]:
    """Make a tool call whose input is sent as this text."""
    return {"type": "tool_use", "name": tool, "raw_input": raw_input}


def fail(kind: FaultKind, **details: Any) -> Turn:
    """Make a turn that fails before it says anything (``status``, ``empty``...)."""
    return Turn(fault=Fault(kind, **details))


def read_turn(source: Turn | Mapping[str, Any]) -> Turn:
    """Read a turn from its JSON form."""
    if isinstance(source, Turn):
        return source
    fault = source.get("fault")
    return Turn(
        blocks=tuple(source.get("blocks", ())),
        stop_reason=source.get("stop_reason") or "",
        chunk=int(source.get("chunk", 12)),
        fault=Fault(**fault) if fault else None,
        delay=float(source.get("delay", 0.0)),
    )


def read_script(text: str) -> list[Turn]:
    """Read a script file: ``{"turns": [...], "pace": seconds}``, or the list alone."""
    content = json.loads(text)
    if isinstance(content, list):
        return [read_turn(item) for item in content]
    pace = float(content.get("pace", 0.0))
    turns = [read_turn(item) for item in content["turns"]]
    return [replace(item, delay=item.delay or pace) for item in turns]

"""What a scripted model says, for every test: turns of blocks, each with at most one fault.

Every function here makes a :class:`ScriptedTurn`, and :func:`turn` joins several into one reply. Three
players take them: :func:`script` writes a file for the product's own model ``scripted:PATH``, the
fake server (``wire_server.py``) says them over real HTTP, and the fake model of the core's tests
hands them over in memory. Their JSON form is the product's script format
(``analyst_kernel/models/scripted.py``) plus ``fault``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
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
            call's input; ``tail``: behind the event that completes the message, on a wire where
            something may follow; for ``truncate`` also ``half``: in the middle of an event's bytes.
        status, error_type, message, retry_after, headers: Of an HTTP error or an error event.
        seconds: Of a stall.
        pings: Whether a stall sends ping events meanwhile.
        category, explanation: Of a refusal.
    """

    kind: FaultKind
    after: int | Literal["tool", "half", "tail"] = 2
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
class ScriptedTurn:
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


TurnSource: TypeAlias = ScriptedTurn | Mapping[str, Any] | Callable[[dict[str, Any]], Any]
"""A turn, its JSON form, or what makes one from the request's JSON."""


def turn(
    *parts: ScriptedTurn,
    stop_reason: str = "",
    chunk: int = 12,
    fault: Fault | None = None,
    delay: float = 0.0,
) -> ScriptedTurn:
    """Join the blocks of ``parts`` into one turn."""
    blocks = tuple(block for part in parts for block in part.blocks)
    return ScriptedTurn(blocks, stop_reason, chunk, fault, delay)


# --- blocks ----------------------------------------------------------------------------------------


def think(text: str) -> ScriptedTurn:
    """Think; the fake server signs it."""
    return ScriptedTurn(({"type": "thinking", "thinking": text},))


def redacted() -> ScriptedTurn:
    """Think, redacted; the fake server fills it."""
    return ScriptedTurn(({"type": "redacted_thinking"},))


def say(text: str) -> ScriptedTurn:
    """Say a text; alone it is the answer."""
    return ScriptedTurn(({"type": "text", "text": text},))


def call(tool: str, /, **tool_input: Any) -> ScriptedTurn:
    """Call a tool."""
    return ScriptedTurn(({"type": "tool_use", "name": tool, "input": tool_input},))


def raw_call(tool: str, raw_input: str) -> ScriptedTurn:
    """Call a tool with an input that is sent as this text."""
    return ScriptedTurn(({"type": "tool_use", "name": tool, "raw_input": raw_input},))


def calls(*wanted: tuple[str, dict[str, Any] | str], reason: str = "") -> ScriptedTurn:
    """Call several tools at once; a text in place of the input is sent as it is."""
    made = [
        raw_call(tool, given) if isinstance(given, str) else call(tool, **given)
        for tool, given in wanted
    ]
    return turn(*made, stop_reason=reason)


def python(code: str, purpose: str = "Look", **more: Any) -> ScriptedTurn:
    """Run a cell."""
    return call("run_python", code=code, purpose=purpose, **more)


def plan(*goals: str, **more: Any) -> ScriptedTurn:
    """Make a plan."""
    return call("update_plan", **{"steps": list(goals), "datasets": [], "reason": "", **more})


def finish(text: str, **more: Any) -> ScriptedTurn:
    """End the run with an answer."""
    lists: dict[str, Any] = {
        name: [] for name in ("key_values", "assumptions", "caveats", "next_questions")
    }
    return call("finish", **{"answer": text, **lists, **more})


def answer(text: str, **more: Any) -> ScriptedTurn:
    """Run a cell and answer, in one turn: without a cell nothing is answered."""
    return turn(python("None", "Look"), finish(text, **more))


def fail(kind: FaultKind, **details: Any) -> ScriptedTurn:
    """Fail before anything is said (``status``, ``empty``...)."""
    return ScriptedTurn(fault=Fault(kind, **details))


# --- scripts ---------------------------------------------------------------------------------------


def script(folder: Path, *turns: ScriptedTurn, pace: float = 0.0, name: str = "script") -> str:
    """Write a file of turns; returns the name of the model that plays it."""
    path = folder / f"{name}.json"
    content = {"version": 1, "pace": pace, "turns": [{"blocks": one.blocks} for one in turns]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"scripted:{path}"


def read_turn(source: ScriptedTurn | Mapping[str, Any]) -> ScriptedTurn:
    """Read a turn from its JSON form."""
    if isinstance(source, ScriptedTurn):
        return source
    fault = source.get("fault")
    return ScriptedTurn(
        blocks=tuple(source.get("blocks", ())),
        stop_reason=source.get("stop_reason") or "",
        chunk=int(source.get("chunk", 12)),
        fault=Fault(**fault) if fault else None,
        delay=float(source.get("delay", 0.0)),
    )


def read_script(text: str) -> list[ScriptedTurn]:
    """Read a script file: ``{"turns": [...], "pace": seconds}``, or the list alone."""
    content = json.loads(text)
    if isinstance(content, list):
        return [read_turn(item) for item in content]
    pace = float(content.get("pace", 0.0))
    turns = [read_turn(item) for item in content["turns"]]
    return [replace(item, delay=item.delay or pace) for item in turns]

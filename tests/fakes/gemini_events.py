"""From a turn to the events of an interaction, and what the API keeps of a conversation's prefix."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.gemini_rules import Step, refuse, turns_of
from tests.fakes.turns import Turn

Event = dict[str, Any]
DONE = b"event: done\ndata: [DONE]\n\n"

_STATUS = {
    "end_turn": "completed",
    "stop_sequence": "completed",
    "tool_use": "requires_action",
    "max_tokens": "incomplete",
}
_PICTURE = 258
TOO_LONG = "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576)."


def sse_of(event: Event) -> bytes:
    """Encode one event."""
    data = json.dumps(event, ensure_ascii=False)
    return f"event: {event['event_type']}\ndata: {data}\n\n".encode()


@dataclass(slots=True)
class ThoughtSignatures:
    """Signatures that the server gave, each bound to a model and a prefix."""

    given: dict[str, tuple[str, str]] = field(default_factory=dict)

    def sign(self, body: Event) -> str:
        """Sign a thought that answers this request; URL-safe, as the real ones are."""
        bound = (str(body["model"]), _prefix(body, len(body["input"])))
        digest = hashlib.sha256(f"{bound}{len(self.given)}".encode()).digest()
        signature = base64.urlsafe_b64encode(digest + b"\xfb\xff").decode()
        self.given[signature] = bound
        return signature

    def check(self, body: Event) -> None:
        """Refuse a signature that was never given, or that answers another prefix."""
        for start, turn in turns_of(body["input"]):
            expected = (body["model"], _prefix(body, start))
            for step in turn:
                if step["type"] == "thought" and self.given.get(step["signature"]) != expected:
                    raise refuse("Request contains an invalid argument.")


@dataclass(slots=True)
class ImplicitCache:
    """The cache that needs no marks: every prefix of steps that was read before.

    Attributes:
        minimum: Tokens below which nothing is cached.
    """

    minimum: int = 1024
    known: set[str] = field(default_factory=set)

    def usage(self, body: Event, turn: Turn) -> dict[str, int]:
        """Count a request's and its answer's tokens as the API does."""
        total, cached, chain = 0, 0, ""
        for unit in [body.get("system_instruction"), body.get("tools"), *body["input"]]:
            total += _tokens(unit)
            chain = _hash([chain, unit])
            if chain in self.known and total >= self.minimum:
                cached = total
            self.known.add(chain)
        thoughts = [block for block in turn.blocks if "thinking" in block["type"]]
        words = [block for block in turn.blocks if "thinking" not in block["type"]]
        return {
            "total_input_tokens": total,
            "total_cached_tokens": cached,
            "total_output_tokens": sum(map(_tokens, words)),
            "total_thought_tokens": sum(map(_tokens, thoughts)),
            "total_tool_use_tokens": 0,
        }


def interaction_events(
    turn: Turn, body: Event, *, number: int, usage: dict[str, int], signatures: ThoughtSignatures
) -> list[Event]:
    """Make all events of a turn that answers ``body``; ``number`` counts answers from 1."""
    head = {"id": "", "object": "interaction", "model": body["model"]}
    fault = turn.fault.kind if turn.fault else ""
    events: list[Event] = [
        {"event_type": "interaction.created", "interaction": {**head, "status": "in_progress"}},
        {"event_type": "interaction.status_update", "interaction_id": "", "status": "in_progress"},
    ]
    blocks = list(turn.blocks)
    if any(block["type"] == "tool_use" for block in blocks) and "thinking" not in blocks[0]["type"]:
        # The real model signs every turn that calls, and begins with the thought.
        blocks.insert(0, {"type": "redacted_thinking"})
    for index, block in enumerate(blocks):
        events += _step(block, index, number, turn.chunk, fault, signatures.sign(body))
        if fault == "max_tokens_in_tool" and block["type"] == "tool_use":
            break
    if turn.fault is not None and fault == "refusal":
        events.append(_error("safety", turn.fault.explanation))
        return events
    if turn.stop_reason == "model_context_window_exceeded":
        events.append(_error("invalid_request", TOO_LONG))
        return events
    status = "incomplete" if fault == "max_tokens_in_tool" else _STATUS[turn.reason]
    last = {**head, "status": status, "usage": {**usage, "total_tokens": sum(usage.values())}}
    events.append({"event_type": "interaction.completed", "interaction": last})
    return events


def call_middle(events: list[Event]) -> int:
    """Count the events up to the middle of the first call's arguments."""
    deltas = [
        place
        for place, event in enumerate(events)
        if event["event_type"] == "step.delta" and event["delta"]["type"] == "arguments_delta"
    ]
    if not deltas:
        raise ValueError("the turn has no call to cut")
    own = [place for place in deltas if events[place]["index"] == events[deltas[0]]["index"]]
    return own[len(own) // 2]


def _error(code: str, message: str) -> Event:
    return {"event_type": "error", "error": {"code": code, "message": message}}


def _step(
    block: Event, index: int, number: int, chunk: int, fault: str, signature: str
) -> Iterator[Event]:
    def start(step: Step) -> Event:
        return {"event_type": "step.start", "index": index, "step": step}

    def delta(**content: Any) -> Event:
        return {"event_type": "step.delta", "index": index, "delta": content}

    match block["type"]:
        case "text":
            yield start({"type": "model_output"})
            for piece in _pieces(block["text"], chunk):
                yield delta(type="text", text=piece)
        case "thinking" | "redacted_thinking":
            yield start({"type": "thought"})
            for piece in _pieces(block.get("thinking", ""), chunk):
                yield delta(type="thought_summary", content={"type": "text", "text": piece})
            yield delta(type="thought_signature", signature=signature)
        case "tool_use":
            call_id = block.get("id") or f"call_{number:04d}_{index}"
            yield start(
                {"type": "function_call", "id": call_id, "name": block["name"], "arguments": {}}
            )
            for piece in _pieces(_arguments(block, fault), chunk):
                yield delta(type="arguments_delta", arguments=piece)
        case kind:
            raise ValueError(f"unknown block type {kind!r}")
    yield {"event_type": "step.stop", "index": index}


def _arguments(block: Event, fault: str) -> str:
    raw: str = block.get("raw_input") or json.dumps(block.get("input", {}), ensure_ascii=False)
    if fault == "bad_json":
        return '{"title": }'
    return raw[: max(1, len(raw) * 2 // 3)] if fault == "max_tokens_in_tool" else raw


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _prefix(body: Event, count: int) -> str:
    return _hash([body.get("system_instruction"), body.get("tools"), body["input"][:count]])


def _hash(value: Any) -> str:
    # The order of keys counts: what is cached are bytes.
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:32]


def _tokens(value: Any) -> int:
    """Count about four characters a token, and a picture as the API counts a small one."""
    parts = value.get("result") or value.get("content") if isinstance(value, dict) else None
    pictures = [part for part in parts or () if part.get("type") == "image"]
    characters = len(json.dumps(value, ensure_ascii=False))
    characters -= sum(len(part["data"]) for part in pictures)
    return characters // 4 + 1 + len(pictures) * _PICTURE

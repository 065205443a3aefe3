"""From a turn to the events of the Messages wire, as Server-Sent Events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from analyst_kernel.testing.fakes.turns import ScriptedTurn
from analyst_kernel.testing.fakes.wire_prefix import Signatures
from analyst_kernel.testing.fakes.wire_rules import blocks_of

Event = dict[str, Any]

_CELL = re.compile(r"\{\{cell(?::(\d+))?\}\}")
_CELL_ID = re.compile(r"\b[0-9a-f]{12}\b")


def sse(event: Event) -> bytes:
    """Encode one event."""
    data = json.dumps(event, ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def message_events(
    turn: ScriptedTurn, body: Event, *, number: int, usage: dict[str, int], signatures: Signatures
) -> list[Event]:
    """Make all events of a turn that answers ``body``; ``number`` counts answers from 1."""
    events: list[Event] = [_start(body, number, usage)]
    kind = turn.fault.kind if turn.fault else ""
    for index, block in enumerate(filled(turn, _results(body))):
        events += _block_events(block, index, body, number, turn.chunk, kind, signatures)
        if kind == "max_tokens_in_tool" and block["type"] == "tool_use":
            break
    reason, details = turn.reason, None
    if kind == "max_tokens_in_tool":
        reason = "max_tokens"
    elif turn.fault is not None and kind == "refusal":
        reason = "refusal"
        details = {
            "type": "refusal",
            "category": turn.fault.category,
            "explanation": turn.fault.explanation,
        }
    delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": details}
    output = sum(len(str(block)) for block in turn.blocks) // 4 + 1
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
    events.append({"type": "message_stop"})
    return events


def tool_middle(events: list[Event]) -> int:
    """Count the events up to the middle of the first tool call's input."""
    deltas = [
        place
        for place, event in enumerate(events)
        if event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta"
    ]
    if not deltas:
        raise ValueError("the turn has no tool call to cut")
    first = events[deltas[0]]["index"]
    own = [place for place in deltas if events[place]["index"] == first]
    return own[len(own) // 2]


def _start(body: Event, number: int, usage: dict[str, int]) -> Event:
    return {
        "type": "message_start",
        "message": {
            "id": f"msg_{number:04d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        },
    }


def _block_events(
    block: Event,
    index: int,
    body: Event,
    number: int,
    chunk: int,
    fault: str,
    signatures: Signatures,
) -> Iterator[Event]:
    def delta(**content: Any) -> Event:
        return {"type": "content_block_delta", "index": index, "delta": content}

    def start(content: Event) -> Event:
        return {"type": "content_block_start", "index": index, "content_block": content}

    kind = block["type"]
    if kind == "text":
        yield start({"type": "text", "text": ""})
        for piece in pieces(block["text"], chunk):
            yield delta(type="text_delta", text=piece)
    elif kind == "thinking":
        yield start({"type": "thinking", "thinking": "", "signature": ""})
        for piece in pieces(block["thinking"], chunk):
            yield delta(type="thinking_delta", thinking=piece)
        signature = signatures.sign(body, block["thinking"])
        yield delta(type="signature_delta", signature=signature)
    elif kind == "redacted_thinking":
        yield start({"type": "redacted_thinking", "data": signatures.sign(body, "")})
    elif kind == "tool_use":
        call_id = block.get("id") or f"toolu_{number:04d}_{index}"
        yield start({"type": "tool_use", "id": call_id, "name": block["name"], "input": {}})
        for piece in pieces(tool_input(block, fault), chunk):
            yield delta(type="input_json_delta", partial_json=piece)
    else:
        raise ValueError(f"unknown block type {kind!r}")
    yield {"type": "content_block_stop", "index": index}


def tool_input(block: Event, fault: str) -> str:
    """Return the input of a call as the fault leaves it."""
    raw: str = block.get("raw_input") or json.dumps(block.get("input", {}), ensure_ascii=False)
    if fault == "bad_json":
        return '{"title": }'
    return raw[: max(1, len(raw) * 2 // 3)] if fault == "max_tokens_in_tool" else raw


def pieces(text: str, size: int) -> Iterator[str]:
    """Cut a text."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _results(body: Event) -> Iterator[str]:
    for message in body["messages"]:
        for block in blocks_of(message):
            if block["type"] == "tool_result":
                yield json.dumps(block.get("content", ""))


def filled(turn: ScriptedTurn, results: Iterable[str]) -> list[Event]:
    """Put the ids of executed cells, which stand in ``results``, where the script says ``{{cell}}``."""
    found: dict[str, None] = {}
    for text in results:
        found.update(dict.fromkeys(_CELL_ID.findall(text)[:1]))
    cells = list(found)

    def cell(match: re.Match[str]) -> str:
        place = int(match.group(1) or len(cells)) - 1
        return cells[place] if 0 <= place < len(cells) else match.group(0)

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [fill(item) for item in value]
        return _CELL.sub(cell, value) if isinstance(value, str) else value

    return [
        {**block, "input": fill(block["input"])} if "input" in block else block
        for block in turn.blocks
    ]

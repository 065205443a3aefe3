"""From a turn to the events of OpenAI's two wires: as OpenAI sends them, and as imitators do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from analyst_kernel.testing.fakes.openai_rules import Reasoning
from analyst_kernel.testing.fakes.turns import ScriptedTurn
from analyst_kernel.testing.fakes.wire_events import Event, pieces, tool_input

DONE = "[DONE]"
"""The last piece of a chat stream, which is no JSON."""


def sse(event: Event | str, *, named: bool) -> bytes:
    """Encode one event; those of Responses have a name."""
    data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
    return f"{name}data: {data}\n\n".encode()


# --- Responses -------------------------------------------------------------------------------------


def response_events(
    turn: ScriptedTurn, blocks: list[Event], body: Event, usage: Event, number: int, kept: Reasoning
) -> list[Event]:
    """Make all events of a turn; what reasoning was given is noted in ``kept``."""
    fault = turn.fault.kind if turn.fault else ""
    shell = {"id": f"resp_{number:04d}", "object": "response", "model": body["model"]}
    events: list[Event] = [
        {"type": "response.created", "response": {**shell, "status": "in_progress"}},
        {"type": "response.in_progress", "response": {**shell, "status": "in_progress"}},
    ]
    output: list[Event] = []
    before = ""
    for index, block in enumerate(blocks):
        item_id = f"item_{number:04d}_{index}"
        made = list(_item_events(block, index, item_id, turn, body["model"], kept))
        events += made
        if before:
            kept.led_to[made[-1]["item"]["id"]] = before
        before = made[-1]["item"]["id"] if made[-1]["item"]["type"] == "reasoning" else ""
        output.append(made[-1]["item"])
        if fault == "max_tokens_in_tool" and block["type"] == "tool_use":
            break
    if turn.fault is not None and fault == "refusal":
        events += _spoken("refusal", turn.fault.explanation, len(blocks), f"item_{number}_r", turn)
        output.append(events[-1]["item"])
    reason = "max_tokens" if fault == "max_tokens_in_tool" else turn.reason
    why = {"max_tokens": "max_output_tokens", "content_filter": "content_filter"}.get(reason)
    end = "incomplete" if why else "completed"
    last = {**shell, "status": end, "output": output, "usage": usage, "error": None}
    last["incomplete_details"] = {"reason": why} if why else None
    events.append({"type": f"response.{end}", "response": last})
    for place, event in enumerate(events):
        event["sequence_number"] = place
    return events


def _item_events(
    block: Event, index: int, item_id: str, turn: ScriptedTurn, model: str, kept: Reasoning
) -> Iterator[Event]:
    kind = block["type"]
    if kind == "text":
        yield from _spoken("output_text", block["text"], index, f"msg_{item_id}", turn)
    elif kind in ("thinking", "redacted_thinking"):
        yield from _reasoned(block.get("thinking", ""), index, f"rs_{item_id}", turn, model, kept)
    elif kind == "tool_use":
        fault = turn.fault.kind if turn.fault else ""
        raw = tool_input(block, fault)
        call = {
            "type": "function_call",
            "id": f"fc_{item_id}",
            "call_id": block.get("id") or f"call_{item_id}",
            "name": block["name"],
            "status": "in_progress",
        }
        yield _item("added", {**call, "arguments": ""}, index)
        place = {"item_id": call["id"], "output_index": index}
        for piece in pieces(raw, turn.chunk):
            yield {"type": "response.function_call_arguments.delta", "delta": piece, **place}
        yield {"type": "response.function_call_arguments.done", "arguments": raw, **place}
        status = "incomplete" if fault == "max_tokens_in_tool" else "completed"
        yield _item("done", {**call, "arguments": raw, "status": status}, index)
    else:
        raise ValueError(f"unknown block type {kind!r}")


def _spoken(kind: str, text: str, index: int, item_id: str, turn: ScriptedTurn) -> Iterator[Event]:
    name = "text" if kind == "output_text" else "refusal"
    message = {"type": "message", "id": item_id, "role": "assistant", "phase": None}
    place = {"item_id": item_id, "output_index": index, "content_index": 0}
    extra: Event = {"annotations": [], "logprobs": []} if name == "text" else {}
    yield _item("added", {**message, "status": "in_progress", "content": []}, index)
    yield {
        "type": "response.content_part.added",
        "part": {"type": kind, name: "", **extra},
        **place,
    }
    dotted = f"response.{kind}"
    for piece in pieces(text, turn.chunk):
        yield {"type": f"{dotted}.delta", "delta": piece, **place}
    yield {"type": f"{dotted}.done", name: text, **place}
    part = {"type": kind, name: text, **extra}
    yield {"type": "response.content_part.done", "part": part, **place}
    yield _item("done", {**message, "status": "completed", "content": [part]}, index)


def _reasoned(
    text: str, index: int, item_id: str, turn: ScriptedTurn, model: str, kept: Reasoning
) -> Iterator[Event]:
    encrypted = f"gAAA-{item_id}-{len(kept.given)}"
    kept.given[item_id] = (encrypted, model)
    item = {"type": "reasoning", "id": item_id, "status": None, "content": None}
    # What stands in "added" is not the whole of it.
    yield _item("added", {**item, "summary": [], "encrypted_content": encrypted[:6]}, index)
    place = {"item_id": item_id, "output_index": index, "summary_index": 0}
    part = {"type": "summary_text", "text": text}
    if text:
        empty = {"type": "summary_text", "text": ""}
        yield {"type": "response.reasoning_summary_part.added", "part": empty, **place}
        for piece in pieces(text, turn.chunk):
            yield {"type": "response.reasoning_summary_text.delta", "delta": piece, **place}
        yield {"type": "response.reasoning_summary_text.done", "text": text, **place}
        yield {"type": "response.reasoning_summary_part.done", "part": part, **place}
    summary = [part] if text else []
    yield _item("done", {**item, "summary": summary, "encrypted_content": encrypted}, index)


def _item(what: str, item: Event, index: int) -> Event:
    return {"type": f"response.output_item.{what}", "output_index": index, "item": item}


# --- chat ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Style:
    """How a server writes its chunks.

    Attributes:
        whole: Each call comes in one chunk.
        index: ``zero`` numbers every call 0.
        ids: ``each`` repeats a call's id in each chunk.
        thinking: The name of the field.
        says_stop: The reason is "stop" although there are calls.
        usage: Whether token counts come at the end.
        actions: The model calls tools in its text, by a block.
    """

    whole: bool = False
    index: Literal["right", "zero", "none"] = "right"
    ids: Literal["once", "each", "none"] = "once"
    thinking: Literal["reasoning", "reasoning_content", "both"] = "reasoning_content"
    says_stop: bool = False
    usage: bool = True
    actions: bool = False


def chat_events(
    turn: ScriptedTurn, blocks: list[Event], body: Event, usage: Event, number: int, style: Style
) -> list[Event | str]:
    """Make all chunks of a turn."""
    fault = turn.fault.kind if turn.fault else ""
    shell = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": body["model"],
    }

    def chunk(delta: Event, reason: str | None = None) -> Event:
        return {**shell, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    events: list[Event | str] = [chunk({"role": "assistant", "content": ""})]
    place = 0
    for given in blocks:
        block = _action(given, fault) if style.actions else given
        if block["type"] == "text":
            events += [chunk({"content": piece}) for piece in pieces(block["text"], turn.chunk)]
        elif block["type"] == "thinking":
            both = ("reasoning", "reasoning_content")
            names = both if style.thinking == "both" else (style.thinking,)
            for piece in pieces(block["thinking"], turn.chunk):
                events.append(chunk(dict.fromkeys(names, piece)))
        elif block["type"] == "tool_use":
            own = block.get("id") or f"call_{number:04d}_{place}"
            for part in _call_pieces(block, own, place, turn, style):
                events.append(chunk({"tool_calls": [part]}))
            place += 1
            if fault == "max_tokens_in_tool":
                break
    if turn.fault is not None and fault == "refusal":
        text = turn.fault.explanation
        events += [chunk({"refusal": piece}) for piece in pieces(text, turn.chunk)]
    reason = "max_tokens" if fault == "max_tokens_in_tool" else turn.reason
    said = {"max_tokens": "length", "tool_use": "tool_calls", "content_filter": "content_filter"}
    end = (
        "stop"
        if (style.says_stop or style.actions) and reason == "tool_use"
        else said.get(reason, "stop")
    )
    events.append(chunk({}, end))
    if style.usage and (body.get("stream_options") or {}).get("include_usage"):
        events.append({**shell, "choices": [], "usage": usage})
    return [*events, DONE]


def _action(block: Event, fault: str) -> Event:
    """Write a call as the block that a model writes which calls tools in its text."""
    if block["type"] != "tool_use":
        return block
    content = f'{{"tool": "{block["name"]}", "input": {tool_input(block, fault)}'
    end = "" if fault == "max_tokens_in_tool" else "}\n```\n"
    return {"type": "text", "text": f"\n\n```action\n{content}{end}"}


def _call_pieces(
    block: Event, own: str, place: int, turn: ScriptedTurn, style: Style
) -> Iterator[Event]:
    raw = tool_input(block, turn.fault.kind if turn.fault else "")
    index = {"right": {"index": place}, "zero": {"index": 0}, "none": {}}[style.index]
    texts = [raw] if style.whole else ["", *pieces(raw, turn.chunk)]
    for number, text in enumerate(texts):
        piece: Event = {**index, "function": {"arguments": text}}
        if number == 0:
            piece["type"] = "function"
            piece["function"]["name"] = block["name"]
        if style.ids == "each" or (style.ids == "once" and number == 0):
            piece["id"] = own
        yield piece

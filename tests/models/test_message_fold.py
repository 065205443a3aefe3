"""The fold of wire events, with what compatible servers and newer APIs do differently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    UsageReported,
)
from analyst_kernel.models.anthropic_events import MessageFold
from analyst_kernel.models.wire.streaming import WireViolation
from analyst_kernel.testing.wires import collect
from tests.models.conversations import RawSse, claude


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": content}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str, **usage: int) -> list[dict[str, Any]]:
    closing = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}
    return [closing, {"type": "message_stop"}]


def fold(*events: dict[str, Any]) -> tuple[list[ModelEvent], Stopped | None]:
    folding = MessageFold(None)
    made = [event for given_event in events for event in folding.feed(given_event)]
    return made, folding.stopped


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.integers(1, 9))
def test_any_split_of_a_tool_input_is_the_same_input(value: dict[str, Any], size: int):
    text = json.dumps(value)
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    events, stopped = fold(
        start(0, type="tool_use", id="t", name="f", input={}),
        *(delta(0, type="input_json_delta", partial_json=piece) for piece in pieces),
        stop(0),
        *end("tool_use"),
    )
    assert events[-1] == ToolEnded(index=0, raw_input=text)
    assert stopped is not None
    assert stopped.raw == [{"type": "tool_use", "id": "t", "name": "f", "input": value}]


def test_a_server_that_sends_whole_blocks_is_supported():
    events, stopped = fold(
        start(0, type="thinking", thinking="Hm.", signature="s"),
        stop(0),
        start(1, type="text", text="Let me see."),
        stop(1),
        start(2, type="tool_use", id="t", name="f", input={"code": "é"}),
        stop(2),
        *end("tool_use"),
    )
    assert events[0] == ThinkingDelta("Hm.")
    assert events[1] == TextDelta("Let me see.")
    assert events[3:] == [
        ToolInputDelta(index=2, text='{"code": "é"}'),
        ToolEnded(index=2, raw_input='{"code": "é"}'),
    ]
    assert stopped is not None
    assert stopped.reason == "tool_use"


def test_citations_are_kept_and_blank_text_is_not_sent_back():
    _, stopped = fold(
        start(0, type="text", text="", citations=None),
        delta(0, type="text_delta", text="So it is."),
        delta(0, type="citations_delta", citation={"cited_text": "a"}),
        delta(0, type="new_delta", anything=1),
        stop(0),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="\n\n"),
        stop(1),
        *end("end_turn"),
    )
    assert stopped is not None
    assert stopped.raw == [
        {"type": "text", "text": "So it is.", "citations": [{"cited_text": "a"}]}
    ]


def test_usage_counts_are_the_latest_of_each_kind():
    started = {"type": "message_start", "message": {"usage": {"input_tokens": 0}}}
    events, _ = fold(
        started,
        *end("end_turn", input_tokens=70, output_tokens=5, cache_read_input_tokens=30),
    )
    last = events[-1]
    assert isinstance(last, UsageReported)
    assert (last.usage.input_tokens, last.usage.cached_tokens, last.usage.output_tokens) == (
        70,
        30,
        5,
    )
    assert last.usage.cost_usd is None


@pytest.mark.parametrize(
    "events",
    [
        [start(0, type="text", text=""), start(0, type="text", text="")],
        [start(0, type="text"), delta(0, type="input_json_delta", partial_json="{")],
        [start(0, type="text", text="a"), *end("end_turn")],
        [start(0, type="text", text="a"), stop(0), delta(0, type="text_delta", text="b")],
        end("compaction"),
    ],
)
def test_violations(events: list[dict[str, Any]]):
    with pytest.raises(WireViolation):
        fold(*events)


async def test_fields_that_the_sdk_does_not_know_come_back_verbatim():
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    strange = {"type": "brand_new_block", "payload": {"a": [1, None]}, "note": None}
    events = [
        start(0, **block),
        delta(0, type="input_json_delta", partial_json='{"z": 1, "a": 2}'),
        stop(0),
        start(1, **strange),
        stop(1),
        *end("tool_use", output_tokens=3),
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    async with RawSse(body) as url:
        model = claude(url)
        stopped = (await collect(model))[-1]
        await model.aclose()
    assert isinstance(stopped, Stopped)
    raw: Any = stopped.raw
    assert raw == [{**block, "input": {"z": 1, "a": 2}}, strange]
    assert list(raw[0]["input"]) == ["z", "a"]

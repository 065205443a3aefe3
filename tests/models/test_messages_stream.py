"""A whole message, over the real SDK and real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analyst_kernel.agent.ports import (
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.testing.wires import answer, ask, assistant, collect, request
from tests.fakes.turns import Fault, call, redacted, say, think, turn
from tests.fakes.wire_server import WireServer
from tests.models.conversations import claude

CODE = "frame['city'].mean()  # \"quoted\" and ünicode ✓"


async def test_text_thinking_and_tool_input_stream_in_pieces(wire_server: WireServer):
    wire_server.push(
        turn(think("I look first."), say("Let me see."), call("run_python", code=CODE))
    )
    model = claude(wire_server.url)
    events = await collect(model)
    await model.aclose()

    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)) == "I look first."
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Let me see."
    pieces = [e.text for e in events if isinstance(e, ToolInputDelta)]
    assert len(pieces) > 2
    started = next(e for e in events if isinstance(e, ToolStarted))
    ended = next(e for e in events if isinstance(e, ToolEnded))
    assert started.tool == "run_python"
    assert ended.index == started.index
    assert ended.raw_input == "".join(pieces)
    assert json.loads(ended.raw_input) == {"code": CODE}
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == "tool_use"
    assert sum(isinstance(e, Stopped) for e in events) == 1


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (turn(say("Done.")), "end_turn"),
        (turn(say("Done."), stop_reason="stop_sequence"), "end_turn"),
        (turn(say("Do"), stop_reason="max_tokens"), "max_tokens"),
        (turn(say("Do"), stop_reason="model_context_window_exceeded"), "context_exceeded"),
        (turn(say("No."), fault=Fault("refusal")), "refusal"),
        (turn(call("run_python", code="1")), "tool_use"),
    ],
)
async def test_stop_reasons(wire_server: WireServer, made: Any, reason: str):
    wire_server.push(made)
    model = claude(wire_server.url)
    stopped = (await collect(model))[-1]
    await model.aclose()
    assert isinstance(stopped, Stopped)
    assert stopped.reason == reason
    if reason == "refusal":
        assert stopped.detail == "This request was declined."


async def test_max_tokens_inside_a_tool_call_keeps_the_cut_text(wire_server: WireServer):
    wire_server.push(turn(call("run_python", code=CODE), fault=Fault("max_tokens_in_tool")))
    model = claude(wire_server.url)
    events = await collect(model)
    await model.aclose()
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == "max_tokens"
    raw = next(e for e in events if isinstance(e, ToolEnded)).raw_input
    with pytest.raises(ValueError):
        json.loads(raw)


async def test_three_turns_of_signed_thinking_are_taken_back(wire_server: WireServer):
    wire_server.push(
        turn(think("First."), redacted(), say("One."), call("run_python", code="1")),
        turn(think("Second."), call("run_python", code="2")),
        turn(think("Third."), say("42.")),
        turn(say("Still 42.")),
    )
    model = claude(wire_server.url)
    messages: list[Any] = [ask()]
    for _ in range(3):
        message = assistant(await collect(model, request(*messages)), model.name)
        calls = [c.call_id for c in message.calls]
        messages += [message, answer(*calls) if calls else ask("Sure?")]
    await collect(model, request(*messages))
    await model.aclose()
    assert [r.refused for r in wire_server.requests] == ["", "", "", ""]
    sent = wire_server.requests[-1].body["messages"]
    assert [block["type"] for block in sent[1]["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
    ]
    assert all(block["signature"] for m in sent for block in m["content"] if "thinking" in block)


async def test_the_fake_refuses_a_changed_prefix_and_a_changed_thinking(wire_server: WireServer):
    wire_server.push(turn(think("First."), call("run_python", code="1")))
    model = claude(wire_server.url)
    message = assistant(await collect(model), model.name)
    result = answer(message.calls[0].call_id)
    with pytest.raises(Exception, match="bound to a different conversation"):
        await collect(model, request(ask("Another question"), message, result))
    raw: Any = json.loads(json.dumps(message.raw))
    raw[0]["thinking"] = "Forged."
    forged = assistant_with(message, raw)
    with pytest.raises(Exception, match="Invalid `signature`"):
        await collect(model, request(ask(), forged, result))
    await model.aclose()


async def test_another_models_turn_goes_as_neutral_parts(wire_server: WireServer):
    wire_server.push(turn(think("First."), say("One."), call("run_python", code="1")))
    one = claude(wire_server.url)
    message = assistant(await collect(one), one.name)
    two = claude(wire_server.url, model="claude-opus-5-5")
    wire_server.push(turn(say("Yes.")))
    await collect(two, request(ask(), message, answer(message.calls[0].call_id)))
    await one.aclose()
    await two.aclose()
    sent = wire_server.requests[-1].body["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["text", "tool_use"]


async def test_usage_is_cumulative_priced_and_shows_the_cache(wire_server: WireServer):
    wire_server.cache.minimum = 10
    wire_server.push(turn(call("run_python", code="1")), turn(say("42.")))
    model = claude(wire_server.url)
    first = await collect(model)
    message = assistant(first, model.name)
    second = await collect(model, request(ask(), message, answer(message.calls[0].call_id)))
    await model.aclose()
    one = [e.usage for e in first if isinstance(e, UsageReported)][-1]
    two = [e.usage for e in second if isinstance(e, UsageReported)][-1]
    assert one.calls == two.calls == 1
    assert one.cached_tokens == 0
    assert one.cache_write_tokens > 0
    assert two.cached_tokens == one.cache_write_tokens
    assert two.output_tokens > 0
    assert two.cost_usd is not None
    assert two.cost_usd == pytest.approx(
        (
            two.input_tokens * 2.0
            + two.cached_tokens * 0.10
            + two.cache_write_tokens * 2.5
            + two.output_tokens * 10
        )
        / 1e6
    )


def assistant_with(message: Any, raw: Any) -> Any:
    from dataclasses import replace

    return replace(message, raw=raw)

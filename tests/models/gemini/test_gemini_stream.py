"""A whole message of Gemini, over the real SDK and real HTTP, and stopping in its middle."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
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
from analyst_kernel.models.prices import Price, Tariff
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import answer, ask, assistant, collect, request
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.turns import Fault, call, redacted, say, think, turn
from tests.models.gemini.conversations import (
    RawHttp,
    completed,
    fault_of,
    gemini,
    gemini_server,
    sse,
)

__all__ = ["gemini_server"]

CODE = "frame['city'].mean()  # \"quoted\" and ünicode ✓"


async def test_text_thinking_and_arguments_stream_in_pieces(gemini_server: GeminiServer):
    gemini_server.push(
        turn(think("I look first."), say("Let me see."), call("run_python", code=CODE))
    )
    model = gemini(gemini_server.url)
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


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
async def test_any_chunking_gives_the_same_message(gemini_server: GeminiServer, chunk: int):
    blocks = (think("Hm. ☃"), say("ä" * 30), call("run_python", code=CODE))
    gemini_server.push(turn(*blocks, chunk=chunk))
    model = gemini(gemini_server.url)
    message = assistant(await collect(model), model.name)
    await model.aclose()
    assert message.text == "ä" * 30
    assert json.loads(message.calls[0].raw_input) == {"code": CODE}
    raw: Any = message.raw
    assert raw[0]["summary"] == [{"type": "text", "text": "Hm. ☃"}]
    assert raw[1] == {"type": "model_output", "content": [{"type": "text", "text": "ä" * 30}]}


@pytest.mark.parametrize(
    ("made", "reason", "detail"),
    [
        (turn(say("Done.")), "end_turn", ""),
        (turn(say("Do"), stop_reason="max_tokens"), "max_tokens", ""),
        (turn(say("No."), fault=Fault("refusal")), "refusal", "This request was declined."),
        (turn(call("run_python", code="1")), "tool_use", ""),
        # A call in a message that is reported as completed is still a call.
        (turn(call("run_python", code="1"), stop_reason="end_turn"), "tool_use", ""),
    ],
)
async def test_stop_reasons(gemini_server: GeminiServer, made: Any, reason: str, detail: str):
    gemini_server.push(made)
    model = gemini(gemini_server.url)
    stopped = (await collect(model))[-1]
    await model.aclose()
    assert isinstance(stopped, Stopped)
    assert (stopped.reason, stopped.detail) == (reason, detail)


async def test_the_output_limit_inside_a_call_keeps_the_cut_text(gemini_server: GeminiServer):
    gemini_server.push(turn(call("run_python", code=CODE), fault=Fault("max_tokens_in_tool")))
    model = gemini(gemini_server.url)
    events = await collect(model)
    await model.aclose()
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == "max_tokens"
    with pytest.raises(ValueError):
        json.loads(next(e for e in events if isinstance(e, ToolEnded)).raw_input)


@pytest.mark.parametrize("status", ["incomplete", "budget_exceeded", "requires_continuation"])
async def test_a_message_that_was_cut_off_need_not_end_its_steps(status: str):
    """The SDK would go on by itself, or warn; neither happens."""
    step = {"type": "function_call", "id": "c1", "name": "run_python", "arguments": {}}
    cut = {"type": "arguments_delta", "arguments": '{"code": "1'}
    last = completed(status, total_output_tokens=9)
    last["interaction"]["continuation_token"] = "more"
    body = sse(
        {"event_type": "step.start", "index": 0, "step": step},
        {"event_type": "step.delta", "index": 0, "delta": cut},
        last,
    )
    server = RawHttp(body)
    async with server as url:
        model = gemini(url)
        events = await collect(model)
        await model.aclose()
    assert server.asked == 1
    assert isinstance(events[-1], Stopped)
    assert events[-1].reason == "max_tokens"
    assert [e.raw_input for e in events if isinstance(e, ToolEnded)] == ['{"code": "1']


async def test_whole_arguments_in_the_steps_start_are_taken():
    arguments = {"code": "é"}
    step = {"type": "function_call", "id": "c", "name": "run_python", "arguments": arguments}
    body = sse(
        {"event_type": "step.start", "index": 0, "step": step},
        {"event_type": "step.stop", "index": 0},
        completed("requires_action"),
    )
    async with RawHttp(body) as url:
        model = gemini(url)
        events = await collect(model)
        await model.aclose()
    assert next(e for e in events if isinstance(e, ToolEnded)).raw_input == '{"code": "é"}'


async def test_what_the_sdk_does_not_know_comes_back_verbatim():
    strange = {"type": "brand_new_step", "payload": {"z": [1, None], "a": 1}, "note": None}
    step = {
        "type": "function_call", "id": "c", "name": "f", "arguments": {}, "signature": "x-_y",
        "later": {"b": 1, "a": None},
    }  # fmt: skip
    arguments = {"type": "arguments_delta", "arguments": '{"z": 1, "a": 2}'}
    body = sse(
        {"event_type": "step.start", "index": 0, "step": strange},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "new_delta", "x": 1}},
        {"event_type": "step.stop", "index": 0},
        {"event_type": "interaction.something_new", "index": 9},
        {"event_type": "step.start", "index": 1, "step": step},
        {"event_type": "step.delta", "index": 1, "delta": arguments},
        {"event_type": "step.stop", "index": 1},
        completed("requires_action"),
    )
    async with RawHttp(body) as url:
        model = gemini(url)
        stopped = (await collect(model))[-1]
        await model.aclose()
    assert isinstance(stopped, Stopped)
    assert stopped.raw == [strange, {**step, "arguments": {"z": 1, "a": 2}}]


async def test_three_turns_of_signed_thoughts_are_taken_back(gemini_server: GeminiServer):
    gemini_server.push(
        turn(think("First."), redacted(), say("One."), call("run_python", code="1")),
        turn(call("run_python", code="2")),
        turn(think("Third."), say("42.")),
        turn(say("Still 42.")),
    )
    model = gemini(gemini_server.url)
    messages: list[Any] = [ask()]
    for _ in range(3):
        message = assistant(await collect(model, request(*messages)), model.name)
        calls = [c.call_id for c in message.calls]
        messages += [message, answer(*calls) if calls else ask("Sure?")]
    await collect(model, request(*messages))
    await model.aclose()
    assert [r.refused for r in gemini_server.requests] == [""] * 4
    kinds = [step["type"] for step in gemini_server.requests[-1].body["input"]]
    assert kinds == [
        "user_input", "thought", "thought", "model_output", "function_call", "function_result",
        "thought", "function_call", "function_result",
        "thought", "model_output", "user_input",
    ]  # fmt: skip


async def test_the_fake_refuses_a_changed_prefix_and_a_forged_signature(
    gemini_server: GeminiServer,
):
    gemini_server.push(turn(think("First."), call("run_python", code="1")))
    model = gemini(gemini_server.url)
    message = assistant(await collect(model), model.name)
    result = answer(message.calls[0].call_id)
    with pytest.raises(ModelError, match="invalid argument"):
        await collect(model, request(ask("Another question"), message, result))
    raw: Any = json.loads(json.dumps(message.raw))
    raw[0]["signature"] = "Zm9yZ2Vk"
    with pytest.raises(ModelError, match="invalid argument"):
        await collect(model, request(ask(), replace(message, raw=raw), result))
    del raw[0]
    with pytest.raises(ModelError, match="invalid argument"):
        await collect(model, request(ask(), replace(message, raw=raw), result))
    await model.aclose()


async def test_usage_counts_thoughts_as_output_and_shows_the_cache(gemini_server: GeminiServer):
    gemini_server.implicit.minimum = 10
    gemini_server.push(turn(think("Hm."), call("run_python", code="1")), turn(say("42.")))
    model = gemini(gemini_server.url)
    first = await collect(model)
    message = assistant(first, model.name)
    second = await collect(model, request(ask(), message, answer(message.calls[0].call_id)))
    await model.aclose()
    one, two = (
        [e.usage for e in events if isinstance(e, UsageReported)] for events in (first, second)
    )
    assert len(one) == len(two) == 1
    served = [r.usage for r in gemini_server.requests]
    thoughts = served[0]["total_thought_tokens"]
    assert thoughts > 0
    assert one[0].output_tokens == served[0]["total_output_tokens"] + thoughts
    assert (one[0].cached_tokens, one[0].calls) == (0, 1)
    assert two[0].cached_tokens == served[0]["total_input_tokens"]
    assert two[0].prompt_tokens == served[1]["total_input_tokens"]


async def test_a_tariff_gives_the_price(gemini_server: GeminiServer):
    gemini_server.push(turn(say("42.")))
    model = gemini(gemini_server.url, tariff=Tariff(Price(1.0, 10.0, 0.0, 0.1)))
    events = await collect(model)
    await model.aclose()
    usage = next(e.usage for e in events if isinstance(e, UsageReported))
    assert usage.cost_usd == pytest.approx((usage.input_tokens + 10 * usage.output_tokens) / 1e6)


async def test_usage_before_the_end_is_reported_so_that_a_failed_call_counts():
    body = sse(
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
        {
            "event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "Hi"},
            "metadata": {"total_usage": {"total_input_tokens": 70, "total_output_tokens": 5}},
        },
    )  # fmt: skip
    async with RawHttp(body) as url:
        error, seen = await fault_of(gemini(url))
    assert error.fault == "truncated"
    counted = [e.usage for e in seen if isinstance(e, UsageReported)]
    assert [(one.input_tokens, one.output_tokens) for one in counted] == [(70, 5)]


async def test_the_connection_is_kept_for_the_next_call(gemini_server: GeminiServer):
    gemini_server.push(turn(say("a")), turn(say("b")))
    model = gemini(gemini_server.url)
    await collect(model)
    gc.collect()  # the SDK's client closes the connection when it is collected
    await collect(model)
    await model.aclose()
    assert len({r.client_port for r in gemini_server.requests}) == 1


# --- stopping --------------------------------------------------------------------------------------

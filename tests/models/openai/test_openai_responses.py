"""The Responses wire: what is asked, what is taken back, and streams that are none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import Image, Message, Text, ToolResult, UserMessage
from analyst_kernel.models.openai_responses import ResponseFold, build_params
from analyst_kernel.models.wire.streaming import ReportedError, WireViolation
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.fakes.openai_rules import Quirk, Reasoning, check_responses
from analyst_kernel.testing.fakes.openai_server import OpenAIServer
from analyst_kernel.testing.wires import answer, ask, assistant, collect, request
from tests.fakes.turns import call, redacted, say, think, turn
from tests.models.conformance.wires import openai
from tests.models.conversations import RawSse
from tests.models.openai.test_openai_chat import PIXEL, histories


def item(what: str, index: int = 0, **content: Any) -> dict[str, Any]:
    return {"type": f"response.output_item.{what}", "output_index": index, "item": content}


def input_of(text: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": text}


def words(text: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": index, "delta": text}


def ended(kind: str = "completed", **content: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": content}


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
SAID = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi."}],
}


def fold(*events: dict[str, Any]) -> tuple[list[ModelEvent], ResponseFold]:
    folding = ResponseFold(None)
    return [event for one in events for event in folding.feed(one)], folding


def test_an_item_that_comes_at_once_is_as_good_as_one_in_pieces():
    events, folding = fold(
        item("done", 0, **SAID), item("done", 1, **{**CALL, "arguments": '{"a": 1}'}), ended()
    )
    assert events == [
        TextDelta("Hi."),
        ToolStarted(index=1, call_id="c", tool="f"),
        ToolInputDelta(index=1, text='{"a": 1}'),
        ToolEnded(index=1, raw_input='{"a": 1}'),
    ]
    assert folding.stopped is not None
    assert folding.stopped.reason == "tool_use"


@pytest.mark.parametrize(
    "events",
    [
        [item("added", **SAID), item("added", **SAID)],
        [input_of("{")],
        [item("added", **SAID), input_of("{")],
        [item("added", **CALL), ended()],
        [item("added", **CALL), input_of('{"a'), item("done", **{**CALL, "arguments": '{"b": 1}'})],
        [item("added", **SAID), item("done", **CALL)],
        [ended("incomplete", incomplete_details={"reason": "something new"})],
        [ended("incomplete")],
        [words(3)],
        [{**words("a"), "output_index": "first"}],
    ],
)
def test_violations(events: list[dict[str, Any]]):
    with pytest.raises(WireViolation):
        fold(*events)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "Sorry."},
        {"type": "error", "error": {"code": "server_error", "message": "Sorry."}},
    ],
)
def test_an_error_of_either_form_is_an_error(event: dict[str, Any]):
    with pytest.raises(ReportedError) as raised:
        fold(event)
    assert raised.value.body["code"] == "server_error"


async def test_a_response_that_failed_is_an_error_whose_tokens_count():
    failed = ended(
        "failed", error={"code": "rate_limit_exceeded", "message": "Please try again in 1.5s."},
        usage={"input_tokens": 100, "output_tokens": 7},
    )  # fmt: skip
    seen: list[ModelEvent] = []
    async with RawSse(f"data: {json.dumps(failed)}\n\n") as url:
        model = openai(url)

        async def consume() -> None:
            async for event in model.stream(request()):
                seen.append(event)

        with pytest.raises(ModelError) as raised:
            await consume()
        await model.aclose()
    assert (raised.value.fault, raised.value.retryable) == ("rate_limited", True)
    assert raised.value.retry_after == 1.5
    (used,) = [e.usage for e in seen if isinstance(e, UsageReported)]
    assert (used.input_tokens, used.output_tokens) == (100, 7)


@pytest.mark.parametrize(
    ("reason", "expected"), [("max_output_tokens", "max_tokens"), ("content_filter", "refusal")]
)
def test_an_incomplete_response_is_not_sent_back_as_it_is(reason: str, expected: str):
    _, folding = fold(
        item("added", **CALL), input_of('{"a'),
        ended("incomplete", incomplete_details={"reason": reason}),
    )  # fmt: skip
    assert folding.stopped is not None
    assert (folding.stopped.reason, folding.stopped.raw) == (expected, None)
    assert bool(folding.stopped.detail) == (expected == "refusal")


def test_reasoning_that_is_not_encrypted_stays_out_of_the_history():
    _, folding = fold(
        item("done", type="reasoning", id="rs_1", summary=[]), item("done", 1, **SAID), ended()
    )
    assert folding.stopped is not None
    assert folding.stopped.raw is None


def test_parts_of_a_summary_are_paragraphs():
    part = {"type": "response.reasoning_summary_part.added", "output_index": 0}
    text = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "One."}
    events, _ = fold({**part, "summary_index": 0}, text, {**part, "summary_index": 1}, text)
    assert events == [ThinkingDelta("One."), ThinkingDelta("\n\n"), ThinkingDelta("One.")]


# --- requests --------------------------------------------------------------------------------------


def test_nothing_is_kept_at_the_provider():
    params = build_params(request(), model="m", author="openai:m")
    assert params["store"] is False
    assert params["include"] == ["reasoning.encrypted_content"]
    assert all(tool["strict"] is False for tool in params["tools"])
    assert "previous_response_id" not in params


def test_each_conversation_has_a_cache_key_of_its_own():
    keys = {
        repr(messages[0].text): build_params(request(*messages), model="m", author="a")[
            "prompt_cache_key"
        ]
        for messages in ([ask("one")], [ask("one"), ask("more")], [ask("two")])
    }
    assert len(keys) == len(set(keys.values())) == 2
    assert all(len(key) <= 64 for key in keys.values())


@given(histories())
def test_any_history_is_one_that_the_api_takes(messages: list[Message]):
    params = build_params(request(*messages), model="m", author="nobody:else")
    check_responses({**params, "stream": True}, Reasoning(), frozenset())


def test_pictures_stand_in_the_result_that_shows_them():
    shown = UserMessage(results=(ToolResult("c", (Text("A chart."), Image(PIXEL))),))
    (output,) = build_params(request(shown), model="m", author="a")["input"]
    assert [part["type"] for part in output["output"]] == ["input_text", "input_image"]
    blind = build_params(request(shown), model="m", author="a", sees_images=False)["input"]
    assert "does not see pictures" in blind[0]["output"]


async def test_reasoning_comes_back_as_the_finished_item_had_it():
    steps = [
        turn(think("First."), call("run_python", code="1")),
        turn(redacted(), say("One more."), call("run_python", code="2")),
        turn(say("42.")),
    ]
    with OpenAIServer(steps) as server:
        model = openai(server.url)
        messages: list[Any] = [ask()]
        for _ in range(3):
            message = assistant(await collect(model, request(*messages)), model.name)
            messages += [message, answer(*(c.call_id for c in message.calls))]
        await model.aclose()
    assert [r.refused for r in server.requests] == ["", "", ""]
    sent = [i for i in server.requests[-1].body["input"] if i.get("type") == "reasoning"]
    assert [i["encrypted_content"] for i in sent] == [
        content for content, _ in server.reasoning.given.values()
    ]
    assert [i["summary"] for i in sent] == [[{"type": "summary_text", "text": "First."}], []]


async def test_reasoning_that_is_not_taken_back_is_left_out_and_later_ones_are_sent():
    steps = [
        turn(think(f"{n}."), say("I look."), call("run_python", code=f"{n}")) for n in range(3)
    ]
    with OpenAIServer([*steps, turn(say("42."))]) as server:
        model = openai(server.url)
        messages: list[Any] = [ask()]
        for number in range(4):
            server.quirks = frozenset({"forgetful"} if number == 1 else ())
            message = assistant(await collect(model, request(*messages)), model.name)
            messages += [message, answer(*(c.call_id for c in message.calls))]
        await model.aclose()
    assert [bool(r.refused) for r in server.requests] == [False, True, False, False, False]
    last = server.requests[-1].body["input"]
    assert [i["id"] for i in last if i.get("type") == "reasoning"] == [
        "rs_item_0002_0", "rs_item_0003_0",
    ]  # fmt: skip
    assert len([i for i in last if i.get("type") == "function_call"]) == 3
    assert len([i for i in last if i.get("role") == "assistant"]) == 3


@pytest.mark.parametrize(
    ("quirk", "refused"), [("no_summary", 1), ("no_reasoning", 2), ("no_images", 1)]
)
async def test_what_a_model_does_not_take_is_left_out_from_then_on(quirk: Quirk, refused: int):
    shown = UserMessage(text=(Text("What is this?"), Image(PIXEL)))
    with OpenAIServer([turn(say("A dot.")), turn(say("Yes."))], quirks=[quirk]) as server:
        model = openai(server.url)
        await collect(model, request(shown))
        await collect(model, request(shown))
        await model.aclose()
    assert len([r for r in server.requests if r.refused]) == refused
    assert [r.status for r in server.requests if not r.refused] == [200, 200]


async def test_another_model_of_the_provider_gets_no_reasoning():
    with OpenAIServer(
        [turn(think("First."), call("run_python", code="1")), turn(say("42."))]
    ) as server:
        one = openai(server.url)
        message = assistant(await collect(one), one.name)
        other = openai(server.url, model="another")
        await collect(other, request(ask(), message, answer(message.calls[0].call_id)))
        await one.aclose()
        await other.aclose()
    kinds = [i.get("type") for i in server.requests[-1].body["input"]]
    assert kinds == [None, "function_call", "function_call_output"]


async def test_fields_that_nobody_knows_come_back():
    strange = {**SAID, "phase": "commentary", "brand_new": {"a": [1]}, "unset": None}
    body = "".join(f"data: {json.dumps(e)}\n\n" for e in (item("done", **strange), ended()))
    async with RawSse(body) as url:
        model = openai(url)
        stopped = (await collect(model))[-1]
        await model.aclose()
    assert isinstance(stopped, Stopped)
    assert stopped.raw == [{**SAID, "phase": "commentary", "brand_new": {"a": [1]}}]
    assert replace(stopped, raw=None) == Stopped(reason="end_turn")

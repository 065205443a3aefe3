"""The fake server refuses what the real API refuses; otherwise its tests would prove nothing."""

from __future__ import annotations

import base64
import copy
import json
import struct
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from analyst_kernel.agent.transcript import AssistantMessage, ToolCall
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.fakes.wire_prefix import Cache
from analyst_kernel.testing.fakes.wire_rules import Refusal, check_body, check_headers
from analyst_kernel.testing.wires import ask, collect, request
from tests.fakes.turns import call, say, turn
from tests.fakes.wire_server import WireServer
from tests.models.conversations import claude

USE = {"type": "tool_use", "id": "t1", "name": "run_python", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "1"}
TEXT = {"type": "text", "text": "Go on."}
BODY: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "stream": True,
    "tools": [{"name": "run_python", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [RESULT, TEXT]},
    ],
}


def png(width: int, height: int) -> dict[str, Any]:
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    encoded = base64.b64encode(data).decode()
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": encoded},
    }


def test_a_good_request_passes():
    check_body(copy.deepcopy(BODY), dialect="claude")
    check_body(copy.deepcopy(BODY), dialect="compat")
    full = BODY | {
        "cache_control": {"type": "ephemeral"},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "tool_choice": {"type": "none"},
    }
    check_body(full, dialect="claude")
    pictures = [png(1500, 900)] * 30
    check_body(with_content([RESULT, *pictures]), dialect="claude")
    check_body(with_content([RESULT, png(7000, 900)]), dialect="claude")


def with_content(*contents: Any) -> dict[str, Any]:
    """Replace the last messages' contents."""
    body = copy.deepcopy(BODY)
    for message, content in zip(body["messages"][-len(contents) :], contents, strict=True):
        message["content"] = content
    return body


def without(name: str) -> Callable[[], dict[str, Any]]:
    return lambda: {key: value for key, value in BODY.items() if key != name}


def plus(**fields: Any) -> Callable[[], dict[str, Any]]:
    return lambda: BODY | fields


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (without("max_tokens"), "max_tokens: Field required"),
        (without("messages"), "messages: Field required"),
        (without("tools"), "must define tools"),
        (plus(max_tokens=0), "max_tokens"),
        (plus(stream=False), "streams only"),
        (plus(temperature=0.5), "temperature"),
        (plus(top_p=1), "top_p"),
        (plus(top_k=1), "top_k"),
        (plus(messagess=[]), "Extra inputs"),
        (plus(tool_choice={"type": "any"}), "forcing a tool"),
        (plus(tool_choice={"type": "tool", "name": "run_python"}), "forcing a tool"),
        (plus(thinking={"type": "disabled"}), "thinking.type"),
        (plus(thinking={"type": "enabled", "budget_tokens": 1024}), "thinking.type"),
        (plus(messages=[]), "at least one message"),
        (plus(messages=[{"role": "assistant", "content": "x"}]), "first message"),
        (plus(messages=[{"role": "user", "content": " "}]), "non-whitespace"),
        (plus(messages=[{"role": "user", "content": []}]), "non-empty"),
        (plus(messages=BODY["messages"][:2]), "prefill"),
        (plus(tools=[{"name": "no spaces", "input_schema": {"type": "object"}}]), "name"),
        (plus(tools=[{"name": "a", "input_schema": {"type": "string"}}]), "input_schema"),
        (plus(tools=[{"name": "a", "input_schema": {"type": "object"}, "x": 1}]), "Extra inputs"),
        (plus(tools=BODY["tools"] * 2), "unique"),
        (lambda: with_content([TEXT]), "without `tool_result` blocks immediately after: t1"),
        (lambda: with_content([TEXT, RESULT]), "must come first"),
        (lambda: with_content([RESULT, RESULT]), "single result"),
        (lambda: with_content([{**RESULT, "tool_use_id": "t9"}]), "unexpected `tool_use_id`"),
        (lambda: with_content([{**USE, "input": "{}"}], [RESULT]), "valid dictionary"),
        (lambda: with_content([{**USE, "id": "a|b"}], [RESULT]), "should match pattern"),
        (lambda: with_content([RESULT, *[png(2001, 5)] * 21]), "2000 pixels"),
        (lambda: with_content([{**RESULT, "content": [png(8001, 5)]}]), "8000 pixels"),
    ],
)
def test_broken_requests_are_refused(make: Callable[[], dict[str, Any]], said: str):
    with pytest.raises(Refusal, match=said) as raised:
        check_body(make(), dialect="claude")
    assert raised.value.status == 400


@pytest.mark.parametrize("name", ["cache_control", "tool_choice", "thinking"])
def test_the_compat_dialect_refuses_what_is_claudes_alone(name: str):
    with pytest.raises(Refusal, match="Extra inputs"):
        check_body(BODY | {name: {"type": "auto"}}, dialect="compat")


def test_headers():
    fine = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
    check_headers(fine, keys=None)
    check_headers(fine, keys=frozenset({"k"}))
    check_headers({"x-api-key": "k", "anthropic-version": "v"}, keys=frozenset({"k"}))
    for headers, status in (({}, 401), ({"authorization": "Bearer k"}, 400)):
        with pytest.raises(Refusal) as raised:
            check_headers(headers, keys=None)
        assert raised.value.status == status
    with pytest.raises(Refusal, match="invalid x-api-key"):
        check_headers(fine, keys=frozenset({"other"}))


async def test_refusals_reach_the_core_and_take_no_turn(wire_server: WireServer):
    wire_server.push(turn(say("Hi.")))
    model = claude(wire_server.url)
    unanswered = AssistantMessage("", (ToolCall("t1", "run_python", "{}"),))
    with pytest.raises(ModelError, match="without `tool_result`") as raised:
        await collect(model, request(ask(), unanswered, ask("And?")))
    assert (raised.value.fault, raised.value.retryable) == ("request", False)
    with pytest.raises(ModelError, match="prefill"):
        await collect(model, request(ask(), AssistantMessage("Sure:")))
    assert wire_server.turns_left == 1
    await collect(model)
    with pytest.raises(ModelError, match="no turn left"):
        await collect(model)
    await model.aclose()


async def test_unknown_models_and_wrong_keys():
    with WireServer([turn(say("Hi."))], keys=["right"], models=["claude-sonnet-5-5"]) as server:
        wrong = claude(server.url, key="wrong")
        with pytest.raises(ModelError) as raised:
            await collect(wrong)
        assert raised.value.fault == "auth"
        unknown = claude(server.url, key="right", model="claude-sonnet-9")
        with pytest.raises(ModelError, match="does not know the model") as raised:
            await collect(unknown)
        assert raised.value.fault == "request"
        await wrong.aclose()
        await unknown.aclose()


def test_the_list_of_models():
    with WireServer(models=["claude-sonnet-5-5"]) as server:
        with urllib.request.urlopen(f"{server.url}/v1/models") as answer:
            assert json.load(answer)["data"][0]["id"] == "claude-sonnet-5-5"
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"{server.url}/v1/nothing")
        assert missing.value.code == 404
        missing.value.close()


async def test_a_turn_may_be_computed_from_the_request(wire_server: WireServer):
    wire_server.push(lambda body: turn(call("run_python", code=body["model"])))
    model = claude(wire_server.url)
    events = await collect(model)
    await model.aclose()
    assert any("claude-sonnet-5-5" in getattr(event, "raw_input", "") for event in events)


def test_the_cache_serves_a_growing_conversation():
    cache = Cache(minimum=10)
    marked = {"cache_control": {"type": "ephemeral"}}
    body = copy.deepcopy(BODY) | marked | {"system": "s" * 400}
    first = cache.usage({**body, "messages": body["messages"][:1]})
    assert first["cache_read_input_tokens"] == 0
    assert first["cache_creation_input_tokens"] > 100
    second = cache.usage(body)
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    again = cache.usage(body)
    assert again["cache_creation_input_tokens"] == again["input_tokens"] == 0
    changed = cache.usage({**body, "system": "t" * 400})
    assert changed["cache_read_input_tokens"] == 0
    small = Cache(minimum=10_000).usage(body)
    assert small["cache_creation_input_tokens"] == 0
    assert small["input_tokens"] > 100

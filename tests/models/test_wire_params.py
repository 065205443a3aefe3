"""The parameters of a request: what each dialect sends, and that the prefix never moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    Message,
    ModelRequest,
    Observation,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
    parsed_input,
)
from analyst_kernel.models.anthropic_wire import Dialect, Params, build_params
from analyst_kernel.testing.wires import TOOLS, answer, ask, request

AUTHOR = "anthropic:claude-sonnet-5-5"


def params(asked: ModelRequest, dialect: Dialect = "claude", **details: Any) -> Params:
    settings = {"model": "claude-sonnet-5-5", "author": AUTHOR, "sees_images": True, **details}
    return build_params(asked, dialect=dialect, **settings)


parts = st.one_of(st.builds(Text, st.text(max_size=8)), st.builds(Image, st.just("iVBORw0=")))
results = st.builds(
    ToolResult,
    call_id=st.text(max_size=5),
    content=st.lists(parts, max_size=3).map(tuple),
    is_error=st.booleans(),
    observation=st.one_of(st.none(), st.builds(Observation, outcome=st.just("ok"))),
)
users = st.builds(
    UserMessage,
    results=st.lists(results, max_size=2).map(tuple),
    text=st.lists(parts, max_size=2).map(tuple),
)
calls = st.builds(
    ToolCall, call_id=st.text(max_size=5), tool=st.just("run_python"), raw_input=st.text(max_size=9)
)
raw_blocks = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=5)}), max_size=2
)
assistants = st.builds(
    AssistantMessage,
    text=st.text(max_size=8),
    calls=st.lists(calls, max_size=2).map(tuple),
    raw=st.one_of(st.none(), raw_blocks),
    model=st.sampled_from([AUTHOR, "offline:rules", ""]),
)
transcripts = st.lists(st.one_of(users, assistants), min_size=1, max_size=6)


@given(
    transcript=transcripts,
    dialect=st.sampled_from(["claude", "compat"]),
    sees=st.booleans(),
    choice=st.sampled_from(["auto", "none"]),
)
def test_a_longer_transcript_starts_with_the_shorter_one(
    transcript: list[Message], dialect: Dialect, sees: bool, choice: Any
):
    def built(count: int) -> Params:
        asked = ModelRequest("s", TOOLS, tuple(transcript[:count]), tool_choice=choice)
        return params(asked, dialect, sees_images=sees)

    for count in range(1, len(transcript)):
        shorter, longer = built(count), built(count + 1)
        messages = longer.pop("messages")
        assert json.dumps(messages[:count]) == json.dumps(shorter.pop("messages"))
        assert json.dumps(longer) == json.dumps(shorter)


@given(transcripts)
def test_no_block_is_blank_and_no_message_empty(transcript: list[Message]):
    for message in params(request(*transcript), author="nobody:else")["messages"]:
        assert message["content"]
        for block in message["content"]:
            assert block["type"] != "text" or block["text"].strip()
            assert block["type"] != "tool_result" or block["content"]


def test_claude_sends_caching_thinking_and_serial_tools():
    built = params(request())
    assert built["cache_control"] == {"type": "ephemeral"}
    assert built["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert built["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert built["tool_choice"] == {"type": "auto"}
    assert all(tool["eager_input_streaming"] is True for tool in built["tools"])
    assert "cache_control" not in json.dumps(built["messages"])
    assert not {"temperature", "top_p", "top_k"} & set(built)


def test_claude_wraps_up_without_tools_being_callable():
    built = params(request(tool_choice="none"))
    assert built["tool_choice"] == {"type": "none"}
    assert built["tools"] == params(request())["tools"]


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("claude-sonnet-5-5", True),
        ("claude-opus-5", True),
        ("claude-opus-4-6", True),
        ("claude-opus-4-10", True),
        ("claude-haiku-4-5", False),
        ("claude-haiku-4-5-20251001", False),
        ("claude-opus-4-1", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-3-7-sonnet-latest", False),
    ],
)
def test_older_models_get_no_thinking_parameter(model: str, thinks: bool):
    assert ("thinking" in params(request(), model=model)) is thinks


def test_compat_sends_only_the_common_core():
    built = params(request(), "compat")
    assert set(built) == {"model", "max_tokens", "system", "messages", "tools"}
    assert set(built["tools"][0]) == {"name", "description", "input_schema"}
    assert built["system"] == "You analyse data."
    assert "tools" not in params(request(tool_choice="none"), "compat")


def test_results_stand_before_text_in_one_message():
    message = UserMessage(
        results=(ToolResult("a", (Text("1"), Image("QUJD"))), ToolResult("b", (), is_error=True)),
        text=(Text("Go on."),),
    )
    call = AssistantMessage("", (ToolCall("a", "run_python", "{}"), ToolCall("b", "x", "{}")))
    sent = params(request(ask(), call, message))["messages"][2]["content"]
    assert [block["type"] for block in sent] == ["tool_result", "tool_result", "text"]
    assert sent[0]["content"][1]["source"] == {
        "type": "base64",
        "media_type": "image/png",
        "data": "QUJD",
    }
    assert "is_error" not in sent[0]
    assert sent[1]["is_error"] is True


def test_a_model_without_images_gets_a_sentence_instead():
    message = UserMessage(text=(Image("QUJD"),))
    sent = params(request(message), sees_images=False)["messages"][0]["content"]
    assert "does not see pictures" in sent[0]["text"]


def test_foreign_call_ids_become_valid_ones_on_both_sides():
    call = AssistantMessage("", (ToolCall("fc|1 ü", "run_python", '{"code": "1"}'),), model="x:y")
    sent = params(request(ask(), call, answer("fc|1 ü")))["messages"]
    made = sent[1]["content"][0]
    assert made["id"] == sent[2]["content"][0]["tool_use_id"]
    assert made["id"].isascii()
    assert made["input"] == {"code": "1"}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("", {}),
        ("  ", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1', None),
        ("[1]", None),
        ('{"a": NaN}', None),
        ('{"a": Infinity}', None),
        ("[" * 100_000, None),
        ("'a'", None),
    ],
)
def test_parsed_input(raw: str, value: Any):
    assert parsed_input(raw) == value

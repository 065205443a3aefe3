"""What is sent to Gemini: the form, the history of other models, and a prefix that stays the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from analyst_kernel.agent.tools.handlers import TOOLS
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    ModelRequest,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from analyst_kernel.models.gemini.wire import build_interaction
from analyst_kernel.testing.wires import TOOLS as ONE_TOOL
from analyst_kernel.testing.wires import answer, ask, assistant, collect, request
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.gemini_events import interaction_events
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.turns import Fault, call, redacted, say, think, turn
from tests.fakes.wire_server import WireServer
from tests.models.conversations import claude
from tests.models.gemini.conversations import gemini, gemini_server

__all__ = ["gemini_server"]

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
AUTHOR = "gemini:gemini-3.8-flash"


async def sent(server: GeminiServer, asked: ModelRequest) -> Any:
    server.push(turn(say("Fine.")))
    model = gemini(server.url)
    await collect(model, asked)
    await model.aclose()
    return server.requests[-1].body


async def test_a_plain_request(gemini_server: GeminiServer):
    body = await sent(gemini_server, request())
    assert body == {
        "model": "gemini-3.8-flash",
        "store": False,
        "stream": True,
        "system_instruction": "You analyse data.",
        "tools": [
            {
                "type": "function",
                "name": "run_python",
                "description": "Run code.",
                "parameters": ONE_TOOL[0].schema,
            }
        ],
        "generation_config": {"max_output_tokens": 16_000, "thinking_summaries": "auto"},
        "input": [{"type": "user_input", "content": [{"type": "text", "text": "How many rows?"}]}],
    }


async def test_no_tool_may_be_called_but_all_are_named(gemini_server: GeminiServer):
    body = await sent(gemini_server, request(tool_choice="none", max_tokens=500))
    assert body["generation_config"]["tool_choice"] == "none"
    assert body["generation_config"]["max_output_tokens"] == 500
    assert [tool["name"] for tool in body["tools"]] == ["run_python"]


async def test_the_products_own_tools_are_taken(gemini_server: GeminiServer):
    body = await sent(gemini_server, ModelRequest("Analyse.", TOOLS.specs(), (ask(),)))
    assert len(body["tools"]) == len(TOOLS.specs())


async def conversation(server: GeminiServer, *contents: ToolResult) -> Any:
    """Call twice, answer with ``contents``, and return the body of the next request."""
    server.push(turn(call("run_python", code="1"), call("run_python", code="2")))
    model = gemini(server.url)
    message = assistant(await collect(model), model.name)
    ids = [one.call_id for one in message.calls]
    results = tuple(replace(result, call_id=ids[place]) for place, result in enumerate(contents))
    server.push(turn(say("Fine.")))
    await collect(model, request(ask(), message, UserMessage(results, (Text("Go on."),))))
    await model.aclose()
    return server.requests[-1].body["input"]


async def test_results_carry_pictures_and_say_that_they_are_errors(gemini_server: GeminiServer):
    steps = await conversation(
        gemini_server,
        ToolResult("", (Text("A chart."), Image(PNG))),
        ToolResult("", (Text(" \n"),), is_error=True),
    )
    drawn, failed, said = steps[-3:]
    assert drawn["name"] == failed["name"] == "run_python"
    assert drawn["result"] == [
        {"type": "text", "text": "A chart."},
        {"type": "image", "data": PNG, "mime_type": "image/png"},
    ]
    assert "is_error" not in drawn
    assert failed["is_error"] is True
    assert failed["result"] == [{"type": "text", "text": "(no output)"}]
    assert said == {"type": "user_input", "content": [{"type": "text", "text": "Go on."}]}


async def test_an_empty_message_is_still_one(gemini_server: GeminiServer):
    body = await sent(gemini_server, request(UserMessage(text=(Text("  "),))))
    assert body["input"][0]["content"] == [{"type": "text", "text": "(no text)"}]


async def test_the_history_of_another_model_is_converted(
    gemini_server: GeminiServer, wire_server: WireServer
):
    """Its thoughts are dropped, its calls told in words, and Gemini goes on from there."""
    wire_server.push(turn(think("Secret."), say("One."), call("run_python", code="1 + 1")))
    other = claude(wire_server.url)
    foreign = assistant(await collect(other), other.name)
    await other.aclose()
    result = ToolResult(foreign.calls[0].call_id, (Text("2"), Image(PNG)))
    history = [ask(), foreign, UserMessage((result,), (Text("And now?"),))]
    gemini_server.push(turn(think("Mine."), call("run_python", code="2")), turn(say("Done.")))
    model = gemini(gemini_server.url)
    own = assistant(await collect(model, request(*history)), model.name)
    await collect(model, request(*history, own, answer(own.calls[0].call_id)))
    await model.aclose()
    assert [one.refused for one in gemini_server.requests] == ["", ""]
    steps = gemini_server.requests[-1].body["input"]
    assert [step["type"] for step in steps] == [
        "user_input", "model_output", "user_input", "thought", "function_call", "function_result",
    ]  # fmt: skip
    assert steps[2]["content"] == [
        {
            "type": "text",
            "text": 'The tool run_python was called with {"code": "1 + 1"} and gave:',
        },
        {"type": "text", "text": "2"},
        {"type": "image", "data": PNG, "mime_type": "image/png"},
        {"type": "text", "text": "And now?"},
    ]
    assert "Secret" not in json.dumps(steps)
    assert FAKE_KEY not in json.dumps(steps)


@pytest.mark.parametrize("model", ["gemini:gemini-4-argon", "openai:gpt-6", ""])
def test_turns_that_are_not_the_models_own(model: str):
    """Another Gemini's too: a signature is bound to its model. Ids of any kind do no harm."""
    raw: Any = [{"type": "thought", "signature": "abc"}, {"type": "function_call", "id": "x"}]
    turns = AssistantMessage("", (ToolCall("weird id \n☃", "f", "{not json"),), raw, model)
    failed = UserMessage((ToolResult("weird id \n☃", (Text("No."),), is_error=True),))
    body = build_interaction(request(ask(), turns, failed), author=AUTHOR)
    assert [step["type"] for step in body["input"]] == ["user_input", "user_input"]
    assert [part["text"] for part in body["input"][1]["content"]] == [
        "The tool f was called with {not json and failed:",
        "No.",
    ]


def test_a_turn_of_its_own_without_raw_steps_is_told():
    turns = AssistantMessage("So it is.", (), None, AUTHOR)
    body = build_interaction(request(ask(), turns, ask("Sure?")), author=AUTHOR)
    assert [step["type"] for step in body["input"]] == ["user_input", "model_output", "user_input"]


def test_neither_system_nor_tools():
    body = build_interaction(ModelRequest("", (), (ask(),)), author=AUTHOR)
    assert sorted(body) == ["generation_config", "input"]


def unknown_in(read: Any) -> list[str]:
    """List what a value of the SDK's types holds that those types do not name."""
    if isinstance(read, BaseModel):
        found = [f"{type(read).__name__}.{name}" for name in read.model_extra or ()]
        found += [type(read).__name__] if getattr(read, "is_unknown", False) else []
        return found + [
            one for name in read.model_fields_set for one in unknown_in(getattr(read, name))
        ]
    return [one for item in read for one in unknown_in(item)] if isinstance(read, list) else []


def check(shape: Any, value: Any) -> None:
    """Read a value as the SDK's types, which Google makes from its own description of the API."""
    read: Any = TypeAdapter(shape).validate_python(value)
    assert unknown_in(read) == []
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == value


async def test_the_sdks_types_know_all_that_is_sent_and_all_that_the_fake_says(
    gemini_server: GeminiServer, wire_server: WireServer
):
    """An independent referee: neither the requests nor the fake are only what we think they are."""
    from google.genai.interactions import CreateModelInteraction, InteractionSSEEvent

    steps = await conversation(
        gemini_server,
        ToolResult("", (Text("A chart."), Image(PNG))),
        ToolResult("", (Text("No."),), is_error=True),
    )
    assert len(steps) == 7
    for asked in gemini_server.requests:
        check(CreateModelInteraction, asked.body)
    body = await sent(gemini_server, ModelRequest("Analyse.", TOOLS.specs(), (ask(),)))
    check(CreateModelInteraction, body)
    everything = turn(think("Hm."), redacted(), say("So."), call("run_python", code="1"))
    for made in (everything, turn(everything, fault=Fault("refusal"))):
        usage = gemini_server.implicit.usage(body, made)
        events = interaction_events(
            made, body, number=1, usage=usage, signatures=gemini_server.thoughts
        )
        for event in events:
            check(InteractionSSEEvent, event)
    with pytest.raises(AssertionError, match="novel"):
        check(CreateModelInteraction, {**body, "novel": 1})

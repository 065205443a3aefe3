"""An independent referee: what we send is what the SDKs' own types, made from the APIs' descriptions, know.

Our fakes refuse what we know to be refused. The types know nothing of us: a field that the API does
not have is dropped by them, and one of another form is an error.
"""

from __future__ import annotations

import collections.abc
import importlib
import json
import sys
from typing import Any, ForwardRef, NotRequired, Required, Union, get_args, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from analyst_kernel.agent.tools.handlers import TOOLS
from analyst_kernel.agent.transcript import Image, ModelRequest, Text, ToolResult, UserMessage
from analyst_kernel.testing.wires import Wire, ask, assistant, collect, talk, usual
from tests.fakes.turns import call, say, think, turn
from tests.models.conformance.wires import ALL_FORMS, GEMINI

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

MESSAGES = ("anthropic", "anthropic.types.message_create_params", "MessageCreateParamsStreaming")
RESPONSES = (
    "openai", "openai.types.responses.response_create_params", "ResponseCreateParamsStreaming",
)  # fmt: skip
CHAT = (
    "openai", "openai.types.chat.completion_create_params", "CompletionCreateParamsStreaming",
)  # fmt: skip
TYPES = {"messages": MESSAGES, "bedrock": MESSAGES, "vertex": MESSAGES, "foundry": MESSAGES,
         "responses": RESPONSES}  # fmt: skip
"""All others speak Chat Completions; Gemini's types judge in ``tests/models/gemini``."""

REFEREED = [wire for wire in ALL_FORMS if wire is not GEMINI]


def listed(kind: Any) -> Any:
    """The type with lists instead of what can be read once."""
    if isinstance(kind, ForwardRef):
        # Another one: this may have been evaluated by the SDK, and keeps what it found.
        return ForwardRef(kind.__forward_arg__, is_argument=False, module=kind.__forward_module__)
    if get_origin(kind) is collections.abc.Iterable:
        return list[tuple(map(listed, get_args(kind)))]
    if get_origin(kind) in (Union, Required, NotRequired):
        return kind.copy_with(tuple(map(listed, get_args(kind))))
    return kind


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that returns a body as the SDK's types know it."""

    def known(name: str, body: dict[str, Any]) -> Any:
        package, module, kind = TYPES.get(name, CHAT)
        params = getattr(importlib.import_module(module), kind)
        # Pydantic reads an Iterable once, and tries each branch of a union: it must be a list.
        for loaded in [m for n, m in sys.modules.items() if n.startswith(f"{package}.types")]:
            for place, made in list(vars(loaded).items()):
                if place == "Iterable":
                    monkeypatch.setattr(loaded, place, list)
                elif get_origin(made) is not None:
                    monkeypatch.setattr(loaded, place, listed(made))
                elif is_typeddict(made) and made.__module__ == loaded.__name__:
                    read = {name: listed(of) for name, of in made.__annotations__.items()}
                    monkeypatch.setattr(made, "__annotations__", read)
        adapter = TypeAdapter(params)
        return json.loads(adapter.dump_json(adapter.validate_python(body)))

    return known


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """The body without what a cloud has in it instead of a header, or in its path."""
    return {name: value for name, value in body.items() if name != "anthropic_version"}


@pytest.mark.parametrize("wire", REFEREED, ids=lambda wire: wire.name)
async def test_the_sdks_types_know_all_that_is_sent(wire: Wire, judge: Any):
    async with talk(wire, usual(), turn(think("Hm."), call("run_python", code="2", purpose="x")),
                    turn(say("42."))) as (server, model):  # fmt: skip
        messages: list[Any] = [ask()]
        for number in range(3):
            asked = ModelRequest("You analyse data.", TOOLS.specs(), tuple(messages))
            if number == 2:
                asked = ModelRequest(asked.system, asked.tools, asked.messages, tool_choice="none")
            message = assistant(await collect(model, asked), model.name)
            results = tuple(
                ToolResult(made.call_id, (Text("42 rows"), Image(PNG)), is_error=number == 1)
                for made in message.calls
            )
            messages += [message, UserMessage(results, (Text("Go on."), Image(PNG)))]
    refused = [one.refused for one in server.requests if one.refused]
    assert refused == []
    for one in server.requests:
        body = sent(one.body)
        assert judge(wire.name, body) == body


@pytest.mark.parametrize("wire", REFEREED, ids=lambda wire: wire.name)
async def test_the_referee_sees_what_is_wrong(wire: Wire, judge: Any):
    async with talk(wire, usual()) as (server, model):
        await collect(model)
    body = sent(server.requests[0].body)
    unknown = {**body, "no_such_parameter": 1}
    assert judge(wire.name, unknown) != unknown
    history = "input" if "input" in body else "messages"
    for wrong in ({**body, history: 7}, {**body, history: [*body[history], {"role": "nobody"}]}):
        try:
            assert judge(wire.name, wrong) != wrong
        except ValidationError:
            continue

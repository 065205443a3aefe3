"""The package's wires as rows, for the cases of ``analyst_kernel.testing``.

Another wire is another row of ``WIRES``; every case then runs on it too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from analyst_kernel.models.cloud.access import CloudAccess
from analyst_kernel.models.cloud.messages import CloudMessages
from analyst_kernel.models.cloud.providers import BEDROCK, FOUNDRY, VERTEX, CloudProvider
from analyst_kernel.models.gemini.interactions import GeminiInteractions
from analyst_kernel.models.openai_chat import OpenAIChat
from analyst_kernel.models.openai_responses import OpenAIResponses
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.testing.fakes.openai_events import Style
from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer, OpenAIServer
from analyst_kernel.testing.wires import FAKE_KEY, Wire
from tests.fakes.cloud_servers import (
    FAKE_AWS_ID,
    FAKE_PROJECT,
    FAKE_REGION,
    BedrockServer,
    FoundryServer,
    VertexServer,
)
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.wire_server import WireServer
from tests.models.conversations import claude

Body = dict[str, Any]


def openai(url: str, **details: Any) -> OpenAIResponses:
    return OpenAIResponses(**_settings("openai", url, details))


def chat(url: str, **details: Any) -> OpenAIChat:
    return OpenAIChat(**_settings("compatible", url, details))


def _settings(provider: str, url: str, details: dict[str, Any]) -> dict[str, Any]:
    key = details.pop("key", FAKE_KEY)
    settings = {
        "provider": provider,
        "model": "some-model",
        "label": "OpenAI",
        "connection": Connection(f"{url}/v1", api_key=key),
        "key_advice": "Check OPENAI_API_KEY.",
    }
    return {**settings, **details}


def gemini(url: str, **details: Any) -> GeminiInteractions:
    settings = _settings("gemini", url, details)
    connection = replace(settings["connection"], base_url=url)
    return GeminiInteractions(**{**settings, "label": "Gemini", "connection": connection})


def _cloud(row: CloudProvider, path: str = "", **found: Any) -> Callable[..., CloudMessages]:
    def connect(url: str, **details: Any) -> CloudMessages:
        settings = _settings(row.name, url, details)
        access = CloudAccess(**{"source": "a test", **found})
        connection = Connection(url + path, **_credential(row.name, settings["connection"]))
        return CloudMessages(
            **{**settings, "label": row.label, "connection": connection},
            dialect=row.dialect,
            access=replace(access, connection=connection),
            make=row.make,
        )

    return connect


def _credential(cloud: str, connection: Connection) -> dict[str, str | None]:
    """Bedrock's key signs, Vertex's is a token."""
    name = "auth_token" if cloud == "vertex" else "api_key"
    return {name: connection.api_key}


def _gemini_parts(body: Body) -> list[Any]:
    return [body.get("tools"), body.get("system_instruction"), *body["input"]]


def _messages_parts(body: Body) -> list[Any]:
    return [body.get("tools"), body.get("system"), *body["messages"]]


def _unmarked(value: Any) -> Any:
    """Without the marker of the cache, which is no part of what is cached."""
    if isinstance(value, dict):
        return {name: _unmarked(one) for name, one in value.items() if name != "cache_control"}
    return [_unmarked(one) for one in value] if isinstance(value, list) else value


def _cloud_parts(body: Body) -> list[Any]:
    return [_unmarked(part) for part in _messages_parts(body)]


def _responses_parts(body: Body) -> list[Any]:
    return [body.get("tools"), body.get("instructions"), *body["input"]]


def _chat_parts(body: Body) -> list[Any]:
    return [body.get("tools"), *body["messages"]]


def _styled(**style: Any) -> Callable[..., WireServer]:
    def serve(turns: Any = (), **details: Any) -> WireServer:
        return OpenAIChatServer(turns, style=Style(**style), **details)

    return serve


def _named(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


_PINGS = b'event: ping\ndata: {"type": "ping"}\n\n: a comment\n\n'

MESSAGES = Wire(
    "messages", WireServer, claude, _messages_parts,
    _PINGS + _named({"type": "message_start_of_something_new", "index": 7}),
)  # fmt: skip
RESPONSES = Wire(
    "responses", OpenAIServer, openai, _responses_parts,
    _PINGS + _named({"type": "response.something.new", "output_index": 99, "delta": "x"}),
)  # fmt: skip
GEMINI = Wire(
    "gemini", GeminiServer, gemini, _gemini_parts,
    b': a comment\n\ndata: {"event_type": "interaction.something_new", "index": 99}\n\n',
)  # fmt: skip
_NEW = {"type": "message_start_of_something_new", "index": 7}
_NOWHERE = Connection("")
BEDROCK_WIRE = Wire(
    "bedrock", BedrockServer,
    _cloud(
        BEDROCK, connection=_NOWHERE, details={"region": FAKE_REGION, "access_key": FAKE_AWS_ID}
    ),
    _cloud_parts, BedrockServer()._encode(_NEW),
)  # fmt: skip
VERTEX_WIRE = Wire(
    "vertex", VertexServer,
    _cloud(
        VERTEX, "/v1", connection=_NOWHERE,
        details={"region": FAKE_REGION, "project": FAKE_PROJECT},
    ),
    _cloud_parts, VertexServer.NOISE + _named(_NEW),
)  # fmt: skip
FOUNDRY_WIRE = Wire(
    "foundry", FoundryServer, _cloud(FOUNDRY, "/anthropic", connection=_NOWHERE),
    _messages_parts, _PINGS + _named(_NEW),
)  # fmt: skip
_CHUNK = b': OPENROUTER PROCESSING\n\ndata: {"object": "something.new", "choices": []}\n\n'
_BARE = b'data: {"choices": [{"index": 0, "delta": {"something": "new"}}]}\n\n'


def _chat_row(name: str, **style: Any) -> Wire:
    return Wire(
        name, _styled(**style), chat, _chat_parts, _CHUNK + _BARE, tail=True, calls_only=bool(style)
    )


CHAT = _chat_row("chat")
DIALECTS = (
    _chat_row("chat-whole-calls", whole=True, index="zero", ids="once", says_stop=True),
    _chat_row("chat-no-ids", whole=True, index="zero", ids="none", thinking="reasoning"),
    _chat_row("chat-no-index", index="none", thinking="both"),
    _chat_row("chat-zero-index", index="zero", ids="each", usage=False),
)
"""The Chat wire as servers really speak it; they run what is about calls."""

ACTIONS = replace(
    CHAT, name="actions", in_text=True,
    serve=partial(OpenAIChatServer, style=Style(actions=True), quirks=["no_tools"]),
    connect=partial(chat, acts_in_text=True),
)  # fmt: skip
"""A model without tool calls, which writes them into its text."""

CLOUD_WIRES = (BEDROCK_WIRE, VERTEX_WIRE, FOUNDRY_WIRE)
WIRES = (MESSAGES, RESPONSES, CHAT, GEMINI, *CLOUD_WIRES, ACTIONS)
ALL_FORMS = (*WIRES, *DIALECTS)

each_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
each_form = pytest.mark.parametrize("wire", ALL_FORMS, ids=lambda wire: wire.name)

"""Conversations for model tests: requests, a client of the fake server, and one loop step."""

from __future__ import annotations

from typing import Any

from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.anthropic_wire import Dialect
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.testing.wires import Page
from tests.fakes.fixtures import FAKE_KEY


def claude(url: str, **details: Any) -> AnthropicMessages:
    model = details.pop("model", "claude-sonnet-5-5")
    dialect: Dialect = details.pop("dialect", "claude")
    key = details.pop("key", FAKE_KEY)
    return AnthropicMessages(
        provider=details.pop("provider", "anthropic"),
        model=model,
        label="Anthropic",
        connection=Connection(base_url=url, api_key=key, ambient=dialect == "claude"),
        dialect=dialect,
        key_advice="Check ANTHROPIC_API_KEY.",
        **details,
    )


class RawSse(Page):
    """A server that answers every request with these bytes as an event stream."""

    def __init__(self, body: str) -> None:
        super().__init__(body, kind="text/event-stream")

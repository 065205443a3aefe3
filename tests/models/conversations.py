"""Conversations for model tests: requests, a client of the fake server, and one loop step."""

from __future__ import annotations

import asyncio
from typing import Any

from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.anthropic_wire import Dialect
from analyst_kernel.models.wire.connection import Connection
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


class RawSse:
    """A server that answers every request with these bytes as an event stream."""

    def __init__(self, body: str) -> None:
        self.body = body.encode()

    async def __aenter__(self) -> str:
        async def answer(reader: Any, writer: Any) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n" % len(self.body)
            )
            writer.write(self.body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        self.server = await asyncio.start_server(answer, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

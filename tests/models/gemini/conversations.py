"""A model at the fake of the Interactions API, and a server that says exactly what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from analyst_kernel.agent.ports import ModelEvent
from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.models.gemini.interactions import GeminiInteractions
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import request
from tests.fakes.gemini_server import FAKE_GEMINI_KEY, GeminiServer


@pytest.fixture
def gemini_server() -> Iterator[GeminiServer]:
    with GeminiServer(keys=[FAKE_GEMINI_KEY]) as server:
        yield server


def gemini(url: str, **details: Any) -> GeminiInteractions:
    return GeminiInteractions(
        provider="gemini",
        model=details.pop("model", "gemini-3.8-flash"),
        label="Gemini",
        connection=Connection(base_url=url, api_key=details.pop("key", FAKE_GEMINI_KEY)),
        key_advice="Check GEMINI_API_KEY.",
        **details,
    )


async def fault_of(
    model: GeminiInteractions, asked: ModelRequest | None = None
) -> tuple[ModelError, list[ModelEvent]]:
    """Ask, expect a failure, and close the model."""
    seen: list[ModelEvent] = []

    async def consume() -> None:
        async for event in model.stream(asked or request()):
            seen.append(event)

    with pytest.raises(ModelError) as raised:
        await consume()
    await model.aclose()
    return raised.value, seen


def sse(*events: dict[str, Any]) -> str:
    return "".join(
        f"event: {event['event_type']}\ndata: {json.dumps(event)}\n\n" for event in events
    )


def completed(status: str = "completed", **usage: int) -> dict[str, Any]:
    interaction = {"id": "", "status": status, "usage": usage}
    return {"event_type": "interaction.completed", "interaction": interaction}


class RawHttp:
    """A server that answers every request with these bytes, status and type."""

    def __init__(
        self, body: str, *, status: int = 200, content_type: str = "text/event-stream"
    ) -> None:
        self.body = body.encode()
        self.head = f"HTTP/1.1 {status} Fake\r\ncontent-type: {content_type}\r\n"
        self.asked = 0

    async def __aenter__(self) -> str:
        async def answer(reader: Any, writer: Any) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
            self.asked += 1
            size = f"content-length: {len(self.body)}\r\nconnection: close\r\n\r\n"
            writer.write((self.head + size).encode() + self.body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        self.server = await asyncio.start_server(answer, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

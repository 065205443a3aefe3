"""A server whose stream never says anything, and never ends: over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import collect
from tests.models.conversations import claude

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
START = {
    "type": "message_start",
    "message": {
        "id": "m", "type": "message", "role": "assistant", "model": "x", "content": [],
        "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}  # fmt: skip
BLOCK = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": ""},
}
EMPTY = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}
UNKNOWN = {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta", "x": 1}}


def event(body: dict[str, Any]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def endless(body: dict[str, Any]) -> AsyncIterator[str]:
    """Serve a stream that repeats one event for as long as somebody reads it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + chunk(event(START) + event(BLOCK)))
            while not writer.is_closing():
                writer.write(chunk(event(body) * 200))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize("body", [EMPTY, UNKNOWN], ids=["empty", "unknown"])
async def test_a_stream_of_events_without_content_is_stopped(body: dict[str, Any]):
    async with endless(body) as url:
        model = claude(url)
        with pytest.raises(ModelError, match="without content") as raised:
            await collect(model)
        await model.aclose()
    assert not raised.value.retryable

"""HTTP of the fake server: reading a request, writing a chunked answer, noticing who left."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Recorded:
    """One request, as it arrived.

    Attributes:
        method, path: Of the request line.
        headers: Names in lower case.
        body: Parsed JSON, or ``None``.
        data, target: The body's bytes and the request line's target, as they came.
        status: What was answered.
        refused: Why, where the request broke a rule.
        usage: Token numbers that were reported.
        client_port: Tells connections apart.
        sent: Number of events that went out.
        closed_early: The client closed the connection before the answer was complete.
        finished: Nothing more happens to it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int = 200
    refused: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    client_port: int = 0
    sent: int = 0
    closed_early: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    data: bytes = b""
    target: str = ""


class Gone(Exception):
    """The client closed the connection."""


class HttpReply:
    """One HTTP answer, chunked; notices when the client goes away."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: Recorded,
        note: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request
        self._note = note
        self._open = False
        self.cut = False

    async def start(
        self, status: int, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self._request.status = status
        lines = [f"HTTP/1.1 {status} Fake", f"content-type: {content_type}"]
        lines += ["transfer-encoding: chunked", "request-id: req_fake"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._open = True
        await self._writer.drain()

    async def json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        await self.start(status, "application/json", headers)
        await self.send(json.dumps(content).encode())

    async def send(self, data: bytes) -> None:
        if self._reader.at_eof() or self._writer.is_closing():
            raise Gone
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self._writer.drain()

    async def event(self, data: bytes) -> None:
        await self.send(data)
        self._request.sent += 1
        self._note()

    async def pause(self, seconds: float) -> None:
        """Let the loop see a closed connection; wait ``seconds`` at most."""
        await self.silence(seconds)

    async def silence(self, seconds: float, *, ping: bytes = b"") -> None:
        """Send nothing (or pings) for a while; end at once when the client goes away."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            step = min(left, 0.05) if ping else left
            if step <= 0:
                await asyncio.sleep(0)
            elif await _eof_within(self._reader, step):
                raise Gone
            if self._reader.at_eof():
                raise Gone
            if left <= 0:
                return
            if ping:
                await self.send(ping)

    def reset(self) -> None:
        self.cut = True
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def end(self) -> None:
        if self._open and not self.cut:
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()


async def _eof_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait for the client to close; no client of ours sends while it waits for an answer."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(1) == b""
    except TimeoutError:
        return False


async def read_request(head: str, reader: asyncio.StreamReader) -> Recorded:
    """Parse a request's head and read its body."""
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    data = await reader.readexactly(int(headers.get("content-length", "0")))
    try:
        body = json.loads(data) if data else None
    except ValueError:
        body = None
    return Recorded(method, path.partition("?")[0], headers, body, data=data, target=path)

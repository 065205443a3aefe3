"""A browser without a page: REST and the socket of one tab, for tests of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

DEADLINE = 90.0
TOKEN = "a-token-of-the-tests"


class Answer:
    """The answer of a REST route."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.code
        self.headers = response.headers
        self.body = response.body or b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Tab:
    """One socket; :attr:`frames` are all that arrived, :attr:`events` those of type ``event``."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.closed: tuple[int | None, str | None] | None = None
        self._changed = asyncio.Condition()
        self._count = 0
        self._reader = asyncio.create_task(self._read())

    @property
    def events(self) -> list[dict[str, Any]]:
        return [frame["event"] for frame in self.frames if frame["type"] == "event"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def send(self, kind: str, analysis: str, **fields: Any) -> int:
        """Send a command without waiting for its reply, and return the frame's id."""
        self._count += 1
        command = {"type": kind, "analysis": analysis, **fields}
        await self.socket.write_message(json.dumps({"id": self._count, "command": command}))
        return self._count

    async def command(self, kind: str, analysis: str, **fields: Any) -> dict[str, Any]:
        """Send a command and return its reply."""
        number = await self.send(kind, analysis, **fields)
        return await self.frame(
            lambda f: f["type"] in ("accepted", "refused") and f["id"] == number
        )

    async def do(self, kind: str, analysis: str, **fields: Any) -> None:
        reply = await self.command(kind, analysis, **fields)
        assert reply["type"] == "accepted", reply

    async def frame(
        self, wanted: Callable[[dict[str, Any]], bool], *, start: int = 0
    ) -> dict[str, Any]:
        """Wait for the first frame that fits, from place ``start`` on."""

        def found() -> dict[str, Any] | None:
            return next((frame for frame in self.frames[start:] if wanted(frame)), None)

        try:
            async with asyncio.timeout(DEADLINE), self._changed:
                await self._changed.wait_for(lambda: found() is not None or self.closed is not None)
        except TimeoutError:
            seen = [_summary(frame) for frame in self.frames[start:]]
            raise AssertionError(f"it never came; there were {seen}") from None
        frame = found()
        assert frame is not None, f"the socket closed: {self.closed}"
        return frame

    async def event(self, kind: str, *, start: int = 0, **fields: Any) -> dict[str, Any]:
        """Wait for an event of a type (with these values), from place ``start`` on."""

        def wanted(frame: dict[str, Any]) -> bool:
            event = frame.get("event", {})
            return event.get("type") == kind and all(event.get(k) == v for k, v in fields.items())

        frame = await self.frame(wanted, start=start)
        event: dict[str, Any] = frame["event"]
        return event

    async def gone(self) -> tuple[int | None, str | None]:
        """Wait until the server closed the socket; return code and reason."""
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed

    async def close(self) -> None:
        self.socket.close()
        await self._reader

    async def _read(self) -> None:
        while (message := await self.socket.read_message()) is not None:
            async with self._changed:
                self.frames.append(json.loads(message))
                self._changed.notify_all()
        async with self._changed:
            self.closed = (self.socket.close_code, self.socket.close_reason)
            self._changed.notify_all()


def _summary(frame: dict[str, Any]) -> str:
    event = frame.get("event", frame)
    words = {k: event[k] for k in ("state", "outcome", "status", "reason", "message") if k in event}
    return f"{event['type']} {words}"


class Browser:
    """Talks to one server as its owner does."""

    def __init__(self, port: int, base_url: str) -> None:
        self.port = port
        self.base = f"127.0.0.1:{port}{base_url}"
        self.tabs: list[Tab] = []

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
        **query: str,
    ) -> Answer:
        """Call a route below the extension's; ``raw`` is sent instead of a JSON ``body``."""
        return await self.fetch(
            method, f"analyst-kernel/{path}", body, raw=raw, headers=headers, token=token, **query
        )

    async def fetch(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
        **query: str,
    ) -> Answer:
        """Call any route of the server."""
        sent = raw if raw is not None else None if body is None else json.dumps(body).encode()
        head = dict(headers or {})
        if token is not None:
            head["Authorization"] = f"token {token}"
        address = f"http://{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        request = HTTPRequest(
            address, method, headers=head, body=sent, allow_nonstandard_methods=True,
            follow_redirects=False, request_timeout=DEADLINE,
        )  # fmt: skip
        return Answer(await AsyncHTTPClient().fetch(request, raise_error=False))

    async def tab(self, analysis: str | None = None, after: int = 0) -> Tab:
        """Open a tab, subscribed to an analysis if one is named."""
        address = f"ws://{self.base}analyst-kernel/socket?token={TOKEN}"
        tab = Tab(await websocket_connect(address, connect_timeout=DEADLINE))
        self.tabs.append(tab)
        if analysis is not None:
            await tab.do("subscribe_analysis", analysis, after=after)
        return tab

    async def begin(self, **body: str) -> str:
        """Begin an analysis and return its id."""
        answer = await self.call("POST", "api/analyses", body)
        assert answer.status == 201, answer.body
        found: str = answer.json["id"]
        return found

    async def summary(self, analysis: str) -> dict[str, Any]:
        answer = await self.call("GET", f"api/analyses/{analysis}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    async def ended(self, analysis: str) -> dict[str, Any]:
        """Wait until no job runs, and return the summary: a job ends soon after its run's end."""
        async with asyncio.timeout(DEADLINE):
            while (summary := await self.summary(analysis))["state"] == "running":
                await asyncio.sleep(0.02)
        return summary

    async def close(self) -> None:
        for tab in self.tabs:
            await tab.close()

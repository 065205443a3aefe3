"""A wire to test: how a model is made, and the server that fails for it; what cases need besides.

A case is a coroutine that gets a :class:`Wire`. The plugin runs it, with each wire that the hook
``pytest_analyst_wires`` names.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol

import pytest

from analyst_kernel.agent.ports import (
    Model,
    ModelEvent,
    Stopped,
    TextDelta,
    ToolEnded,
    ToolStarted,
)
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Message,
    ModelRequest,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.fakes.turns import ScriptedTurn, call, say, think, turn

_P = ParamSpec("_P")

FAKE_KEY = "sk-ant-fake-0123456789"
"""A key that no provider would take; must never show up anywhere but in a header."""

CODE = "frame['city'].mean()  # \"quoted\" and ünicode ✓"
"""The code of the usual call."""


class SeenRequest(Protocol):
    """A request as a server saw it.

    Attributes:
        body: Its JSON.
        refused: Why it was refused; empty if it was not.
        client_port: Tells connections apart.
        sent: Events that were sent.
        closed_early: The client closed the connection before the reply was complete.
        finished: Nothing more happens to it.
    """

    body: Any
    refused: str
    client_port: int
    sent: int
    closed_early: threading.Event
    finished: threading.Event


class FaultServer(Protocol):
    """A server of a wire: each request takes the next turn, and has its fault.

    :class:`~analyst_kernel.testing.fakes.wire_server.WireServer` is one, and a base for others.

    Attributes:
        url: Its address.
        noise: What is sent behind each event besides, as it goes over the wire.
    """

    noise: bytes

    @property
    def url(self) -> str:
        """The address."""

    @property
    def requests(self) -> Sequence[SeenRequest]:
        """All requests so far."""

    @property
    def turns_left(self) -> int:
        """Turns that no request took."""

    def push(self, *turns: ScriptedTurn) -> None:
        """Add turns."""

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Block until the condition holds, looking after every change."""

    async def __aenter__(self) -> Any:
        """Listen; return itself."""

    async def __aexit__(self, *_: object) -> None:
        """Stop."""


@dataclass(frozen=True)
class Wire:
    """One wire.

    Attributes:
        name: Stands in the names of the cases.
        serve: Makes a server: ``serve(turns, keys=[...], models=[...])``, a :class:`FaultServer`.
            It refuses other keys and models, if they are given.
        connect: Makes a model: ``connect(url, key=FAKE_KEY, model=..., stall_seconds=120.0)``; all
            but the address may be left out.
        parts: The parts of a request's JSON that a cache would keep, in their order.
        noise: Events that no client knows, as they go over the wire.
        tail: Whether something may follow the event that completes a message.
        in_text: Whether calls are blocks of the text: one at a time, and a wrong one is asked for
            once more.
        calls_only: Whether it runs only the cases about calls, as a dialect of another wire.
        moving: Names in a request's JSON, besides the parts, that may change from call to call.
    """

    name: str
    serve: Callable[..., Any]
    connect: Callable[..., Any]
    parts: Callable[[dict[str, Any]], list[Any]]
    noise: bytes = b""
    tail: bool = False
    in_text: bool = False
    calls_only: bool = False
    moving: frozenset[str] = frozenset({"messages", "input"})

    def and_again(self, made: ScriptedTurn) -> tuple[ScriptedTurn, ...]:
        """Return what a model says that is asked again for a call that was wrong."""
        return (made,) if self.in_text else ()


@dataclass(frozen=True)
class CaseMark:
    """Which wires a case is for; the plugin reads it.

    Attributes:
        forms: It is about calls, and also for dialects.
        tail: It is for wires where something may follow a complete message.
        parallel: It has several calls in one turn.
    """

    forms: bool = False
    tail: bool = False
    parallel: bool = False

    def fits(self, wire: Wire) -> bool:
        """Return whether the case is for this wire."""
        if (self.tail and not wire.tail) or (self.parallel and wire.in_text):
            return False
        return self.forms or not wire.calls_only


def case(
    *, forms: bool = False, tail: bool = False, parallel: bool = False
) -> Callable[[Callable[_P, Coroutine[Any, Any, None]]], Callable[_P, None]]:
    """Make a case of a coroutine: one that any pytest runs, whatever plugin it has for asyncio."""

    def decorate(function: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
        @functools.wraps(function)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
            asyncio.run(function(*args, **kwargs))

        run.analyst_case = CaseMark(forms, tail, parallel)  # type: ignore[attr-defined]  # what marks it
        return run

    return decorate


# --- a conversation ----------------------------------------------------------------------------

TOOLS = (
    ToolSpec(
        "run_python",
        "Run code.",
        {
            "type": "object",
            "properties": {"code": {"type": "string"}},
            "required": ["code"],
            "additionalProperties": False,
        },
    ),
)


def ask(text: str = "How many rows?") -> UserMessage:
    """Return a question."""
    return UserMessage(text=(Text(text),))


def answer(*call_ids: str, text: str = "42 rows") -> UserMessage:
    """Return the results of calls."""
    return UserMessage(results=tuple(ToolResult(call_id, (Text(text),)) for call_id in call_ids))


def request(*messages: Message, **details: Any) -> ModelRequest:
    """Return a request with one tool."""
    return ModelRequest(
        system="You analyse data.", tools=TOOLS, messages=messages or (ask(),), **details
    )


async def collect(model: Model, asked: ModelRequest | None = None) -> list[ModelEvent]:
    """Return all events of one stream."""
    events: list[ModelEvent] = []
    closable: Any = model.stream(asked or request())
    async with aclosing(closable) as stream:
        async for event in stream:
            events.append(event)
    return events


def assistant(events: Sequence[ModelEvent], name: str) -> AssistantMessage:
    """Return the turn that the core would append."""
    started = {event.index: event for event in events if isinstance(event, ToolStarted)}
    calls = [
        ToolCall(started[event.index].call_id, started[event.index].tool, event.raw_input)
        for event in events
        if isinstance(event, ToolEnded)
    ]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    return AssistantMessage(text=text, calls=tuple(calls), raw=stopped.raw, model=name)


async def failure(
    model: Model, asked: ModelRequest | None = None
) -> tuple[ModelError, list[ModelEvent]]:
    """Ask, and return the error with what came before it."""
    seen: list[ModelEvent] = []

    async def consume() -> None:
        closable: Any = model.stream(asked or request())
        async with aclosing(closable) as stream:
            async for event in stream:
                seen.append(event)

    with pytest.raises(ModelError) as raised:
        await consume()
    assert not any(isinstance(event, Stopped) for event in seen)
    assert raised.value.what.endswith(".")
    assert raised.value.remedy
    return raised.value, seen


@asynccontextmanager
async def talk(wire: Wire, *turns: Any, **details: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Run a server with these turns, and a model that asks it."""
    async with wire.serve(turns, keys=[FAKE_KEY]) as server:
        model = wire.connect(server.url, **details)
        try:
            yield server, model
        finally:
            await model.aclose()


def usual(**details: Any) -> ScriptedTurn:
    """Return the usual reply: it thinks, speaks and calls."""
    return turn(
        think("I look first."), say("Let me see."), call("run_python", code=CODE), **details
    )


def of(kind: type[Any], events: Sequence[ModelEvent]) -> list[Any]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


class Page:
    """A server that answers every request with this: a proxy's page, a wrong content type."""

    def __init__(self, body: str, *, status: int = 200, kind: str = "text/html") -> None:
        self.body = body.encode()
        self.head = f"HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\n".encode()
        self.asked = 0

    async def __aenter__(self) -> str:
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

        async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
                self.asked += 1
                length = f"content-length: {len(self.body)}\r\nconnection: close\r\n\r\n"
                writer.write(self.head + length.encode() + self.body)
                await writer.drain()
                writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            self._tasks.append(asyncio.ensure_future(reply(reader, writer)))

        self.server = await asyncio.start_server(accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # connections that are being accepted
        self.server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            # A client that went away in the middle would leave its connection open.
            writer.transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

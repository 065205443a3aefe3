"""A fake of the Messages API over real HTTP: scripted turns, faults, the API's own refusals.

In a test: ``with WireServer([turn(...), ...]) as server:`` and point a client (this process's or
another's) at ``server.url``. It runs on a thread and a loop of its own. From a shell, for browser
tests: ``python -m analyst_kernel.testing.fakes.wire_server SCRIPT.json --port N``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from analyst_kernel.testing.fakes.turns import (
    Fault,
    ScriptedTurn,
    TurnSource,
    read_script,
    read_turn,
)
from analyst_kernel.testing.fakes.wire_events import message_events, sse, tool_middle
from analyst_kernel.testing.fakes.wire_prefix import Cache, Signatures
from analyst_kernel.testing.fakes.wire_reply import Gone, HttpReply, Recorded, read_request
from analyst_kernel.testing.fakes.wire_rules import Refusal, check_body, check_headers

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}
_TYPES |= {404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error"}
_TYPES |= {402: "billing_error", 504: "timeout_error", 529: "overloaded_error"}
_LISTS = ("/v1/models", "/openai/v1/models", "/v1/key")
_DEADLINE = 30.0


async def _turns() -> None:
    """Let the loop end what it has begun: connections that it accepts, sockets that it closes."""
    for _ in range(5):
        await asyncio.sleep(0)


class WireServer:
    """The server. Each accepted request takes the next turn; a refused one takes none.

    The fakes of other wires are subclasses: what stands under *the wire* below is theirs.

    Attributes:
        requests: All requests so far, oldest first.
        cache: The simulated prompt cache.
        signatures: Signatures given to thinking blocks.
        noise: What else is sent after each event, as it goes over the wire.
    """

    PATH = "/v1/messages"
    CONTENT_TYPE = "text/event-stream"
    PING = b'event: ping\ndata: {"type": "ping"}\n\n'
    GARBAGE = b"event: content_block_delta\ndata: {not json\n\n"

    def __init__(
        self,
        turns: Iterable[TurnSource] = (),
        *,
        dialect: Literal["claude", "compat"] = "claude",
        keys: Iterable[str] | None = None,
        models: Iterable[str] | None = None,
        cache_minimum: int = 1024,
        port: int = 0,
        repeat: bool = False,
    ) -> None:
        """Prepare; nothing listens yet.

        Args:
            turns: The script.
            dialect: ``compat`` refuses every parameter outside the wire's common core.
            keys: Accepted keys; ``None`` accepts any, but one must be there.
            models: Known models; others are answered with 404. ``None`` knows all.
            cache_minimum: Tokens below which a prefix is not cached.
            port: 0 takes a free one.
            repeat: Start the script again at its end.
        """
        self._turns: list[TurnSource] = list(turns)
        self._next = 0
        self._answers = 0
        self._dialect = dialect
        self._keys = None if keys is None else frozenset(keys)
        self._models = None if models is None else tuple(models)
        self._port = port
        self._repeat = repeat
        self.requests: list[Recorded] = []
        self.cache = Cache(minimum=cache_minimum)
        self.signatures = Signatures()
        self.noise = b""
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._done: asyncio.Event | None = None

    # --- for tests ---------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Base URL, without ``/v1``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def turns_left(self) -> int:
        """Turns that no request took yet."""
        return len(self._turns) - self._next

    @property
    def messages_requests(self) -> list[Recorded]:
        """Only the requests for messages."""
        return [request for request in self.requests if request.path == self.PATH]

    def push(self, *turns: TurnSource) -> None:
        """Add turns to the script."""
        self._turns.extend(turns)

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = _DEADLINE) -> None:
        """Block until the condition holds, looking after every change; raise ``TimeoutError``."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout=seconds):
                raise TimeoutError("the fake server never got there")

    # --- running -----------------------------------------------------------------------------

    def __enter__(self) -> WireServer:
        """Listen."""
        self._thread = threading.Thread(target=self._run, name="wire-server", daemon=True)
        self._thread.start()
        if not self._listening.wait(_DEADLINE):
            raise TimeoutError("the fake server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection and stop."""
        if self._loop is not None and self._done is not None:
            self._loop.call_soon_threadsafe(self._done.set)
        if self._thread is not None:
            self._thread.join(_DEADLINE)

    async def __aenter__(self) -> WireServer:
        """Listen."""
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        writers: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._connection(reader, writer)
            except asyncio.CancelledError:
                return  # the server stops
            finally:
                writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # No coroutine: a task that is cancelled before it begins would close nothing.
            writers.append(writer)
            task = asyncio.ensure_future(serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._done.wait()
        # A connection that is accepted while the server closes would never be closed by anybody.
        await _turns()
        server.close()
        await _turns()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for writer in writers:
            # What a client never read would keep a closed connection open.
            writer.transport.abort()
        await _turns()

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # --- HTTP --------------------------------------------------------------------------------

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                request = await read_request(head, reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            request.client_port = writer.get_extra_info("peername")[1]
            self.requests.append(request)
            self._note()
            reply = HttpReply(reader, writer, request, self._note)
            try:
                await self._answer(request, reply)
                await reply.end()
            except (Gone, ConnectionError):
                if not reply.cut:
                    request.closed_early.set()
                return
            finally:
                request.finished.set()
                self._note()
            if reply.cut:
                return

    async def _answer(self, request: Recorded, reply: HttpReply) -> None:
        path = request.path.partition("?")[0]
        if request.method == "GET" and path in _LISTS:
            await self._list(request, reply)
            return
        if request.method == "GET" and path == "/api/tags":
            rows = [{"name": name, "model": name} for name in self._models or ()]
            await reply.json(200, {"models": rows})
            return
        if request.method != "POST" or not self._serves(request):
            await reply.json(404, self._error_body(404, "not_found_error", "Not found"))
            return
        try:
            turn = self._accept(request)
        except Refusal as refusal:
            request.refused = refusal.message
            body = self._error_body(refusal.status, refusal.error_type, refusal.message)
            await reply.json(refusal.status, body)
            return
        await self._play(turn, request, reply)

    async def _list(self, request: Recorded, reply: HttpReply) -> None:
        """Answer what a key is checked with; a server that knows no keys, as local ones, tells all."""
        try:
            if self._keys is not None:
                self._check_key(request)
        except Refusal as refusal:
            request.refused = refusal.message
            body = self._error_body(refusal.status, refusal.error_type, refusal.message)
            await reply.json(refusal.status, body)
        else:
            await reply.json(200, self._model_list())

    def _accept(self, request: Recorded) -> ScriptedTurn:
        self._check(request)
        if self._models is not None and request.body["model"] not in self._models:
            raise Refusal(f"model: {request.body['model']}", 404, "not_found_error")
        return self._take(request.body)

    # --- the wire ----------------------------------------------------------------------------

    def _serves(self, request: Recorded) -> bool:
        """Return whether the path is one for messages."""
        return request.path == self.PATH

    def _check_key(self, request: Recorded) -> None:
        """Raise ``Refusal`` for a missing or wrong key."""
        check_headers(request.headers, keys=self._keys)

    def _check(self, request: Recorded) -> None:
        """Raise ``Refusal`` for what the real server refuses."""
        self._check_key(request)
        check_body(request.body, dialect=self._dialect)
        self.signatures.check(request.body)

    def _events(self, turn: ScriptedTurn, request: Recorded) -> list[Any]:
        """Make the events of a turn; note its usage."""
        request.usage = self.cache.usage(request.body)
        return message_events(
            turn,
            request.body,
            number=self._answers,
            usage=request.usage,
            signatures=self.signatures,
        )

    def _encode(self, event: Any) -> bytes:
        return sse(event)

    def _error_body(self, status: int, kind: str, message: str) -> dict[str, Any]:
        """Make the JSON of an HTTP error."""
        return {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": "req_fake",
        }

    def _error_event(self, kind: str, message: str) -> bytes:
        return sse({"type": "error", "error": {"type": kind, "message": message}})

    def _in_call(self, events: list[Any]) -> int:
        """Count the events up to the middle of the first tool call's input."""
        return tool_middle(events)

    def _closing(self, events: list[Any]) -> int:
        """Count the events before the one without which the message is not complete."""
        return len(events) - 1

    # --- turns -------------------------------------------------------------------------------

    def _take(self, body: dict[str, Any]) -> ScriptedTurn:
        if self._repeat and self._turns and self._next >= len(self._turns):
            self._next = 0
        if self._next >= len(self._turns):
            raise Refusal(f"fake server: the script has no turn left after {self._next}")
        source = self._turns[self._next]
        self._next += 1
        if callable(source):
            source = source(body)
        return read_turn(source)

    def _model_list(self) -> dict[str, Any]:
        rows = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "2026-01-01T00:00:00Z",
            }
            for name in self._models or ("claude-sonnet-5-5",)
        ]
        first, last = rows[0]["id"], rows[-1]["id"]
        return {"data": rows, "has_more": False, "first_id": first, "last_id": last}

    async def _play(self, turn: ScriptedTurn, request: Recorded, reply: HttpReply) -> None:
        fault = turn.fault
        if fault is not None and fault.kind == "status":
            headers = {name.lower(): value for name, value in fault.headers.items()}
            if fault.retry_after is not None:
                headers["retry-after"] = str(fault.retry_after)
            kind = fault.error_type or _TYPES.get(fault.status, "api_error")
            await reply.json(
                fault.status, self._error_body(fault.status, kind, fault.message), headers
            )
            return
        if fault is not None and fault.kind == "empty":
            await reply.start(200, self.CONTENT_TYPE)
            return
        self._answers += 1
        events = self._events(turn, request)
        place = self._place(fault, events)
        headers = dict(fault.headers) if fault is not None else {}
        if fault is not None and fault.retry_after is not None:
            headers["retry-after"] = str(fault.retry_after)
        await reply.start(200, self.CONTENT_TYPE, headers)
        for index, event in enumerate(events):
            if index == place and fault is not None and not await self._strike(fault, event, reply):
                return
            await reply.event(self._encode(event) + self.noise)
            await reply.pause(turn.delay)

    def _place(self, fault: Fault | None, events: list[Any]) -> int:
        """Tell before which event the fault strikes; -1 for none."""
        if fault is None or fault.kind in ("bad_json", "max_tokens_in_tool", "refusal"):
            return -1
        if fault.after == "tool":
            return self._in_call(events)
        if fault.after == "half":
            return min(2, self._closing(events))
        if fault.after == "tail":
            return self._closing(events) + 1
        return min(fault.after, self._closing(events))

    async def _strike(self, fault: Fault, event: Any, reply: HttpReply) -> bool:
        """Let the fault happen before ``event``; return whether the stream goes on."""
        match fault.kind:
            case "stall":
                await reply.silence(fault.seconds, ping=self.PING if fault.pings else b"")
                return True
            case "error_event":
                kind = fault.error_type or "overloaded_error"
                await reply.event(self._error_event(kind, fault.message))
            case "garbage_sse":
                await reply.event(self.GARBAGE)
            case "truncate":
                if fault.after == "half":
                    data = self._encode(event)
                    await reply.send(data[: len(data) // 2])
            case "reset":
                reply.reset()
            case _:
                raise ValueError(f"{fault.kind} does not strike inside a stream")
        return False


def main(arguments: list[str] | None = None) -> None:
    """Serve a script until interrupted; print the address on the first line."""
    parser = argparse.ArgumentParser(description="Fake Messages API for tests.")
    parser.add_argument("script", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", choices=("claude", "compat"), default="claude")
    parser.add_argument("--repeat", action="store_true", help="start again at the end")
    options = parser.parse_args(arguments)
    turns = read_script(options.script.read_text(encoding="utf-8"))
    server = WireServer(turns, dialect=options.dialect, port=options.port, repeat=options.repeat)
    with server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()

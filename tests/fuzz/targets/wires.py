"""The wires: what browsers send, what the journal holds, what a model's server streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from datetime import date
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from analyst_kernel.agent import ports
from analyst_kernel.models.anthropic_events import MessageFold
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.compatible_providers import _names
from analyst_kernel.models.table import look_up
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.models.wire.faults import redact, retry_after
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.events import Event
from analyst_kernel.protocol.live import Change
from analyst_kernel.protocol.socket import ClientFrame, RefusedFrame, ServerFrame
from analyst_kernel.sandbox.policy import BACKENDS
from analyst_kernel.sandbox.report import breaches, read_results
from analyst_kernel.sandbox.zygote import messages
from analyst_kernel.server.http.websocket import id_of
from analyst_kernel.testing.wires import request
from tests.fuzz.target import Seed, Target, hold, only
from tests.protocol.examples import COMMANDS, EVENTS, FOLDER, example

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_SERVER_FRAME: TypeAdapter[ServerFrame] = TypeAdapter(ServerFrame)
_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)
_MODEL = "claude-sonnet-5-5"
_KEY = "fuzzed-key-of-nobody"
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)
"""What the fold raises over an event that is none; the model makes a ``ModelError`` of it."""


def _client_frame(data: bytes) -> None:
    try:
        frame = ClientFrame.model_validate_json(data)
    except ValidationError:
        RefusedFrame(id=id_of(data), message="x").model_dump_json()
        return
    body = frame.model_dump_json()
    # NaN and infinities within a notebook become null once.
    hold(ClientFrame.model_validate_json(body).model_dump_json() == body, "a frame reads back")


def _event(data: bytes) -> None:
    with only(ValidationError):
        event = _EVENT.validate_json(data)
        body = event.model_dump_json()
        json.loads(body)
        _EVENT.validate_json(body)
        _SERVER_FRAME.validate_json(f'{{"type": "event", "event": {body}}}')


def _server_frame(data: bytes) -> None:
    with only(ValidationError):
        _SERVER_FRAME.validate_json(data).model_dump_json()
    with only(ValidationError):
        _CHANGE.validate_json(data).model_dump_json()


def _fold(given: Any) -> None:
    fold = MessageFold(look_up(f"anthropic:{_MODEL}").tariff(date.today()), states_cost=True)
    for event in given if isinstance(given, list) else [given]:
        try:
            found = fold.feed(event)
        except _MALFORMED:
            continue
        for one in found:
            check_types(one)
    if fold.stopped is not None:
        check_types(fold.stopped)


def check_types(event: ports.ModelEvent) -> None:
    """Hold that an event has the types that the rest of the package relies on."""
    match event:
        case ports.TextDelta() | ports.ThinkingDelta() | ports.ToolInputDelta():
            hold(isinstance(event.text, str), f"{type(event).__name__} is a text")
        case ports.ToolStarted():
            hold(
                isinstance(event.tool, str) and isinstance(event.call_id, str), "a call has a name"
            )
        case ports.ToolEnded():
            hold(isinstance(event.raw_input, str), "an input is a text")
        case ports.UsageReported():
            usage = event.usage
            hold(
                all(0 <= n < 2**63 for n in (usage.input_tokens, usage.output_tokens)),
                "tokens are counted",
            )
            hold((usage.cost_usd or 0) >= 0, "a cost is no gain")
            usage.model_dump_json()
        case ports.Stopped():
            json.dumps(event.raw)
            hold(isinstance(event.detail, str), "a reason is a text")


class _Server:
    """Answers the SDK's requests, without a network."""

    body = b""
    kind = "text/event-stream"
    status = 200

    @classmethod
    def answer(cls, asked: Any) -> Any:
        import httpx2

        headers = {"content-type": cls.kind, "retry-after": "3"}
        return httpx2.Response(cls.status, content=cls.body, headers=headers, request=asked)


@cache
def _loop() -> asyncio.Runner:
    return asyncio.Runner()


@cache
def _model() -> AnthropicMessages:
    import anthropic
    import httpx2

    model = AnthropicMessages(
        provider="anthropic", model=_MODEL, label="Anthropic", dialect="claude", key_advice="Check it.",
        connection=Connection(base_url="http://127.0.0.1:9", api_key=_KEY),
    )  # fmt: skip
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(_Server.answer))
    model._client = anthropic.AsyncAnthropic(
        api_key=_KEY, base_url="http://127.0.0.1:9", max_retries=0, http_client=client
    )
    return model


async def _streamed() -> None:
    stream: Any = _model().stream(request())
    async with aclosing(stream) as events:
        async for event in events:
            check_types(event)


def _sse(data: bytes) -> None:
    _Server.body, _Server.kind, _Server.status = data, "text/event-stream", 200
    try:
        _loop().run(_streamed())
    except ModelError as error:
        hold(_KEY not in str(error), "no key is shown")
        hold(error.what.endswith(".") and len(error.what) < 2_000, "an error is a sentence")


def _refusal(data: bytes) -> None:
    statuses = (400, 401, 403, 404, 413, 429, 500, 503, 529, 301, 200)
    _Server.status = statuses[len(data) % len(statuses)]
    _Server.body, _Server.kind = data.replace(b"KEY", _KEY.encode()), "application/json"
    try:
        _loop().run(_streamed())
    except ModelError as error:
        hold(_KEY not in str(error), "no key is shown")
        hold(len(error.what) < 2_000, "an error is short")
    with only():
        text = data.decode("latin-1")
        retry_after({"retry-after": text}, now=0.0)
        redact(text, [_KEY])


def _sandbox_record(data: bytes) -> None:
    """Take bytes that a process of the sandbox sends as a record."""
    ours, theirs = messages.pair()
    with ours, theirs, only(messages.ConnectionBroken):
        theirs.send(data)
        record, descriptors = messages.receive(ours, timeout=1.0)
        messages.close_all(descriptors)
        hold(isinstance(record, dict), "a record is an object")


def _local_models(data: bytes) -> None:
    """Take bytes that something on this machine answers in the place of a server of models."""
    with only(OSError, ValueError, RecursionError):
        for name in _names(json.loads(data)):
            hold(isinstance(name, str) and name, "a model has a name")


def _report(given: Any) -> None:
    for backend in BACKENDS:
        results = read_results(given, backend, 4)
        breaches(results)
        "".join(result.detail for result in results).encode("utf-8", "surrogatepass")


# --- seeds -------------------------------------------------------------------------------------


def _command_seeds() -> Iterator[Seed]:
    for number, name in enumerate(sorted(COMMANDS)):
        yield {"id": number, "command": example(name)}


def _event_seeds() -> Iterator[Seed]:
    for name in sorted(EVENTS):
        yield example(name)


def _server_frame_seeds() -> Iterator[Seed]:
    for path in sorted((FOLDER / "frames").iterdir()):
        yield json.loads(path.read_text(encoding="utf-8"))


def _conversation() -> list[dict[str, Any]]:
    usage = {
        "input_tokens": 5,
        "output_tokens": 1,
        "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 0,
    }
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        ({"type": "thinking", "thinking": ""}, [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "s"}]),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "é"}, {"type": "citations_delta", "citation": {"type": "char_location"}}]),
        ({"type": "tool_use", "id": "t1", "name": "run_python", "input": {}}, [{"type": "input_json_delta", "partial_json": '{"code"'}, {"type": "input_json_delta", "partial_json": ': "1"}'}]),
    ]  # fmt: skip
    events: list[dict[str, Any]] = [{
        "type": "message_start",
        "message": {"id": "m", "type": "message", "role": "assistant", "model": _MODEL, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage},
    }]  # fmt: skip
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "ping"})
    events.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": usage,
        }
    )
    return [*events, {"type": "message_stop"}]


def _fold_seeds() -> Iterator[Seed]:
    yield _conversation()
    yield [
        *_conversation()[:-2],
        {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"explanation": "no"}},
        },
        {"type": "message_stop"},
    ]


def _sse_seeds() -> Iterator[Seed]:
    yield "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in _conversation())
    yield 'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Busy KEY"}}\n\n'


def _refusal_seeds() -> Iterator[Seed]:
    yield {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long KEY"},
        "request_id": "r",
    }
    yield "<html>Bad gateway</html>"
    yield {"error": "spend_limit", "message": ["x"]}


def _record_seeds() -> Iterator[Seed]:
    yield {"ready": True, "pid": 5}
    yield "[" * 4000


def _local_seeds() -> Iterator[Seed]:
    yield {"models": [{"name": "a:b"}, {"id": "x"}]}
    yield {"data": [{"id": "m", "object": "model"}]}


def _report_seeds() -> Iterator[Seed]:
    yield [
        {"name": "network", "closed": True, "detail": "x"},
        {"name": "home", "closed": False, "detail": ""},
    ]
    yield {"network": [True, "x"]}


_FIELDS = (
    "type",
    "index",
    "delta",
    "text",
    "usage",
    "content_block",
    "input",
    "stop_reason",
    "message",
    "id",
    "name",
)
TARGETS = (
    Target("client-frame", "bytes", _client_frame, _command_seeds, 4096),
    Target("client-frame-values", "json", lambda value: _client_frame(json.dumps(value).encode()), _command_seeds, 4096,
           ("id", "command", "type", "analysis", "run", "text", "document", "cells")),
    Target("event", "bytes", _event, _event_seeds, 4096),
    Target("event-values", "json", lambda value: _event(json.dumps(value).encode()), _event_seeds, 8192,
           ("type", "analysis", "run", "number", "at", "output", "data", "text", "cell")),
    Target("server-frame", "json", lambda value: _server_frame(json.dumps(value).encode()), _server_frame_seeds, 8192),
    Target("model-events", "json", _fold, _fold_seeds, 8192, _FIELDS),
    Target("model-stream", "text", lambda text: _sse(text.encode("utf-8", "surrogateescape")), _sse_seeds, 8192,
           ("event: ", "data: ", "\n\n", '"type"', '"index"', "{", "[", "null", ": ping\n", "\r")),
    Target("model-refusal", "text", lambda text: _refusal(text.encode("utf-8", "surrogateescape")), _refusal_seeds, 2048,
           ("KEY", '"error"', '"message"', "{", "[")),
    Target("sandbox-record", "bytes", _sandbox_record, _record_seeds, 4096),
    Target("local-models", "bytes", _local_models, _local_seeds, 1024),
    Target("sandbox-report", "json", _report, _report_seeds, 2048),
)  # fmt: skip

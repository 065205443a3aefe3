"""Every fault of the wire, over the real SDK and real HTTP, and the error that the core sees."""

from __future__ import annotations

import socket
from email.utils import formatdate
from typing import Any

import pytest

from analyst_kernel.agent.ports import ModelEvent, Stopped, ToolEnded
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.wire.faults import retry_after
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import collect, request
from tests.fakes.turns import Fault, call, fail, say, turn
from tests.fakes.wire_server import WireServer
from tests.models.conversations import RawSse, claude

CODE = "frame.drop_duplicates().groupby('year').mean()"


def broken(kind: Any, **details: Any) -> Any:
    return turn(say("Let me see."), call("run_python", code=CODE), fault=Fault(kind, **details))


async def fault_of(model: AnthropicMessages) -> tuple[ModelError, list[ModelEvent]]:
    seen: list[ModelEvent] = []

    async def consume() -> None:
        async for event in model.stream(request()):
            seen.append(event)

    with pytest.raises(ModelError) as raised:
        await consume()
    await model.aclose()
    return raised.value, seen


BEFORE = [
    (fail("status", status=429, retry_after=3), "rate_limited", True, 3.0),
    (fail("status", status=529), "overloaded", True, None),
    (fail("status", status=500), "server", True, None),
    (fail("status", status=502, error_type="?"), "server", True, None),
    (fail("status", status=503, retry_after="1.5"), "server", True, 1.5),
    (fail("status", status=504), "transport", True, None),
    (fail("status", status=408, error_type="?"), "transport", True, None),
    (fail("status", status=409, error_type="conflict_error"), "server", True, None),
    (fail("status", status=400), "request", False, None),
    (fail("status", status=401), "auth", False, None),
    (fail("status", status=402), "auth", False, None),
    (fail("status", status=403), "auth", False, None),
    (fail("status", status=404), "request", False, None),
    (fail("status", status=413), "request", False, None),
    (fail("status", status=422, error_type="?"), "request", False, None),
    (
        fail("status", status=307, headers={"location": "http://127.0.0.1:9/"}),
        "request",
        False,
        None,
    ),
    (
        fail("status", status=400, message="prompt is too long: 1000001 tokens > 1000000 maximum"),
        "too_long",
        False,
        None,
    ),
    (
        fail("status", status=400, message="Your credit balance is too low to access the API."),
        "auth",
        False,
        None,
    ),
    (fail("status", status=429, headers={"x-should-retry": "false"}), "rate_limited", False, None),
    (fail("status", status=400, headers={"x-should-retry": "true"}), "request", True, None),
    (fail("status", status=429, headers={"retry-after-ms": "250"}), "rate_limited", True, 0.25),
    (fail("empty"), "truncated", True, None),
]


@pytest.mark.parametrize(("made", "kind", "retryable", "wait"), BEFORE)
async def test_faults_before_the_stream(
    wire_server: WireServer, made: Any, kind: str, retryable: bool, wait: float | None
):
    wire_server.push(made)
    error, seen = await fault_of(claude(wire_server.url))
    assert seen == []
    assert (error.fault, error.retryable, error.retry_after) == (kind, retryable, wait)
    assert len(wire_server.requests) == 1, "the SDK must not retry by itself"
    assert error.what.endswith(".")
    assert error.remedy


WITHIN = [
    (broken("truncate", after="tool"), "truncated", True),
    (broken("truncate", after=1), "truncated", True),
    (broken("truncate", after="half"), "truncated", True),
    (broken("truncate", after=10_000), "truncated", True),
    (broken("reset", after="tool"), "transport", True),
    (broken("stall", after="tool", seconds=60), "stalled", True),
    (broken("stall", after=0, seconds=60), "stalled", True),
    (broken("stall", after="tool", seconds=60, pings=True), "stalled", True),
    (broken("garbage_sse", after="tool"), "malformed", True),
    (broken("error_event", after="tool"), "overloaded", True),
    (broken("error_event", after="tool", error_type="rate_limit_error"), "rate_limited", True),
    (broken("error_event", after="tool", error_type="api_error"), "server", True),
    (broken("error_event", after="tool", error_type="timeout_error"), "transport", True),
    (broken("error_event", after="tool", error_type="invalid_request_error"), "request", False),
    (broken("error_event", after="tool", error_type="authentication_error"), "auth", False),
    (broken("error_event", after="tool", error_type="never_heard_of"), "malformed", True),
]


@pytest.mark.parametrize(("made", "kind", "retryable"), WITHIN)
async def test_faults_within_the_stream(
    wire_server: WireServer, made: Any, kind: str, retryable: bool
):
    wire_server.push(made)
    model = claude(wire_server.url, stall_seconds=1.0 if kind == "stalled" else 60.0)
    error, seen = await fault_of(model)
    assert (error.fault, error.retryable) == (kind, retryable)
    assert not any(isinstance(event, Stopped) for event in seen)
    if made.fault.after == "tool":
        # A tool call that was cut never looks finished.
        assert not any(isinstance(event, ToolEnded) for event in seen)


async def test_an_error_event_reports_how_long_to_wait(wire_server: WireServer):
    wire_server.push(broken("error_event", after=3, retry_after=7))
    error, _ = await fault_of(claude(wire_server.url))
    assert error.retry_after == 7.0


async def test_a_stall_before_the_headers_is_a_stall():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error, _ = await fault_of(claude(url, stall_seconds=0.5))
    assert error.fault == "stalled"
    assert "0.5 seconds" in error.what


async def test_no_server_answers():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    error, _ = await fault_of(claude(url))
    assert (error.fault, error.retryable) == ("transport", True)
    local, _ = await fault_of(claude(url, dialect="compat", provider="ollama"))
    assert (local.fault, local.retryable) == ("transport", False)
    assert url in local.what


PAUSED = (
    '{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}\n\n'
    'event: message_stop\ndata: {"type":"message_stop"}'
)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ('{"type":"content_block_stop","index":4}', "content block 4"),
        (
            '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}',
            "content block 0",
        ),
        ('{"type":"message_stop"}', "without a reason"),
        (PAUSED, "pause_turn"),
        ("[1, 2]", ""),
        ('{"type":"content_block_start","index":0}', ""),
        ('"text"', ""),
    ],
)
async def test_events_that_the_wire_does_not_allow(events: str, said: str):
    async with RawSse(f"event: message_delta\ndata: {events}\n\n") as url:
        error, _ = await fault_of(claude(url))
    assert (error.fault, error.retryable) == ("malformed", True)
    assert said in error.what


async def test_events_that_are_unknown_or_pings_are_passed_over():
    stop = '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":null}'
    body = (
        'event: ping\ndata: {"type":"ping"}\n\n'
        'event: message_delta\ndata: {"type":"something_new","index":0}\n\n'
        f"event: message_delta\ndata: {stop}\n\n"
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    async with RawSse(body) as url:
        model = claude(url)
        events = await collect(model)
        await model.aclose()
    assert events == [Stopped(reason="end_turn", raw=[])]


def test_retry_after_forms():
    assert retry_after({"retry-after": "12"}, now=0) == 12.0
    assert retry_after({"retry-after": "4233600"}, now=0) == 4_233_600.0
    assert retry_after({"retry-after": formatdate(1_000_030, usegmt=True)}, now=1_000_000) == 30.0
    assert retry_after({"retry-after": formatdate(999_000, usegmt=True)}, now=1_000_000) == 0.0
    assert retry_after({"retry-after": "soon"}, now=0) is None
    assert retry_after({"retry-after": "-5"}, now=0) is None
    assert retry_after({"retry-after": "nan"}, now=0) is None
    assert retry_after({}, now=0) is None

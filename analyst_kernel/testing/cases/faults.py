"""Cases: what fails before, within and after a reply, and what stops it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from analyst_kernel.agent.ports import (
    ToolEnded,
)
from analyst_kernel.testing.fakes.turns import (
    Fault,
    ScriptedTurn,
    fail,
    say,
    turn,
)
from analyst_kernel.testing.wires import (
    FAKE_KEY,
    Page,
    Wire,
    answer,
    ask,
    assistant,
    case,
    collect,
    failure,
    of,
    request,
    talk,
    usual,
)

BEFORE: list[tuple[ScriptedTurn, str, bool, float | None]] = [
    (fail("status", status=429, retry_after=3), "rate_limited", True, 3.0),
    (fail("status", status=429, headers={"retry-after-ms": "250"}), "rate_limited", True, 0.25),
    (fail("status", status=429, headers={"x-should-retry": "false"}), "rate_limited", False, None),
    (fail("status", status=429, error_type="billing_error"), "auth", False, None),
    (fail("status", status=529), "overloaded", True, None),
    (fail("status", status=500), "server", True, None),
    (fail("status", status=502, error_type="?"), "server", True, None),
    (fail("status", status=504), "transport", True, None),
    (fail("status", status=408, error_type="?"), "transport", True, None),
    (fail("status", status=409, error_type="conflict_error"), "server", True, None),
    (fail("status", status=400), "request", False, None),
    (fail("status", status=400, headers={"x-should-retry": "true"}), "request", True, None),
    (fail("status", status=401), "auth", False, None),
    (fail("status", status=402), "auth", False, None),
    (fail("status", status=403), "auth", False, None),
    (fail("status", status=404), "request", False, None),
    (fail("status", status=413), "request", False, None),
    (fail("status", status=422, error_type="?"), "request", False, None),
    (
        fail("status", status=307, headers={"location": "http://127.0.0.1:9"}),
        "request",
        False,
        None,
    ),
    (fail("status", status=400, message="prompt is too long: 9 > 8"), "too_long", False, None),
    (fail("status", status=400, message="Your credit balance is too low."), "auth", False, None),
    (fail("empty"), "truncated", True, None),
]


@pytest.mark.parametrize(("made", "kind", "retryable", "wait"), BEFORE)
@case()
async def test_a_fault_before_the_stream(
    wire: Wire, made: ScriptedTurn, kind: str, retryable: bool, wait: float | None
) -> None:
    async with talk(wire, made) as (server, model):
        error, seen = await failure(model)
    assert seen == []
    assert (error.fault, error.retryable, error.retry_after) == (kind, retryable, wait)
    assert len(server.requests) == 1, "nothing is asked twice behind the core's back"


@case()
async def test_a_wrong_key_and_an_unknown_model(wire: Wire) -> None:
    async with wire.serve([usual()], keys=["another"], models=["known"]) as server:
        model = wire.connect(server.url)
        error, _ = await failure(model)
        assert (error.fault, error.retryable) == ("auth", False)
        assert FAKE_KEY not in str(error)
        await model.aclose()
        model = wire.connect(server.url, key="another", model="claude-unknown-1")
        error, _ = await failure(model)
        await model.aclose()
    assert (error.fault, error.retryable) == ("request", False)
    assert "claude-unknown-1" in error.what
    assert server.turns_left == 1


@pytest.mark.parametrize("kind", ["truncate", "reset"])
@case()
async def test_a_stream_may_break_anywhere(wire: Wire, kind: Any) -> None:
    """After each event but the one that completes the message, nothing counts."""
    async with talk(wire, usual(chunk=40)) as (server, model):
        await collect(model)
        events = server.requests[0].sent
        last = events - (2 if wire.tail else 0)
        for place in range(last):
            server.push(usual(chunk=40, fault=Fault(kind, after=place)))
            error, _ = await failure(model)
            assert error.fault == ("truncated" if kind == "truncate" else "transport"), place
            assert error.retryable
        assert len(server.requests) == 1 + last
        server.push(turn(say("Here again.")))
        assert assistant(await collect(model), model.name).text == "Here again."


@case()
async def test_a_stream_may_break_in_the_middle_of_an_event(wire: Wire) -> None:
    async with talk(wire, usual(fault=Fault("truncate", after="half"))) as (_, model):
        error, _ = await failure(model)
    assert error.fault in ("truncated", "malformed")
    assert error.retryable


@pytest.mark.parametrize("kind", ["truncate", "reset", "stall", "garbage_sse"])
@case(tail=True)
async def test_what_breaks_after_a_complete_message_takes_nothing_from_it(
    wire: Wire, kind: Any
) -> None:
    broken = usual(fault=Fault(kind, after="tail"))
    async with talk(wire, broken, stall_seconds=2.0) as (_, model):
        message = assistant(await collect(model), model.name)
    assert message.text == "Let me see."
    assert len(message.calls) == 1


WITHIN = [
    (Fault("stall", after="tool"), "stalled", True),
    (Fault("stall", after=0), "stalled", True),
    (Fault("stall", after="tool", pings=True), "stalled", True),
    (Fault("garbage_sse", after="tool"), "malformed", True),
    (Fault("error_event", after="tool"), "overloaded", True),
    (Fault("error_event", after="tool", error_type="rate_limit_error"), "rate_limited", True),
    (Fault("error_event", after=2, error_type="api_error"), "server", True),
    (Fault("error_event", after="tool", error_type="timeout_error"), "transport", True),
    (Fault("error_event", after="tool", error_type="invalid_request_error"), "request", False),
    (Fault("error_event", after="tool", error_type="authentication_error"), "auth", False),
    (Fault("error_event", after="tool", error_type="never_heard_of"), "malformed", True),
    (Fault("error_event", after=3, retry_after=7), "overloaded", True),
]


@pytest.mark.parametrize(("fault", "kind", "retryable"), WITHIN)
@case()
async def test_a_fault_within_the_stream(
    wire: Wire, fault: Fault, kind: str, retryable: bool
) -> None:
    stall = 1.0 if kind == "stalled" else 60.0
    async with talk(wire, usual(fault=fault), stall_seconds=stall) as (server, model):
        error, seen = await failure(model)
    assert len(server.requests) == 1, "nothing is asked twice behind the core's back"
    assert (error.fault, error.retryable) == (kind, retryable)
    assert error.retry_after == fault.retry_after
    if fault.after == "tool":
        assert not of(ToolEnded, seen), "a call that was cut never looks finished"


@pytest.mark.parametrize("kind", ["truncate", "reset", "error_event"])
@case()
async def test_after_a_tool_ran_nothing_is_asked_again(wire: Wire, kind: Any) -> None:
    """Who asks again by themselves would have the tool run once more."""
    turns = (usual(), usual(fault=Fault(kind, after="tool")), usual())
    async with talk(wire, *turns) as (server, model):
        message = assistant(await collect(model), model.name)
        ids = [call.call_id for call in message.calls]
        error, seen = await failure(model, request(ask(), message, answer(*ids)))
    assert error.retryable
    assert not of(ToolEnded, seen)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", "<html><body>Sign in to the network</body></html>"),
        (200, "text/plain", "It works!"),
        (200, "application/json", '{"hello": "world"}'),
        (502, "text/html", "<html><h1>502 Bad Gateway</h1></html>"),
        (403, "text/html", "<html>blocked by policy</html>"),
        (404, "text/html", "<!doctype html><title>Not found</title>"),
    ],
)
@case()
async def test_a_page_of_something_in_between(
    wire: Wire, status: int, kind: str, body: str
) -> None:
    page = Page(body, status=status, kind=kind)
    async with page as url:
        model = wire.connect(url)
        error, seen = await failure(model)
        await model.aclose()
    assert seen == []
    assert page.asked == 1
    if status == 200:
        assert error.fault in ("malformed", "truncated")
        assert error.retryable
    elif status == 502:
        assert (error.fault, error.retryable) == ("server", True)
    else:
        assert error.fault in ("auth", "malformed", "request")


@case()
async def test_nobody_answers(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        silent = wire.connect(url, stall_seconds=0.5)
        error, _ = await failure(silent)
        await silent.aclose()
    assert error.fault == "stalled"
    model = wire.connect(url)
    error, _ = await failure(model)
    await model.aclose()
    assert error.fault == "transport"
    assert url in error.what


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@case()
async def test_a_server_that_echoes_the_key_is_not_quoted(wire: Wire, status: int) -> None:
    echo = fail("status", status=status, message=f"no such key {FAKE_KEY} here")
    async with talk(wire, echo) as (_, model):
        error, _ = await failure(model)
    cause = error.__cause__
    assert FAKE_KEY not in f"{error!s} {error!r} {cause!s} {cause!r}"


# --- stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 2, 4, "tool"])
@case()
async def test_stopping_closes_the_connection_and_leaves_the_model_usable(
    wire: Wire, after: Any
) -> None:
    stall = Fault("stall", after=after, seconds=600)
    async with talk(wire, usual(fault=stall), turn(say("Here again."))) as (server, model):
        task = asyncio.create_task(collect(model))
        least = 1 if after == "tool" else after
        await asyncio.to_thread(
            server.wait_for, lambda: bool(server.requests) and server.requests[0].sent >= least
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.requests[0].finished.wait, 30)
        assert server.requests[0].closed_early.is_set()
        assert assistant(await collect(model), model.name).text == "Here again."


@case()
async def test_a_connection_is_kept_for_the_next_call(wire: Wire) -> None:
    async with talk(wire, turn(say("a")), turn(say("b"))) as (server, model):
        await collect(model)
        await collect(model)
    assert len({r.client_port for r in server.requests}) == 1

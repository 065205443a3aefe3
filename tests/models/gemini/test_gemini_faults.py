"""What fails on Gemini's wire alone; what fails on every wire is in ``tests/models/conformance``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import ModelEvent, Stopped, ToolEnded
from analyst_kernel.models.gemini.events import InteractionFault, InteractionFold
from analyst_kernel.models.wire.streaming import WireViolation
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import collect
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.turns import Fault, call, fail, say, think, turn
from tests.models.gemini.conversations import (
    RawHttp,
    completed,
    fault_of,
    gemini,
    gemini_server,
    sse,
)

__all__ = ["gemini_server"]

CODE = "frame.drop_duplicates().groupby('year').mean()"
LENGTH = "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576)."


def broken(kind: Any, **details: Any) -> Any:
    return turn(say("Let me see."), call("run_python", code=CODE), fault=Fault(kind, **details))


BEFORE = [
    (fail("status", status=429, error_type="quota_exceeded"), "auth", False, None),
    (fail("status", status=503), "overloaded", True, None),
    (fail("status", status=503, retry_after="1.5"), "overloaded", True, 1.5),
    (fail("status", status=503, error_type="never_heard_of"), "overloaded", True, None),
    (fail("status", status=499, error_type="cancelled"), "transport", True, None),
    (fail("status", status=409, error_type="aborted"), "server", True, None),
    (fail("status", status=400, error_type="parameter_unknown"), "request", False, None),
    (fail("status", status=400, error_type="failed_precondition"), "request", False, None),
    (
        fail("status", status=400, error_type="failed_precondition", message="Enable billing."),
        "auth",
        False,
        None,
    ),
    (fail("status", status=400, message=LENGTH), "too_long", False, None),
    (fail("status", status=400, error_type="safety"), "refused", False, None),
    (fail("status", status=413, error_type="request_too_large"), "request", False, None),
]


@pytest.mark.parametrize(("made", "kind", "retryable", "wait"), BEFORE)
async def test_faults_before_the_stream(
    gemini_server: GeminiServer, made: Any, kind: str, retryable: bool, wait: float | None
):
    gemini_server.push(made)
    error, seen = await fault_of(gemini(gemini_server.url))
    assert seen == []
    assert (error.fault, error.retryable, error.retry_after) == (kind, retryable, wait)
    assert len(gemini_server.requests) == 1, "the SDK must not retry by itself"
    assert error.what.endswith(".")
    assert error.remedy


def older(status: str, message: str = "No.", **detail: Any) -> dict[str, Any]:
    """The form in which Google's older APIs, and its front ends, report an error."""
    details = [{"@type": "type.googleapis.com/google.rpc.x", **detail}]
    return {"error": {"code": 400, "message": message, "status": status, "details": details}}


PER_DAY = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]
PER_MINUTE = [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]
OLDER = [
    (400, older("INVALID_ARGUMENT", reason="API_KEY_INVALID"), "auth", False, None),
    (403, older("PERMISSION_DENIED", reason="BILLING_DISABLED"), "auth", False, None),
    (429, older("RESOURCE_EXHAUSTED", retryDelay="37s"), "rate_limited", True, 37.0),
    (429, older("RESOURCE_EXHAUSTED", retryDelay="0.5s"), "rate_limited", True, 0.5),
    (429, older("RESOURCE_EXHAUSTED", retryDelay="soon"), "rate_limited", True, None),
    (429, older("RESOURCE_EXHAUSTED", violations=PER_DAY), "auth", False, None),
    (429, older("RESOURCE_EXHAUSTED", violations=PER_MINUTE), "rate_limited", True, None),
    (429, [older("RESOURCE_EXHAUSTED", retryDelay="4s")], "rate_limited", True, 4.0),
    (503, older("UNAVAILABLE", "The model is overloaded."), "overloaded", True, None),
    (400, older("INVALID_ARGUMENT", LENGTH), "too_long", False, None),
    (404, older("NOT_FOUND"), "request", False, None),
    (500, {"error": "text"}, "server", True, None),
    (429, {"error": {"details": "text"}}, "rate_limited", True, None),
    (400, [], "request", False, None),
    (401, "text", "auth", False, None),
]


@pytest.mark.parametrize(("status", "body", "kind", "retryable", "wait"), OLDER)
async def test_errors_in_the_form_of_googles_older_apis(
    status: int, body: Any, kind: str, retryable: bool, wait: float | None
):
    server = RawHttp(json.dumps(body), status=status, content_type="application/json")
    async with server as url:
        error, _ = await fault_of(gemini(url))
    assert (error.fault, error.retryable, error.retry_after) == (kind, retryable, wait)
    assert server.asked == 1


HTML = "<html><body>The proxy says: <b>log in first</b></body></html>"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "kind", "retryable"),
    [
        (200, "text/html", HTML, "malformed", True),
        (200, "application/json", '{"id": "", "status": "completed"}', "malformed", True),
        (200, "text/plain", sse(completed()), "malformed", True),
        (200, "application/octet-stream", "", "malformed", True),
        (403, "text/html", HTML, "auth", False),
        (502, "text/html", HTML, "server", True),
        (503, "text/html", HTML, "overloaded", True),
        (407, "text/html", HTML, "request", False),
        (200, "text/event-stream", HTML, "truncated", True),
        (204, "text/event-stream", "", "malformed", True),
    ],
)
async def test_what_stands_between_may_answer_in_its_own_way(
    status: int, content_type: str, body: str, kind: str, retryable: bool
):
    async with RawHttp(body, status=status, content_type=content_type) as url:
        error, seen = await fault_of(gemini(url))
    assert (error.fault, error.retryable, seen) == (kind, retryable, [])


WITHIN = [
    (broken("error_event", after="tool", error_type="rate_limit_exceeded"), "rate_limited", True),
    (broken("error_event", after="tool", error_type="RESOURCE_EXHAUSTED"), "rate_limited", True),
    (broken("error_event", after="tool", error_type="quota_exceeded"), "auth", False),
    (broken("error_event", after="tool", error_type="internal"), "server", True),
    (broken("error_event", after="tool", error_type="gateway_timeout"), "transport", True),
    (broken("error_event", after="tool", error_type="invalid_request"), "request", False),
    (broken("error_event", after="tool", error_type="authentication"), "auth", False),
    (broken("error_event", after="tool", error_type="MALFORMED_FUNCTION_CALL"), "malformed", True),
    (broken("error_event", after="tool", error_type="unexpected_tool_call"), "malformed", True),
    (
        broken("error_event", after=3, error_type="https://errors.google/UNAVAILABLE"),
        "overloaded",
        True,
    ),
    (turn(say("Do"), stop_reason="model_context_window_exceeded"), "too_long", False),
]


@pytest.mark.parametrize(("made", "kind", "retryable"), WITHIN)
async def test_faults_within_the_stream(
    gemini_server: GeminiServer, made: Any, kind: str, retryable: bool
):
    gemini_server.push(made)
    error, seen = await fault_of(gemini(gemini_server.url))
    assert (error.fault, error.retryable) == (kind, retryable)
    assert not any(isinstance(event, Stopped) for event in seen)
    assert len(gemini_server.requests) == 1
    if made.fault is not None and made.fault.after == "tool":
        # A call that was cut never looks finished.
        assert not any(isinstance(event, ToolEnded) for event in seen)


async def test_a_malformed_call_is_not_blamed_on_the_network(gemini_server: GeminiServer):
    gemini_server.push(broken("error_event", error_type="MALFORMED_FUNCTION_CALL"))
    error, _ = await fault_of(gemini(gemini_server.url))
    assert error.what == (
        "Gemini made a tool call that it could not read itself (malformed_function_call)."
    )
    assert error.remedy == "Ask again, or choose another model."


WHOLE = turn(think("Hm. ☃"), say("Let me see: ä."), call("run_python", code="1 + 1"))


async def test_a_cut_at_any_byte_is_an_error(gemini_server: GeminiServer):
    """Also inside of a character, of a name, between an event and its empty line."""
    said = {"type": "text", "text": "ä☃"}
    whole = sse(
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 0, "delta": said},
        {"event_type": "step.stop", "index": 0},
        completed(total_output_tokens=3),
    )
    server = RawHttp(whole)
    data = server.body
    # The message is complete with the empty line after its last event.
    async with server as url:
        model = gemini(url)
        for size in range(len(data)):
            server.body = data[:size]
            with pytest.raises(ModelError) as raised:
                await collect(model)
            assert raised.value.fault == "truncated", data[:size]
        server.body = data
        assert isinstance((await collect(model))[-1], Stopped)
        await model.aclose()


TEXT = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([{"event_type": "step.stop", "index": 4}], "step 4"),
        ([{"event_type": "step.delta", "index": 0, "delta": TEXT}], "step 0"),
        ([completed("requires_action")], "names none"),
        ([completed("queued")], "queued"),
        ([completed("failed")], "failed"),
        ([completed("cancelled")], ""),
        ([{"event_type": "interaction.completed"}], ""),
        ([{"event_type": "step.start", "index": 0}], ""),
        ([{"event_type": "step.start", "index": "0", "step": {"type": "thought"}}], "no number"),
        ([{"event_type": "error"}], ""),
    ],
)
async def test_events_that_the_wire_does_not_allow(events: list[dict[str, Any]], said: str):
    async with RawHttp(sse(*events)) as url:
        error, _ = await fault_of(gemini(url))
    assert error.fault in ("malformed", "server", "transport")
    assert error.retryable
    assert said in error.what


@pytest.mark.parametrize("data", ["[1, 2]", '"text"', "17", "null", '{"no": "type"}', "{not json"])
async def test_data_that_is_no_event(data: str):
    async with RawHttp(f"event: step.delta\ndata: {data}\n\n{sse(completed())}") as url:
        error, seen = await fault_of(gemini(url))
    assert (error.fault, error.retryable, seen) == ("malformed", True, [])


def start(index: int, **step: Any) -> dict[str, Any]:
    return {"event_type": "step.start", "index": index, "step": step}


def delta(index: int, **content: Any) -> dict[str, Any]:
    return {"event_type": "step.delta", "index": index, "delta": content}


def stop(index: int) -> dict[str, Any]:
    return {"event_type": "step.stop", "index": index}


CALL = {"type": "function_call", "id": "c", "name": "f", "arguments": {}}


def fold(*events: dict[str, Any]) -> tuple[list[ModelEvent], Stopped | None]:
    folding = InteractionFold(None)
    made = [event for given_event in events for event in folding.feed(given_event)]
    return made, folding.stopped


@pytest.mark.parametrize(
    "events",
    [
        [start(0, type="thought"), start(0, type="thought")],
        [start(0, type="model_output"), delta(0, type="arguments_delta", arguments="{")],
        [start(0, type="model_output"), completed()],
        [start(0, **CALL), completed("requires_action")],
        [start(0, type="model_output"), stop(0), delta(0, **TEXT)],
        [start(0, type="model_output"), delta(0, type="text", text=1)],
        [start(0, **{**CALL, "id": ""})],
        [start(0, **CALL), stop(0), start(1, **CALL)],
    ],
)
def test_violations(events: list[dict[str, Any]]):
    with pytest.raises(WireViolation):
        fold(*events)


@pytest.mark.parametrize(
    ("interaction", "reason"),
    [
        ({"status": "incomplete", "errors": [{"code": "safety", "message": "No."}]}, "refusal"),
        ({"status": "failed", "error": {"code": "RECITATION", "message": "No."}}, "refusal"),
        ({"status": "failed", "steps": [{"error": {"code": "safety"}}]}, "refusal"),
        ({"status": "incomplete", "errors": [{"code": "max_tokens"}]}, "max_tokens"),
        ({"status": "incomplete", "errors": [{}], "steps": [{"type": "thought"}]}, "max_tokens"),
    ],
)
def test_an_interaction_gives_the_reason_of_its_state(interaction: dict[str, Any], reason: str):
    last = {"event_type": "interaction.completed", "interaction": interaction}
    _, stopped = fold(start(0, type="model_output"), delta(0, **TEXT), last)
    assert stopped is not None
    assert stopped.reason == reason


def test_a_failed_interaction_says_why():
    failed = completed("failed")
    failed["interaction"]["errors"] = [{"code": "UNAVAILABLE", "message": "Busy."}]
    with pytest.raises(InteractionFault) as raised:
        fold(failed)
    assert (raised.value.code, raised.value.message) == ("unavailable", "Busy.")


@pytest.mark.parametrize(("code", "became"), [(14, "14"), ("", ""), (None, "")])
def test_an_error_inside_a_step_is_an_error(code: Any, became: str):
    with pytest.raises(InteractionFault) as raised:
        fold(start(0, type="model_output", error={"code": code, "message": "No."}))
    assert raised.value.code == became


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.integers(1, 9))
def test_any_split_of_arguments_is_the_same_input(value: dict[str, Any], size: int):
    text = json.dumps(value)
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    events, stopped = fold(
        start(0, **CALL),
        *(delta(0, type="arguments_delta", arguments=piece) for piece in pieces),
        stop(0),
        completed("requires_action"),
    )
    assert events[-1] == ToolEnded(index=0, raw_input=text)
    assert stopped is not None
    assert stopped.raw == [{**CALL, "arguments": value}]


def test_blank_words_and_unsigned_thoughts_do_not_go_back():
    _, stopped = fold(
        start(0, type="thought"),
        delta(0, type="thought_summary", content={"type": "text", "text": "Hm."}),
        stop(0),
        start(1, type="model_output"),
        delta(1, type="text", text="\n\n"),
        stop(1),
        start(2, type="model_output", content=[{"type": "text", "text": "So it is."}]),
        stop(2),
        completed(),
    )
    assert stopped is not None
    assert stopped.raw == [
        {"type": "model_output", "content": [{"type": "text", "text": "So it is."}]}
    ]


@pytest.mark.parametrize(
    "code", ["safety", "SAFETY", "prohibited_content", "RECITATION", "https://x/errors/blocklist"]
)
def test_a_blocked_answer_is_a_refusal(code: str):
    error = {"event_type": "error", "error": {"code": code, "message": "Blocked."}}
    _, stopped = fold(start(0, type="model_output"), delta(0, **TEXT), error)
    assert stopped == Stopped(reason="refusal", detail="Blocked.")


@pytest.mark.parametrize(
    "event", [delta(0, type="text", text=""), {"event_type": "interaction.something_new"}]
)
async def test_a_stream_of_events_without_content_is_stopped(event: dict[str, Any]):
    body = sse(start(0, type="model_output")) + sse(event) * 11_000
    async with RawHttp(body) as url:
        error, _ = await fault_of(gemini(url))
    assert "without content" in error.what
    assert not error.retryable


async def test_a_line_without_an_end_is_stopped():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ")
        try:
            while not writer.is_closing():
                writer.write(b"x" * 100_000)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    error, _ = await fault_of(gemini(url))
    server.close()
    assert error.fault == "malformed"
    assert "no end" in error.what

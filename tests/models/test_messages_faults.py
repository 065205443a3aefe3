"""What fails on the Messages wire alone; what fails on every wire is in ``conformance``."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from analyst_kernel.agent.ports import ModelEvent, Stopped
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.wire.faults import retry_after
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import collect, request
from tests.models.conversations import RawSse, claude

CODE = "frame.drop_duplicates().groupby('year').mean()"


async def fault_of(model: AnthropicMessages) -> tuple[ModelError, list[ModelEvent]]:
    seen: list[ModelEvent] = []

    async def consume() -> None:
        async for event in model.stream(request()):
            seen.append(event)

    with pytest.raises(ModelError) as raised:
        await consume()
    await model.aclose()
    return raised.value, seen


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

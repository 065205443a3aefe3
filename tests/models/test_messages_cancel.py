"""Stopping at any event closes the connection at once, and the model stays usable."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from analyst_kernel.agent.ports import Stopped
from analyst_kernel.testing.wires import collect, request
from tests.fakes.turns import Fault, call, say, think, turn
from tests.fakes.wire_server import WireServer
from tests.models.conversations import claude


def long_turn(after: Any) -> Any:
    blocks = (think("I look."), say("Let me see."), call("run_python", code="1 + 1"))
    return turn(*blocks, fault=Fault("stall", after=after, seconds=600))


async def test_leaving_the_stream_closes_the_socket(wire_server: WireServer):
    wire_server.push(long_turn("tool"))
    model = claude(wire_server.url)
    stream: Any = model.stream(request())
    async with contextlib.aclosing(stream):
        await anext(stream)
    await asyncio.to_thread(wire_server.requests[0].finished.wait, 30)
    assert wire_server.requests[0].closed_early.is_set()
    await model.aclose()


async def test_cancelling_while_the_sdk_loads_leaves_the_model_usable(wire_server: WireServer):
    wire_server.push(turn(say("Hello.")))
    model = claude(wire_server.url)
    task = asyncio.create_task(collect(model))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire_server.requests == []
    assert isinstance((await collect(model))[-1], Stopped)
    await model.aclose()


def stalled_at(after: Any) -> int:
    return 1 if after == "tool" else int(after)

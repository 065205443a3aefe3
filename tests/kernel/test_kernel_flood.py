"""Output without end neither grows memory nor blocks the event loop."""

from __future__ import annotations

import asyncio

import psutil

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel import KernelSession
from analyst_kernel.protocol.outputs import StreamOutput

SECONDS = 300.0
MB = 1024 * 1024


async def test_two_hundred_megabytes_of_prints(session: KernelSession) -> None:
    changes: list[OutputChange] = []
    here = psutil.Process()
    before = here.memory_info().rss
    peak = before
    turns = 0
    task = asyncio.create_task(
        session.execute(
            "line = 'x' * 9_999\nfor n in range(20_000): print(line)\nprint('end')",
            timeout=SECONDS,
            on_change=changes.append,
        )
    )
    while not task.done():
        await asyncio.sleep(0.01)
        turns += 1
        peak = max(peak, here.memory_info().rss)
    execution = await task
    assert execution.outcome == "ok"
    (stream,) = execution.outputs
    assert isinstance(stream, StreamOutput)
    assert len(stream.text) < 101_000
    assert stream.text.endswith("end\n")
    assert "lines omitted …" in stream.text
    assert execution.notices[0][0] == "stream_cut"
    assert len(changes) < 100
    assert turns > 5
    assert peak - before < 400 * MB
    assert (await session.execute("print('usable')", timeout=SECONDS)).outcome == "ok"


async def test_a_flood_can_be_stopped(session: KernelSession) -> None:
    seen = asyncio.Event()
    task = asyncio.create_task(
        session.execute(
            "while True: print('y' * 100)", timeout=SECONDS, on_change=lambda _: seen.set()
        )
    )
    await asyncio.wait_for(seen.wait(), SECONDS)
    await session.interrupt()
    execution = await asyncio.wait_for(task, SECONDS)
    assert execution.outcome == "cancelled"
    assert (await session.execute("1", timeout=SECONDS)).outcome == "ok"


async def test_many_small_messages_end_too(session: KernelSession) -> None:
    execution = await session.execute(
        "for n in range(20_000): print(n, flush=True)", timeout=SECONDS
    )
    assert execution.outcome == "ok"
    assert (await session.execute("1", timeout=SECONDS)).outcome == "ok"


async def test_a_display_flood_is_capped(session: KernelSession) -> None:
    execution = await session.execute(
        "from IPython.display import display\nfor n in range(2_000): display(n)", timeout=SECONDS
    )
    assert len(execution.outputs) == 201
    assert "further outputs omitted" in str(execution.outputs[-1])

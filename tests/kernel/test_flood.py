"""Output without end neither grows memory nor blocks the event loop."""

from __future__ import annotations

import asyncio

import psutil

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.outputs import ErrorOutput, StreamOutput

SECONDS = 300.0
MB = 1024 * 1024


async def test_a_gigabyte_of_prints(session: KernelSession) -> None:
    changes: list[OutputChange] = []
    here = psutil.Process()
    before = here.memory_info().rss
    peak = before
    turns = 0
    task = asyncio.create_task(
        session.execute(
            "line = 'x' * 9_999\nfor n in range(100_000): print(line)\nprint('end')",
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
    # Every line is either there or counted.
    head, tail = stream.text.split("… 99,991 lines omitted …\n")
    assert head.count("\n") + tail.count("\n") + 99_991 == 100_001
    assert execution.notices == (("stream_cut", "99,991 lines of stdout were left out."),)
    assert len(changes) < 100
    assert turns > 5
    assert peak - before < 150 * MB
    assert (await session.execute("print('usable')", timeout=SECONDS)).outcome == "ok"


async def test_an_error_after_a_flood_stands_after_it(session: KernelSession) -> None:
    code = "for n in range(600_000): print(f'{n:9}')\n1/0"
    execution = await session.execute(code, timeout=SECONDS)
    flood, error = execution.outputs
    assert isinstance(flood, StreamOutput)
    assert flood.text.endswith("   599999\n")
    kept = flood.text.count("\n") - 1
    assert f"… {600_000 - kept:,} lines omitted …" in flood.text
    assert isinstance(error, ErrorOutput)
    again = await session.execute("print('all of it')", timeout=SECONDS)
    assert again.outputs == (StreamOutput(name="stdout", text="all of it\n"),)
    assert again.notices == ()


async def test_output_that_is_cleared_may_go_on(session: KernelSession) -> None:
    code = (
        "from IPython.display import clear_output\n"
        "meter = __import__('sys').modules['_analyst_streams']._meters['stdout']\n"
        "for n in range(8):\n"
        "    print('x' * 999_999); meter._since -= 1.0; clear_output(wait=True)\n"
        "print('the last')"
    )
    execution = await session.execute(code, timeout=SECONDS)
    assert execution.outputs == (StreamOutput(name="stdout", text="the last\n"),)


async def test_what_processes_of_the_code_print_is_metered_too(session: KernelSession) -> None:
    execution = await session.execute(
        "import sys\n!{sys.executable} -c \"for n in range(700000): print(f'{{n:9}}')\"",
        timeout=SECONDS,
    )
    (stream,) = execution.outputs
    assert isinstance(stream, StreamOutput)
    assert "lines omitted …" in stream.text
    assert "   699999" in stream.text[-40:]


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

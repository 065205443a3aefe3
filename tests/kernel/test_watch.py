"""When a cell counts as over, though the machine is slow and messages of others stand in the way."""

from __future__ import annotations

import asyncio
import time

from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.execution import watch
from analyst_kernel.kernel.messages import StatusMsg, StreamMsg
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.protocol.outputs import StreamOutput

QUIET, LATE, SECONDS = 0.2, 3.0, 60.0
REPLY = {"status": "ok"}


class Alive:
    """Stands for the manager of a kernel that lives."""

    async def is_alive(self) -> bool:
        return True


async def others(run: CellRun, seconds: float) -> None:
    """Publish for other requests, as a stopped cell had before it was stopped."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        run.last_of_others = time.monotonic()
        await asyncio.sleep(0.01)


async def test_output_behind_that_of_a_stopped_cell_is_waited_for() -> None:
    run = CellRun(OutputLimits())
    run.take_reply(REPLY)

    async def publish() -> None:
        await others(run, 5 * QUIET)
        await run.take(StreamMsg("stdout", "42\n"))
        await run.take(StatusMsg("idle"))

    publishing = asyncio.create_task(publish())
    assert await watch(run, Alive(), SECONDS, quiet=QUIET, late=LATE) == "done"
    assert run.finish().outputs == (StreamOutput(name="stdout", text="42\n"),)
    await publishing


async def test_a_thread_that_publishes_for_ever_holds_nothing_up() -> None:
    run = CellRun(OutputLimits())
    run.take_reply(REPLY)
    publishing = asyncio.create_task(others(run, SECONDS))
    began = time.monotonic()
    assert await watch(run, Alive(), SECONDS, quiet=QUIET, late=5 * QUIET) == "done"
    assert time.monotonic() - began < SECONDS / 2
    publishing.cancel()


async def test_a_reply_without_anything_else_is_enough_after_a_while() -> None:
    run = CellRun(OutputLimits())
    run.take_reply(REPLY)
    assert await watch(run, Alive(), SECONDS, quiet=QUIET, late=LATE) == "done"
    late = CellRun(OutputLimits())
    assert await watch(late, Alive(), 3 * QUIET, quiet=QUIET, late=LATE) == "timeout"

"""A cell that must end: timeouts, interrupts, cancellation, and kernels that die."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.diagnosis import reason_of
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.outputs import ErrorOutput, StreamOutput

SECONDS = 60.0
DEAF = (
    "import signal, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "print('running', flush=True)\n"
    "while True:\n"
    "    try:\n"
    "        while True: time.sleep(0.05)\n"
    "    except KeyboardInterrupt: pass\n"
)


class Started:
    """Tells when the cell printed something."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def __call__(self, change: OutputChange) -> None:
        self.event.set()


async def begin(session: KernelSession, code: str) -> asyncio.Task[Any]:
    """Begin a cell that prints, and return once it runs."""
    started = Started()
    task = asyncio.create_task(session.execute(code, timeout=SECONDS, on_change=started))
    await asyncio.wait_for(started.event.wait(), SECONDS)
    return task


async def value(session: KernelSession, code: str) -> str:
    execution = await session.execute(f"print({code})", timeout=SECONDS)
    (output,) = execution.outputs
    assert isinstance(output, StreamOutput), execution
    return output.text.strip()


async def test_a_timeout_interrupts_and_keeps_the_variables(session: KernelSession) -> None:
    execution = await session.execute(
        "kept = 5\nimport time\nprint('before')\ntime.sleep(600)", timeout=0.5
    )
    assert execution.outcome == "timeout"
    assert execution.error is not None
    assert execution.error.name == "Timeout"
    assert not execution.kernel_died
    assert execution.outputs[0] == StreamOutput(name="stdout", text="before\n")
    assert [frame.name for frame in execution.frames] == ["kept"]
    assert await value(session, "kept") == "5"


async def test_a_cell_that_swallows_the_interrupt_is_a_timeout_too(session: KernelSession) -> None:
    execution = await session.execute(
        "import time\ntry: time.sleep(600)\nexcept KeyboardInterrupt: pass", timeout=0.5
    )
    assert execution.outcome == "timeout"
    assert isinstance(execution.outputs[-1], ErrorOutput)
    assert execution.outputs[-1].ename == "Timeout"


async def test_a_deaf_cell_is_killed_after_its_timeout(session: KernelSession) -> None:
    execution = await session.execute(DEAF, timeout=1.0)
    assert execution.outcome == "timeout"
    assert execution.kernel_died
    assert execution.error is not None
    assert "variables are gone" in execution.error.message
    assert await value(session, "1 + 1") == "2"


async def test_interrupt_ends_the_cell_as_cancelled(session: KernelSession) -> None:
    await session.interrupt()
    task = await begin(session, "import time\nprint('running', flush=True)\ntime.sleep(600)")
    await session.interrupt()
    execution = await asyncio.wait_for(task, SECONDS)
    assert execution.outcome == "cancelled"
    assert execution.error is not None
    assert execution.error.name == "KeyboardInterrupt"
    assert await value(session, "'alive'") == "alive"


async def test_cancelling_leaves_an_idle_kernel_with_its_variables(session: KernelSession) -> None:
    await session.execute("kept = 7", timeout=SECONDS)
    task = await begin(session, "import time\nprint('running', flush=True)\ntime.sleep(600)")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1.5
    assert await value(session, "kept") == "7"


async def test_cancelling_a_deaf_cell_leaves_at_once_and_restarts(session: KernelSession) -> None:
    task = await begin(session, f"lost = 1\n{DEAF}")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 2
    assert await value(session, "'lost' in globals()") == "False"


async def test_cancelling_at_any_moment_leaves_a_usable_kernel(session: KernelSession) -> None:
    for delay in (0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03):
        task = asyncio.create_task(session.execute("for n in range(10**9): n * n", timeout=SECONDS))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await value(session, "'fine'") == "fine"


async def test_a_kernel_that_ends_itself_is_noticed_at_once(session: KernelSession) -> None:
    execution = await session.execute(
        "import os, time\nx = 1\nprint('last words', flush=True)\ntime.sleep(0.5)\nos._exit(3)",
        timeout=SECONDS,
    )
    assert execution.outcome == "error"
    assert execution.kernel_died
    assert execution.seconds < 30
    assert execution.error is not None
    assert execution.error.name == "KernelDied"
    assert "exit code 3" in execution.error.message
    assert "variables are gone" in execution.error.message
    assert execution.outputs[0] == StreamOutput(name="stdout", text="last words\n")
    assert isinstance(execution.outputs[1], ErrorOutput)
    assert await value(session, "'x' in globals()") == "False"


async def test_a_killed_kernel_reports_the_cause(session: KernelSession) -> None:
    task = await begin(session, "import time\nprint('running', flush=True)\ntime.sleep(600)")
    os.kill(session.manager.provisioner.pid, signal.SIGKILL)
    execution = await asyncio.wait_for(task, SECONDS)
    assert execution.kernel_died
    assert execution.error is not None
    assert "SIGKILL" in execution.error.message


async def test_a_provisioner_knows_better_what_it_died_of(
    plain_session: KernelSession,
) -> None:
    plain_session.manager.provisioner.death_reason = "The kernel needed more than 2 GiB of memory."
    execution = await plain_session.execute("import os\nos._exit(1)", timeout=SECONDS)
    assert execution.error is not None
    assert execution.error.message.startswith("The kernel needed more than 2 GiB of memory.")


@pytest.mark.parametrize(
    ("reason", "status", "sentence"),
    [
        ("memory", -9, "needed more memory"),
        ("processes", -9, "more processes"),
        ("disk", -9, "more to disk"),
        ("crash", -11, "crashed inside a library (SIGSEGV)"),
        ("crash", 3, "exit code 3"),
        (None, -9, "memory had run out"),
        (None, -15, "ended by SIGTERM"),
        (None, -250, "ended by signal 250"),
        (None, None, "The kernel ended."),
    ],
)
def test_what_a_kernel_died_of(reason: str | None, status: int | None, sentence: str) -> None:
    assert sentence in reason_of(SimpleNamespace(death_reason=reason), status)


async def test_death_between_two_cells_is_reported_and_the_cell_does_not_run(
    session: KernelSession,
) -> None:
    await session.execute("x = 1", timeout=SECONDS)
    os.kill(session.manager.provisioner.pid, signal.SIGKILL)
    while await session.manager.is_alive():
        await asyncio.sleep(0.01)
    execution = await session.execute("print('ran')", timeout=SECONDS)
    assert execution.kernel_died
    assert [output.output_type for output in execution.outputs] == ["error"]
    assert await value(session, "'x' in globals()") == "False"


async def test_a_restart_by_someone_else_is_noticed(session: KernelSession) -> None:
    await session.execute("x = 1", timeout=SECONDS)
    await session.manager.restart_kernel(now=True)
    execution = await session.execute("print(x)", timeout=SECONDS)
    assert execution.kernel_died
    assert await value(session, "str(OUTPUT_DIR)") == "mileage_files"


async def test_restart_and_stop_end_a_running_cell(session: KernelSession) -> None:
    task = await begin(session, f"x = 1\n{DEAF}")
    facts = await session.restart()
    assert facts.python
    execution = await asyncio.wait_for(task, SECONDS)
    assert execution.outcome == "cancelled"
    assert execution.kernel_died
    assert await value(session, "'x' in globals()") == "False"
    task = await begin(session, DEAF)
    await session.stop()
    execution = await asyncio.wait_for(task, SECONDS)
    assert execution.outcome == "cancelled"
    assert session.manager is None

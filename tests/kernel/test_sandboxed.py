"""The session over the ``analyst`` kernel, where that kernelspec is installed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.errors import SandboxError
from analyst_kernel.protocol.outputs import DisplayOutput, StreamOutput
from analyst_kernel.sandbox.zygote import manager as zygotes
from tests.kernel.conftest import MakeSession, output_folder

SECONDS = 60.0


@pytest.fixture
async def enclosed(make_session: MakeSession) -> KernelSession:
    """Return a started session on the analyst kernel, at whatever level this machine offers."""
    session = make_session(kernel_name="analyst", require="none")
    await session.start()
    return session


async def test_cells_timeouts_crashes_and_restarts_in_the_sandbox(enclosed: KernelSession) -> None:
    facts = await enclosed.start()
    assert facts.sandbox.probes
    assert facts.output_dir == "mileage_files"
    execution = await enclosed.execute(
        "import pandas as pd, matplotlib.pyplot as plt\n"
        "df = pd.DataFrame({'a': [1, 2]})\n"
        "_ = (OUTPUT_DIR / 'made.txt').write_text('x')\n"
        "df.plot()\nplt.show()\n"
        "print('done')",
        timeout=SECONDS,
    )
    assert execution.outcome == "ok", execution.error
    picture, text = execution.outputs
    assert isinstance(picture, DisplayOutput)
    assert "image/png" in picture.data
    assert text == StreamOutput(name="stdout", text="done\n")
    assert [frame.name for frame in execution.frames] == ["df"]
    late = await enclosed.execute("import time\ntime.sleep(600)", timeout=0.5)
    assert (late.outcome, late.kernel_died) == ("timeout", False)
    assert [frame.name for frame in late.frames] == ["df"]
    died = await enclosed.execute("import os\nos._exit(3)", timeout=SECONDS)
    assert died.kernel_died
    assert died.error is not None
    assert "exit code 3" in died.error.message
    again = await enclosed.execute("print('df' in globals())", timeout=SECONDS)
    assert again.outputs == (StreamOutput(name="stdout", text="False\n"),)
    await enclosed.restart()
    await enclosed.stop()
    assert (output_folder(enclosed) / "made.txt").read_text() == "x"


async def test_it_displays_what_a_plain_kernel_displays(
    enclosed: KernelSession, session: KernelSession
) -> None:
    """Libraries that were imported before there was a shell must not take it for a terminal."""
    code = (
        "import matplotlib.pyplot as plt, numpy as np, pandas as pd\n"
        "from pandas._config import config\n"
        "print({name: pd.get_option(name) for name in sorted(config._registered_options)\n"
        "       if name.startswith('display') and name != 'display.encoding'})\n"
        "print(np.get_printoptions())\n"
        "drawing = {'font', 'figure', 'axes', 'savefig', 'lines'}\n"
        "print({k: v for k, v in plt.rcParams.items() if k.split('.')[0] in drawing})\n"
        "wide = pd.DataFrame([[number / 7 for number in range(18)]] * 3)\n"
        "wide.columns = [f'measurement {number}' for number in range(18)]\n"
        "print(wide)\n"
        "wide"
    )
    plain, forked = [await one.execute(code, timeout=SECONDS) for one in (session, enclosed)]
    assert plain.outcome == forked.outcome == "ok"
    assert forked.outputs == plain.outputs
    assert "measurement 9" in str(forked.outputs[-1])


async def test_what_ends_soon_after_a_stop_keeps_its_variables(enclosed: KernelSession) -> None:
    """The caller is free within a second; a library that cleans up, or a busy machine, takes longer."""
    started = asyncio.Event()
    code = (
        "import time\nkept = 1\nprint('x', flush=True)\n"
        "try: time.sleep(600)\n"
        "except KeyboardInterrupt:\n"
        "    until = time.monotonic() + 1.5\n"
        "    while time.monotonic() < until:\n"
        "        try: time.sleep(0.1)\n"
        "        except KeyboardInterrupt: pass"
    )
    heard: list[OutputChange] = []

    def on_change(change: OutputChange) -> None:
        heard.append(change)
        started.set()

    task = asyncio.create_task(enclosed.execute(code, timeout=SECONDS, on_change=on_change))
    await asyncio.wait_for(started.wait(), SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    before = len(heard)
    execution = await enclosed.execute("print(kept)", timeout=SECONDS)
    assert execution.outputs == (StreamOutput(name="stdout", text="1\n"),)
    assert len(heard) == before


async def test_cancelling_interrupts_it(enclosed: KernelSession) -> None:
    started = asyncio.Event()

    def on_change(change: OutputChange) -> None:
        started.set()

    code = "kept = 1\nimport time\nprint('x', flush=True)\ntime.sleep(600)"
    task = asyncio.create_task(enclosed.execute(code, timeout=SECONDS, on_change=on_change))
    await asyncio.wait_for(started.wait(), SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    execution = await enclosed.execute("print(kept)", timeout=SECONDS)
    assert execution.outputs == (StreamOutput(name="stdout", text="1\n"),)


async def test_a_backend_below_the_requirement_is_refused(make_session: MakeSession) -> None:
    session = make_session(
        kernel_name="analyst", require="restricted", start_options={"form": "none"}
    )
    with pytest.raises(SandboxError) as caught:
        await session.start()
    assert caught.value.remedy
    assert session.manager is None


async def test_it_leaves_no_descriptor_and_no_empty_folder(
    make_session: MakeSession, tmp_path: Path
) -> None:
    allowed = None
    for _ in range(4):
        session = make_session(kernel_name="analyst", require="none")
        await session.start()
        await session.stop()
        # Behind a kernel the next one is prepared, which opens and keeps some.
        for zygote in list(zygotes._managers.values()):
            assert zygote._client is None or await asyncio.to_thread(zygote.pool.ready, SECONDS)
        if allowed is None:
            allowed = descriptors()
        # ZeroMQ's own thread closes a socket a moment later; a leak stays.
        async with asyncio.timeout(SECONDS):
            while descriptors() > allowed:
                await asyncio.sleep(0.02)
    assert not any((tmp_path / "work").iterdir())


def descriptors() -> int:
    """Count what this process has open."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

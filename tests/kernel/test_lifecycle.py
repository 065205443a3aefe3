"""Starting, refusing, restarting and stopping, with nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.errors import KernelError, SandboxError
from analyst_kernel.protocol.outputs import StreamOutput
from analyst_kernel.protocol.sandbox import SandboxReport
from tests.kernel.conftest import MakeSession, output_folder
from tests.support.kernel import Watched, plain_kernels

SECONDS = 60.0


async def test_too_little_isolation_is_refused_before_any_code(make_session: MakeSession) -> None:
    host = Watched()
    session = make_session(require="isolated", host=host)
    with pytest.raises(SandboxError, match="'isolated' is required; no code ran") as caught:
        await session.start()
    assert caught.value.exit_code == 4
    assert "analyst doctor" in caught.value.remedy
    assert session.manager is None
    assert not host.managers[0].has_kernel
    assert not output_folder(session).exists()


async def test_enough_isolation_is_passed_on(make_session: MakeSession) -> None:
    report = SandboxReport(level="isolated", form="test", sentence="For this test.")
    session = make_session(require="restricted", host=Watched(report))
    assert (await session.start()).sandbox == report


async def test_an_unknown_kernel_is_one_sentence(make_session: MakeSession) -> None:
    with pytest.raises(KernelError, match="no Jupyter kernel named 'nonsense'"):
        await make_session(kernel_name="nonsense").start()


def kernelspec(folder: Path, name: str, *command: str) -> None:
    spec = folder / "kernels" / name
    spec.mkdir(parents=True)
    kernel = {"argv": [*command], "display_name": name, "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel))


async def test_a_kernel_that_does_not_start_reports_its_stderr(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernelspec(tmp_path, "broken", sys.executable, "-c", "raise SystemExit('no licence today')")
    kernelspec(tmp_path, "absent", "/nowhere/python")
    kernelspec(tmp_path, "silent", sys.executable, "-c", "import time; time.sleep(600)")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with pytest.raises(KernelError, match="no licence today"):
        await make_session(kernel_name="broken").start()
    with pytest.raises(KernelError, match="could not be started"):
        await make_session(kernel_name="absent").start()
    with pytest.raises(KernelError, match="did not answer in time"):
        await make_session(kernel_name="silent", ready_seconds=0.5).start()


async def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path, make_session: Any) -> None:
    (tmp_path / "file").write_text("")
    session = make_session(notebook=str(tmp_path / "file" / "deeper" / "n.ipynb"))
    with pytest.raises(KernelError, match="cannot be made"):
        await session.start()


async def test_restart_gives_an_empty_kernel(session: KernelSession) -> None:
    await session.execute("x = 1", timeout=SECONDS)
    facts = await session.restart()
    assert facts.output_dir == "mileage_files"
    execution = await session.execute("print('x' in globals())", timeout=SECONDS)
    assert execution.outputs == (StreamOutput(name="stdout", text="False\n"),)
    assert execution.execution_count == 1


async def test_everything_may_be_called_twice(make_session: MakeSession) -> None:
    session = make_session()
    await session.stop()
    await session.interrupt()
    await session.start()
    await session.interrupt()
    await asyncio.gather(session.restart(), session.restart())
    await asyncio.gather(session.stop(), session.stop())
    await session.start()
    assert (await session.execute("1", timeout=SECONDS)).outcome == "ok"


async def test_a_cancelled_start_leaves_nothing(make_session: MakeSession) -> None:
    before = plain_kernels()
    for delay in (0.0, 0.05, 0.15, 0.3):
        host = Watched()
        session = make_session(host=host)
        task = asyncio.create_task(session.start())
        await asyncio.sleep(delay)
        if not task.cancel():
            assert task.done(), "a fast machine may have started it by now"
            await session.stop()
            continue
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.manager is None
        assert not any(km.has_kernel for km in host.managers)
        await session.stop()
    assert plain_kernels() <= before


def leftovers() -> list[str]:
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("analyst-")]


async def test_twenty_lives_leave_no_process_descriptor_or_file(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "t"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    here, before = psutil.Process(), plain_kernels()
    counts = []
    for _ in range(20):
        session = make_session()
        await session.start()
        assert (await session.execute("1", timeout=SECONDS)).outcome == "ok"
        await session.stop()
        assert plain_kernels() <= before
        assert leftovers() == []
        counts.append((here.num_fds(), here.num_threads()))
    # The first life opens the shared context's own descriptors.
    assert counts[-1] == counts[1]
    assert not any((tmp_path / "work").iterdir())
    assert set(asyncio.all_tasks()) == {asyncio.current_task()}


async def test_a_reply_that_came_while_the_loop_was_busy_is_read(session: KernelSession) -> None:
    await session.start()
    channels = session._kernel.channels
    assert channels is not None
    channels._client.kernel_info()
    time.sleep(0.5)  # its reply waits in the socket now, and the loop has not heard of it
    run = CellRun(OutputLimits())
    channels.send("1", run, silent=True, expressions={})
    await asyncio.wait_for(run.done, 10.0)

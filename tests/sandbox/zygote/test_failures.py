"""A zygote that dies, hangs or never comes up: kernels end or go another way, and none is lost."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from traitlets.config import Config

from analyst_kernel.protocol.errors import SandboxError
from analyst_kernel.sandbox import runtime
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.zygote import manager as zygotes
from analyst_kernel.sandbox.zygote.client import end_container
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from tests.sandbox.conftest import DEADLINE, Start
from tests.sandbox.ordinary_user import run_as_user
from tests.sandbox.test_lifecycle import DOOMED, OUTLIVER, still_alive
from tests.sandbox.zygote.test_kernels import begin, forked, pytestmark, the_manager

__all__ = ["pytestmark"]


def inner_zygote() -> psutil.Process:
    """The prepared process itself: the one that makes containers."""
    family = psutil.Process(the_manager().client().pid).children(recursive=True)
    return next(process for process in family if len(process.children()) > 1)


async def test_killing_the_zygote_ends_its_kernels_and_the_next_one_is_forked_again(
    start: Start,
) -> None:
    async with begin(start, "fresh") as kernel:
        await kernel.value(OUTLIVER)
        family = psutil.Process(kernel.provisioner.pid).children(recursive=True)
        assert len(family) == 2
        inner_zygote().send_signal(signal.SIGKILL)
        assert still_alive(family) == []
        assert await kernel.provisioner.wait() == -9
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        assert kernel.provisioner.sandbox_report is not None
        assert kernel.provisioner.sandbox_report.form == "zygote"
        assert kernel.provisioner.sandbox_report.notes == ()
        assert await kernel.value("print(6 * 7)") == 42


async def test_a_zygote_that_hangs_costs_a_deadline_and_its_late_child_is_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygotes, "CONTAINER_WAIT", 0.5)
    async with begin(start, "fresh") as before:
        pool = the_manager().pool
        assert await asyncio.to_thread(pool.ready, DEADLINE)
        container, pool._empty = pool._empty, None
        assert container is not None
        end_container(the_manager().client(), container)
        zygote = inner_zygote()
        client = the_manager().client()
        zygote.suspend()
        try:
            async with start("", grants=[]) as kernel:
                report = kernel.provisioner.sandbox_report
                assert report is not None
                assert (report.form, report.level) == ("bubblewrap", "isolated")
                assert "not forked from a prepared process" in report.notes[0]
                zygote.resume()
                # The container that comes too late ends by itself, and the older kernel goes on.
                session = {forked(before).container.pid}
                for _look in range(int(DEADLINE / 0.1)):
                    kept = {p.pid for p in zygote.children() if p.status() != "zombie"}
                    if len(kept - session) == 1:
                        break
                    await asyncio.sleep(0.1)
                assert len(kept - session) == 1  # the mounter
                assert await kernel.value("print(1)") == 1
                assert await before.value("print(2)") == 2
            async with start("", grants=[]) as again:
                report = again.provisioner.sandbox_report
                assert report is not None
                assert report.form == "zygote"
        finally:
            if zygote.is_running():
                zygote.resume()
    client.close()


async def test_a_zygote_that_cannot_start_is_noted_and_the_next_backend_serves(
    start: Start, tmp_path: Path
) -> None:
    # Refuses to keep capabilities, as some distributions' profiles do, and is bubblewrap otherwise.
    refusing = tmp_path / "bwrap"
    refusing.write_text(
        "#!/bin/sh\nfor word; do\n"
        '[ "$word" = --cap-add ] && { echo "no capabilities" >&2; exit 1; }\n'
        'done\nexec bwrap "$@"\n'
    )
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    config = Config({"AnalystProvisioner": {"bubblewrap": str(refusing)}})
    async with start("", config=config) as kernel:
        report = kernel.provisioner.sandbox_report
        assert report is not None
        assert report.form != "zygote"
        assert "no capabilities" in report.notes[0]
    with pytest.raises(SandboxError, match="no capabilities"):
        async with start("zygote", config=config):
            pass


async def test_without_bubblewrap_there_is_no_zygote(start: Start) -> None:
    with pytest.raises(SandboxError, match="not installed"):
        async with start("zygote", config=Config({"AnalystProvisioner": {"bubblewrap": ""}})):
            pass


@pytest.mark.parametrize("spare", [False, True])
def test_a_killed_server_leaves_no_process(
    spare: bool, work: Path, kernelspecs: KernelSpecManager
) -> None:
    ready = (
        "from analyst_kernel.sandbox.zygote import manager as zygotes\n"
        f"SPARE = {spare}\n"
        "def wait_for_spare():\n"
        "    for made in zygotes._managers.values(): assert made.pool.ready(120)\n"
    )
    code = DOOMED.replace("    family = [p", "    if SPARE: wait_for_spare()\n    family = [p")
    code = f"OUTLIVER = {OUTLIVER!r}\n{ready}{code}"
    command = [sys.executable, "-c", code, "zygote", str(work), kernelspecs.kernel_dirs[0]]
    parent = tempfile.mkdtemp(prefix="z", dir="/tmp")
    environment = os.environ | {"TMPDIR": parent}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as server:
        assert server.stdout is not None
        printed = json.loads(server.stdout.readline())
        family = [psutil.Process(pid) for pid in printed["family"]]
        assert len(family) > 6
        server.send_signal(signal.SIGKILL)
    assert still_alive(family) == []
    assert runtime.sweep(parent) == [printed["folder"]]
    os.rmdir(parent)


async def test_a_client_that_gives_up_leaves_no_kernel(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, made = threading.Event(), queue.SimpleQueue[ZygoteKernel | None]()
    real = zygotes.ZygoteManager.start

    def slow(self: zygotes.ZygoteManager, launch: Launch) -> ZygoteKernel:
        begun.set()
        kernel = None
        try:
            kernel = real(self, launch)
        finally:
            made.put(kernel)  # none, where its folder was gone before it could be made
        return kernel

    monkeypatch.setattr(zygotes.ZygoteManager, "start", slow)

    async def give_up() -> None:
        async with start("zygote"):
            pytest.fail("it was cancelled before")

    starting = asyncio.ensure_future(give_up())
    await asyncio.to_thread(begun.wait, DEADLINE)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    kernel = await asyncio.to_thread(made.get, True, DEADLINE)
    if kernel is not None:
        for _look in range(int(DEADLINE / 0.05)):
            if kernel._closed:
                break
            await asyncio.sleep(0.05)
        assert kernel._closed
        assert not psutil.pid_exists(kernel.pid) or still_alive([psutil.Process(kernel.pid)]) == []
    assert the_manager().pool._kernels == set()


def test_an_ordinary_users_forked_kernel_is_as_closed_as_roots() -> None:
    try:
        seen = run_as_user("zygote")["zygote"]
    except FileNotFoundError as error:
        pytest.skip(f"cannot become an ordinary user here: {error}")
    assert seen["uid"] != 0
    assert seen["level"] == "isolated"
    assert seen["open"] == []
    assert seen["found"] == {}
    assert seen["tried"] > 60
    assert 0 < seen["forked"] < 64

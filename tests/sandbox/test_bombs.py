"""Cells that take more than their share: what is refused, what is killed, what is said of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from traitlets.config import Config

from analyst_kernel.sandbox.linux import cgroup
from analyst_kernel.sandbox.policy import GIB, MIB, ResourceLimits
from tests.sandbox.conftest import DEADLINE, Start

SMALL = {"memory_bytes": 640 * MIB, "tmp_bytes": 32 * MIB, "file_bytes": 16 * MIB}
WATCHDOG_ONLY = Config({"AnalystProvisioner": {"cgroup": False}})
BACKENDS = ["bubblewrap", "landlock"]


def can_make_groups() -> bool:
    group = cgroup.create(ResourceLimits())
    return group is not None and group.remove()


@pytest.mark.parametrize("form", [*BACKENDS, "limits"])
async def test_a_greedy_allocation_is_a_memory_error_and_state_is_kept(
    form: str, start: Start
) -> None:
    async with start(form, require="limits", limits={"memory_bytes": "1 GiB"}) as kernel:
        await kernel.run("kept = 42; hoard = []")
        reply = await kernel.run("while True: hoard.append(bytearray(64 * 1024 * 1024))")
        assert reply.name == "MemoryError"
        assert await kernel.value("del hoard; print(kept)") == 42
        array = await kernel.run("import numpy as np; np.ones(3 * 1024**3)")
        assert "Unable to allocate" in array.error
        assert kernel.provisioner.death_reason is None


@pytest.mark.parametrize("config", [Config(), WATCHDOG_ONLY], ids=["cgroup", "watchdog"])
@pytest.mark.parametrize("form", BACKENDS)
async def test_shared_memory_that_no_limit_counts_is_ended(
    form: str, config: Config, start: Start
) -> None:
    code = (
        "import mmap, time\nblocks = []\n"
        "for _ in range(64):\n"
        "    block = mmap.mmap(-1, 64 * 1024 * 1024); blocks.append(block)\n"
        "    for at in range(0, len(block), 4096): block[at] = 1\n"
        "time.sleep(600)"
    )
    async with start(form, limits=SMALL, config=config) as kernel:
        assert await kernel.death(code) == "memory"


async def test_private_memory_file_systems_have_a_size(start: Start) -> None:
    code = (
        "import errno, json, os\nseen = {}\n"
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    total = 0\n"
        "    try:\n"
        "        for number in range(100):\n"
        "            with open(f'{folder}/fill{number}', 'wb', buffering=0) as fill:\n"
        "                while fill.tell() < 8 * 2**20: total += fill.write(bytes(2**20))\n"
        "    except OSError as error: seen[folder] = [errno.errorcode[error.errno], total]\n"
        "print(json.dumps(seen))"
    )
    mounts_alone = Config({"AnalystProvisioner": {"landlock": False}})
    async with start("bubblewrap", limits=SMALL, config=mounts_alone) as kernel:
        # Nothing else takes anything: the root, /dev and the way to the data are read-only.
        folders = await kernel.value(
            "import json, os\nprint(json.dumps([d for d, _, _ in os.walk('/')"
            " if not d.startswith(('/proc', '/tmp/home')) and os.access(d, os.W_OK)]))"
        )
        seen = await kernel.value(code)
        assert kernel.provisioner.death_reason is None
        sockets = str(Path(str(kernel.provisioner.connection_info["ip"])).parent)
        output = kernel.provisioner.output_dir
    for folder in ("/tmp", "/dev/shm"):
        assert seen[folder][0] == "ENOSPC"
        assert seen[folder][1] <= 32 * MIB
    assert set(folders) == {"/tmp", "/dev/shm", "/dev/pts", sockets, output}


@pytest.mark.parametrize("form", BACKENDS)
async def test_one_file_has_a_size_and_the_folder_too(form: str, start: Start) -> None:
    limits = SMALL | {"output_bytes": 48 * MIB}
    async with start(form, limits=limits) as kernel:
        reply = await kernel.run(
            "with open(OUTPUT_DIR / 'big', 'wb') as big:\n"
            "    for _ in range(64): big.write(bytes(2**20))"
        )
        assert reply.name == "OSError"
        assert "too large" in reply.error
        reason = await kernel.death(
            "import time\nfor number in range(16):\n"
            "    with open(OUTPUT_DIR / f'part{number}', 'wb') as part:\n"
            "        part.write(bytes(8 * 2**20))\n"
            "time.sleep(600)"
        )
    assert reason == "disk"


FORKS = (
    # Python 3.12 and later warn of forks beside threads, into the output that is read here.
    "import os, time, warnings\nmade = 0\n"
    "warnings.simplefilter('ignore', DeprecationWarning)\n"
    "for _ in range(2000):\n"
    "    try: pid = os.fork()\n"
    "    except OSError: break\n"
    "    if pid == 0: time.sleep(600); os._exit(0)\n"
    "    made += 1\n"
)


@pytest.mark.parametrize("form", BACKENDS)
async def test_a_fork_bomb_stops_at_the_limit_of_its_group(form: str, start: Start) -> None:
    if not can_make_groups():
        pytest.skip("this user may make no control groups")
    async with start(form, limits={"processes": 64}) as kernel:
        made = await kernel.value(FORKS + "print(made)")
        outermost = psutil.Process(kernel.provisioner.pid)
        family = outermost.children(recursive=True)
    assert 0 < made < 64
    assert len(family) >= made
    _gone, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert alive == []


@pytest.mark.parametrize("form", BACKENDS)
async def test_a_fork_bomb_is_ended_by_the_watchdog(form: str, start: Start) -> None:
    async with start(form, limits={"processes": 64}, config=WATCHDOG_ONLY) as kernel:
        outermost = psutil.Process(kernel.provisioner.pid)
        if os.getuid() == 0:
            assert await kernel.death(FORKS + "time.sleep(600)") == "processes"
        else:
            assert await kernel.value(FORKS + "print(made)") < 64
        family = [outermost]
    _gone, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert alive == []


async def test_threads_are_counted(start: Start) -> None:
    code = (
        "import threading\nstop = threading.Event(); made = 0\n"
        "try:\n"
        "    for _ in range(5000): threading.Thread(target=stop.wait).start(); made += 1\n"
        "except (RuntimeError, MemoryError): pass\n"
        "stop.set()\nprint(made)"
    )
    async with start("bubblewrap", limits={"processes": 128, "memory_bytes": 1 * GIB}) as kernel:
        assert await kernel.value(code) < 512
        assert await kernel.value("print(1)") == 1


@pytest.mark.parametrize("form", BACKENDS)
async def test_an_endless_loop_obeys_the_interrupt_and_keeps_its_state(
    form: str, start: Start
) -> None:
    async with start(form) as kernel:
        await kernel.run("kept = 1")
        printed = asyncio.Event()
        loop = kernel.run("print('on', flush=True)\nwhile True: pass", printed=printed)
        running = asyncio.ensure_future(loop)
        await asyncio.wait_for(printed.wait(), DEADLINE)
        await kernel.manager.interrupt_kernel()
        reply = await asyncio.wait_for(running, DEADLINE)
        assert reply.name == "KeyboardInterrupt"
        assert await kernel.value("print(kept)") == 1


@pytest.mark.parametrize("form", BACKENDS)
async def test_a_loop_that_ignores_signals_is_killed_for_its_time(form: str, start: Start) -> None:
    async with start(form) as kernel:
        family = psutil.Process(kernel.provisioner.pid).children(recursive=True)
        kernel.client.execute(
            "import signal\n"
            "for n in range(1, 32):\n"
            "    if n not in (9, 17, 19): signal.signal(n, signal.SIG_IGN)\n"
            "while True: pass"
        )
        await _busy(kernel)
        kernel.provisioner.end_for("time")
        await asyncio.wait_for(kernel.provisioner.wait(), DEADLINE)
        assert kernel.provisioner.death_reason == "time"
    _gone, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert alive == []


async def test_a_kernel_that_ends_itself_is_a_crash(start: Start) -> None:
    async with start("bubblewrap") as kernel:
        assert await kernel.death("import os; os.kill(os.getpid(), 9)") == "crash"
        assert await kernel.provisioner.poll() == 0
    async with start("landlock") as kernel:
        assert await kernel.death("import os; os._exit(3)") == "crash"


async def _busy(kernel: Any) -> None:
    """Return when the kernel says that it runs something."""
    while True:
        message = await asyncio.wait_for(kernel.client.get_iopub_msg(), DEADLINE)
        if message["content"].get("execution_state") == "busy":
            return

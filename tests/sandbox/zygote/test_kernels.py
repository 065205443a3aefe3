"""Kernels forked from the zygote, with a spare and without: every trap of forking, one by one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from analyst_kernel.sandbox.runtime import LONGEST_SOCKET
from analyst_kernel.sandbox.zygote import preload
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.manager import ZygoteManager, close_all, zygote_manager
from tests.sandbox.conftest import DEADLINE, RunningKernel, Start
from tests.support.zygote import discard_spare

PROGRAM = shutil.which("bwrap")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="bubblewrap is not installed")

REPOSITORY = Path(__file__).resolve().parents[3]


def the_manager() -> ZygoteManager:
    assert PROGRAM is not None
    return zygote_manager(sys.executable, PROGRAM)


def forked(kernel: RunningKernel) -> ZygoteKernel:
    started = kernel.provisioner._process
    assert isinstance(started, ZygoteKernel)
    return started


def begin(start: Start, way: str, **keywords: Any) -> AbstractAsyncContextManager[RunningKernel]:
    """Start a kernel from a spare, or from the zygote while there is none."""

    @contextlib.asynccontextmanager
    async def started() -> AsyncIterator[RunningKernel]:
        pool = the_manager().pool
        the_manager().client()
        pool.spares = way == "spare"
        if way == "spare":
            pool.refill()
            assert pool.ready(DEADLINE)
        else:
            discard_spare(pool)
        try:
            async with start("zygote", **keywords) as kernel:
                assert (forked(kernel)._spare_folder is not None) == (way == "spare")
                yield kernel
        finally:
            pool.spares = True

    return started()


@pytest.fixture(params=["fresh", "spare"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_figure_is_a_picture_after_the_fork(way: str, start: Start) -> None:
    async with begin(start, way) as kernel:
        shown = await kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
        implied = await kernel.run("plt.bar(['a'], [1]);")
    for reply in (shown, implied):
        assert [set(item) & {"image/png", "text/plain"} for item in reply.data] == [
            {"image/png", "text/plain"}
        ]


async def test_libraries_are_there_and_work(way: str, start: Start) -> None:
    async with begin(start, way) as kernel:
        loaded = await kernel.value(
            "import json, sys; print(json.dumps([n in sys.modules for n in"
            " ('numpy', 'pandas', 'matplotlib.pyplot', 'duckdb')]))"
        )
        rows = await kernel.value(
            "import duckdb, numpy as np, pandas as pd\n"
            "frame = pd.read_csv('cars.csv'); big = np.random.rand(300, 300)\n"
            "total = duckdb.sql('select sum(a) from frame').fetchall()[0][0]\n"
            "duckdb.close()\n"
            "print(json.dumps([len(frame), total, bool(np.linalg.det(big @ big) is not None)]))"
        )
        threads = await kernel.value(
            "import os; before = set(os.listdir('/proc/self/task'));"
            "np.dot(big, big); print(os.environ['OPENBLAS_NUM_THREADS'])"
        )
        pool = await kernel.value(
            "from concurrent.futures import ProcessPoolExecutor\n"
            "with ProcessPoolExecutor(2) as pool: print(json.dumps(list(pool.map(abs, [-1, 2]))))"
        )
        bang = await kernel.run("!echo $((40+2))")
        awaited = await kernel.run("import asyncio; await asyncio.sleep(0); print('awaited')")
    assert loaded == [True] * 4
    assert rows == [1, 1, True]
    assert threads == (os.cpu_count() or 1)
    assert pool == [1, 2]
    assert bang.text.strip() == "42"
    assert awaited.text == "awaited\n"


async def test_no_two_kernels_draw_the_same_numbers(start: Start) -> None:
    code = (
        "import json, random, numpy as np; print(json.dumps([random.random(), np.random.rand()]))"
    )
    drawn = []
    for way in ("fresh", "fresh", "spare", "spare"):
        async with begin(start, way) as kernel:
            drawn += await kernel.value(code)
    assert len(set(drawn)) == 8


async def test_who_and_where_it_is(way: str, start: Start, work: Path) -> None:
    async with begin(start, way) as kernel:
        seen = await kernel.value(
            "import json, os, sys\n"
            "try: first = open('/proc/1/environ').read()\n"
            "except PermissionError: first = 'refused'\n"
            "ip = get_ipython()\n"
            "print(json.dumps({'cwd': os.getcwd(), 'argv': sys.argv, 'pid': os.getpid(),"
            " 'python': sys.executable, 'pwd': os.environ['PWD'], 'first': first,"
            " 'out': os.path.abspath(OUTPUT_DIR), 'history': ip.history_manager.enabled,"
            " 'session': __session__, 'main': __name__, 'path': sys.path[0],"
            " 'parent': os.getppid(), 'caps': [l for l in open('/proc/self/status')"
            " if l.startswith(('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp:'))],"
            " 'ours': [n for n in sys.modules if n.startswith('analyst_kernel')]}))"
        )
        path = str(kernel.provisioner.connection_info["ip"])
    assert seen["cwd"] == seen["pwd"] == str(work)
    assert seen["argv"][0].endswith("ipykernel_launcher.py")
    assert seen["python"] == sys.executable
    assert (seen["pid"], seen["parent"]) == (2, 1)
    assert seen["first"] == "refused"
    assert seen["out"] == str(work / "mileage_files")
    assert seen["history"] is False
    assert seen["session"] == str(work / "mileage.ipynb")
    assert seen["main"] == "__main__"
    assert seen["ours"] == []
    assert [line.split()[1] for line in seen["caps"]] == ["0" * 16, "0" * 16, "1", "2"]
    assert len(f"{path}-65535") < LONGEST_SOCKET


async def test_the_key_of_the_connection_lies_in_no_file(way: str, start: Start) -> None:
    async with begin(start, way) as kernel:
        key = kernel.provisioner.connection_info["key"]
        folder = os.path.dirname(os.path.dirname(str(kernel.provisioner.connection_info["ip"])))
        found = await kernel.value(
            "import json, os\nseen = []\n"
            "for top in (os.path.dirname(F), '/tmp', '/run', '/dev/shm'):\n"
            "    for here, _, names in os.walk(top):\n"
            "        seen += [os.path.join(here, n) for n in names if n.endswith('.json')]\n"
            "print(json.dumps(seen))".replace("F", repr(folder))
        )
    assert key
    # Package and environment are shown to kernels; a checkout or a venv may lie under /tmp.
    shown = (f"{REPOSITORY}/", f"{sys.prefix}/")
    assert [path for path in found if not path.startswith(shown)] == []


async def test_an_exit_code_is_the_real_one_and_nothing_is_left(way: str, start: Start) -> None:
    async with begin(start, way) as kernel:
        kernel.client.execute("import os; os._exit(3)")
        assert await kernel.provisioner.wait() == 3
        assert kernel.provisioner.death_reason == "crash"
    async with begin(start, way) as kernel:
        kernel.client.execute("import os; os.kill(os.getpid(), 11)")
        assert await kernel.provisioner.wait() == -11
    zygote = psutil.Process(the_manager().client().pid)
    assert [p for p in zygote.children(recursive=True) if p.status() == "zombie"] == []


async def test_a_quota_below_what_the_shell_already_holds(way: str, start: Start) -> None:
    async with begin(start, way, limits={"memory_bytes": "256M"}) as kernel:
        await kernel.run("kept = 42")
        held = await kernel.value(
            "print([int(l.split()[1]) for l in open('/proc/self/status') if 'VmData' in l][0])"
        )
        greedy = await kernel.run("hoard = []\nwhile True: hoard.append(bytearray(2**26))")
        assert held * 1024 > 192 * 2**20
        assert greedy.name == "MemoryError"
        assert await kernel.value("hoard = None; print(kept)") == 42


async def test_two_kernels_do_not_meet(start: Start) -> None:
    leave = (
        "import json, os, subprocess\n"
        "from multiprocessing import shared_memory\n"
        "memory = shared_memory.SharedMemory('meet', create=True, size=64)\n"
        "open('/dev/shm/mine', 'w').write('SECRET'); open('/tmp/mine', 'w').write('SECRET')\n"
        "master, slave = os.openpty(); tail = subprocess.Popen(['sleep', '600'])\n"
        "print(json.dumps([os.ttyname(slave), tail.pid, os.readlink('/proc/self/ns/ipc')]))"
    )
    look = (
        "import ctypes, json, os\nlibc = ctypes.CDLL(None, use_errno=True)\nseen = []\n"
        "files = os.listdir('/dev/shm') + os.listdir('/tmp')\n"
        "seen += [n for n in files if n in ('mine', 'meet')]\n"
        "seen += [n for n in os.listdir('/dev/pts') if n != 'ptmx']\n"
        "pids = [int(n) for n in os.listdir('/proc') if n.isdigit()]\n"
        "seen += [p for p in pids if p not in (1, os.getpid())]\n"
        "for pid in {1, 3, PID, PID + 1} - {int(n) for n in os.listdir('/proc/self/task')}:\n"
        "    seen += ['prlimit'] if libc.prlimit(pid, 0, b'\\0' * 16, None) == 0 else []\n"
        "    own = str(pid) in os.listdir('/proc/1/task')  # the first process of this container\n"
        "    seen += ['affinity'] if not own and libc.sched_setaffinity(pid, 8, b'\\1' * 8) == 0"
        " else []\n"
        "seen += [l for l in open('/proc/net/unix') if 'ak-' in l and OWN not in l]\n"
        "print(json.dumps([seen, os.readlink('/proc/self/ns/ipc')]))"
    )
    async with begin(start, "fresh") as first, begin(start, "spare") as second:
        terminal, pid, namespace = await first.value(leave)
        own = json.dumps(forked(second)._spare_folder)
        seen, other = await second.value(look.replace("PID", str(pid)).replace("OWN", own))
        assert terminal == "/dev/pts/0"
        assert seen == []
        assert other != namespace
        assert (await first.run("print(open('/dev/shm/mine').read())")).text == "SECRET\n"


async def test_interrupt_and_restart(way: str, start: Start) -> None:
    async with begin(start, way) as kernel:
        await kernel.run("kept = 1")
        family = psutil.Process(kernel.provisioner.pid)
        printed = asyncio.Event()
        code = "print('on', flush=True)\nimport time; time.sleep(600)"
        running = asyncio.ensure_future(kernel.run(code, printed=printed))
        await asyncio.wait_for(printed.wait(), DEADLINE)
        await kernel.manager.interrupt_kernel()
        assert (await running).name == "KeyboardInterrupt"
        assert await kernel.value("print(kept)") == 1
        address = kernel.provisioner.connection_info
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        assert kernel.provisioner.connection_info == address
        assert (await kernel.run("kept")).name == "NameError"
        assert not family.is_running()


async def test_an_interrupt_reaches_a_cell_whose_signal_another_thread_took(
    way: str, start: Start
) -> None:
    async with begin(start, way) as kernel:
        printed = asyncio.Event()
        code = """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print('on', flush=True)
time.sleep(600)
"""
        running = asyncio.ensure_future(kernel.run(code, printed=printed))
        await asyncio.wait_for(printed.wait(), DEADLINE)
        await kernel.manager.interrupt_kernel()
        assert (await running).name == "KeyboardInterrupt"
        # What it is woken by afterwards means nothing.
        assert (await kernel.run("time.sleep(0.5); print('whole')")).text == "whole\n"


async def test_the_zygote_holds_nothing_of_anybodys(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "SECRET-OF-THE-SERVER")
    close_all()
    async with start("zygote"):
        outer = psutil.Process(the_manager().client().pid)
        family = outer.children(recursive=True)
        assert len(family) > 4
        for process in (outer, *family):
            assert b"SECRET" not in Path(f"/proc/{process.pid}/environ").read_bytes()
        # The mounter alone has the host's tree; the zygote and the containers never do.
        trees = [p for p in family if Path(f"/proc/{p.pid}/root/.host").is_dir()]
        assert {p.name() for p in family[3:]} == {family[3].name()}
        zygote = next(p for p in family if len(p.children()) > 1)
        assert zygote not in trees
        # Its threads are those that a fork does not harm.
        assert {
            Path(f"/proc/{zygote.pid}/task/{t.id}/comm").read_text().strip()
            for t in zygote.threads()
            if t.id != zygote.pid
        } <= set(preload.HARMLESS_THREADS)


async def test_a_message_to_an_ended_kernel_does_not_reach_the_next(start: Start) -> None:
    async with start("zygote") as kernel:
        for _ in range(5):
            kernel.client.execute("import os; os._exit(3)")
            async with asyncio.timeout(DEADLINE):
                while await kernel.provisioner.poll() is None:
                    await asyncio.sleep(0.01)
            await kernel.manager.interrupt_kernel()
            control = kernel.manager._control_socket
            await kernel.provisioner.kill(restart=True)
            assert control.linger == 0, "it would still be sent when the socket is closed"
            await kernel.manager.restart_kernel(now=True)
            assert not (await kernel.run("import time; time.sleep(0.3)")).name

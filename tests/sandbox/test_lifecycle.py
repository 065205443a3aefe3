"""Start, restart, interrupt, shutdown, crash: what stays and what is gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from analyst_kernel.sandbox import runtime
from analyst_kernel.sandbox.shared import shared_resources
from tests.sandbox.conftest import DEADLINE, RunningKernel, Start, until

pytestmark = pytest.mark.real  # kernels, started by servers that are killed

BACKENDS = ["bubblewrap", "landlock"]
OUTLIVER = (
    "import subprocess, sys\n"
    "sleeper = subprocess.Popen(['sleep', '7200'], start_new_session=True)\n"
    "print(sleeper.pid)"
)


GENERATIONS = (
    "import subprocess\n"
    "line = 'sleep 7200 & (sleep 7200 & sleep 7200) & wait'\n"
    "many = [subprocess.Popen(['sh', '-c', line], start_new_session=True) for _ in range(20)]"
)


def family_of(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def still_alive(family: list[psutil.Process]) -> list[psutil.Process]:
    _gone, alive = psutil.wait_procs(family, timeout=DEADLINE)
    return alive


@pytest.mark.parametrize("form", [*BACKENDS, "limits"])
async def test_a_shutdown_leaves_nothing(form: str, start: Start, work: Path) -> None:
    before = sorted(os.listdir(shared_resources().runtime.path))
    descriptors = None
    for _round in range(3):
        async with start(form, require="limits") as kernel:
            await kernel.value(OUTLIVER)
            family = family_of(kernel.provisioner.pid)
            assert "sleep" in {process.name() for process in family}
            assert (work / "mileage_files").is_dir()
        assert still_alive(family) == []
        # On a busy machine the folder of the sockets may be removed a moment after the shutdown.
        await until(lambda: sorted(os.listdir(shared_resources().runtime.path)) == before)
        assert not (work / "mileage_files").exists()
        count = len(os.listdir("/proc/self/fd"))
        assert descriptors is None or count <= descriptors
        descriptors = count
        assert kernel.provisioner.death_reason is None


@pytest.mark.parametrize("form", BACKENDS)
async def test_a_polite_shutdown_ends_outlivers_too(form: str, start: Start) -> None:
    async with start(form) as kernel:
        await kernel.value(OUTLIVER)
        await kernel.run("open(OUTPUT_DIR / 'kept.txt', 'w').write('x')")
        family = family_of(kernel.provisioner.pid)
        output = Path(kernel.provisioner.output_dir)
        await kernel.manager.shutdown_kernel()
    assert still_alive(family) == []
    assert (output / "kept.txt").exists()


async def signal_to_end(kernel: RunningKernel) -> list[psutil.Process]:
    """Start generations of processes; tell their supervisor to end until it has; who still lives.

    The threads of a server that is killed tell it one after the other.
    """
    assert not (await kernel.run(GENERATIONS)).error
    async with asyncio.timeout(DEADLINE):
        while len(family := family_of(kernel.provisioner.pid)) < 80:
            await asyncio.sleep(0.05)
    with contextlib.suppress(psutil.NoSuchProcess):
        while family[0].status() != psutil.STATUS_ZOMBIE:
            family[0].terminate()
            await asyncio.sleep(0)
    return still_alive(family[1:])


@pytest.mark.parametrize("form", ["landlock", "limits"])
async def test_many_signals_to_end_still_end_all_generations(form: str, start: Start) -> None:
    async with start(form, require="limits") as kernel:
        assert await signal_to_end(kernel) == []


@pytest.mark.parametrize("form", BACKENDS)
async def test_a_crash_leaves_no_process(form: str, start: Start) -> None:
    async with start(form) as kernel:
        await kernel.value(OUTLIVER)
        family = family_of(kernel.provisioner.pid)
        assert await kernel.death("import os; os.kill(os.getpid(), 9)") == "crash"
        assert still_alive(family) == []


@pytest.mark.parametrize("form", BACKENDS)
async def test_a_restart_gives_an_empty_kernel_on_the_same_sockets(
    form: str, start: Start, work: Path
) -> None:
    async with start(form) as kernel:
        await kernel.run("kept = 1")
        family = family_of(kernel.provisioner.pid)
        address = kernel.provisioner.connection_info["ip"]
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        assert still_alive(family) == []
        assert kernel.provisioner.connection_info["ip"] == address
        assert (await kernel.run("kept")).name == "NameError"
        assert not (await kernel.run("open('cars.csv').read()")).error
        # A grant that came later is there after the restart.
        extra = work / "extra.csv"
        extra.write_text("a\n")
        grants = [str(work / "cars.csv"), str(extra)]
        await kernel.manager.restart_kernel(now=True, grants=grants)
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        assert not (await kernel.run("open('extra.csv').read()")).error
        assert (await kernel.run("open('data/part.csv').read()")).error
        assert kernel.provisioner.death_reason is None


async def test_a_replaced_file_is_never_silently_stale(start: Start, work: Path) -> None:
    async with start("bubblewrap") as kernel:
        assert kernel.provisioner.stale_grants() == ()
        for name in ("cars.csv", "data/part.csv"):
            new = work / "new.csv"
            new.write_text("fresh")
            new.replace(work / name)
        # In a folder the new file is simply there; a single file's grant is reported stale.
        assert (await kernel.run("print(open('data/part.csv').read())")).text == "fresh\n"
        assert kernel.provisioner.stale_grants() == (str(work / "cars.csv"),)
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        assert (await kernel.run("print(open('cars.csv').read())")).text == "fresh\n"
        assert kernel.provisioner.stale_grants() == ()


DOOMED = """
import asyncio, json, os, sys
from pathlib import Path
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
import psutil
from analyst_kernel.sandbox.shared import shared_resources

async def main(backend, folder, specs):
    manager = AsyncKernelManager(
        kernel_name="analyst", kernel_spec_manager=KernelSpecManager(kernel_dirs=[specs]))
    await manager.start_kernel(form=backend, cwd=folder, grants=[], require="limits")
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=120)
    await client.execute_interactive(OUTLIVER, timeout=120, output_hook=lambda message: None)
    client.execute("while True: pass")
    family = [p.pid for p in psutil.Process().children(recursive=True)]
    print(json.dumps({"family": family, "folder": shared_resources().runtime.path}), flush=True)
    sys.stdin.read()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("form", [*BACKENDS, "limits"])
def test_a_killed_server_leaves_no_process_and_its_folder_is_swept(
    form: str, work: Path, kernelspecs: KernelSpecManager
) -> None:
    code = f"OUTLIVER = {OUTLIVER!r}\n{DOOMED}"
    command = [sys.executable, "-c", code, form, str(work), kernelspecs.kernel_dirs[0]]
    # A folder of its own: any other server of this machine would sweep it in the common one.
    parent = tempfile.mkdtemp(prefix="d", dir="/tmp")
    environment = os.environ | {"TMPDIR": parent}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as server:
        assert server.stdout is not None
        printed = json.loads(server.stdout.readline())
        # Helpers of the start may have ended since they were printed.
        family = [psutil.Process(pid) for pid in printed["family"] if psutil.pid_exists(pid)]
        assert "sleep" in {process.name() for process in family}
        server.send_signal(signal.SIGKILL)
    assert still_alive(family) == []
    folder = Path(printed["folder"])
    assert folder.is_dir()
    assert runtime.sweep(parent) == [str(folder)]
    os.rmdir(parent)
    # The next server's own folder survives the sweep.
    assert Path(shared_resources().runtime.path).is_dir()


THREADED = """
import sys, threading
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

specs = KernelSpecManager(kernel_dirs=[sys.argv[2]])
manager = KernelManager(kernel_name="analyst", kernel_spec_manager=specs)
starter = threading.Thread(target=lambda: manager.start_kernel(cwd=sys.argv[1], grants=[]))
starter.start()
starter.join()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=120)
client.execute_interactive("print(6*7)", timeout=120)
client.stop_channels()
manager.shutdown_kernel(now=True)
print("level", manager.provisioner.sandbox_report.level)
"""


def test_a_kernel_outlives_the_thread_that_started_it(
    kernelspecs: KernelSpecManager, work: Path
) -> None:
    """The blocking manager, too: it drives the provisioner from event loops of its own."""
    command = [sys.executable, "-c", THREADED, str(work), kernelspecs.kernel_dirs[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.stdout == "42\nlevel isolated\n", done.stderr


async def test_two_kernels_see_nothing_of_each_other(start: Start, work: Path) -> None:
    for form in BACKENDS:
        async with start(form) as one:
            other = shutil.copytree(work, work.parent / f"other-{form}", symlinks=True)
            environment = os.environ | {"JPY_SESSION_NAME": str(other / "b.ipynb")}
            async with start(form, grants=[], env=environment) as two:
                await one.run("open(OUTPUT_DIR / 'own', 'w').write('SECRET')")
                for path in (one.provisioner.output_dir, str(work / "cars.csv")):
                    reply = await two.run(f"import os; os.listdir({path!r}) or open({path!r})")
                    assert reply.error
                sockets = os.path.dirname(str(one.provisioner.connection_info["ip"]))
                reply = await two.run(f"import os; os.listdir({sockets!r})")
                assert reply.error

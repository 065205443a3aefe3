"""Forked kernels where namespaces of their own cannot be made: Landlock and seccomp alone.

Once inside a bubblewrap that refuses capabilities, once without any bubblewrap.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import psutil
import pytest
from traitlets.config import Config

from analyst_kernel.protocol.errors import GrantFailed, SandboxError
from analyst_kernel.sandbox.linux import landlock
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.live_grants import LiveGrantKernel
from tests.sandbox import attacks
from tests.sandbox.conftest import DEADLINE, Start
from tests.sandbox.test_escapes import targets
from tests.sandbox.test_lifecycle import OUTLIVER, signal_to_end, still_alive

__all__ = ["targets"]

pytestmark = pytest.mark.skipif(landlock.abi() < 1, reason="this kernel has no Landlock")


@pytest.fixture(params=["shared", "bare"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A bubblewrap that keeps no capability, or none."""
    if request.param == "bare":
        return Config({"AnalystProvisioner": {"bubblewrap": ""}})
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    refusing = tmp_path / "bwrap"
    refusing.write_text(
        "#!/bin/sh\nfor word; do\n"
        '[ "$word" = --cap-add ] && { echo "no capabilities" >&2; exit 1; }\n'
        'done\nexec bwrap "$@"\n'
    )
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    return Config({"AnalystProvisioner": {"bubblewrap": str(refusing)}})


async def test_every_way_out_is_closed_and_the_backend_is_reported(
    config: Config, start: Start, targets: dict[str, Any], work: Path
) -> None:
    async with start("", config=config) as kernel:
        provisioner = kernel.provisioner
        started = provisioner._process
        assert isinstance(started, ZygoteKernel)
        assert not isinstance(started, LiveGrantKernel)
        targets |= {"runtime": provisioner.connection_info["ip"], "mounts": False}
        targets["enclosed"] = True
        found = await kernel.value(f"TARGETS = {json.dumps(targets)!r}\n{attacks.CODE}")
        report = provisioner.sandbox_report
    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 100
    assert report is not None
    assert (report.level, report.form) == ("restricted", "landlock")
    assert [probe.name for probe in report.probes if not probe.closed] == []
    assert any("Landlock and seccomp" in note for note in report.notes)
    assert (work / "cars.csv").read_text() == "a,b\n1,2\n"


async def test_two_kernels_do_not_meet(config: Config, start: Start, work: Path) -> None:
    async with start("", config=config) as one:
        other = shutil.copytree(work, work.parent / "other", symlinks=True)
        environment = os.environ | {"JPY_SESSION_NAME": str(other / "b.ipynb")}
        async with start("", config=config, grants=[], env=environment) as two:
            pid = await one.value(
                "import os; open(OUTPUT_DIR / 'own', 'w').write('SECRET'); print(os.getpid())"
            )
            sockets = os.path.dirname(str(one.provisioner.connection_info["ip"]))
            refused = await two.value(
                "import ctypes, json, os\nlibc = ctypes.CDLL(None); seen = []\n"
                f"for path in {[one.provisioner.output_dir, str(work / 'cars.csv'), sockets]!r}:\n"
                "    try: seen.append(os.listdir(path) if os.path.isdir(path) else open(path))\n"
                "    except OSError: pass\n"
                "try: open('/dev/shm/mine', 'w'); seen.append('shm')\n"
                "except OSError: pass\n"
                f"try: os.kill({pid}, 0); seen.append('signal')\n"
                "except OSError: pass\n"
                f"if libc.prlimit({pid}, 0, b'\\0' * 16, None) == 0: seen.append('prlimit')\n"
                "print(json.dumps([str(item) for item in seen]))"
            )
    assert refused == []


async def test_nothing_outlives_a_kernel(config: Config, start: Start) -> None:
    async with start("", config=config) as kernel:
        await kernel.value(OUTLIVER)
        family = psutil.Process(kernel.provisioner.pid).children(recursive=True)
        assert "sleep" in {process.name() for process in family}
    assert still_alive(family) == []
    async with start("", config=config) as kernel:
        await kernel.value(OUTLIVER)
        family = psutil.Process(kernel.provisioner.pid).children(recursive=True)
        kernel.client.execute("import os; os._exit(3)")
        assert await kernel.provisioner.wait() == 3
        assert kernel.provisioner.death_reason == "crash"
        assert still_alive(family) == []
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        chart = await kernel.run("import matplotlib.pyplot as plt; plt.plot([1]); plt.show()")
        assert "image/png" in chart.data[0]


async def test_many_signals_to_end_still_end_all_generations(config: Config, start: Start) -> None:
    async with start("", config=config) as kernel:
        assert await signal_to_end(kernel) == []


async def test_data_cannot_be_added(config: Config, start: Start, work: Path) -> None:
    async with start("", config=config, grants=[]) as kernel:
        with pytest.raises(GrantFailed, match="restart"):
            await kernel.provisioner.grant([str(work / "cars.csv")])


async def test_the_level_isolated_does_not_take_it(
    config: Config, start: Start, request: pytest.FixtureRequest
) -> None:
    if "bare" in request.node.name:
        with pytest.raises(SandboxError):
            async with start("", config=config, require="isolated"):
                pass
        return
    async with start("", config=config, require="isolated") as kernel:
        report = kernel.provisioner.sandbox_report
        assert report is not None
        assert (report.level, report.form) == ("isolated", "bubblewrap")

"""Many lives of forked kernels leave no descriptor, process or file behind.

``ANALYST_LIVES`` sets how many; ``make bench`` asks for a thousand.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from analyst_kernel.sandbox.shared import shared_resources
from analyst_kernel.sandbox.zygote.manager import ZygoteManager, zygote_manager
from tests.sandbox.conftest import DEADLINE, Start

PROGRAM = shutil.which("bwrap")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="bubblewrap is not installed")

LIVES = int(os.environ.get("ANALYST_LIVES", "60"))
ASKED = 50
"""One life in so many is also asked something over the wire."""


def state(zygote: ZygoteManager) -> dict[str, int]:
    """What a leak would make grow."""
    gc.collect()
    outer = psutil.Process(zygote.client().pid)
    family = outer.children(recursive=True)
    return {
        "descriptors here": len(os.listdir("/proc/self/fd")),
        "descriptors of the zygote": sum(process.num_fds() for process in family[:3]),
        "processes": len(family),
        "files": sum(len(names) for _, _, names in os.walk(shared_resources().runtime.path)),
    }


async def test_kernels_leave_nothing_behind(
    kernelspecs: KernelSpecManager, start: Start, work: Path
) -> None:
    assert PROGRAM is not None
    zygote = zygote_manager(sys.executable, PROGRAM)
    environment = os.environ | {"JPY_SESSION_NAME": str(work / "mileage.ipynb")}

    async def life(number: int) -> None:
        if number % ASKED == 0:
            async with start("zygote") as kernel:
                assert await kernel.value(f"print({number})") == number
            return
        manager = AsyncKernelManager(kernel_name="analyst", kernel_spec_manager=kernelspecs)
        await manager.start_kernel(
            form="zygote", cwd=str(work), env=environment, grants=[str(work / "cars.csv")]
        )
        assert await manager.is_alive()
        await manager.shutdown_kernel(now=True)
        manager.context.destroy(linger=0)

    for number in range(5):
        await life(number)
    assert zygote.pool.ready(DEADLINE)
    before = state(zygote)
    for number in range(LIVES):
        await life(number)
    assert zygote.pool.ready(DEADLINE)
    deadline = time.monotonic() + DEADLINE
    while (after := state(zygote)) != before and time.monotonic() < deadline:
        if all(after[name] <= before[name] for name in before):
            break
        await asyncio.sleep(0.1)
    assert all(after[name] <= before[name] for name in before), (before, after)

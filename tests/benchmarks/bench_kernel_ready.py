"""How long until a kernel answers: isolated, probed and imported, beside a plain one.

Request to the reply of ``kernel_info``, then to the first ``describe()``, through the provisioner,
with a spare and without; then start/stop cycles with what grows. Run as a script, or by pytest.
``ANALYST_BENCH_ROUNDS`` and ``ANALYST_BENCH_CYCLES`` set how often. Only ratios are asserted.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from analyst_kernel.sandbox.shared import shared_resources
from analyst_kernel.sandbox.zygote.manager import ZygoteManager, zygote_manager
from tests.support.zygote import discard_spare

KERNELSPEC = Path(__file__).parents[2] / "analyst_kernel" / "sandbox" / "kernelspec"
BUDGET_SPARE, BUDGET_FORKED, BUDGET_RATIO = 15.0, 60.0, 0.1
IMPORTS = "import numpy, pandas, matplotlib.pyplot, duckdb"
DESCRIBE = "import pandas as pd; pd.DataFrame({'a': range(100), 'b': range(100)}).describe()"
DEADLINE = 120.0


class Specs(KernelSpecManager):
    """Our kernelspec, and a plain one that starts with the same interpreter."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return ``plain`` made here, and others from the folder."""
        if kernel_name != "plain":
            return super().get_kernel_spec(kernel_name)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--quiet"]
        return KernelSpec(argv=argv, display_name="Plain", language="python")


async def reply_to(client: Any, message: str) -> None:
    """Wait for the reply to one request, and nothing else."""
    while True:
        reply = await client.get_shell_msg(timeout=DEADLINE)
        if reply["parent_header"].get("msg_id") == message:
            return


async def begin(manager: AsyncKernelManager, **keywords: Any) -> None:
    """Every step of ``start_kernel``, but not the 10 ms that jupyter_client sleeps after them."""
    command, rest = await manager._async_pre_start_kernel(**keywords)
    await manager._async_launch_kernel(command, **rest)
    await manager._async_post_start_kernel(**rest)


async def measured(
    specs: KernelSpecManager, name: str, *, whole: bool = False, **keywords: Any
) -> tuple[float, float]:
    """Milliseconds to the reply of ``kernel_info`` and to the first ``describe()``."""
    manager = AsyncKernelManager(kernel_name=name, kernel_spec_manager=specs)
    begun = time.perf_counter()
    await (manager.start_kernel(**keywords) if whole else begin(manager, **keywords))
    client = manager.client()
    client.start_channels(hb=False)
    try:
        if name == "plain":
            await reply_to(client, client.execute(IMPORTS))
        await reply_to(client, client.kernel_info())
        ready = time.perf_counter()
        await reply_to(client, client.execute(DESCRIBE))
        described = time.perf_counter()
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        client.context.destroy(linger=0)
    return (ready - begun) * 1000, (described - begun) * 1000


def state(zygote: ZygoteManager) -> dict[str, int]:
    """What could grow."""
    outer = psutil.Process(zygote.client().pid)
    inside = [outer, *outer.children(recursive=True)]
    gc.collect()
    return {
        "descriptors here": len(os.listdir("/proc/self/fd")),
        "descriptors of the zygote": sum(process.num_fds() for process in inside),
        "processes": len(inside),
        "zombies": sum(process.status() == "zombie" for process in inside),
        "runtime files": sum(
            len(names) for _, _, names in os.walk(shared_resources().runtime.path)
        ),
        "memory of the zygote, MB": sum(p.memory_info().rss for p in inside) // 2**20,
        "memory here, MB": psutil.Process().memory_info().rss // 2**20,
    }


def line(name: str, pairs: list[tuple[float, float]]) -> float:
    """Print one row; returns the median to ``kernel_info``."""
    columns = []
    for values in zip(*pairs, strict=True):
        low, middle, high = min(values), statistics.median(values), max(values)
        columns.append(f"{low:7.1f} /{middle:7.1f} /{high:7.1f}")
    print(f"{name:38} {columns[0]}   {columns[1]}")
    return statistics.median(pair[0] for pair in pairs)


async def deps(rounds: int, cycles: int) -> dict[str, float]:
    """Measure everything; returns medians in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(KERNELSPEC, Path(folder) / "kernels" / "analyst")
        specs = Specs(kernel_dirs=[str(Path(folder) / "kernels")])
        data = Path(folder) / "work" / "data.csv"
        data.parent.mkdir()
        data.write_text("a,b\n1,2\n")
        ours: dict[str, Any] = {"form": "zygote", "cwd": str(data.parent), "grants": [str(data)]}
        program = shutil.which("bwrap")
        assert program is not None, "bubblewrap is not installed"
        zygote = zygote_manager(sys.executable, program)
        print(f"\n{'ms: min / median / max':38} {'kernel_info':>25}   {'first describe()':>25}")
        first = await measured(specs, "analyst", **ours)
        line("first kernel, zygote boots", [first])
        medians = {}
        plain = [await measured(specs, "plain") for _ in range(max(3, rounds // 3))]
        medians["plain"] = line("plain ipykernel, same imports", plain)
        for name, spare, whole in (
            ("spare", True, False),
            ("spare, with jupyter_client's 10 ms", True, True),
            ("forked", False, False),
        ):
            zygote.pool.spares = spare
            discard_spare(zygote.pool)
            pairs = []
            for _ in range(rounds):
                zygote.pool.refill()
                assert await asyncio.to_thread(zygote.pool.ready, DEADLINE)
                pairs.append(await measured(specs, "analyst", whole=whole, **ours))
            medians[name] = line(name, pairs)
        zygote.pool.spares = True
        zygote.pool.refill()
        if cycles:
            await grow(specs, zygote, ours, cycles)
        return medians


async def grow(
    specs: KernelSpecManager, zygote: ZygoteManager, ours: dict[str, Any], cycles: int
) -> None:
    """Start and stop kernels; print what there is before and after."""
    for _ in range(5):
        await measured(specs, "analyst", **ours)
    await asyncio.to_thread(zygote.pool.ready, DEADLINE)
    before = state(zygote)
    for _ in range(cycles):
        await measured(specs, "analyst", **ours)
    await asyncio.to_thread(zygote.pool.ready, DEADLINE)
    await asyncio.sleep(1.0)
    after = state(zygote)
    print(f"\n{cycles} start/stop cycles")
    for name, value in before.items():
        print(f"  {name:28} {value:6} -> {after[name]:6}")
        # The allocator keeps what it had: memory may rise a little, and then stay.
        assert after[name] <= value + (20 if "memory" in name else 0), name


def judge(medians: dict[str, float]) -> None:
    """Print the budgets; assert the ratio."""
    for name, budget in (("spare", BUDGET_SPARE), ("forked", BUDGET_FORKED)):
        told = "within" if medians[name] <= budget else "over"
        ratio = medians[name] / medians["plain"]
        print(f"{name}: {medians[name]:.1f} ms, {told} {budget:g} ms; {ratio:.3f} of plain")
    assert medians["spare"] <= BUDGET_RATIO * medians["plain"]
    assert medians["forked"] <= BUDGET_RATIO * medians["plain"]


def test_kernel_ready() -> None:
    rounds = int(os.environ.get("ANALYST_BENCH_ROUNDS", "20"))
    cycles = int(os.environ.get("ANALYST_BENCH_CYCLES", "200"))
    judge(asyncio.run(deps(rounds, cycles)))


if __name__ == "__main__":
    test_kernel_ready()

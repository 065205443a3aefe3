"""What one kernel leaves in its folder costs the watchdog little, so it sees the other one too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from analyst_kernel._trees import remove_tree
from analyst_kernel.sandbox.policy import MIB
from analyst_kernel.sandbox.shared import shared_resources
from analyst_kernel.sandbox.watchdog import Watchdog
from tests.sandbox.conftest import Start

WATCHDOG_ONLY = Config({"AnalystProvisioner": {"cgroup": False}})
FILLED = {"output_bytes": 8 * MIB}
SMALL = {"memory_bytes": 640 * MIB}

FILL = {
    "many names in one folder": "for n in range(60_000): open(f'{n}', 'w').close()",
    "long names": "for n in range(12_000): open(f'{n:0250}', 'w').close()",
    "folders that cannot be listed": (
        "for n in range(12):\n"
        "    os.mkdir(f'{n}')\n"
        "    for m in range(1000): open(f'{n}/{m}', 'w').close()\n"
        "    os.chmod(f'{n}', 0)"
    ),
    "folders": (
        "for n in range(60):\n"
        "    os.mkdir(f'{n}')\n"
        "    for m in range(200): os.mkdir(f'{n}/{m}')"
    ),
    "links": "for n in range(12_000): os.symlink('x', f'{n}')",
    "a deep tree": "for _ in range(1500): os.mkdir('d' * 50); os.chdir('d' * 50)",
    "a deep tree that cannot be listed": (
        "for _ in range(1500): os.mkdir('d' * 50); os.chdir('d' * 50); os.chmod('.', 0o300)"
    ),
    "open files without names": (
        "kept = [open(os.open('.', os.O_TMPFILE | os.O_RDWR), 'wb') for _ in range(900)]\n"
        "for file in kept: file.write(bytes(65536)); file.flush()"
    ),
}  # fmt: skip

HOG = (
    "import mmap, time\nblocks = []\n"
    "for _ in range(64):\n"
    "    block = mmap.mmap(-1, 64 * 1024 * 1024); blocks.append(block)\n"
    "    for at in range(0, len(block), 4096): block[at] = 1\n"
    "time.sleep(600)"
)


@pytest.fixture(autouse=True)
def nothing_deep_stays(tmp_path: Path) -> Iterator[None]:
    """Remove what cells made: pytest removes old folders with a function that calls itself."""
    yield
    for folder in tmp_path.iterdir():
        remove_tree(folder)


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of the processor that each check of one kernel took."""
    taken: list[float] = []
    check = Watchdog._check

    def timed(self: Watchdog, *given: Any) -> None:
        began = time.thread_time()
        check(self, *given)
        taken.append(time.thread_time() - began)

    monkeypatch.setattr(Watchdog, "_check", timed)
    return taken


@pytest.mark.parametrize("kind", [*FILL])
async def test_a_full_folder_of_one_kernel_hides_nothing_of_another(
    kind: str, start: Start, longest: list[float], tmp_path: Path
) -> None:
    fill = f"import os, time\nos.chdir(OUTPUT_DIR)\n{FILL[kind]}\ntime.sleep(600)"
    async with (
        start(limits=FILLED, config=WATCHDOG_ONLY) as filled,
        start(
            limits=SMALL,
            config=WATCHDOG_ONLY,
            cwd=str(tmp_path / "work" / "data"),
            env={"JPY_SESSION_NAME": "b.ipynb"},
            grants=[],
        ) as other,
    ):
        ends = await asyncio.gather(filled.death(fill), other.death(HOG))
    assert ends == ["disk", "memory"]
    assert max(longest) < 1.0


async def test_a_folder_that_takes_many_checks_leaves_each_kernel_its_own(
    start: Start, longest: list[float], tmp_path: Path
) -> None:
    fill = f"import os\nos.chdir(OUTPUT_DIR)\n{FILL['many names in one folder']}"
    async with (
        start(config=WATCHDOG_ONLY) as filled,
        start(
            limits=SMALL,
            config=WATCHDOG_ONLY,
            cwd=str(tmp_path / "work" / "data"),
            env={"JPY_SESSION_NAME": "b.ipynb"},
            grants=[],
        ) as other,
    ):
        await filled.value(f"{fill}\nprint(1)")
        before = shared_resources().watchdog._checks
        assert await other.death(HOG) == "memory"
        assert shared_resources().watchdog._checks > before
        # It is within its limit, and goes on.
        assert await filled.value("print(len(os.listdir('.')))") == 60_000
        assert filled.provisioner.death_reason is None
    assert max(longest) < 1.0

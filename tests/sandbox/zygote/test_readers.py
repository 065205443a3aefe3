"""Readers are forked from a zygote of their own, which kernels do not notice and may be lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.sandbox.zygote.manager import ZygoteManager, close_all, zygote_manager
from tests.sandbox.conftest import DEADLINE, Start

PROGRAM = shutil.which("bwrap")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="bubblewrap is not installed")


@pytest.fixture
def manager() -> Iterator[ZygoteManager]:
    assert PROGRAM is not None
    close_all()
    found = zygote_manager(sys.executable, PROGRAM)
    found.pool.spares = False
    found.client()
    assert found.pool.ready(DEADLINE)
    yield found
    close_all()  # a zygote that a test killed is waited for here, not by some later test


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    return str(path)


async def read(path: str) -> str:
    """Read a file, and return how its reader was started."""
    reader = FileReader(require="isolated")
    assert (await reader.find(path)).rows == 2
    assert reader.sandbox_report is not None
    return reader.sandbox_report.form


def family(manager: ZygoteManager) -> set[psutil.Process]:
    return set(psutil.Process(manager.client().pid).children(recursive=True))


async def left(manager: ZygoteManager, expected: int) -> set[psutil.Process]:
    """Return the zygotes, which stay, when the containers of readers are gone."""
    async with asyncio.timeout(DEADLINE):
        while len(found := family(manager)) != expected:
            await asyncio.sleep(0.02)
    return found


async def test_readers_share_what_they_load_and_kernels_do_not_see_it(
    manager: ZygoteManager, table: str, start: Start
) -> None:
    before = family(manager)
    assert await asyncio.gather(*(read(table) for _ in range(4))) == ["zygote"] * 4
    first = await left(manager, len(before) + 1)
    assert first > before
    assert await read(table) == "zygote"
    assert await left(manager, len(before) + 1) == first
    async with start("zygote") as kernel:
        code = "import sys; print([n for n in ('pydantic', 'analyst_kernel') if n in sys.modules])"
        assert (await kernel.run(code)).text == "[]\n"


async def test_a_zygote_of_readers_that_is_lost_is_made_again(
    manager: ZygoteManager, table: str
) -> None:
    before = family(manager)
    assert await read(table) == "zygote"
    (lost,) = await left(manager, len(before) + 1) - before
    lost.kill()
    await left(manager, len(before))
    # Whether the first one finds it lost already or not, the file is read.
    assert await read(table) in ("bubblewrap", "zygote")
    assert await read(table) == "zygote"


async def test_all_zygotes_end_with_their_server(manager: ZygoteManager, table: str) -> None:
    assert await read(table) == "zygote"
    processes = family(manager)
    os.kill(manager.client().pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE):
        while any(process.is_running() for process in processes):
            await asyncio.sleep(0.02)

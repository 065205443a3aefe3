"""One running question for each notebook: the lock itself, two commands, a command beside a server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from analyst_kernel.analysis.notebook_lock import NotebookLock, WorkElsewhere
from tests.command_line.conversation import credentials
from tests.fakes.turns import answer, python
from tests.fakes.wire_server import WireServer
from tests.support.cli import VEHICLES, cells, notebook_at
from tests.support.command import Running, analyst

HOLDING = """
import asyncio, sys
from pathlib import Path
from analyst_kernel.analysis.notebook_lock import NotebookLock

async def hold():
    async with NotebookLock(Path(sys.argv[1])).held(sys.argv[2], print):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.ipynb"
    path.write_text("{}")
    return path


@asynccontextmanager
async def holder(data: Path, notebook: Path) -> AsyncIterator[subprocess.Popen[str]]:
    """Hold the lock in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(data), str(notebook)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


async def taken(data: Path, notebook: Path) -> list[WorkElsewhere]:
    """Take the lock within the deadline, and return for whom that had to wait."""
    waited: list[WorkElsewhere] = []
    async with asyncio.timeout(30), NotebookLock(data).held(str(notebook), waited.append):
        pass
    return waited


def left(data: Path) -> list[str]:
    return [path.name for path in data.rglob("*") if path.is_file()]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_the_lock_ends_with_the_process_that_holds_it(
    tmp_path: Path, book: Path, how: signal.Signals
) -> None:
    data = tmp_path / "data"
    async with holder(data, book) as process:
        waiting = asyncio.ensure_future(taken(data, book))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        process.send_signal(how)
        (other,) = await waiting
        assert (other.pid, other.program) == (process.pid, "A Python program")
    assert await taken(data, book) == []
    assert left(data) == [], "nothing is left, in either folder"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.ipynb", "data"]


async def test_a_wait_that_is_cancelled_takes_nothing(tmp_path: Path, book: Path) -> None:
    data = tmp_path / "data"
    async with holder(data, book):
        waiting = asyncio.ensure_future(taken(data, book))
        await asyncio.wait([waiting], timeout=0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await taken(data, book) == []


async def test_a_link_is_the_same_notebook_and_another_one_is_free(
    tmp_path: Path, book: Path
) -> None:
    data, link = tmp_path / "data", tmp_path / "link.ipynb"
    link.symlink_to(book)
    order: list[str] = []
    lock = NotebookLock(data)

    async def second() -> None:
        async with NotebookLock(data).held(str(link), lambda other: order.append("waits")):
            order.append("second")

    async with lock.held(str(book), lambda other: None):
        assert await taken(data, tmp_path / "other.ipynb") == []
        waiting = asyncio.ensure_future(second())
        async with asyncio.timeout(30):
            while not order:
                await asyncio.sleep(0)
        order.append("first ends")
    await waiting
    assert order == ["waits", "first ends", "second"]


async def test_many_take_turns_and_never_two_at_once(tmp_path: Path, book: Path) -> None:
    inside = 0

    async def work() -> None:
        nonlocal inside
        async with NotebookLock(tmp_path / "data").held(str(book), lambda other: None):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.timeout(60):
        await asyncio.gather(*(work() for _ in range(12)))
    assert left(tmp_path / "data") == []


async def test_a_folder_that_cannot_be_used_locks_nothing(tmp_path: Path, book: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert await taken(tmp_path / "file", book) == []


@pytest.mark.real
def test_a_second_question_waits_and_gets_a_run_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "vehicles.csv").write_bytes(VEHICLES.read_bytes())
    ask = ("--data", "vehicles.csv", "--notebook", "one.ipynb")
    gate = tmp_path / "gate"
    slow = (
        "import time\nprint('working', flush=True)\n"
        "while not open('vehicles.csv').readline().startswith('go'):\n    time.sleep(0.05)"
    )
    with WireServer() as server:
        env = credentials(server)
        server.push(answer("Begun."))
        assert analyst("ask", "Begin", *ask, "--quiet", cwd=tmp_path, env=env).code == 0
        server.push(python(slow))
        with Running("ask", "The first question", *ask, cwd=tmp_path, env=env) as first:
            first.wait_for("output_produced")
            with Running("ask", "The second question", *ask, cwd=tmp_path, env=env) as second:
                told = second.wait_for("notice_raised")
                while told["code"] != "notebook-busy":
                    told = second.wait_for("notice_raised")
                assert f"(process {first._process.pid}) works on this notebook" in told["message"]
                first.interrupt()
                assert first.end().code == 130
                server.push(answer("The second."))
                ended = second.end()
                assert ended.code == 0, ended.err
    assert not gate.exists()
    notebook = notebook_at(tmp_path / "one.ipynb")
    asked = [(c.metadata["analyst_kernel"]["run"], c.source) for c in cells(notebook, "question")]
    assert asked == [("r1", "## Begin"), ("r2", "## The first question"),
                     ("r3", "## The second question")]  # fmt: skip
    places = [c.metadata["analyst_kernel"].get("run") for c in notebook.cells]
    of_runs = [run for run in places if run is not None]
    assert of_runs == sorted(of_runs), "no cell stands under another question"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.ipynb", "vehicles.csv"]
    assert os.path.isdir(tmp_path)

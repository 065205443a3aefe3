"""Writers that are killed, full disks and read-only folders, each in a process of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyst_kernel.notebook.document.serialize import parse, validate

pytestmark = pytest.mark.real  # writers in processes of their own, to be killed

ROOT = Path(__file__).parents[3]

WRITER = """
import asyncio, sys
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from tests.notebook.entry_makers import iteration, printed, ran

async def main():
    notebook = await StoredNotebook.open(sys.argv[1])
    number = notebook.cell_count
    while True:
        number += 1
        await notebook.record(iteration(number, f"x = {number}", ran(printed("y" * 20_000))))
        print(number, flush=True)

asyncio.run(main())
"""

LIMITED = """
import asyncio, resource, sys
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from tests.notebook.entry_makers import iteration, printed, ran

async def main():
    notebook = await StoredNotebook.open(sys.argv[1])
    await notebook.record(iteration(1, "x = 1"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        await notebook.record(iteration(2, "y = 2", ran(printed("y" * 20_000))))
    except NotebookError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    if len(sys.argv) > 2:
        await notebook.record(iteration(3, "z = 3"))

asyncio.run(main())
"""

UNPRIVILEGED = """
import asyncio, os, sys
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from tests.notebook.entry_makers import iteration

async def main():
    first = await StoredNotebook.create(sys.argv[1] + "-warm.ipynb")  # loads what is loaded late
    await first.record(iteration(1, "x"))
    await StoredNotebook.open(first.path)
    os.unlink(first.path)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    for attempt in (lambda: StoredNotebook.create(sys.argv[1] + "/new.ipynb"), extend):
        try:
            await attempt()
        except NotebookError as error:
            print(error)

async def extend():
    notebook = await StoredNotebook.open(sys.argv[1] + "/old.ipynb")
    await notebook.record(iteration(1, "x"))

asyncio.run(main())
"""

BLANK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def saved_cells(path: Path) -> list[str]:
    document = json.loads(path.read_text("utf-8"))
    validate(document)
    return [c["source"] for c in parse(path.read_text("utf-8"), "n")["cells"]]


def test_a_killed_writer_leaves_the_last_good_state(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(BLANK)
    chance = random.Random(7)
    for _ in range(6):
        before = len(saved_cells(path))
        with start(WRITER, str(path)) as process:
            assert process.stdout is not None
            reported = before
            for _ in range(chance.randint(1, 6)):
                reported = int(process.stdout.readline())
            process.kill()
            process.wait()
        cells = saved_cells(path)
        assert cells == [f"x = {n}" for n in range(1, len(cells) + 1)]
        assert len(cells) >= reported > before


@pytest.mark.parametrize("more", [(), ("room again",)])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, more: tuple[str, ...]) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(BLANK)
    with start(LIMITED, str(path), *more) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "cannot be written" in said
    assert "Make room" in said
    assert saved_cells(path) == (["x = 1", "y = 2", "z = 3"] if more else ["x = 1"])
    assert os.listdir(tmp_path) == ["a.ipynb"]


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_cannot_be_written_is_one_clear_sentence(public_folder: Path) -> None:
    folder = public_folder / "closed"
    folder.mkdir()
    (folder / "old.ipynb").write_text(BLANK)
    (folder / "old.ipynb").chmod(0o666)
    folder.chmod(0o555)
    try:
        with start(UNPRIVILEGED, str(folder)) as process:
            said, _ = process.communicate(timeout=120)
    finally:
        folder.chmod(0o755)
    assert process.returncode == 0
    assert said.count("cannot be written (permission denied)") == 2
    assert said.count("Choose a folder that you may write to") == 2
    assert os.listdir(folder) == ["old.ipynb"]
    assert (folder / "old.ipynb").read_text() == BLANK

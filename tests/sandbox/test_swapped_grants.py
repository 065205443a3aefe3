"""What stands at a granted path is compared with what the user granted, each time it is shown.

Another analysis may write in a folder whose file was granted, and put a link there instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.grants import Grant, GrantStore
from analyst_kernel.protocol.errors import GrantFailed, SandboxError
from analyst_kernel.sandbox import paths
from tests.sandbox.conftest import RunningKernel, Start

FORMS = ["zygote", "bubblewrap", "landlock"]


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that nobody granted, with files of the names that were."""
    folder = tmp_path / "private"
    folder.mkdir()
    for name in ("cars.csv", "part.csv"):
        (folder / name).write_text("SECRET")
    return folder


def as_link(path: Path, private: Path) -> None:
    path.symlink_to(private / path.name)


def as_fifo(path: Path, _private: Path) -> None:
    os.mkfifo(path)


def as_folder_link(path: Path, private: Path) -> None:
    path.symlink_to(private, target_is_directory=True)


SWAPS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "a file became a link": ("cars.csv", as_link),
    "a file became a FIFO": ("cars.csv", as_fifo),
    "a folder became a link": ("data", as_folder_link),
}


def swap(work: Path, what: str, private: Path) -> None:
    name, put = SWAPS[what]
    path = work / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    put(path, private)


async def everything_read(kernel: RunningKernel, work: Path) -> str:
    """What the kernel can read at the granted paths."""
    reply = await kernel.run(
        "import os, stat\n"
        f"for path in ({str(work / 'cars.csv')!r}, {str(work / 'data' / 'part.csv')!r}):\n"
        "    try:\n"
        "        held = os.open(path, os.O_RDONLY | os.O_NONBLOCK)\n"
        "        print(os.read(held, 99) if stat.S_ISREG(os.fstat(held).st_mode) else 'no file')\n"
        "    except OSError as error:\n"
        "        print(type(error).__name__)\n"
    )
    assert not reply.error, reply.error
    return reply.text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", SWAPS)
async def test_a_new_kernel_is_not_shown_what_was_swapped(
    form: str, what: str, start: Start, work: Path, private: Path
) -> None:
    store = GrantStore()
    for name in ("cars.csv", "data"):
        store.record(str(work / "mileage.ipynb"), str(work / name))
    swap(work, what, private)
    async with start(form, grants=None) as kernel:
        seen = await everything_read(kernel, work)
        report = kernel.provisioner.sandbox_report
        left = kernel.provisioner.grants
    swapped = SWAPS[what][0]
    assert report is not None
    assert "SECRET" not in seen
    assert left == tuple(str(work / name) for name in ("cars.csv", "data") if name != swapped)
    assert any(
        note.startswith(f"{work / swapped} is ") and "so it is not read" in note
        for note in report.notes
    )


@pytest.mark.parametrize("form", [*FORMS, ""])
@pytest.mark.parametrize("what", SWAPS)
async def test_a_swap_between_the_look_and_the_mount_lets_no_code_run(
    form: str,
    what: str,
    start: Start,
    work: Path,
    private: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = paths.shown_paths

    def looked(grants: Any) -> Any:
        found = look(grants)
        if not (private / "swapped").exists():
            (private / "swapped").touch()
            swap(work, what, private)
        return found

    monkeypatch.setattr(paths, "shown_paths", looked)
    with pytest.raises(SandboxError):
        async with start(form):
            pytest.fail("a kernel runs")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", SWAPS)
async def test_a_restart_does_not_follow_it(
    form: str, what: str, start: Start, work: Path, private: Path
) -> None:
    async with start(form) as kernel:
        assert "a,b" in await everything_read(kernel, work)
        swap(work, what, private)
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=120)
        assert "SECRET" not in await everything_read(kernel, work)


@pytest.mark.parametrize("what", SWAPS)
async def test_another_grant_to_a_live_kernel_does_not_bring_it(
    what: str, start: Start, work: Path, private: Path
) -> None:
    more = work / "secret.csv"
    async with start("zygote") as kernel:
        before = await everything_read(kernel, work)
        swap(work, what, private)
        await kernel.provisioner.grant([str(more)])
        assert await kernel.value(f"print(len(open({str(more)!r}).read()))") > 0
        after = await everything_read(kernel, work)
        assert "SECRET" not in after
        assert set(after.split("\n")) <= {*before.split("\n"), "FileNotFoundError"}
        assert set(kernel.provisioner.grants) == {
            str(more), str(work / "cars.csv"), str(work / "data"),
        }  # fmt: skip


@pytest.mark.parametrize("put", [as_link, as_fifo])
async def test_a_file_that_is_no_file_any_more_is_stale_and_not_followed(
    put: Callable[[Path, Path], None], start: Start, work: Path, private: Path
) -> None:
    cars = work / "cars.csv"
    async with start("zygote", grants=[str(cars)]) as kernel:
        cars.unlink()
        put(cars, private)
        assert kernel.provisioner.stale_grants() == (str(cars),)
        assert "a,b" in await everything_read(kernel, work)
        cars.unlink()
        cars.write_text("c,d")  # as an editor leaves it
        assert kernel.provisioner.stale_grants() == ()
        assert "c,d" in await everything_read(kernel, work)


async def test_what_was_swapped_after_the_grant_is_not_added_to_a_live_kernel(
    start: Start, work: Path, private: Path
) -> None:
    GrantStore().record(str(work / "mileage.ipynb"), str(work / "cars.csv"))
    swap(work, "a file became a link", private)
    async with start("zygote", grants=[]) as kernel:
        with pytest.raises(GrantFailed, match="is a symbolic link now, so it is not read"):
            await kernel.provisioner.grant([str(work / "cars.csv")])
        assert "SECRET" not in await everything_read(kernel, work)


def test_a_replaced_file_in_the_same_folder_is_shown(work: Path) -> None:
    grant: Grant = GrantStore().record(str(work / "mileage.ipynb"), str(work / "cars.csv"))
    fresh = work / "cars.new"
    fresh.write_text("c,d")
    fresh.replace(work / "cars.csv")
    ((path, device, inode),), notes = paths.shown_paths([grant])
    status = (work / "cars.csv").stat()
    assert (path, device, inode) == (grant.path, status.st_dev, status.st_ino)
    assert notes == []

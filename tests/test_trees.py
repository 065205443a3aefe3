"""A folder that hostile code could write can always be removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analyst_kernel._trees import remove_tree
from analyst_kernel.sandbox.runtime import LOCK, PREFIX, sweep


def deep(folder: Path) -> None:
    """Nest folders deeper than any path or stack can follow."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(3_000):
            os.mkdir("d" * 50)
            os.chdir("d" * 50)
        Path("file").write_text("x")
    finally:
        os.chdir(here)


def forbidden(folder: Path) -> None:
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "c" / "file").write_text("x")
    for name in ("a/b/c", "a/b", "a"):
        (folder / name).chmod(0)


def mixed(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/etc")
    (folder / "dangling").symlink_to("nowhere")
    (folder / os.fsdecode(b"\xff\n")).mkdir()
    for number in range(300):
        (folder / str(number) / "x").mkdir(parents=True)


TREES: list[Callable[[Path], None]] = [deep, forbidden, mixed]


@pytest.mark.parametrize("fill", TREES)
def test_any_tree_is_removed(fill: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    fill(folder)
    assert remove_tree(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fill", TREES)
def test_what_a_crashed_server_left_is_swept(fill: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}00000000"
    folder.mkdir()
    (folder / LOCK).touch()
    fill(folder)
    assert sweep(str(tmp_path)) == [str(folder)]
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "link").symlink_to(kept)
    (tmp_path / "alias").symlink_to(kept)
    assert remove_tree(folder)
    assert not remove_tree(tmp_path / "alias")
    assert (kept / "file").read_text() == "x"


def test_what_is_gone_is_gone(tmp_path: Path) -> None:
    assert remove_tree(tmp_path / "never")

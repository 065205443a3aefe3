"""Which answers rest on data that changed, by what the notebook notes of it and what is there now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.analysis.behind import changes_behind, data_note
from analyst_kernel.data import contents as contents_of_files
from analyst_kernel.data.contents import Contents
from analyst_kernel.grants import Grant, grant_of
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import DataError


class Scene:
    """A notebook beside a folder with two files; its first answer rests on one of them."""

    def __init__(self, place: Path) -> None:
        self.home = place
        self.folder = place / "data"
        self.folder.mkdir()
        self.a, self.b = self.folder / "a.csv", self.folder / "b.csv"
        self.a.write_text("x\n1\n")
        self.b.write_text("x\n2\n")
        self.contents = Contents()

    async def noted(self, *files: Path, folders: bool = False) -> dict[str, Any]:
        datasets = [
            Dataset(name=one.stem, path=str(one), format="csv", bytes=4, rows=1, columns=("x",))
            for one in files
        ]
        named = [str(self.folder)] if folders else []
        return await data_note(datasets, named, str(self.home / "n.ipynb"), self.contents)

    async def changes(
        self, grants: list[Grant] | None = None, **runs: dict[str, Any]
    ) -> list[tuple[str, str, tuple[str, ...]]]:
        document = {"cells": [], "metadata": {"analyst_kernel": {"runs": runs}}}
        grants = [grant_of(str(self.folder))] if grants is None else grants
        place = str(self.home / "n.ipynb")
        # As a later process, which knows of no file.
        found = await changes_behind(document, place, grants, Contents())
        return [(one.dataset, one.sentence.partition(" (")[0], one.runs) for one in found]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_only_answers_from_a_file_that_changed_are_named(scene: Scene) -> None:
    r1, r2 = await scene.noted(scene.a), await scene.noted(scene.b)
    assert await scene.changes(r1=r1, r2=r2) == []
    scene.a.write_text("x\n9\n")
    os.utime(scene.a, ns=(1, 1))
    assert await scene.changes(r1=r1, r2=r2) == [("a", "a.csv has other content now", ("r1",))]
    # A refresh looked at what is there now; an answer that was undone counts no more.
    assert await scene.changes(r1={**r1, "refreshed": await scene.noted(scene.a)}) == []
    assert await scene.changes(r1={**r1, "undone": True}) == []
    scene.a.unlink()
    assert await scene.changes(r1=r1) == [("a", "a.csv is no longer there.", ("r1",))]


async def test_a_touched_or_replaced_file_of_the_same_content_did_not_change(scene: Scene) -> None:
    r1 = await scene.noted(scene.a)
    os.utime(scene.a, ns=(7, 7))
    assert await scene.changes(r1=r1) == []
    other = scene.folder / "new"
    other.write_text("x\n1\n")
    os.replace(other, scene.a)
    assert await scene.changes(r1=r1) == []


async def test_a_file_that_came_to_a_folder_is_noticed(scene: Scene) -> None:
    r1, r2 = await scene.noted(scene.a, folders=True), await scene.noted(scene.b)
    (scene.folder / "c.csv").write_text("x\n3\n")
    assert await scene.changes(r1=r1, r2=r2) == [
        ("data", "c.csv came to the folder data.", ("r1",))
    ]


async def test_what_is_not_granted_is_not_looked_at(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text("x\n1\n")
    r1 = await scene.noted(outside)
    outside.write_text("x\n2\n3\n")
    assert await scene.changes(r1=r1) == []
    assert await scene.changes(grants=[], r1=await scene.noted(scene.a)) == []
    for path in ("../../etc/passwd", "", "a\0b", 7, None):
        noted = {"data": {"a": {"path": path, "size": 1, "modified": "1", "sha256": "0"}}}
        assert await scene.changes(r1=noted) == []
    for note in (7, [], {"data": 7}, {"data": {"a": 7}}, {"folders": {"data": 7}}):
        assert await scene.changes(r1=note) == []


async def test_content_is_read_only_where_times_differ(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await scene.contents.read(str(scene.a))
    monkeypatch.setattr(contents_of_files, "_digest", lambda _: pytest.fail("it was read"))
    assert await Contents().is_same(str(scene.a), before)
    assert await scene.contents.read(str(scene.a)) == before
    scene.a.write_text("x\n123\n")  # another size is another content
    assert not await Contents().is_same(str(scene.a), before)


async def test_of_a_large_file_size_and_time_are_compared(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents_of_files, "LARGEST", 2)
    r1 = await scene.noted(scene.a)
    assert r1["data"]["a"]["sha256"] == ""
    assert await scene.changes(r1=r1) == []
    os.utime(scene.a, ns=(7, 7))
    assert [one[0] for one in await scene.changes(r1=r1)] == ["a"]


async def test_a_link_in_the_place_of_a_file_is_not_followed(scene: Scene) -> None:
    r1 = await scene.noted(scene.a)
    scene.a.unlink()
    scene.a.symlink_to(scene.b)
    ((_, sentence, _),) = await scene.changes(r1=r1)
    assert sentence.startswith("a.csv cannot be read any more.")
    with pytest.raises(DataError):
        await Contents().read(str(scene.a))

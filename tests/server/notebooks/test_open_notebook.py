"""A notebook that is open in a browser, or was, or moves, while its analysis goes on writing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.server.conftest import PLAIN, Server, StartServer
from tests.server.notebooks.open_tab import OpenTab
from tests.server.numbers_scene import Scene
from tests.support.notebook_io import whole_text


@pytest.fixture
async def scene(server: Server, root: Path, tmp_path: Path) -> Scene:
    return await Scene(server, root, tmp_path).begin()


@pytest.fixture
async def plain_scene(start_server: StartServer, root: Path, tmp_path: Path) -> Scene:
    """Return a scene whose cells can wait for a file of the test's."""
    return await Scene(await start_server(**PLAIN), root, tmp_path).begin()


async def test_a_closed_notebook_is_written_by_jupyter_and_nothing_of_it_is_trusted(
    scene: Scene,
) -> None:
    await scene.ask("from IPython.display import HTML", "HTML('<b>bold</b>')")
    await scene.settled()
    assert scene.code() == ["x = 1", "from IPython.display import HTML", "HTML('<b>bold</b>')"]
    model = (await scene.browser.fetch("GET", f"api/contents/{scene.path}")).json
    flags = [cell["metadata"].get("trusted") for cell in model["content"]["cells"]]
    assert True not in flags
    assert "trusted" not in whole_text(scene.root / scene.path)


async def test_an_edit_that_git_brings_between_two_questions_stays(scene: Scene) -> None:
    document = json.loads(whole_text(scene.root / scene.path))
    note = {"cell_type": "markdown", "id": "theirs", "metadata": {}, "source": ["From a pull"]}
    document["cells"].insert(1, note)
    (scene.root / scene.path).write_text(json.dumps(document))
    await scene.ask("y = 2")
    await scene.settled()
    assert scene.cells()[1]["source"] == "From a pull"
    assert scene.code() == ["x = 1", "y = 2"]


async def test_a_clean_open_notebook_is_written_and_saved_by_its_tab(scene: Scene) -> None:
    tab = await scene.open()
    await scene.ask("y = 2", "z = 3")
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2", "z = 3"]
    assert (tab.conflicts, tab.dirty) == (0, False)
    assert tab.writes >= 4
    assert [c["source"] for c in scene.cells()] == tab.sources()


async def test_what_the_user_typed_stays_and_the_cells_land_with_their_save(scene: Scene) -> None:
    tab = await scene.open()
    await tab.type_cell("My own thoughts", "mine", at=0)
    before = (scene.root / scene.path).read_bytes()
    await scene.ask("y = 2")
    assert (scene.root / scene.path).read_bytes() == before
    assert tab.sources()[0] == "My own thoughts"
    assert any(source.endswith("y = 2") for source in tab.sources())
    await tab.save()
    await scene.settled()
    assert tab.conflicts == 0
    assert scene.cells()[0]["source"] == "My own thoughts"
    assert scene.code() == ["x = 1", "y = 2"]


async def test_a_cell_that_the_user_is_in_at_the_end_keeps_its_place(plain_scene: Scene) -> None:
    scene = plain_scene
    tab = await scene.open()
    gate = scene.folder / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = await scene.start(f"{wait}\ny = 2", "z = 3")
    started = await scene.panel.event("iteration_started", run=run)
    async with asyncio.timeout(60):
        while started["cell"] not in [cell["id"] for cell in tab.model["cells"]]:
            await asyncio.sleep(0.05)
    await tab.type_cell("My own thoughts", "mine")
    at = len(tab.sources()) - 1
    gate.touch()
    await scene.panel.event("run_finished", run=run)
    assert tab.sources()[at] == "My own thoughts"
    await tab.save()
    await scene.settled()
    assert scene.cells()[at]["source"] == "My own thoughts"
    assert scene.code() == ["x = 1", "y = 2", "z = 3"]


async def test_a_cell_of_ours_that_the_user_edits_meanwhile_is_theirs(plain_scene: Scene) -> None:
    scene = plain_scene
    tab = await scene.open()
    gate = scene.folder / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = await scene.start(f"{wait}\nfirst = 1")
    started = await scene.panel.event("iteration_started", run=run)
    await scene.panel.event("notebook_saved", run=run, start=len(scene.panel.frames) - 3)
    await tab.edit(started["cell"], "mine = 'now'")
    gate.touch()
    await scene.panel.event("run_finished", run=run)
    await tab.save()
    await scene.settled()
    sources = [cell["source"] for cell in scene.cells()]
    assert sources.count("mine = 'now'") == 1
    assert scene.code() == ["x = 1", "first = 1"]
    assert tab.conflicts == 0


async def test_a_tab_that_vanishes_is_waited_for_and_gets_everything_when_it_is_back(
    scene: Scene,
) -> None:
    tab = await scene.open()
    await tab.type_cell("Not saved yet", "mine")
    await tab.vanish()
    before = (scene.root / scene.path).read_bytes()
    await scene.ask("y = 2", "z = 3")
    await scene.panel.event("notice_raised", code="notebook-waiting")
    assert (scene.root / scene.path).read_bytes() == before
    await tab.connect()
    async with asyncio.timeout(60):
        while len([s for s in tab.sources() if s.endswith(("y = 2", "z = 3"))]) < 2:
            await asyncio.sleep(0.05)
    await tab.save()
    await scene.settled()
    await scene.panel.event("notice_raised", code="notebook-written")
    assert scene.code() == ["x = 1", "y = 2", "z = 3"]
    assert "Not saved yet" in [cell["source"] for cell in scene.cells()]
    assert tab.conflicts == 0


async def test_a_tab_that_does_not_come_back_is_not_waited_for_for_ever(
    start_server: StartServer, root: Path, tmp_path: Path
) -> None:
    scene = await Scene(await start_server(grace_seconds=1.0), root, tmp_path).begin()
    tab = await scene.open()
    await tab.vanish()
    await scene.ask("y = 2")
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]


async def test_a_notebook_that_is_closed_is_written_at_once(scene: Scene) -> None:
    tab = await scene.open()
    await tab.report(is_open=False)
    other = await scene.open("two")
    other.tab.socket.close(1001)  # as a page does that goes away
    await other.tab.gone()
    await scene.ask("y = 2")
    await scene.settled()
    assert (tab.writes, other.writes) == (0, 0)
    assert scene.code() == ["x = 1", "y = 2"]


async def test_of_two_tabs_one_writes_and_the_other_is_notified(scene: Scene) -> None:
    first, second = await scene.open("one"), await scene.open("two")
    await first.report(active=False)
    await second.report(active=True)
    await scene.ask("y = 2")
    await scene.settled()
    assert first.writes == 0
    assert second.writes > 0
    await first.tab.frame(lambda f: f["type"] == "notebook_changed")
    await first.caught_up()
    await first.type_cell("After all", "late")
    await first.save()
    assert (first.conflicts, second.conflicts) == (0, 0)
    assert scene.code() == ["x = 1", "y = 2"]


async def test_what_waits_survives_the_server_and_is_written_by_the_next(
    start_server: StartServer, root: Path, tmp_path: Path
) -> None:
    scene = await Scene(await start_server(), root, tmp_path).begin()
    tab = await scene.open()
    await tab.vanish()
    await scene.ask("y = 2")
    assert scene.code() == ["x = 1"]
    scene.server = await start_server(reconnect_seconds=0.0)
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]


async def test_a_notebook_that_is_renamed_in_jupyter_during_a_run_is_followed(
    plain_scene: Scene,
) -> None:
    scene = plain_scene
    session = (await scene.server.analyses()).find(scene.analysis)
    await session.attach([str(scene.root / "data" / "penguins_raw.csv")])
    gate = scene.folder / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = await scene.start(f"{wait}\ny = 2")
    await scene.panel.event("iteration_started", run=run)
    (scene.root / "sub").mkdir()
    renamed = await scene.browser.fetch(
        "PATCH", f"api/contents/{scene.path}", {"path": "sub/renamed.ipynb"}
    )
    assert renamed.status == 200, renamed.body
    gate.touch()
    await scene.panel.event("run_finished", run=run)
    await scene.settled()
    old, scene.path = scene.path, "sub/renamed.ipynb"
    assert not (scene.root / old).exists()
    assert scene.code() == ["x = 1", "y = 2"]
    assert (await scene.browser.summary(scene.analysis))["notebook"] == scene.path
    grants = session.services.grants
    assert len(grants.for_notebook(str(scene.root / scene.path))) == 1
    assert grants.for_notebook(str(scene.root / old)) == ()
    sessions = (await scene.browser.fetch("GET", "api/sessions")).json
    assert [session["path"] for session in sessions] == [scene.path]
    await scene.ask("y + 1")
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2", "y + 1"]


async def test_a_notebook_that_is_moved_by_hand_in_its_folder_is_found_again(scene: Scene) -> None:
    target = "moved by hand.ipynb"
    session = (await scene.server.analyses()).find(scene.analysis)
    await session.attach([str(scene.root / "data" / "penguins_raw.csv")])
    await scene.ask("z = 1")
    await scene.settled()
    subprocess.run(["mv", scene.path, target], cwd=scene.root, check=True)
    await scene.ask("y = 2")
    await scene.settled()
    assert not (scene.root / scene.path).exists()
    grants = session.services.grants
    assert grants.for_notebook(str(scene.root / scene.path)) == ()
    scene.path = target
    assert scene.code()[-2:] == ["z = 1", "y = 2"]
    assert (await scene.browser.summary(scene.analysis))["notebook"] == target
    assert len(grants.for_notebook(str(scene.root / target))) == 1


async def test_a_copy_that_takes_the_notebooks_place_inherits_no_grants(scene: Scene) -> None:
    session = (await scene.server.analyses()).find(scene.analysis)
    await session.attach([str(scene.root / "data" / "penguins_raw.csv")])
    await scene.ask("z = 1")
    await scene.settled()
    copy = scene.root / "copy.ipynb"
    copy.write_bytes((scene.root / scene.path).read_bytes())
    (scene.root / scene.path).unlink()
    await scene.ask("y = 2")
    await scene.settled()
    notice = await scene.panel.event("notice_raised", code="grants-not-moved")
    assert "attach the data again" in notice["message"]
    grants = session.services.grants
    assert (await scene.browser.summary(scene.analysis))["notebook"] == copy.name
    for place in (copy, scene.root / scene.path):
        assert grants.for_notebook(str(place)) == ()
    assert grants.for_notebook(str(copy), analysis=scene.analysis) == ()


async def test_a_new_notebook_of_a_deleted_ones_name_has_none_of_its_grants(scene: Scene) -> None:
    session = (await scene.server.analyses()).find(scene.analysis)
    await session.attach([str(scene.root / "data" / "penguins_raw.csv")])
    grants, place = session.services.grants, scene.root / scene.path
    assert len(grants.for_notebook(str(place))) == 1
    deleted = await scene.browser.fetch("DELETE", f"api/contents/{scene.path}")
    assert deleted.status == 204, deleted.body
    fresh = {"type": "notebook", "content": {
        "cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}}  # fmt: skip
    made = await scene.browser.fetch("PUT", f"api/contents/{scene.path}", fresh)
    assert made.status == 201, made.body
    assert grants.for_notebook(str(place)) == ()


async def test_a_rename_in_jupyter_moves_the_grants_of_notebooks_that_no_session_has(
    scene: Scene,
) -> None:
    session = (await scene.server.analyses()).find(scene.analysis)
    grants = session.services.grants
    made = scene.root / "old" / "by-command.ipynb"
    made.parent.mkdir()
    made.write_text(json.dumps({"metadata": {"analyst_kernel": {"analysis": "aaaaaaaaaaaa"}}}))
    grants.record(str(made), str(scene.root / "data" / "penguins_raw.csv"))
    renamed = await scene.browser.fetch("PATCH", "api/contents/old", {"path": "new"})
    assert renamed.status == 200, renamed.body
    moved = scene.root / "new" / "by-command.ipynb"
    until = asyncio.get_running_loop().time() + 60
    while not grants.for_notebook(str(moved), analysis="aaaaaaaaaaaa"):
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0)
    assert len(grants.for_notebook(str(moved))) == 1


async def test_a_copy_of_the_notebook_is_not_taken_for_it(scene: Scene) -> None:
    copy = scene.root / "copy.ipynb"
    copy.write_bytes((scene.root / scene.path).read_bytes())
    other = await OpenTab(scene.browser, scene.root, scene.analysis, copy.name, "copy").open()
    before = copy.read_bytes()
    await scene.ask("y = 2")
    await scene.settled()
    assert other.writes == 0
    assert copy.read_bytes() == before
    assert scene.code() == ["x = 1", "y = 2"]
    assert os.path.basename((await scene.browser.summary(scene.analysis))["notebook"]) != copy.name

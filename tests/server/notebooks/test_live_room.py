"""A notebook in a live room: runs only where a collaboration provider is installed."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import StartServer
from tests.server.numbers_scene import Scene

PROVIDERS = {
    "jupyter_server_documents": {},
    "jupyter_server_ydoc": {"create": True},
}
"""Extension, and the setting that opens a room although no browser has the notebook open."""

FOUND = [name for name in PROVIDERS if importlib.util.find_spec(name) is not None]
pytestmark = [
    pytest.mark.skipif(not FOUND, reason="no collaboration provider is installed here"),
    pytest.mark.filterwarnings("default"),  # the provider's own
]


@pytest.fixture
async def scene(
    start_server: StartServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    monkeypatch.chdir(tmp_path)  # where a provider keeps its own store
    (tmp_path / "data").mkdir()  # where file ids are kept
    server = await start_server(extensions=("jupyter_server_fileid", FOUND[0]))
    return await Scene(server, root, tmp_path).begin()


async def room_of(scene: Scene, **more: Any) -> Any:
    provider = scene.server.app.web_app.settings["jupyter_server_ydoc"]
    return await provider.get_document(
        path=scene.path, content_type="notebook", file_format="json", copy=False, **more
    )


def sources(room: Any) -> list[str]:
    return [str(cell["source"]) for cell in room.ycells]


async def test_the_room_is_the_writer_and_the_users_typing_stays(scene: Scene) -> None:
    room = await room_of(scene, **PROVIDERS[FOUND[0]])
    gate = scene.folder / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = await scene.start(f"{wait}\ny = 2", "print('streamed'); y")
    await scene.panel.event("iteration_started", run=run)
    mine = {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "Typed meanwhile"}
    room.ycells.insert(1, room.create_ycell(mine))
    gate.touch()
    await scene.panel.event("run_finished", run=run)
    await scene.settled()

    room = await room_of(scene)
    assert sources(room)[1] == "Typed meanwhile"
    assert [source.split("\n")[-1] for source in sources(room) if "y = 2" in source] == ["y = 2"]
    assert scene.cells()[1]["source"] == "Typed meanwhile"
    assert scene.code() == ["x = 1", "y = 2", "print('streamed'); y"]
    last = next(cell for cell in scene.cells() if "streamed" in cell["source"])
    assert last["outputs"][0]["text"] == "streamed\n"
    assert last["outputs"][1]["data"]["text/plain"] == "2"
    assert "trusted" not in last["metadata"]


async def test_a_new_notebook_begins_with_its_title(scene: Scene) -> None:
    await scene.settled()
    # A room that is made for a notebook without cells puts a blank one into it.
    assert all(cell["source"] for cell in scene.cells())
    assert scene.cells()[0]["metadata"]["analyst_kernel"]["role"] == "title"


async def test_a_cell_of_ours_that_the_user_edits_in_the_room_is_theirs(scene: Scene) -> None:
    room = await room_of(scene, **PROVIDERS[FOUND[0]])
    gate = scene.folder / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = await scene.start(f"{wait}\ny = 2")
    started = await scene.panel.event("iteration_started", run=run)
    async with asyncio.timeout(30):
        while started["cell"] not in [cell["id"] for cell in room.ycells]:
            await asyncio.sleep(0.05)
    (cell,) = [cell for cell in room.ycells if cell["id"] == started["cell"]]
    text = cell["source"]
    text.clear()
    text += "mine = 'now'"
    gate.touch()
    await scene.panel.event("run_finished", run=run)
    await scene.settled()
    assert [cell["source"] for cell in scene.cells()].count("mine = 'now'") == 1
    assert scene.code() == ["x = 1", "y = 2"]


async def test_what_a_room_lost_before_it_saved_is_written_into_it_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room_of(scene, **PROVIDERS[FOUND[0]])
    await scene.settled()
    file = scene.root / scene.path
    before = file.read_bytes()
    coordinator = (await scene.server.analyses()).find(scene.analysis).coordinator
    with monkeypatch.context() as unseen:
        unseen.setattr(coordinator, "look", lambda: None)
        await scene.ask("y = 2")
        # Another program writes the file in this very second, and the room takes that over.
        file.write_bytes(before)
        async with asyncio.timeout(60):
            while any("y = 2" in source for source in sources(await room_of(scene))):
                await asyncio.sleep(0.05)
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]
    assert scene.cells()[-1]["metadata"]["analyst_kernel"]["role"] == "answer"
    found = await room_of(scene)
    assert len(sources(found)) == len(scene.cells())

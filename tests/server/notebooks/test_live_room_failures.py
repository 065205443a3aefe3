"""A collaboration provider that fails: writes wait, are reported, and are made when it is safe."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest

from analyst_kernel.server.notebooks import writer
from tests.server.conftest import Server
from tests.server.numbers_scene import Scene


class BrokenRoom:
    """A room whose document raises whatever is done with it."""

    create_ycell = None

    @property
    def ycells(self) -> list[Any]:
        return []

    @property
    def ydoc(self) -> NoReturn:
        raise RuntimeError("already borrowed")

    def get(self) -> NoReturn:
        raise RuntimeError("already borrowed")


class Provider:
    """Raises, never answers, or gives a room that raises."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.room = BrokenRoom()

    async def get_document(self, **_: Any) -> BrokenRoom | None:
        match self.how:
            case "raises":
                raise RuntimeError("no such file id")
            case "hangs":
                await asyncio.Event().wait()
            case "well":
                return None
        return self.room


@pytest.fixture
async def scene(
    server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    monkeypatch.setattr(writer, "ROOM_SECONDS", 0.5)
    monkeypatch.setattr(writer, "_ANSWER_SECONDS", 0.1)
    return await Scene(server, root, tmp_path).begin()


def break_rooms(scene: Scene, how: str) -> Provider:
    provider = Provider(how)
    scene.server.app.web_app.settings["jupyter_server_ydoc"] = provider
    return provider


@pytest.mark.parametrize("how", ["raises", "hangs", "gives a broken room"])
async def test_where_nobody_has_it_open_the_notebook_is_written_without_the_room(
    scene: Scene, how: str
) -> None:
    break_rooms(scene, how)
    await scene.ask("y = 2")
    told = await scene.panel.event("notice_raised", code="notebook-waiting")
    assert "live room" in told["message"]
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]
    await scene.panel.event("notice_raised", code="notebook-written")
    await scene.ask("z = 3")
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2", "z = 3"]


@pytest.mark.parametrize("how", ["raises", "gives a broken room"])
async def test_below_a_room_that_a_tab_is_in_the_file_is_not_changed(
    scene: Scene, how: str
) -> None:
    tab = await scene.open()
    tab.collaborative = True
    await tab.report()
    break_rooms(scene, how)
    before = (scene.root / scene.path).read_bytes()
    await scene.ask("y = 2")
    await scene.panel.event("notice_raised", code="notebook-waiting")
    session = (await scene.server.analyses()).find(scene.analysis)
    for _ in range(20):
        session.coordinator.look()
        await asyncio.sleep(0.05)
    assert (scene.root / scene.path).read_bytes() == before
    assert tab.writes == 0
    await tab.report(is_open=False)
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]


async def test_a_tab_that_is_in_no_room_writes_although_the_provider_fails(scene: Scene) -> None:
    tab = await scene.open()
    break_rooms(scene, "raises")
    await scene.ask("y = 2")
    await scene.settled()
    assert tab.writes > 0
    assert scene.code() == ["x = 1", "y = 2"]
    assert not [e for e in scene.panel.of("notice_raised") if e["code"] == "notebook-waiting"]


async def test_a_provider_that_recovers_is_used_again(scene: Scene) -> None:
    tab = await scene.open()
    tab.collaborative = True
    await tab.report()
    provider = break_rooms(scene, "raises")
    await scene.ask("y = 2")
    provider.how = "well"
    tab.collaborative = False
    await tab.report()
    await scene.settled()
    assert tab.writes > 0
    assert scene.code() == ["x = 1", "y = 2"]

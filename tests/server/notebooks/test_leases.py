"""A tab that took a write and did not save it: whether the server still may count on that tab."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from analyst_kernel.notebook.document.operations import is_applied
from analyst_kernel.protocol.commands import ReportNotebook
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.notebooks.leases import SILENT_SECONDS, Lease, Leases
from tests.server.conftest import Server, StartServer
from tests.server.notebooks.open_tab import OpenTab
from tests.server.numbers_scene import Scene


@pytest.fixture
async def scene(server: Server, root: Path, tmp_path: Path) -> Scene:
    return await Scene(server, root, tmp_path).begin()


async def with_unsaved(scene: Scene) -> OpenTab:
    """Open the notebook, type something, ask: the tab has the answer's cell, and the file not."""
    tab = await scene.open()
    await tab.type_cell("My own thoughts", "mine")
    await scene.ask("y = 2")
    session = (await scene.server.analyses()).find(scene.analysis)
    analysis = session.analysis
    assert analysis is not None

    def is_taken() -> bool:
        """Return whether the tab holds everything and its last answer has arrived."""
        landing = analysis.notebook._writing
        kept = session.services.journal.outstanding(AnalysisId(scene.analysis))
        return (
            session.state == "idle"
            and (landing is None or landing.done())
            and all(is_applied(tab.model, operation) for operation in kept)
        )

    async with asyncio.timeout(60):
        while not is_taken():
            await asyncio.sleep(0.02)
    assert tab.dirty
    assert scene.code() == ["x = 1"]
    return tab


async def test_what_a_tab_took_and_threw_away_when_it_closed_is_written_again(
    scene: Scene,
) -> None:
    tab = await with_unsaved(scene)
    await tab.report(is_open=False)
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]


async def test_what_a_page_took_before_its_window_was_closed_is_written_again(
    scene: Scene,
) -> None:
    tab = await with_unsaved(scene)
    tab.tab.socket.close(1001)  # as a page does that goes away
    await tab.tab.gone()
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]


async def test_what_a_page_took_before_it_was_loaded_anew_is_written_again(scene: Scene) -> None:
    tab = await with_unsaved(scene)
    await tab.vanish()
    await tab.open()  # the same tab by name, with what the file holds
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]
    assert any(source.endswith("y = 2") for source in tab.sources())
    assert tab.conflicts == 0


async def test_what_a_tab_took_before_it_loaded_the_file_again_is_written_again(
    scene: Scene,
) -> None:
    tab = await with_unsaved(scene)
    await tab.load_again()
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]
    assert any(source.endswith("y = 2") for source in tab.sources())


async def test_what_a_tab_took_that_closed_and_opened_at_once_is_written_again(
    scene: Scene,
) -> None:
    tab = await with_unsaved(scene)
    await tab.open_anew()
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]


async def test_what_a_tab_took_that_vanished_is_said_to_wait_and_then_written(
    start_server: StartServer, root: Path, tmp_path: Path
) -> None:
    scene = await Scene(await start_server(grace_seconds=5.0), root, tmp_path).begin()
    tab = await with_unsaved(scene)
    await tab.vanish()
    await scene.panel.event("notice_raised", code="notebook-waiting")
    await scene.settled()
    assert scene.code() == ["x = 1", "y = 2"]
    await scene.panel.event("notice_raised", code="notebook-written")


# --- whether a lease is held ---------------------------------------------------------------------


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def page() -> Tab:
    """Return a connection whose browser takes everything and answers nothing."""

    async def send(text: str) -> None:
        assert text

    return Tab(send, lambda code, why: None)


def report(name: str = "one", *, is_open: bool = True) -> ReportNotebook:
    return ReportNotebook(
        type="report_notebook", analysis=AnalysisId("numbers"), tab=name, path="numbers.ipynb",
        open=is_open, dirty=True, busy=False, collaborative=False, active=True,
    )  # fmt: skip


def begun(clock: Clock, *, ack: float = 10.0) -> tuple[Leases, Tab, Lease]:
    """Return leases with one, which is held."""
    leases = Leases(AnalysisId("numbers"), grace=60.0, ack=ack, clock=clock)
    tab = page()
    leases.report(tab, report())
    (lease,) = leases.active()
    assert leases.holds(lease)
    return leases, tab, lease


def test_a_tab_that_reports_again_on_its_connection_holds_on() -> None:
    clock = Clock()
    leases, tab, lease = begun(clock)
    clock.now += SILENT_SECONDS
    leases.report(tab, report())
    leases.report(page(), report("two"))
    assert leases.holds(lease)


def test_a_tab_that_closed_the_notebook_holds_nothing() -> None:
    leases, tab, lease = begun(Clock())
    leases.report(page(), report("two"))
    leases.report(tab, report(is_open=False))
    assert not leases.holds(lease)


def test_a_page_that_went_away_holds_nothing() -> None:
    leases, tab, lease = begun(Clock())
    leases.left(tab, closed=True)
    assert not leases.holds(lease)


@pytest.mark.parametrize("reported", [False, True])
def test_a_tab_that_came_back_on_another_connection_holds_only_what_it_takes_there(
    reported: bool,
) -> None:
    leases, tab, lease = begun(Clock())
    if reported:
        leases.report(tab, report())
    leases.left(tab, closed=False)
    assert not leases.holds(lease)
    leases.report(page(), report())
    assert not leases.holds(lease)
    (now,) = leases.active()
    assert leases.holds(now)


def test_another_page_under_the_name_takes_the_lease_over() -> None:
    leases, tab, lease = begun(Clock())
    leases.report(page(), report())
    assert not leases.holds(lease)
    leases.left(tab, closed=True)
    assert not leases.holds(lease)
    assert len(leases.active()) == 1


def test_a_tab_that_fell_silent_holds_nothing_until_it_reports() -> None:
    clock = Clock()
    leases, tab, lease = begun(clock)
    clock.now += SILENT_SECONDS + 1
    assert leases.active() == []
    assert not leases.holds(lease)
    leases.report(tab, report())
    assert leases.holds(lease)
    clock.now += SILENT_SECONDS + 1
    assert leases.active() == []
    clock.now += 60.0
    assert not leases.awaited
    assert not leases.holds(lease)


async def test_a_tab_that_does_not_answer_holds_nothing_until_it_reports() -> None:
    leases, tab, lease = begun(Clock(), ack=0.0)
    assert await leases.write(lease, ()) is None
    assert not leases.holds(lease)
    assert leases.active() == []
    leases.report(tab, report())
    assert leases.holds(lease)

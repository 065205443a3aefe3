"""A server that stops, also during a run: the next one shows everything and continues."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.journal import Journal
from tests.fakes.turns import python, say, script
from tests.server.browser import Browser
from tests.server.conftest import StartServer
from tests.server.test_questions import FILE, QUESTION, finals
from tests.support.notebook_io import valid_notebook, whole_text


async def test_after_a_restart_everything_is_shown_and_the_analysis_goes_on(
    start_server: StartServer, tmp_path: Path
) -> None:
    before = (await start_server()).browser
    analysis = await before.begin()
    tab = await before.tab(analysis)
    await tab.do("ask_question", analysis, question=QUESTION, data=[FILE])
    await tab.event("run_finished")
    summary = await before.ended(analysis)

    browser = (await start_server()).browser
    (listed,) = (await browser.call("GET", "api/analyses")).json
    assert {**listed, "last_event": 0} == {**summary, "last_event": 0}
    again = await browser.tab(analysis)
    await again.frame(lambda f: f["type"] == "caught_up")
    assert finals(again.events)[: len(finals(tab.events))] == finals(tab.events)
    assert again.of("kernel_changed")[-1]["state"] == "stopped"
    answer = await browser.call("GET", "api/datasets", analysis=analysis)
    assert answer.status == 200, answer.body
    profiles = answer.json
    assert [profile["dataset"]["name"] for profile in profiles] == ["penguins_raw"]
    start = len(again.frames)
    await again.do("run_code", analysis, code="len(penguins_raw)")
    finished = await again.event("iteration_finished", start=start)
    assert finished["outputs"][0]["data"]["text/plain"] == "344"
    numbers = [event["number"] for event in again.events]
    assert numbers == sorted(set(numbers))


async def test_a_run_that_a_crash_cut_off_is_closed_and_its_notebook_stays_valid(
    start_server: StartServer, tmp_path: Path
) -> None:
    crashed = await start_server()
    model = script(tmp_path, python("import time; print(1); time.sleep(120)"), say("Never."))
    analysis = await crashed.browser.begin()
    tab = await crashed.browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("output_produced")
    await tab.do("ask_question", analysis, question="Waiting")
    await tab.event("queue_changed")
    # What is on disk at this moment is what a crash leaves.
    journal = tmp_path / "data" / "analyst-kernel" / "journal.sqlite3"
    left = tmp_path / "left"
    shutil.copytree(journal.parent, left)
    await crashed.stop()

    browser = (await start_server(journal_path=str(left / "journal.sqlite3"))).browser
    later = await browser.tab(analysis)
    await later.frame(lambda f: f["type"] == "caught_up")
    (done,) = later.of("run_finished")
    assert done["status"] == "cancelled"
    assert "server stopped" in done["reason"]
    assert [record["outcome"] for record in done["iterations"]] == ["cancelled"]
    assert later.of("queue_changed")[-1]["questions"] == []
    assert later.of("kernel_changed")[-1]["state"] == "stopped"
    seen = max(event["number"] for event in tab.events)
    assert done["number"] > seen  # no number is given out twice, streamed ones included
    summary = await browser.summary(analysis)
    assert summary["state"] == "idle"
    valid_notebook(whole_text(summary["notebook_path"]))
    await later.do("ask_question", analysis, question="Again", model=script(tmp_path, say("Yes.")))
    await later.event("run_finished", run="r2")


async def test_stopping_the_server_ends_a_run_as_cancelled(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server()
    model = script(tmp_path, python("import time; time.sleep(120)"), say("Never."))
    analysis = await server.browser.begin()
    tab = await server.browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("iteration_started")
    assert server.app.extension_manager.extension_apps  # it is what Jupyter stops
    await server.stop()
    browser = (await start_server()).browser
    later = await browser.tab(analysis)
    await later.frame(lambda f: f["type"] == "caught_up")
    (done,) = later.of("run_finished")
    assert done["status"] == "cancelled"


async def test_a_damaged_journal_is_set_aside_and_the_notebook_can_be_continued(
    start_server: StartServer, tmp_path: Path
) -> None:
    before = (await start_server()).browser
    analysis = await before.begin()
    tab = await before.tab(analysis)
    await tab.do("ask_question", analysis, question="Go", model=script(tmp_path, say("Yes.")))
    await tab.event("run_finished")
    notebook = (await before.summary(analysis))["notebook"]
    server = await start_server()
    await server.stop()
    journal = tmp_path / "data" / "analyst-kernel" / "journal.sqlite3"
    journal.write_bytes(b"this is no database" * 500)

    browser = (await start_server()).browser
    status = (await browser.call("GET", "api/status")).json
    assert any("set aside" in notice for notice in status["notices"])
    assert (await browser.call("GET", "api/analyses")).json == []
    assert len(list(journal.parent.glob("*.damaged-*"))) == 1
    assert await browser.begin(notebook=notebook) == analysis
    assert await browser.begin(notebook=notebook) == analysis


async def test_a_journal_of_a_newer_version_is_left_alone(
    start_server: StartServer, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.sqlite3"
    connection = sqlite3.connect(journal)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    browser = (await start_server(journal_path=str(journal))).browser
    answer = await browser.call("GET", "api/analyses")
    assert answer.status == 500
    assert "newer version" in answer.json["message"]


async def test_a_notebook_that_is_gone_is_reported_and_not_made_again(
    start_server: StartServer, tmp_path: Path
) -> None:
    browser = (await start_server()).browser
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    model = script(tmp_path, python("1"), say("Yes."))
    await tab.do("ask_question", analysis, question="Go", model=model)
    await tab.event("run_finished")
    path = Path((await browser.summary(analysis))["notebook_path"])
    again = (await start_server()).browser
    path.unlink()
    later = await again.tab(analysis)
    reply = await later.command("ask_question", analysis, question="And now?")
    assert "not there any more" in reply["message"]
    assert not path.exists()


async def test_deleting_keeps_the_notebook_unless_it_is_to_go(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    found = []
    for keep in ("keep", "delete"):
        analysis = await browser.begin()
        tab = await browser.tab(analysis)
        model = script(tmp_path, python("1"), say("Yes."))
        await tab.do("ask_question", analysis, question="Go", model=model)
        await tab.event("run_finished")
        assert (await browser.fetch("GET", "api/kernels")).json
        assert (
            await browser.call("DELETE", f"api/analyses/{analysis}", notebook=keep)
        ).status == 200
        assert (await browser.call("GET", f"api/analyses/{analysis}")).status == 404
        assert (await browser.fetch("GET", "api/kernels")).json == []
        found.append(sorted(path.name for path in root.glob("*.ipynb")))
    assert found == [["go.ipynb"], ["go.ipynb"]]


def test_events_come_back_in_order_and_a_removed_analysis_takes_them_along(tmp_path: Path) -> None:
    from analyst_kernel.server.events.journal import Row, StoredAnalysis

    journal = Journal(tmp_path / "j" / "journal.sqlite3")
    one = AnalysisId("one")
    journal.save(StoredAnalysis(id=one, title="A"))
    rows = [Row(n, n, "notice_raised", None, json.dumps({"n": n})) for n in range(1, 8)]
    journal.append(one, rows, 1_000)
    assert [row.number for row in journal.events(one, after=2, until=6, most=3)] == [3, 4, 5]
    assert journal.analyses() == ((StoredAnalysis(id=one, title="A"), 1_000),)
    journal.remove(one)
    assert journal.events(one) == ()
    journal.close()
    assert (tmp_path / "j" / "journal.sqlite3").stat().st_mode & 0o077 == 0

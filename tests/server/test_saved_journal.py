"""A server opens what version 0.1.0 left on the disk, and goes on with it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.protocol.outputs import CHART_MIME
from tests.fakes.turns import python, say, script
from tests.server.browser import Browser, Tab
from tests.server.conftest import StartServer
from tests.support.notebook_io import valid_notebook, whole_text
from tests.support.saved import ANSWERED, BRANCH, CUT_OFF, EARLY, restore

HEAVIEST = "Which species is the heaviest?"
ISOLATED = {"kernel_name": "analyst", "sandbox": "isolated"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return restore(tmp_path)


async def opened(browser: Browser, analysis: str) -> Tab:
    tab = await browser.tab(analysis)
    await tab.frame(lambda frame: frame["type"] == "caught_up")
    return tab


async def asked(tab: Tab, analysis: str, question: str, **fields: Any) -> dict[str, Any]:
    """Ask a question and return how it ended."""
    start = len(tab.frames)
    await tab.do("ask_question", analysis, question=question, **fields)
    return await tab.event("run_finished", start=start)


async def test_every_saved_analysis_is_listed(start_server: StartServer) -> None:
    browser = (await start_server()).browser
    found = {one["id"]: one for one in (await browser.call("GET", "api/analyses")).json}
    assert set(found) == {ANSWERED, BRANCH, EARLY, CUT_OFF}
    shown = {name: (one["title"], one["questions"]) for name, one in found.items()}
    assert shown == {
        ANSWERED: (HEAVIEST, 2),
        BRANCH: ("The other way", 1),
        EARLY: ("New analysis", 0),
        CUT_OFF: ("What is cut off?", 1),
    }
    assert found[EARLY]["model"] == "offline:rules"
    assert (found[BRANCH]["parent"], found[BRANCH]["parent_cell"]) == (ANSWERED, "698db252e0f0")
    assert {one["state"] for one in found.values()} == {"idle"}


async def test_the_conversation_is_shown_and_the_next_question_answered_in_a_sandbox(
    start_server: StartServer, root: Path
) -> None:
    browser = (await start_server(**ISOLATED)).browser
    tab = await opened(browser, ANSWERED)
    assert [e["question"] for e in tab.of("run_started")] == [HEAVIEST, "How long does it take?"]
    assert [e["status"] for e in tab.of("run_finished")] == ["answered", "cancelled"]
    outcomes = [e["outcome"] for e in tab.of("iteration_finished")]
    assert outcomes == ["error", "ok", "ok", "ok", "cancelled"]
    (chart,) = tab.of("chart_captured")
    assert chart["chart"]["title"] == "Mean mass by species"
    drawn = tab.of("iteration_finished")[2]["outputs"][chart["chart"]["output"]]["data"]
    assert {"image/png", CHART_MIME} <= set(drawn)

    done = await asked(tab, ANSWERED, "What is the average mass by year?", model="offline:rules")
    assert (done["status"], "4,358.2" in done["answer"]) == ("answered", True), done
    sandbox = [e["sandbox"] for e in tab.of("kernel_changed") if e["sandbox"]][-1]
    assert sandbox["level"] == "isolated", "the stored grant let the sandbox read the data"
    book = valid_notebook(whole_text(root / "which-species-is-the-heaviest.ipynb"))
    runs = {cell.metadata.get("analyst_kernel", {}).get("run") for cell in book.cells}
    assert runs >= {"r1", "r2", "r3"}


async def test_a_branch_has_its_history_and_goes_on(
    start_server: StartServer, tmp_path: Path
) -> None:
    browser = (await start_server()).browser
    tab = await opened(browser, BRANCH)
    assert [e["question"] for e in tab.of("run_started")] == [HEAVIEST]
    assert len(tab.of("branch_started")) == len(tab.of("branch_finished")) == 1
    model = script(tmp_path, python("branched", "Look"), say("Done."))
    done = await asked(tab, BRANCH, "Is its state there?", model=model)
    assert done["status"] == "answered"
    last = tab.of("iteration_finished")[-1]
    assert last["outputs"][0]["data"]["text/plain"].endswith("4959.5)")
    more = (await browser.call("POST", f"api/analyses/{BRANCH}/branch", {})).json
    assert (more["parent"], more["notebook"].endswith("-branch-2.ipynb")) == (BRANCH, True)


async def test_data_that_waits_for_its_first_question_is_still_attached(
    start_server: StartServer,
) -> None:
    browser = (await start_server()).browser
    tab = await opened(browser, EARLY)
    datasets = (await browser.call("GET", "api/datasets", analysis=EARLY)).json
    assert [one["dataset"]["name"] for one in datasets] == ["birds"]
    assert tab.of("analysis_configured")[-1]["budget_usd"] == 1.5
    done = await asked(tab, EARLY, "How many birds of each species?")
    assert (done["status"], "12" in done["answer"]) == ("answered", True), done


async def test_a_run_that_was_cut_off_is_closed_and_the_analysis_goes_on(
    start_server: StartServer,
) -> None:
    browser = (await start_server()).browser
    tab = await opened(browser, CUT_OFF)
    (ended,) = tab.of("run_finished")
    assert ended["status"] != "answered"
    assert tab.of("iteration_finished")[0]["outcome"] == "ok"
    done = await asked(tab, CUT_OFF, "How many birds of each species?", model="offline:rules")
    assert done["status"] == "answered", done
    summary = await browser.summary(CUT_OFF)
    valid_notebook(whole_text(summary["notebook_path"]))


async def test_kept_keys_are_still_known_and_never_shown(
    start_server: StartServer, tmp_path: Path
) -> None:
    browser = (await start_server()).browser
    answer = await browser.call("GET", "api/models")
    assert answer.json["kept_keys"] == ["anthropic"]
    await browser.close()
    key = b"kept-before-and-not-real"
    assert key not in answer.body
    stores = tmp_path / "data" / "analyst-kernel"
    assert key in (stores / "keys.json").read_bytes()
    with sqlite3.connect(stores / "journal.sqlite3") as journal:
        assert not [line for line in journal.iterdump() if key.decode() in line]
    journal.close()

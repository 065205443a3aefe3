"""A branch on the server: its notebook, kernel, grants and history; at work, stopped, restarted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.grants import GrantStore
from tests.fakes.turns import plan, python, say, script
from tests.server.browser import Answer, Browser, Tab
from tests.server.conftest import PLAIN, Server, StartServer
from tests.server.test_questions import FILE
from tests.support.notebook_io import valid_notebook, whole_text

TWICE = "total = len(penguins_raw)\ntotal"
ADDED = "total = total + 1\ntotal"


async def asked(browser: Browser, folder: Path, question: str = "How many?") -> tuple[str, Tab]:
    """Ask a question of two cells; ``total`` is 344 after the first and 345 after the second."""
    model = script(
        folder,
        plan("Count", "Add", "Say"), python(TWICE, "Count"), python(ADDED, "Add"), say("It is 345."),
    )  # fmt: skip
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question=question, data=[FILE], model=model)
    finished = await tab.event("run_finished")
    assert finished["status"] == "answered", finished
    return analysis, tab


def cells_of(summary: dict[str, Any]) -> list[Any]:
    found: list[Any] = valid_notebook(whole_text(summary["notebook_path"])).cells
    return found


def role(cell: Any) -> str:
    return str(cell.metadata.get("analyst_kernel", {}).get("role", ""))


def visible(folder: Path) -> list[str]:
    """Return the names in a folder, without the copy that Jupyter makes while it saves."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


async def branch(browser: Browser, analysis: str, **body: str) -> Answer:
    return await browser.call("POST", f"api/analyses/{analysis}/branch", body)


async def shown(tab: Tab, analysis: str, code: str) -> str:
    """Run code by hand and return its result as text."""
    start = len(tab.frames)
    await tab.do("run_code", analysis, code=code)
    finished = await tab.event("iteration_finished", start=start)
    text: str = finished["outputs"][0]["data"]["text/plain"]
    return text


async def test_a_branch_has_its_own_kernel_in_the_state_of_its_cell(
    server: Server, browser: Browser, tmp_path: Path
) -> None:
    parent, first = await asked(browser, tmp_path)
    before = await browser.summary(parent)
    cell = first.of("iteration_finished")[0]["cell"]
    answer = await branch(browser, parent, cell=cell)
    assert answer.status == 201, answer.body
    made = answer.json

    assert (made["parent"], made["parent_cell"]) == (parent, cell)
    stem = Path(before["notebook_path"]).stem
    assert Path(made["notebook_path"]).name == f"{stem}-branch-1.ipynb"
    assert made["title"] == "Branch 1: How many?"
    assert [c.id for c in cells_of(made)] == [c.id for c in cells_of(before)][:5]
    tab = await browser.tab(made["id"])
    done = await tab.event("branch_finished")
    assert (done["reproduced"], done["total"], done["reason"]) == (2, 2, "")
    assert [event["place"] for event in tab.of("branch_advanced")] == [1, 2]
    assert await shown(tab, made["id"], "total") == "344"
    assert await shown(first, parent, "total") == "345", "the parent goes on as it was"
    analyses = await server.analyses()
    kernels = {analyses.find(one).host.kernel_id for one in (parent, made["id"])}
    assert len(kernels - {None}) == 2
    store = GrantStore()
    granted = [{g.path for g in store.for_notebook(s["notebook_path"])} for s in (before, made)]
    assert granted[0] == granted[1] != set()


async def test_its_conversation_is_the_parents_up_to_the_cell_after_a_restart_too(
    start_server: StartServer, tmp_path: Path
) -> None:
    browser = (await start_server()).browser
    parent, first = await asked(browser, tmp_path)
    cell = first.of("iteration_finished")[0]["cell"]
    made = (await branch(browser, parent, cell=cell, title="  The  other way ")).json
    assert made["title"] == "The other way"
    tab = await browser.tab(made["id"])
    await tab.event("branch_finished")

    def check(events: list[dict[str, Any]]) -> None:
        history = events[: [e["type"] for e in events].index("branch_started")]
        assert {event["analysis"] for event in events} == {made["id"]}
        numbers = [event["number"] for event in events]
        assert numbers == sorted(set(numbers))
        kinds = [event["type"] for event in history]
        assert kinds.count("run_started") == kinds.count("run_finished") == 1
        assert [e["cell"] for e in history if e["type"] == "iteration_finished"] == [cell]
        ending = next(e for e in history if e["type"] == "run_finished")
        assert (ending["status"], ending["answer"]) == ("cancelled", "")
        assert ending["notebook"] == made["notebook_path"]
        assert "branch starts here" in ending["reason"]

    check(tab.events)
    browser = (await start_server()).browser
    again = await browser.tab(made["id"])
    await again.frame(lambda f: f["type"] == "caught_up")
    check(again.events)
    assert len(again.of("branch_finished")) == 1
    summary = await browser.summary(made["id"])
    assert (summary["parent"], summary["parent_cell"]) == (parent, cell)
    model = script(tmp_path, python("total", "Look"), say("It is 344."), name="second")
    await again.do("ask_question", made["id"], question="And now?", model=model)
    finished = await again.event("run_finished", run="r2")
    assert finished["answer"].startswith("It is 344")
    (ran,) = [e for e in again.of("iteration_finished") if e["run"] == "r2"]
    assert ran["outputs"][0]["data"]["text/plain"] == "344"


@pytest.mark.parametrize("which", ["title", "setup", "question", "plan", "answer", "own"])
async def test_from_every_kind_of_cell(browser: Browser, tmp_path: Path, which: str) -> None:
    parent, first = await asked(browser, tmp_path)
    if which == "own":
        await shown(first, parent, "mine = 7\nmine")
        cell = cells_of(await browser.summary(parent))[-1].id
    else:
        found = cells_of(await browser.summary(parent))
        cell = next(one.id for one in found if role(one) == which)
    made = (await branch(browser, parent, cell=cell)).json
    tab = await browser.tab(made["id"])
    done = await tab.event("branch_finished")
    assert (done["reason"], done["reproduced"]) == ("", done["total"])
    assert cells_of(made)[-1].id == cell
    asked_before = which not in ("title", "setup")
    assert made["questions"] == len(tab.of("run_started")) == int(asked_before)
    expected = {"answer": "345", "own": "345"}.get(which, "False")
    code = "total" if expected == "345" else "'total' in globals()"
    assert await shown(tab, made["id"], code) == expected
    if which == "own":
        assert await shown(tab, made["id"], "mine") == "7"
        assert cell in [event["cell"] for event in tab.of("iteration_started")]
    if which == "answer":
        (ending,) = tab.of("run_finished")
        assert ending["answer"] == "It is 345."
    valid_notebook(whole_text(made["notebook_path"]))


async def test_the_end_of_a_question_and_a_branch_of_a_branch(
    browser: Browser, tmp_path: Path
) -> None:
    parent, _ = await asked(browser, tmp_path)
    child = (await branch(browser, parent, run="r1")).json
    grandchild = (await branch(browser, child["id"])).json
    for made, of, number in ((child, parent, 1), (grandchild, child["id"], 2)):
        assert role(cells_of(made)[-1]) == "answer"
        assert made["parent"] == of
        assert made["notebook"].endswith(f"-branch-{number}.ipynb")
        assert made["title"] == f"Branch {number}: How many?"
        tab = await browser.tab(made["id"])
        await tab.event("branch_finished", reason="")
        assert len(tab.of("branch_started")) == 1


async def test_while_the_parent_has_a_run_at_work(browser: Browser, tmp_path: Path) -> None:
    model = script(
        tmp_path, python("n = 1\nn", "Count"), python("import time; time.sleep(120)"), say("Never.")
    )
    parent = await browser.begin()
    first = await browser.tab(parent)
    await first.do("ask_question", parent, question="Wait", model=model)
    await first.event("iteration_started", iteration=2)
    cell = first.of("iteration_finished")[0]["cell"]
    made = (await branch(browser, parent, cell=cell)).json
    tab = await browser.tab(made["id"])
    await tab.event("branch_finished", reason="")
    assert await shown(tab, made["id"], "n") == "1"
    assert (await browser.summary(parent))["state"] == "running"
    assert [e["status"] for e in tab.of("run_finished")] == ["cancelled"]
    await first.do("cancel_run", parent)
    await first.event("run_finished", status="cancelled")


async def test_stop_ends_the_replay_and_the_branch_stays_usable(
    start_server: StartServer, tmp_path: Path
) -> None:
    browser = (await start_server(**PLAIN)).browser
    slow = "import os, time\ntime.sleep(60 if os.path.exists('slow') else 0)\nslow = 1\nslow"
    model = script(tmp_path, python(slow, "Perhaps slow"), say("Done."))
    parent = await browser.begin()
    first = await browser.tab(parent)
    await first.do("ask_question", parent, question="Slow?", model=model, data=[FILE])
    await first.event("run_finished", status="answered")
    folder = Path((await browser.summary(parent))["notebook_path"]).parent
    (folder / "slow").touch()
    made = (await branch(browser, parent)).json
    tab = await browser.tab(made["id"])
    await tab.event("branch_advanced", place=1)
    assert (await browser.summary(made["id"]))["state"] == "running"
    await tab.do("cancel_run", made["id"])
    done = await tab.event("branch_finished")
    assert "stopped" in done["reason"]
    (folder / "slow").unlink()
    assert await shown(tab, made["id"], "slow") == "1", "the next code brings the state"


async def test_a_cell_that_no_longer_reproduces_is_told_and_the_branch_goes_on(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    parent, _ = await asked(browser, tmp_path)
    data = root / FILE
    data.write_text("\n".join(data.read_text().splitlines()[:101]) + "\n")
    made = (await branch(browser, parent)).json
    tab = await browser.tab(made["id"])
    done = await tab.event("branch_finished")
    assert (done["reason"], done["total"]) == ("", 3)
    assert done["reproduced"] == 0, "the setup cell displays the rows, too"
    notices = [e["message"] for e in tab.of("notice_raised") if e["code"] == "branch-differs"]
    assert len(notices) == 3
    assert "no longer reproduces" in notices[0]
    assert await shown(tab, made["id"], "total") == "101"


async def test_what_cannot_be_branched(browser: Browser, tmp_path: Path, root: Path) -> None:
    empty = await browser.begin()
    for body, said in (({}, "no cells yet"), ({"cell": "x"}, "no cells yet")):
        answer = await branch(browser, empty, **body)
        assert (answer.status, said in answer.json["message"]) == (400, True)
    parent, _ = await asked(browser, tmp_path)
    files = visible(root / "data")
    answer = await branch(browser, parent, cell="no-such-cell")
    assert answer.status == 400
    assert "no-such-cell" in answer.json["message"]
    assert "(cell 1 of r1)" in answer.json["remedy"]
    assert (await branch(browser, parent, run="r9")).status == 400
    assert (await branch(browser, "0123")).status == 404
    assert visible(root / "data") == files
    assert len((await browser.call("GET", "api/analyses")).json) == 2


async def test_a_branch_is_renamed_and_deleted_like_any_analysis(
    browser: Browser, tmp_path: Path
) -> None:
    parent, _ = await asked(browser, tmp_path)
    made = (await branch(browser, parent)).json
    tab = await browser.tab(made["id"])
    await tab.event("branch_finished")
    assert (await browser.call("PATCH", f"api/analyses/{made['id']}", {"title": "B"})).status == 200
    assert (await browser.summary(made["id"]))["title"] == "B"
    gone = await browser.call("DELETE", f"api/analyses/{made['id']}", notebook="delete")
    assert gone.status in (200, 204)
    assert not Path(made["notebook_path"]).exists()
    assert GrantStore().for_notebook(made["notebook_path"]) == ()
    assert GrantStore().for_notebook((await browser.summary(parent))["notebook_path"]) != ()
    other = (await branch(browser, parent)).json
    await browser.call("DELETE", f"api/analyses/{parent}")
    assert (await browser.summary(other["id"]))["parent"] == parent


async def test_a_notebook_grants_nothing_by_what_it_says_of_its_parent(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    parent, _ = await asked(browser, tmp_path)
    path = Path((await browser.summary(parent))["notebook_path"])
    stranger = path.with_name("stranger.ipynb")
    book = json.loads(whole_text(path))
    book["metadata"]["analyst_kernel"] |= {
        "analysis": "feedfeedfeed",
        "parent": {"analysis": parent, "notebook": path.name, "cell": "x"},
    }
    stranger.write_text(json.dumps(book))
    opened = await browser.begin(notebook=os.path.relpath(stranger, root))
    assert (await browser.summary(opened))["parent"] == parent
    made = (await branch(browser, opened)).json
    assert GrantStore().for_notebook(str(stranger)) == ()
    assert GrantStore().for_notebook(made["notebook_path"]) == ()
    # What the journal does not know is told from the notebook.
    tab = await browser.tab(made["id"])
    await tab.event("branch_started")
    (ending,) = tab.of("run_finished")
    assert (ending["status"], ending["answer"]) == ("answered", "It is 345.")
    assert [e["purpose"] for e in tab.of("iteration_started")] == ["Count", "Add"]

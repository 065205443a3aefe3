"""What a user does in the notebook and its kernel reaches the panel and the model; undo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.turns import call, python, say, script, turn
from tests.fakes.wire_server import WireServer
from tests.server.browser import DEADLINE, Browser, Tab
from tests.server.conftest import Server, StartServer
from tests.support.notebook_io import valid_notebook, whole_text

CODE = "x = 41\nprint('x is', x)"


@asynccontextmanager
async def tab_of_the_notebook(server: Server) -> AsyncIterator[Callable[[str], Any]]:
    """Yield a function that runs code as another client of the kernel, as the notebook's tab does."""
    manager = server.app.kernel_manager
    (kernel_id,) = manager.list_kernel_ids()
    client = manager.get_kernel(kernel_id).client()
    client.session.session = "a-tab-of-the-user"
    client.start_channels(hb=False)
    await client.wait_for_ready(timeout=DEADLINE)
    try:
        yield lambda code: client.execute_interactive(
            code, timeout=DEADLINE, output_hook=lambda message: None
        )
    finally:
        client.stop_channels()


async def asked(browser: Browser, wire: WireServer, code: str = CODE) -> tuple[str, Tab]:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await ask(tab, analysis, wire, "First", turn(call("run_python", code=code, purpose="Set x")))
    return analysis, tab


async def ask(tab: Tab, analysis: str, wire: WireServer, question: str, *turns: Any) -> str:
    """Ask, and return the first turn that was sent to the model."""
    before, start = len(wire.requests), len(tab.frames)
    wire.push(*turns, turn(say("Done.")))
    await tab.do("ask_question", analysis, question=question)
    done = await tab.event("run_finished", start=start)
    # An answer for which no code ran is incomplete; what the model was sent is the matter here.
    assert done["status"] in ("answered", "incomplete"), done["reason"]
    messages = wire.requests[before].body["messages"]
    assert messages[0]["role"] == "user"
    return "\n".join(block["text"] for block in messages[0]["content"])


async def path_of(server: Server, browser: Browser, analysis: str) -> Path:
    summary = await browser.summary(analysis)
    return Path(server.app.root_dir) / summary["notebook"]


def iteration_cell(path: Path) -> dict[str, Any]:
    cells = json.loads(whole_text(path))["cells"]
    role = [c["metadata"].get("analyst_kernel", {}).get("role") for c in cells]
    found: dict[str, Any] = cells[role.index("iteration")]
    return found


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    book = json.loads(whole_text(path))
    edit(book)
    path.write_text(json.dumps(book))


async def test_a_cell_run_by_hand_shows_its_new_outputs_and_the_model_gets_it(
    claude_environment: WireServer, start_server: StartServer
) -> None:
    server = await start_server()
    browser = server.browser
    analysis, tab = await asked(browser, claude_environment)
    path = await path_of(server, browser, analysis)
    cell = iteration_cell(path)
    start = len(tab.frames)
    async with tab_of_the_notebook(server) as execute:
        await execute(source_of(cell))
        ran = await tab.event("cell_ran_by_hand", start=start)
        assert ran["cell"] == cell["id"]
        assert ran["outputs"][0]["text"] == "x is 41\n"
        assert ran["run"] is None
        await execute("x = 7\nmine = [1, 2, 3]\nnot_there")
    prompt = await ask(tab, analysis, claude_environment, "Go on")
    assert "<data id=" in prompt
    assert f"Cell {cell['id']} was run again" in prompt
    assert "Run in the kernel, not saved yet:\nx = 7" in prompt
    assert "It failed: NameError: name 'not_there' is not defined" in prompt
    assert "mine" in prompt
    assert "[new]" in prompt
    # Told once.
    again = await ask(tab, analysis, claude_environment, "And now")
    assert "by hand" not in again


async def test_edits_of_the_saved_notebook_reach_the_model_as_a_diff(
    claude_environment: WireServer, start_server: StartServer
) -> None:
    server = await start_server()
    browser = server.browser
    analysis, tab = await asked(browser, claude_environment)
    path = await path_of(server, browser, analysis)
    cell = iteration_cell(path)["id"]

    def edit(book: dict[str, Any]) -> None:
        theirs = next(c for c in book["cells"] if c["id"] == cell)
        theirs["source"] = source_of(theirs).replace("41", "42")
        own = {"cell_type": "code", "id": "mine", "metadata": {}, "source": "x * 2",
               "execution_count": 9, "outputs": [{"output_type": "execute_result",
               "data": {"text/plain": "84"}, "metadata": {}, "execution_count": 9}]}  # fmt: skip
        book["cells"].append(own)

    change(path, edit)
    start = len(tab.frames)
    prompt = await ask(tab, analysis, claude_environment, "Go on")
    assert "Cell 1 was edited" in prompt
    assert "-x = 41\n+x = 42" in prompt
    assert "Cell mine is new, the user's own:\nx * 2\nIts output:\n84" in prompt
    noticed = await tab.event("hand_changes_noticed", start=start)
    assert [(c["cell"], c["change"]) for c in noticed["changes"]] == [
        (cell, "edited"), ("mine", "added"),
    ]  # fmt: skip
    # Run again runs the user's text, and leaves it as it stands.
    start = len(tab.frames)
    await tab.do("run_again", analysis, cell=cell)
    ran = await tab.event("iteration_finished", cell=cell, start=start)
    assert ran["outputs"][0]["text"] == "x is 42\n"
    assert "as you edited it" in (await tab.event("notice_raised", start=start))["message"]
    book = valid_notebook(whole_text(path))
    same = [c for c in book.cells if c.id == cell]
    assert [c.source.split("\n")[1] for c in same] == ["x = 42"]
    assert sum("print('x is', x)" in c.source for c in book.cells) == 1
    # Still the user's: undoing the run leaves it.
    await tab.do("undo_run", analysis, run="r1", roll_back=False)
    undone = await tab.event("run_undone", run="r1")
    assert undone["kept"] == [cell]


async def test_the_model_is_informed_of_a_kernel_that_the_user_restarted(
    claude_environment: WireServer, start_server: StartServer
) -> None:
    server = await start_server()
    browser = server.browser
    analysis, tab = await asked(browser, claude_environment)
    (kernel,) = (await browser.fetch("GET", "api/kernels")).json
    await browser.fetch("POST", f"api/kernels/{kernel['id']}/restart", {})
    await tab.event("kernel_changed", state="restarted")

    async def taken_up() -> bool:
        session = (await server.analyses()).find(analysis)
        async with session.analysis._lock:
            return not session.host.busy

    async with asyncio.timeout(DEADLINE):
        while not await taken_up():
            await asyncio.sleep(0.05)
    async with tab_of_the_notebook(server) as execute:
        await execute("x + 1")
    prompt = await ask(tab, analysis, claude_environment, "Go on")
    assert "The user restarted the kernel by hand" in prompt
    assert "It failed: NameError: name 'x' is not defined" in prompt
    assert "cells ran again" in prompt
    (kept,) = (await browser.fetch("GET", "api/kernels")).json
    assert kept["id"] == kernel["id"]


async def test_undo_takes_a_run_out_and_rolls_the_kernel_back(
    claude_environment: WireServer, start_server: StartServer
) -> None:
    server = await start_server()
    browser = server.browser
    wire = claude_environment
    analysis, tab = await asked(browser, wire)
    second = turn(call("run_python", code="y = x + 1\nx = 0", purpose="Change x"))
    await ask(tab, analysis, wire, "Second", second)
    path = await path_of(server, browser, analysis)
    start = len(tab.frames)
    await tab.do("undo_run", analysis, run="r2", roll_back=True)
    undone = await tab.event("run_undone", start=start)
    assert undone["run"] == "r2"
    assert undone["rolled_back"] is True
    assert len(undone["removed"]) == 3
    await tab.event("kernel_changed", state="ready", start=start)
    left = valid_notebook(whole_text(path))
    assert not {c.id for c in left.cells} & set(undone["removed"])
    assert not any("y = x + 1" in c.source for c in left.cells)
    start = len(tab.frames)
    await tab.do("run_code", analysis, code="print(x, 'y' in globals())")
    shown = await tab.event("iteration_finished", start=start)
    assert shown["outputs"][0]["text"] == "41 False\n"
    # Its number is not used again, and the model does not hear of its answer.
    prompt = await ask(tab, analysis, wire, "Third")
    assert "Second" not in prompt
    assert (await tab.event("run_finished", run="r3"))["status"] in ("answered", "incomplete")
    unknown = await tab.command("undo_run", analysis, run="r2", roll_back=False)
    assert unknown["type"] == "accepted"
    notice = await tab.event("notice_raised", code="not-done")
    assert "no run r2" in notice["message"]


async def test_a_run_at_work_cannot_be_undone(browser: Browser, tmp_path: Path) -> None:
    model = script(tmp_path, python("import time; time.sleep(120)"), say("Never."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("iteration_started")
    refused = await tab.command("undo_run", analysis, run="r1", roll_back=False)
    assert refused["type"] == "refused"
    assert "at work" in json.dumps(refused)
    await tab.do("cancel_run", analysis)
    await tab.event("run_finished")
    await tab.do("undo_run", analysis, run="r1", roll_back=False)
    assert (await tab.event("run_undone"))["rolled_back"] is False


async def test_a_check_is_noted_in_the_notebook_with_versions_and_is_a_claim_when_it_is_opened_again(
    browser: Browser, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = script(tmp_path, python("print(6 * 7)"), say("Done."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="First", model=model)
    await tab.event("run_finished")
    await tab.do("verify_analysis", analysis)
    ended = await tab.event("verification_finished")
    path = await path_of(server, browser, analysis)
    noted = valid_notebook(whole_text(path)).metadata["analyst_kernel"]["verified"]
    assert (noted["reproduced"], noted["total"]) == (ended["reproduced"], ended["total"])
    assert noted["python"].count(".") == 2
    assert "pandas" in noted["packages"]
    assert set(noted["cells"].values()) <= {"reproduced", "skipped"}
    answer = await browser.call("DELETE", f"api/analyses/{analysis}", keep_notebook="true")
    assert answer.status in (200, 204), answer.body
    change(path, lambda book: book["cells"].append(
        {"cell_type": "code", "id": "z", "metadata": {}, "source": "1", "outputs": [],
         "execution_count": None}))  # fmt: skip
    again = await browser.begin(notebook=str(path.relative_to(server.app.root_dir)))
    opened = await browser.tab(again)
    # The journal of the analysis is deleted, so only the file says so, which anybody can write.
    claimed = await opened.event("notice_raised")
    assert claimed["code"] == "claimed-by-notebook"
    assert f"reproduced {ended['reproduced']} of {ended['total']}; the code" in claimed["message"]
    assert opened.of("verification_finished") == []

"""Kernels of the server: shown and adopted as Jupyter's own, lost, restarted by hand, idle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import websocket_connect

from tests.fakes.turns import python, say, script
from tests.server.browser import DEADLINE, TOKEN, Browser, Tab
from tests.server.conftest import PLAIN, StartServer
from tests.support.notebook_io import valid_notebook, whole_text


async def asked(browser: Browser, tmp_path: Path, code: str = "x = 41") -> tuple[str, Tab]:
    """Return an analysis whose kernel ran ``code``, and a tab on it."""
    model = script(tmp_path, python(code), say("Done."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="First", model=model)
    done = await tab.event("run_finished")
    assert done["status"] == "answered", done["reason"]
    return analysis, tab


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await look():
            await asyncio.sleep(0.05)


async def run_code(tab: Tab, analysis: str, code: str) -> dict[str, Any]:
    """Run the user's own code and return how its cell ended."""
    start = len(tab.frames)
    await tab.do("run_code", analysis, code=code)
    return await tab.event("iteration_finished", start=start)


def text_of(finished: dict[str, Any]) -> str:
    return str([o.get("text") or o.get("data", o).get("text/plain") for o in finished["outputs"]])


@pytest.mark.parametrize("name", ["python3", "analyst"])
async def test_the_kernel_is_jupyters_own_and_the_notebooks_tab_attaches_to_it(
    start_server: StartServer, tmp_path: Path, name: str
) -> None:
    browser = (await start_server(kernel_name=name)).browser
    analysis, _ = await asked(browser, tmp_path)
    summary = await browser.summary(analysis)
    kernels = (await browser.fetch("GET", "api/kernels")).json
    assert [kernel["name"] for kernel in kernels] == [name]
    (session,) = (await browser.fetch("GET", "api/sessions")).json
    assert session["path"] == summary["notebook"]
    assert session["type"] == "notebook"
    assert session["kernel"]["id"] == kernels[0]["id"]


async def test_a_tab_connects_to_the_kernel_while_a_cell_runs(
    start_server: StartServer, tmp_path: Path
) -> None:
    browser = (await start_server(**PLAIN)).browser
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    model = script(tmp_path, python(wait), say("Done."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="First", model=model)
    await tab.event("iteration_started")
    (kernel,) = (await browser.fetch("GET", "api/kernels")).json
    address = f"ws://{browser.base}api/kernels/{kernel['id']}/channels?token={TOKEN}"
    # Jupyter itself would wait for the cell, and give up after a minute.
    async with asyncio.timeout(30):
        connected = await websocket_connect(address)
    connected.close()
    assert tab.of("iteration_finished") == []
    gate.touch()
    assert (await tab.event("run_finished"))["status"] == "answered"


async def test_a_kernel_that_is_shut_down_from_outside_is_noticed_and_started_again(
    browser: Browser, tmp_path: Path
) -> None:
    analysis, tab = await asked(browser, tmp_path)
    (kernel,) = (await browser.fetch("GET", "api/kernels")).json
    assert (await browser.fetch("DELETE", f"api/kernels/{kernel['id']}")).status == 204
    stopped = await tab.event("kernel_changed", state="stopped")
    assert "from outside" in stopped["reason"]
    assert (await browser.ended(analysis))["state"] == "idle"
    finished = await run_code(tab, analysis, "1 + 1")
    assert finished["outcome"] == "ok"
    (other,) = (await browser.fetch("GET", "api/kernels")).json
    assert other["id"] != kernel["id"]


async def test_a_kernel_that_is_shut_down_in_the_middle_of_a_cell_does_not_break_the_run(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(
        tmp_path, python("import time; time.sleep(120)"), python("1 + 1"), say("It ended.")
    )
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("iteration_started")
    (kernel,) = (await browser.fetch("GET", "api/kernels")).json
    await browser.fetch("DELETE", f"api/kernels/{kernel['id']}")
    finished = await tab.event("iteration_finished")
    assert finished["outcome"] != "ok"
    done = await tab.event("run_finished")
    assert done["status"] == "answered", done["reason"]
    (other,) = (await browser.fetch("GET", "api/kernels")).json
    assert other["id"] != kernel["id"]


async def test_a_kernel_that_the_user_restarts_keeps_its_id_and_what_they_ran_since(
    browser: Browser, tmp_path: Path
) -> None:
    analysis, tab = await asked(browser, tmp_path)
    (kernel,) = (await browser.fetch("GET", "api/kernels")).json
    assert (await browser.fetch("POST", f"api/kernels/{kernel['id']}/restart", {})).status == 200
    changed = await tab.event("kernel_changed", state="restarted")
    assert "from outside" in changed["reason"]
    finished = await run_code(tab, analysis, "'x' in globals()")
    assert finished["outcome"] == "ok"
    (same,) = (await browser.fetch("GET", "api/kernels")).json
    assert same["id"] == kernel["id"]


async def test_cells_that_the_user_runs_see_what_the_agent_made_and_run_again_in_place(
    browser: Browser, tmp_path: Path
) -> None:
    analysis, tab = await asked(browser, tmp_path, "x = globals().get('x', 0) + 1\nprint(x)")
    assert "41" in text_of(await run_code(tab, analysis, "x + 40"))
    cell = tab.of("iteration_started")[0]["cell"]
    start = len(tab.frames)
    await tab.do("run_again", analysis, cell=cell)
    again = await tab.event("iteration_finished", start=start)
    assert (again["cell"], text_of(again)) == (cell, "['2\\n']")
    path = (await browser.summary(analysis))["notebook_path"]
    book = valid_notebook(whole_text(path))
    (saved,) = [c for c in book.cells if c.id == cell]
    assert saved.outputs[0]["text"] == "2\n"

    start = len(tab.frames)
    await tab.do("run_again", analysis)
    await tab.event("kernel_changed", state="restarted", start=start)
    all_again = await tab.event("iteration_finished", cell=cell, start=start)
    assert text_of(all_again) == "['1\\n']"


async def test_an_idle_kernel_is_stopped_and_the_next_question_goes_on(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server(idle_minutes=0.02, idle_check_seconds=0.2)
    browser = server.browser
    analysis, tab = await asked(browser, tmp_path)
    stopped = await tab.event("kernel_changed", state="stopped")
    assert "idle" in stopped["reason"]
    assert (await browser.fetch("GET", "api/kernels")).json == []
    assert (await browser.fetch("GET", "api/sessions")).json == []
    finished = await run_code(tab, analysis, "x + 1")
    assert text_of(finished) == "['42']"
    assert "ran again" in (await tab.event("notice_raised", code="kernel-replayed"))["message"]


async def test_jupyters_own_culling_spares_a_run_at_work(
    browser: Browser, tmp_path: Path, server: Any
) -> None:
    model = script(tmp_path, python("import time; time.sleep(120)"), say("Never."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("iteration_started")
    manager = server.app.kernel_manager
    (kernel_id,) = manager.list_kernel_ids()
    manager.get_kernel(kernel_id).last_activity = manager.get_kernel(
        kernel_id
    ).last_activity.replace(year=2020)

    async def touched() -> bool:
        return bool(manager.get_kernel(kernel_id).last_activity.year > 2020)

    await until(touched)
    await tab.do("cancel_run", analysis)
    await tab.event("run_finished")


async def test_no_key_of_the_server_reaches_a_kernel(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-never-in-a-kernel")
    code = "import os, json\nprint(json.dumps(sorted(os.environ.values())))"
    analysis, tab = await asked(browser, tmp_path, code)
    shown = tab.of("iteration_finished")[0]["outputs"][0]["text"]
    assert "sk-ant-never-in-a-kernel" not in json.loads(shown)
    assert analysis


async def test_verify_emits_for_each_cell_whether_it_reproduced(
    browser: Browser, tmp_path: Path
) -> None:
    analysis, tab = await asked(browser, tmp_path, "print(6 * 7)")
    await tab.do("verify_analysis", analysis)
    begun = await tab.event("verification_started")
    ended = await tab.event("verification_finished")
    assert ended["reason"] == ""
    assert ended["reproduced"] == ended["total"] > 0
    assert len(tab.of("cell_verified")) == begun["cells"]

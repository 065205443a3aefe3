"""Definitions on a server: added, edited and removed in a tab, after a restart, and beside a command."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.fakes.turns import answer, call, finish, turn
from tests.fakes.wire_server import WireServer
from tests.server.browser import Browser, Tab
from tests.server.conftest import StartServer
from tests.server.test_manual_runs import ask
from tests.support.command import PROGRAMS, environment

KEPT = "Heavy means above 4500 g."


async def texts(tab: Tab, start: int = 0) -> list[tuple[str, bool]]:
    held = await tab.event("ledger_changed", start=start)
    return [(d["text"], d["active"]) for d in held["definitions"]]


async def changed(tab: Tab, kind: str, analysis: str, **fields: Any) -> list[tuple[str, bool]]:
    start = len(tab.frames)
    await tab.do(kind, analysis, **fields)
    return await texts(tab, start)


async def test_definitions_are_added_edited_switched_off_and_removed(
    browser: Browser, wire_server: WireServer, claude_environment: None
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    refused = await tab.command("add_definition", analysis, text=KEPT)
    assert refused["type"] == "refused"
    assert "first question" in json.dumps(refused)
    first = await ask(tab, analysis, wire_server, f"{KEPT} How many are heavy?")
    assert f"d1 (question 1): {KEPT[:-1]}" in first
    (recorded,) = tab.of("definition_recorded")
    assert recorded["run"] == "r1"
    assert await changed(tab, "add_definition", analysis, text="Skip chicks.") == [
        (KEPT[:-1], True),
        ("Skip chicks.", True),
    ]
    edit = {"definition": "d2", "text": "Skip eggs.", "active": False}
    assert await changed(tab, "edit_definition", analysis, **edit) == [
        (KEPT[:-1], True),
        ("Skip eggs.", False),
    ]
    second = await ask(tab, analysis, wire_server, "And now?")
    assert KEPT[:-1] in second
    assert "Skip" not in second
    assert await changed(tab, "remove_definition", analysis, definition="d2") == [(KEPT[:-1], True)]
    unknown = await tab.command("remove_definition", analysis, definition="d9")
    assert unknown["type"] == "refused"


async def test_definitions_outlast_a_restart_a_branch_and_a_command_and_go_with_their_run(
    start_server: StartServer, wire_server: WireServer, claude_environment: None
) -> None:
    server = await start_server()
    browser = server.browser
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await ask(tab, analysis, wire_server, f"{KEPT} How many are heavy?")
    path = Path(server.app.root_dir) / (await browser.ended(analysis))["notebook"]
    await server.stop()

    # What a command changes meanwhile is there when the server comes back.
    command = [PROGRAMS / "analyst", "ledger", path, "--add", "Skip chicks."]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "d1  Heavy means above 4500 g  (question 1)",
        "d2  Skip chicks.  (written by hand)",
    ]
    server = await start_server()
    browser = server.browser
    tab = await browser.tab(analysis)
    await tab.frame(lambda frame: frame["type"] == "caught_up")
    start = len(tab.frames)
    first = await ask(tab, analysis, wire_server, "And now?")
    assert f"d1 (question 1): {KEPT[:-1]}" in first
    assert "d2 (written by the user): Skip chicks." in first
    assert [text for text, _ in await texts(tab, start)] == [KEPT[:-1], "Skip chicks."]

    answer = await browser.call("POST", f"api/analyses/{analysis}/branch", {"run": "r1"})
    assert answer.status in (200, 201), answer.body
    other = answer.json["id"]
    branch = await browser.tab(other)
    assert [text for text, _ in await texts(branch)] == [KEPT[:-1], "Skip chicks."]

    start = len(tab.frames)
    await tab.do("undo_run", analysis, run="r1", roll_back=False)
    assert await texts(tab, start) == [("Skip chicks.", True)]


async def test_a_choice_is_kept_and_stands_in_the_notebook(
    server: Any, browser: Browser, wire_server: WireServer, claude_environment: None
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    card = call("ask_user", question="Mean or median?", options=["mean", "median"])
    wire_server.push(card, turn(finish("It is typical.")))
    await tab.do("ask_question", analysis, question="How heavy is the typical one?")
    waiting = await tab.event("user_asked")
    await tab.do("answer_question", analysis, ask=waiting["ask"], answer="median")
    done = await tab.event("run_finished")
    assert done["details"]["assumptions"] == ["Mean or median? You chose: median."]
    held = await tab.event("ledger_changed")
    assert [(d["by"], d["text"]) for d in held["definitions"]] == [
        ("choice", "Mean or median? median")
    ]
    path = Path(server.app.root_dir) / (await browser.ended(analysis))["notebook"]
    sources = ["".join(c["source"]) for c in json.loads(path.read_text())["cells"]]
    assert any("Mean or median? You chose: median" in text for text in sources)


async def test_a_question_of_a_command_beside_the_server_has_a_run_of_its_own(
    server: Any, browser: Browser, wire_server: WireServer, claude_environment: None
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await ask(tab, analysis, wire_server, "First")
    path = Path(server.app.root_dir) / (await browser.ended(analysis))["notebook"]
    wire_server.push(answer("By the command."))
    command = [PROGRAMS / "analyst", "ask", f"Second. {KEPT}", "--notebook", path, "--quiet",
               "--sandbox", "none"]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    start = len(tab.frames)
    third = await ask(tab, analysis, wire_server, "Third")
    assert "By the command." in third
    assert f"d1 (question 2): {KEPT[:-1]}" in third
    ended = await tab.event("run_finished", start=start)
    assert ended["run"] == "r3"
    notices = [e["code"] for e in tab.of("notice_raised")]
    assert "asked-elsewhere" in notices
    assert os.path.exists(path)

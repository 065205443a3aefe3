"""The server is killed at 50 random moments of its runs; each iteration is in exactly one cell."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat

from tests.fakes.turns import python, say, script
from tests.live.crash_server import DEADLINE, CrashServer
from tests.server.browser import Browser, Tab
from tests.support.notebook_io import whole_text

KILLS = 50
FRAMES = 45
"""About as many frames as a run has; beyond its end the server is killed while it is idle."""


async def test_a_server_that_is_killed_anywhere_leaves_each_iteration_in_one_cell(
    tmp_path: Path,
) -> None:
    root, place = tmp_path / "root", tmp_path / "place"
    for folder in (root, place / "data", place / "run", place / "config"):
        folder.mkdir(parents=True)
    model = script(tmp_path, *(python(f"print({n})", f"Part {n}") for n in range(4)), say("Done."))
    moments = random.Random(20)
    analysis = ""
    servers = [CrashServer(root, place, 0)]
    try:
        for number in range(1, KILLS + 1):
            server = servers[-1]
            browser = await server.ready()
            servers.append(CrashServer(root, place, number))
            analysis = analysis or await browser.begin(title="Crashes")
            tab = await _run_until(browser, analysis, model, moments)
            server.kill()
            await tab.close()
        browser = await servers[-1].ready()
        journal = place / "data" / "analyst-kernel" / "journal.sqlite3"
        summary = await browser.summary(analysis)
        async with asyncio.timeout(DEADLINE):
            while _rows(journal, "SELECT key FROM operations"):
                await asyncio.sleep(0.1)
    finally:
        for server in servers:
            server.kill()

    begun = [
        (event["run"], event["iteration"], event["cell"])
        for (body,) in _rows(journal, "SELECT body FROM events WHERE type = 'iteration_started'")
        for event in [json.loads(body)]
    ]
    notebook = nbformat.reads(whole_text(summary["notebook_path"]), as_version=4)
    nbformat.validate(notebook)
    notes = [(cell["metadata"].get("analyst_kernel", {}), cell["id"]) for cell in notebook.cells]
    there = Counter(
        (note["run"], note["iteration"], cell)
        for note, cell in notes
        if note.get("role") == "iteration"
    )
    print(f"{KILLS} kills, {len(begun)} iterations begun, {len(there)} in the notebook")
    assert len(begun) >= KILLS
    assert set(begun) <= set(there)
    assert set(there.values()) == {1}
    assert len({(run, iteration) for run, iteration, _ in there}) == len(there)
    assert len({cell for _, cell in notes}) == len(notes)


async def _run_until(browser: Browser, analysis: str, model: str, moments: random.Random) -> Tab:
    """Ask, and return the tab at a random moment of the run."""
    tab = await browser.tab(analysis)
    await tab.frame(lambda frame: frame["type"] == "caught_up")
    before = len(tab.frames)
    await tab.send("ask_question", analysis, question="Go on", model=model)
    # By frames alone a slow machine would seldom get as far as the cells.
    reach = moments.choice((0, 1, 2, 3, 4))
    more = moments.randrange(0, 9) if reach else moments.randrange(4, FRAMES)

    def is_over() -> bool:
        return any(_ended(frame) for frame in tab.frames[before:])

    def begun() -> int:
        return sum(_begins(frame) for frame in tab.frames[before:])

    async with asyncio.timeout(DEADLINE), tab._changed:
        await tab._changed.wait_for(lambda: begun() >= reach or is_over())
        wanted = (len(tab.frames) if reach else before) + more
        await tab._changed.wait_for(lambda: len(tab.frames) >= wanted or is_over())
    await asyncio.sleep(moments.uniform(0, 0.02))
    return tab


def _begins(frame: dict[str, Any]) -> bool:
    return bool(frame.get("event", {}).get("type") == "iteration_started")


def _ended(frame: dict[str, Any]) -> bool:
    assert frame["type"] != "refused", frame
    return bool(frame.get("event", {}).get("type") == "run_finished")


def _rows(journal: Path, query: str) -> list[tuple[str]]:
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchall()

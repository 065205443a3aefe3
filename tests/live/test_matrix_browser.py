"""A notebook that somebody has open while an analysis writes it: nothing is lost, nothing is asked.

Each test ends by comparing the file, the model of every page that has it open, and the journal: each
iteration is in exactly one cell, each text that was typed in exactly one too. The same tests run
plain, with jupyter-collaboration and with jupyter-server-documents, each in an environment of its own.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.live.conftest import OpenPage
from tests.live.open_notebook import OpenNotebook, until, watch_dialogs
from tests.live.provider import LIVE
from tests.live.scene import ITERATIONS, Scene, iterations
from tests.support.notebook_io import whole_text
from tests.support.panel_page import ARTEFACTS, Panel, ready
from tests.support.scripted_model import ScriptedModel

MINE = "mine = 'typed by hand'"
plain_only = pytest.mark.skipif(LIVE, reason="With a live room the room saves; nothing is guarded.")


@pytest.fixture
def scene(panel: Panel, model: ScriptedModel, request: pytest.FixtureRequest) -> Scene:
    """Return a run whose first iteration is in the notebook."""
    return Scene(panel, model, f"What about {request.node.name}?")


def test_it_is_closed(scene: Scene, panel: Panel) -> None:
    scene.rest()
    scene.agree()
    opened = OpenNotebook(panel.page, scene.path)
    scene.agree(opened)


def test_it_is_open_with_nothing_unsaved(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    assert tab.collaborative is LIVE
    scene.go(2)
    until(panel.page, lambda: tab.has("'go2'"), "the iteration appears in the page")
    scene.rest(begin=3)
    scene.agree(tab)


def test_it_is_open_with_unsaved_edits(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    tab.add_cell(MINE)
    scene.rest()
    until(panel.page, lambda: iterations(tab.model()).get(ITERATIONS) == 1, "all is in the page")
    assert tab.has(MINE)
    if not LIVE:
        # What the user did not save is not saved for them.
        assert tab.dirty
        assert not scene.on_disk(MINE)
    tab.save()
    scene.agree(tab, texts=(MINE,))


@plain_only
def test_it_is_loaded_from_disk_again(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    tab.add_cell(MINE)
    scene.rest()
    until(panel.page, lambda: iterations(tab.model()).get(ITERATIONS) == 1, "all is in the page")
    assert tab.dirty
    tab.load_again()
    assert not tab.has(MINE)
    # What the page had taken of ours went with it, and comes again.
    until(panel.page, lambda: iterations(tab.model()).get(ITERATIONS) == 1, "all is there again")
    scene.agree(tab)


def test_the_user_types_while_it_is_written(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    tab.add_cell("")
    words = [f"word{number}" for number in range(60)]
    for number, word in enumerate(words):
        panel.page.keyboard.type(f"{word} ", delay=5)
        if number in {10, 30}:
            scene.go(2 if number == 10 else 3)
    panel.page.keyboard.type("end")
    panel.answered(scene.run)
    # The cursor never left the cell, and every letter is there.
    expect(panel.page.locator(".jp-Cell.jp-mod-active .cm-content")).to_be_focused()
    text = " ".join([*words, "end"])
    until(panel.page, lambda: text in tab.sources(), "every letter is in the cell")
    until(panel.page, lambda: iterations(tab.model()).get(ITERATIONS) == 1, "all is in the page")
    tab.save()
    scene.agree(tab, texts=(text,))


@pytest.mark.parametrize("browsers", [1, 2])
def test_two_pages_have_it_open(
    scene: Scene, panel: Panel, open_page: OpenPage, browsers: int
) -> None:
    if browsers == 1:
        page = panel.page.context.new_page()
        page.goto(panel.lab.url("lab/workspaces/second"))
        other = Panel(page, panel.lab)
        ready(other)
    else:
        other = open_page(show=False)
    second = OpenNotebook(other.page, scene.path)
    panel.page.bring_to_front()
    first = OpenNotebook(panel.page, scene.path)
    first.add_cell(MINE)
    scene.go(2)
    scene.landed(2)
    other.page.bring_to_front()
    second.add_cell("theirs = 2")
    scene.rest(begin=3)
    first.save()
    second.save()
    first.save()
    scene.agree(first, second, texts=(MINE, "theirs = 2"))


def test_its_tab_is_closed_while_it_runs(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    scene.go(2)
    until(panel.page, lambda: tab.has("'go2'"), "the iteration appears in the page")
    tab.close()
    scene.rest(begin=3)
    scene.agree()
    assert tab.dialogs() == []
    scene.agree(OpenNotebook(panel.page, scene.path))


def test_the_browser_is_closed_while_it_runs(
    scene: Scene, panel: Panel, open_page: OpenPage
) -> None:
    other = open_page(show=False)
    OpenNotebook(other.page, scene.path)
    scene.go(2)
    scene.landed(2)
    other.page.close()
    scene.rest(begin=3)
    scene.agree()
    scene.agree(OpenNotebook(panel.page, scene.path))


@pytest.mark.parametrize("unsaved", [False, True])
def test_the_computer_sleeps_and_returns(
    scene: Scene, panel: Panel, open_page: OpenPage, unsaved: bool
) -> None:
    sleeper = open_page(show=False)
    tab = OpenNotebook(sleeper.page, scene.path)
    if unsaved:
        tab.add_cell(MINE)
        if LIVE:
            until(panel.page, lambda: scene.on_disk(MINE), "the room saves")
    panel.page.bring_to_front()
    session = sleeper.page.context.new_cdp_session(sleeper.page)
    # Its code stands still while its connections stay: what a computer that sleeps looks like.
    session.send("Debugger.enable")
    session.send("Debugger.pause")
    scene.rest()
    # It is not waited for without end: the file is complete while the page sleeps.
    until(
        panel.page,
        lambda: iterations(scene.disk()) == {1: 1, 2: 1, 3: 1},
        "the file is complete",
    )
    session.send("Debugger.disable")
    sleeper.page.bring_to_front()
    if unsaved:
        tab.save()
    scene.agree(tab, texts=(MINE,) if unsaved else ())


def test_the_network_goes_and_comes_back(scene: Scene, panel: Panel, open_page: OpenPage) -> None:
    away = open_page(show=False)
    tab = OpenNotebook(away.page, scene.path)
    tab.add_cell(MINE)
    away.page.context.set_offline(True)
    scene.rest()
    away.page.context.set_offline(False)
    until(panel.page, lambda: tab.has("'go3'") or not LIVE, "the room is joined again")
    tab.save()
    scene.agree(tab, texts=(MINE,))
    away.trouble.clear()


def test_it_is_renamed_while_it_runs(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    old = scene.file
    tab.rename("renamed " + old.name)
    scene.path, scene.file = tab.path, old.with_name("renamed " + old.name)
    scene.rest()
    scene.agree(tab)
    assert not old.exists()


def test_the_kernel_is_busy_with_a_cell_of_the_user(
    scene: Scene, panel: Panel, model: ScriptedModel
) -> None:
    scene.rest()
    tab = OpenNotebook(panel.page, scene.path)
    mine = "import time\nfor part in range(20):\n    print('part', part)\n    time.sleep(0.1)"
    tab.add_cell("")
    panel.page.keyboard.insert_text(mine)
    tab.run_active()
    until(panel.page, lambda: "part 2" in str(tab.model()), "the cell is at work")
    if not LIVE:
        # Another writer meanwhile: the running cell must not be torn away.
        scene.file.write_text(_with_cell(scene, "by_git = 1"), encoding="utf-8")
        tab.save()
    until(panel.page, lambda: "part 19" in str(tab.model()), "the cell is done")
    until(panel.page, lambda: not tab.is_running(), "the kernel's reply is noted in the cell")
    tab.save()
    texts = (mine,) if LIVE else (mine, "by_git = 1")
    scene.agree(tab, texts=texts)
    [cell] = [one for one in scene.disk()["cells"] if one["source"] == mine]
    printed = "".join("".join(output["text"]) for output in cell["outputs"])
    assert printed.splitlines() == [f"part {n}" for n in range(20)]
    assert {output["name"] for output in cell["outputs"]} == {"stdout"}


@pytest.mark.parametrize("unsaved", [False, True])
def test_the_file_is_changed_by_another_program(scene: Scene, panel: Panel, unsaved: bool) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    if unsaved and not LIVE:
        # A live room takes over what it finds in the file, edits of the last second or not.
        tab.add_cell(MINE)
    scene.file.write_text(_with_cell(scene, "by_git = 1"), encoding="utf-8")
    if LIVE:
        until(panel.page, lambda: tab.has("by_git"), "the room takes the change over")
    scene.rest()
    tab.save()
    texts = (MINE, "by_git = 1") if unsaved and not LIVE else ("by_git = 1",)
    scene.agree(tab, texts=texts)


@plain_only
def test_both_edit_the_same_cell(scene: Scene, panel: Panel, open_page: OpenPage) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    tab.add_cell(MINE)
    tab.save()
    other = open_page(show=False)
    second = OpenNotebook(other.page, scene.path)
    other.page.locator(".jp-Cell .cm-content", has_text=MINE).click()
    other.page.keyboard.press("End")
    other.page.keyboard.type(" # second")
    second.save()
    panel.page.bring_to_front()
    panel.page.locator(".jp-Cell.jp-mod-active .cm-content").click()
    panel.page.keyboard.press("Home")
    panel.page.keyboard.type("first = ")
    tab.save()
    notice = panel.page.get_by_text("while you edited the same cell")
    expect(notice).to_be_visible()
    panel.page.screenshot(path=ARTEFACTS / "live-conflict.png")
    scene.rest()
    scene.agree(tab, second, texts=(f"first = {MINE}", f"{MINE} # second"))


def test_the_user_still_sees_the_cell_they_are_in(scene: Scene, panel: Panel) -> None:
    tab = OpenNotebook(panel.page, scene.path)
    tab.add_cell(MINE)
    scene.rest()
    until(panel.page, lambda: iterations(tab.model()).get(ITERATIONS) == 1, "all is in the page")
    editor = panel.page.locator(".jp-Cell.jp-mod-active .cm-content")
    expect(editor).to_have_text(MINE)
    expect(editor).to_be_focused()
    panel.page.screenshot(path=ARTEFACTS / "live-notebook.png")
    expect(editor).to_be_in_viewport()
    tab.save()
    scene.agree(tab, texts=(MINE,))


def test_a_dialog_would_have_been_seen(panel: Panel) -> None:
    watch_dialogs(panel.page)
    panel.page.evaluate(
        "() => { const one = document.createElement('div'); one.className = 'jp-Dialog';"
        " one.textContent = 'seen'; document.body.append(one); }"
    )
    until(
        panel.page, lambda: "seen" in str(panel.page.evaluate("() => window.seenDialogs")), "seen"
    )


def _with_cell(scene: Scene, source: str) -> str:
    """Return the file's text as another program would write it, with a cell more at its top."""
    notebook = json.loads(whole_text(scene.file))
    cell: dict[str, Any] = {
        "id": "from-elsewhere",
        "cell_type": "code",
        "source": [source],
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    return json.dumps({**notebook, "cells": [cell, *notebook["cells"]]}, indent=1)

"""Work by hand in the real notebook reaches the panel and the model; runs are undone; verified."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.fakes.turns import answer, finish
from tests.support.notebook_io import whole_text
from tests.support.notebook_page import NotebookPage
from tests.support.panel_page import SLOW, Panel, Theme
from tests.support.scripted_model import ScriptedModel, plan, python

FILE = "data/penguins_raw.csv"
CODE = "islands = penguins_raw['Island'].nunique()\nprint('islands:', islands)"
QUESTION = "How many islands are there?"


def _answered(panel: Panel, model: ScriptedModel) -> Locator:
    model.says(
        plan("Count", "Look at it", "Answer"),
        python(CODE, "Count islands"),
        finish("There are 3 islands."),
    )
    panel.attach(FILE)
    return panel.answered(panel.ask(QUESTION))


def _open(panel: Panel, run: Locator) -> Locator:
    """Open the steps of a run and its first cell; returns the card."""
    run.get_by_text(re.compile(r"\d iteration")).click()
    panel.open_cells(run)
    return run.get_by_role("article").first


def _into(notebook: NotebookPage, text: str) -> None:
    """Put the cursor into the code cell with this text."""
    cell = notebook.root.locator(".jp-CodeCell").filter(has_text=text)
    cell.locator(".cm-content").click()
    expect(notebook.active).to_contain_text(text)


def _told(model: ScriptedModel, after: int) -> str:
    """Return the first turn that the model got in the request number ``after``."""
    content: list[dict[str, Any]] = model.bodies[after]["messages"][0]["content"]
    return "\n".join(block["text"] for block in content)


def _saved(panel: Panel) -> tuple[Path, dict[str, Any]]:
    title = panel.heading.text_content()
    (path,) = {a["notebook_path"] for a in panel.lab.get("analyses") if a["title"] == title}
    return Path(path), json.loads(whole_text(path))


def test_what_a_person_does_in_the_notebook_reaches_panel_and_model(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    panel.page.set_viewport_size({"width": 1500, "height": 950})
    run = _answered(panel, model)
    card = _open(panel, run)
    output = card.get_by_role("group", name="Output of cell 1")
    expect(output).to_contain_text("islands: 3")
    panel.log.get_by_role("button", name="Open notebook").click()
    notebook = NotebookPage(panel)

    # Run again as it stands.
    _into(notebook, "print('islands:'")
    panel.page.keyboard.press("Control+Enter")
    expect(card).to_contain_text("re-run by hand", timeout=SLOW)
    expect(output).to_contain_text("islands: 3")

    # Edited, run and saved; a cell of the user's own beside it.
    notebook.active.locator(".cm-content").click()
    panel.page.keyboard.press("Control+End")
    panel.page.keyboard.insert_text("\nprint('and', islands + 100)")
    panel.page.keyboard.press("Control+Enter")
    expect(notebook.active.locator(".jp-OutputArea")).to_contain_text("and 103", timeout=SLOW)
    notebook.run_by_hand("mine = 'kept by me'\nnot_defined_here")
    notebook.save()
    panel.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    before = len(model.bodies)
    model.says(answer("Nothing new."))
    panel.answered(panel.ask("What did I change?"))
    told = _told(model, before)
    assert '<data id="' in told
    assert "was edited" in told
    assert "+print('and', islands + 100)" in told
    assert "and 103" in told
    assert "is new, the user's own:\nmine = 'kept by me'" in told
    assert "NameError: name 'not_defined_here' is not defined" in told
    assert "mine: 'kept by me' [new]" in told
    system = json.dumps(model.bodies[before]["system"])
    assert "kept by me" not in system
    assert system == json.dumps(model.bodies[0]["system"])

    first = panel.run(QUESTION)
    expect(first.get_by_role("article").first).to_contain_text("edited by you")
    expect(first).to_contain_text("and 103")
    panel.picture("by-hand-edited")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_run_is_undone_and_the_rest_is_verified(
    ai_panel: Panel, model: ScriptedModel, theme: Theme
) -> None:
    panel = ai_panel
    panel.theme(theme)
    panel.width(290)
    _answered(panel, model)
    model.says(
        plan("Count again", "Look at it", "Answer"),
        python("species = penguins_raw['Species'].nunique()\nspecies", "Count species"),
        finish("There are 3 species."),
    )
    second = panel.answered(panel.ask("How many species are there?"))
    path, book = _saved(panel)
    assert "species = " in json.dumps(book)

    second.get_by_role("button", name="More about this question").click()
    panel.picture(f"undo-menu-{theme}")
    panel.root.get_by_role("menuitem", name=re.compile("^Undo this run")).click()
    dialog = panel.page.get_by_role("dialog", name="Undo this run?")
    expect(dialog).to_contain_text("leave the notebook")
    panel.picture(f"undo-dialog-{theme}")
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(second).to_contain_text("Its cells are no longer in the notebook.", timeout=SLOW)
    expect(second.get_by_text("There are 3 species.")).to_have_count(0)
    left = json.loads(whole_text(path))
    assert "species = " not in json.dumps(left["cells"])
    assert "islands = " in json.dumps(left["cells"])
    expect(panel.stop_button).to_have_count(0, timeout=SLOW)

    panel.menu(panel.button("More"), "Verify")
    head = panel.root.locator(".ak-Header").get_by_role("status")
    expect(head).to_have_text(re.compile(r"✓ reproduced (\d) of \1$"), timeout=SLOW)
    noted = json.loads(whole_text(path))["metadata"]["analyst_kernel"]["verified"]
    assert noted["reproduced"] == noted["total"] == 2
    panel.picture(f"undone-and-verified-{theme}")

    # One more question, and what was verified is not all of it any more.
    model.says(
        python("len(penguins_raw)", "Count rows"),
        finish("There are 344 rows."),
    )
    panel.answered(panel.ask("How many rows are there?"))
    expect(head).to_contain_text("changed since")
    panel.picture(f"verified-stale-{theme}")

"""Each state of the panel in light and dark, from 250 to 900 pixels, and for axe-core.

The pictures are kept in build/ui-pictures to be looked at; what a program can see is asserted.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.fakes.turns import answer, call, fail, finish, turn
from tests.support.accessibility import findings
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import QUESTION, WAIT, ScriptedModel, penguins, plan, python
from tests.ui.looks import look


def test_the_first_run_looks_right(panel: Panel) -> None:
    expect(panel.root.get_by_role("group", name="Examples")).to_be_visible()
    look(panel, "first-run")


def test_a_run_at_work_looks_right(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    turns = penguins()
    model.says(*turns[:3], python(WAIT, "Wait for the file", 2), *turns[3:])
    panel.attach("data/penguins_raw.csv")
    run = panel.ask(QUESTION)
    expect(run.get_by_text("waiting", exact=True)).to_be_visible(timeout=SLOW)
    look(panel, "at-work")
    moving = "node => node.getAnimations({subtree: true}).length"
    panel.page.emulate_media(reduced_motion="reduce")
    assert panel.root.evaluate(moving) == 0
    panel.page.emulate_media(reduced_motion="no-preference")
    panel.release()
    panel.answered(run)


def test_an_answer_looks_right(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(*penguins())
    panel.attach("data/penguins_raw.csv")
    run = panel.answered(panel.ask(QUESTION))
    expect(panel.charts.get_by_role("img").first).to_be_visible()
    look(panel, "answered")
    run.get_by_text(re.compile("2 iterations")).click()
    panel.open_cells(run)
    look(panel, "answered-steps")


@pytest.mark.parametrize("state", ["approval", "plan", "question", "retry"])
def test_what_needs_the_person_looks_right(
    ai_panel: Panel, model: ScriptedModel, state: str
) -> None:
    panel = ai_panel
    ask = call(
        "ask_user",
        question="Which date counts?",
        options=["Order date", "Shipping date"],
        default="Order date",
    )
    first = {
        "approval": (plan("Add", "Go on", "Answer"), python("1 + 1", "Add one and one")),
        "plan": (plan("Add", "Go on", "Answer"),),
        "question": (turn(ask),),
        "retry": (fail("status", status=529, retry_after=58, message="Overloaded"),),
    }[state]
    model.says(*first, finish("Done.") if state == "approval" else answer("Done."))
    mode = {"approval": "Ask before each cell", "plan": "Edit the plan first"}.get(state)
    if mode is not None:
        panel.menu(panel.button(re.compile("^Approval:")), mode)
    run = panel.ask("Revenue per region last quarter?")
    card = {
        "approval": "Run this cell?",
        "plan": "Is this the plan?",
        "question": "Which date counts?",
        "retry": "The model is not answering.",
    }[state]
    expect(run.get_by_text(card)).to_be_visible(timeout=SLOW)
    look(panel, f"person-{state}")
    panel.stop_button.click()
    expect(run).to_have_attribute("data-status", "cancelled")


def test_the_list_and_the_windows_look_right(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(answer("Listed."))
    panel.attach("data/penguins_raw.csv")
    panel.answered(panel.ask("Is this in the list?"))
    for name in ("penguins_raw.csv", "Isolated"):
        panel.root.get_by_role("button", name=re.compile(re.escape(name))).first.click()
        dialog = panel.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        found = findings(panel.page, ".ak-Dialog")
        dialog.get_by_role("button", name="Close").click()
        assert found == []
    panel.button(re.compile("^Analyses")).click()
    expect(panel.root.get_by_role("list", name="Analyses")).to_be_visible()
    look(panel, "list")

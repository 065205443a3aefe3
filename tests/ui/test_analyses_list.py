"""The list of analyses, and several that run side by side."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.fakes.turns import Turn, answer, finish
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import WAIT, Body, ScriptedModel, plan, python


def _list(panel: Panel) -> Locator:
    panel.button(re.compile("^Analyses")).click()
    return panel.root.get_by_role("list", name="Analyses")


def _row(panel: Panel, title: str) -> Locator:
    return (
        panel.root.get_by_role("list", name="Analyses")
        .get_by_role("listitem")
        .filter(has_text=title)
    )


def test_analyses_are_found_renamed_and_resumed(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(answer("Alpha answered."), answer("Beta answered."), answer("Alpha again."))
    panel.answered(panel.ask("What is the alpha question?"))
    panel.new()
    panel.answered(panel.ask("What is the beta question?"))
    _list(panel)
    expect(_row(panel, "What is the alpha question?")).to_contain_text("1 question")
    search = panel.root.get_by_role("searchbox", name="Search analyses")
    search.fill("alpha")
    expect(panel.root.get_by_role("list", name="Analyses").get_by_role("listitem")).to_have_count(1)
    panel.picture("analyses-search")
    panel.menu(panel.button("Actions for What is the alpha question?"), "Rename")
    title = panel.root.get_by_role("textbox", name="Title")
    title.fill("My alpha")
    title.press("Enter")
    search.fill("My al")
    row = _row(panel, "My alpha")
    row.get_by_role("button", name=re.compile("^My alpha")).click()
    expect(panel.heading).to_have_text("My alpha")
    expect(panel.log).to_contain_text("Alpha answered.")
    panel.answered(panel.ask("And again?"))
    expect(panel.heading).to_have_text("My alpha")


def test_deleting_asks_and_keeps_the_notebook_unless_it_is_chosen(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    model.says(answer("Kept."), answer("Gone."))
    for question in ("Keep the notebook?", "Delete the notebook?"):
        panel.new()
        panel.answered(panel.ask(question))
    notebooks = {name: panel.lab.root / f"{name}-the-notebook.ipynb" for name in ("keep", "delete")}
    assert all(path.exists() for path in notebooks.values())
    _list(panel)
    for question in ("Keep the notebook?", "Delete the notebook?"):
        row = _row(panel, question)
        panel.menu(panel.button(f"Actions for {question}"), "Delete")
        dialog = panel.page.get_by_role("dialog", name="Delete this analysis?")
        dialog.get_by_role("button", name="Cancel").click()
        expect(row).to_have_count(1)
        panel.menu(panel.button(f"Actions for {question}"), "Delete")
        if question.startswith("Delete"):
            dialog.get_by_role("checkbox").check()
            dialog.get_by_role("button", name="Delete both").click()
        else:
            expect(dialog).to_contain_text("Its notebook stays.")
            dialog.get_by_role("button", name="Delete", exact=True).click()
        expect(row).to_have_count(0)
    assert notebooks["keep"].exists()
    assert not notebooks["delete"].exists()


def test_two_analyses_run_side_by_side(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    turns = {
        "left": [plan("Wait", "Go on", "Answer"), python(WAIT, "Wait left"), finish("Left done.")],
        "right": [
            plan("Wait", "Go on", "Answer"),
            python(WAIT, "Wait right"),
            finish("Right done."),
        ],
    }

    def answer(body: Body) -> Turn:
        side = "left" if "the left question" in str(body["messages"][0]) else "right"
        return turns[side].pop(0)

    model.answers(answer)
    left = panel.ask("What is the left question?")
    expect(left.get_by_role("group", name="Output of cell 1")).to_have_text("waiting", timeout=SLOW)
    panel.menu(panel.button("More"), "Open beside")
    tab = Panel(panel.page, panel.lab, ".jp-MainAreaWidget .ak-PanelWidget")
    expect(tab.heading).to_have_text("What is the left question?")
    panel.new()
    right = panel.ask("What is the right question?")
    expect(right.get_by_role("group", name="Output of cell 1")).to_have_text(
        "waiting", timeout=SLOW
    )
    expect(panel.button("Analyses, 1 running")).to_be_visible()
    expect(tab.stop_button).to_be_visible()
    panel.page_picture("analyses-side-by-side")
    panel.release()
    panel.answered(right)
    expect(right.locator(".ak-Answer")).to_contain_text("Right done.")
    expect(tab.run("What is the left question?")).to_have_attribute("data-status", "running")
    tab.release()
    tab.answered(tab.run("What is the left question?"))
    expect(tab.log).to_contain_text("Left done.")

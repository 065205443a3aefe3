"""Branches: made from a cell, brought to its state, asked in, found in the tree, compared."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.fakes.turns import Turn, finish
from tests.support.accessibility import findings
from tests.support.notebook_page import NotebookPage
from tests.support.panel_page import SLOW, Panel, Theme, ready
from tests.support.scripted_model import (
    QUESTION,
    ScriptedModel,
    penguins,
    plan,
    python,
)

THEMES: tuple[Theme, ...] = ("light", "dark")
SECOND = "Which island has the most?"
LEFT = "islands = penguins_raw.groupby('Island').size()\nislands.sort_values()"
RIGHT = (
    "islands = penguins_raw.groupby('Island').size()\nislands.sort_values(ascending=False).head(1)"
)


def _island(code: str, answer: str) -> tuple[Turn, ...]:
    steps = plan("Count per island", "Sort", "Say which")
    return steps, python(code, "Count per island"), finish(answer)


def _asked_with_a_branch(panel: Panel, model: ScriptedModel) -> Locator:
    """Ask, then branch from the cell that drew the chart; returns the branch's line."""
    model.says(*penguins())
    panel.attach("data/penguins_raw.csv")
    run = panel.answered(panel.ask(QUESTION))
    run.get_by_text(re.compile("2 iterations")).click()
    card = run.get_by_role("article").last
    card.get_by_role("button", expanded=False).click()
    card.get_by_role("button", name="Branch from here").click()
    line = panel.log.get_by_role("region", name="Branch", exact=True)
    expect(line).to_be_visible(timeout=SLOW)
    expect(panel.heading).to_have_text(re.compile(r"^Branch \d+: "))
    expect(line.get_by_role("status")).to_contain_text(
        re.compile(r"reproduced \d of \d"), timeout=SLOW
    )
    return line


def _no_wider(root: Locator) -> None:
    wide: list[str] = root.evaluate(
        """root => [root, ...root.querySelectorAll('ul, section, .ak-Compare-pair, .ak-Branch')]
          .filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0)
          .map(part => `${part.className}: ${part.scrollWidth} in ${part.clientWidth}`)"""
    )
    assert wide == []


def test_a_branch_is_made_asked_in_found_and_compared(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    line = _asked_with_a_branch(panel, model)
    title = panel.heading.text_content() or ""
    parent = title.partition(": ")[2]
    expect(line).to_contain_text("reproduced 3 of 3")
    run = panel.run(QUESTION)
    expect(run).to_have_attribute("data-status", "cancelled")
    expect(run).to_contain_text("The branch starts here")
    expect(panel.charts.get_by_role("img").first).to_be_visible()
    for theme in THEMES:
        panel.theme(theme)
        for width in (250, 340):
            panel.width(width)
            panel.picture(f"branch-made-{theme}-{width}")
            _no_wider(panel.log)
        assert findings(panel.page, "#analyst-panel") == []
    panel.width(340)

    # Its kernel has the variables of the cell: `mass` is the chart's.
    model.says(*_island("print(len(mass))\n" + LEFT, "Biscoe has the most: 168."))
    panel.answered(panel.ask(SECOND))
    expect(panel.log).to_contain_text("Biscoe has the most")

    # A reload shows the same.
    panel.page.reload()
    ready(panel)
    panel.command("analyst:ask")
    expect(panel.heading).to_have_text(title)
    expect(line).to_be_visible(timeout=SLOW)
    expect(panel.run(SECOND)).to_have_attribute("data-status", "answered")

    # The parent goes on as it was.
    line.get_by_role("button", name=parent, exact=True).click()
    expect(panel.heading).to_have_text(parent)
    model.says(*_island(RIGHT, "Biscoe, with 168 penguins."))
    panel.answered(panel.ask(SECOND))

    panel.button(re.compile("^Analyses")).click()
    below = panel.root.get_by_role("list", name=f"Branches of {parent}", exact=True).last
    expect(below.get_by_role("button", name=re.compile(re.escape(title))).first).to_be_visible()
    for theme in THEMES:
        panel.theme(theme)
        panel.width(250)
        panel.picture(f"branch-tree-{theme}-250")
        panel.width(340)
        panel.picture(f"branch-tree-{theme}-340")
        assert findings(panel.page, "#analyst-panel") == []
    panel.menu(panel.button(f"Actions for {title}").first, "Compare with …")
    dialog = panel.page.get_by_role("dialog", name=f"Compare “{title}”")
    expect(dialog.get_by_role("combobox", name="with")).to_have_value(re.compile("."))
    expect(dialog.locator("option:checked")).to_have_text(parent)
    second = dialog.get_by_role("region", name="Question 2")
    expect(second).to_contain_text("Biscoe, with 168 penguins.", timeout=SLOW)
    expect(second).to_contain_text("Biscoe has the most: 168.")
    expect(second).to_contain_text("only here: islands.sort_values(ascending=False)")
    first = dialog.get_by_role("region", name="Question 1")
    expect(first.get_by_role("img")).to_have_count(2)
    expect(first).to_contain_text("2 cells have the same code.")
    for theme in THEMES:
        panel.theme(theme)
        for width in (1400, 480):
            panel.page.set_viewport_size({"width": width, "height": 900})
            dialog.screenshot(path=panel.picture(f"branch-compare-{theme}-{width}"))
            left, right = (
                second.get_by_role("group").nth(place).bounding_box() for place in (0, 1)
            )
            assert left is not None
            assert right is not None
            beside = abs(left["y"] - right["y"]) < 2
            assert beside == (width == 1400), (left, right)
            _no_wider(dialog.locator(".ak-Compare"))
        assert findings(panel.page, ".ak-Dialog") == []
    panel.page.set_viewport_size({"width": 1400, "height": 900})
    dialog.get_by_role("button", name="Close").click()


def test_a_branch_from_a_cell_of_the_notebook(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(*_island(LEFT, "Biscoe has the most: 168."))
    panel.attach("data/penguins_raw.csv")
    panel.answered(panel.ask("Which island?"))
    panel.log.get_by_role("button", name="Open notebook").click()
    notebook = NotebookPage(panel)
    expect(notebook.root.get_by_text("sort_values", exact=False).first).to_be_visible()
    notebook.run_by_hand("mine = 42\nmine")  # and it is not saved
    panel.command("analyst:branch")
    line = panel.log.get_by_role("region", name="Branch", exact=True)
    expect(line.get_by_role("status")).to_contain_text("reproduced 3 of 3", timeout=SLOW)
    panel.log.get_by_role("button", name="Open notebook").click()
    branch = NotebookPage(panel)
    expect(branch.root.get_by_text("mine = 42").first).to_be_visible()
    assert "42" in (branch.run_by_hand("mine").text_content() or "")
    branch.save()

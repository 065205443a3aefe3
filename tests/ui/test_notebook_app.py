"""Notebook 7, whose pages show one document and have no tabs at their edges."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.accessibility import findings
from tests.support.lab import Lab
from tests.support.notebook_page import NotebookPage
from tests.support.panel_page import Panel, ready
from tests.ui.conftest import OpenPanel

EXAMPLE = "How did average city mileage change over the years?"


def test_notebook_7_answers_in_its_sidebar(open_own: OpenPanel, lab: Lab) -> None:
    lab.clear()
    panel = open_own(lab, path="tree", show=False)
    page = panel.page
    expect(panel.root).to_be_hidden()
    # Where Notebook keeps what is shown at the right.
    page.get_by_role("menuitem", name="View").click()
    page.locator(".lm-Menu-itemLabel", has_text="Right Sidebar").hover()
    page.locator(".lm-Menu-itemLabel", has_text="Show Analyst").click()
    expect(panel.box).to_be_visible()
    page.locator("#analyst-panel").evaluate("() => window.jupyterapp.shell.collapseRight()")
    expect(panel.root).to_be_hidden()
    # And where a user finds it at once.
    page.get_by_role("button", name="Analyst", exact=True).click()
    expect(panel.box).to_be_focused()

    panel.root.get_by_role("group", name="Examples").get_by_role("button", name=EXAMPLE).click()
    run = panel.answered(panel.run(EXAMPLE))
    expect(run.locator(".ak-Answer")).to_contain_text("20.81")
    expect(panel.charts.get_by_role("img").first).to_be_visible()
    panel.button("More").click()
    expect(panel.root.get_by_role("menuitem", name="Open notebook")).to_be_visible()
    expect(panel.root.get_by_role("menuitem", name="Open beside")).to_have_count(0)
    page.keyboard.press("Escape")
    panel.page_picture("notebook-7-tree")
    assert findings(page, "#analyst-panel") == []

    with page.context.expect_page() as opened:
        run.get_by_role("button", name="Open notebook").click()
    beside = Panel(opened.value, lab)
    ready(beside)
    notebook = NotebookPage(beside)
    expect(notebook.root.get_by_text("vehicles = pd.read_csv", exact=False)).to_be_visible()
    # The same live kernel, and the analysis of this very notebook.
    expect(notebook.run_by_hand("print(len(vehicles))")).to_contain_text("33442")
    beside.page.get_by_role("button", name="Analyst", exact=True).click()
    expect(beside.heading).to_have_text(EXAMPLE)
    again = beside.run(EXAMPLE)
    again.get_by_text(re.compile(r"\d iteration")).click()
    notebook.cell("Step 1: Check the rows used").locator(".cm-content").click()
    beside.page.keyboard.press("Control+Enter")
    expect(again.get_by_role("article").first).to_contain_text("re-run by hand")
    beside.page_picture("notebook-7-notebook")
    assert panel.trouble == []
    assert beside.trouble == []

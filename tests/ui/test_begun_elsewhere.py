"""A notebook that the command line began: the panel shows its conversation and goes on in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from tests.support.notebook_io import whole_text
from tests.support.notebook_page import NotebookPage
from tests.support.panel_page import SLOW, Panel

QUESTION = "How did average city mileage change over the years?"
CHART = "Show the average highway mileage per year as a line chart"


def test_an_analysis_of_the_command_line_goes_on_in_the_panel(panel: Panel) -> None:
    path = panel.lab.root / "from-the-shell.ipynb"
    asked = subprocess.run(
        [
            Path(sys.executable).parent / "analyst", "ask", QUESTION, "--quiet",
            "--data", "data/vehicles.csv", "--model", "offline:rules", "--notebook", path,
        ],
        cwd=panel.lab.root, env=panel.lab.environment(), capture_output=True, text=True,
        timeout=SLOW / 1000, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr

    panel.command("filebrowser:go-to-path", path="/", dontShowBrowser=False)
    panel.command("filebrowser:refresh")
    item = panel.page.locator(".jp-DirListing-item").filter(has_text=path.name)
    item.click(button="right")
    panel.page.get_by_role("menuitem", name="Ask Analyst about This File").click()
    run = panel.answered(panel.run(QUESTION))
    expect(run.locator(".ak-Answer")).to_contain_text("20.81")
    expect(panel.charts.get_by_role("img")).to_have_count(1)
    expect(panel.root.get_by_role("group", name="Data")).to_contain_text("33,442 × 12")
    panel.picture("begun-elsewhere")
    # Its numbers lead to their cells, as in any other run.
    run.locator(".ak-Answer").get_by_role("button", name="20.81").click()
    cell = run.locator("article.ak-mod-revealed")
    expect(cell).to_be_in_viewport()
    expect(cell).to_contain_text("20.81")

    again = panel.answered(panel.ask(CHART))
    expect(again.get_by_role("list", name="Charts").get_by_role("img").first).to_be_visible()
    assert panel.log.get_by_role("list", name="Charts").get_by_role("img").count() >= 2
    book = nbformat.reads(whole_text(path), as_version=4)
    nbformat.validate(book)
    asked_for = [c.source for c in book.cells if c.metadata.analyst_kernel.role == "question"]
    assert len(asked_for) == 2
    again.get_by_role("button", name="Open notebook").click()
    notebook = NotebookPage(panel)
    expect(notebook.kernel).to_contain_text("Analyst (sandboxed)")


def test_a_notebook_that_cannot_go_on_is_told_in_a_sentence(panel: Panel) -> None:
    (panel.lab.root / "broken.ipynb").write_text("this is no notebook")
    panel.command("filebrowser:go-to-path", path="/", dontShowBrowser=False)
    panel.command("filebrowser:refresh")
    panel.page.locator(".jp-DirListing-item").filter(has_text="broken.ipynb").click(button="right")
    panel.page.get_by_role("menuitem", name="Ask Analyst about This File").click()
    alert = panel.root.get_by_role("alert").filter(has_text="broken.ipynb")
    expect(alert).to_be_visible()
    assert "Traceback" not in (alert.text_content() or "")

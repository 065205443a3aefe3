"""Run again, export, verify, what a notebook's own cells offer, and a notebook begun elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from tests.fakes.turns import finish
from tests.support.notebook_io import whole_text
from tests.support.notebook_page import NotebookPage
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import ScriptedModel, plan, python

FILE = "data/penguins_raw.csv"
QUESTION = "How did average city mileage change over the years?"
CHART = "Show the average highway mileage per year as a line chart"


def _answered(panel: Panel, model: ScriptedModel) -> Locator:
    model.says(
        plan("Count", "Look at it", "Answer"),
        python("islands = penguins_raw['Island'].nunique()\nislands", "Count islands"),
        finish("There are 3 islands."),
    )
    panel.attach(FILE)
    return panel.answered(panel.ask("How many islands are there?"))


def test_verify_runs_all_in_a_fresh_kernel_and_shows_each_cell(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    run = _answered(panel, model)
    run.get_by_role("button", name="Verify").click()
    expect(
        run.get_by_role("status").filter(has_text=re.compile(r"✓ reproduced \d of \d"))
    ).to_be_visible(timeout=SLOW)
    run.get_by_text(re.compile("1 iteration")).click()
    expect(run.get_by_role("article").first).to_contain_text("reproduced")
    panel.picture("notebook-verified")


def test_an_iteration_and_the_whole_analysis_run_again(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    run = _answered(panel, model)
    run.get_by_text(re.compile("1 iteration")).click()
    cell = run.get_by_role("article").first
    cell.get_by_role("button", expanded=False).first.click()
    cell.get_by_role("button", name="Run again").click()
    output = cell.get_by_role("group", name="Output of cell 1")
    expect(output).to_contain_text("3", timeout=SLOW)
    expect(panel.log.get_by_role("article")).to_have_count(1)
    panel.menu(panel.button("More"), "Run all again")
    expect(panel.stop_button).to_have_count(0, timeout=SLOW)
    expect(output).to_contain_text("3", timeout=SLOW)


@pytest.mark.parametrize(
    ("item", "suffix", "inside"),
    [
        ("Notebook, complete", ".ipynb", "islands"),
        ("Web page", ".html", "<p>There are "),
        ("Python script", ".py", "islands = penguins_raw"),
    ],
)
def test_the_analysis_is_exported(
    ai_panel: Panel, model: ScriptedModel, tmp_path: Path, item: str, suffix: str, inside: str
) -> None:
    panel = ai_panel
    run = _answered(panel, model)
    with panel.page.expect_download(timeout=SLOW) as download:
        panel.menu(run.get_by_role("button", name="Export", exact=True), item)
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == suffix
    text = path.read_text(encoding="utf-8")
    assert inside in text
    assert str(panel.lab.root) not in text
    if suffix == ".ipynb":
        nbformat.validate(nbformat.reads(text, as_version=4))


def test_a_failed_cell_is_fixed_and_a_cell_is_asked_about(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    _answered(panel, model)
    panel.log.get_by_role("button", name="Open notebook").click()
    notebook = NotebookPage(panel)
    notebook.run_by_hand("undefined_name + 1")
    model.says(
        plan("Look at the error", "Repair it", "Answer"),
        python("undefined_name = 1\nundefined_name + 1", "Define the name"),
        finish("The name was not defined. It is now."),
    )
    notebook.root.get_by_role("button", name="Fix with Analyst").click()
    run = panel.log.locator("section[data-status]").last
    expect(run).to_contain_text("NameError", timeout=SLOW)
    expect(panel.log.locator("section[data-status]")).to_have_count(2)
    panel.answered(run)
    assert "undefined_name + 1" in str(model.bodies[-1]["messages"])

    panel.command("analyst:ask-about-cell")
    expect(panel.box).to_have_value(re.compile("About .*ipynb", re.DOTALL))
    expect(panel.box).to_be_focused()
    # The label that a user sees in the cell's context menu.
    notebook.active.click(button="right")
    expect(panel.page.get_by_role("menuitem", name="Ask Analyst about This Cell")).to_be_visible()
    panel.page.keyboard.press("Escape")


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
    # A notebook can claim any proof of its numbers, so they are no links to one.
    expect(run.locator(".ak-Answer").get_by_role("button", name="20.81")).to_have_count(0)

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

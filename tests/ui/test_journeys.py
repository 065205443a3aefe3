"""The three journeys in a real browser: ask, export, run again by hand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from tests.fakes.turns import finish
from tests.support.lab import DATA
from tests.support.notebook_io import whole_text
from tests.support.notebook_page import NotebookPage
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import ScriptedModel, plan, python

EXAMPLE = "How did average city mileage change over the years?"


def test_journey_1_ask_inside_jupyterlab(panel: Panel) -> None:
    examples = panel.root.get_by_role("group", name="Examples")
    # One question for each demonstration file, a click away.
    expect(examples.get_by_role("button")).to_have_count(len(list(DATA.glob("*.csv"))))
    expect(examples).to_contain_text("33,442 rows")
    examples.get_by_role("button", name=EXAMPLE).click()

    run = panel.run(EXAMPLE)
    expect(run).to_have_attribute("data-status", "running")
    expect(run.get_by_role("list", name="Plan").get_by_role("listitem").first).to_be_visible()
    expect(run.get_by_role("article").first).to_be_visible()
    expect(panel.stop_button).to_be_visible()

    panel.answered(run)
    expect(panel.stop_button).to_have_count(0)
    picture = panel.charts.get_by_role("img").first
    expect(picture).to_be_visible()
    assert len(picture.get_attribute("alt") or "") > 20
    expect(panel.heading).to_have_text(EXAMPLE)
    expect(run.locator(".ak-Answer")).to_contain_text("20.81")
    expect(run.locator(".ak-Answer")).to_be_in_viewport()
    panel.picture("journey-1")
    bracketed = run.locator(".ak-Answer .ak-Together").filter(has_text="(33.81 %)")
    expect(bracketed).to_have_css("white-space", "nowrap")
    link = run.locator(".ak-Answer").get_by_role("button", name="20.81")
    expect(link).to_have_attribute("title", re.compile("From cell"))
    link.click()
    cell = run.locator("article.ak-mod-revealed")
    expect(cell).to_be_in_viewport()
    expect(cell).to_contain_text("20.81")


def test_journey_2_export_the_analysis(panel: Panel, tmp_path: Path) -> None:
    panel.attach("data/penguins_raw.csv")
    run = panel.answered(panel.ask("Which species is the heaviest?"))
    run.get_by_role("button", name="Export", exact=True).click()
    with panel.page.expect_download(timeout=SLOW) as download:
        panel.root.get_by_role("menu").get_by_role("menuitem", name=re.compile("clean")).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    # It was run again before it was handed out, and says so.
    expect(panel.page.get_by_text(re.compile(r"Exported: .*\.ipynb.*Run again"))).to_be_visible()

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "analyst_kernel" not in text
    # Elsewhere: another folder, another kernel, only the data beside it.
    (tmp_path / "data").mkdir()
    shutil.copy(panel.lab.root / "data" / "penguins_raw.csv", tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "execute", "--inplace", "--kernel_name=python3", path],
        cwd=tmp_path, capture_output=True, text=True, timeout=SLOW / 1000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ran = nbformat.read(path, as_version=4)
    assert any("Gentoo" in str(cell.get("outputs", "")) for cell in ran.cells)


def test_journey_3_rerun_cells_by_hand(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(
        plan("Compute the mean", "Look at it", "Answer"),
        python("mean_mass = penguins_raw['Body Mass (g)'].mean().round(1)\nmean_mass", "Mean mass"),
        finish("The mean body mass is 4,201.8 g."),
        plan("Use what the user made", "Look at it", "Answer"),
        python("print('by hand:', doubled_by_hand)", "Look at it"),
        finish("Twice the mean is 8,403.6 g."),
    )
    panel.attach("data/penguins_raw.csv")
    run = panel.answered(panel.ask("How heavy is a penguin?"))
    run.get_by_role("button", name="Open notebook").click()
    notebook = NotebookPage(panel)
    expect(notebook.kernel).to_contain_text("Analyst (sandboxed)")
    expect(notebook.root.get_by_text("mean_mass = penguins_raw", exact=False)).to_be_visible()

    # The same live kernel: the agent's variables are there.
    output = notebook.run_by_hand("doubled_by_hand = mean_mass * 2\nprint(doubled_by_hand)")
    expect(output).to_contain_text("8403.6")
    # The same sandbox: no network, nothing of the host.
    output = notebook.run_by_hand(
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 22), 2)\n    print('open')\n"
        "except OSError as error:\n    print('closed', type(error).__name__)"
    )
    expect(output).to_contain_text("closed")
    data = panel.lab.root / "data"
    output = notebook.run_by_hand(
        f"import os\n[os.path.exists({str(data)!r} + '/' + name)"
        " for name in ('penguins_raw.csv', 'vehicles.csv')]"
    )
    expect(output).to_contain_text("[True, False]")
    panel.page_picture("journey-3")

    notebook.save()
    # Typed, and neither run nor saved.
    notebook.type_below("# a thought that is not finished")
    dialogs = notebook.count_dialogs()
    # The agent is told what the user made, and can use it.
    again = panel.answered(panel.ask("And twice that?"))
    # Its cell comes into the tab that is open, with its output; what was typed stays.
    cell = notebook.cell("print('by hand:'")
    expect(cell).to_have_count(1)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("by hand: 8403.6")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"))
    expect(notebook.cell("Twice the mean is")).to_contain_text("8,403.6 g.")
    panel.page_picture("journey-3-joined")
    expect(notebook.cell("a thought that is not finished")).to_have_count(1)
    # Saving keeps both; nothing is asked.
    notebook.save()
    panel.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    assert dialogs() == 0
    assert "doubled_by_hand" in str(model.bodies[3]["messages"])
    expect(again.locator(".ak-Answer")).to_contain_text("8,403.6")
    # The notebook holds the user's cells and the agent's, and no dialog asked anything.
    book = nbformat.reads(whole_text(panel.lab.root / "how-heavy-is-a-penguin.ipynb"), as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert any("doubled_by_hand = mean_mass * 2" in cell.source for cell in code)
    assert any("a thought that is not finished" in cell.source for cell in code)
    (joined,) = [cell for cell in code if "by hand:" in cell.source]
    assert "by hand: 8403.6" in str(joined.outputs)
    expect(panel.page.locator(".jp-Dialog")).to_have_count(0)

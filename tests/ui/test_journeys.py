"""The three journeys of the design page, in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from tests.ui.panel_page import QUICK, SLOW, Panel

EXAMPLE = "How did average city mileage change over the years?"


def test_journey_1_ask_inside_jupyterlab(panel: Panel) -> None:
    examples = panel.root.get_by_role("group", name="Examples")
    expect(examples.get_by_role("button")).to_have_count(3)
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
    link = run.locator(".ak-Answer").get_by_role("button", name=re.compile("From cell")).first
    link.click()
    cell = run.locator("article.ak-mod-revealed")
    expect(cell).to_be_visible()
    expect(cell).to_be_in_viewport()
    assert (link.text_content() or "").split(" ")[0] in (cell.text_content() or "")
    panel.picture("journey-1")

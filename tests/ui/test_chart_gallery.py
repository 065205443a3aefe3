"""Charts as a gallery, and the versions of a refined chart."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.fakes.turns import finish
from tests.support.panel_page import Panel
from tests.support.scripted_model import MASS, ScriptedModel, plan, python

FILE = "data/penguins_raw.csv"
AS_LINE = MASS.replace(
    "mass.plot.bar(title='Mean body mass', rot=0)", "mass.plot.line(title='Mean body mass')"
)


def _drawn(panel: Panel, model: ScriptedModel) -> Locator:
    model.says(
        plan("Draw", "Look at it", "Answer"), python(MASS, "Bars of mass"), finish("Drawn as bars.")
    )
    panel.attach(FILE)
    return panel.answered(panel.ask("Draw the mean body mass"))


def _choose(panel: Panel, action: str) -> None:
    panel.menu(panel.charts.get_by_role("button", name="Chart actions").first, action)


def test_a_chart_is_enlarged_copied_downloaded_and_shows_its_code(
    ai_panel: Panel, model: ScriptedModel, tmp_path: Path
) -> None:
    panel = ai_panel
    run = _drawn(panel, model)
    picture = panel.charts.get_by_role("img")
    expect(picture).to_have_attribute("alt", re.compile("Bar chart.*3 bars", re.DOTALL))

    picture.click()
    dialog = panel.page.get_by_role("dialog", name="Mean body mass")
    expect(dialog.get_by_role("img")).to_be_visible()
    dialog.get_by_role("button", name="Code", exact=True).click()
    expect(dialog).to_contain_text("mass.plot.bar")
    panel.page_picture("chart-enlarged")
    panel.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    with panel.page.expect_download() as download:
        _choose(panel, "Download PNG")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == ".png"
    assert path.read_bytes().startswith(b"\x89PNG")

    with panel.page.expect_download() as download:
        _choose(panel, "Download data (CSV)")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    table = path.read_text(encoding="utf-8-sig")
    assert path.suffix == ".csv"
    assert len(table.splitlines()) == 4
    assert "Gentoo" in table
    assert "5076" in table

    _choose(panel, "Copy picture")
    expect(panel.page.get_by_text("Picture copied.")).to_be_visible()
    copied = panel.page.evaluate(
        """async () => {
          const [item] = await navigator.clipboard.read();
          const bytes = await (await item.getType('image/png')).arrayBuffer();
          return btoa(String.fromCharCode(...new Uint8Array(bytes).slice(0, 8)));
        }"""
    )
    assert base64.b64decode(copied).startswith(b"\x89PNG")

    _choose(panel, "Show code")
    cell = run.locator("article.ak-mod-revealed")
    expect(cell).to_be_in_viewport()
    expect(cell).to_contain_text("mass.plot.bar")
    _choose(panel, "Show in notebook")
    active = panel.page.locator(".jp-NotebookPanel .jp-Cell.jp-mod-active")
    expect(active).to_contain_text("mass.plot.bar")


def test_versions_of_a_refined_chart_flip_side_by_side(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    _drawn(panel, model)
    model.says(
        plan("Draw", "Look at it", "Answer"),
        python(AS_LINE, "The same as a line"),
        finish("Drawn as a line."),
    )
    run = panel.answered(panel.ask("Make it a line chart"))
    chart = run.get_by_role("list", name="Charts").get_by_role("listitem").first
    expect(chart).to_contain_text("2 of 2")
    expect(chart.get_by_role("img")).to_have_attribute("alt", re.compile("^Line"))
    chart.get_by_role("button", name="Version before").click()
    expect(chart).to_contain_text("1 of 2")
    expect(chart.get_by_role("img")).to_have_attribute("alt", re.compile("^Bar"))
    expect(chart.get_by_role("button", name="Version before")).to_be_disabled()
    chart.get_by_role("img").click()
    dialog = panel.page.get_by_role("dialog", name="Mean body mass")
    dialog.get_by_role("button", name="Side by side").click()
    expect(dialog.get_by_role("img")).to_have_count(2)
    expect(dialog).to_contain_text("Iteration 1")
    panel.page_picture("chart-versions")
    panel.page.keyboard.press("Escape")

    panel.menu(panel.button("More"), "2 charts")
    gallery = panel.page.get_by_role("dialog", name="Charts")
    expect(gallery.get_by_role("list", name="Charts").get_by_role("img")).to_have_count(1)

"""How data comes into an analysis, and what is shown of it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.support.panel_page import SLOW, Panel

TABLE = "name;amount\nAda;1,5\nBob;\n"


def _file(panel: Panel, name: str) -> Locator:
    """Return a file in the file browser, with its folder shown."""
    panel.command("filebrowser:go-to-path", path="data", dontShowBrowser=False)
    return panel.page.locator(".jp-DirListing-item").filter(has_text=name)


def _chip(panel: Panel, name: str) -> Locator:
    return panel.root.get_by_role("group", name="Data").get_by_role(
        "button", name=re.compile(re.escape(name))
    )


def test_a_file_is_attached_from_the_file_browsers_context_menu(panel: Panel) -> None:
    item = _file(panel, "penguins_raw.csv")
    item.click(button="right")
    panel.page.get_by_role("menuitem", name="Ask Analyst about This File").click()
    expect(_chip(panel, "penguins_raw.csv")).to_contain_text("344 × 17")
    expect(panel.box).to_be_focused()


def test_a_file_is_attached_by_dragging_it_onto_the_panel(panel: Panel) -> None:
    item = _file(panel, "nyc_airports.csv")
    item.hover()
    panel.page.mouse.down()
    box = panel.box.bounding_box()
    assert box is not None
    panel.page.mouse.move(box["x"] + 20, box["y"] - 200, steps=12)
    expect(panel.page.locator(".ak-mod-dropTarget")).to_have_count(1)
    panel.page.mouse.move(box["x"] + 40, box["y"] - 180, steps=4)
    panel.page.mouse.up()
    expect(_chip(panel, "nyc_airports.csv")).to_be_visible()
    expect(panel.page.locator(".ak-mod-dropTarget")).to_have_count(0)


def test_a_file_of_the_persons_computer_is_uploaded_and_attached(panel: Panel) -> None:
    panel.root.get_by_label("Files to upload").set_input_files(
        {"name": "sales.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    )
    chip = _chip(panel, "sales.csv")
    expect(chip).to_contain_text("2 × 2")
    assert [file.read_text() for file in panel.lab.root.rglob("sales.csv")] == [TABLE]


def test_a_file_is_chosen_from_the_servers_folders(panel: Panel) -> None:
    panel.menu(panel.button("Attach data"), "From this server")
    dialog = panel.page.locator(".jp-Open-Dialog")
    dialog.get_by_text("data", exact=True).dblclick()
    dialog.locator(".jp-DirListing-item").filter(has_text="nyc_weather.csv").click()
    panel.page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(_chip(panel, "nyc_weather.csv")).to_contain_text("26,115 × ")


def test_a_dataset_shows_size_columns_types_missing_values_and_first_rows(panel: Panel) -> None:
    panel.attach("data/penguins_raw.csv")
    _chip(panel, "penguins_raw.csv").click()
    dialog = panel.page.get_by_role("dialog", name=re.compile("penguins_raw.csv"))
    expect(dialog).to_contain_text("344 rows · 17 columns")
    columns = dialog.get_by_role("region", name="Columns").get_by_role("row")
    expect(columns).to_have_count(18)
    mass = columns.filter(has_text="Body Mass (g)")
    expect(mass).to_contain_text(re.compile(r"2 \(0\.6 %\)"))
    expect(mass).to_contain_text("2700 – 6300, median 4050")
    rows = dialog.get_by_role("region", name="First rows").get_by_role("row")
    assert rows.count() >= 4
    panel.page_picture("data-table")
    dialog.get_by_role("button", name="Take back").click()
    expect(_chip(panel, "penguins_raw.csv")).to_have_count(0)


def test_wrong_and_missing_files_are_told_in_a_sentence(panel: Panel) -> None:
    (panel.lab.root / "data" / "broken.xlsx").write_bytes(b"this is no workbook")
    (panel.lab.root / "data" / "empty.csv").touch()
    for path, said in (
        ("data/nowhere.csv", "nowhere.csv"),
        ("data/broken.xlsx", "broken.xlsx"),
        ("data/empty.csv", "empty"),
    ):
        panel.menu(panel.button("Attach data"), "By path …")
        dialog = panel.page.get_by_role("dialog", name="Attach data")
        dialog.get_by_role("textbox").fill(path)
        dialog.get_by_role("button", name="Attach", exact=True).click()
        alert = panel.root.get_by_role("alert").filter(has_text=re.compile(said))
        expect(alert).to_be_visible()
        text = alert.text_content() or ""
        assert "Traceback" not in text
        alert.get_by_role("button", name="Close message").click()
        expect(alert).to_have_count(0)


def test_a_question_without_data_says_what_is_missing(panel: Panel) -> None:
    run = panel.ask("How did average city mileage change by model year?")
    expect(run).to_have_attribute("data-status", "incomplete", timeout=SLOW)
    expect(run).to_contain_text("no dataset is attached to this analysis")
    expect(run).to_contain_text("Attach a data file first")
    panel.menu(run.get_by_role("button", name="Choose data"), "By path")
    dialog = panel.page.get_by_role("dialog", name="Attach data")
    dialog.get_by_role("textbox").fill("data/vehicles.csv")
    dialog.get_by_role("button", name="Attach", exact=True).click()
    expect(run.get_by_role("button", name="Choose data")).to_have_count(0)
    run.get_by_role("button", name="Retry").click()
    panel.answered(panel.log.locator("section[data-status]").last)

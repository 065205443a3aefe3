"""How a dataset is read, in its window: what was assumed, changed by hand, told in the answers."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.support.accessibility import findings
from tests.support.panel_page import SLOW, Panel

SALES = (
    "Region;Day;Amount;Note\nNorth;01/02/2024;1,5;NA\nSouth;03/04/2024;-999;x\n"
    "West;05/06/2024;2,5;y\nEast;07/06/2024;3,5;y\nTotal;;-991,5;\n"
)
MEAN = "What is the mean amount?"


def _window(panel: Panel) -> Locator:
    panel.root.get_by_role("group", name="Data").get_by_role(
        "button", name=re.compile("prices.csv")
    ).click()
    return panel.page.get_by_role("dialog", name=re.compile("prices.csv"))


def _shots(panel: Panel, window: Locator, state: str) -> None:
    for theme in ("light", "dark"):
        panel.theme(theme)
        for width in (1400, 420):
            panel.page.set_viewport_size({"width": width, "height": 900})
            panel.page_picture(f"reading-{state}-{theme}-{width}")
            wide = window.evaluate("one => one.scrollWidth > one.clientWidth + 1")
            assert not wide, (state, theme, width)
        assert findings(panel.page, ".ak-Dialog") == []
    panel.theme("light")
    panel.page.set_viewport_size({"width": 1400, "height": 900})


def test_a_reading_is_changed_in_the_window_and_told_in_the_answers(panel: Panel) -> None:
    (panel.lab.root / "data" / "prices.csv").write_text(SALES)
    panel.attach("data/prices.csv")
    run = panel.ask(MEAN)
    expect(panel.answered(run)).to_contain_text("2.5")
    expect(run.locator(".ak-mod-assumptions")).to_contain_text("1 row that is a sum of others")

    window = _window(panel)
    reading = window.get_by_role("region", name="How it is read")
    expect(reading).to_contain_text("Dates that read both ways are read with the day first")
    _shots(panel, window, "found")
    order = reading.get_by_role("combobox", name="Order of day and month: Day")
    expect(order).to_have_value("")
    order.select_option("Month first")
    expect(reading).to_contain_text("You said: Day: Dates are read with the month first.",
                                    timeout=SLOW)  # fmt: skip
    expect(order).to_have_value("month")
    gap = reading.get_by_role("combobox", name="Value that stands for a missing one: Amount")
    gap.select_option("All are values")
    expect(reading).to_contain_text("All of its values are values", timeout=SLOW)

    # What cannot be is said in the window, and nothing changes.
    encoding = reading.get_by_role("textbox", name="Encoding of the text")
    encoding.fill("klingon")
    reading.get_by_role("button", name="Read so").last.click()
    expect(reading.get_by_role("status")).to_contain_text("encoding cannot be 'klingon'")
    expect(encoding).to_have_value("klingon")
    _shots(panel, window, "said")

    # Back to what was found.
    order.select_option("As found")
    expect(reading).to_contain_text("Dates that read both ways", timeout=SLOW)
    window.get_by_role("button", name="Close").click()

    expect(run).to_contain_text("This answer rests on an earlier reading of the data.")
    again = panel.ask(MEAN)
    expect(panel.answered(again)).to_contain_text("-247.9")
    assumed = again.locator(".ak-mod-assumptions")
    expect(assumed).to_contain_text("prices, Amount: you said: all of its values are values.")
    expect(assumed).not_to_contain_text("Day")
    expect(again).not_to_contain_text("earlier reading")
    for theme in ("light", "dark"):
        panel.theme(theme)
        panel.picture(f"reading-answers-{theme}")

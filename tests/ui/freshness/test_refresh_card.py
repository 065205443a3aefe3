"""Data that changed since it was answered from, in the sidebar: noticed, computed again, told."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.accessibility import findings
from tests.support.panel_page import SLOW, Panel, ready

BIRDS = "species,mass\nAdelie,10\nAdelie,12\nGentoo,20\nGentoo,22\nChinstrap,5\nChinstrap,6\n"
QUESTION = "Which species has the highest average mass?"


def _pictures(panel: Panel, state: str) -> None:
    for theme in ("light", "dark"):
        panel.theme(theme)
        for width in (460, 380):
            panel.width(width)
            panel.picture(f"freshness-{state}-{theme}-{width}")
            wide = panel.log.evaluate("one => one.scrollWidth > one.clientWidth + 1")
            assert not wide, (state, theme, width)
        assert findings(panel.page, "#analyst-panel") == []
    panel.theme("light")


def test_a_change_is_noticed_on_focus_and_the_answers_are_computed_again(panel: Panel) -> None:
    birds = panel.lab.root / "data" / "birds.csv"
    birds.write_text(BIRDS)
    panel.attach("data/birds.csv")
    run = panel.answered(panel.ask(QUESTION))
    expect(run).to_contain_text("Gentoo has the highest average")
    expect(run.get_by_role("button", name="Refresh")).to_have_count(0)

    # Another program saves the file; the user comes back to the page.
    birds.write_text(BIRDS.replace("Adelie,10", "Adelie,80"))
    panel.page.wait_for_function(
        """() => {
          window.dispatchEvent(new Event('focus'));
          return document.querySelector('.ak-Changed') !== null;
        }""",
        polling=1000,
        timeout=SLOW,
    )
    expect(run).to_contain_text("birds.csv has other content now", timeout=SLOW)
    expect(run).to_contain_text("This answer rests on what was there before.")
    _pictures(panel, "noticed")

    run.get_by_role("button", name="Refresh").click()
    card = run.get_by_role("region", name="Computed again")
    expect(card).to_contain_text("The answer turned", timeout=SLOW)
    expect(card).to_contain_text("the most, 46, for Adelie")
    expect(card.get_by_role("row", name=re.compile(r"^11 46 \+35 \(\+318"))).to_be_visible()
    # What was answered stays, and the mark is gone: the outcome says more.
    expect(run).to_contain_text("Gentoo has the highest average")
    expect(run).not_to_contain_text("other content now")
    _pictures(panel, "turned")

    # A reload keeps all of it.
    panel.page.reload()
    ready(panel)
    panel.show()
    expect(panel.run(QUESTION).get_by_role("region", name="Computed again")).to_contain_text(
        "The answer turned", timeout=SLOW
    )

"""The card of a package that is not installed: read, refused, agreed to, and taken back."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.fakes.package_index import PackageIndex
from tests.fakes.turns import finish, python
from tests.support.accessibility import findings
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import ScriptedModel

LOST = "import rapidfuzzy\nrapidfuzzy.ratio()"
HELPED = "import tinystats\nprint(tinystats.VALUE)"


def _offers(index: PackageIndex) -> None:
    index.files.clear()
    index.add("rapidfuzzy", "0.1", {"rapidfuzzy.py": "def ratio(): return 1"})
    index.add("tinystats", "1.2", {"tinystats.py": "import tinyhelp\nVALUE = 42"},
              requires=["tinyhelp"])  # fmt: skip
    index.add("tinyhelp", "1.0", {"tinyhelp.py": ""})


def _look(panel: Panel, card: Locator, state: str) -> None:
    for theme in ("light", "dark"):
        panel.theme(theme)
        for width in (520, 380):
            panel.width(width)
            card.scroll_into_view_if_needed()
            panel.picture(f"package-{state}-{theme}-{width}")
            wide = card.evaluate("one => one.scrollWidth > one.clientWidth + 1")
            assert not wide, (state, theme, width)
        assert findings(panel.page, "#analyst-panel") == []
    panel.theme("light")


def test_a_package_is_refused_fetched_and_removed(
    ai_panel: Panel, model: ScriptedModel, package_files: PackageIndex
) -> None:
    panel = ai_panel
    _offers(package_files)
    model.says(python(LOST), python(HELPED), finish("It is 42 [cell 2]."))
    run = panel.ask("What is it?")
    card = run.get_by_role("group", name="Fetch a package?")
    expect(card).to_contain_text("rapidfuzzy 0.1", timeout=SLOW)
    expect(card).to_contain_text("This name is not known here")
    expect(card).to_contain_text("Did you mean rapidfuzz?")
    expect(card).to_contain_text("nothing else")
    _look(panel, card, "unknown")
    card.get_by_role("button", name="No", exact=True).click()
    expect(run).to_contain_text("You said no to a package: rapidfuzzy 0.1", timeout=SLOW)

    expect(card).to_contain_text("tinystats 1.2", timeout=SLOW)
    expect(card).to_contain_text("tinyhelp 1.0")
    expect(card).to_contain_text(package_files.url)
    card.get_by_text("SHA-256 of 2 files").click()
    _look(panel, card, "brings")
    card.get_by_role("button", name="Yes, fetch it").click()
    expect(panel.answered(run)).to_contain_text("42")
    run.get_by_text("2 iterations").click()
    expect(run).to_contain_text("You said yes to a package: tinystats 1.2")

    strip = panel.root.get_by_role("group", name="Data")
    strip.get_by_role("button", name="2 packages").click()
    window = panel.page.get_by_role("dialog", name="Packages")
    expect(window).to_contain_text("needed by tinystats")
    for theme in ("light", "dark"):
        panel.theme(theme)
        panel.page_picture(f"packages-{theme}")
        assert findings(panel.page, ".ak-Dialog") == []
    panel.theme("light")
    window.get_by_role("button", name="Remove tinystats").click()
    expect(window.get_by_role("listitem")).to_have_count(0, timeout=SLOW)
    window.get_by_role("button", name="Close").click()
    expect(strip.get_by_role("button", name="2 packages")).to_have_count(0)

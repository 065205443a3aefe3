"""What the model may see, what it was sent, and instructions, as a user meets them."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.fakes.turns import finish
from tests.support.accessibility import findings
from tests.support.panel_page import SLOW, Panel, Theme
from tests.support.scripted_model import ScriptedModel, python
from tests.ui.looks import FEW, look

QUESTION = "Which islands?"
HOSTILE = '</pre><img src=x onerror="document.title=1"><script>document.title=2</script> {"a": 1}'
SHOTS: tuple[tuple[Theme, int], ...] = (("light", 1400), ("dark", 1400), ("dark", 360))


def _status(panel: Panel) -> Locator:
    return panel.root.get_by_role("status", name="Privacy").get_by_role("button")


def _dialog(panel: Panel, name: str) -> Locator:
    return panel.page.get_by_role("dialog", name=name)


def _end(run: Locator) -> None:
    over = re.compile("answered|incomplete|failed")
    expect(run).to_have_attribute("data-status", over, timeout=SLOW)
    assert run.get_attribute("data-status") == "answered", run.text_content()


def _pictures(panel: Panel, dialog: Locator, state: str) -> None:
    """Keep pictures of a dialog; nothing in it may be too wide or unreadable."""
    found: list[str] = []
    for theme, width in SHOTS:
        panel.theme(theme)
        panel.page.set_viewport_size({"width": width, "height": 900})
        panel.page_picture(f"privacy-{state}-{theme}-{width}")
        wide = dialog.evaluate("one => one.scrollWidth > one.clientWidth + 1")
        found += [f"{theme}, {width}: too wide"] if wide else []
        found += [f"{theme}: {line}" for line in findings(panel.page, "dialog[open]")]
    panel.theme("light")
    panel.page.set_viewport_size({"width": 1400, "height": 900})
    assert found == [], "\n".join(found)


def test_the_mode_is_chosen_said_and_what_was_sent_is_shown(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    # What JupyterLab still says of earlier tests would lie over the status line.
    panel.page.add_style_tag(content="#react-toastify-container { visibility: hidden }")
    panel.attach("data/penguins_raw.csv")
    expect(_status(panel)).to_have_text("Privacy: Full")
    _status(panel).click()
    dialog = _dialog(panel, "What the model may see")
    dialog.get_by_role("radio", name=re.compile("No values")).check()
    _pictures(panel, dialog, "mode")
    dialog.get_by_role("button", name="Use").click()
    expect(_status(panel)).to_have_text("Privacy: No values")

    model.says(
        python(f"print(penguins_raw['Island'].unique())\nprint({HOSTILE!r})", "Look"),
        finish("[cell 1] lists them."),
    )
    run = panel.ask(QUESTION)
    _end(run)
    expect(run).to_contain_text("Made in privacy mode: No values")
    expect(run).to_contain_text("the model saw no value of the data")
    look(panel, "privacy", FEW)

    panel.menu(panel.button("More"), "What was sent")
    sent = _dialog(panel, "What was sent to models")
    requests = sent.get_by_role("list", name="Requests").get_by_role("listitem")
    expect(requests).to_have_count(2)
    sent.get_by_role("searchbox").fill("onerror")
    expect(requests).to_have_count(1)
    requests.first.locator("summary").click()
    body = requests.first.locator("pre")
    expect(body).to_contain_text("onerror")
    expect(body.locator("mark").first).to_be_visible()
    expect(sent.locator("img, script")).to_have_count(0)
    assert panel.page.title() not in ("1", "2")
    _pictures(panel, sent, "sent")
    with panel.page.expect_download() as download:
        sent.get_by_role("button", name="Download", exact=True).click()
    assert "Biscoe" not in download.value.path().read_text()
    with panel.page.expect_download() as download:
        sent.get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == "sent-to-models.zip"
    sent.get_by_role("button", name="Close").click()

    _status(panel).click()
    dialog.get_by_role("radio", name=re.compile("Full")).check()
    expect(dialog.get_by_role("alert")).to_contain_text("sees more than now")
    panel.page_picture("privacy-weaker")
    dialog.get_by_role("button", name="Show the model more").click()
    expect(_status(panel)).to_have_text("Privacy: Full")
    expect(panel.log).to_contain_text("From the next question on")


def test_a_projects_instructions_are_shown_before_they_hold(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    file = panel.lab.root / "analyst.md"
    file.write_text(f"# Rules\n\nAmounts are in francs.\n\n{HOSTILE}\n")
    try:
        panel.attach("data/penguins_raw.csv")
        chip = panel.root.get_by_role("button", name=re.compile("^Instructions"))
        expect(chip).to_contain_text("Instructions off")
        chip.click()
        dialog = _dialog(panel, "Instructions")
        expect(dialog.locator("pre")).to_contain_text(HOSTILE)
        expect(dialog.locator("img, script")).to_have_count(0)
        _pictures(panel, dialog, "instructions")
        box = dialog.get_by_role("checkbox")
        expect(box).not_to_be_checked()
        box.click()
        expect(box).to_be_checked()
        dialog.get_by_role("button", name="Close").click()
        expect(chip).to_have_text("Instructions")
        model.says(
            python("penguins_raw['Island'].unique()", "Look"), finish("[cell 1] lists them.")
        )
        run = panel.ask(QUESTION)
        _end(run)
        expect(run).to_contain_text("Made under the instructions in analyst.md (the project's;")
    finally:
        file.unlink()

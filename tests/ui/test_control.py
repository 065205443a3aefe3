"""Approval, questions to the user, models and keys, usage, the sandbox's badge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer
from tests.fakes.turns import answer, call, finish, turn
from tests.fakes.wire_server import WireServer
from tests.support.lab import Lab
from tests.support.panel_page import SLOW, Panel, ready
from tests.support.scripted_model import ScriptedModel, plan, python
from tests.ui.accessibility import findings
from tests.ui.conftest import OpenPanel
from tests.ui.looks import FEW, look


def test_each_cell_waits_until_it_is_run_edited_or_skipped(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    model.says(
        plan("Add", "Add more", "Answer"),
        python("one = 1\nprint('one is', one)", "First sum"),
        python("print('never run')", "Second sum"),
        python("print('third', 3)", "Third sum"),
        python("print('fourth', 4)", "Fourth sum"),
        python("print('fifth', 5)", "Fifth sum"),
        finish("Done."),
    )
    panel.menu(panel.button(re.compile("^Approval:")), "Ask before each cell")
    run = panel.ask("Do some sums?")
    card = run.get_by_role("group", name="Run this cell?")
    expect(card).to_contain_text("First sum", timeout=SLOW)
    panel.picture("control-approval")
    card.get_by_role("button", name="Edit", exact=True).click()
    card.get_by_role("textbox", name="Code to run instead").fill("print('edited by me')")
    card.get_by_role("button", name="Run edited code").click()
    expect(card).to_contain_text("Second sum")
    card.get_by_role("button", name="Skip").click()
    expect(card).to_contain_text("Third sum")
    expect(run.get_by_text("You skipped:")).to_be_visible()
    card.get_by_role("button", name="Run", exact=True).click()
    expect(card).to_contain_text("Fourth sum")
    card.get_by_role("button", name="Run all in this analysis").click()
    panel.answered(run)
    expect(card).to_have_count(0)
    run.get_by_text(re.compile(r"5 iterations|4 iterations")).click()
    first = run.get_by_role("article").first
    first.get_by_role("button", expanded=False).first.click()
    expect(first).to_contain_text("edited by me")
    sent = str(model.bodies[-1]["messages"])
    assert "edited by me" in sent
    assert "never run\\n" not in sent


def test_the_plan_is_edited_before_anything_runs(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(
        plan("Load it", "A step nobody wants", "Draw it"),
        python("1 + 1", "Load"),
        finish("As you planned."),
    )
    panel.menu(panel.button(re.compile("^Approval:")), "Edit the plan first")
    run = panel.ask("Follow my plan?")
    card = run.get_by_role("group", name="Is this the plan?")
    expect(card).to_be_visible(timeout=SLOW)
    panel.picture("control-plan")
    card.get_by_role("button", name="Remove step 2").click()
    card.get_by_role("button", name="Add a step").click()
    card.get_by_role("textbox", name="Step 3").fill("Say thanks")
    card.get_by_role("button", name="Move step 3 up").click()
    expect(card.get_by_role("textbox", name="Step 2")).to_have_value("Say thanks")
    card.get_by_role("button", name="Start").click()
    panel.answered(run)
    run.get_by_text(re.compile("3 steps")).click()
    steps = run.get_by_role("list", name="Plan").get_by_role("listitem")
    expect(steps).to_contain_text(["Load it", "Say thanks", "Draw it"])
    assert "Say thanks" in str(model.bodies[-1]["messages"])


def test_a_question_of_the_run_is_answered_by_option_or_own_words(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel

    def ask(question: str) -> None:
        model.says(
            turn(
                call(
                    "ask_user",
                    question=question,
                    options=["Order date", "Shipping date"],
                    default="Order date",
                )
            )
        )

    ask("Which date counts?")
    ask("Which other date counts?")
    model.says(answer("Thank you."))
    run = panel.ask("Revenue last quarter?")
    card = run.get_by_role("group", name="Which date counts?")
    expect(card).to_contain_text("The run waits. Nothing is lost if you close this.", timeout=SLOW)
    expect(card.get_by_role("button", name=re.compile("Order date"))).to_contain_text("default")
    panel.picture("control-question")
    # Closing it loses nothing: another analysis, and back.
    panel.new()
    panel.button(re.compile("^Analyses")).click()
    waiting = panel.root.get_by_role("listitem").filter(has_text="Revenue last quarter?")
    expect(waiting.first).to_contain_text("waits for you")
    waiting.first.get_by_role("button", name=re.compile("^Revenue")).click()
    card.get_by_role("button", name="Shipping date").click()
    expect(run.get_by_text("Shipping date", exact=True)).to_be_visible()
    other = run.get_by_role("group", name="Which other date counts?")
    other.get_by_role("textbox", name="Another answer").fill("The invoice date")
    other.get_by_role("button", name="Answer", exact=True).click()
    panel.answered(run)
    sent = str(model.bodies[-1]["messages"])
    assert "Shipping date" in sent
    assert "The invoice date" in sent


def test_usage_shows_tokens_cost_and_the_budget(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(answer("Cheap."), answer("Cheap too."))
    panel.answered(panel.ask("What does it cost?"))
    usage = panel.root.get_by_role("status", name="Usage")
    expect(usage).to_contain_text(re.compile(r"[\d.]+k? in, .*[\d.]+k? out"))
    expect(usage).to_contain_text(re.compile(r"\$\d"))
    usage.get_by_role("button").click()
    dialog = panel.page.get_by_role("dialog")
    expect(dialog.get_by_role("row", name=re.compile("^Calls"))).to_contain_text("1")
    panel.page_picture("control-usage")
    dialog.get_by_role("textbox", name=re.compile("US dollars")).fill("0.5")
    dialog.get_by_role("textbox", name="This analysis").fill("2")
    dialog.get_by_role("textbox", name="Each day").fill("50")
    dialog.get_by_role("button", name="Keep").click()
    kept = re.compile(r"of \$0\.50 · analysis .* of \$2\.00 · today .* of \$50\.00")
    expect(usage).to_contain_text(kept)
    panel.answered(panel.ask("And now?"))
    expect(usage).to_contain_text(kept)
    look(panel, "usage", FEW)
    for theme in ("light", "dark"):
        panel.theme(theme)
        panel.width(250)
        usage.get_by_role("button").click()
        panel.page_picture(f"control-usage-{theme}")
        dialog.get_by_role("textbox", name="Each day").fill("")
        dialog.get_by_role("button", name="Keep").click()
        expect(dialog).to_have_count(0)
    panel.theme("light")
    expect(usage).not_to_contain_text("of $50.00")


def test_the_model_picker_offers_what_is_there_and_the_choice_holds(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    picker = panel.button(re.compile("^Model: anthropic:"))
    expect(picker).to_be_visible()
    panel.menu(picker, "offline:rules")
    expect(panel.button("Model: offline:rules")).to_be_visible()
    panel.attach("data/penguins_raw.csv")
    expect(panel.root.get_by_text("No AI model is at work.", exact=False)).to_be_visible()
    panel.answered(panel.ask("Which species is the heaviest?"))
    assert model.bodies == []


def test_the_sandbox_badge_shows_the_sentence_and_every_probe(panel: Panel) -> None:
    panel.attach("data/penguins_raw.csv")
    panel.answered(panel.ask("Which species is the heaviest?"))
    badge = panel.root.get_by_role("status", name="Sandbox").get_by_role("button")
    badge.click()
    dialog = panel.page.get_by_role("dialog", name=re.compile("^Sandbox:"))
    report = panel.lab.get("status")["sandbox"]
    expect(dialog).to_contain_text(report["sentence"])
    probes = dialog.get_by_role("list", name="What was tried").get_by_role("listitem")
    expect(probes).to_have_count(len(report["probes"]))
    panel.page_picture("control-sandbox")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def test_without_a_key_the_set_up_card_shows_the_ways_on(panel: Panel) -> None:
    card = panel.root.get_by_role("region", name="Set up a model")
    expect(card).to_contain_text("No AI model is set up.")
    expect(card).to_contain_text("They never guess.")
    card.get_by_role("button", name=re.compile("on this computer")).click()
    expect(card).to_contain_text("No local model answers.")
    card.get_by_role("button", name="Add a key").click()
    dialog = panel.page.get_by_role("dialog", name="Keys")
    panel.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    card.get_by_role("button", name="Go on offline").click()
    expect(card).to_have_count(0)


# --- keys --------------------------------------------------------------------------------------

SECRET = "sk-ant-a-secret-of-the-browser-tests"
WRONG = "sk-ant-a-wrong-secret-of-the-browser-tests"
LONG = "https://a-gateway-with-a-long-name.department.of-a-very-large-company.example:8443/" + (
    "models/of/the/department/" * 5
)


@pytest.fixture
def dialog_of(lab: Lab) -> Iterator[None]:
    """Leave no key behind for the tests that share the server."""
    yield
    for state in lab.get("models")["keys"]:
        if state["removable"]:
            lab.delete("models/key", provider=state["provider"])


def opened(panel: Panel) -> Locator:
    """Open the dialog from the model menu."""
    panel.menu(panel.button(re.compile("^Model:")).last, "Add a key")
    dialog = panel.page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    return dialog


def fill(dialog: Locator, provider: str, key: str, url: str) -> None:
    dialog.get_by_label("Provider").select_option(label=provider)
    dialog.get_by_label(re.compile("^Address")).fill(url)
    if key:
        dialog.locator("input[type=password]").fill(key)


def save(dialog: Locator, button: str = "Check and save") -> None:
    dialog.get_by_role("button", name=button).click()


@pytest.mark.usefixtures("dialog_of")
def test_a_pasted_key_is_checked_kept_on_the_server_and_never_shown_again(
    open_own: OpenPanel, lab: Lab
) -> None:
    panel = open_own(lab)
    page = panel.page
    seen: list[str] = []
    page.on("response", lambda one: seen.append(one.url) if "analyst-kernel" in one.url else None)
    with WireServer(keys=[SECRET]) as claude:
        dialog = opened(panel)
        field = dialog.get_by_label("Key", exact=True)
        expect(field).to_have_attribute("type", "password")
        fill(dialog, "Anthropic", WRONG, claude.url)
        save(dialog)
        expect(dialog.get_by_role("alert")).to_contain_text("refuses this key")
        assert panel.lab.get("models")["keys"] == []
        field.fill(SECRET)
        expect(dialog.get_by_role("alert")).to_have_count(0)
        save(dialog)
        expect(dialog).to_have_count(0)
        assert [request.path for request in claude.requests] == ["/v1/models", "/v1/models"]
    expect(panel.button(re.compile("^Model: anthropic:"))).to_be_visible()
    expect(panel.root.get_by_role("region", name="Set up a model")).to_have_count(0)
    dialog = opened(panel)
    keys = dialog.get_by_role("list", name="Keys that are set")
    expect(keys.get_by_role("listitem")).to_contain_text(
        f"In a file of yours · goes to {claude.url}"
    )
    browser = page.evaluate(
        """async () => JSON.stringify([
          {...localStorage}, {...sessionStorage}, document.cookie,
          (await indexedDB.databases()).map(one => one.name), document.documentElement.outerHTML,
        ])"""
    )
    places = [
        browser, page.content(), *seen, panel.lab.log.read_text(),
        json.dumps([panel.lab.get("models"), panel.lab.get("status")]),
    ]  # fmt: skip
    assert not [place for place in places if SECRET in place or WRONG in place]
    kept = [
        file
        for file in panel.lab.place.rglob("*")
        if file.is_file() and not file.is_symlink() and SECRET.encode() in file.read_bytes()
    ]
    assert [file.name for file in kept] == ["keys.json"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in kept)
    keys.get_by_role("button", name="Remove the key of Anthropic").click()
    keys.get_by_role("button", name="Really remove the key of Anthropic").click()
    expect(keys).to_have_count(0)
    assert SECRET not in kept[0].read_text()
    page.reload()
    ready(panel)
    panel.command("analyst:new")
    expect(panel.root.get_by_role("region", name="Set up a model")).to_be_visible()


@pytest.mark.usefixtures("dialog_of")
def test_every_provider_asks_for_what_it_needs(panel: Panel) -> None:
    dialog = opened(panel)
    providers = {one["label"]: one for one in panel.lab.get("models")["providers"] if one["is_ai"]}
    options = dialog.get_by_label("Provider").get_by_role("option")
    expect(options).to_have_text(list(providers))
    button = dialog.get_by_role("button", name="Check and save")
    for label, one in providers.items():
        dialog.get_by_label("Provider").select_option(label=label)
        settings = one["settings"] or {"key_variable": "", "url_variable": "", "url": "-"}
        has_key, has_url = bool(settings["key_variable"]), bool(settings["url_variable"])
        expect(dialog.locator("input[type=password]")).to_have_count(int(has_key))
        expect(dialog.get_by_label(re.compile("^Address"))).to_have_count(int(has_url))
        if has_key:
            dialog.locator("input[type=password]").fill("sk-typed")
        if settings["url"] == "":
            expect(button).to_be_disabled()
            dialog.get_by_label("Address", exact=True).fill("http://127.0.0.1:9")
        if has_key or has_url:
            expect(button).to_be_enabled()
    # A key that was typed for one provider is not offered to the next.
    dialog.get_by_label("Provider").select_option(label="OpenAI")
    expect(dialog.get_by_label("Key", exact=True)).to_have_value("")
    dialog.get_by_label("Key", exact=True).fill("sk-typed")
    dialog.get_by_label(re.compile("^Address")).fill("gateway.example")
    save(dialog)
    expect(dialog.get_by_role("alert")).to_contain_text("This is no web address.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)


@pytest.mark.usefixtures("dialog_of")
def test_what_cannot_be_checked_is_said_and_may_be_saved_anyway(
    open_own: OpenPanel, lab: Lab
) -> None:
    panel = open_own(lab)  # the model that it chooses is nobody else's
    dialog = opened(panel)
    with OpenAIChatServer(keys=[SECRET]) as wire:
        fill(dialog, "OpenAI-compatible server", SECRET, f"{wire.url}/wrong")
        save(dialog)
        expect(dialog.get_by_role("alert")).to_contain_text("nothing that lists models")
        dialog.get_by_label("Address", exact=True).fill("http://127.0.0.1:9/v1")
        save(dialog)
        expect(dialog.get_by_role("alert")).to_contain_text(
            "No server can be reached at http://127.0.0.1:9."
        )
        dialog.get_by_label("Address", exact=True).fill(f"{wire.url}/v1")
        dialog.get_by_label("Model", exact=True).fill("team-model")
        save(dialog)
        expect(dialog).to_have_count(0)
    expect(panel.button("Model: compatible:team-model")).to_be_visible()
    dialog = opened(panel)
    for theme in ("light", "dark", "high contrast"):
        panel.theme(theme)
        for width in (1400, 480):
            panel.page.set_viewport_size({"width": width, "height": 800})
            fill(dialog, "Azure OpenAI", SECRET, "http://127.0.0.1:9/")
            save(dialog)
            alert = dialog.get_by_role("alert")
            expect(alert).to_contain_text("No server can be reached")
            panel.page_picture(f"keys-error-{width}-{theme.split()[0]}")
            assert findings(panel.page, ".ak-Dialog") == []
            assert _wide(dialog) <= 1
    fill(dialog, "Azure OpenAI", SECRET, LONG)
    # Not sent anywhere: only what the page shows of it is looked at.
    assert _wide(dialog) <= 1
    panel.page_picture("keys-long-address-480")
    fill(dialog, "Azure OpenAI", SECRET, "http://127.0.0.1:9/" + LONG.split("example:8443/")[1])
    save(dialog)
    save(dialog, "Save anyway")
    expect(dialog).to_have_count(0)
    dialog = opened(panel)
    keys = dialog.get_by_role("list", name="Keys that are set")
    expect(keys).to_contain_text("Azure OpenAI")
    keys.get_by_role("button", name="Remove the key of Azure OpenAI").click()
    panel.page_picture("keys-set-480")
    assert _wide(dialog) <= 1
    assert findings(panel.page, ".ak-Dialog") == []
    panel.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def _wide(dialog: Locator) -> int:
    return int(
        dialog.locator(".ak-Dialog-body").evaluate("node => node.scrollWidth - node.clientWidth")
    )

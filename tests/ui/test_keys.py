"""The dialog of keys: every provider, its address, what became of the check, and what is set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.fakes.openai_server import OpenAIChatServer
from tests.fakes.wire_server import WireServer
from tests.support.lab import Lab
from tests.support.panel_page import Panel, ready
from tests.ui.accessibility import findings
from tests.ui.conftest import OpenPanel

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
def test_what_cannot_be_checked_is_said_and_may_be_saved_anyway(panel: Panel) -> None:
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

"""Fixtures of every suite that drives a browser: Debian's Chromium, and a provider that plays turns.

A suite's ``conftest.py`` imports them by name. They end with the suite's folder, because Playwright
holds the thread's event loop, which tests of other folders need.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.wire_server import WireServer
from tests.support.panel_page import QUICK
from tests.support.scripted_model import ScriptedModel

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
"""With these Debian's Chromium starts quickly and quietly."""


@pytest.fixture(scope="package")
def model_server() -> Iterator[tuple[ScriptedModel, WireServer]]:
    """Run the fake provider; what it says is the script of the test that runs."""
    model = ScriptedModel()
    with WireServer([model], repeat=True) as wire:
        yield model, wire


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Drive browsers."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Run Chromium."""
    expect.set_options(timeout=QUICK)
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield chromium
    chromium.close()


def claude_at(wire: WireServer) -> dict[str, str]:
    """Return the environment that leads the provider ``anthropic`` to the fake one."""
    return {"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_API_KEY": FAKE_KEY}

"""One JupyterLab without an AI model, one with a scripted model, and one browser, for all tests.

Each module has, for each of the two servers, one page that its tests share: a test begins with an
empty panel and no analyses. A test that reloads or cuts the connection opens a page of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.wire_server import WireServer
from tests.ui.browser_flags import CHROMIUM, FLAGS
from tests.ui.lab import Lab
from tests.ui.panel_page import QUICK, Panel, main_area_filled, open_panel
from tests.ui.scripted_model import ScriptedModel

_workspaces = itertools.count(1)

OpenPanel = Callable[..., Panel]


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """Run a server where the built-in rules answer."""
    server = Lab()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="package")
def model_server() -> Iterator[tuple[ScriptedModel, WireServer]]:
    """Run the fake provider; what it says is the script of the test that runs."""
    model = ScriptedModel()
    with WireServer([model], repeat=True) as wire:
        yield model, wire


@pytest.fixture(scope="package")
def ai_lab(model_server: tuple[ScriptedModel, WireServer]) -> Iterator[Lab]:
    """Run a server behind a path, as a hub does, where a scripted AI model answers."""
    wire = model_server[1]
    server = Lab(
        base_url="/hub/user/x/",
        environment={"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_API_KEY": FAKE_KEY},
    )
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def model(model_server: tuple[ScriptedModel, WireServer], ai_lab: Lab) -> ScriptedModel:
    """Return the scripted model, with an empty script."""
    script, wire = model_server
    # A run that a failed test left at work would take turns from this one's script.
    ai_lab.clear()
    script.reset(wire)
    return script


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Drive browsers; ends with this folder's tests, as it holds this thread's event loop."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Run Debian's Chromium."""
    expect.set_options(timeout=QUICK)
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def rules_page(browser: Browser, lab: Lab) -> Iterator[Panel]:
    """Open the page that the tests of a module share."""
    yield from _shared(browser, lab)


@pytest.fixture(scope="module")
def ai_page(browser: Browser, ai_lab: Lab) -> Iterator[Panel]:
    """Open the page that the tests of a module share."""
    yield from _shared(browser, ai_lab)


def _shared(browser: Browser, server: Lab) -> Iterator[Panel]:
    panel = open_panel(browser, server, f"w{next(_workspaces)}")
    yield panel
    panel.page.context.close()


def _fresh(panel: Panel) -> Iterator[Panel]:
    panel.page.set_viewport_size({"width": 1400, "height": 900})
    # A test that failed may have left a window open.
    for rest in panel.page.locator(
        ".jp-Dialog .jp-mod-reject, .ak-Dialog [aria-label=Close]"
    ).all():
        rest.click()
    # Not "close all": that asks about notebooks which a test changed by hand.
    panel.page.evaluate(
        "() => [...window.jupyterapp.shell.widgets('main')].forEach(one => one.dispose())"
    )
    main_area_filled(panel)
    panel.theme("light")
    panel.width(340)
    panel.new()
    panel.trouble.clear()
    yield panel
    assert panel.trouble == []


@pytest.fixture
def panel(rules_page: Panel, lab: Lab) -> Iterator[Panel]:
    """Return an empty panel; the built-in rules answer."""
    lab.clear()
    yield from _fresh(rules_page)


@pytest.fixture
def ai_panel(ai_page: Panel, model: ScriptedModel) -> Iterator[Panel]:
    """Return an empty panel; the scripted model answers."""
    yield from _fresh(ai_page)


@pytest.fixture
def open_own(browser: Browser) -> Iterator[OpenPanel]:
    """Open pages of the test's own: ``open_own(lab)``."""
    opened: list[Panel] = []

    def open_one(server: Lab, **options: Any) -> Panel:
        opened.append(open_panel(browser, server, f"w{next(_workspaces)}", **options))
        return opened[-1]

    yield open_one
    for panel in opened:
        panel.page.context.close()

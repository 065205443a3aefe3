"""One JupyterLab without an AI model, one with a scripted model, and one browser, for all tests.

For each of the two servers there is one page that all tests share: a test begins with an empty panel
and no analyses. A test that reloads or cuts the connection opens a page of its own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from tests.fakes.package_index import PackageIndex, package_index
from tests.fakes.wire_server import WireServer
from tests.support.browsing import browser, claude_at, model_server, playwright
from tests.support.lab import Lab
from tests.support.panel_page import Panel, main_area_filled, open_panel
from tests.support.scripted_model import ScriptedModel

__all__ = ["browser", "model_server", "playwright"]

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
def package_files() -> Iterator[PackageIndex]:
    """Run the index that pip is configured with on the scripted model's server."""
    with package_index() as running:
        yield running


@pytest.fixture(scope="package")
def ai_lab(
    model_server: tuple[ScriptedModel, WireServer], package_files: PackageIndex
) -> Iterator[Lab]:
    """Run a server behind a path, as a hub does, where a scripted AI model answers."""
    wire = model_server[1]
    server = Lab(
        base_url="/hub/user/x/",
        environment={
            **claude_at(wire),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": package_files.url,
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_FIND_LINKS": "",
            "PIP_NO_CACHE_DIR": "1",
        },
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


class SharedPage:
    """A page that every test of this folder begins with; opened anew where a test broke it."""

    def __init__(self, browser: Browser, server: Lab) -> None:
        self._browser = browser
        self._server = server
        self._panel: Panel | None = None

    def fresh(self) -> Panel:
        """Return the page with an empty panel, as a new page has it."""
        if self._panel is not None:
            try:
                return _reset(self._panel)
            except (AssertionError, PlaywrightError):
                self.close()
        self._panel = open_panel(self._browser, self._server, f"w{next(_workspaces)}")
        return _reset(self._panel)

    def close(self) -> None:
        """Close the page. Idempotent."""
        panel, self._panel = self._panel, None
        if panel is not None:
            with suppress(PlaywrightError):
                panel.page.context.close()


@pytest.fixture(scope="package")
def rules_page(browser: Browser, lab: Lab) -> Iterator[SharedPage]:
    """Return the page on the server where the built-in rules answer."""
    page = SharedPage(browser, lab)
    yield page
    page.close()


@pytest.fixture(scope="package")
def ai_page(browser: Browser, ai_lab: Lab) -> Iterator[SharedPage]:
    """Return the page on the server where the scripted model answers."""
    page = SharedPage(browser, ai_lab)
    yield page
    page.close()


def _reset(panel: Panel) -> Panel:
    page = panel.page
    # What a test of a lost connection set up.
    page.context.unroute_all()
    page.set_viewport_size({"width": 1400, "height": 900})
    # A test that failed may have left a window open.
    for rest in page.locator(".jp-Dialog .jp-mod-reject, .ak-Dialog [aria-label=Close]").all():
        rest.click()
    # Not "close all": that asks about notebooks which a test changed by hand.
    page.evaluate(
        "() => [...window.jupyterapp.shell.widgets('main')].forEach(one => one.dispose())"
    )
    main_area_filled(panel)
    # New notebooks lie in the folder that the file browser shows.
    panel.command("filebrowser:go-to-path", path="/", dontShowBrowser=True)
    panel.theme("light")
    panel.width(340)
    panel.new()
    panel.trouble.clear()
    return panel


@pytest.fixture
def panel(rules_page: SharedPage, lab: Lab) -> Iterator[Panel]:
    """Return an empty panel; the built-in rules answer."""
    lab.clear()
    found = rules_page.fresh()
    yield found
    assert found.trouble == []


@pytest.fixture
def ai_panel(ai_page: SharedPage, model: ScriptedModel) -> Iterator[Panel]:
    """Return an empty panel; the scripted model answers."""
    found = ai_page.fresh()
    yield found
    assert found.trouble == []


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

"""One JupyterLab with a scripted model for each module; pages are the test's own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.fakes.wire_server import WireServer
from tests.live.provider import PROVIDER, PROVIDERS_OWN_TROUBLE
from tests.support.browsing import browser, claude_at, model_server, playwright
from tests.support.lab import Lab
from tests.support.panel_page import SLOW, Panel, open_panel
from tests.support.scripted_model import ScriptedModel

__all__ = ["browser", "model_server", "playwright"]

GRACE_SECONDS = 3
_workspaces = itertools.count(1)

OpenPage = Callable[..., Panel]


def pytest_report_header() -> str:
    """Say with what the notebooks are shared."""
    return f"live notebooks: {PROVIDER}"


@pytest.fixture
def model(model_server: tuple[ScriptedModel, WireServer]) -> ScriptedModel:
    """Return the scripted model, with an empty script."""
    script, wire = model_server
    script.reset(wire)
    return script


@pytest.fixture(scope="package")
def live_lab(model_server: tuple[ScriptedModel, WireServer]) -> Iterator[Lab]:
    """Run a server that waits only a moment for a browser that vanished."""
    server = Lab(
        environment=claude_at(model_server[1]),
        arguments=(f"--AnalystKernelApp.grace_seconds={GRACE_SECONDS}",),
    )
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def open_page(browser: Browser, live_lab: Lab) -> Iterator[OpenPage]:
    """Open pages in browsers of their own: ``open_page()``."""
    opened: list[Panel] = []

    def open_one(*, show: bool = True) -> Panel:
        opened.append(open_panel(browser, live_lab, f"live{next(_workspaces)}", show=show))
        return opened[-1]

    yield open_one
    trouble = [
        text
        for panel in opened
        for text in panel.trouble
        if not re.search(PROVIDERS_OWN_TROUBLE, text)
    ]
    for panel in opened:
        panel.page.context.close()
    assert trouble == []


@pytest.fixture
def panel(open_page: OpenPage) -> Panel:
    """Return the page where the questions are asked, its panel empty."""
    found = open_page()
    found.new()
    # The page knows its server by now.
    expect(found.button(re.compile("^Model: anthropic"))).to_be_visible(timeout=SLOW)
    return found

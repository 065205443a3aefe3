"""Finds what axe-core finds in a part of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[2] / "labextension/node_modules/axe-core/axe.min.js"


def findings(page: Page, within: str) -> list[str]:
    """Return the serious and critical findings inside a selector, one readable line each."""
    if not page.evaluate("() => 'axe' in window"):
        # Evaluated, not added as a tag: the page's module loader would take it away.
        page.evaluate(f"() => {{ const module = undefined; {AXE.read_text(encoding='utf-8')} }}")
    # Preloading fetches every stylesheet again, for rules about orientation and sound alone.
    result: dict[str, Any] = page.evaluate(
        "within => window.axe.run(within, {resultTypes: ['violations'], preload: false})", within
    )
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:160]} -- {node['failureSummary'][:300]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]

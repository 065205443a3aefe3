"""Makes the README's pictures from the real product: ``python tests/ui/screenshots.py FOLDER``.

A real JupyterLab without an AI model answers the first example question; the answered panel beside
its notebook is kept in light and dark, each as a PNG of at most 250 kB.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, from anywhere

from playwright.sync_api import Browser, expect, sync_playwright  # noqa: E402 - a script finds the tests first

from tests.support.browsing import CHROMIUM, FLAGS  # noqa: E402 - a script finds the tests first
from tests.support.lab import Lab  # noqa: E402 - a script finds the tests first
from tests.support.notebook_page import NotebookPage  # noqa: E402 - a script finds the tests first
from tests.support.panel_page import Panel, Theme, open_panel  # noqa: E402 - a script finds the tests first

QUESTION = "How did average city mileage change over the years?"
SIZE = (1280, 800)
LARGEST = 250_000
THEMES: tuple[Theme, ...] = ("light", "dark")


def main(arguments: list[str] | None = None) -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description="Make the README's pictures.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    # Kernels and fonts keep nothing in the folders of whoever runs this.
    with tempfile.TemporaryDirectory(prefix="ak-shots-") as place, sync_playwright() as driver:
        lab = Lab(environment={"MPLCONFIGDIR": place, "ANALYST_MODEL": ""})
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            _make(browser, lab.start(), folder)
        finally:
            browser.close()
            lab.close()
    return 0


def _make(browser: Browser, lab: Lab, folder: Path) -> None:
    panel = open_panel(browser, lab, "pictures", width=SIZE[0], height=SIZE[1])
    panel.width(380)
    panel.root.get_by_role("group", name="Examples").get_by_role("button", name=QUESTION).click()
    run = panel.answered(panel.run(QUESTION))
    expect(panel.charts.get_by_role("img").first).to_be_visible()
    panel.page.get_by_role("tab", name="File Browser", exact=False).click()  # folds it away
    run.get_by_role("button", name="Open notebook").click()
    notebook = NotebookPage(panel)
    notebook.root.get_by_text("import", exact=False).first.scroll_into_view_if_needed()
    panel.width(400)
    run.get_by_text(QUESTION).first.scroll_into_view_if_needed()
    for theme in THEMES:
        panel.theme(theme)
        path = folder / f"sidebar-{theme}.png"
        path.write_bytes(_small(_picture(panel)))
        print(f"{path}: {path.stat().st_size:,} bytes")


def _picture(panel: Panel) -> bytes:
    panel.page.mouse.move(640, 5)
    return panel.page.screenshot(animations="disabled")


def _small(png: bytes) -> bytes:
    """Return the picture with at most 256 colours, which loses nothing that is seen."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    result = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(result, "PNG", optimize=True)
    assert len(result.getvalue()) <= LARGEST, len(result.getvalue())
    return result.getvalue()


if __name__ == "__main__":
    sys.exit(main())

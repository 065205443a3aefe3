"""Takes pictures of the panel's scenes in Chromium in every theme, at several widths, and runs axe.

``python tests/stories/shots.py OUT [SCENE...]`` from labextension/. It needs playwright and the
themes of an installed JupyterLab; it starts no server of Jupyter.
"""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
THEMES = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SCENES = ("first", "atwork", "drawing", "answered", "rules", "needs", "failed")
WIDTHS = (250, 340, 900)
THEME_NAMES = ("light", "dark", "dark-high-contrast")
AXE = HERE.parents[1] / "node_modules/axe-core/axe.min.js"


def main() -> None:
    """Build the stories, then visit each."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2:] or list(SCENES)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["jlpm", "vite", "build", "--config", str(HERE / "vite.config.js"), "--outDir", folder],
            check=True,
            cwd=HERE.parents[1],
        )
        handler = functools.partial(Quiet, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shoot(f"http://127.0.0.1:{server.server_port}", out, wanted)
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the built stories without a log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


def shoot(address: str, out: Path, wanted: list[str]) -> None:
    """Take every picture."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for theme in THEME_NAMES:
            css = (THEMES / f"theme-{theme}-extension/index.css").read_text()
            for width in WIDTHS:
                page = browser.new_page(viewport={"width": width, "height": 860})
                page.on("pageerror", lambda error: print("ERROR", error))
                for scene in wanted:
                    name, _, view = scene.partition(":")
                    page.goto(f"{address}/index.html?scene={name}&view={view}")
                    page.add_style_tag(content=css)
                    page.wait_for_selector(".ak-Panel")
                    page.wait_for_timeout(350)
                    page.screenshot(path=out / f"{name}{view}-{theme}-{width}.png")
                    if width == WIDTHS[1]:
                        report(page, f"{name}{view} {theme}")
                page.close()
        browser.close()


def report(page: Page, where: str) -> None:
    """Print what axe finds serious."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("async () => (await axe.run('.ak-Panel')).violations")
    for rule in found:
        if rule["impact"] in ("serious", "critical"):
            for node in rule["nodes"][:4]:
                print(where, rule["id"], node["html"][:120], node["failureSummary"][:300])


if __name__ == "__main__":
    main()

"""The sidebar as a user meets it: by roles, names and words, never by how it is built.

``Panel`` is the panel in one page of the browser; ``open_panel`` opens JupyterLab on it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.lab import Lab

ARTEFACTS = Path(__file__).resolve().parents[2] / "build" / "ui-pictures"
"""Pictures to look at; `make test` keeps them."""
SLOW = 180_000
"""Milliseconds that a whole answer may take on a slow machine."""
QUICK = 60_000
Theme = Literal["light", "dark", "high contrast"]
_THEMES = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
    "high contrast": "JupyterLab Dark High Contrast",
}
# Of JupyterLab itself, and of pages that lose their server on purpose.
_OTHERS_TROUBLE = re.compile(
    r"Failed to load resource|WebSocket connection|ERR_|Failed to fetch|NetworkError"
    r"|Kernel:|Connection lost|jupyterlab/|Invalid response|\[LSP|ServiceWorker"
    r"|reading 'updateRenderOption'"  # JupyterLab's execution indicator, of a page that is left
    r"|Disposed\n[^\n]*\n[^\n]*_handleNewSession"  # a notebook that was closed while it opened
)


class Panel:
    """The panel of one page.

    Attributes:
        page: The browser's page.
        root: The panel itself.
        trouble: Errors of the page's code so far; a test ends with none.
    """

    def __init__(self, page: Page, lab: Lab, root: str = "#analyst-panel") -> None:
        self.page = page
        self.lab = lab
        self.root = page.locator(root)
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self._note(f"{error}\n{error.stack or ''}"))
        page.on(
            "console",
            lambda message: self._note(message.text) if message.type == "error" else None,
        )

    def _note(self, text: str) -> None:
        # Notebook 7 stumbles at its own start, with nothing of ours on the stack.
        notebook = "/static/notebook/" in text and "/analyst-kernel/" not in text
        if not notebook and not _OTHERS_TROUBLE.search(text):
            self.trouble.append(text)

    # --- JupyterLab ----------------------------------------------------------------------------

    def command(self, name: str, **args: Any) -> None:
        """Run a JupyterLab command."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)",
            [name, args],
        )

    def theme(self, theme: Theme) -> None:
        """Change JupyterLab's theme and wait until it is there."""
        self.command("apputils:change-theme", theme=_THEMES[theme])
        self.page.wait_for_selector(
            f'body[data-jp-theme-name="{_THEMES[theme]}"]', state="attached"
        )

    def width(self, pixels: int) -> None:
        """Make the sidebar this wide, by moving its edge."""
        # Until it holds: JupyterLab lays its parts out again when a theme has come in.
        self.page.wait_for_function(
            """pixels => {
              const now = document.querySelector('#analyst-panel').getBoundingClientRect().width;
              if (Math.abs(now - pixels) < 12) return true;
              const panel = window.jupyterapp.shell._hsplitPanel;
              const sizes = panel.node.getBoundingClientRect().width;
              const left = panel.widgets[0].isVisible ? 250 : 0;
              panel.setRelativeSizes([left, sizes - left - pixels, pixels]);
              return false;
            }""",
            arg=pixels,
        )

    def show(self) -> None:
        """Bring the panel to the front, with the analysis that it shows."""
        self.command("analyst:ask")
        expect(self.box).to_be_visible()

    def new(self) -> None:
        """Go to the start of a new analysis."""
        self.command("analyst:new")
        expect(self.heading).to_have_text("New analysis")

    # --- its parts -----------------------------------------------------------------------------

    @property
    def heading(self) -> Locator:
        return self.root.get_by_role("heading", level=2)

    @property
    def box(self) -> Locator:
        return self.root.get_by_role("textbox", name="Question", exact=True)

    @property
    def log(self) -> Locator:
        return self.root.get_by_role("log", name="Conversation")

    @property
    def charts(self) -> Locator:
        return self.log.get_by_role("list", name="Charts")

    @property
    def stop_button(self) -> Locator:
        """The one beside the question box."""
        return self.root.locator("footer").get_by_role("button", name="Stop", exact=True)

    def button(self, name: str | re.Pattern[str], *, exact: bool = True) -> Locator:
        if isinstance(name, str):
            return self.root.get_by_role("button", name=name, exact=exact)
        return self.root.get_by_role("button", name=name)

    def run(self, question: str) -> Locator:
        """The last run of this question."""
        return self.log.get_by_role("region", name=question, exact=True).last

    def menu(self, button: Locator, item: str) -> None:
        """Choose from a menu of the panel."""
        button.click()
        items = self.root.get_by_role("menu").locator("[role^=menuitem]")
        items.filter(has_text=re.compile(rf"^✓?{re.escape(item)}")).first.click()

    # --- what a user does ----------------------------------------------------------------------

    def ask(self, question: str) -> Locator:
        """Type a question, press Enter, and return its run when it has begun."""
        self.box.fill(question)
        self.box.press("Enter")
        run = self.run(question)
        expect(run).to_be_visible(timeout=QUICK)
        return run

    def answered(self, run: Locator) -> Locator:
        """Wait until the run is answered."""
        expect(run).to_have_attribute("data-status", "answered", timeout=SLOW)
        return run

    def ended(self, run: Locator) -> Locator:
        """Wait until the run has an answer, whether its numbers are proven or not."""
        done = re.compile("answered|incomplete")
        expect(run).to_have_attribute("data-status", done, timeout=SLOW)
        return run

    def open_cells(self, run: Locator) -> None:
        """Open the cards of all cells of a run whose steps are shown."""
        expect(run.get_by_role("article").first).to_be_visible(timeout=QUICK)
        closed = run.get_by_role("article").get_by_role("button", expanded=False)
        for _ in range(closed.count()):
            closed.first.click()

    def release(self) -> None:
        """Let the cell of the shown analysis end that waits for a file (scripted_model.WAIT)."""
        # By its place, not its role: the panel may be hidden.
        title = self.root.locator("header h2").text_content()
        notebooks = [a["notebook_path"] for a in self.lab.get("analyses") if a["title"] == title]
        folder = Path(notebooks[0]).with_suffix("")
        folder = folder.with_name(f"{folder.name}_files")
        folder.mkdir(exist_ok=True)
        (folder / "go").touch()

    def attach(self, path: str) -> None:
        """Attach data by its path."""
        self.menu(self.button("Attach data"), "By path …")
        dialog = self.page.get_by_role("dialog", name="Attach data")
        dialog.get_by_role("textbox").fill(path)
        dialog.get_by_role("button", name="Attach", exact=True).click()
        name = path.rsplit("/", 1)[-1]
        expect(self.button(re.compile(re.escape(name)))).to_be_visible(timeout=QUICK)

    def picture(self, name: str) -> None:
        """Keep a picture of the panel."""
        self.root.screenshot(path=_picture(name), animations="disabled")

    def page_picture(self, name: str) -> None:
        """Keep a picture of the whole page."""
        self.page.screenshot(path=_picture(name), animations="disabled")


def _picture(name: str) -> Path:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS / f"{name}.png"


def open_panel(
    browser: Browser,
    lab: Lab,
    workspace: str,
    *,
    width: int = 1400,
    height: int = 900,
    show: bool = True,
    path: str = "",
) -> Panel:
    """Open JupyterLab in a browser of its own (cookies, storage) and show the panel.

    Where a path is given, its page is opened instead, such as Notebook 7's ``tree``.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, accept_downloads=True, locale="en-GB"
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel = Panel(context.new_page(), lab)
    panel.page.set_default_timeout(QUICK)
    panel.page.goto(lab.url(path or f"lab/workspaces/{workspace}"))
    ready(panel)
    if show:
        panel.show()
    return panel


def ready(panel: Panel) -> None:
    """Wait until JupyterLab has started, brought its layout back and opened what it opens."""
    panel.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=SLOW)
    panel.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
    main_area_filled(panel)


def main_area_filled(panel: Panel) -> None:
    """Wait for the launcher, which comes by itself into an empty main area and takes the focus."""
    panel.page.wait_for_function("() => window.jupyterapp.shell.currentWidget !== null")
    panel.page.evaluate("() => new Promise(done => setTimeout(done, 50))")

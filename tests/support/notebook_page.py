"""A notebook of an analysis, opened in JupyterLab, as a user works in it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, expect

from tests.support.panel_page import SLOW, Panel

_EXECUTED = re.compile(r"^\[\d+\]:$")


class NotebookPage:
    """The notebook in front."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.root = panel.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        expect(self.root).to_be_visible(timeout=SLOW)
        expect(self.root.locator(".jp-Cell").first).to_be_visible(timeout=SLOW)
        # Attached to its kernel, and that kernel has nothing to do. The indicator in the toolbar
        # says "idle" before there is a kernel too; a cell run then gets a dialog of JupyterLab.
        panel.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget?.sessionContext?.kernelDisplayStatus"
            " === 'idle'",
            timeout=SLOW,
        )

    @property
    def kernel(self) -> Locator:
        """The button that names the kernel."""
        return self.root.locator(".jp-KernelName")

    @property
    def active(self) -> Locator:
        return self.root.locator(".jp-Cell.jp-mod-active")

    def kernel_id(self) -> str:
        """Return the id of the kernel that the notebook talks to."""
        found: str = self.panel.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id"
        )
        return found

    def run_by_hand(self, code: str) -> Locator:
        """Add a cell at the end, run it, and return its output."""
        page = self.panel.page
        self._cell_at_the_end()
        page.keyboard.insert_text(code)
        page.keyboard.press("Control+Enter")
        prompt = self.active.locator(".jp-InputPrompt")
        expect(prompt).to_have_text(_EXECUTED, timeout=SLOW)
        return self.active.locator(".jp-OutputArea")

    def cell(self, text: str) -> Locator:
        """Bring the cell with this text into view; what is far away need not be on the page."""
        self.panel.page.evaluate(
            """async text => {
              const {content} = window.jupyterapp.shell.currentWidget;
              const sources = content.widgets.map(one => one.model.sharedModel.getSource());
              const index = sources.findIndex(source => source.includes(text));
              if (index >= 0) await content.scrollToItem(index, 'center');
            }""",
            text,
        )
        return self.root.locator(".jp-Cell").filter(has_text=text)

    def _cell_at_the_end(self) -> None:
        self.panel.page.evaluate(
            """() => {
              const panel = window.jupyterapp.shell.currentWidget;
              panel.content.activeCellIndex = panel.content.widgets.length - 1;
            }"""
        )
        self.panel.command("notebook:insert-cell-below")
        self.active.locator(".cm-content").click()

    def type_below(self, code: str) -> None:
        """Add a cell at the end and type into it; it is neither run nor saved."""
        self._cell_at_the_end()
        self.panel.page.keyboard.insert_text(code)
        expect(self.active.locator(".cm-content")).to_have_text(code)

    def count_dialogs(self) -> Callable[[], int]:
        """Return a function that tells how many dialogs JupyterLab has opened since now."""
        page = self.panel.page
        page.evaluate(
            """() => {
              window.dialogsOpened = 0;
              new MutationObserver(records => {
                for (const record of records)
                  for (const node of record.addedNodes)
                    if (node.classList?.contains('jp-Dialog')) window.dialogsOpened += 1;
              }).observe(document.body, {childList: true});
            }"""
        )
        return lambda: int(page.evaluate("() => window.dialogsOpened"))

    def save(self) -> None:
        """Save, as with Ctrl+S."""
        self.panel.command("docmanager:save")

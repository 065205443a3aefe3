"""A notebook of an analysis that a browser has open, as the page sees it: its model, its dialogs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Error, Page, expect

from tests.support.panel_page import ARTEFACTS, SLOW

DEADLINE = SLOW / 1000
# Found by its path below the server's root, whatever drive a collaboration provider puts before it.
_CONTEXT = """
  const contents = window.jupyterapp.serviceManager.contents;
  const panel = [...window.jupyterapp.shell.widgets('main')].find(
    one => one.context && contents.localPath(one.context.path) === path);
  const context = panel?.context;
"""
_WATCH_DIALOGS = """() => {
  if (window.seenDialogs) return;
  window.seenDialogs = [];
  new MutationObserver(() => {
    for (const dialog of document.querySelectorAll('.jp-Dialog')) {
      if (!dialog.seenByTest) {
        dialog.seenByTest = true;
        window.seenDialogs.push(dialog.textContent);
      }
    }
  }).observe(document.body, {childList: true, subtree: true});
}"""


def until(page: Page, condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds that no element shows."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"It did not happen: {what}"
        page.wait_for_timeout(50)


def watch_dialogs(page: Page) -> None:
    """Keep the text of every dialog that appears from now on."""
    page.evaluate(_WATCH_DIALOGS)


class OpenNotebook:
    """The notebook in one page.

    Attributes:
        path: Below the server's root; changed by whoever renames it.
    """

    def __init__(self, page: Page, path: str) -> None:
        """Open it, and wait until it is loaded and has its kernel."""
        self.page = page
        self.path = path
        watch_dialogs(page)
        page.evaluate(
            "path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => null)",
            path,
        )
        expect(page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").first).to_be_visible(
            timeout=SLOW
        )
        self._js("await context.ready; await context.sessionContext.ready; return null;")

    def _js(self, body: str, arg: Any = None) -> Any:
        # An evaluation has no time limit of its own.
        late = f"new Promise((_, no) => setTimeout(() => no(new Error('late')), {SLOW // 2}))"
        script = f"([path, arg]) => Promise.race([(async () => {{ {_CONTEXT} {body} }})(), {late}])"
        try:
            return self.page.evaluate(script, [self.path, arg])
        except Error as error:
            ARTEFACTS.mkdir(exist_ok=True)
            self.page.screenshot(path=ARTEFACTS / "live-late.png")
            raise AssertionError(f"{error.message}; dialogs: {self.dialogs()}") from error

    # --- what the page has -----------------------------------------------------------------------

    def model(self) -> dict[str, Any]:
        """Return the notebook as it stands in the page, saved or not."""
        found: dict[str, Any] = self._js("return context.model.toJSON();")
        return found

    @property
    def dirty(self) -> bool:
        found: bool = self._js("return context.model.dirty;")
        return found

    def is_running(self) -> bool:
        """Return whether a cell waits for the kernel's reply, which is a change of the notebook too."""
        cells = "[...context.model.sharedModel.cells]"
        found: bool = self._js(f"return {cells}.some(cell => cell.executionState === 'running');")
        return found

    @property
    def collaborative(self) -> bool:
        found: bool = self._js("return context.model.collaborative === true;")
        return found

    def sources(self) -> list[str]:
        return [cell["source"] for cell in self.model()["cells"]]

    def has(self, source: str) -> bool:
        """Return whether a cell of this text is in the page's model."""
        return any(source in one for one in self.sources())

    def dialogs(self) -> list[str]:
        """Return the text of every dialog that the page has shown since it opened the notebook."""
        found: list[str] = self.page.evaluate("() => window.seenDialogs")
        return found

    # --- what a user does ----------------------------------------------------------------------

    def add_cell(self, text: str) -> None:
        """Make a new cell at the end and type into it; the cursor stays there."""
        self._js(
            """
            window.jupyterapp.shell.activateById(panel.id);
            const {content} = panel;
            content.activeCellIndex = content.widgets.length - 1;
            await window.jupyterapp.commands.execute('notebook:insert-cell-below');
            await content.scrollToItem(content.activeCellIndex);
            content.mode = 'edit';
            await content.activeCell.ready;
            content.activeCell.editor.focus();
            return null;
            """
        )
        expect(self.page.locator(".jp-Cell.jp-mod-active .cm-content")).to_be_focused()
        if text:
            self.page.keyboard.type(text)

    def run_active(self) -> None:
        """Run the cell with the cursor; does not wait for it."""
        self.page.keyboard.press("Control+Enter")

    def save(self) -> None:
        """Save, as with Ctrl+S, and wait for it."""
        self._js(
            """
            window.jupyterapp.shell.activateById(panel.id);
            await window.jupyterapp.commands.execute('docmanager:save');
            return null;
            """
        )

    def load_again(self) -> None:
        """Load the file again, as with "Reload Notebook from Disk": what is unsaved is thrown away."""
        self._js("await context.revert(); return null;")

    def undo(self) -> None:
        """Take back the last step of the notebook."""
        self._js("context.model.sharedModel.undo(); return null;")

    def close(self) -> None:
        """Close its tab of JupyterLab."""
        self._js("panel.close(); return null;")

    def rename(self, name: str) -> None:
        """Give the file another name, in the same folder, by JupyterLab."""
        self._js("await context.rename(arg); return null;", name)
        folder = self.path.rpartition("/")[0]
        self.path = f"{folder}/{name}" if folder else name

    def front(self) -> None:
        """Bring the page to the front."""
        self.page.bring_to_front()

"""One analysis at work: a run whose iterations each wait until the test lets them end."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator

from tests.fakes.turns import finish
from tests.live.open_notebook import OpenNotebook, until
from tests.support.lab import Lab
from tests.support.notebook_io import whole_text
from tests.support.panel_page import Panel
from tests.support.scripted_model import ScriptedModel, plan, python

ITERATIONS = 3


def code(number: int) -> str:
    """Return the code of an iteration; it ends when the test makes its file."""
    return (
        "import pathlib, time\n"
        f"while not (pathlib.Path(OUTPUT_DIR) / 'go{number}').exists(): time.sleep(0.02)\n"
        f"print('iteration {number} is done')"
    )


class Scene:
    """The run and its notebook.

    Attributes:
        path: Of the notebook, below the server's root.
        file: The notebook on disk.
    """

    def __init__(self, panel: Panel, model: ScriptedModel, question: str) -> None:
        """Ask the question and wait until the first iteration is in the notebook."""
        self.panel = panel
        self.lab: Lab = panel.lab
        model.says(
            plan("Do it", "Do more", "Tell"),
            *(python(code(number), f"Part {number}") for number in range(1, ITERATIONS + 1)),
            finish("All parts are done."),
        )
        before = {one["id"] for one in self.lab.get("analyses")}
        self.run: Locator = panel.ask(question)

        def made() -> list[dict[str, Any]]:
            found = self.lab.get("analyses")
            return [one for one in found if one["id"] not in before and one["notebook_path"]]

        until(panel.page, lambda: made() != [], "the analysis has a notebook")
        [summary] = made()
        self.analysis: str = summary["id"]
        self.path: str = summary["notebook"]
        self.file = Path(summary["notebook_path"])
        self._gates = self.file.with_name(f"{self.file.stem}_files")
        self.go(1)
        self.landed(1)

    def go(self, number: int) -> None:
        """Let an iteration end."""
        self._gates.mkdir(exist_ok=True)
        (self._gates / f"go{number}").touch()

    def landed(self, number: int) -> None:
        """Wait until the journal has the end of an iteration."""
        until(self.panel.page, lambda: number in self._journal(), f"iteration {number} ends")

    def rest(self, *, begin: int = 2) -> None:
        """Let the other iterations end, and wait for the answer."""
        for number in range(begin, ITERATIONS + 1):
            self.go(number)
        self.panel.answered(self.run)

    # --- what is where -----------------------------------------------------------------------------

    def _journal(self) -> dict[int, str]:
        """Return the cells of the iterations that ended, as the journal has them."""
        [file] = (self.lab.place / "data").rglob("journal.sqlite3")
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as journal:
            rows = journal.execute(
                "SELECT body FROM events WHERE analysis = ? AND type = 'iteration_finished'",
                (self.analysis,),
            ).fetchall()
        bodies = [json.loads(body) for (body,) in rows]
        return {body["iteration"]: body["cell"] for body in bodies}

    def disk(self) -> dict[str, Any]:
        """Return the notebook as the file holds it, valid."""
        notebook: Any = nbformat.reads(whole_text(self.file), as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
        nbformat.validate(notebook)
        found: dict[str, Any] = json.loads(json.dumps(notebook))
        return found

    def on_disk(self, text: str) -> bool:
        """Return whether a cell of the file has this text."""
        return any(text in cell["source"] for cell in self.disk()["cells"])

    def agree(self, *tabs: OpenNotebook, texts: tuple[str, ...] = ()) -> None:
        """Wait until file, tabs and journal hold the same; then compare them whole.

        Args:
            tabs: Every tab that has the notebook open, with nothing unsaved.
            texts: What the user typed; each is in exactly one cell.
        """
        page = self.panel.page

        def same() -> bool:
            disk = self.disk()
            return (
                iterations(disk) == everything
                and all(f"iteration {number} is done" in _printed(disk) for number in everything)
                and all(comparable(tab.model()) == comparable(disk) for tab in tabs)
            )

        everything = dict.fromkeys(range(1, ITERATIONS + 1), 1)
        try:
            until(page, same, "file and tabs hold the same")
        except AssertionError:
            told = [f"disk: {iterations(self.disk())} {comparable(self.disk())}"]
            told += [f"tab: {tab.dialogs()} {comparable(tab.model())}" for tab in tabs]
            raise AssertionError("\n".join(told)) from None
        disk = self.disk()
        cells = {cell["id"]: cell for cell in disk["cells"]}
        journal = self._journal()
        assert sorted(journal) == sorted(everything)
        for number, cell in journal.items():
            assert code(number) in cells[cell]["source"]
            assert f"iteration {number} is done" in str(cells[cell]["outputs"])
        for text in texts:
            assert sum(cell["source"] == text for cell in disk["cells"]) == 1, text
        assert all("trusted" not in cell["metadata"] for cell in disk["cells"])
        assert all(cell["source"] for cell in disk["cells"])  # no blank one that nobody made
        for tab in tabs:
            assert not tab.dirty
            shown = tab.dialogs()
            assert all(_OFFLINE.search(text) for text in shown), shown


# JupyterLab's own word about a server that does not answer.
_OFFLINE = re.compile("A connection to the Jupyter server could not be established")


def iterations(notebook: dict[str, Any]) -> dict[int, int]:
    """Return in how many cells each iteration is."""
    notes = [cell["metadata"].get("analyst_kernel", {}) for cell in notebook["cells"]]
    return dict(Counter(note["iteration"] for note in notes if note.get("role") == "iteration"))


def comparable(notebook: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return what must be the same of a notebook wherever it stands."""
    return [
        (cell["id"], cell["cell_type"], cell["source"], _texts(cell.get("outputs", [])))
        for cell in notebook["cells"]
    ]


def _printed(notebook: dict[str, Any]) -> str:
    return str([cell.get("outputs", []) for cell in notebook["cells"]])


def _texts(outputs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for output in outputs:
        text = output.get("text", output.get("data", {}).get("text/plain", ""))
        found.append((output["output_type"], "".join(text)))
    return found

"""An analysis on a real server, for tests of how its notebook is written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from analyst_kernel.protocol.ids import AnalysisId
from tests.fakes.turns import python, say, script
from tests.server.browser import Tab
from tests.server.conftest import Server
from tests.server.notebooks.open_tab import OpenTab
from tests.support.notebook_io import valid_notebook, whole_text


class Scene:
    """An analysis with a first answered question, so that there is a notebook to open."""

    def __init__(self, server: Server, root: Path, folder: Path) -> None:
        self.server = server
        self.browser = server.browser
        self.root = root
        self.folder = folder
        self.analysis = ""
        self.path = ""
        self.panel: Tab
        self.count = 0

    async def begin(self) -> Scene:
        self.analysis = await self.browser.begin(title="Numbers")
        self.panel = await self.browser.tab(self.analysis)
        await self.ask("x = 1")
        self.path = (await self.browser.summary(self.analysis))["notebook"]
        # The end of a run is emitted before its last write is in the file. A real page that opens
        # in between merges the two when it saves; the tab of these tests does not merge.
        await self.settled()
        return self

    async def start(self, *codes: str) -> str:
        """Ask a question that runs these cells, and return the run."""
        self.count += 1
        turns = [python(code) for code in codes]
        model = script(self.folder, *turns, say("Done."), name=f"script{self.count}")
        await self.panel.do("ask_question", self.analysis, question="Go on", model=model)
        return f"r{self.count}"

    async def ask(self, *codes: str) -> None:
        run = await self.start(*codes)
        done = await self.panel.event("run_finished", run=run)
        assert done["status"] == "answered", done

    async def open(self, name: str = "one") -> OpenTab:
        return await OpenTab(self.browser, self.root, self.analysis, self.path, name).open()

    def cells(self) -> list[dict[str, Any]]:
        return list(valid_notebook(whole_text(self.root / self.path)).cells)

    def code(self) -> list[str]:
        """Return the last line of each iteration in the file."""
        found = [c for c in self.cells() if _notes(c).get("role") == "iteration"]
        return [cell["source"].split("\n")[-1] for cell in found]

    async def settled(self) -> None:
        """Wait until no operation waits to be written into the notebook."""
        session = (await self.server.analyses()).find(self.analysis)
        journal = session.services.journal
        async with asyncio.timeout(60):
            while journal.outstanding(AnalysisId(self.analysis)):
                session.coordinator.look()
                await asyncio.sleep(0.05)


def _notes(cell: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = cell["metadata"].get("analyst_kernel", {})
    return found

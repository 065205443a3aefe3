"""Stands for a browser tab that has a notebook open: its document, its user, its saves.

It does with the wire and with Jupyter's contents service what the real one does, save by save; a
save over a file that is not the one it knows is what the user would see as a dialog.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from analyst_kernel.notebook.document.serialize import from_json
from analyst_kernel.protocol.live import WriteNotebookFrame
from tests.notebook.browser_model import with_changes
from tests.server.browser import DEADLINE, Browser, Tab


class OpenTab:
    """One tab with one notebook open.

    Attributes:
        model: The notebook as the tab has it.
        dirty: Whether it holds what is not saved.
        conflicts: How often a save met another file than the one known: never by us.
        answers: Whether it answers the server at all.
        collaborative: Whether it is in a live room.
    """

    def __init__(self, browser: Browser, root: Path, analysis: str, path: str, name: str) -> None:
        self.browser = browser
        self.root = root
        self.analysis = analysis
        self.path = path
        self.name = name
        self.dirty = False
        self.conflicts = 0
        self.writes = 0
        self.answers = True
        self.collaborative = False
        self.tab: Tab
        self.model: dict[str, Any]
        self._hash = ""
        self._unsaved: list[int] = []
        self._pump: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> OpenTab:
        """Load the notebook and report it."""
        self._load()
        await self.connect()
        return self

    async def connect(self) -> None:
        """Connect, or come back, and report at once."""
        self.tab = await self.browser.tab()
        self._pump = asyncio.ensure_future(self._serve(self.tab))
        await self.report()

    async def report(self, *, is_open: bool = True, active: bool = True) -> None:
        await self.tab.do(
            "report_notebook", self.analysis, tab=self.name, path=self.path, open=is_open,
            dirty=self.dirty, busy=False, collaborative=self.collaborative, active=active,
        )  # fmt: skip

    async def vanish(self) -> None:
        """Lose the connection without closing it."""
        self.tab.socket.protocol._abort()
        await self.tab.gone()

    async def type_cell(self, source: str, name: str, *, at: int | None = None) -> None:
        """Have the user add a cell and not save."""
        async with self._lock:
            cell = {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}
            cells = list(self.model["cells"])
            cells.insert(len(cells) if at is None else at, cell)
            self.model = {**self.model, "cells": cells}
            self.dirty = True
        await self.report()

    async def edit(self, name: str, source: str) -> None:
        """Have the user change a cell's text and not save."""
        async with self._lock:
            cells = [{**c, "source": source} if c["id"] == name else c for c in self.model["cells"]]
            self.model = {**self.model, "cells": cells}
            self.dirty = True
        await self.report()

    async def save(self) -> None:
        """Have the user save."""
        async with self._lock:
            self._save()
        for write in self._unsaved:
            await self.tab.do(
                "report_write", self.analysis, write=write, outcome="saved", hash=self._hash
            )
        self._unsaved.clear()
        await self.report()

    async def load_again(self) -> None:
        """Have the user reload the notebook from disk: unsaved changes are dropped."""
        async with self._lock:
            gone, self._unsaved = self._unsaved, []
            self._load()
        for write in gone:
            await self.tab.do(
                "report_write", self.analysis, write=write, outcome="refused", hash=None,
                document=self.model,
            )  # fmt: skip
        await self.report()

    async def open_anew(self) -> None:
        """Have the user close the notebook and open it again, before the server gets an answer."""
        async with self._lock:
            self._unsaved.clear()
            self._load()
        for is_open in (False, True):
            await self.tab.send(
                "report_notebook", self.analysis, tab=self.name, path=self.path, open=is_open,
                dirty=False, busy=False, collaborative=self.collaborative, active=True,
            )  # fmt: skip

    async def caught_up(self) -> None:
        """Wait until the tab, which has no changes of its own, shows what the file holds."""
        async with asyncio.timeout(DEADLINE):
            while hashlib.sha256((self.root / self.path).read_bytes()).hexdigest() != self._hash:
                await asyncio.sleep(0.02)

    def sources(self) -> list[str]:
        return [cell["source"] for cell in self.model["cells"]]

    def _load(self) -> None:
        text = (self.root / self.path).read_bytes()
        self._hash = hashlib.sha256(text).hexdigest()
        self.model = from_json(json.loads(text), self.path)
        self.dirty = False

    def _save(self) -> None:
        file = self.root / self.path
        if hashlib.sha256(file.read_bytes()).hexdigest() != self._hash:
            self.conflicts += 1
        text = json.dumps(self.model, indent=1).encode()
        file.write_bytes(text)
        self._hash = hashlib.sha256(text).hexdigest()
        self.dirty = False

    async def _serve(self, tab: Tab) -> None:
        """Answer the server until the connection is gone."""
        done = 0

        def more() -> bool:
            return len(tab.frames) > done or tab.closed is not None

        while True:
            async with tab._changed:
                await tab._changed.wait_for(more)
            if tab.closed is not None:
                return
            frame = tab.frames[done]
            done += 1
            if not self.answers:
                continue
            match frame["type"]:
                case "write_notebook":
                    await self._write(tab, frame)
                case "read_notebook":
                    await tab.send(
                        "report_document", self.analysis, read=frame["read"], document=self.model,
                        dirty=self.dirty,
                    )  # fmt: skip
                case "notebook_changed" if not self.dirty and frame["hash"] != self._hash:
                    self._load()

    async def _write(self, tab: Tab, frame: dict[str, Any]) -> None:
        number = frame["write"]
        given: dict[str, Any] = {"document": None, "hash": None}
        async with self._lock:
            after = with_changes(self.model, WriteNotebookFrame.model_validate(frame).changes)
            if after is None:
                outcome, given["document"] = "refused", self.model
            else:
                self.model = after
                self.writes += 1
                outcome = "unsaved" if self.dirty else "saved"
                if outcome == "saved":
                    self._save()
                    given["hash"] = self._hash
                else:
                    self._unsaved.append(number)
        await tab.send("report_write", self.analysis, write=number, outcome=outcome, **given)

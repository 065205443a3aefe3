"""Looks after the notebook of one analysis: who writes it, what is outstanding, where it went."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyst_kernel.protocol.errors import AnalystError
from analyst_kernel.grants import GrantStoreError
from analyst_kernel.notebook.document.cells import KEY
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.commands import ReportDocument, ReportNotebook, ReportWrite
from analyst_kernel.protocol.events import NoticeRaised
from analyst_kernel.server.notebooks.writer import Awaited, ChosenWriter
from analyst_kernel.server.events.journal import KeptOperations
from analyst_kernel.server.notebooks.leases import Leases

if TYPE_CHECKING:
    from analyst_kernel.server.session.session import AnalysisSession
    from analyst_kernel.server.events.client import Tab

_log = logging.getLogger(__name__)
_WAITING: dict[Awaited, str] = {
    "tab": "What happens now is waiting to be written into the notebook until the browser that has "
    "the notebook open comes back. Nothing is lost: it is kept, and shown here.",
    "room": "The notebook is edited together in a live room, and the room does not take what is "
    "written now. Nothing is lost: it is kept, shown here, and tried again. If it stays like this, "
    "close the notebook in every browser; everything is then written into the file.",
}
_WRITTEN = "The notebook holds everything again."


class NotebookCoordinator:
    """One per living analysis.

    Attributes:
        leases: The tabs that have the notebook open.
        store: What was not yet seen in the saved notebook.
    """

    def __init__(self, session: AnalysisSession) -> None:
        """Look after the notebook of ``living``."""
        services = session.services
        self.leases = Leases(session.id, grace=services.settings.grace_seconds)
        self.store = KeptOperations(services.journal, session.id)
        self._living = session
        self._writer: ChosenWriter | None = None
        self._book: StoredNotebook | None = None
        self._recovering = False
        self._told_waiting: Awaited | None = None
        self._tick: asyncio.Task[None] | None = None
        self._again = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- who writes ------------------------------------------------------------------------------

    def writer(self, path: Path) -> ChosenWriter:
        """Return who writes the notebook from now on."""
        services = self._living.services
        self._writer = ChosenWriter(
            path,
            places=services.places,
            leases=self.leases,
            contents=services.contents,
            server_settings=services.server_settings,
            found_again=self._found_again,
            moved=lambda found: self.moved(str(found)),
            waits=self._waits,
        )
        return self._writer

    async def report(self, tab: Tab, report: ReportNotebook) -> None:
        """Take what a tab tells of the notebook that it has open."""
        places, record = self._living.services.places, self._living.record
        path = places.absolute(report.path)
        if report.open and os.path.realpath(path) != os.path.realpath(record.notebook):
            if os.path.lexists(record.notebook) or not _holds(Path(path), self._living.id):
                return  # a copy: its notes say that it is ours, but it is another file
            self.moved(path)
        if self.leases.report(tab, report):
            self.look()

    def answered(self, report: ReportWrite | ReportDocument) -> None:
        """Take a tab's answer; a late one tells that the tab is back."""
        late = self.leases.answered(report)
        if late or (isinstance(report, ReportWrite) and report.outcome == "saved"):
            self.look()

    def left(self, tab: Tab, *, closed: bool) -> None:
        """A tab's socket is gone; ``closed``: so is its page."""
        if self.leases.left(tab, closed=closed):
            self.look()

    # --- what is outstanding ---------------------------------------------------------------------

    def expect(self, delay: float) -> None:
        """Write what an earlier life of the server left, once tabs had time to come back."""

        async def later() -> None:
            await asyncio.sleep(delay)
            self._recovering = True
            self.look()

        self._keep(later())

    def look(self) -> None:
        """See what was saved, and write what nobody is about to save; returns at once."""
        if self._tick is not None and not self._tick.done():
            self._again = True
            return
        book = self._notebook
        if self._recovering or (book is not None and (book.outstanding or self._told_waiting)):
            self._tick = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            try:
                book = self._notebook or await self._recovered()
                if book is None:
                    return
                await book.settle()
            except AnalystError as error:
                _log.warning("A notebook is not up to date yet: %s", error)
                return
            if not book.outstanding:
                self._recovering = False
                if self._told_waiting and self._writer is not None and not self._writer.waiting:
                    self._told_waiting = None
                    self._tell("info", "notebook-written", _WRITTEN)
                if book is self._book:
                    self._book = None

    @property
    def _notebook(self) -> StoredNotebook | None:
        analysis = self._living.analysis
        return analysis.notebook if analysis is not None else self._book

    async def _recovered(self) -> StoredNotebook | None:
        """Open only the notebook of an analysis that nobody opened yet."""
        session = self._living
        async with session.opening:
            if session.analysis is not None:
                return session.analysis.notebook
            path = session.record.notebook
            if path and not os.path.lexists(path):
                found = await asyncio.to_thread(self._found_again, Path(path))
                if found is not None:
                    self.moved(str(found))
            if not os.path.exists(session.record.notebook):
                self._recovering = False  # it is written when the notebook is there again
                return None
            self._book = await StoredNotebook.open(
                session.record.notebook, analysis=session.id, writer=self.writer, store=self.store
            )
            return self._book

    async def hand_over(self) -> None:
        """Let go of the notebook, since the analysis opens it itself now."""
        self._book = None
        if self._tick is not None and not self._tick.done():
            # It may be waiting to open the notebook itself; what it began to write is written.
            self._tick.cancel()
            await asyncio.wait([self._tick])

    async def close(self) -> None:
        """Stop; what is outstanding is written by the next life of the server."""
        tasks = [*self._tasks, *([self._tick] if self._tick is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- where it went ---------------------------------------------------------------------------

    def renamed(self, old: str, new: str) -> None:
        """Follow, where the notebook or a folder above it was renamed (absolute paths)."""
        path = self._living.record.notebook
        if not path:
            return
        here = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if here == old:
            self.moved(new)
        elif here.startswith(old.rstrip(os.sep) + os.sep):
            self.moved(new + here[len(old) :])

    def moved(self, path: str) -> None:
        """Follow the notebook to its new place, with grants, kernel session and all."""
        session = self._living
        old = session.record.notebook
        if old == path:
            return
        session.configure(notebook=path)
        if self._writer is not None:
            self._writer.moved(Path(path))
        if session.analysis is not None:
            session.analysis.moved(path)
        self._keep(self._follow(old, path))

    async def _follow(self, old: str, new: str) -> None:
        session = self._living
        try:
            await asyncio.to_thread(session.services.grants.rename, old, new)
        except (GrantStoreError, sqlite3.Error, OSError) as error:
            session.notice("grants-not-moved", f"Attach the data again: {error}")
        with contextlib.suppress(Exception):  # the tab may be moving its session itself
            await session.host.moved(new)

    def _found_again(self, path: Path) -> Path | None:
        """Return the notebook in the same folder that belongs to this analysis now."""
        with contextlib.suppress(OSError):
            for candidate in sorted(path.parent.glob("*.ipynb")):
                if candidate != path and _holds(candidate, self._living.id):
                    return candidate
        return None

    # --- inside ----------------------------------------------------------------------------------

    def _waits(self, awaited: Awaited) -> None:
        if self._told_waiting != awaited:
            self._told_waiting = awaited
            self._tell("warning", "notebook-waiting", _WAITING[awaited])

    def _tell(self, level: Any, code: str, message: str) -> None:
        session = self._living
        session.tell(NoticeRaised(analysis=session.id, level=level, code=code, message=message))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _holds(path: Path, analysis: str) -> bool:
    """Say whether a file is the notebook of an analysis; what cannot be read is not."""
    try:
        text = path.read_text(encoding="utf-8")
        if analysis not in text:
            return False
        found = json.loads(text)["metadata"][KEY]["analysis"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(found == analysis)

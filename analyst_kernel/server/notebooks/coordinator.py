"""Looks after the notebook of one analysis: who writes it, what is not written yet, where it is.

An operation may stay unwritten for a long time, because a browser that has the notebook open went
away. It then waits in the journal. While the analysis is closed, the coordinator opens only the
notebook to write it; :meth:`NotebookCoordinator.hand_over` ends that before the analysis opens the
notebook itself, because two open copies would each write without the other's cells.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analyst_kernel._aio import BackgroundTasks
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.grants import GrantStoreError
from analyst_kernel.notebook.document.cells import KEY
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.commands import ReportDocument, ReportNotebook, ReportWrite
from analyst_kernel.protocol.errors import AnalystError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.events.journal import KeptOperations
from analyst_kernel.server.notebooks.leases import Leases
from analyst_kernel.server.notebooks.writer import AwaitedWriter, WriterSelector
from analyst_kernel.server.session.services import ServerServices

_log = logging.getLogger(__name__)
_WAITING: dict[AwaitedWriter, str] = {
    "tab": "What happens now is waiting to be written into the notebook until the browser that has "
    "the notebook open comes back. Nothing is lost: it is kept, and shown here.",
    "room": "The notebook is edited together in a live room, and the room does not take what is "
    "written now. Nothing is lost: it is kept, shown here, and tried again. If it stays like this, "
    "close the notebook in every browser; everything is then written into the file.",
}
_COPY = (
    "The notebook's file is gone, and another file that holds this analysis is continued. A copy "
    "may not read what was attached to the notebook: attach the data again."
)
_WRITTEN = "The notebook holds everything again."


@dataclass(frozen=True, slots=True)
class NotebookOwner:
    """What the coordinator needs of the analysis that the notebook belongs to.

    Attributes:
        analysis: Its id.
        opening: Held while the analysis or its notebook is opened.
        path: Returns the notebook's absolute path, or an empty text before there is one.
        notebook: Returns the notebook while the analysis has it open.
        moved: Continues the analysis at the notebook's new path.
        move_kernel: Moves the kernel's Jupyter session to the new path.
        log: Its events.
    """

    analysis: AnalysisId
    opening: asyncio.Lock
    path: Callable[[], str]
    notebook: Callable[[], StoredNotebook | None]
    moved: Callable[[str], None]
    move_kernel: Callable[[str], Awaitable[None]]
    log: EventLog


class NotebookCoordinator:
    """One per analysis.

    Attributes:
        leases: The tabs that have the notebook open.
        store: Operations that were not seen in the saved notebook yet.
    """

    def __init__(self, services: ServerServices, owner: NotebookOwner) -> None:
        self.leases = Leases(owner.analysis, grace=services.settings.grace_seconds)
        self.store = KeptOperations(services.journal, owner.analysis)
        self._services = services
        self._owner = owner
        self._writer: WriterSelector | None = None
        self._book: StoredNotebook | None = None
        self._recovering = False
        self._reported: AwaitedWriter | None = None
        self._check: asyncio.Task[None] | None = None
        self._check_again = False
        self._tasks = BackgroundTasks()
        self._notice = partial(owner.log.notice, owner.analysis)

    # --- who writes ------------------------------------------------------------------------------

    def writer(self, path: Path) -> WriterSelector:
        """Return the writer of the notebook at ``path`` from now on."""
        self._writer = WriterSelector(
            path,
            places=self._services.places,
            leases=self.leases,
            contents=self._services.jupyter.contents_manager,
            server_settings=self._services.jupyter.web_app.settings,
            find_moved=self._find_moved,
            moved=lambda found: self.moved(str(found)),
            blocked=self._report_waiting,
            wrote=self._note_file,
        )
        return self._writer

    async def report(self, tab: Tab, report: ReportNotebook) -> None:
        """Take a tab's report about the notebook that it has open."""
        path, ours = self._services.places.absolute(report.path), self._owner.path()
        if report.open and os.path.realpath(path) != os.path.realpath(ours):
            if os.path.lexists(ours) or not _belongs_to(Path(path), self._owner.analysis):
                return  # a copy: its metadata names this analysis, but it is another file
            self.moved(path)
        if self.leases.report(tab, report):
            self.look()

    def answered(self, report: ReportWrite | ReportDocument) -> None:
        """Take a tab's answer; a late one shows that the tab is back."""
        late = self.leases.answered(report)
        if late or (isinstance(report, ReportWrite) and report.outcome == "saved"):
            self.look()

    def left(self, tab: Tab, *, closed: bool) -> None:
        """Note that a tab's socket was closed; ``closed`` says that its page was, too."""
        if self.leases.left(tab, closed=closed):
            self.look()

    # --- what is not written yet ---------------------------------------------------------------

    def expect(self, delay: float) -> None:
        """Write what an earlier server left, after ``delay`` seconds for tabs to come back."""

        async def later() -> None:
            await asyncio.sleep(delay)
            self._recovering = True
            self.look()

        self._tasks.start(later())

    def look(self) -> None:
        """Check in the background what was saved; write what no tab or room is about to save."""
        if self._check is not None and not self._check.done():
            self._check_again = True
            return
        book = self._notebook
        if self._recovering or (book is not None and (book.pending or self._reported)):
            self._check = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        self._check_again = True
        while self._check_again:
            self._check_again = False
            try:
                book = self._notebook or await self._recovered()
                if book is None:
                    return
                await book.flush()
            except AnalystError as error:
                _log.warning("A notebook is not up to date yet: %s", error)
                return
            if not book.pending:
                self._recovering = False
                if self._reported and self._writer is not None and not self._writer.waiting:
                    self._reported = None
                    self._notice("notebook-written", _WRITTEN, level="info")
                if book is self._book:
                    self._book = None

    @property
    def _notebook(self) -> StoredNotebook | None:
        return self._owner.notebook() or self._book

    async def _recovered(self) -> StoredNotebook | None:
        """Open only the notebook, for an analysis that is closed."""
        owner = self._owner
        async with owner.opening:
            if (book := owner.notebook()) is not None:
                return book
            path = owner.path()
            if path and not os.path.lexists(path):
                found = await asyncio.to_thread(self._find_moved, Path(path))
                if found is not None:
                    self.moved(str(found))
            if not os.path.exists(owner.path()):
                self._recovering = False  # it is written when the notebook is there again
                return None
            self._book = await StoredNotebook.open(
                owner.path(), analysis=owner.analysis, writer=self.writer, store=self.store
            )
            return self._book

    async def hand_over(self) -> None:
        """Close the notebook, because the analysis opens it itself now.

        Called with the owner's lock held. A check may wait for that lock, so it is cancelled; a
        write that it began is finished first. The journal has the rest, and the analysis' own
        notebook reads it from there.
        """
        self._book = None
        if self._check is not None and not self._check.done():
            self._check.cancel()
            await asyncio.wait([self._check])

    async def close(self) -> None:
        """Stop; the next server process writes what is not written yet. Idempotent."""
        await self._tasks.cancel()
        if self._check is not None:
            self._check.cancel()
            await asyncio.wait([self._check])

    # --- where it is ---------------------------------------------------------------------------

    def renamed(self, old: str, new: str) -> None:
        """Follow if the notebook or a folder above it was renamed (absolute paths)."""
        path = self._owner.path()
        if not path:
            return
        here = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if here == old:
            self.moved(new, renamed=True)
        elif here.startswith(old.rstrip(os.sep) + os.sep):
            self.moved(new + here[len(old) :], renamed=True)

    def moved(self, path: str, *, renamed: bool = False) -> None:
        """Continue at the notebook's new path, with its grants and the kernel's session.

        If the user did not rename it in Jupyter, the grants follow only the notebook's very file: a
        copy holds the analysis's id as well.
        """
        old = self._owner.path()
        if old == path:
            return
        self._owner.moved(path)
        if self._writer is not None:
            self._writer.moved(Path(path))
        self._tasks.start(self._follow(old, path, renamed=renamed))

    async def _follow(self, old: str, new: str, *, renamed: bool) -> None:
        grants = self._services.grants
        try:
            if renamed:
                await asyncio.to_thread(grants.rename, old, new)
            elif not await asyncio.to_thread(grants.for_notebook, new):
                if await asyncio.to_thread(grants.for_notebook, old, analysis=self._owner.analysis):
                    self._notice("grants-not-moved", _COPY)
        except (GrantStoreError, sqlite3.Error, OSError) as error:
            self._notice("grants-not-moved", f"Attach the data again: {error}")
        with contextlib.suppress(Exception):  # the tab may be moving its session itself
            await self._owner.move_kernel(new)

    def _find_moved(self, path: Path) -> Path | None:
        """Return the notebook in the same folder that belongs to this analysis now."""
        with contextlib.suppress(OSError):
            for candidate in sorted(path.parent.glob("*.ipynb")):
                if candidate != path and _belongs_to(candidate, self._owner.analysis):
                    return candidate
        return None

    def _note_file(self) -> None:
        """Let the grants follow the file, which each save may replace, when it is moved."""
        grants = self._services.grants
        grants.seen(self._owner.path(), self._owner.analysis, written=True)

    def _report_waiting(self, awaited: AwaitedWriter) -> None:
        if self._reported != awaited:
            self._reported = awaited
            self._notice("notebook-waiting", _WAITING[awaited])


def _belongs_to(path: Path, analysis: str) -> bool:
    """Return whether a file is the notebook of an analysis; False if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        if analysis not in text:
            return False
        found = json.loads(text)["metadata"][KEY]["analysis"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return bool(found == analysis)

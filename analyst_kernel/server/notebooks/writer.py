"""Selects, at each write, who writes a notebook: the live room, a tab, Jupyter or the disk.

The rule, in this order:

1. A live room is open on the notebook: the room. It would overwrite the file with its own state.
2. A tab has the notebook open (holds a lease): that tab, so that the user's unsaved edits and the
   analysis' cells end up in one document.
3. A tab that had it open is expected back: nobody. The tab may hold unsaved edits, and when it
   returns it would find a changed file and ask the user which one to drop.
4. Otherwise Jupyter's contents manager, or the file itself if the file browser does not show it.

What is installed does not matter, only what is open now. A room that fails while a tab is in it
blocks the write, because changing the file below a room drops what the user typed last; the user
is asked to close the notebook. If no tab is open, a room that keeps failing is skipped after a
while. :class:`WriterUnavailable` means "nobody now"; the notebook keeps the operations then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, assert_never

from analyst_kernel.notebook.document.diff import changes_between
from analyst_kernel.notebook.document.operations import Document, notes
from analyst_kernel.notebook.storage.disk import DiskWriter
from analyst_kernel.notebook.storage.port import (
    NotebookVersion,
    WriteConflict,
    WriterUnavailable,
    Written,
)
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.server.notebooks.contents import ContentsStamp, ContentsWriter, unflagged
from analyst_kernel.server.notebooks.leases import Lease, Leases
from analyst_kernel.server.notebooks.live_room import find_room, holds_notes, read_room, write_room
from analyst_kernel.server.settings import Places

WAIT_SECONDS = 2.0
"""Seconds that a run waits for a write. It then continues, and the write goes on beside it."""
ROOM_SECONDS = 20.0
"""Seconds that a failing room is tried again before the notebook is written without it."""
_ANSWER_SECONDS = 10.0
_RENAME_SECONDS = 0.2
_log = logging.getLogger(__name__)


AwaitedWriter: TypeAlias = Literal["tab", "room"]
"""What a blocked write waits for."""


@dataclass(frozen=True, slots=True)
class LiveRoom:
    """The shared document of a live room; valid until the next await only."""

    shared: Any


@dataclass(frozen=True, slots=True)
class BrowserTab:
    """A tab that holds a lease; also the stamp of a version that was read from or written to it."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class ContentsPath:
    """Jupyter's contents manager, with the file browser's path."""

    path: str


@dataclass(frozen=True, slots=True)
class DiskFile:
    """The file itself, if the file browser does not show it."""


Way: TypeAlias = LiveRoom | BrowserTab | ContentsPath | DiskFile


@dataclass(frozen=True, slots=True)
class _InRoom:
    room: weakref.ref[Any]


class WriterSelector:
    """Implements :class:`analyst_kernel.notebook.storage.port.Writer` for one analysis on a server.

    Attributes:
        path: Absolute path of the notebook; changed when the notebook is moved.
        waiting: What the last write waited for, or None if it was done.
    """

    retry_delay: float | None = WAIT_SECONDS

    def __init__(
        self,
        path: Path,
        *,
        places: Places,
        leases: Leases,
        contents: Any,
        server_settings: Mapping[str, Any],
        find_moved: Callable[[Path], Path | None],
        moved: Callable[[Path], None],
        blocked: Callable[[AwaitedWriter], None],
        wrote: Callable[[], None],
    ) -> None:
        """Write the notebook at the absolute ``path``.

        A collaboration provider is found in ``server_settings``. ``find_moved`` returns where a
        notebook is that is no longer at its path (blocking); ``moved`` is called with that path,
        and calls :meth:`moved`. ``blocked`` is called with what is waited for, ``wrote`` (blocking)
        when the file was written.
        """
        self.path = path
        self.waiting: AwaitedWriter | None = None
        self._room_fails_since: float | None = None
        self._places = places
        self._leases = leases
        self._contents = ContentsWriter(contents)
        self._settings = server_settings
        self._find_moved = find_moved
        self._moved = moved
        self._blocked = blocked
        self._wrote = wrote
        self._disk = DiskWriter(path)
        self._seen: object = None
        self._lock = asyncio.Lock()

    # --- the port --------------------------------------------------------------------------------

    async def read(self, base: NotebookVersion | None) -> NotebookVersion | None:
        """Return the notebook as the room, tab or file that is selected now has it."""
        async with self._lock:
            await self._follow()
            way = await self._way()
            match way:
                case LiveRoom(shared):
                    with self._of_room():
                        found = read_room(shared, is_empty=not self._leases.active())
                    return NotebookVersion(await self._normal(found), _InRoom(weakref.ref(shared)))
                case BrowserTab(lease):
                    answer = await self._leases.read(lease)
                    if answer is None:
                        raise self._unavailable()
                    return NotebookVersion(await self._normal(answer.document), BrowserTab(lease))
                case ContentsPath(path):
                    return await self._contents.read(path, base)
                case DiskFile():
                    return await self._disk.read(base)
                case _:
                    assert_never(way)

    async def write(self, document: Document, base: NotebookVersion | None) -> Written:
        """Write by the way selected now; see :meth:`notebook.storage.port.Writer.write`."""
        async with self._lock:
            await self._follow()
            way = await self._way()
            match way:
                case LiveRoom(shared):
                    written = self._into_room(shared, document, base)
                case BrowserTab(lease):
                    written = await self._by_browser(lease, document, base)
                case ContentsPath(path):
                    written = await self._contents.write(path, self.path, document, base)
                    stamp = written.stamp
                    if isinstance(stamp, ContentsStamp):
                        self._leases.notify_changed(stamp.hash or None)
                case DiskFile():
                    written = await self._disk.write(document, base)
                case _:
                    assert_never(way)
            self.waiting = None
            if written.saved:
                await asyncio.to_thread(self._wrote)
            return written

    async def saved(self) -> Document | None:
        """Return the saved notebook if it changed since the last call."""
        path = self._places.served(str(self.path))
        if path is None:
            return await self._disk.saved()
        now = await self._contents.stamp(path)
        if now is None or now == self._seen:
            return None
        reading = await self._contents.read(path, None)
        self._seen = now
        return None if reading is None else reading.document

    async def in_hand(self, base: NotebookVersion | None) -> bool:
        """Return whether the tab or room that was written to is still open, and so will save it."""
        match base.stamp if base is not None else None:
            case BrowserTab(lease):
                return self._leases.holds(lease)
            case _InRoom(room):
                try:
                    way = await self._way()
                except WriterUnavailable:
                    return False
                if base is None or not isinstance(way, LiveRoom) or way.shared is not room():
                    return False
                try:
                    return holds_notes(way.shared, notes(base.document))
                except Exception as error:  # noqa: BLE001 - whatever a provider raises
                    self._room_failed(error)
                    return False
            case _:
                return False

    async def discard(self, base: NotebookVersion | None) -> None:
        """Remove the file if it is still ``base`` and no tab has it open."""
        if self._leases.active() or self._leases.awaited:
            return
        await self._disk.discard(base)

    def moved(self, path: Path) -> None:
        """Write the notebook at its new place from now on."""
        self.path = path
        self._disk = DiskWriter(path)
        self._seen = None

    # --- the selection -------------------------------------------------------------------------

    async def _way(self) -> Way:
        """Select by the rule above. Raises ``WriterUnavailable`` if nobody may write now."""
        path = self._places.served(str(self.path))
        if path is None:
            return DiskFile()
        active = self._leases.active()
        if await self._contents.stamp(path) is not None:
            together = any(lease.report.collaborative for lease in active)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    room = await find_room(self._settings, path)
            except Exception as error:
                self._room_failed(error)
                if together:
                    raise self._unavailable("room") from error
            else:
                if room is None:
                    self._room_fails_since = None
                elif together or not self._is_passed_over:
                    return LiveRoom(room)
            failing = self._room_fails_since is not None and not self._is_passed_over
            if failing and not active and not self._leases.awaited:
                raise self._unavailable("room")
        if active:
            return BrowserTab(active[0])
        if self._leases.awaited:
            raise self._unavailable("tab")
        return ContentsPath(path)

    def _unavailable(self, awaited: AwaitedWriter = "tab") -> WriterUnavailable:
        if self.waiting != awaited:
            self.waiting = awaited
            self._blocked(awaited)
        return WriterUnavailable()

    @property
    def _is_passed_over(self) -> bool:
        """Return whether the room has failed for so long that it is skipped."""
        since = self._room_fails_since
        return since is not None and time.monotonic() - since >= ROOM_SECONDS

    def _room_failed(self, error: BaseException) -> None:
        if self._room_fails_since is None:
            self._room_fails_since = time.monotonic()
            _log.warning("The live room of %s fails: %s", self.path, error)

    @contextlib.contextmanager
    def _of_room(self) -> Iterator[None]:
        """Turn whatever the provider of a room raises into a failure of the room."""
        try:
            yield
        except WriteConflict:
            raise
        except Exception as error:
            self._room_failed(error)
            raise self._unavailable("room") from error
        self._room_fails_since = None

    async def _follow(self) -> None:
        """Find a notebook that was moved without Jupyter."""
        if os.path.lexists(self.path) or self._places.served(str(self.path)) is None:
            return
        # Jupyter emits its own renames just after they are done; those are handled already then.
        await asyncio.sleep(_RENAME_SECONDS)
        if os.path.lexists(self.path):
            return
        found = await asyncio.to_thread(self._find_moved, self.path)
        if found is not None:
            self._moved(found)

    # --- the ways --------------------------------------------------------------------------------

    def _into_room(self, shared: Any, document: Document, base: NotebookVersion | None) -> Written:
        stamp = base.stamp if base is not None else None
        if base is None or not isinstance(stamp, _InRoom) or stamp.room() is not shared:
            raise WriteConflict
        changes = changes_between(base.document, document)
        # No await from here on: the room must not change between the check and the write.
        with self._of_room():
            if not write_room(shared, changes, is_empty=not self._leases.active()):
                raise WriteConflict
        return Written(stamp, saved=False)

    async def _by_browser(
        self, lease: Lease, document: Document, base: NotebookVersion | None
    ) -> Written:
        stamp = base.stamp if base is not None else None
        if base is None or not isinstance(stamp, BrowserTab) or not self._leases.holds(stamp.lease):
            raise WriteConflict
        if stamp.lease.name != lease.name:
            raise WriteConflict
        changes = changes_between(base.document, document)
        if not changes:
            return Written(BrowserTab(lease), saved=False)
        answer = await self._leases.write(lease, changes)
        if answer is None:
            raise self._unavailable()
        if answer.outcome == "refused":
            if answer.document is None:
                raise WriteConflict
            raise WriteConflict(
                NotebookVersion(await self._normal(answer.document), BrowserTab(lease))
            )
        if answer.outcome == "saved":
            self._leases.notify_changed(answer.hash, but=lease.name)
        return Written(BrowserTab(lease), saved=False)

    async def _normal(self, document: Mapping[str, Any]) -> Document:
        try:
            return await asyncio.to_thread(unflagged, document, self.path.name)
        except (TypeError, AttributeError) as error:
            raise NotebookError(
                f"{self.path.name} is not a valid notebook where it is open."
            ) from error

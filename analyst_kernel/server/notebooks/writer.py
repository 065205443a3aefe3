"""Who writes a notebook, chosen anew at each write: the live room, else the browser, else Jupyter.

Never by what is installed: by whether there is a room now, and whether a tab has the notebook open
now. While a tab that had it open is expected back, nobody writes. Nor does anybody while a room
fails and a tab is in it, for a file that changes below a room takes the user's last words from
them; they are told to close the notebook. Where nobody has it open, a room that goes on failing is
passed over after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, assert_never

from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.notebook.document.diff import changes_between
from analyst_kernel.notebook.storage.disk import DiskWriter
from analyst_kernel.notebook.document.operations import Document, notes
from analyst_kernel.notebook.document.serialize import from_json
from analyst_kernel.notebook.storage.port import WriterUnavailable, WriteConflict, Reading, Written
from analyst_kernel.server.notebooks.contents import ContentsStamp, ContentsWriter
from analyst_kernel.server.notebooks.leases import Lease, Leases
from analyst_kernel.server.paths import Places
from analyst_kernel.server.notebooks.live_room import find_room, holds_notes, read_room, write_room

PATIENCE = 2.0
"""How long a run waits for a write, seconds; what is not written then is kept and goes on."""
ROOM_SECONDS = 20.0
"""How long a room that fails is tried again before the notebook is written without it."""
_ANSWER_SECONDS = 10.0
_TOLD_SECONDS = 0.2
_log = logging.getLogger(__name__)


Awaited: TypeAlias = Literal["tab", "room"]
"""Whom the writes wait for."""


@dataclass(frozen=True, slots=True)
class Room:
    """The live room's shared document; for this moment only."""

    shared: Any


@dataclass(frozen=True, slots=True)
class Browser:
    """A tab that holds a lease."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Contents:
    """Jupyter's contents manager, under the file browser's path."""

    path: str


@dataclass(frozen=True, slots=True)
class Disk:
    """The file itself, which the file browser does not show."""


Way: TypeAlias = Room | Browser | Contents | Disk


@dataclass(frozen=True, slots=True)
class _InRoom:
    room: weakref.ref[Any]


@dataclass(frozen=True, slots=True)
class _InBrowser:
    lease: Lease


class ChosenWriter:
    """Implements :class:`analyst_kernel.notebook.storage.port.Writer` for one analysis on a server.

    Attributes:
        path: Absolute path of the notebook; changed when the notebook is moved.
        waiting: For whom, where the last attempt found nobody who could write.
    """

    retry_delay: float | None = PATIENCE

    def __init__(
        self,
        path: Path,
        *,
        places: Places,
        leases: Leases,
        contents: Any,
        server_settings: Mapping[str, Any],
        found_again: Callable[[Path], Path | None],
        moved: Callable[[Path], None],
        waits: Callable[[Awaited], None],
    ) -> None:
        """Write the notebook at ``path``.

        Args:
            path: Absolute path.
            places: Between paths here and those of the file browser.
            leases: Of the analysis.
            contents: The server's contents manager.
            server_settings: The web application's, where a collaboration provider is found.
            found_again: Says where a notebook went that is not at its path any more; blocking.
            moved: Called with the new path then; it calls :meth:`moved`.
            waits: Called when nobody can write it now, with whom that is waited for.
        """
        self.path = path
        self.waiting: Awaited | None = None
        self._room_fails_since: float | None = None
        self._places = places
        self._leases = leases
        self._contents = ContentsWriter(contents)
        self._settings = server_settings
        self._found_again = found_again
        self._moved = moved
        self._waits = waits
        self._disk = DiskWriter(path)
        self._seen: object = None
        self._lock = asyncio.Lock()

    # --- the port --------------------------------------------------------------------------------

    async def read(self, base: Reading | None) -> Reading | None:
        """Return the notebook as whoever has it now sees it."""
        async with self._lock:
            await self._follow()
            way = await self._way()
            match way:
                case Room(shared):
                    with self._of_room():
                        found = read_room(shared, is_empty=not self._leases.session())
                    return Reading(await self._normal(found), _InRoom(weakref.ref(shared)))
                case Browser(lease):
                    answer = await self._leases.read(lease)
                    if answer is None:
                        raise self._nobody()
                    return Reading(await self._normal(answer.document), _InBrowser(lease))
                case Contents(path):
                    return await self._contents.read(path, base)
                case Disk():
                    return await self._disk.read(base)
                case _:
                    assert_never(way)

    async def write(self, document: Document, base: Reading | None) -> Written:
        """Write by whoever has it now; see :class:`analyst_kernel.notebook.storage.port.Writer`."""
        async with self._lock:
            await self._follow()
            way = await self._way()
            match way:
                case Room(shared):
                    written = self._into_room(shared, document, base)
                case Browser(lease):
                    written = await self._by_browser(lease, document, base)
                case Contents(path):
                    written = await self._contents.write(path, self.path, document, base)
                    stamp = written.stamp
                    if isinstance(stamp, ContentsStamp):
                        self._leases.tell_changed(stamp.hash or None)
                case Disk():
                    written = await self._disk.write(document, base)
                case _:
                    assert_never(way)
            self.waiting = None
            return written

    async def saved(self) -> Document | None:
        """Return the saved notebook where it changed since the last look."""
        path = self._places.served(str(self.path))
        if path is None:
            return await self._disk.saved()
        now = await self._contents.stamp(path)
        if now is None or now == self._seen:
            return None
        reading = await self._contents.read(path, None)
        self._seen = now
        return None if reading is None else reading.document

    async def in_hand(self, base: Reading | None) -> bool:
        """Say whether a tab or room that has what was written is still there to save it."""
        match base.stamp if base is not None else None:
            case _InBrowser(lease):
                return self._leases.holds(lease)
            case _InRoom(room):
                way = await self._way_or_none()
                if base is None or not isinstance(way, Room) or way.shared is not room():
                    return False
                try:
                    return holds_notes(way.shared, notes(base.document))
                except Exception as error:  # noqa: BLE001 - whatever a provider raises
                    self._room_failed(error)
                    return False
            case _:
                return False

    async def discard(self, base: Reading | None) -> None:
        """Remove the file if it is still ``base`` and no tab has it open."""
        if self._leases.session() or self._leases.awaited:
            return
        await self._disk.discard(base)

    def moved(self, path: Path) -> None:
        """Write the notebook at its new place from now on."""
        self.path = path
        self._disk = DiskWriter(path)
        self._seen = None

    # --- the choice ------------------------------------------------------------------------------

    async def _way(self) -> Way:
        """Choose. Raises ``WriterUnavailable`` while one who had it open is expected back."""
        path = self._places.served(str(self.path))
        if path is None:
            return Disk()
        session = self._leases.session()
        if await self._contents.stamp(path) is not None:
            together = any(lease.report.collaborative for lease in session)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    room = await find_room(self._settings, path)
            except Exception as error:
                self._room_failed(error)
                if together:
                    raise self._nobody("room") from error
            else:
                if room is None:
                    self._room_fails_since = None
                elif together or not self._is_passed_over:
                    return Room(room)
            failing = self._room_fails_since is not None and not self._is_passed_over
            if failing and not session and not self._leases.awaited:
                raise self._nobody("room")
        for lease in session:
            return Browser(lease)
        if self._leases.awaited:
            raise self._nobody("tab")
        return Contents(path)

    async def _way_or_none(self) -> Way | None:
        try:
            return await self._way()
        except WriterUnavailable:
            return None

    def _nobody(self, awaited: Awaited = "tab") -> WriterUnavailable:
        if self.waiting != awaited:
            self.waiting = awaited
            self._waits(awaited)
        return WriterUnavailable()

    @property
    def _is_passed_over(self) -> bool:
        """Whether the room has failed for so long that it is not waited for any more."""
        since = self._room_fails_since
        return since is not None and time.monotonic() - since >= ROOM_SECONDS

    def _room_failed(self, error: BaseException) -> None:
        if self._room_fails_since is None:
            self._room_fails_since = time.monotonic()
            _log.warning("The live room of %s fails: %s", self.path, error)

    @contextlib.contextmanager
    def _of_room(self) -> Iterator[None]:
        """Do something with a room; whatever its provider raises is a failure of the room."""
        try:
            yield
        except WriteConflict:
            raise
        except Exception as error:
            self._room_failed(error)
            raise self._nobody("room") from error
        self._room_fails_since = None

    async def _follow(self) -> None:
        """Go after a notebook that was moved by other means than Jupyter's."""
        if os.path.lexists(self.path) or self._places.served(str(self.path)) is None:
            return
        # Jupyter tells of its own renames just after they are done.
        await asyncio.sleep(_TOLD_SECONDS)
        if os.path.lexists(self.path):
            return
        found = await asyncio.to_thread(self._found_again, self.path)
        if found is not None:
            self._moved(found)

    # --- the ways --------------------------------------------------------------------------------

    def _into_room(self, shared: Any, document: Document, base: Reading | None) -> Written:
        stamp = base.stamp if base is not None else None
        if base is None or not isinstance(stamp, _InRoom) or stamp.room() is not shared:
            raise WriteConflict
        changes = changes_between(base.document, document)
        # No await from here on: nothing can come between the look and the write.
        with self._of_room():
            if not write_room(shared, changes, is_empty=not self._leases.session()):
                raise WriteConflict
        return Written(stamp, saved=False)

    async def _by_browser(self, lease: Lease, document: Document, base: Reading | None) -> Written:
        stamp = base.stamp if base is not None else None
        if base is None or not isinstance(stamp, _InBrowser) or not self._leases.holds(stamp.lease):
            raise WriteConflict
        if stamp.lease.name != lease.name:
            raise WriteConflict
        changes = changes_between(base.document, document)
        if not changes:
            return Written(_InBrowser(lease), saved=False)
        answer = await self._leases.write(lease, changes)
        if answer is None:
            raise self._nobody()
        if answer.outcome == "refused":
            if answer.document is None:
                raise WriteConflict
            raise WriteConflict(Reading(await self._normal(answer.document), _InBrowser(lease)))
        if answer.outcome == "saved":
            self._leases.tell_changed(answer.hash, but=lease.name)
        return Written(_InBrowser(lease), saved=False)

    async def _normal(self, document: Mapping[str, Any]) -> Document:
        def work() -> Document:
            content = json.loads(json.dumps(document))
            for cell in content.get("cells", []):
                cell.get("metadata", {}).pop("trusted", None)
            return from_json(content, self.path.name)

        try:
            return await asyncio.to_thread(work)
        except (TypeError, AttributeError) as error:
            raise NotebookError(
                f"{self.path.name} is not a valid notebook where it is open."
            ) from (error)

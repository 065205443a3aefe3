"""Writes a notebook's file itself: for a process of its own, and for files Jupyter does not show.

Each write is on the disk before it returns, whole or not at all. It is not for a notebook that is
open in a browser.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from analyst_kernel.notebook import disk
from analyst_kernel.notebook.document import Document
from analyst_kernel.notebook.half_saved import read_document
from analyst_kernel.notebook.notebook_json import Renderer
from analyst_kernel.notebook.writer import Overtaken, Reading, Written


class DiskWriter:
    """Implements :class:`analyst_kernel.notebook.writer.Writer` for one file."""

    patience: float | None = None

    def __init__(self, path: Path) -> None:
        """Write the file at ``path`` (absolute), or what it links to."""
        self.path = path
        self._renderer = Renderer()
        self._seen: disk.Stamp | None = None

    async def read(self, base: Reading | None) -> Reading | None:
        """Return the file as it stands."""
        return await asyncio.to_thread(self.read_now, base)

    def read_now(self, base: Reading | None) -> Reading | None:
        """Read, blocking; see :meth:`read`."""
        target = self._target()
        now = disk.stamp_of(target)
        if now is None:
            return None
        if base is not None and now == base.stamp:
            return base
        return Reading(*read_document(target, self.path.name))

    async def write(self, document: Document, base: Reading | None) -> Written:
        """Replace the file, if it is still the version that ``base`` was."""
        return await asyncio.to_thread(self._write, document, base)

    def create(self, document: Document) -> Reading:
        """Write a new file, blocking. Raises ``FileExistsError`` where the name is taken."""
        return Reading(document, disk.create(self.path, self._renderer.render(document)))

    def _write(self, document: Document, base: Reading | None) -> Written:
        stamp = base.stamp if base is not None else None
        if stamp is not None and not isinstance(stamp, disk.Stamp):
            raise Overtaken
        parts = self._renderer.parts(document)
        try:
            return Written(disk.replace(self._target(), parts, stamp), saved=True)
        except disk.FileChanged:
            raise Overtaken from None

    async def saved(self) -> Document | None:
        """Return the file's content where it changed since the last look."""

        def look() -> Document | None:
            target = self._target()
            now = disk.stamp_of(target)
            if now is None or now == self._seen:
                return None
            document, self._seen = read_document(target, self.path.name)
            return document

        return await asyncio.to_thread(look)

    async def in_hand(self, base: Reading | None) -> bool:
        """Say no: what was not written, nobody else writes."""
        return False

    async def discard(self, base: Reading | None) -> None:
        """Remove the file if it is still ``base``."""

        def work() -> None:
            target = self._target()
            if base is not None and disk.stamp_of(target) == base.stamp:
                self.path.unlink(missing_ok=True)

        await asyncio.to_thread(work)

    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))

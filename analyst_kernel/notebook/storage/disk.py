"""The writer of a notebook's file, for a notebook that no browser has open.

Each write is on the disk before it returns, in full or not at all.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.serialize import Renderer, parse
from analyst_kernel.notebook.storage import files
from analyst_kernel.notebook.storage.port import NotebookVersion, WriteConflict, Written
from analyst_kernel.protocol.errors import NotebookError

_SECONDS = 2.0
"""A save that takes longer was cut off."""
_PAUSE = 0.1


class DiskWriter:
    """Implements :class:`analyst_kernel.notebook.storage.port.Writer` for one file."""

    retry_delay: float | None = None

    def __init__(self, path: Path) -> None:
        """Create the writer of the file at ``path`` (absolute), or of the file it links to."""
        self.path = path
        self._renderer = Renderer()
        self._seen: files.FileStamp | None = None

    async def read(self, base: NotebookVersion | None) -> NotebookVersion | None:
        """Return the file as it is now."""
        return await asyncio.to_thread(self.read_now, base)

    def read_now(self, base: NotebookVersion | None) -> NotebookVersion | None:
        """Return what :meth:`read` returns; blocks."""
        now = files.stamp_of(self._target())
        if now is None:
            return None
        if base is not None and now == base.stamp:
            return base
        return NotebookVersion(*read_during_save(self.path))

    async def write(self, document: Document, base: NotebookVersion | None) -> Written:
        """Replace the file, if it is still the version that ``base`` was."""
        return await asyncio.to_thread(self._write, document, base)

    def create(self, document: Document) -> NotebookVersion:
        """Write a new file; blocks. Raises ``FileExistsError`` if the name is taken."""
        return NotebookVersion(document, files.create(self.path, self._renderer.render(document)))

    def _write(self, document: Document, base: NotebookVersion | None) -> Written:
        stamp = base.stamp if base is not None else None
        if stamp is not None and not isinstance(stamp, files.FileStamp):
            raise WriteConflict
        parts = self._renderer.parts(document)
        try:
            return Written(files.replace(self._target(), parts, stamp), saved=True)
        except files.FileChanged:
            raise WriteConflict from None

    async def saved(self) -> Document | None:
        """Return the file's content if it changed since the last call."""

        def look() -> Document | None:
            now = files.stamp_of(self._target())
            if now is None or now == self._seen:
                return None
            document, self._seen = read_during_save(self.path)
            return document

        return await asyncio.to_thread(look)

    async def in_hand(self, base: NotebookVersion | None) -> bool:
        """Return False: only this writer saves the file."""
        return False

    async def discard(self, base: NotebookVersion | None) -> None:
        """Remove the file if it is still ``base``."""

        def work() -> None:
            if base is not None and files.stamp_of(self._target()) == base.stamp:
                self.path.unlink(missing_ok=True)

        await asyncio.to_thread(work)

    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))


def read_during_save(path: Path, *, seconds: float = _SECONDS) -> tuple[Document, files.FileStamp]:
    """Return a notebook and the stamp that belongs to it, though Jupyter may be saving it; blocks.

    Jupyter writes over the file and holds a copy, ``.~NAME``, until it is done. A file that is not
    JSON beside such a copy is being saved, so it is read again. If that lasts longer than a save
    may take, the save was cut off: the copy takes the file's place, and the rest is left as
    ``NAME.invalid``.

    Args:
        path: The file or a link to it, as errors name it.
        seconds: How long a save may take.

    Raises:
        NotebookError: It cannot be read, or is not a valid notebook of version 4.
    """
    name, path = path.name, Path(os.path.realpath(path))
    until = time.monotonic() + seconds
    while True:
        text, stamp = files.read_text(path)
        try:
            return parse(text, name), stamp
        except NotebookError:
            copy = path.with_name(f".~{path.name}")
            if _is_json(text):
                raise
            if not os.path.isfile(copy):
                if files.stamp_of(path) == stamp:
                    raise
                continue  # the save just ended
            if time.monotonic() > until:
                return _put_back(path, copy, name, stamp)
        time.sleep(_PAUSE)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _put_back(
    path: Path, copy: Path, name: str, seen: files.FileStamp
) -> tuple[Document, files.FileStamp]:
    document = parse(files.read_text(copy)[0], name)  # first, because it may be invalid too
    try:
        if files.stamp_of(path) != seen:
            raise NotebookError(f"{name} is being written by another program.", "Try again.")
        # A copy, so that a notebook of this name exists at every moment.
        shutil.copy2(path, path.with_name(f"{path.name}.invalid"))
        os.replace(copy, path)
    except OSError as error:
        raise NotebookError(
            f"A save of {name} was cut off, and the version before it, {copy.name}, cannot be put "
            f"in its place ({error.strerror}).",
            "Copy it there yourself. Nothing was changed.",
        ) from error
    stamp = files.stamp_of(path)
    assert stamp is not None
    return document, stamp

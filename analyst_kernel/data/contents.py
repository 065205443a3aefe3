"""What tells the content of a file from another: its size and times at a look, else a digest.

A look at the times costs nothing, so that is all that is done while they are the same. A file that
was only touched, or saved again as it was, has the same content and did not change.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

from analyst_kernel.data.reader.opened import OpenedFile, OpenedFolder, Stamp, opened
from analyst_kernel.protocol.errors import DataError

LARGEST = 4 << 30
"""Bytes; of a larger file only size and time are compared."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file's content.

    Attributes:
        size: In bytes.
        modified: Nanoseconds since 1970, as text: a notebook's readers keep no such long number. Of
            a folder's files those of the newest, a point, and a number that tells of them all.
        digest: SHA-256; empty if the file is too large, or changed while it was read.
    """

    size: int
    modified: str
    digest: str = ""

    def is_same(self, other: FileContent) -> bool:
        """Return whether the content is the same, as far as can be told."""
        if self.size != other.size:
            return False
        if self.modified == other.modified:
            return True
        return bool(self.digest) and self.digest == other.digest


class Contents:
    """The contents of files, each read once for the same times."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[str, tuple[Stamp, str]] = {}

    def look(self, path: str) -> FileContent:
        """Return size and time of a file, and the digest if it is known; nothing is read.

        Raises:
            DataError: It is not there, no regular file, or may not be read.
        """
        with opened(path) as file:
            stamp, digest = self._known.get(path, (None, ""))
            return _content(path, file.stamp, digest if stamp == file.stamp else "")

    async def read(self, path: str) -> FileContent:
        """Return the content of a file with its digest; raises like :meth:`look`.

        The file is read beside the loop, and not again while its times are the same.
        """
        content = self.look(path)
        if content.digest or content.size > LARGEST:
            return content
        stamp, digest = await asyncio.to_thread(_digest, path)
        if digest:
            self._known[path] = (stamp, digest)
        return _content(path, stamp, digest)

    async def is_same(self, path: str, before: FileContent) -> bool:
        """Return whether a file has the content of before; it is read only if its times differ.

        Raises ``DataError`` like :meth:`look`.
        """
        now = self.look(path)
        if now.size == before.size and now.modified != before.modified and before.digest:
            now = await self.read(path)
        return now.is_same(before)

    def of_stamp(self, path: str, stamp: Stamp) -> FileContent:
        """Return what was known of a file when it had these times."""
        known, digest = self._known.get(path, (None, ""))
        return _content(path, stamp, digest if known == stamp else "")


def _content(path: str, stamp: Stamp, digest: str) -> FileContent:
    newest, size, listing, _ = stamp
    return FileContent(size, f"{newest}.{listing}" if os.path.isdir(path) else str(newest), digest)


def _digest(path: str) -> tuple[Stamp, str]:
    """Return times and digest of a file; no digest if it changed meanwhile; blocking."""
    digest = hashlib.sha256()
    with opened(path) as file:
        try:
            if isinstance(file, OpenedFolder):
                for relative, part in file.parts:
                    with OpenedFile(part) as one:
                        digest.update(f"{one.size} {relative}\0".encode(errors="surrogateescape"))
                        _add(digest, one)
            else:
                _add(digest, file)
        except OSError as error:
            raise DataError(
                f"{os.path.basename(path)} cannot be read: {error.strerror}.",
                "Check the disk that it is on, and whether you may read it.",
            ) from error
        with opened(path) as now:
            same = now.stamp == file.stamp
        return file.stamp, digest.hexdigest() if same else ""


def _add(digest: hashlib._Hash, file: OpenedFile) -> None:
    with _readable(file.fd) as content:
        while block := content.read(_BLOCK):
            digest.update(block)


def _readable(fd: int) -> BinaryIO:
    """Return the file behind a descriptor that may only tell where it is."""
    if hasattr(os, "O_PATH"):
        return open(f"/proc/self/fd/{fd}", "rb", buffering=0)
    return open(os.dup(fd), "rb", buffering=0)

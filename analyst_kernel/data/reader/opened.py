"""Users' files as they are opened for a reader: beneath no link, regular, and not read here."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from analyst_kernel._real_paths import open_unread
from analyst_kernel.data.read.names import dictionary_path, shown
from analyst_kernel.data.read.workspace import is_utf8
from analyst_kernel.protocol.errors import DataError

AT_ONCE = 2
"""Readers that run at the same time for one catalog or listing."""

Stamp: TypeAlias = tuple[int, int, int, int]


class OpenedFile:
    """A regular file that is held open while a reader is shown it.

    Attributes:
        path: Real and absolute.
        device: The number of its file system.
        inode: Its number there.
        stamp: Differs after the file was changed or replaced.
    """

    def __init__(self, path: str) -> None:
        """Open ``path`` through no link.

        Raises:
            DataError: It is no regular file, is not there, or may not be read.
        """
        self.path = path
        self.fd = open_plain(path)
        state = os.fstat(self.fd)
        self.size = state.st_size
        self.device, self.inode = state.st_dev, state.st_ino
        self.stamp: Stamp = (state.st_mtime_ns, state.st_size, state.st_ino, state.st_dev)

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(self, *_error: object) -> None:
        """Let the file go."""
        os.close(self.fd)


class OpenedFolder(OpenedFile):
    """A folder with a table's files, held open likewise; ``stamp`` differs after any changed.

    Attributes:
        parts: The files: the path below the folder, and the whole one.
    """

    def __init__(self, path: str) -> None:
        """Open ``path`` through no link.

        Raises:
            DataError: It is no folder, or holds no table in folders any more.
        """
        from analyst_kernel.data.read.discover import folder_table  # builds what ahead waits for

        self.path = path
        name = os.path.basename(path)
        table = folder_table(path)
        if table is None:
            raise DataError(f"{name} holds no table in folders any more.", "Attach it again.")
        try:
            self.fd = open_unread(path)
        except OSError as error:
            raise DataError(
                f"{name} cannot be opened: {error.strerror}.", "Attach it again."
            ) from error
        state = os.fstat(self.fd)
        if not stat.S_ISDIR(state.st_mode):
            os.close(self.fd)
            raise DataError(f"{name} is no folder any more.", "Attach it again.")
        self.device, self.inode = state.st_dev, state.st_ino
        self.size, newest, listing = 0, 0, 0
        self.parts = tuple(zip(table.files, table.paths, strict=True))
        for relative, part in self.parts:
            try:
                one = os.stat(part)
            except OSError:
                continue  # gone since it was listed, which the listing's sum tells
            self.size += one.st_size
            newest = max(newest, one.st_mtime_ns)
            line = f"{relative}\0{one.st_mtime_ns}\0{one.st_size}\0{one.st_ino}\n"
            listing = zlib.crc32(line.encode("utf-8", "surrogateescape"), listing)
        self.stamp = (newest, self.size, listing, state.st_dev)


def opened(path: str) -> OpenedFile:
    """Open a data file, or the folder of a table in many files; raises ``DataError``."""
    return OpenedFolder(path) if os.path.isdir(path) else OpenedFile(path)


def open_plain(path: str) -> int:
    """Open a regular file by its real path, through no link; nothing is read.

    Raises:
        DataError: It is something else, is not there, or may not be read.
    """
    name = os.path.basename(path)
    if not is_utf8(path):
        raise DataError(f"The name of {shown(name)} is not UTF-8.", "Rename the file.")
    if any(mark in path for mark in "\n\0"):
        raise DataError(f"The path of {name!r} holds a line end.", "Rename the file.")
    try:
        fd = open_unread(path)
    except OSError as error:
        raise DataError(
            f"{name} cannot be opened: {error.strerror}.",
            "Links are not followed once the data was attached; attach the file itself."
            if os.path.islink(path) or os.path.realpath(path) != path
            else "Check that it is there and may be read.",
        ) from error
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise DataError(
        f"{name} is no regular file, but a link, a folder, a pipe or a device.",
        "Attach the data file itself.",
    )


def stamp_of(path: str) -> Stamp:
    """Return what a change or a replacement of a file, or of a table's files, changes.

    Raises:
        DataError: As :func:`opened` does.
    """
    with opened(path) as file:
        return file.stamp


def dictionary_stamp(path: str) -> Stamp | None:
    """Return the stamp of the dictionary beside a data file, or None if there is none."""
    with beside(path) as found:
        return None if found is None else found.stamp


@contextmanager
def beside(path: str) -> Iterator[OpenedFile | None]:
    """Open the dictionary beside a data file; None if there is no regular file of its name.

    A link is not followed: the user granted the dataset, not what a link beside it names.
    """
    try:
        file = OpenedFile(dictionary_path(path))
    except DataError:
        yield None
        return
    with file:
        yield file

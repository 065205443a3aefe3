"""Text files that are read and replaced as a whole: a crash leaves the old state or the new one.

Calls block; callers run them in a thread.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from analyst_kernel.protocol.errors import NotebookError

_BUFFER = 1 << 20
"""Bytes: the many small pieces of a long notebook go out in few writes."""
_STALE_SECONDS = 600.0
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opening a pipe that nobody writes to does not wait then."""


class FileStamp(NamedTuple):
    """Identifies a version of a file."""

    device: int
    inode: int
    size: int
    modified_ns: int


class FileChanged(Exception):
    """The file was written by another program since the caller read it; nothing was written."""


def stamp_of(path: Path) -> FileStamp | None:
    """Return the file's stamp, or ``None`` if there is no file."""
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _failed(path, error) from error
    return FileStamp(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def read_text(path: Path) -> tuple[str, FileStamp]:
    """Return the file's text and the stamp that belongs to exactly this text.

    Raises:
        NotebookError: It does not exist, or is not a readable text file.
    """
    if os.path.isdir(path):
        raise NotebookError(f"{path} is a folder, not a notebook.", "Name a file ending in .ipynb.")
    try:
        with open(os.open(path, _READING), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                what = f"{path} is not a notebook: it is not a regular file."
                raise NotebookError(what, "Name another notebook. Nothing was changed.")
            content = file.read()
    except FileNotFoundError as error:
        raise NotebookError(f"There is no notebook {path}.", "Check the path.") from error
    except OSError as error:
        what = f"{path} cannot be read ({_reason(error)})."
        raise NotebookError(what, "Check its permissions.") from error
    stamp = FileStamp(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    try:
        return content.decode("utf-8-sig"), stamp
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"{path} is not a notebook: it is not UTF-8 text.",
            "Name another notebook. The file was not changed.",
        ) from error


def create(path: Path, text: str) -> FileStamp:
    """Write a new file, in full or not at all.

    Raises:
        FileExistsError: The name is taken; nothing was written.
        NotebookError: It cannot be written.
    """
    return _place(path, text, None, exclusive=True)


def replace(path: Path, text: str | Sequence[bytes], expected: FileStamp | None) -> FileStamp:
    """Replace the file, keeping its permissions and, if allowed, its owner.

    Args:
        path: The file itself, not a link to it.
        text: The whole new content, or its pieces as UTF-8.
        expected: The stamp of the version that ``text`` builds on; ``None`` if there was no file.

    Raises:
        FileChanged: The file is not that version any more.
        NotebookError: It cannot be written; the old file is untouched.
    """
    return _place(path, text, expected, exclusive=False)


def sweep(path: Path) -> None:
    """Remove temporary files that crashed writers of this file left long ago."""
    with contextlib.suppress(OSError):
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                leftover.unlink()


def _place(
    path: Path, text: str | Sequence[bytes], expected: FileStamp | None, *, exclusive: bool
) -> FileStamp:
    """Write a file beside it, sync it to the disk, then rename it in one step."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        before = _checked(path)
        try:
            stamp = _write(temporary, text, before)
            if exclusive:
                _name_new(temporary, path)
            elif stamp_of(path) != expected:
                raise FileChanged
            else:
                os.replace(temporary, path)
            _sync_folder(path.parent)
            return stamp
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise _failed(path, error) from error


def _checked(path: Path) -> os.stat_result | None:
    """Return the status of the file to replace, or raise if it must not be replaced."""
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(facts.st_mode):
        raise NotebookError(f"{path} is not a regular file.", "Choose another name.")
    if not facts.st_mode & 0o222 or not os.access(path, os.W_OK):
        what = f"{path} is write-protected. Nothing was changed."
        raise NotebookError(what, "Make it writable, or choose another name.")
    return facts


def _write(path: Path, text: str | Sequence[bytes], like: os.stat_result | None) -> FileStamp:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags, 0o666)
    pieces = [text.encode("utf-8", "replace")] if isinstance(text, str) else text
    with os.fdopen(handle, "wb", buffering=_BUFFER) as file:
        if like is not None:
            _make_like(file.fileno(), like)
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())
        facts = os.fstat(file.fileno())
    return FileStamp(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _make_like(handle: int, like: os.stat_result) -> None:
    if hasattr(os, "fchown"):
        with contextlib.suppress(PermissionError):
            os.fchown(handle, like.st_uid, like.st_gid)
    if hasattr(os, "fchmod"):
        os.fchmod(handle, stat.S_IMODE(like.st_mode))


def _name_new(temporary: Path, path: Path) -> None:
    """Give a new file its name unless it is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here: reserve the name, then replace the empty file
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(temporary, path)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, if the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _failed(path: Path, error: OSError) -> NotebookError:
    what = f"{path} cannot be written ({_reason(error)})."
    match error.errno:
        case errno.ENOTDIR:
            what = f"{path.parent} is not a folder, so {path.name} cannot be written there."
            remedy = "Choose another place for it."
        case errno.ENOENT if not os.path.exists(path.parent):
            what = f"The folder {path.parent} does not exist, so {path.name} cannot be written."
            remedy = "Create the folder, or choose another place for it."
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            remedy = "Make room on the disk. What was saved before is untouched."
        case errno.ENAMETOOLONG:
            remedy = "Choose a shorter name."
        case _:
            remedy = "Choose a folder that you may write to. What was there is untouched."
    return NotebookError(what, remedy)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()

"""Paths without links: what stands at a path, and whether it is still what it was.

A path is looked up one folder at a time from the root, through descriptors, so that nothing that
generated code swaps meanwhile leads elsewhere. Stdlib only; blocks.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

PathKind = Literal["file", "folder"]

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd
_STEP = getattr(os, "O_PATH", os.O_RDONLY)
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class UnsafePath(OSError):
    """A link, or something that is neither file nor folder, stands at a path or on the way to it.

    The reason is a clause about the path: "is a symbolic link now".
    """

    @property
    def reason(self) -> str:
        """What is wrong."""
        return self.strerror or ""


@dataclass(frozen=True, slots=True)
class PathIdentity:
    """What a path named when somebody looked.

    Attributes:
        device: Number of the file system, which another mount of the same disk may change.
        inode: Number of the file or folder there.
        born: When it was made, nanoseconds since 1970; 0 where the system does not say.
        owner: User id.
        folder_inode: Of the folder that holds it.
        folder_born: Of the folder that holds it.
    """

    kind: PathKind
    device: int
    inode: int
    born: int
    owner: int
    folder_inode: int
    folder_born: int

    def difference(self, now: PathIdentity) -> str:
        """Return why what stands there ``now`` is not accepted in its place, as a clause; or empty.

        A new file or folder of the same owner in the same folder is: that is how editors save. The
        device is not compared, because a disk that is mounted again may get another number.
        """
        if now.kind != self.kind:
            return f"is a {now.kind} now, not a {self.kind}"
        if _same(self.inode, self.born, now.inode, now.born):
            return ""
        if now.owner != self.owner:
            return "was replaced by another user"
        if not _same(self.folder_inode, self.folder_born, now.folder_inode, now.folder_born):
            return "was replaced together with the folder that holds it"
        return ""


def _same(inode: int, born: int, inode_now: int, born_now: int) -> bool:
    return inode == inode_now and (born == born_now or not born or not born_now)


def identify(path: str) -> PathIdentity:
    """Return what stands at an absolute path, which no link may lead to.

    Raises:
        FileNotFoundError: Nothing.
        UnsafePath: A link, or neither a file nor a folder.
        OSError: It cannot be looked up.
    """
    with _parent(path) as (folder, name):
        found = _stat(name, folder)
        if stat.S_ISLNK(found.st_mode):
            raise UnsafePath(errno.ELOOP, "is a symbolic link now")
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise UnsafePath(errno.EINVAL, "is neither a file nor a folder now")
        above = os.fstat(folder) if folder is not None else os.stat(os.path.dirname(path))
        return PathIdentity(
            kind="folder" if stat.S_ISDIR(found.st_mode) else "file",
            device=found.st_dev,
            inode=found.st_ino,
            born=_born(name, folder, found),
            owner=found.st_uid,
            folder_inode=above.st_ino,
            folder_born=_born(".", folder, above) if folder is not None else 0,
        )


def open_unread(path: str) -> int:
    """Open what stands at an absolute path, which no link may lead to, without touching it.

    A link at the path itself is what is opened, where the system can do that; it is not followed.

    Raises:
        UnsafePath: A link is on the way.
        OSError: It cannot be opened.
    """
    with _parent(path) as (folder, name):
        waits = 0 if hasattr(os, "O_PATH") else getattr(os, "O_NONBLOCK", 0)  # for a pipe's writer
        flags = _STEP | _FLAGS | waits | getattr(os, "O_BINARY", 0)
        return os.open(name, flags, dir_fd=folder)


class FileVersion(NamedTuple):
    """Identifies a version of a file."""

    inode: int
    born: int
    size: int
    modified: int
    changed: int

    def is_same_file(self, inode: int | None, born: int | None) -> bool:
        """Return whether this is a version of the file of that inode and birth.

        Never without a birth: an inode's number is given to another file when it is free.
        """
        return bool(self.born) and (self.inode, self.born) == (inode, born)


def version_at(path: str) -> FileVersion | None:
    """Return the version of the regular file at a path, links followed; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    born = _born(os.path.realpath(path), None, status)
    return FileVersion(status.st_ino, born, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@contextlib.contextmanager
def _parent(path: str) -> Iterator[tuple[int | None, str]]:
    """Yield the folder of ``path``, opened through no link, and the last name.

    Where a system has no descriptors of folders, ``None`` and the whole path.
    """
    if not os.path.isabs(path):
        raise UnsafePath(errno.EINVAL, "is not an absolute path")
    path = os.path.normpath(path)
    if not _BY_DESCRIPTOR:
        if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
            raise UnsafePath(errno.ELOOP, "lies behind a symbolic link now")
        yield None, path
        return
    *folders, last = [part for part in path.split(os.sep) if part] or ["."]
    here = os.open(os.sep, _STEP | os.O_DIRECTORY | _FLAGS)
    try:
        for name in folders:
            try:
                following = os.open(name, _STEP | os.O_DIRECTORY | _FLAGS, dir_fd=here)
            except OSError as error:
                if error.errno == errno.ENOTDIR and _is_link(name, here):
                    error = OSError(errno.ELOOP, "")
                raise _explained(error) from error
            os.close(here)
            here = following
        yield here, last
    finally:
        os.close(here)


def _is_link(name: str, folder: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISLNK(_stat(name, folder).st_mode)
    return False


def _explained(error: OSError) -> OSError:
    if error.errno in (errno.ELOOP, getattr(errno, "EMLINK", errno.ELOOP)):
        return UnsafePath(errno.ELOOP, "lies behind a symbolic link now")
    if error.errno == errno.ENOTDIR:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return error


def _stat(name: str, folder: int | None) -> os.stat_result:
    if folder is None:
        return os.lstat(name)
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _born(name: str, folder: int | None, status: os.stat_result) -> int:
    """Return when a file was made, in nanoseconds; 0 if that is not known."""
    known: int | float | None = getattr(status, "st_birthtime_ns", None)
    if known is None and (seconds := getattr(status, "st_birthtime", None)) is not None:
        known = seconds * 1e9
    if known is not None:
        return int(known)
    call = _statx()
    if call is None:
        return 0
    found = ctypes.create_string_buffer(256)
    at = _AT_FDCWD if folder is None else folder
    if call(at, os.fsencode(name), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, found) != 0:
        return 0
    if not struct.unpack_from("=I", found, 0)[0] & _STATX_BTIME:
        return 0
    seconds, nanoseconds = struct.unpack_from("=qI", found, 80)
    return int(seconds) * 10**9 + int(nanoseconds)


_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME = -100, 0x100, 0x800


@functools.cache
def _statx() -> Callable[..., Any] | None:
    """Return the C library's ``statx``, by which Linux says when a file was made; else None."""
    try:
        call = ctypes.CDLL(None, use_errno=True).statx
    except (AttributeError, OSError, TypeError):
        return None
    call.argtypes = (
        ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p,
    )  # fmt: skip
    return call

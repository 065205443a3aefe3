"""Landlock through ctypes: the calling thread and its later children reach only named paths.

Irreversible. Rights are given on open file descriptions, so a rule follows the folder, not its
name. Stdlib only; Linux 5.13 and later.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterable, Sequence

from analyst_kernel.sandbox.linux import privileges

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_NET_BIND_TCP, _NET_CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT, _SCOPE_SIGNAL = 1, 2

READ = READ_FILE | READ_DIR
WRITE = (
    READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
)
SOCKETS = (WRITE | MAKE_SOCK) & ~REFER
"""Nothing is moved or linked here from elsewhere: a socket in this place is the kernel's own."""
DEVICE = READ | WRITE_FILE | IOCTL_DEV
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_fs", ctypes.c_uint64),
        ("handled_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def _syscall(number: int, *arguments: object) -> int:
    result: int = privileges.libc.syscall(ctypes.c_long(number), *arguments)
    return result


def abi() -> int:
    """Return the kernel's Landlock version, or 0 if it has no Landlock or it is switched off."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        found = _syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except (AttributeError, OSError):
        return 0
    return max(found, 0)


def handled(version: int) -> tuple[int, int, int]:
    """``(filesystem, network, scope)`` rights that ABI ``version`` can take away."""
    filesystem = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if version >= since:
            filesystem |= right
    network = _NET_BIND_TCP | _NET_CONNECT_TCP if version >= 4 else 0
    scoped = _SCOPE_ABSTRACT | _SCOPE_SIGNAL if version >= 6 else 0
    return filesystem, network, scoped


def restrict(
    read: Sequence[str],
    write: Sequence[str],
    *,
    execute: Sequence[str] = (),
    listing: Sequence[str] = (),
    sockets: Sequence[str] = (),
    devices: Sequence[str] = (),
    granted: Iterable[tuple[int, int]] = (),
) -> None:
    """Leave the calling thread only these paths.

    TCP is closed as well (ABI 4), and signals and abstract sockets to processes outside (ABI 6).

    Args:
        read: Files or folders that may be read.
        write: Folders in which files may be read, made, changed and removed.
        execute: Files or folders that may be read and executed.
        listing: Folders whose names may be listed, down to the leaves, without reading a file.
        sockets: Like ``write``, and sockets may be made there, but nothing moves between folders.
        devices: Device files (or folders of them) to read, write and control.
        granted: Open descriptors with the rights below each; one is used before the next is asked.

    Paths that do not exist, and symbolic links, are passed over.

    Raises:
        OSError: Landlock is not available or refused a rule; nothing is restricted then.
    """
    version = abi()
    if version < 1:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    filesystem, network, scoped = handled(version)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = _Ruleset(filesystem, network, scoped)
    ruleset = _syscall(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise privileges.fail("landlock_create_ruleset")
    try:
        for paths, rights in (
            (read, READ),
            (write, WRITE),
            (execute, READ | EXECUTE),
            (listing, READ_DIR),
            (sockets, SOCKETS),
            (devices, DEVICE),
        ):
            for path in paths:
                _allow(ruleset, path, rights & filesystem)
        for fd, rights in granted:
            _add_rule(ruleset, fd, rights & filesystem)
        privileges.no_new_privileges()
        if _syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)) != 0:
            raise privileges.fail("landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add one rule; a missing path or a symbolic link adds none."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        _add_rule(ruleset, fd, rights, path)
    finally:
        os.close(fd)


def _add_rule(ruleset: int, fd: int, rights: int, path: str = "granted data") -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISLNK(mode):
        return
    if not stat.S_ISDIR(mode):
        rights &= _FILE_RIGHTS
    if not rights:
        return
    rule = _PathBeneath(rights, fd)
    added = _syscall(
        _ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.byref(rule), ctypes.c_uint32(0)
    )
    if added != 0:
        raise privileges.fail(f"landlock_add_rule for {path}")

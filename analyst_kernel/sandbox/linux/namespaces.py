"""Namespaces and mounts through ctypes: thin calls that raise ``OSError``, no policy (Linux only).

Mounts are handled as descriptors wherever a different process could change a path. Stdlib only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

from analyst_kernel.sandbox.linux.privileges import fail, libc
from analyst_kernel.sandbox.linux.syscall_numbers import machine, number

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
MNT_DETACH = 2

ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4

_AT_EMPTY_PATH, _AT_RECURSIVE, _AT_SYMLINK_NOFOLLOW = 0x1000, 0x8000, 0x100
_OPEN_TREE_CLONE = 1
_MOVE_FROM_FD, _MOVE_TO_FD, _MOVE_BENEATH = 0x4, 0x40, 0x200
_FSOPEN_CLOEXEC, _FSMOUNT_CLOEXEC = 1, 1
_SET_STRING, _CREATE = 1, 6
_RESOLVE_NO_XDEV = 0x1
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x2, 0x4, 0x8

# The same numbers on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_OPENAT2, _MOUNT_SETATTR = 437, 442


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def _call(what: str, nr: int, *arguments: object) -> int:
    result: int = libc.syscall(ctypes.c_long(nr), *arguments)
    if result < 0:
        raise fail(what)
    return result


def _int(value: int) -> ctypes.c_int:
    return ctypes.c_int(value)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


@contextlib.contextmanager
def owned(fd: int) -> Iterator[int]:
    """Close ``fd`` at the end of the block."""
    try:
        yield fd
    finally:
        os.close(fd)


def unshare(flags: int) -> None:
    """Move the caller (``NEWPID``: its next children) into new namespaces."""
    if libc.unshare(_int(flags)) != 0:
        raise fail(f"unshare({flags:#x})")


def setns(fd: int, flags: int) -> None:
    """Join the namespace behind ``fd``; ``NEWNS`` only in a process with a single thread."""
    if libc.setns(_int(fd), _int(flags)) != 0:
        raise fail(f"setns({flags:#x})")


def mount(
    source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str = ""
) -> None:
    """Mount in the classic way, for paths that no other process can change."""
    done = libc.mount(
        _bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(data or None)
    )
    if done != 0:
        raise fail(f"mount {target}")


def unmount(target: str) -> None:
    """Detach what is mounted on ``target``, with everything below it."""
    if libc.umount2(_bytes(target), _int(MNT_DETACH)) != 0:
        raise fail(f"umount {target}")


def pivot_into(folder: str) -> None:
    """Make the mount point ``folder`` the root, and let go of everything else."""
    nr = number("pivot_root", machine())
    os.chdir(folder)
    _call("pivot_root", nr or -1, b".", b".")
    unmount(".")
    os.chdir("/")


def open_beneath(folder_fd: int, path: str, *, same_mount: bool = False) -> int:
    """Open ``path`` below a folder as ``O_PATH``, through no symbolic link at all.

    With ``same_mount`` nothing that is mounted below the folder is opened either.
    """
    flags = os.O_PATH | os.O_CLOEXEC
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS
    how = _OpenHow(flags, 0, resolve | (_RESOLVE_NO_XDEV if same_mount else 0))
    size = ctypes.c_size_t(ctypes.sizeof(how))
    name = _bytes(path.lstrip("/") or ".")
    return _call(f"open {path}", _OPENAT2, _int(folder_fd), name, ctypes.byref(how), size)


def clone_tree(fd: int, *, recursive: bool = True) -> int:
    """Return a detached copy of the mounts at an ``O_PATH`` descriptor."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    return _call("open_tree", _OPEN_TREE, _int(fd), b"", ctypes.c_uint(flags))


def set_attributes(fd: int, *, add: int = 0, clear: int = 0, recursive: bool = True) -> None:
    """Change the flags of a detached tree, and cut it off from propagation."""
    attributes = _MountAttributes(add, clear, MS_PRIVATE, 0)
    flags = ctypes.c_uint(_AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0))
    given = ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes))
    _call("mount_setattr", _MOUNT_SETATTR, _int(fd), b"", flags, *given)


def attach(tree_fd: int, target_fd: int, *, beneath: bool = False) -> None:
    """Put a detached tree on a target in the caller's mount namespace.

    Args:
        tree_fd: From :func:`clone_tree` or :func:`new_tmpfs`.
        target_fd: An ``O_PATH`` descriptor of the mount point.
        beneath: Under what is mounted there, which then can be taken away without a gap.
    """
    flags = _MOVE_FROM_FD | _MOVE_TO_FD | (_MOVE_BENEATH if beneath else 0)
    _call("move_mount", _MOVE_MOUNT, _int(tree_fd), b"", _int(target_fd), b"", ctypes.c_uint(flags))


def new_tmpfs(size: int) -> int:
    """Return a detached empty tmpfs of at most ``size`` bytes; writable at first."""
    opened = _call("fsopen", _FSOPEN, b"tmpfs", ctypes.c_uint(_FSOPEN_CLOEXEC))
    with owned(opened) as context:
        for key, value in ((b"size", b"%d" % size), (b"mode", b"755"), (b"source", b"tmpfs")):
            command = ctypes.c_uint(_SET_STRING)
            _call("fsconfig", _FSCONFIG, _int(context), command, key, value, _int(0))
        _call("fsconfig", _FSCONFIG, _int(context), ctypes.c_uint(_CREATE), None, None, _int(0))
        flags, attributes = ctypes.c_uint(_FSMOUNT_CLOEXEC), ctypes.c_uint(ATTR_NOSUID | ATTR_NODEV)
        return _call("fsmount", _FSMOUNT, _int(context), flags, attributes)


def new_user_namespace() -> None:
    """Enter a user namespace of one's own, with the same uid and gid; needs an own /proc."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(NEWUSER)
    for name, line in (
        ("setgroups", "deny"),
        ("gid_map", f"{gid} {gid} 1"),
        ("uid_map", f"{uid} {uid} 1"),
    ):
        with owned(os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)) as fd:
            os.write(fd, line.encode())

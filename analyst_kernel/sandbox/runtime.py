"""Private folders in /tmp for sockets and canaries: one per server process, swept when it is gone.

A folder is held by a lock on a file in it. A server that was killed leaves its folder unlocked, and
the next server to start removes it. Only folders with our own prefix and owner are ever touched.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import secrets
import stat
import tempfile
import threading
from collections.abc import Callable
from typing import TypeVar

from analyst_kernel._trees import remove_tree

T = TypeVar("T")

PREFIX = "ak-"
LOCK = "analyst.lock"
"""The file whose lock marks a folder as in use."""

LONGEST_SOCKET = 103
"""Bytes of the longest socket path that every system takes."""


class RuntimeFolder:
    """One server's folder: ``/tmp/ak-XXXXXXXX`` with mode 0700, a lock, and a folder per kernel.

    Making it removes what servers that are gone left below ``base``.
    """

    def __init__(self, base: str | None = None) -> None:
        parent = base or _short_base()
        sweep(parent)
        self.path, self._lock = _make(parent)
        self._numbers = itertools.count(1)
        self._pid = os.getpid()

    def kernel_folder(self) -> str:
        """Make a folder for one kernel, mode 0700; its ``s`` holds the sockets."""
        path = os.path.join(self.path, str(next(self._numbers)))
        os.mkdir(path, 0o700)
        os.mkdir(os.path.join(path, "s"), 0o700)
        return path

    def remove(self) -> None:
        """Remove everything. Idempotent, and does nothing in a forked child."""
        if self._pid != os.getpid() or self._lock < 0:
            return
        remove_tree(self.path)
        os.close(self._lock)
        self._lock = -1


def once_per_process(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that makes its result at the first call; a forked child makes its own."""
    lock = threading.Lock()
    made: dict[int, T] = {}

    @functools.wraps(make)
    def found() -> T:
        with lock:
            if os.getpid() not in made:
                made.clear()  # neither folder nor threads of a parent are ours
                made[os.getpid()] = make()
            return made[os.getpid()]

    return found


@once_per_process
def runtime_folder() -> RuntimeFolder:
    """Return this process's folder, which is removed at the exit."""
    folder = RuntimeFolder()
    atexit.register(folder.remove)
    return folder


def _short_base() -> str:
    """Return the temporary folder, or /tmp where that is too deep for a socket's path."""
    found = os.path.realpath(tempfile.gettempdir())
    longest = LONGEST_SOCKET - len(f"/{PREFIX}00000000/9999/s/k-1")
    return found if len(os.fsencode(found)) <= longest else "/tmp"  # noqa: S108 - made private below


def _make(parent: str) -> tuple[str, int]:
    """Make a folder that is locked before any other server could see it as abandoned."""
    while True:
        path = os.path.join(parent, PREFIX + secrets.token_hex(4))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            continue
        try:
            lock = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # a second server swept it in between
        _take(lock, wait=True)
        if os.path.exists(os.path.join(path, LOCK)):
            return path, lock
        os.close(lock)


def sweep(parent: str) -> list[str]:
    """Remove folders of ours in ``parent`` whose server is gone; return their paths."""
    removed: list[str] = []
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and _abandoned(entry.path):
                remove_tree(entry.path)
                removed.append(entry.path)
    return removed


def _abandoned(path: str) -> bool:
    """Return whether ``path`` is a folder of ours that no running server holds."""
    if os.name != "posix":
        return False  # without locks nothing shows that a folder is in use
    try:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return False
        lock = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # not one of ours, or still being made
    try:
        return _take(lock, wait=False)
    finally:
        os.close(lock)


def _take(lock: int, *, wait: bool) -> bool:
    """Lock an open file; return whether that succeeded. Without locks, nothing is swept."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return wait
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True

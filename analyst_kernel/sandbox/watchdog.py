"""One thread that checks every kernel twice a second and ends those over their limits.

It is the only check that counts shared memory and many small processes on every platform. It
measures and kills, and reports one word per kernel.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from analyst_kernel.sandbox.parked import parked_memory, unnamed_bytes
from analyst_kernel.sandbox.policy import ResourceLimits

if TYPE_CHECKING:
    import psutil

INTERVAL = 0.5
"""Seconds between two checks."""

Excess = Literal["memory", "processes", "disk", "processor"]

_log = logging.getLogger(__name__)
_DISK_EVERY = 4  # checks; walking a folder costs more than reading /proc
_SCAN_SECONDS = 0.25
"""How long one check counts the files, or the descriptors, of one kernel; the next one goes on."""
_ENTRY = 1024
"""Bytes that every entry counts for: an empty file takes an inode."""
_DEEPEST = 64
_TOO_DEEP = 1 << 62
"""What folders nested deeper than that count for."""


@dataclass(eq=False)
class WatchedKernel:
    """One kernel under watch, by its outermost process on the host.

    ``end`` is called from the watchdog's thread, once; ``folders`` are those that it can fill, with
    the bytes each may hold.
    """

    pid: int
    limits: ResourceLimits
    end: Callable[[Excess], None]
    alive: Callable[[], bool]
    folders: tuple[tuple[str, int], ...] = ()
    seen: set[psutil.Process] = field(default_factory=set)
    scans: dict[str, tuple[Iterator[int], int]] = field(default_factory=dict)
    ended: bool = False


class Watchdog:
    """Watches kernels of this server from a daemon thread, which sleeps while there are none."""

    def __init__(self) -> None:
        self._watched: list[WatchedKernel] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, watched: WatchedKernel) -> None:
        """Watch a kernel from now on."""
        with self._lock:
            self._watched.append(watched)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="analyst-watchdog", daemon=True
                )
                self._thread.start()
        self._wake.set()

    def remove(self, watched: WatchedKernel) -> None:
        """Stop watching, and kill what is left of a kernel that ended. Idempotent."""
        with self._lock:
            if watched in self._watched:
                self._watched.remove(watched)
        end_stragglers(watched.seen)

    def _check_all(self) -> None:
        with self._lock:
            watched = list(self._watched)
        children = _children() if watched else {}
        for kernel in watched:
            try:
                self._check(kernel, children)
            except Exception:  # noqa: BLE001 - one kernel that cannot be measured must not unwatch the others
                _log.exception("a kernel could not be checked (pid %d)", kernel.pid)

    def _check(self, kernel: WatchedKernel, children: dict[int, list[psutil.Process]]) -> None:
        if kernel.ended or not kernel.alive():
            return
        excess = self._excess(kernel, children)
        if excess is not None and kernel.alive():
            kernel.ended = True
            kernel.end(excess)

    _checks = 0

    def _excess(
        self, kernel: WatchedKernel, children: dict[int, list[psutil.Process]]
    ) -> Excess | None:
        import psutil

        family = [psutil.Process(kernel.pid), *_descendants(kernel.pid, children)]
        kernel.seen = set(family)
        if len(family) > kernel.limits.processes:
            return "processes"
        if _threads(family) > 4 * kernel.limits.processes:
            return "processes"
        if kernel.limits.cpu_seconds and _cpu_seconds(family) > kernel.limits.cpu_seconds:
            return "processor"
        pids = [process.pid for process in family]
        most = kernel.limits.memory_bytes
        parked = _scan(kernel, "parked", partial(parked_memory, pids))
        if parked > most or _resident(family, most - parked) > most - parked:
            return "memory"
        if self._checks % _DISK_EVERY == 0:
            for folder, room in kernel.folders:
                if _scan(kernel, folder, partial(_on_disk, folder, pids)) > room:
                    return "disk"
        return None

    def _run(self) -> None:
        while True:
            with self._lock:
                idle = not self._watched
                if idle:
                    self._wake.clear()
            if idle:
                self._wake.wait()
            # Before the check, so that a kernel that just started has the processor for itself.
            threading.Event().wait(INTERVAL)
            self._checks += 1
            self._check_all()


def _children() -> dict[int, list[psutil.Process]]:
    """Return processes of this machine by their parent's pid."""
    import psutil

    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found.setdefault(process.ppid(), []).append(process)
    return found


def _descendants(pid: int, children: dict[int, list[psutil.Process]]) -> Iterable[psutil.Process]:
    pending = list(children.get(pid, ()))
    while pending:
        process = pending.pop()
        yield process
        pending += children.get(process.pid, ())


def _cpu_seconds(family: Iterable[psutil.Process]) -> float:
    """Return what the family has computed, processes that ended and were waited for included."""
    import psutil

    total = 0.0
    for process in family:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def _threads(family: Iterable[psutil.Process]) -> int:
    import psutil

    total = 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            total += process.num_threads()
    return total


def _resident(family: Iterable[psutil.Process], limit: int) -> int:
    """Return the memory of the family, bytes; shared pages are counted once where that matters."""
    import psutil

    rough: dict[psutil.Process, int] = {}
    for process in family:
        with contextlib.suppress(psutil.Error):
            rough[process] = process.memory_info().rss
    if sum(rough.values()) <= limit:
        return sum(rough.values())
    total = 0
    for process, resident in rough.items():
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.uss)
        except (psutil.Error, AttributeError):
            total += resident
    return total


def _scan(kernel: WatchedKernel, what: str, begin: Callable[[], Iterator[int]]) -> int:
    """Count on for a moment, so that what one kernel filled leaves the others their checks."""
    sizes, total = kernel.scans.pop(what) if what in kernel.scans else (begin(), 0)
    until = time.monotonic() + _SCAN_SECONDS
    for size in sizes:
        total += size
        if total >= _TOO_DEEP:
            return total
        if time.monotonic() > until:
            kernel.scans[what] = (sizes, total)
            break
    return total


def _on_disk(folder: str, pids: Sequence[int]) -> Iterator[int]:
    yield from unnamed_bytes(pids, folder)
    yield from _sizes(folder)


def folder_bytes(folder: str, enough: int) -> int:
    """Return bytes on disk below ``folder``, counting until they exceed ``enough``."""
    total = 0
    for size in _sizes(folder):
        total += size
        if total > enough:
            break
    return total


def _sizes(folder: str, parent: int | None = None, depth: int = 0) -> Iterator[int]:
    """Yield what each entry below a folder takes, by descriptors: no path is too long for them."""
    if os.scandir not in os.supports_fd:
        for where, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    yield os.lstat(os.path.join(where, name)).st_size
        return
    if depth > _DEEPEST:
        yield _TOO_DEEP
        return
    try:
        here = _open_folder(folder, parent)
    except OSError:
        return
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                below = False
                size = _ENTRY
                with contextlib.suppress(OSError):
                    below = entry.is_dir(follow_symlinks=False)
                    status = os.stat(entry.name, dir_fd=here, follow_symlinks=False)
                    size = max(_ENTRY, status.st_blocks * 512)
                yield size
                if below:
                    yield from _sizes(entry.name, here, depth + 1)
    except OSError:
        return
    finally:
        os.close(here)


def _open_folder(name: str, parent: int | None) -> int:
    """Open a folder, also one that the code of its owner, who is ours, made unlistable."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if parent is None else os.O_NOFOLLOW)
    any_mode = getattr(os, "O_PATH", None)
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        if parent is None or any_mode is None:
            raise
        if os.stat(name, dir_fd=parent, follow_symlinks=False).st_uid != os.getuid():
            raise
        found = os.open(name, any_mode | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{found}", 0o700)  # never through a link put in its place
            return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(found)


def end_stragglers(processes: Iterable[psutil.Process]) -> None:
    """Kill what was once seen below a kernel and still runs; a reused pid is never hit."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running():  # compares the start time too
                process.kill()

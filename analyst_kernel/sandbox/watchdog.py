"""One thread that checks every kernel twice a second and ends those over their limits.

It is the only check that counts shared memory and many small processes on every platform. It
measures and kills, and reports one word per kernel.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import psutil

from analyst_kernel.sandbox.policy import ResourceLimits

INTERVAL = 0.5
"""Seconds between two checks."""

Excess = Literal["memory", "processes", "disk"]

_log = logging.getLogger(__name__)
_DISK_EVERY = 4  # checks; walking a folder costs more than reading /proc


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
        family = [psutil.Process(kernel.pid), *_descendants(kernel.pid, children)]
        kernel.seen = set(family)
        if len(family) > kernel.limits.processes:
            return "processes"
        if _threads(family) > 4 * kernel.limits.processes:
            return "processes"
        if _resident(family, kernel.limits.memory_bytes) > kernel.limits.memory_bytes:
            return "memory"
        if self._checks % _DISK_EVERY == 0:
            for folder, most in kernel.folders:
                if folder_bytes(folder, most) > most:
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


def _threads(family: Iterable[psutil.Process]) -> int:
    total = 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            total += process.num_threads()
    return total


def _resident(family: Iterable[psutil.Process], limit: int) -> int:
    """Return the memory of the family, bytes; shared pages are counted once where that matters."""
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


def folder_bytes(folder: str, enough: int) -> int:
    """Return bytes on disk below ``folder``, counting until they exceed ``enough``."""
    total = 0
    pending = [folder]
    while pending and total <= enough:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        else:
                            total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total


def end_stragglers(processes: Iterable[psutil.Process]) -> None:
    """Kill what was once seen below a kernel and still runs; a reused pid is never hit."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running():  # compares the start time too
                process.kill()

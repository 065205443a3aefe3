"""A control group per kernel, where this user may make one: a hard stop for memory and processes.

Chosen by doing: a group counts only when its limits could be written. Version 2 (beside or below
our own group) is tried first, then version 1. Linux only.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator

from analyst_kernel.sandbox.policy import ResourceLimits

ROOT = "/sys/fs/cgroup"
PREFIX = "analyst-kernel-"
_numbers = itertools.count(1)


class Cgroup:
    """One group: the folders of its controllers (one for version 2)."""

    def __init__(self, folders: tuple[str, ...], version: int) -> None:
        """Own ``folders``, which exist and are limited."""
        self._folders = folders
        self._version = version

    def add(self, pid: int) -> None:
        """Move a process in, with what it starts from now on; raises ``OSError``."""
        for folder in self._folders:
            _write(f"{folder}/cgroup.procs", str(pid))

    def out_of_memory(self) -> bool:
        """Whether something in it was killed for memory."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                for line in _lines(f"{folder}/{name}"):
                    words = line.split()
                    if len(words) == 2 and words[0] == "oom_kill" and words[1] != "0":
                        return True
        return False

    def kill(self) -> None:
        """End everything in it (version 2 at once, version 1 process by process)."""
        for folder in self._folders:
            if self._version == 2:
                with contextlib.suppress(OSError):
                    _write(f"{folder}/cgroup.kill", "1")
            for line in _lines(f"{folder}/cgroup.procs"):
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(line), 9)

    def remove(self) -> bool:
        """Remove the folders; false while something still lives in them."""
        left: list[str] = []
        for folder in self._folders:
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(folder)
        self._folders = tuple(left)
        return not left


def create(limits: ResourceLimits) -> Cgroup | None:
    """Make a limited group, or return ``None`` where this user cannot."""
    sweep()
    name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    own = dict(_own_groups())
    if "" in own:
        for parent in dict.fromkeys((os.path.dirname(own[""]), own[""])):
            group = _create_2(f"{parent}/{name}", limits)
            if group:
                return group
    if "memory" in own and "pids" in own:
        return _create_1(f"{own['memory']}/{name}", f"{own['pids']}/{name}", limits)
    return None


def sweep() -> None:
    """Remove empty groups of servers that are gone."""
    for _controller, folder in _own_groups():
        for parent in (os.path.dirname(folder), folder):
            with contextlib.suppress(OSError), os.scandir(parent) as entries:
                for entry in entries:
                    if entry.name.startswith(PREFIX) and not _alive(entry.name):
                        with contextlib.suppress(OSError):
                            os.rmdir(entry.path)


def _alive(name: str) -> bool:
    pid = name[len(PREFIX) :].split("-", maxsplit=1)[0]
    return os.path.exists(f"/proc/{pid}")


def _own_groups() -> Iterator[tuple[str, str]]:
    """``(controller, folder)`` of the groups we are in; the controller of version 2 is empty."""
    for line in _lines("/proc/self/cgroup"):
        _number, controllers, path = line.split(":", 2)
        path = path.rstrip("/")
        if not controllers:
            for base in (ROOT, f"{ROOT}/unified"):
                if os.path.exists(f"{base}/cgroup.controllers"):
                    yield "", f"{base}{path}"
        for controller in controllers.split(","):
            if controller and os.path.isdir(f"{ROOT}/{controller}{path}"):
                yield controller, f"{ROOT}/{controller}{path}"


def _create_2(folder: str, limits: ResourceLimits) -> Cgroup | None:
    if not folder.startswith(ROOT + "/"):
        return None
    return _limited(
        Cgroup((folder,), 2),
        (folder,),
        {
            f"{folder}/memory.max": str(limits.memory_bytes),
            f"{folder}/pids.max": str(limits.processes),
        },
        {f"{folder}/memory.swap.max": "0", f"{folder}/memory.oom.group": "0"}
        | _cpu_limit(folder, limits),
    )


def _cpu_limit(folder: str, limits: ResourceLimits) -> dict[str, str]:
    return {f"{folder}/cpu.max": f"{limits.cpus * 100_000} 100000"} if limits.cpus else {}


def _create_1(memory: str, pids: str, limits: ResourceLimits) -> Cgroup | None:
    return _limited(
        Cgroup((memory, pids), 1),
        (memory, pids),
        {
            f"{memory}/memory.limit_in_bytes": str(limits.memory_bytes),
            f"{pids}/pids.max": str(limits.processes),
        },
        {f"{memory}/memory.memsw.limit_in_bytes": str(limits.memory_bytes)},
    )


def _limited(
    group: Cgroup, folders: tuple[str, ...], needed: dict[str, str], wished: dict[str, str]
) -> Cgroup | None:
    """Make the folders and write the limits; undo everything when a needed one is refused."""
    try:
        for folder in folders:
            os.mkdir(folder)
        for path, value in needed.items():
            _write(path, value)
    except OSError:
        group.remove()
        return None
    for path, value in wished.items():
        with contextlib.suppress(OSError):
            _write(path, value)
    return group


def _write(path: str, value: str) -> None:
    """Write without creating: a missing control file means that the controller is missing."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []

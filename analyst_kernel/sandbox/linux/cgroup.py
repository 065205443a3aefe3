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
    """One group.

    Args:
        folders: Its folder for each controller; one for version 2.
        version: Of the control groups, 1 or 2.
    """

    def __init__(self, folders: tuple[str, ...], version: int) -> None:
        self._folders = folders
        self._version = version

    def needed(self, limits: ResourceLimits) -> dict[str, str]:
        """Files and values without which it is no limit."""
        memory, pids = self._folders[0], self._folders[-1]
        name = "memory.max" if self._version == 2 else "memory.limit_in_bytes"
        return {
            f"{memory}/{name}": str(limits.memory_bytes),
            f"{pids}/pids.max": str(limits.processes),
        }

    def wished(self, limits: ResourceLimits) -> dict[str, str]:
        """Files and values that not every system takes."""
        folder = self._folders[0]
        if self._version == 1:
            return {f"{folder}/memory.memsw.limit_in_bytes": str(limits.memory_bytes)}
        quota = str(limits.cpus * 100_000) if limits.cpus else "max"
        return {
            f"{folder}/memory.swap.max": "0",
            f"{folder}/memory.oom.group": "0",
            f"{folder}/cpu.max": f"{quota} 100000",
        }

    def limit(self, limits: ResourceLimits) -> None:
        """Set its limits, also of a group that has others; raises ``OSError``."""
        wished, needed = self.wished(limits), self.needed(limits)
        # Version 1 requires memory with swap to be the larger of the two at every moment.
        for values in (wished, needed, wished):
            for path, value in values.items():
                with contextlib.nullcontext() if values is needed else contextlib.suppress(OSError):
                    _write(path, value)

    def add(self, pid: int) -> None:
        """Move a process in, with what it starts from now on; raises ``OSError``."""
        for folder in self._folders:
            _write(f"{folder}/cgroup.procs", str(pid))

    def out_of_memory(self) -> bool:
        """Return whether something in it was killed for memory."""
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
        """Remove the folders; return False while a process is still in them."""
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
    """Make a limited group, or return None where this user cannot."""
    sweep()
    name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    own = dict(_own_groups())
    if "" in own:
        for parent in dict.fromkeys((os.path.dirname(own[""]), own[""])):
            if not f"{parent}/".startswith(f"{ROOT}/"):
                continue
            group = _made((f"{parent}/{name}",), 2, limits)
            if group:
                return group
    if "memory" in own and "pids" in own:
        return _made((f"{own['memory']}/{name}", f"{own['pids']}/{name}"), 1, limits)
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


def _made(folders: tuple[str, ...], version: int, limits: ResourceLimits) -> Cgroup | None:
    """Make the folders and write the limits; undo everything when a needed one is refused."""
    group = Cgroup(folders, version)
    try:
        for folder in folders:
            os.mkdir(folder)
        group.limit(limits)
    except OSError:
        group.remove()
        return None
    return group


def _write(path: str, value: str) -> None:
    """Write without creating: a missing control file means that the controller is missing."""
    with open(path, "wb", 0, opener=lambda name, _flags: os.open(name, os.O_WRONLY)) as file:
        file.write(value.encode())


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []

"""What one kernel may reach: a frozen value, checked when it is made, sent to the launcher as JSON.

Stdlib only, because it is read inside the sandbox too. It decides nothing about *how* a rule is
enforced; that is up to each backend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from analyst_kernel.protocol.errors import PolicyError

MIB = 1024 * 1024
GIB = 1024 * MIB

BackendName = Literal["zygote", "bubblewrap", "landlock", "limits", "none"]
"""How a kernel is enclosed, strongest first; ``limits`` and ``none`` isolate nothing."""

BACKENDS: tuple[BackendName, ...] = get_args(BackendName)

NEVER = ("/", "/etc", "/run", "/var", "/var/run", "/home", "/root", "/boot", "/mnt", "/media")
"""Folders that may not be shown as a whole."""

NEVER_BELOW = ("/proc", "/sys", "/dev")
"""Trees that hold no data; nothing below them may be granted."""

PROC_READ_ONLY = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger")
"""Parts of a fresh /proc that are remounted read-only."""

PROC_MASKED = (
    "/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug",
    "/proc/slabinfo", "/proc/interrupts", "/proc/latency_stats", "/proc/kallsyms", "/proc/kmsg",
    "/proc/vmallocinfo", "/proc/pagetypeinfo", "/proc/iomem", "/proc/ioports", "/proc/modules",
    "/proc/config.gz", "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup",
    "/proc/vmcore", "/proc/cmdline",
)  # fmt: skip
"""Files of a fresh /proc that are covered with /dev/null (those that exist)."""

PROC_MASKED_FOLDERS = ("/proc/acpi", "/proc/scsi", "/proc/asound", "/proc/driver")
"""Folders of a fresh /proc that are covered with an empty read-only folder (those that exist)."""


@dataclass(frozen=True)
class ResourceLimits:
    """What one kernel may use.

    Attributes:
        memory_bytes: Memory of the whole kernel, bytes.
        processes: Processes and threads at once.
        tmp_bytes: Size of /tmp and, separately, of /dev/shm, bytes.
        file_bytes: Largest single file, bytes.
        open_files: Open files per process.
        cpus: CPU cores that libraries may use; 0 is all of them.
        core: Largest core dump, bytes.
        output_bytes: Everything in OUTPUT_DIR together, bytes.
        cpu_seconds: Time of processors, of all its processes; 0 is without end.
    """

    memory_bytes: int = 2 * GIB
    processes: int = 128
    tmp_bytes: int = 256 * MIB
    file_bytes: int = 1 * GIB
    open_files: int = 1024
    cpus: int = 0
    core: int = 0
    output_bytes: int = 4 * GIB
    cpu_seconds: int = 0

    @property
    def data_bytes(self) -> int:
        """What a process may allocate on top of its interpreter and libraries, bytes.

        Less than ``memory_bytes``, so that a runaway cell meets a MemoryError, which keeps the
        state, before anything kills the kernel.
        """
        return self.memory_bytes - min(256 * MIB, self.memory_bytes // 4)

    def __post_init__(self) -> None:
        """Refuse values with which no kernel could run."""
        least = {
            "memory_bytes": 64 * MIB, "processes": 16, "tmp_bytes": MIB, "file_bytes": MIB,
            "open_files": 64, "cpus": 0, "core": 0, "output_bytes": MIB,
            "cpu_seconds": 0,
        }  # fmt: skip
        for name, lowest in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise PolicyError(f"{name} must be a whole number of at least {lowest}")


@dataclass(frozen=True)
class SandboxPolicy:
    """What one kernel may reach. All paths are absolute and canonical.

    Attributes:
        workdir: The kernel's working folder; not shown by that, and never writable.
        output_dir: The one writable folder of the user's.
        grants: Files or folders shown read-only at their own paths.
        runtime_dir: Where the kernel's sockets are; writable.
        system: Interpreter and libraries, read-only and executable.
        hidden: Entries inside granted folders that stay invisible.
        links: ``(target, path)`` of links to make, which lead to the interpreter.
        limits: Resources.
        backend: The construction.
        landlock: Whether Landlock is one of the layers; only the user's configuration turns it off.
        identities: Device and inode of each of ``grants``, in their order: whatever else stands at
            such a path when it is shown is not shown.
    """

    workdir: str
    output_dir: str
    grants: tuple[str, ...]
    runtime_dir: str
    system: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    backend: BackendName = "bubblewrap"
    landlock: bool = True
    identities: tuple[tuple[int, int], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check every path; raise :class:`PolicyError` with the reason."""
        if len(self.identities) != len(self.grants):
            raise PolicyError("each granted path needs its device and inode")
        if self.backend not in BACKENDS:
            raise PolicyError(f"unknown form {self.backend!r}")
        if self.backend == "landlock" and not self.landlock:
            raise PolicyError("the form 'landlock' needs Landlock")
        named = (
            self.workdir, self.output_dir, self.runtime_dir,
            *self.grants, *self.system, *self.hidden,
        )  # fmt: skip
        for path in (*named, *(path for _target, path in self.links)):
            check_canonical(path)
        home = os.path.normpath(os.path.expanduser("~"))
        for path in (*self.grants, *self.system, self.output_dir, self.runtime_dir):
            if path in NEVER or path == home:
                raise PolicyError(f"{path} may not be shown to a kernel as a whole")
            if any(within(path, tree) for tree in NEVER_BELOW):
                raise PolicyError(f"{path} is no place for data")
        for writable in (self.output_dir, self.runtime_dir):
            for path in named:
                if path != writable and within(path, writable):
                    raise PolicyError(f"{path} lies inside the writable folder {writable}")
        if self.output_dir in (self.runtime_dir, self.workdir):
            raise PolicyError("the output folder must be a folder of its own")
        for path in self.system:
            if within(self.output_dir, path) and path != "/usr":
                # A venv beside the notebook may hold neither the outputs nor the other way round.
                raise PolicyError(f"the output folder lies inside {path}, which runs the kernel")

    @property
    def isolates(self) -> bool:
        """Return whether the backend keeps anything out at all."""
        return self.backend in ("zygote", "bubblewrap", "landlock")

    def to_json(self) -> str:
        """One line of JSON for :meth:`from_json`."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SandboxPolicy:
        """Read :meth:`to_json` back, with the same checks; raises :class:`PolicyError`."""
        try:
            raw: dict[str, Any] = json.loads(text)
            raw["limits"] = ResourceLimits(**raw["limits"])
            for name in ("grants", "system", "hidden"):
                raw[name] = tuple(raw[name])
            raw["identities"] = tuple((device, inode) for device, inode in raw["identities"])
            raw["links"] = tuple((target, path) for target, path in raw["links"])
            return cls(**raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PolicyError(f"not a policy: {error}") from error


def within(path: str, folder: str) -> bool:
    """Return whether ``path`` is ``folder`` or lies below it (both canonical)."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def check_canonical(path: str) -> None:
    """Raise :class:`PolicyError` unless ``path`` is absolute, normal and printable."""
    if not os.path.isabs(path) or path.startswith("//") or os.path.normpath(path) != path:
        raise PolicyError(f"not a canonical absolute path: {path!r}")
    if "\0" in path or "\n" in path:
        raise PolicyError("a path may hold neither NUL nor a line end")


def outermost(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the paths, sorted, without repeated ones and those below another."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda item: (item.count("/"), item)):
        if not any(within(path, other) for other in kept):
            kept.append(path)
    return tuple(sorted(kept))

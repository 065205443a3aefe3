"""Resource limits of the calling process and its later children, by setrlimit.

RLIMIT_AS is never set: libraries reserve address space by the gigabyte and crash without a Python
error. Stdlib only; what a platform lacks is skipped.
"""

from __future__ import annotations

import contextlib
import os

from analyst_kernel.sandbox.policy import ResourceLimits

_LATER = 5  # seconds


def data_bytes() -> int:
    """Return what counts towards RLIMIT_DATA in this process already, bytes (0 where unknown)."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmData:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0


def tasks_of_user() -> int | None:
    """Return the threads of all processes with this uid; None if /proc does not show them."""
    uid, found = os.getuid(), 0
    try:
        entries = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    for entry in entries:
        try:
            if os.stat(f"/proc/{entry}").st_uid == uid:
                found += len(os.listdir(f"/proc/{entry}/task"))
        except OSError:
            continue
    return found


def apply(limits: ResourceLimits, *, data: bool = True, base_tasks: int | None = 0) -> None:
    """Set DATA, FSIZE, NOFILE, CORE, CPU and NPROC, soft and hard, so that they cannot be raised.

    No limit is set above its present hard value. What this process holds already does not count.

    Args:
        limits: The quotas.
        data: Whether to limit memory here; false in a launcher that is about to exec.
        base_tasks: Tasks of the user that do not count towards ``processes``; 0 in a user
            namespace of one's own, measured when None.
    """
    import resource  # not everywhere, and this module is imported everywhere

    wanted = {
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": limits.core,
    }
    if limits.cpu_seconds:
        # Of this process alone; the watchdog adds them up, and knows the reason if it comes first.
        wanted["RLIMIT_CPU"] = int(sum(os.times()[:2])) + limits.cpu_seconds + _LATER
    if data:
        wanted["RLIMIT_DATA"] = data_bytes() + limits.data_bytes
    if os.getuid() != 0:  # the kernel does not count for root
        tasks = tasks_of_user() if base_tasks is None else base_tasks
        if tasks is not None:
            wanted["RLIMIT_NPROC"] = tasks + limits.processes
    for name, value in wanted.items():
        which = getattr(resource, name, None)
        if which is None:
            continue
        with contextlib.suppress(OSError, ValueError):
            _soft, hard = resource.getrlimit(which)
            lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (lowest, lowest))

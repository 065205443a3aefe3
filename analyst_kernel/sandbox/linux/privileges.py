"""Give up privileges of the calling process, by prctl and capset through ctypes (Linux only).

Every function is irreversible for the process and its later children, and raises ``OSError`` when
the kernel refuses. Stdlib only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63

libc: Any = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def fail(what: str) -> OSError:
    """Return the ``OSError`` for the last failed call of ``libc``."""
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {os.strerror(code)}")


def prctl(option: int, value: int = 0, extra: int = 0) -> int:
    """Make the system call; return its result, raises ``OSError`` on -1."""
    result: int = libc.prctl(
        ctypes.c_int(option),
        ctypes.c_ulong(value),
        ctypes.c_ulong(extra),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    if result < 0:
        raise fail(f"prctl({option})")
    return result


def no_new_privileges() -> None:
    """Make every later exec unable to gain privileges; seccomp and Landlock need it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_all_capabilities() -> None:
    """Empty the ambient, bounding, inheritable, permitted and effective sets.

    The bounding set may only be lowered with CAP_SETPCAP; without it the process holds nothing
    that an exec could bring back once :func:`no_new_privileges` is set.
    """
    with contextlib.suppress(OSError):  # before Linux 4.3 there is no ambient set
        prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            continue
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)()
    if libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise fail("capset")


def die_with_parent(parent: int | None = None, signum: int = signal.SIGKILL) -> None:
    """Make the kernel send ``signum`` when the thread that made this process ends.

    Args:
        parent: The parent's pid as the caller read it; when it is already gone, this process
            ends at once (otherwise the signal would never come).
        signum: What to send.
    """
    prctl(PR_SET_PDEATHSIG, int(signum))
    if parent is not None and os.getppid() != parent:
        os._exit(128 + int(signum))


def set_dumpable(dumpable: bool) -> None:
    """Allow or deny other processes of the same user to trace or read this one."""
    prctl(PR_SET_DUMPABLE, int(dumpable))


def become_subreaper() -> None:
    """Adopt descendants whose parent died, so that they can be ended."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)

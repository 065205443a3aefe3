"""Where no process namespace exists: a small parent that ends every stray descendant.

``supervise`` splits the launcher in two. The child goes on to become the kernel; the parent stays
outside the sandbox, adopts orphans (Linux), and ends all of them when the kernel or the server is
gone. Stdlib only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from analyst_kernel.sandbox.linux import privileges


def supervise(
    begin: Callable[[], None] | None = None, keep: Sequence[int] = (), *, first: bool = False
) -> None:
    """Fork; return in the child, and in the parent never.

    The parent exits with the child's status: its exit code, or by the same signal.

    Args:
        begin: Called in the parent.
        keep: Descriptors that it needs.
        first: Whether the parent is the first of a process namespace, which ends with it and ends
            with whoever made it.
    """
    linux = sys.platform.startswith("linux")
    server = os.getppid()
    if linux and not first:
        privileges.become_subreaper()
        # Catchable, so that the descendants can be ended first; the server's death sends it.
        privileges.die_with_parent(signum=signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    kernel = os.fork()
    if kernel == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if linux:
            privileges.die_with_parent(parent)
        return
    at = 3
    for fd in (*sorted(keep), 4096):
        os.closerange(at, fd)  # a pipe of the kernel's held open here would hide its end
        at = fd + 1
    if begin is not None:
        begin()
    kill_on_sigterm(kernel)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    status = _status_of(kernel, server if not linux else None)
    end_descendants()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource

        signal.signal(-code, signal.SIG_DFL) if -code not in (9, 19) else None
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _status_of(kernel: int, server: int | None) -> int:
    """Wait for the kernel and reap orphans meanwhile; return its wait status.

    Args:
        kernel: The child to wait for.
        server: Pid to poll where the system does not signal its end (not Linux), else None.
    """
    while True:
        pid, ended = os.waitpid(-1, 0 if server is None else os.WNOHANG)
        if pid == kernel:
            return ended
        if pid == 0:
            if os.getppid() != server:
                os.kill(kernel, signal.SIGKILL)
                server = None
            else:
                time.sleep(0.5)


def kill_on_sigterm(kernel: int) -> None:
    """Make SIGTERM kill ``kernel``, however often it comes.

    A server that is killed sends one for each of its threads that dies, and the later ones may come
    when the kernel is gone and its descendants are being ended: they must not end that.
    """

    def end(_signum: int, _frame: object) -> None:
        _signal(kernel, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)


def children_of(pid: int) -> list[int]:
    """Return a process's children, zombies included, from /proc (on Linux; elsewhere none)."""
    found: list[int] = []
    try:
        entries = os.listdir("/proc")
    except OSError:
        return found
    for entry in entries:
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as source:
                fields = source.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry))
    return found


def end_descendants() -> None:
    """Kill all descendants until none is left; orphans come here because we are the subreaper.

    Called when the kernel has been waited for; SIGTERM is ignored from then on.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while children := children_of(os.getpid()):
        for child in children:
            # Stopped first, so that a process that forks without end cannot outrun us.
            _signal(child, signal.SIGSTOP)
        for child in children:
            _signal(child, signal.SIGKILL)
        for child in children:
            # Only these: theirs come to us when they end, and would be waited for in vain.
            os.waitpid(child, 0)


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)

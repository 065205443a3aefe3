"""Start processes from one thread that lives as long as this interpreter.

A parent-death signal follows the thread that forked, not the process: a kernel started from a pool
worker dies with the worker. Every kernel therefore starts here.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

_lock = threading.Lock()
_spawners: dict[int, ThreadPoolExecutor] = {}


def start(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: str,
    keep: Sequence[int],
    log: str,
) -> Future[subprocess.Popen[bytes]]:
    """Start a process in a session of its own, with no terminal of ours.

    Args:
        argv: Program and arguments.
        environment: Complete.
        cwd: Its working folder.
        keep: Descriptors that it inherits besides the standard ones, open until the result came.
        log: A file that its output is appended to.

    Returns:
        The process, soon; an ``OSError`` where it cannot be started.
    """

    def begin() -> subprocess.Popen[bytes]:
        with open(log, "ab") as sink:
            return subprocess.Popen(
                list(argv),
                env=dict(environment),
                cwd=cwd,
                pass_fds=tuple(keep),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    try:
        return _spawner().submit(begin)
    except RuntimeError:  # the interpreter shuts down, and its pools take no more work
        refused: Future[subprocess.Popen[bytes]] = Future()
        refused.set_exception(OSError(errno.ECANCELED, "this process is ending"))
        return refused


def _spawner() -> ThreadPoolExecutor:
    """Return this process's one spawning thread (a forked child gets its own)."""
    with _lock:
        found = _spawners.get(os.getpid())
        if found is None:
            _spawners.clear()  # a parent's threads do not exist in a forked child
            found = ThreadPoolExecutor(1, thread_name_prefix="analyst-spawn")
            _spawners[os.getpid()] = found
        return found

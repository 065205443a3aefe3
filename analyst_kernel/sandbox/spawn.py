"""Start processes from one thread that lives as long as this interpreter.

A parent-death signal follows the thread that forked, not the process: a kernel started from a pool
worker dies with the worker. Every kernel therefore starts here.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

_lock = threading.Lock()
_spawners: dict[int, ThreadPoolExecutor] = {}


def spawner() -> ThreadPoolExecutor:
    """This process's one spawning thread (a forked child gets its own)."""
    with _lock:
        found = _spawners.get(os.getpid())
        if found is None:
            _spawners.clear()  # a parent's threads do not exist in a forked child
            found = ThreadPoolExecutor(1, thread_name_prefix="analyst-spawn")
            _spawners[os.getpid()] = found
        return found


def start(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: str,
    keep: Sequence[int],
    log: str,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with no terminal of ours.

    Args:
        argv: Program and arguments.
        environment: Complete.
        cwd: Its working folder.
        keep: Descriptors that it inherits besides the standard ones.
        log: A file that its output is appended to.

    Raises:
        OSError: The program cannot be started.
    """
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

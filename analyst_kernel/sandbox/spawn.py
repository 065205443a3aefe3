"""Start processes from one thread that runs as long as this interpreter.

A parent-death signal follows the thread that forked, not the process: a kernel started from a pool
worker is killed when the worker ends. Every kernel therefore starts here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from analyst_kernel.sandbox.runtime import once_per_process


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


@once_per_process
def _spawner() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="analyst-spawn")


async def readable(fd: int) -> None:
    """Return when ``fd`` can be read, or after a moment if this loop cannot watch it.

    A pidfd can be read when its process has ended. It is watched through a copy, because a loop
    watches a descriptor for one caller only.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not over.done():
            over.set_result(None)

    copy = os.dup(fd)
    try:
        loop.add_reader(copy, settle)
        try:
            await over
        finally:
            loop.remove_reader(copy)
    except NotImplementedError:
        await asyncio.sleep(0.02)
    finally:
        os.close(copy)


def log_tail(path: str, most: int) -> str:
    """Return the end of a log, at most so many bytes, as one line; empty if there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - most))
            return " ".join(stream.read().decode(errors="replace").split())
    except OSError:
        return ""

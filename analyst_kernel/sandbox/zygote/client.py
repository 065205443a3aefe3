"""The server's side of one running zygote: ask for containers, have data shown in them, end it all.

Blocking and safe to call from any thread; every wait has a deadline. It is independent of Jupyter.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel.sandbox.linux import cgroup
from analyst_kernel.sandbox.linux.cgroup import Cgroup
from analyst_kernel.sandbox.policy import ResourceLimits
from analyst_kernel.sandbox.zygote import messages

_ORDER_WAIT = 20.0  # seconds for one answer of zygote or mounter


class OrderSocket:
    """Orders to one process, answered in turn; an answer that comes too late is thrown away."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def ask(
        self, order: dict[str, Any], descriptors: Sequence[int] = (), timeout: float = _ORDER_WAIT
    ) -> list[int]:
        """Send an order and wait for its answer; return the answer's descriptors.

        Raises:
            messages.ConnectionBroken: No answer.
            OSError: The process refused.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            number = next(self._numbers)
            messages.send(self.end, order | {"id": number}, descriptors, timeout)
            while True:
                answer, fds = messages.receive(self.end, max(0.0, deadline - time.monotonic()))
                if answer.get("id") == number:
                    break
                messages.close_all(fds)
        if "error" in answer:
            messages.close_all(fds)
            raise OSError(str(answer["error"]))
        return fds


@dataclass
class Container:
    """One container as the server holds it.

    Attributes:
        number: Its name for the mounter.
        channel: To its first process, later its kernel.
        pidfd: Of its first process.
        pid: The same as a pid of this machine.
        shown: Paths that were mounted, and whether they are writable.
        group: Its control group, if it was made with one; whoever ends the container removes it.
        limits: What the group was limited to.
        bare: Whether no process namespace ends what it holds; its first process does it then.
    """

    number: int
    channel: socket.socket
    pidfd: int
    pid: int
    shown: dict[str, bool] = field(default_factory=dict)
    group: Cgroup | None = None
    limits: ResourceLimits | None = None
    bare: bool = False

    def alive(self) -> bool:
        """Return whether its first process runs."""
        return not self.await_end(0)

    def kill(self) -> None:
        """End everything in it. Idempotent."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM if self.bare else signal.SIGKILL)

    def await_end(self, timeout: float) -> bool:
        """Wait for its end; whether it came."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))


class ZygoteClient:
    """A zygote with its mounter; without a mounter, containers have no mounts of their own."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        zygote: socket.socket,
        mounter: socket.socket | None,
        tops: tuple[str, ...] = (),
    ) -> None:
        self._process = process
        self._zygote = OrderSocket(zygote)
        self._mounter = None if mounter is None else OrderSocket(mounter)
        self._numbers = itertools.count(1)
        self.tops = tops
        self.closed = False

    @property
    def pid(self) -> int:
        """Host pid of bubblewrap."""
        return self._process.pid

    def await_ready(self, timeout: float) -> None:
        """Wait for the libraries; raises ``messages.ConnectionBroken``."""
        _record, fds = messages.receive(self._zygote.end, timeout)
        messages.close_all(fds)

    def alive(self) -> bool:
        """Return whether it can still be asked."""
        return not self.closed and self._process.poll() is None

    def disconnected(self) -> bool:
        """Return whether zygote or mounter closed its end, as they do only by ending."""
        if self.closed:
            return True
        poll = select.poll()
        for orders in (self._zygote, self._mounter):
            if orders is not None:
                poll.register(orders.end, select.POLLHUP)
        return any(events & select.POLLHUP for _fd, events in poll.poll(0))

    def await_end(self, timeout: float) -> None:
        """Wait for its end, not longer than ``timeout`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def make(self, timeout: float = _ORDER_WAIT, serves: str = "") -> Container:
        """Make an empty container; raises ``messages.ConnectionBroken`` or ``OSError``.

        For a reader, ``serves`` is the module that it serves with. A container that comes too late
        finds its channel closed, and ends by itself.
        """
        ours, theirs = messages.pair()
        pidfds: list[int] = []
        try:
            with theirs:
                order = {"do": "container", "serves": serves}
                pidfds = self._zygote.ask(order, [theirs.fileno()], timeout)
            record, fds = messages.receive(ours, timeout)
            bare = self._mounter is None
            try:
                if not record.get("container") or len(fds) != (not bare) or len(pidfds) != 1:
                    reason = f"the container could not be made: {record.get('failed', '')}"
                    raise messages.ConnectionBroken(reason)
                made = Container(next(self._numbers), ours, pidfds[0], pid_of(pidfds[0]), bare=bare)
                self._order("adopt", made, fds)
            finally:
                messages.close_all(fds)
        except BaseException:
            ours.close()
            messages.close_all(pidfds)
            raise
        return made

    def show(
        self,
        made: Container,
        paths: Sequence[tuple[str, bool]],
        *,
        identities: Mapping[str, tuple[int, int]] | None = None,
        folders: Sequence[str] = (),
        hidden: Sequence[str] = (),
        tmp_bytes: int | None = None,
    ) -> None:
        """Mount ``(path, writable)`` pairs in a container at their own paths, and mask ``hidden``.

        Where a path is in ``identities`` (device and inode), only that file or folder is mounted.

        Raises:
            OSError: A path is gone or leads elsewhere, or something stands in its way; others may
                be mounted.
            messages.ConnectionBroken: The mounter is gone.
        """
        if self._mounter is None:
            return
        ordered = sorted(paths, key=lambda item: (item[0].count("/"), item[0]))
        known = identities or {}
        sources = [(path, writable, known.get(path)) for path, writable in ordered]
        size: dict[str, Any] = {} if tmp_bytes is None else {"tmp_bytes": tmp_bytes}
        # Masks of a folder go with it in one order, as long as they fit.
        first, rest = list(hidden[:_AT_ONCE]), hidden[_AT_ONCE:]
        self._order("show", made, paths=sources, folders=list(folders), hidden=first, **size)
        for start in range(0, len(rest), _AT_ONCE):
            self._order("show", made, hidden=list(rest[start : start + _AT_ONCE]))
        made.shown.update(ordered)

    def renew(self, made: Container, path: str, identity: tuple[int, int]) -> None:
        """Show a replaced file, which has this device and inode now; raises like :meth:`show`."""
        self._order("renew", made, path=path, identity=identity)

    def forget(self, made: Container) -> None:
        """Release a container that ended. Idempotent."""
        with contextlib.suppress(OSError):
            self._order("forget", made)

    def _order(self, do: str, made: Container, fds: Sequence[int] = (), **more: Any) -> None:
        if self._mounter is not None:
            self._mounter.ask({"do": do, "container": made.number, **more}, fds)

    def close(self) -> None:
        """End the zygote, and with it every container."""
        if self.closed:
            return
        self.closed = True
        self._process.kill()
        self.await_end(5)
        self._zygote.end.close()
        if self._mounter is not None:
            self._mounter.end.close()


_AT_ONCE = 400  # masked paths in one order, whose names must fit into one record


def pid_of(pidfd: int) -> int:
    """Return the pid of this machine behind a pidfd; -1 when it has ended."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as info:
        for orders in info:
            if orders.startswith("Pid:"):
                return int(orders.split()[1])
    return -1


def enclose(made: Container, limits: ResourceLimits) -> None:
    """Put an empty container into a control group of its own, where this user can make one."""
    group = cgroup.create(limits)
    if group is None:
        return
    try:
        group.add(made.pid)
    except OSError:
        group.remove()
        return
    made.group, made.limits = group, limits


def close_container(made: Container) -> None:
    """Close the server's ends of a container."""
    made.channel.close()
    with contextlib.suppress(OSError):
        os.close(made.pidfd)


def end_container(client: ZygoteClient, made: Container) -> None:
    """End an unused container, and leave nothing of it."""
    made.kill()
    made.await_end(5.0)
    close_container(made)
    client.forget(made)
    if made.group is not None:
        made.group.kill()
        for _attempt in range(50):
            if made.group.remove():
                break
            time.sleep(0.02)

"""The server's side of one running zygote: ask for rooms, have data shown in them, end it all.

Blocking and safe to call from any thread; every wait has a deadline. It knows nothing of Jupyter.
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel.sandbox.linux import cgroup
from analyst_kernel.sandbox.linux.cgroup import Cgroup
from analyst_kernel.sandbox.policy import ResourceLimits
from analyst_kernel.sandbox.zygote import messages

_ORDER_WAIT = 20.0  # seconds for one answer of zygote or mounter


class Line:
    """Orders to one process, answered in turn; an answer that comes too late is thrown away."""

    def __init__(self, end: socket.socket) -> None:
        """Own ``end``."""
        self.end = end
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def ask(
        self, order: dict[str, Any], descriptors: Sequence[int] = (), timeout: float = _ORDER_WAIT
    ) -> list[int]:
        """Send an order and wait for its answer; returns the answer's descriptors.

        Raises:
            messages.Broken: No answer.
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
class Room:
    """One room as the server holds it.

    Attributes:
        number: Its name for the mounter.
        channel: To its first process, later its kernel.
        pidfd: Of its first process.
        pid: The same as a pid of this machine.
        shown: Paths that were mounted, and whether they are writable.
        group: Its control group, if it was made with one; whoever ends the room removes it.
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
        """Whether its first process lives."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def kill(self) -> None:
        """End everything in it; harmless when it ended."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM if self.bare else signal.SIGKILL)

    def await_end(self, timeout: float) -> bool:
        """Wait for its end; whether it came."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))


class Rooms:
    """A zygote with its mounter."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        zygote: socket.socket,
        mounter: socket.socket | None,
        tops: tuple[str, ...] = (),
    ) -> None:
        """Own the process and both sockets; without a mounter rooms have no mounts of their own."""
        self._process = process
        self._zygote = Line(zygote)
        self._mounter = None if mounter is None else Line(mounter)
        self._numbers = itertools.count(1)
        self.tops = tops
        self.closed = False

    @property
    def pid(self) -> int:
        """Host pid of bubblewrap."""
        return self._process.pid

    def await_ready(self, timeout: float) -> list[str]:
        """Wait for the libraries; returns those that were loaded. Raises ``messages.Broken``."""
        record, fds = messages.receive(self._zygote.end, timeout)
        messages.close_all(fds)
        return [str(name) for name in record.get("ready", ())]

    def alive(self) -> bool:
        """Whether it can still be asked."""
        return not self.closed and self._process.poll() is None

    def hung_up(self) -> bool:
        """Whether zygote or mounter closed its end, as they do only by ending."""
        if self.closed:
            return True
        poll = select.poll()
        for line in (self._zygote, self._mounter):
            if line is not None:
                poll.register(line.end, select.POLLHUP)
        return any(events & select.POLLHUP for _fd, events in poll.poll(0))

    def await_end(self, timeout: float) -> bool:
        """Wait for its end; whether it came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return self._process.poll() is not None

    def make(self, timeout: float = _ORDER_WAIT) -> Room:
        """Make an empty room; raises ``messages.Broken`` or ``OSError``.

        A room that comes too late finds its channel closed, and ends by itself.
        """
        ours, theirs = messages.pair()
        pidfds: list[int] = []
        try:
            with theirs:
                pidfds = self._zygote.ask({"do": "room"}, [theirs.fileno()], timeout)
            record, fds = messages.receive(ours, timeout)
            bare = self._mounter is None
            _check_room(record, fds, pidfds, bare=bare)
            made = Room(next(self._numbers), ours, pidfds[0], pid_of(pidfds[0]), bare=bare)
            try:
                if self._mounter is not None:
                    self._mounter.ask({"do": "adopt", "room": made.number}, fds)
            finally:
                messages.close_all(fds)
        except BaseException:
            ours.close()
            messages.close_all(pidfds)
            raise
        return made

    def show(
        self,
        made: Room,
        paths: Sequence[tuple[str, bool]],
        *,
        folders: Sequence[str] = (),
        hidden: Sequence[str] = (),
        tmp_bytes: int | None = None,
    ) -> None:
        """Mount ``(path, writable)`` pairs in a room at their own paths, and mask ``hidden``.

        Raises:
            OSError: A path is gone, or something stands in its way; others may be mounted.
            messages.Broken: The mounter is gone.
        """
        ordered = sorted(paths, key=lambda item: (item[0].count("/"), item[0]))
        if self._mounter is None:
            return
        order: dict[str, Any] = {"do": "show", "room": made.number, "folders": list(folders)}
        if tmp_bytes is not None:
            order["tmp_bytes"] = tmp_bytes
        # Masks of a folder go with it in one order, as long as they fit.
        masks = list(hidden)
        order["paths"], order["hidden"] = ordered, masks[:_AT_ONCE]
        self._mounter.ask(order)
        for start in range(_AT_ONCE, len(masks), _AT_ONCE):
            part = masks[start : start + _AT_ONCE]
            self._mounter.ask({"do": "show", "room": made.number, "hidden": part})
        made.shown.update(ordered)

    def renew(self, made: Room, path: str) -> None:
        """Show a replaced file as it is now; raises like :meth:`show`."""
        if self._mounter is not None:
            self._mounter.ask({"do": "renew", "room": made.number, "path": path})

    def forget(self, made: Room) -> None:
        """Release a room that ended; harmless when the mounter is gone."""
        if self._mounter is not None:
            with contextlib.suppress(OSError):
                self._mounter.ask({"do": "forget", "room": made.number})

    def close(self) -> None:
        """End the zygote, and with it every room."""
        if self.closed:
            return
        self.closed = True
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._zygote.end.close()
        if self._mounter is not None:
            self._mounter.end.close()


_AT_ONCE = 400  # masked paths in one order, whose names must fit into one record


def _check_room(record: dict[str, Any], fds: list[int], pidfds: list[int], *, bare: bool) -> None:
    """Raise ``messages.Broken`` unless a new room sent what it must."""
    if not record.get("room") or len(fds) != (not bare) or len(pidfds) != 1:
        messages.close_all(fds)
        raise messages.Broken(f"the room could not be made: {record.get('failed', '')}")


def pid_of(pidfd: int) -> int:
    """The pid of this machine behind a pidfd; -1 when it has ended."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as info:
        for line in info:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return -1


def enclose(made: Room, limits: ResourceLimits) -> None:
    """Put an empty room into a control group of its own, where this user can make one."""
    group = cgroup.create(limits)
    if group is None:
        return
    try:
        group.add(made.pid)
    except OSError:
        group.remove()
        return
    made.group, made.limits = group, limits


def close_room(made: Room) -> None:
    """Close the server's ends of a room."""
    made.channel.close()
    with contextlib.suppress(OSError):
        os.close(made.pidfd)


def end_room(rooms: Rooms, made: Room) -> None:
    """End a room that nobody uses, and leave nothing of it."""
    made.kill()
    made.await_end(5.0)
    close_room(made)
    rooms.forget(made)
    if made.group is not None:
        made.group.kill()
        for _attempt in range(50):
            if made.group.remove():
                break
            time.sleep(0.02)

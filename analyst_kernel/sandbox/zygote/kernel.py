"""One kernel that a zygote forked, as the provisioner sees it.

Everything that comes from inside is untrusted; the process itself is held by a pidfd, never by a
number that could belong to another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Callable
from typing import Any

from analyst_kernel.sandbox.backends.base import LaunchFailed
from analyst_kernel.sandbox.linux.cgroup import Cgroup
from analyst_kernel.sandbox.policy import Policy
from analyst_kernel.sandbox.zygote import messages
from analyst_kernel.sandbox.zygote.client import Room, Rooms, close_room

_KILLED = -9


class ZygoteKernel:
    """A kernel in a room. Methods may be called from any thread.

    Attributes:
        notes: What the user should know about the way it was started.
    """

    def __init__(
        self,
        rooms: Rooms,
        room: Room,
        policy: Policy,
        results: Any,
        *,
        spare_folder: str | None,
        admit: Callable[[], None],
        forget: Callable[[ZygoteKernel], None],
    ) -> None:
        """Own the room.

        Args:
            rooms: The zygote that made it.
            room: Where the kernel is.
            policy: What it may reach.
            results: What the probe said, unchecked.
            spare_folder: Its runtime folder, if it was a spare.
            admit: Lets clients reach its sockets; raises ``OSError``.
            forget: Called once, when it was closed.
        """
        self._rooms = rooms
        self._room = room
        self._policy = policy
        self._results = results
        self._spare_folder = spare_folder
        self._admit = admit
        self._forget = forget
        self._code: int | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.notes: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        """Host pid of the room's first process."""
        return self._room.pid

    @property
    def results(self) -> Any:
        """What the probe said, unchecked."""
        return self._results

    @property
    def from_spare(self) -> bool:
        """Whether it was bound before it was asked for."""
        return self._spare_folder is not None

    async def release(self) -> None:
        """Say go and let clients in. Raises :class:`LaunchFailed`."""
        try:
            messages.send(self._room.channel, {"go": True}, timeout=1.0)
            self._admit()
        except OSError as error:
            self.kill()
            raise LaunchFailed(f"The kernel ended at its start: {error}") from error

    @property
    def group(self) -> Cgroup | None:
        """The control group that it was put into ahead, with the limits it was asked for."""
        return self._room.group

    def poll(self) -> int | None:
        """``None`` while it lives, else its exit code."""
        with self._lock:
            if self._code is None and not self._closed and not self._room.alive():
                self._code = self._last_words()
            return self._code

    def _last_words(self) -> int:
        """The exit code that the first process told before it ended."""
        with contextlib.suppress(messages.Broken):
            while True:
                record, fds = messages.receive(self._room.channel, 0.0)
                messages.close_all(fds)
                code = record.get("exited")
                if isinstance(code, int):
                    return code
        return _KILLED

    async def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        while (code := self.poll()) is None:
            if self._closed:
                return _KILLED
            await _readable(self._room.pidfd)
        return code

    def terminate(self) -> None:
        """End the kernel and its descendants."""
        self.kill()

    def kill(self) -> None:
        """End the kernel and its descendants at once."""
        with self._lock:
            if not self._closed:
                self._room.kill()

    def close(self) -> None:
        """Release descriptors and the spare's folder; harmless when done."""
        self.poll()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._room.kill()
            close_room(self._room)
        if self._spare_folder is not None:
            shutil.rmtree(self._spare_folder, ignore_errors=True)
        self._forget(self)

    @property
    def room(self) -> Room:
        """Its room."""
        return self._room

    @property
    def rooms(self) -> Rooms:
        """The zygote that made it."""
        return self._rooms


async def _readable(fd: int) -> None:
    """Return when ``fd`` can be read, here: when the process behind a pidfd has ended."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not over.done():
            over.set_result(None)

    copy = os.dup(fd)
    try:
        try:
            loop.add_reader(copy, settle)
        except NotImplementedError:
            await asyncio.sleep(0.02)
            return
        try:
            await over
        finally:
            loop.remove_reader(copy)
    finally:
        os.close(copy)

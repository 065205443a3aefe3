"""What is kept ready for the next request, and the thread that does it.

A bound spare, an empty room for the request after it, and granted files that an editor replaced:
all looked after behind the requests, never in their way.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.sandbox import paths
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.linux import landlock
from analyst_kernel.sandbox.policy import ResourceLimits
from analyst_kernel.sandbox.zygote import messages
from analyst_kernel.sandbox.zygote.client import Room, Rooms, enclose, end_room
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.live_grants import GrowingKernel
from analyst_kernel.sandbox.zygote.prewarm import from_outside

LOOK = 0.5
"""Seconds between two looks at granted files."""

ROOM_WAIT = 10.0
"""Seconds for a room."""

_BIND_WAIT = 30.0  # seconds for a spare to be bound, and again to answer
_REFILL_AFTER = 0.15  # seconds that a kernel has the processor for itself before the next spare


class Stock:
    """Prepared things of one zygote host; safe from any thread."""

    def __init__(self, python: str) -> None:
        """Nothing is prepared before :meth:`serve`."""
        self.spares = True
        self.limits: ResourceLimits | None = None
        self._python = python
        self._rooms: Rooms | None = None
        self._change = threading.Condition()
        self._spare: Spare | None = None
        self._empty: Room | None = None
        self._refill_at: float | None = None
        self._kernels: set[ZygoteKernel] = set()
        self._ended: list[tuple[Rooms, Room]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def serve(self, rooms: Rooms) -> None:
        """Prepare from this zygote from now on."""
        with self._change:
            self._rooms = rooms
        self.refill()

    def drop(self) -> None:
        """End what is prepared; its zygote is gone or going."""
        with self._change:
            spare, self._spare = self._spare, None
            empty, self._empty = self._empty, None
            rooms, self._rooms = self._rooms, None
        if spare is not None:
            spare.discard()
        if empty is not None and rooms is not None:
            end_room(rooms, empty)

    def close(self) -> None:
        """End for good."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self.drop()

    def watch(self, kernel: ZygoteKernel) -> None:
        """Look after a kernel's granted files."""
        with self._change:
            self._kernels.add(kernel)
            self._change.notify_all()

    def unwatch(self, kernel: ZygoteKernel) -> None:
        """Stop looking after a kernel, and release its room, but not while the caller waits."""
        with self._change:
            self._kernels.discard(kernel)
            self._ended.append((kernel.rooms, kernel.room))
            self._change.notify_all()

    # --- taking -----------------------------------------------------------------------------------

    def _fits(self, room: Room, launch: Launch) -> bool:
        """Whether a prepared room has the limits that a launch wants, or could be given them."""
        wanted = launch.policy.limits
        if room.group is None or (launch.cgroup and room.limits == wanted):
            return True
        if not launch.cgroup:
            return False
        try:
            room.group.limit(wanted)
        except OSError:
            return False
        room.limits = wanted
        return True

    def take_spare(self, launch: Launch) -> Spare | None:
        """The spare, if it is ready and fits."""
        policy = launch.policy
        with self._change:
            spare = self._spare
            if spare is None or not policy.landlock or policy.system != spare.system:
                return None
            if not self._fits(spare.room, launch):
                return None
            self._spare = None
        if spare.room.alive() and spare.rooms.alive():
            return spare
        spare.discard()
        return None

    def take_room(self, rooms: Rooms, launch: Launch) -> Room | None:
        """The empty room that was made ahead, if it fits."""
        with self._change:
            room = self._empty
            if room is None or not self._fits(room, launch):
                return None
            self._empty = None
        if rooms is self._rooms and room.alive():
            return room
        end_room(rooms, room)
        return None

    def spare_ready(self, timeout: float = 0.0) -> bool:
        """Wait for a spare; whether one waits."""
        with self._change:
            self._change.wait_for(lambda: self._spare is not None or self._closed, timeout)
            return self._spare is not None

    # --- making -----------------------------------------------------------------------------------

    def ready(self, timeout: float) -> bool:
        """Wait until everything is prepared; whether it is."""

        def prepared() -> bool:
            spare = self._spare is not None or not self.spares
            return spare and self._empty is not None

        with self._change:
            self._change.wait_for(lambda: prepared() or self._closed, timeout)
            return prepared()

    def discard_spare(self) -> None:
        """End the spare, if there is one."""
        with self._change:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.discard()

    def _make_room(self, rooms: Rooms) -> Room:
        """An empty room with the limits of the last launch."""
        room = rooms.make(ROOM_WAIT)
        if self.limits is not None:
            enclose(room, self.limits)
        return room

    def _prepare(self) -> None:
        """Make what the next request will need: a spare, and an empty room for the one after."""
        if self.spares and self._spare is None:
            self._make_spare()
        rooms = self._rooms
        if self._empty is not None or rooms is None or not rooms.alive():
            return
        room: Room | None = self._make_room(rooms)
        with self._change:
            if not self._closed and rooms is self._rooms:
                self._empty, room = room, None
            self._change.notify_all()
        if room is not None:
            end_room(rooms, room)

    def _make_spare(self) -> None:
        """Fork and bind a kernel ahead of the next request."""
        from analyst_kernel.sandbox.shared import host

        rooms = self._rooms
        if rooms is None or not rooms.alive() or landlock.abi() < 1:
            return
        folder = host().runtime.kernel_folder()
        sockets = os.path.join(folder, "s")
        connection = {
            "transport": "ipc", "ip": os.path.join(sockets, "k"), "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256", "kernel_name": "analyst",
            "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
        }  # fmt: skip
        system = paths.system_paths(self._python)
        room: Room | None = None
        try:
            room = self._make_room(rooms)
            rooms.show(room, [(sockets, True)])
            policy = {
                "landlock": True, "output_dir": "", "runtime_dir": sockets,
                "system": list(system), "tops": list(rooms.tops),
            }  # fmt: skip
            messages.send(room.channel, {"policy": policy, "spare": connection})
            record, fds = messages.receive(room.channel, _BIND_WAIT)
            messages.close_all(fds)
            bound = record.get("bound") is True and from_outside(connection, _BIND_WAIT)
        except (messages.Broken, OSError):
            bound = False
        if room is None or not bound:
            if room is not None:
                end_room(rooms, room)
            shutil.rmtree(folder, ignore_errors=True)
            return
        spare = Spare(rooms, room, folder, connection, system)
        with self._change:
            kept = self.spares and not self._closed and self._spare is None
            if kept:
                self._spare = spare
            self._change.notify_all()
        if not kept:
            spare.discard()

    # --- the thread -------------------------------------------------------------------------------

    def refill(self) -> None:
        """Prepare soon what is missing."""
        with self._change:
            self._refill_at = time.monotonic() + _REFILL_AFTER
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run, name="analyst-zygote", daemon=True
                )
                self._thread.start()
            self._change.notify_all()

    def _run(self) -> None:
        while not self._closed:
            with self._change:
                watched = [
                    kernel
                    for kernel in self._kernels
                    if isinstance(kernel, GrowingKernel) and kernel.watches_files()
                ]
                due = [LOOK] if watched else []
                if self._ended:
                    due.append(0.0)
                if self._refill_at is not None:
                    due.append(max(0.0, self._refill_at - time.monotonic()))
                self._change.wait(min(due) if due else None)
                refill = self._refill_at is not None and time.monotonic() >= self._refill_at
                if refill:
                    self._refill_at = None
                ended, self._ended = self._ended, []
            for rooms, room in ended:
                rooms.forget(room)
            for kernel in watched:
                kernel.refresh()
            if refill and not self._closed:
                with contextlib.suppress(Exception):  # the next launch says what is wrong
                    self._prepare()


_BEHIND = "b"  # what the names of sockets begin with that no client knows yet
_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


@dataclass
class Spare:
    """One waiting kernel.

    Attributes:
        rooms: The zygote that forked it.
        room: Where it is.
        folder: Its runtime folder on the host.
        connection: What it is bound to.
        system: Interpreter and libraries that it may execute.
    """

    rooms: Rooms
    room: Room
    folder: str
    connection: dict[str, Any]
    system: tuple[str, ...]

    def discard(self) -> None:
        """End it and leave nothing behind."""
        end_room(self.rooms, self.room)
        shutil.rmtree(self.folder, ignore_errors=True)


def withheld(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A connection beside the one that clients know, with names of the same length.

    Raises:
        OSError: Its sockets could not be handed over.
    """
    if wanted.get("transport") != "ipc":
        raise OSError("only sockets with names can be handed over")
    ip = str(wanted["ip"])
    return {**wanted, "ip": os.path.join(os.path.dirname(ip), _BEHIND)}


def hand_over(bound: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Give bound sockets the names that clients know; raises ``OSError``."""
    for channel in _CHANNELS:
        os.rename(_name(bound, channel), _name(wanted, channel))


def _name(connection: Mapping[str, Any], channel: str) -> str:
    return f"{connection['ip']}-{connection[channel]}"

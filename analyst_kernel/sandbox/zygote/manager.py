"""One zygote per server and interpreter: booted when first needed, with one spare kernel ahead.

Blocking and safe from any thread; everything ends with the server. What is prepared ahead is the
business of :mod:`stock`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from analyst_kernel.sandbox import paths as places
from analyst_kernel.sandbox import spawn
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.policy import Policy
from analyst_kernel.sandbox.zygote import command, messages
from analyst_kernel.sandbox.zygote.client import Room, Rooms, end_room
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.live_grants import GrowingKernel
from analyst_kernel.sandbox.zygote.pool import ROOM_WAIT, Spare, Stock, hand_over, withheld

BOOT_WAIT = 30.0
"""Seconds until a booting zygote must be ready."""

_END_WAIT = 10.0  # seconds for what is left of a zygote that ended
_AGAIN_AFTER = 60.0  # seconds until a zygote that did not come up is tried again


class NotHere(RuntimeError):
    """The zygote cannot serve this launch; another form may."""


class NoZygote(NotHere):
    """The zygote itself does not come up."""


class NoRoom(messages.Broken):
    """A zygote made no room in time."""


class ZygoteHost:
    """Makes kernels of one interpreter."""

    def __init__(self, python: str, bwrap: str, *, bare: bool = False) -> None:
        """Nothing is started yet.

        Args:
            python: The interpreter of the kernels.
            bwrap: The bubblewrap around the zygote; may be empty for a bare one.
            bare: Whether Landlock and seccomp alone enclose its kernels.
        """
        self.python = python
        self._bwrap = bwrap
        self._bare = bare
        self._rooms: Rooms | None = None
        self._booting = threading.Lock()
        self.stock = Stock(python)
        self.stock.spares = not bare
        self._closed = False
        self._failed: tuple[float, str] | None = None
        self._retired: list[Rooms] = []

    # --- the zygote -------------------------------------------------------------------------------

    def rooms(self) -> Rooms:
        """The running zygote, booted where there is none; raises :class:`NotHere`."""
        with self._booting:
            if self._rooms is not None and self._rooms.alive():
                return self._rooms
            self._drop()
            if self._closed:
                raise NotHere("the server is ending")
            if self._failed is not None and time.monotonic() < self._failed[0]:
                raise NoZygote(self._failed[1])
            try:
                self._rooms = self._boot()
            except NoZygote as error:
                self._failed = (time.monotonic() + _AGAIN_AFTER, str(error))
                raise
            self.stock.serve(self._rooms)
            return self._rooms

    def _boot(self) -> Rooms:
        from analyst_kernel.sandbox.shared import host

        system, links = places.system_paths(self.python), places.system_links()
        log = os.path.join(host().runtime.path, "zygote.log")
        environment = command.zygote_environment(self.python, system)
        zygote, zygote_end = messages.pair()
        mounter, mounter_end = (None, None) if self._bare else messages.pair()
        with zygote_end, mounter_end or contextlib.nullcontext():
            keep = [zygote_end.fileno()]
            if mounter_end is None:
                line = command.bare_argv(self.python, keep[0], bwrap=self._bwrap)
                scratch = host().runtime.kernel_folder()
                environment = command.zygote_environment(self.python, system, scratch)
            else:
                keep.append(mounter_end.fileno())
                line = command.argv(
                    self.python, system, links, (keep[0], keep[1]), bwrap=self._bwrap
                )
            starting = spawn.start(line, environment=environment, cwd="/", keep=keep, log=log)
            try:
                process = starting.result(BOOT_WAIT)
            except OSError as error:
                zygote.close()
                if mounter is not None:
                    mounter.close()
                raise NoZygote(f"the zygote could not be started: {error}") from error
        rooms = Rooms(process, zygote, mounter, () if self._bare else command.tops(system))
        try:
            rooms.await_ready(BOOT_WAIT)
        except messages.Broken as error:
            rooms.close()
            raise NoZygote(_tail(log) or str(error)) from error
        return rooms

    def _drop(self) -> None:
        """Forget a zygote that ended, and what was prepared in it."""
        self.stock.drop()
        if self._rooms is not None:
            self._rooms.close()
            self._rooms = None

    # --- kernels ----------------------------------------------------------------------------------

    def start(self, launch: Launch) -> ZygoteKernel:
        """Start one kernel, probed and built, waiting for the verdict.

        Raises:
            NotHere: It did not come; nothing of it is left.
        """
        self.stock.limits = launch.policy.limits if launch.cgroup else None
        try:
            rooms = self.rooms()
            try:
                return self._start(rooms, launch)
            except (messages.Broken, OSError) as error:
                if rooms.hung_up():
                    self._retire(rooms)
                    rooms.await_end(_END_WAIT)
                    return self._start(self.rooms(), launch)
                if isinstance(error, NoRoom):
                    self._retire(rooms)
                raise
        except (messages.Broken, OSError) as error:
            raise NotHere(str(error)) from error
        finally:
            self.stock.refill()

    def _start(self, rooms: Rooms, launch: Launch) -> ZygoteKernel:
        policy = launch.policy
        for path in (*policy.grants, policy.output_dir, policy.runtime_dir, policy.workdir):
            if path != "/" and not self._bare and not _known(path, policy, rooms.tops):
                raise NotHere(f"{path} cannot be shown by the zygote")
        spare = self.stock.take_spare(launch)
        if spare is not None:
            return self._from_spare(spare, launch)
        return self._fresh(rooms, launch)

    def _retire(self, rooms: Rooms) -> None:
        """Ask a zygote for no more rooms; the next launch boots another.

        One that hangs is left alone until the server ends, because its kernels live.
        """
        with self._booting:
            if self._rooms is rooms:
                self.stock.drop()
                self._rooms = None
                self._retired.append(rooms)

    def _fresh(self, rooms: Rooms, launch: Launch) -> ZygoteKernel:
        room = self.stock.take_room(rooms, launch)
        if room is None:
            try:
                room = rooms.make(min(ROOM_WAIT, launch.timeout))
            except messages.Broken as error:
                raise NoRoom(str(error)) from error
        try:
            bound = withheld(launch.connection)
            self._show(rooms, room, launch.policy, runtime=True)
            take = _take(launch) | {"connection": bound}
            order = {"policy": self._policy(launch.policy, rooms), "take": take}
            messages.send(room.channel, order)
            results = self._await_built(room, launch.timeout)
        except BaseException:
            end_room(rooms, room)
            raise
        return self._keep(rooms, room, launch, results, bound)

    def _from_spare(self, spare: Spare, launch: Launch) -> ZygoteKernel:
        try:
            withheld(launch.connection)
            self._show(spare.rooms, spare.room, launch.policy, runtime=False)
            messages.send(spare.room.channel, _take(launch))
            results = self._await_built(spare.room, launch.timeout)
        except BaseException:
            spare.discard()
            raise
        bound, folder = spare.connection, spare.folder
        return self._keep(spare.rooms, spare.room, launch, results, bound, folder)

    def _show(self, rooms: Rooms, room: Room, policy: Policy, *, runtime: bool) -> None:
        paths = [(path, False) for path in policy.grants]
        paths.append((policy.output_dir, True))
        if runtime:
            paths.append((policy.runtime_dir, True))
        rooms.show(
            room,
            paths,
            folders=[policy.workdir] if policy.workdir != "/" else [],
            hidden=policy.hidden,
            tmp_bytes=policy.limits.tmp_bytes,
        )

    def _await_built(self, room: Room, timeout: float) -> Any:
        """The probe's results, when the kernel waits with everything but the verdict."""
        record, fds = messages.receive(room.channel, timeout)
        messages.close_all(fds)
        if record.get("built") is not True:
            raise messages.Broken(f"the kernel failed: {str(record)[-2000:]}")
        return record.get("results")

    def _policy(self, policy: Policy, rooms: Rooms) -> dict[str, Any]:
        if self._bare:
            return {"whole": policy.to_json()}
        return {
            "landlock": policy.landlock,
            "output_dir": policy.output_dir,
            "runtime_dir": policy.runtime_dir,
            "system": list(policy.system),
            "tops": list(rooms.tops),
        }

    def _keep(
        self,
        rooms: Rooms,
        room: Room,
        launch: Launch,
        results: Any,
        bound: Mapping[str, Any],
        folder: str | None = None,
    ) -> ZygoteKernel:
        kernel = (ZygoteKernel if self._bare else GrowingKernel)(
            rooms,
            room,
            launch.policy,
            results,
            spare_folder=folder,
            admit=lambda: hand_over(bound, launch.connection),
            forget=self.stock.unwatch,
        )
        self.stock.watch(kernel)
        return kernel

    def close(self) -> None:
        """End the zygote and every kernel of it."""
        self._closed = True
        self.stock.close()
        with self._booting:
            self._drop()
            for rooms in self._retired:
                rooms.close()
            self._retired.clear()


def _known(path: str, policy: Policy, tops: tuple[str, ...]) -> bool:
    return command.reachable(path, tops) or command.reachable(path, policy.system)


def _take(launch: Launch) -> dict[str, Any]:
    """What one kernel is told about itself."""
    return {
        "environment": dict(launch.environment),
        "workdir": launch.policy.workdir,
        "output_dir": launch.policy.output_dir,
        "connection": dict(launch.connection),
        "plan": dict(launch.plan),
        "limits": asdict(launch.policy.limits),
    }


def _tail(path: str, most: int = 600) -> str:
    try:
        with open(path, "rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - most))
            return " ".join(stream.read().decode(errors="replace").split())
    except OSError:
        return ""


_lock = threading.Lock()
_hosts: dict[tuple[int, str, str, bool], ZygoteHost] = {}


def zygote_host(python: str, bwrap: str, *, bare: bool = False) -> ZygoteHost:
    """This process's zygote for an interpreter (a forked child gets its own)."""
    key = (os.getpid(), python, bwrap, bare)
    with _lock:
        if key not in _hosts:
            if not any(known[0] == os.getpid() for known in _hosts):
                _hosts.clear()
                atexit.register(close_all, os.getpid())
            _hosts[key] = ZygoteHost(python, bwrap, bare=bare)
        return _hosts[key]


def close_all(pid: int | None = None) -> None:
    """End all zygotes of this process."""
    if pid is not None and pid != os.getpid():
        return
    with _lock:
        found = [_hosts.pop(key) for key in list(_hosts) if key[0] == os.getpid()]
    for made in found:
        made.close()

"""One zygote per server and interpreter: booted when first needed, with one spare kernel ahead.

Blocking and safe from any thread. A permanent thread prepares the next spare and looks after
granted files that an editor replaced; everything ends with the server.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import threading
import time
from dataclasses import asdict
from typing import Any

from analyst_kernel.sandbox import landlock, places, spawn
from analyst_kernel.sandbox.forms import Launch
from analyst_kernel.sandbox.policy import Policy, ResourceLimits
from analyst_kernel.sandbox.zygote import boot, messages
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.rooms import Room, Rooms, enclose, end_room
from analyst_kernel.sandbox.zygote.spare import Spare

BOOT_WAIT = 30.0
"""Seconds until a booting zygote must be ready."""

LOOK = 0.5
"""Seconds between two looks at granted files."""

_REFILL_AFTER = 0.15  # seconds that a kernel has the processor for itself before the next spare
_ROOM_WAIT = 10.0  # seconds for a room
_AGAIN_AFTER = 60.0  # seconds until a zygote that did not come up is tried again


class NotHere(RuntimeError):
    """The zygote cannot serve this launch; another form may."""


class NoZygote(NotHere):
    """The zygote itself does not come up."""


class ZygoteHost:
    """Makes kernels of one interpreter."""

    def __init__(self, python: str, bwrap: str) -> None:
        """Nothing is started yet."""
        self.python = python
        self._bwrap = bwrap
        self._rooms: Rooms | None = None
        self._booting = threading.Lock()
        self._change = threading.Condition()
        self._spare: Spare | None = None
        self._empty: Room | None = None
        self._limits: ResourceLimits | None = None
        self._refill_at: float | None = None
        self._kernels: set[ZygoteKernel] = set()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._failed: tuple[float, str] | None = None
        self.spares = True

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
        self._wake(refill=True)
        return self._rooms

    def _boot(self) -> Rooms:
        from analyst_kernel.sandbox.host import host

        system, links = places.system_paths(self.python), places.system_links()
        log = os.path.join(host().runtime.path, "zygote.log")
        zygote, zygote_end = messages.pair()
        mounter, mounter_end = messages.pair()
        with zygote_end, mounter_end:
            ends = (zygote_end.fileno(), mounter_end.fileno())
            line = boot.argv(self.python, system, links, ends, bwrap=self._bwrap)
            try:
                process = (
                    spawn.spawner()
                    .submit(
                        spawn.start,
                        line,
                        environment=boot.zygote_environment(self.python, system),
                        cwd="/",
                        keep=ends,
                        log=log,
                    )
                    .result(BOOT_WAIT)
                )
            except OSError as error:
                zygote.close()
                mounter.close()
                raise NoZygote(f"bubblewrap could not be started: {error}") from error
        rooms = Rooms(process, zygote, mounter, boot.tops(system))
        try:
            rooms.await_ready(BOOT_WAIT)
        except messages.Broken as error:
            rooms.close()
            raise NoZygote(_tail(log) or str(error)) from error
        return rooms

    def _drop(self) -> None:
        """Forget a zygote that ended, and the spare that ended with it."""
        with self._change:
            spare, self._spare = self._spare, None
            empty, self._empty = self._empty, None
        if spare is not None:
            spare.discard()
        if empty is not None and self._rooms is not None:
            end_room(self._rooms, empty)
        if self._rooms is not None:
            self._rooms.close()
            self._rooms = None

    # --- kernels ----------------------------------------------------------------------------------

    def start(self, launch: Launch) -> ZygoteKernel:
        """Start one kernel, probed and built, waiting for the verdict.

        Raises:
            NotHere: It did not come; nothing of it is left.
        """
        rooms = self.rooms()
        policy = launch.policy
        self._limits = policy.limits if launch.cgroup else None
        for path in (*policy.grants, policy.output_dir, policy.runtime_dir, policy.workdir):
            if path != "/" and not _known(path, policy, rooms.tops):
                raise NotHere(f"{path} cannot be shown by the zygote")
        spare = self._take_spare(launch)
        try:
            if spare is not None:
                return self._from_spare(spare, launch)
            return self._fresh(rooms, launch)
        except (messages.Broken, OSError) as error:
            raise NotHere(str(error)) from error
        finally:
            self._wake(refill=True)

    def _fresh(self, rooms: Rooms, launch: Launch) -> ZygoteKernel:
        room = self._take_room(rooms, launch) or rooms.make(min(_ROOM_WAIT, launch.timeout))
        try:
            self._show(rooms, room, launch.policy, runtime=True)
            order = {"policy": self._policy(launch.policy, rooms), "take": _take(launch)}
            messages.send(room.channel, order)
            results = self._await_built(room, launch.timeout)
        except BaseException:
            end_room(rooms, room)
            raise
        return self._keep(rooms, room, launch, results, None)

    def _from_spare(self, spare: Spare, launch: Launch) -> ZygoteKernel:
        try:
            self._show(spare.rooms, spare.room, launch.policy, runtime=False)
            spare.rename(launch.connection)
            messages.send(spare.room.channel, _take(launch))
            results = self._await_built(spare.room, launch.timeout)
        except BaseException:
            spare.discard()
            raise
        return self._keep(spare.rooms, spare.room, launch, results, spare.folder)

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
        deadline = time.monotonic() + timeout
        results: Any = None
        while True:
            record, fds = messages.receive(room.channel, max(0.0, deadline - time.monotonic()))
            messages.close_all(fds)
            if "results" in record:
                results = record["results"]
            elif record.get("built") is True:
                return results
            else:
                raise messages.Broken(f"the kernel failed: {str(record)[-2000:]}")

    def _policy(self, policy: Policy, rooms: Rooms) -> dict[str, Any]:
        return {
            "landlock": policy.landlock,
            "output_dir": policy.output_dir,
            "runtime_dir": policy.runtime_dir,
            "system": list(policy.system),
            "tops": list(rooms.tops),
        }

    def _keep(
        self, rooms: Rooms, room: Room, launch: Launch, results: Any, folder: str | None
    ) -> ZygoteKernel:
        kernel = ZygoteKernel(
            rooms,
            room,
            launch.policy,
            results,
            spare_folder=folder,
            forget=self._forget,
        )
        with self._change:
            self._kernels.add(kernel)
        return kernel

    def _forget(self, kernel: ZygoteKernel) -> None:
        with self._change:
            self._kernels.discard(kernel)
        kernel.rooms.forget(kernel.room)

    # --- the spare --------------------------------------------------------------------------------

    def _fits(self, room: Room, launch: Launch) -> bool:
        """Whether a prepared room has the limits that a launch wants."""
        return room.group is None or (launch.cgroup and room.limits == launch.policy.limits)

    def _take_spare(self, launch: Launch) -> Spare | None:
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

    def _take_room(self, rooms: Rooms, launch: Launch) -> Room | None:
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

    def _make_room(self, rooms: Rooms) -> Room:
        """An empty room with the limits of the last launch."""
        room = rooms.make(_ROOM_WAIT)
        if self._limits is not None:
            enclose(room, self._limits)
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
        if room is not None:
            end_room(rooms, room)

    def _make_spare(self) -> None:
        """Fork and bind a kernel ahead of the next request."""
        from analyst_kernel.sandbox.host import host

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
        system = places.system_paths(self.python)
        room: Room | None = None
        try:
            room = self._make_room(rooms)
            rooms.show(room, [(sockets, True)])
            policy = {
                "landlock": True, "output_dir": "", "runtime_dir": sockets,
                "system": list(system), "tops": list(rooms.tops),
            }  # fmt: skip
            messages.send(room.channel, {"policy": policy, "spare": connection})
            record, fds = messages.receive(room.channel, BOOT_WAIT)
            messages.close_all(fds)
            bound = record.get("bound") is True
        except (messages.Broken, OSError):
            bound = False
        if room is None or not bound:
            if room is not None:
                end_room(rooms, room)
            shutil.rmtree(folder, ignore_errors=True)
            return
        spare = Spare(rooms, room, folder, connection, system)
        with self._change:
            kept = not self._closed and self._spare is None
            if kept:
                self._spare = spare
            self._change.notify_all()
        if not kept:
            spare.discard()

    # --- the thread -------------------------------------------------------------------------------

    def _wake(self, *, refill: bool = False) -> None:
        with self._change:
            if refill:
                self._refill_at = time.monotonic() + _REFILL_AFTER
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run, name="analyst-zygote", daemon=True
                )
                self._thread.start()
            self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                now = time.monotonic()
                watched = [kernel for kernel in self._kernels if kernel.watches_files()]
                due = [] if self._refill_at is None else [self._refill_at - now]
                due += [LOOK] if watched else []
                if self._closed:
                    return
                self._change.wait(max(0.0, min(due)) if due else None)
                refill = self._refill_at is not None and time.monotonic() >= self._refill_at
                if refill:
                    self._refill_at = None
                if self._closed:
                    return
            for kernel in watched:
                kernel.refresh()
            if refill:
                with contextlib.suppress(Exception):  # the next launch says what is wrong
                    self._prepare()

    def close(self) -> None:
        """End the zygote and every kernel of it."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        with self._booting:
            self._drop()


def _known(path: str, policy: Policy, tops: tuple[str, ...]) -> bool:
    return boot.reachable(path, tops) or boot.reachable(path, policy.system)


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
_hosts: dict[tuple[int, str, str], ZygoteHost] = {}


def zygote_host(python: str, bwrap: str) -> ZygoteHost:
    """This process's zygote for an interpreter (a forked child gets its own)."""
    key = (os.getpid(), python, bwrap)
    with _lock:
        if key not in _hosts:
            if not any(pid == os.getpid() for pid, _python, _bwrap in _hosts):
                _hosts.clear()
                atexit.register(close_all, os.getpid())
            _hosts[key] = ZygoteHost(python, bwrap)
        return _hosts[key]


def close_all(pid: int | None = None) -> None:
    """End all zygotes of this process."""
    if pid is not None and pid != os.getpid():
        return
    with _lock:
        found = [_hosts.pop(key) for key in list(_hosts) if key[0] == os.getpid()]
    for made in found:
        made.close()

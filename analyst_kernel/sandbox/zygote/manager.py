"""One zygote per server and interpreter: booted when first needed, with one spare kernel ahead.

Blocking and safe from any thread; everything ends with the server. ``pool`` prepares kernels ahead.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import threading
import time
from dataclasses import asdict
from typing import Any

from analyst_kernel.sandbox import spawn
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.paths import system_links, system_paths
from analyst_kernel.sandbox.policy import SandboxPolicy
from analyst_kernel.sandbox.runtime import runtime_folder
from analyst_kernel.sandbox.zygote import command, messages
from analyst_kernel.sandbox.zygote.client import (
    Container,
    ZygoteClient,
    enclose,
    end_container,
)
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.live_grants import LiveGrantKernel
from analyst_kernel.sandbox.zygote.pool import (
    CONTAINER_WAIT,
    KernelPool,
    Spare,
    hand_over,
    provisional_connection,
)

BOOT_WAIT = 30.0
"""Seconds until a booting zygote must be ready."""

_END_WAIT = 10.0  # seconds for what is left of a zygote that ended
_AGAIN_AFTER = 60.0  # seconds until a zygote that did not come up is tried again


class ZygoteCannotServe(RuntimeError):
    """The zygote cannot serve this launch; the next backend may."""


class ZygoteUnavailable(ZygoteCannotServe):
    """The zygote itself could not be started."""


class ContainerTimeout(messages.ConnectionBroken):
    """A zygote made no container in time."""


class ZygoteManager:
    """Makes kernels of one interpreter; nothing is started before the first is wanted.

    Args:
        python: The interpreter of the kernels.
        bwrap: The bubblewrap around the zygote; may be empty for a bare one.
        bare: Whether Landlock and seccomp alone enclose its kernels.
    """

    def __init__(self, python: str, bwrap: str, *, bare: bool = False) -> None:
        self.python = python
        self._bwrap = bwrap
        self._bare = bare
        self._client: ZygoteClient | None = None
        self._booting = threading.Lock()
        self.pool = KernelPool(python)
        self.pool.spares = not bare
        self._closed = False
        self._failed: tuple[float, str] | None = None
        self._retired: list[ZygoteClient] = []

    # --- the zygote -------------------------------------------------------------------------------

    def client(self) -> ZygoteClient:
        """Return the running zygote, after booting it if needed.

        Raises:
            ZygoteCannotServe: None runs, and none can be booted now.
        """
        with self._booting:
            if self._client is not None and self._client.alive():
                return self._client
            self._drop()
            if self._closed:
                raise ZygoteCannotServe("the server is ending")
            if self._failed is not None and time.monotonic() < self._failed[0]:
                raise ZygoteUnavailable(self._failed[1])
            try:
                self._client = self._boot()
            except ZygoteUnavailable as error:
                self._failed = (time.monotonic() + _AGAIN_AFTER, str(error))
                raise
            self.pool.serve(self._client)
            return self._client

    def running(self) -> bool:
        """Return whether a zygote is up, without waiting for one that boots."""
        client = self._client
        return client is not None and client.alive()

    def _boot(self) -> ZygoteClient:
        system = system_paths(self.python)
        links = system_links(self.python, system)
        log = os.path.join(runtime_folder().path, "zygote.log")
        scratch = runtime_folder().kernel_folder() if self._bare else None
        environment = command.zygote_environment(self.python, system, scratch)
        zygote, zygote_end = messages.pair()
        mounter, mounter_end = (None, None) if self._bare else messages.pair()
        with zygote_end, mounter_end or contextlib.nullcontext():
            keep = [zygote_end.fileno()]
            if mounter_end is None:
                line = command.bare_argv(self.python, keep[0], bwrap=self._bwrap)
            else:
                keep.append(mounter_end.fileno())
                line = command.argv(self.python, system, links, keep, bwrap=self._bwrap)
            starting = spawn.start(line, environment=environment, cwd="/", keep=keep, log=log)
            try:
                process = starting.result(BOOT_WAIT)
            except OSError as error:
                zygote.close()
                if mounter is not None:
                    mounter.close()
                raise ZygoteUnavailable(f"the zygote could not be started: {error}") from error
        client = ZygoteClient(process, zygote, mounter, () if self._bare else command.tops(system))
        try:
            client.await_ready(BOOT_WAIT)
        except messages.ConnectionBroken as error:
            client.close()
            raise ZygoteUnavailable(spawn.log_tail(log, 600) or str(error)) from error
        return client

    def _drop(self) -> None:
        """Forget a zygote that ended, and what was prepared in it."""
        self.pool.drop()
        if self._client is not None:
            self._client.close()
            self._client = None

    # --- kernels ----------------------------------------------------------------------------------

    def start(self, launch: Launch) -> ZygoteKernel:
        """Start one kernel, probed and built, waiting for the verdict.

        Raises:
            ZygoteCannotServe: It did not come; nothing of it is left.
        """
        if launch.serves:
            return self._start_reader(launch)
        self.pool.limits = launch.policy.limits if launch.cgroup else None
        try:
            client = self.client()
            try:
                return self._start(client, launch)
            except (messages.ConnectionBroken, OSError) as error:
                if client.disconnected():
                    self._retire(client)
                    client.await_end(_END_WAIT)
                    return self._start(self.client(), launch)
                if isinstance(error, ContainerTimeout):
                    self._retire(client)
                raise
        except (messages.ConnectionBroken, OSError) as error:
            raise ZygoteCannotServe(str(error)) from error
        finally:
            self.pool.refill()

    def _start_reader(self, launch: Launch) -> ZygoteKernel:
        """Fork a reader from the zygote that is up; what is prepared is left for kernels."""
        policy = launch.policy
        try:
            client = self.client()
            self._check_reachable(client, policy)
            container = client.make(min(CONTAINER_WAIT, launch.timeout), launch.serves)
            if launch.cgroup:
                enclose(container, policy.limits)
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    paths = [(path, False) for path in policy.grants]
                    paths += [(policy.output_dir, True), (policy.runtime_dir, True)]
                    client.show(container, paths, tmp_bytes=policy.limits.tmp_bytes)
                    order = {"policy": self._policy(policy, client), "serve": _identity_of(launch)}
                    messages.send(container.channel, order, [theirs.fileno()])
                results = self._await_built(container, launch.timeout)
            except BaseException:
                ours.close()
                end_container(client, container)
                raise
        except (messages.ConnectionBroken, OSError) as error:
            raise ZygoteCannotServe(str(error)) from error
        reader = ZygoteKernel(
            client, container, policy, results,
            spare_folder=None, admit=lambda: None, forget=self.pool.unwatch,
        )  # fmt: skip
        reader.conversation = ours
        return reader

    def _check_reachable(self, client: ZygoteClient, policy: SandboxPolicy) -> None:
        """Raise :class:`ZygoteCannotServe` if a path cannot be shown by this zygote."""
        if policy.system != tuple(system_paths(self.python)):
            raise ZygoteCannotServe("the notebook lies in the environment of its interpreter")
        shown = (*client.tops, *policy.system)
        for path in (*policy.grants, policy.output_dir, policy.runtime_dir, policy.workdir):
            if path != "/" and not self._bare and not command.reachable(path, shown):
                raise ZygoteCannotServe(f"{path} cannot be shown by the zygote")

    def _start(self, client: ZygoteClient, launch: Launch) -> ZygoteKernel:
        policy = launch.policy
        self._check_reachable(client, policy)
        taken = self.pool.take_spare(launch)
        fresh = taken is None
        if taken is None:
            taken = Spare(client, self._container(client, launch), None, {}, policy.system)
        try:
            order = _identity_of(launch)
            beside = provisional_connection(launch.connection)
            paths = [*((path, False) for path in policy.grants), (policy.output_dir, True)]
            if fresh:
                taken.connection = beside
                paths.append((policy.runtime_dir, True))
                take = order | {"connection": beside}
                order = {"policy": self._policy(policy, client), "take": take}
            taken.client.show(
                taken.container,
                paths,
                identities=dict(zip(policy.grants, policy.identities, strict=True)),
                folders=[policy.workdir] if policy.workdir != "/" else [],
                hidden=policy.hidden,
                tmp_bytes=policy.limits.tmp_bytes,
            )
            messages.send(taken.container.channel, order)
            results = self._await_built(taken.container, launch.timeout)
        except BaseException:
            taken.discard()
            raise
        bound = taken.connection
        kernel = (ZygoteKernel if self._bare else LiveGrantKernel)(
            taken.client,
            taken.container,
            policy,
            results,
            spare_folder=taken.folder,
            admit=lambda: hand_over(bound, launch.connection),
            forget=self.pool.unwatch,
        )
        self.pool.watch(kernel)
        return kernel

    def _container(self, client: ZygoteClient, launch: Launch) -> Container:
        container = self.pool.take_container(client, launch)
        if container is not None:
            return container
        try:
            return client.make(min(CONTAINER_WAIT, launch.timeout))
        except messages.ConnectionBroken as error:
            raise ContainerTimeout(str(error)) from error

    def _retire(self, client: ZygoteClient) -> None:
        """Request no more containers from a zygote; the next launch boots a new one.

        One that hangs is left alone until the server ends, because its kernels still run.
        """
        with self._booting:
            if self._client is client:
                self.pool.drop()
                self._client = None
                self._retired.append(client)

    def _await_built(self, container: Container, timeout: float) -> Any:
        """Return the probe's results, when the kernel waits with everything but the verdict."""
        record, fds = messages.receive(container.channel, timeout)
        messages.close_all(fds)
        if record.get("built") is not True:
            raise messages.ConnectionBroken(f"the kernel failed: {str(record)[-2000:]}")
        return record.get("results")

    def _policy(self, policy: SandboxPolicy, client: ZygoteClient) -> dict[str, Any]:
        if self._bare:
            return {"whole": policy.to_json()}
        return {
            "landlock": policy.landlock,
            "output_dir": policy.output_dir,
            "runtime_dir": policy.runtime_dir,
            "system": list(policy.system),
            "tops": list(client.tops),
        }

    def close(self) -> None:
        """End the zygote and every kernel of it."""
        self._closed = True
        self.pool.close()
        with self._booting:
            self._drop()
            for client in self._retired:
                client.close()
            self._retired.clear()


def _identity_of(launch: Launch) -> dict[str, Any]:
    """Return what one kernel needs of its launch."""
    return {
        "environment": dict(launch.environment),
        "workdir": launch.policy.workdir,
        "output_dir": launch.policy.output_dir,
        "connection": dict(launch.connection),
        "plan": dict(launch.plan),
        "limits": asdict(launch.policy.limits),
        "serves": launch.serves,
    }


_lock = threading.Lock()
_managers: dict[tuple[int, str, str, bool], ZygoteManager] = {}


def zygote_manager(python: str, bwrap: str, *, bare: bool = False) -> ZygoteManager:
    """This process's zygote for an interpreter (a forked child gets its own)."""
    key = (os.getpid(), python, bwrap, bare)
    with _lock:
        if key not in _managers:
            if not any(known[0] == os.getpid() for known in _managers):
                _managers.clear()
                atexit.register(close_all, os.getpid())
            _managers[key] = ZygoteManager(python, bwrap, bare=bare)
        return _managers[key]


def close_all(pid: int | None = None) -> None:
    """End all zygotes of this process."""
    if pid is not None and pid != os.getpid():
        return
    with _lock:
        found = [_managers.pop(key) for key in list(_managers) if key[0] == os.getpid()]
    for made in found:
        made.close()

"""What is prepared for the next request, and the thread that prepares it.

A bound spare, an empty container for the request after it, and granted files that an editor
replaced. All of it is done between the requests, so that none of them waits for it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel._trees import remove_tree
from analyst_kernel.sandbox import paths
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.linux import landlock
from analyst_kernel.sandbox.policy import ResourceLimits
from analyst_kernel.sandbox.runtime import runtime_folder
from analyst_kernel.sandbox.zygote import messages
from analyst_kernel.sandbox.zygote.client import Container, ZygoteClient, enclose, end_container
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.live_grants import LiveGrantKernel
from analyst_kernel.sandbox.zygote.prewarm import prewarm_from_server

LOOK = 0.5
"""Seconds between two checks of granted files."""

CONTAINER_WAIT = 10.0
"""Seconds for a container."""

_BIND_WAIT = 30.0  # seconds for a spare to be bound, and again to answer
_REFILL_AFTER = 0.15  # seconds that a kernel has the processor for itself before the next spare


class KernelPool:
    """What is prepared of one zygote; safe from any thread.

    Nothing is prepared before :meth:`serve`.
    """

    def __init__(self, python: str) -> None:
        self.spares = True
        self.limits: ResourceLimits | None = None
        self._python = python
        self._client: ZygoteClient | None = None
        self._change = threading.Condition()
        self._spare: Spare | None = None
        self._empty: Container | None = None
        self._refill_at: float | None = None
        self._kernels: set[ZygoteKernel] = set()
        self._ended: list[tuple[ZygoteClient, Container]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def serve(self, client: ZygoteClient) -> None:
        """Prepare from this zygote from now on."""
        with self._change:
            self._client = client
        self.refill()

    def drop(self) -> None:
        """End what is prepared; its zygote is gone or going."""
        with self._change:
            spare, self._spare = self._spare, None
            empty, self._empty = self._empty, None
            client, self._client = self._client, None
        if spare is not None:
            spare.discard()
        if empty is not None and client is not None:
            end_container(client, empty)

    def close(self) -> None:
        """End for good."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self.drop()

    def watch(self, kernel: ZygoteKernel) -> None:
        """Keep a kernel's granted files up to date."""
        with self._change:
            self._kernels.add(kernel)
            self._change.notify_all()

    def unwatch(self, kernel: ZygoteKernel) -> None:
        """Stop watching a kernel, and release its container from the pool's own thread."""
        with self._change:
            self._kernels.discard(kernel)
            self._ended.append((kernel.client, kernel.container))
            self._change.notify_all()

    # --- taking -----------------------------------------------------------------------------------

    def _fits(self, container: Container, launch: Launch) -> bool:
        """Return whether a prepared container has, or could be given, the limits of a launch."""
        wanted = launch.policy.limits
        if container.group is None or (launch.cgroup and container.limits == wanted):
            return True
        if not launch.cgroup:
            return False
        try:
            container.group.limit(wanted)
        except OSError:
            return False
        container.limits = wanted
        return True

    def take_spare(self, launch: Launch) -> Spare | None:
        """Return the spare, if it is ready and fits."""
        policy = launch.policy
        with self._change:
            spare = self._spare
            if spare is None or not policy.landlock or policy.system != spare.system:
                return None
            if not self._fits(spare.container, launch):
                return None
            self._spare = None
        if spare.container.alive() and spare.client.alive():
            return spare
        spare.discard()
        return None

    def take_container(self, client: ZygoteClient, launch: Launch) -> Container | None:
        """Return the empty container that was made ahead, if it fits."""
        with self._change:
            container = self._empty
            if container is None or not self._fits(container, launch):
                return None
            self._empty = None
        if client is self._client and container.alive():
            return container
        end_container(client, container)
        return None

    # --- making -----------------------------------------------------------------------------------

    def ready(self, timeout: float) -> bool:
        """Wait until everything is prepared; return whether it is."""

        def prepared() -> bool:
            spare = self._spare is not None or not self.spares
            return spare and self._empty is not None

        with self._change:
            self._change.wait_for(lambda: prepared() or self._closed, timeout)
            return prepared()

    def _make_container(self, client: ZygoteClient) -> Container:
        """Return an empty container with the limits of the last launch."""
        container = client.make(CONTAINER_WAIT)
        if self.limits is not None:
            enclose(container, self.limits)
        return container

    def _prepare(self) -> None:
        """Make a spare for the next request, and an empty container for the one after."""
        if self.spares and self._spare is None:
            self._make_spare()
        client = self._client
        if self._empty is not None or client is None or not client.alive():
            return
        container: Container | None = self._make_container(client)
        with self._change:
            if not self._closed and client is self._client:
                self._empty, container = container, None
            self._change.notify_all()
        if container is not None:
            end_container(client, container)

    def _make_spare(self) -> None:
        """Fork and bind a kernel ahead of the next request."""
        client = self._client
        if client is None or not client.alive() or landlock.abi() < 1:
            return
        folder = runtime_folder().kernel_folder()
        sockets = os.path.join(folder, "s")
        connection = {
            "transport": "ipc", "ip": os.path.join(sockets, "k"), "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256", "kernel_name": "analyst",
            "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
        }  # fmt: skip
        system = paths.system_paths(self._python)
        container: Container | None = None
        try:
            container = self._make_container(client)
            client.show(container, [(sockets, True)])
            policy = {
                "landlock": True, "output_dir": "", "runtime_dir": sockets,
                "system": list(system), "tops": list(client.tops),
            }  # fmt: skip
            messages.send(container.channel, {"policy": policy, "spare": connection})
            record, fds = messages.receive(container.channel, _BIND_WAIT)
            messages.close_all(fds)
            bound = record.get("bound") is True and prewarm_from_server(connection, _BIND_WAIT)
        except (messages.ConnectionBroken, OSError):
            bound = False
        if container is None or not bound:
            if container is not None:
                end_container(client, container)
            remove_tree(folder)
            return
        spare = Spare(client, container, folder, connection, system)
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
                    if isinstance(kernel, LiveGrantKernel) and kernel.watches_files()
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
            for client, container in ended:
                client.forget(container)
            for kernel in watched:
                kernel.refresh()
            if refill and not self._closed:
                with contextlib.suppress(Exception):  # the next launch reports what is wrong
                    self._prepare()


_BEHIND = "b"  # the first letter of sockets that no client has been given yet
_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


@dataclass
class Spare:
    """One waiting kernel, or a container for a kernel that did not wait.

    ``folder`` is its own runtime folder on the host; None for a kernel that did not wait.
    """

    client: ZygoteClient
    container: Container
    folder: str | None
    connection: dict[str, Any]
    system: tuple[str, ...]

    def discard(self) -> None:
        """End it and leave nothing behind."""
        end_container(self.client, self.container)
        if self.folder is not None:
            remove_tree(self.folder)


def provisional_connection(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a connection beside the wanted one, whose names are as long.

    Raises:
        OSError: Its sockets could not be handed over.
    """
    if wanted.get("transport") != "ipc":
        raise OSError("only sockets with names can be handed over")
    ip = str(wanted["ip"])
    return {**wanted, "ip": os.path.join(os.path.dirname(ip), _BEHIND)}


def hand_over(bound: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Give bound sockets the names that clients use; raise ``OSError`` if one cannot."""
    for channel in _CHANNELS:
        os.rename(_name(bound, channel), _name(wanted, channel))


def _name(connection: Mapping[str, Any], channel: str) -> str:
    return f"{connection['ip']}-{connection[channel]}"

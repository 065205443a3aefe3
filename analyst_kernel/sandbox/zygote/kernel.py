"""One kernel that a zygote forked, as the provisioner sees it.

Everything that comes from inside is untrusted; the process itself is held by a pidfd, never by a
number that may be reused.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from analyst_kernel._trees import remove_tree
from analyst_kernel.protocol.errors import LaunchFailed
from analyst_kernel.sandbox import spawn
from analyst_kernel.sandbox.policy import SandboxPolicy
from analyst_kernel.sandbox.zygote import messages
from analyst_kernel.sandbox.zygote.client import Container, ZygoteClient, close_container

_KILLED = -9


class ZygoteKernel:
    """A kernel in a container. Methods may be called from any thread.

    Attributes:
        pid: Host pid of the container's first process.
        results: What the probe reported, unchecked.
        group: The control group that it was put into ahead, with the limits it was asked for.
        notes: What the user should know about the way it was started.
        conversation: To a reader, which serves over it; None for a kernel.
    """

    def __init__(
        self,
        client: ZygoteClient,
        container: Container,
        policy: SandboxPolicy,
        results: Any,
        *,
        spare_folder: str | None,
        admit: Callable[[], None],
        forget: Callable[[ZygoteKernel], None],
    ) -> None:
        self.client = client
        self.container = container
        self.pid = container.pid
        self.group = container.group
        self.results = results
        self._policy = policy
        self._spare_folder = spare_folder
        self._admit = admit
        self._forget = forget
        self._code: int | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.notes: tuple[str, ...] = ()
        self.conversation: socket.socket | None = None

    async def release(self) -> None:
        """Let the kernel go and clients in; raise :class:`LaunchFailed` if it ended."""
        try:
            messages.send(self.container.channel, {"go": True}, timeout=1.0)
            self._admit()
        except OSError as error:
            self.kill()
            raise LaunchFailed(f"The kernel ended at its start: {error}") from error

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code."""
        with self._lock:
            if self._code is None and not self._closed and not self.container.alive():
                self._code = self._reported_code()
            return self._code

    def _reported_code(self) -> int:
        """Return the exit code that the first process sent before it ended."""
        with contextlib.suppress(messages.ConnectionBroken):
            while True:
                record, fds = messages.receive(self.container.channel, 0.0)
                messages.close_all(fds)
                code = record.get("exited")
                if isinstance(code, int):
                    return code
        return _KILLED

    async def wait(self) -> int:
        """Wait for the end; return the exit code."""
        while (code := self.poll()) is None:
            if self._closed:
                return _KILLED
            await spawn.readable(self.container.pidfd)
        return code

    def kill(self) -> None:
        """End the kernel and its descendants at once."""
        with self._lock:
            if not self._closed:
                self.container.kill()

    def close(self) -> None:
        """Release descriptors and the spare's folder. Idempotent."""
        self.poll()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.container.kill()
            close_container(self.container)
            if self.conversation is not None:
                self.conversation.close()
        if self._spare_folder is not None:
            remove_tree(self._spare_folder)
        self._forget(self)

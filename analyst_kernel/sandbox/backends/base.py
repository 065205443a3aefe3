"""What every sandbox backend offers to the provisioner: start a kernel, probed and held.

A backend starts a process, lets it probe itself and returns the raw results. The provisioner judges
them, and either releases the process or kills it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from analyst_kernel.protocol.errors import LaunchFailed
from analyst_kernel.sandbox import spawn
from analyst_kernel.sandbox.policy import BackendName, SandboxPolicy


@dataclass(frozen=True)
class Launch:
    """Everything a backend needs to start one kernel.

    Attributes:
        policy: What the kernel may reach; it names this backend.
        python: The kernel's interpreter, absolute.
        environment: The scrubbed environment, complete.
        plan: For ``probe.run``, JSON.
        connection: Connection info as ``load_connection_info`` takes it, JSON; no file exists.
            Empty for a process that is no kernel.
        log: A host file for what the kernel writes before its streams are captured.
        timeout: Seconds until the kernel must have answered.
        cgroup: Whether the backend may put it into a control group ahead.
        serves: In place of a kernel: the module of this package whose ``serve`` is called with a
            connected socket. The other end is the attribute ``conversation`` of its process.
    """

    policy: SandboxPolicy
    python: str
    environment: Mapping[str, str]
    plan: Mapping[str, Any]
    connection: Mapping[str, Any]
    log: str
    timeout: float
    cgroup: bool = False
    serves: str = ""


class Process(Protocol):
    """One started kernel, seen from outside. Methods may be called from any thread.

    Attributes:
        pid: Host pid of the outermost process; its descendants are the kernel's.
        results: What the probe reported, unchecked (see ``report.read_results``).
    """

    pid: int
    results: Any

    async def release(self) -> None:
        """Let the kernel go after its results were judged; return when it listens.

        Raises:
            LaunchFailed: The kernel ended first.
        """
        ...

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code (negative for a signal)."""
        ...

    async def wait(self) -> int:
        """Wait for the end; return the exit code."""
        ...

    def kill(self) -> None:
        """Force the end, of the kernel and all its descendants. Idempotent."""
        ...

    def close(self) -> None:
        """Release descriptors, after the end. Idempotent."""
        ...


class Backend(Protocol):
    """One way to enclose a kernel; ``name`` is its name in policies and reports."""

    name: BackendName

    async def launch(self, launch: Launch) -> Process:
        """Start a kernel and let it probe itself; nothing else has run in it on return.

        Raises:
            BackendUnavailable: This machine does not allow this backend.
            BackendSkipped: The next backend has to serve this launch.
            LaunchFailed: This one kernel did not start.
        """
        ...


class ChildProcess:
    """What any kernel has whose outermost process is our child."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @staticmethod
    async def start(
        argv: Sequence[str], launch: Launch, keep: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the outermost process, with the descriptors ``keep``; raises ``LaunchFailed``."""
        policy = launch.policy
        started = spawn.start(
            argv, environment=launch.environment, cwd=policy.workdir, keep=keep, log=launch.log
        )
        try:
            return await asyncio.shield(asyncio.wrap_future(started))
        except asyncio.CancelledError:
            started.add_done_callback(_end_unwanted)
            raise
        except OSError as error:
            raise LaunchFailed(f"the kernel could not be started: {error}") from error

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for the end; return the exit code."""
        while (code := self._process.poll()) is None:
            await _ended(self.pid)
        return code


def _end_unwanted(starting: Future[subprocess.Popen[bytes]]) -> None:
    """End a process that was started after its client had left."""
    if not starting.cancelled() and starting.exception() is None:
        starting.result().kill()
        starting.result().wait()


async def _ended(pid: int) -> None:
    """Return when ``pid`` has ended, or after a moment if that cannot be watched."""
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        await asyncio.sleep(0.05)
        return
    try:
        await spawn.readable(fd)
    finally:
        os.close(fd)


class BackendUnavailable(RuntimeError):
    """This machine does not allow a backend.

    Attributes:
        what: What was found when it was tried.
        remedy: What the user can do about it; may be empty.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class BackendSkipped(RuntimeError):
    """A backend works here, but not for this one launch; the next one may."""


@runtime_checkable
class AcceptsGrants(Protocol):
    """A :class:`Process` to which data can be added while it runs."""

    async def grant(self, policy: SandboxPolicy) -> None:
        """Show the grants of ``policy`` that it lacks; raises :class:`GrantFailed`."""
        ...

    def refresh(self) -> list[str]:
        """Show granted files that were replaced as they are now; return those still stale."""
        ...

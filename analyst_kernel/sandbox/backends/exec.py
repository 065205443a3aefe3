"""The backends that start one interpreter per kernel: bubblewrap, Landlock alone, limits, none.

The steps are the same for each: launcher, entry, probe, verdict, kernel. They differ in what
encloses the launcher and in the rights that it gives up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import IO, Any

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.protocol.errors import LaunchFailed
from analyst_kernel.sandbox import paths, spawn
from analyst_kernel.sandbox.backends.base import BackendUnavailable, ChildProcess, Launch
from analyst_kernel.sandbox.backends.bwrap import NAMESPACES, bwrap_argv
from analyst_kernel.sandbox.inside.channel import Channel, ChannelClosed
from analyst_kernel.sandbox.inside.launcher import REFUSED
from analyst_kernel.sandbox.linux import landlock, seccomp
from analyst_kernel.sandbox.linux.syscall_numbers import machine
from analyst_kernel.sandbox.policy import BackendName

INSTALL = "Install bubblewrap (for example: apt install bubblewrap)."
ALLOW = (
    "Allow unprivileged user namespaces for bwrap: on Ubuntu an AppArmor profile with 'userns,', "
    "in a container a seccomp profile that allows them."
)
_TAIL = 2000
NO_LANDLOCK = "Linux 5.13 or later with Landlock switched on (boot option lsm=landlock,...) has it."


class ExecBackend:
    """Starts kernels by fork and exec; ``bwrap`` is the program or its path, empty for never."""

    def __init__(self, name: BackendName, *, bwrap: str = "bwrap") -> None:
        self.name = name
        self._bwrap = bwrap

    async def launch(self, launch: Launch) -> ExecProcess:
        """Start a kernel and let it probe itself (see :class:`~.backends.Backend`)."""
        self._require_parts()
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        with contextlib.ExitStack() as stack:
            stack.callback(theirs.close)
            policy = stack.enter_context(_unnamed(launch.policy.to_json().encode()))
            keep = [policy.fileno(), theirs.fileno()]
            if self.name == "bubblewrap" and launch.serves:
                # A kernel's first process filters itself: it answers the kernel's connect(2).
                filtered = stack.enter_context(_unnamed(seccomp.packed(machine())))
                keep.append(filtered.fileno())
            try:
                process = await ChildProcess.start(self.argv(launch, *keep), launch, keep)
            except BaseException:
                channel.close()
                raise
        started = ExecProcess(process, channel, launch)
        try:
            await started.probe()
        except ChannelClosed as error:
            code = await started.end()
            raise self._failure(launch, code, str(error)) from error
        except BaseException:
            await finish_despite_cancel(started.end())
            raise
        return started

    def argv(
        self, launch: Launch, policy_fd: int, channel_fd: int, filter_fd: int | None = None
    ) -> list[str]:
        """Return the whole command line of one kernel."""
        script = os.path.join(paths.own_folder(), "script.py")
        command = [launch.python, "-P", script, "inside.reader", str(policy_fd), str(channel_fd)]
        if not launch.serves:
            command = [launch.python, "-S", "-I", script, "inside.launcher", str(policy_fd), "--"]
            command += [launch.python, "-P", script, "inside.entry", str(channel_fd)]
        if self.name != "bubblewrap":
            return command
        program = shutil.which(self._bwrap) or self._bwrap
        return bwrap_argv(
            launch.policy,
            command,
            bwrap=program,
            links=launch.policy.links,
            filter_fd=filter_fd,
        )

    def _require_parts(self) -> None:
        """Raise :class:`BackendUnavailable` for what can be known without trying."""
        if self.name == "bubblewrap":
            if not sys.platform.startswith("linux"):
                raise BackendUnavailable("Namespaces exist on Linux only.")
            if not self._bwrap or shutil.which(self._bwrap) is None:
                raise BackendUnavailable("bubblewrap is not installed.", INSTALL)
        if self.name in ("bubblewrap", "landlock") and not seccomp.available():
            raise BackendUnavailable("There is no seccomp filter for this processor.")
        if self.name == "landlock" and landlock.abi() < 1:
            raise BackendUnavailable("This kernel has no Landlock.", NO_LANDLOCK)

    def _failure(self, launch: Launch, code: int, reason: str) -> BackendUnavailable | LaunchFailed:
        """Return what a kernel that never answered means, found by a second, smaller try."""
        words = spawn.log_tail(launch.log, _TAIL) or reason
        if self.name == "bubblewrap":
            refused = namespaces_refused(self._bwrap)
            if refused:
                return BackendUnavailable(
                    f"bubblewrap cannot make namespaces here: {refused}", ALLOW
                )
        if code == REFUSED:
            return BackendUnavailable(f"{words[:1].upper()}{words[1:]}.")
        return LaunchFailed(f"The kernel ended with code {code} before it was probed: {words}")


def namespaces_refused(bwrap: str) -> str:
    """Return why bubblewrap cannot make its namespaces here, found by trying; empty if it can."""
    argv = [bwrap, *NAMESPACES, "--cap-drop", "ALL", "--ro-bind", "/", "/", "--", "/bin/true"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")


def _unnamed(content: bytes) -> IO[bytes]:
    """Return an open file without a name, which only its descriptor leads to."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    stream.write(content)
    stream.seek(0)
    return stream


class ExecProcess(ChildProcess):
    """A kernel that is held by the channel to it until it is released."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, launch: Launch) -> None:
        super().__init__(process)
        self._channel = channel
        self._launch = launch
        self.results: Any = None
        self.conversation: socket.socket | None = None

    async def probe(self) -> None:
        """Let the kernel try the ways out; raise ``ChannelClosed`` if it ends."""
        timeout = self._launch.timeout

        def ask() -> Any:
            self._channel.receive(timeout)
            policy = self._launch.policy
            limited = policy.backend != "none"
            self._channel.send(
                {
                    "plan": dict(self._launch.plan),
                    "connection": dict(self._launch.connection),
                    "serves": self._launch.serves,
                    "output_dir": policy.output_dir,
                    "encloses": policy.isolates,
                    "limits": asdict(policy.limits) if limited else None,
                    "base_tasks": 0 if policy.backend == "bubblewrap" else None,
                }
            )
            return self._channel.receive(timeout).get("results")

        self.results = await asyncio.to_thread(ask)

    async def release(self) -> None:
        """Let the kernel go; return when it has bound its sockets, or listens to its channel."""

        def go() -> None:
            self._channel.send({"go": True})
            self._channel.receive(self._launch.timeout)

        try:
            await asyncio.to_thread(go)
        except ChannelClosed as error:
            code = await self.end()
            words = spawn.log_tail(self._launch.log, _TAIL)
            what = f"The kernel ended with code {code} at its start: {words}"
            raise LaunchFailed(what) from error
        except BaseException:
            self.kill()
            raise
        if self._launch.serves:
            self.conversation = self._channel.detach()
        else:
            self._channel.close()

    async def end(self) -> int:
        """Kill and wait; return the exit code."""
        self.kill()
        code = await self.wait()
        self.close()
        return code

    def kill(self) -> None:
        """End the kernel and its descendants at once."""
        # Killing a supervisor outright would orphan what it watches over. It ends everything on
        # SIGTERM, and nothing of the kernel's can delay it.
        supervised = self._launch.policy.backend in ("landlock", "limits")
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM if supervised else signal.SIGKILL)

    def close(self) -> None:
        """Close our end of the channel."""
        self._channel.close()

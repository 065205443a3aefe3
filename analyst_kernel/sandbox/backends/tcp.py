"""The backend ``limits`` for platforms without Unix sockets between kernel and server (Windows).

A plain kernel over TCP with a scrubbed environment, ended by the watchdog when it takes too much.
It isolates nothing, its probe tries nothing, and its report states that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from typing import Any

from analyst_kernel.protocol.errors import LaunchFailed
from analyst_kernel.sandbox import spawn
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.policy import BackendName

_OUTPUT_DIR = (
    "import os, pathlib; OUTPUT_DIR = pathlib.Path(os.environ['ANALYST_OUTPUT_DIR']); "
    "del os, pathlib"
)


class TcpBackend:
    """Starts kernels as any Jupyter server would, without its environment."""

    @property
    def name(self) -> BackendName:
        """Its name in policies and reports."""
        return "limits"

    async def launch(self, launch: Launch) -> TcpProcess:
        """Start a kernel from the connection file beside its log."""
        file = os.path.join(os.path.dirname(launch.log), "k.json")
        argv = [launch.python, "-m", "ipykernel_launcher", "-f", file]
        argv += ["--HistoryManager.enabled=False", "--HistoryManager.hist_file=:memory:"]
        argv += [
            f"--IPKernelApp.exec_lines={_OUTPUT_DIR}",
            "--ext=analyst_kernel.kernel.payload.extension",
        ]
        start = spawn.start(
            argv,
            environment=launch.environment,
            cwd=launch.policy.workdir,
            keep=(),
            log=launch.log,
        )
        try:
            return TcpProcess(await asyncio.wrap_future(start))
        except OSError as error:
            raise LaunchFailed(f"the kernel could not be started: {error}") from error


class TcpProcess:
    """A kernel that is our child."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    @property
    def results(self) -> Any:
        """The environment was made here; nothing else was tried."""
        return [{"name": "environment", "closed": True, "detail": "scrubbed by the server"}]

    async def release(self) -> None:
        """Do nothing: it was never held."""

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for the end; return the exit code."""
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - no handle to wait on
            await asyncio.sleep(0.05)
        return code

    def terminate(self) -> None:
        """End it and what it started."""
        self.kill()

    def kill(self) -> None:
        """End it and what it started."""
        import psutil

        if self._process.poll() is not None:
            return
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """Do nothing: no descriptor is held."""

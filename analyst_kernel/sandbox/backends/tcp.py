"""The backend ``limits`` for platforms without Unix sockets between kernel and server (Windows).

A plain kernel over TCP with a scrubbed environment, ended by the watchdog when it takes too much.
It isolates nothing, its probe tries nothing, and its report states that.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from analyst_kernel.sandbox.backends.base import ChildProcess, Launch
from analyst_kernel.sandbox.policy import BackendName

_OUTPUT_DIR = (
    "import os, pathlib; OUTPUT_DIR = pathlib.Path(os.environ['ANALYST_OUTPUT_DIR']); "
    "del os, pathlib"
)


class TcpBackend:
    """Starts kernels as any Jupyter server would, without its environment."""

    name: BackendName = "limits"

    async def launch(self, launch: Launch) -> TcpProcess:
        """Start a kernel from the connection file beside its log."""
        file = os.path.join(os.path.dirname(launch.log), "k.json")
        argv = [launch.python, "-m", "ipykernel_launcher", "-f", file]
        argv += ["--HistoryManager.enabled=False", "--HistoryManager.hist_file=:memory:"]
        argv += [
            f"--IPKernelApp.exec_lines={_OUTPUT_DIR}",
            "--ext=analyst_kernel.kernel.payload.extension",
        ]
        return TcpProcess(await ChildProcess.start(argv, launch))


class TcpProcess(ChildProcess):
    """A kernel that was never held: it runs from the start."""

    results: Any = (
        # The environment was made here; nothing else was tried.
        {"name": "environment", "closed": True, "detail": "scrubbed by the server"},
    )

    async def release(self) -> None:
        """Do nothing: it was never held."""

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

"""The backend ``limits`` for platforms without Unix sockets between kernel and server (Windows).

A plain kernel or reader over TCP with a scrubbed environment, ended by the watchdog when it takes
too much. It isolates nothing, its probe tries nothing, and its report states that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
from dataclasses import replace
from typing import Any

from analyst_kernel.protocol.errors import LaunchFailed
from analyst_kernel.sandbox import paths
from analyst_kernel.sandbox.backends.base import ChildProcess, Launch
from analyst_kernel.sandbox.inside.entry import TOKEN
from analyst_kernel.sandbox.policy import BackendName

_OUTPUT_DIR = (
    "import os, pathlib; OUTPUT_DIR = pathlib.Path(os.environ['ANALYST_OUTPUT_DIR']); "
    "del os, pathlib"
)


class TcpBackend:
    """Starts kernels as any Jupyter server would, without its environment."""

    name: BackendName = "limits"

    async def launch(self, launch: Launch) -> TcpProcess:
        """Start a kernel from the connection file beside its log, or a reader."""
        if launch.serves:
            return await _reader(launch)
        file = os.path.join(os.path.dirname(launch.log), "k.json")
        argv = [launch.python, "-m", "ipykernel_launcher", "-f", file]
        argv += ["--HistoryManager.enabled=False", "--HistoryManager.hist_file=:memory:"]
        argv += [
            f"--IPKernelApp.exec_lines={_OUTPUT_DIR}",
            "--ext=analyst_kernel.kernel.payload.extension",
        ]
        return TcpProcess(await ChildProcess.start(argv, launch))


async def _reader(launch: Launch) -> TcpProcess:
    """Start a reader, which connects to a port of ours and shows that it is the one."""
    token = secrets.token_hex(32)
    script = os.path.join(paths.own_folder(), "script.py")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        argv = [launch.python, "-P", script, "inside.reader", "tcp", str(port)]
        argv += [launch.serves, launch.policy.output_dir]
        environment = {**launch.environment, TOKEN: token}
        started = TcpProcess(
            await ChildProcess.start(argv, replace(launch, environment=environment))
        )
        try:
            async with asyncio.timeout(launch.timeout):
                started.conversation = await _connected(listening, token.encode())
        except TimeoutError:
            started.kill()
            raise LaunchFailed("The reader did not connect in time.") from None
        except BaseException:
            started.kill()
            raise
    return started


async def _connected(listening: socket.socket, token: bytes) -> socket.socket:
    """Return the connection over which the token comes; others are closed."""
    loop = asyncio.get_running_loop()
    listening.setblocking(False)
    while True:
        end, _address = await loop.sock_accept(listening)
        shown = b""
        try:
            while len(shown) < len(token) and (
                block := await loop.sock_recv(end, len(token) - len(shown))
            ):
                shown += block
        except BaseException:
            end.close()
            raise
        if hmac.compare_digest(shown, token):
            return end
        end.close()


class TcpProcess(ChildProcess):
    """A process that was never held: it runs from the start.

    Attributes:
        conversation: To a reader, which serves over it; None for a kernel.
    """

    conversation: socket.socket | None = None
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
        """Close the connection to a reader. Idempotent."""
        if self.conversation is not None:
            self.conversation.close()

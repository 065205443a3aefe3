"""A real Jupyter server process that is killed; the next one is started ahead of time.

A server reads the journal with the first request to the extension, so one that only waits to take
over shares nothing yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from tests.server.browser import TOKEN, Browser

DEADLINE = 300.0
_EXTENSIONS = {
    "analyst_kernel": True,
    **dict.fromkeys(
        ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim"), False
    ),
}
_TRAITS = {
    "IdentityProvider.token": TOKEN,
    "ServerApp.jpserver_extensions": str(_EXTENSIONS),
    "ServerApp.open_browser": "False",
    "ServerApp.allow_root": "True",
    "ServerApp.port_retries": "0",
    "ServerApp.log_level": "30",
    "AnalystKernelApp.kernel_name": "python3",
    "AnalystKernelApp.sandbox": "none",
    "AnalystKernelApp.locked": "{'approval': 'automatic'}",
    "AnalystKernelApp.reconnect_seconds": "0",
}


def _free_port() -> int:
    """Return a port that no connection of somebody else's will be given meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class CrashServer:
    """One process."""

    def __init__(self, root: Path, place: Path, number: int) -> None:
        """Start it on ``root``; ``place`` holds what all of them share."""
        port = _free_port()
        environment = {
            **os.environ,
            "JUPYTER_DATA_DIR": str(place / "data"),
            "JUPYTER_RUNTIME_DIR": str(place / "run"),
            "JUPYTER_CONFIG_DIR": str(place / "config"),
        }
        traits = {**_TRAITS, "ServerApp.root_dir": str(root), "ServerApp.port": str(port)}
        with (place / f"server{number}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyter_server",
                    *(f"--{key}={value}" for key, value in traits.items()),
                ],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.browser = Browser(port, "/")

    async def ready(self) -> Browser:
        """Wait until it answers."""
        address = f"http://{self.browser.base}api?token={TOKEN}"
        async with asyncio.timeout(DEADLINE):
            while True:
                assert self.process.poll() is None, "the server ended by itself"
                try:
                    await AsyncHTTPClient().fetch(address)
                except (OSError, HTTPClientError):
                    await asyncio.sleep(0.05)
                    continue
                return self.browser

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

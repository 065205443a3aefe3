"""A real Jupyter server with the extension, in this process and on this test's event loop.

``start_server()`` may be called again after ``stop()``: that is a server's restart.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import tornado.httpserver
import tornado.testing
from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from analyst_kernel.server.http.base import BOOTSTRAP
from analyst_kernel.server.session.registry import SessionRegistry
from tests.fakes.fixtures import claude_environment, quiet_environment, wire_server
from tests.server.browser import TOKEN, Browser

__all__ = ["claude_environment", "quiet_environment", "wire_server"]

DATA = Path(__file__).resolve().parents[2] / "notebooks" / "data"
BASE_URL = "/user/ann%40b/"
PLAIN = {"kernel_name": "python3"}
"""Kernels as Jupyter starts them by itself."""


class Server:
    """A running server and a browser for it."""

    def __init__(self, app: Any, http: Any, port: int) -> None:
        self.app = app
        self.http = http
        self.browser = Browser(port, BASE_URL)

    async def analyses(self) -> SessionRegistry:
        """Return the analyses of the server, for what no route offers."""
        found: SessionRegistry = await self.app.web_app.settings[BOOTSTRAP].get()
        return found

    async def stop(self) -> None:
        """Stop as Jupyter does at Ctrl-C."""
        if self.app is None:
            return
        app, self.app = self.app, None
        await self.browser.close()
        self.http.stop()
        await app._cleanup()
        await self.http.close_all_connections()
        # What Jupyter had begun (a restart that was cut off) may have left sockets open. A collection
        # of garbage that finds them together with their context waits for them without end.
        app.kernel_manager.context.destroy(linger=0)
        ServerApp.clear_instance()


StartServer = Callable[..., Awaitable[Server]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the server's root folder, with one data file."""
    folder = tmp_path / "root"
    (folder / "data").mkdir(parents=True)
    shutil.copy(DATA / "penguins_raw.csv", folder / "data")
    return folder


@pytest.fixture
async def start_server(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartServer]:
    """Return a maker of servers; keywords are traits of the extension.

    Kernels are sandboxed as far as this machine allows, and so forked from a process that all tests
    share. A test whose cells look at files that no user granted takes ``PLAIN`` kernels.
    """
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "run"))
    servers: list[Server] = []

    async def start(*, extensions: tuple[str, ...] = (), **traits: Any) -> Server:
        await asyncio.gather(*(server.stop() for server in servers))
        traits = {"sandbox": "none", "locked": {"approval": "automatic"}, **traits}
        config = Config(
            {
                "ServerApp": {
                    "jpserver_extensions": dict.fromkeys(["analyst_kernel", *extensions], True)
                },
                "IdentityProvider": {"token": TOKEN},
                "AnalystKernelApp": traits,
            }
        )
        socket, port = tornado.testing.bind_unused_port()
        app = ServerApp.instance(
            config=config, root_dir=str(root), base_url=BASE_URL, port=port, port_retries=0,
            open_browser=False, allow_root=True, log_level=30,
        )  # fmt: skip
        app.init_signal = lambda: None  # type: ignore[method-assign] # signals are pytest's
        app.initialize(argv=[], find_extensions=False, new_httpserver=False)
        http = tornado.httpserver.HTTPServer(app.web_app)
        http.add_socket(socket)
        server = Server(app, http, port)
        servers.append(server)
        return server

    yield start
    await asyncio.gather(*(server.stop() for server in servers))


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """Return a running server."""
    return await start_server()


@pytest.fixture
def browser(server: Server) -> Browser:
    """Return a browser for the running server."""
    return server.browser

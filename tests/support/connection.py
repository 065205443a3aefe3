"""The WebSocket between a page and the server, which a test can cut and give back."""

from __future__ import annotations

import re

from playwright.sync_api import WebSocketRoute

from tests.support.panel_page import Panel, ready

SOCKET = re.compile("analyst-kernel/socket")


class Connection:
    """The connection of one page; the page is loaded again, so that it goes through here."""

    def __init__(self, panel: Panel) -> None:
        self._is_cut = False
        self._live: list[WebSocketRoute] = []
        panel.page.route_web_socket(SOCKET, self._route)
        panel.page.reload()
        ready(panel)

    def _route(self, socket: WebSocketRoute) -> None:
        if self._is_cut:
            socket.close(code=1011, reason="cut")
            return
        self._live.append(socket)
        socket.connect_to_server()

    def cut(self) -> None:
        """Close it, and refuse every new one."""
        self._is_cut = True
        for socket in self._live:
            socket.close(code=1011, reason="cut")
        self._live.clear()

    def give_back(self) -> None:
        """Let the page connect again."""
        self._is_cut = False

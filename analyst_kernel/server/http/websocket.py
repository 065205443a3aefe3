"""The WebSocket of a browser tab: commands in, frames out.

Identity, origin, pings and limits are Jupyter's own, as for the sockets of its kernels.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from analyst_kernel._aio import BackgroundTasks
from analyst_kernel.server.http.base import AUTH_RESOURCE, BOOTSTRAP, Bootstrap

if TYPE_CHECKING:
    from analyst_kernel.server.events.client import Tab
    from analyst_kernel.server.session.registry import SessionRegistry

_GOING_AWAY = 1001
_log = logging.getLogger(__name__)


class SocketHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """The socket of one tab."""

    auth_resource = AUTH_RESOURCE
    max_message_size = 256 << 20  # a whole notebook with its charts
    _registry: SessionRegistry
    _tab: Tab

    def set_default_headers(self) -> None:
        """Set none; they have no meaning on a socket."""

    def get_compression_options(self) -> dict[str, Any] | None:
        """Compress if the server is configured to."""
        options: dict[str, Any] | None = self.settings.get("websocket_compression_options", None)
        return options

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket for a user who may run code in kernels of this server."""
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "kernels")):
            raise web.HTTPError(403)
        bootstrap: Bootstrap = self.settings[BOOTSTRAP]
        self._registry = await bootstrap.get()
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Join the tabs."""
        from analyst_kernel.server.events.client import Tab

        super().open(*args, **kwargs)
        self._tasks = BackgroundTasks()
        self._tab = Tab(self._send, self.close)
        self._registry.join(self._tab)
        self._tasks.start(self._tab.run())

    def on_message(self, message: str | bytes) -> None:
        """Perform the command of a frame, without waiting for the one before it."""
        self._tasks.start(self._perform(message))

    def on_close(self) -> None:
        """Leave; the analyses go on."""
        if hasattr(self, "_tab"):
            # A page that is closed sends this code; one that sleeps or loses the network does not.
            self._registry.leave(self._tab, closed=self.close_code == _GOING_AWAY)

    async def _send(self, text: str) -> None:
        try:
            await self.write_message(text)
        except (WebSocketClosedError, StreamClosedError):
            self._registry.leave(self._tab)

    async def _perform(self, message: str | bytes) -> None:
        from pydantic import ValidationError

        from analyst_kernel.protocol.errors import AnalystError
        from analyst_kernel.protocol.socket import AcceptedFrame, ClientFrame, RefusedFrame

        tab = self._tab
        try:
            frame = ClientFrame.model_validate_json(message)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            what = f"The command could not be read ({where}: {first['msg']})."
            remedy = "Reload the page: server and browser may be of different versions."
            tab.send(RefusedFrame(id=id_of(message), message=what, remedy=remedy))
            return
        try:
            await self._registry.find(frame.command.analysis).perform(tab, frame.command)
        except AnalystError as error:
            tab.send(RefusedFrame(id=frame.id, message=error.what, remedy=error.remedy))
        except asyncio.CancelledError:
            tab.send(RefusedFrame(id=frame.id, message="It was stopped before it began."))
        except Exception:  # noqa: BLE001 - the tab must get an answer, and the others go on
            _log.exception("The command %s failed", frame.command.type)
            what = "The server failed at this command."
            tab.send(RefusedFrame(id=frame.id, message=what, remedy="See the server's log."))
        else:
            tab.send(AcceptedFrame(id=frame.id))


def id_of(message: str | bytes) -> int | None:
    """Return the id of a frame that is invalid otherwise."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    number = found.get("id") if isinstance(found, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None

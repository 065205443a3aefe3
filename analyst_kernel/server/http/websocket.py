"""The WebSocket of a browser tab: commands in, frames out. It decides nothing.

Identity, origin, pings and limits are Jupyter's own, as for its kernels' sockets.
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

from analyst_kernel.server.http.base import AUTH_RESOURCE, BOOTSTRAP

if TYPE_CHECKING:
    from analyst_kernel.server.events.client import Tab
    from analyst_kernel.server.http.loader import Bootstrap
    from analyst_kernel.server.session.registry import SessionRegistry

_GOING_AWAY = 1001
_log = logging.getLogger(__name__)


class SocketHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One per tab."""

    auth_resource = AUTH_RESOURCE
    max_message_size = 256 << 20  # a whole notebook with its charts
    _analyses: SessionRegistry
    _tab: Tab
    _tasks: set[asyncio.Task[None]]

    def set_default_headers(self) -> None:
        """Set none: they make no sense on a socket."""

    def get_compression_options(self) -> dict[str, Any] | None:
        """Compress where the server is told to."""
        options: dict[str, Any] | None = self.settings.get("websocket_compression_options", None)
        return options

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket for whoever may run code in kernels of this server."""
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "kernels")):
            raise web.HTTPError(403)
        bootstrap: Bootstrap = self.settings[BOOTSTRAP]
        self._analyses = await bootstrap.get()
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Join the tabs."""
        from analyst_kernel.server.events.client import Tab

        super().open(*args, **kwargs)
        self._tasks = set()
        self._tab = Tab(self._send, self.close)
        self._analyses.join(self._tab)
        self._spawn(self._tab.run())

    def on_message(self, message: str | bytes) -> None:
        """Do what a frame commands, without waiting for the one before it."""
        self._spawn(self._take(message))

    def on_close(self) -> None:
        """Leave; what the analyses do goes on."""
        if hasattr(self, "_tab"):
            # A page that goes away says so; one that falls asleep or off the network does not.
            self._analyses.leave(self._tab, closed=self.close_code == _GOING_AWAY)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, text: str) -> None:
        try:
            await self.write_message(text)
        except (WebSocketClosedError, StreamClosedError):
            self._analyses.leave(self._tab)

    async def _take(self, message: str | bytes) -> None:
        from pydantic import ValidationError

        from analyst_kernel.protocol.errors import AnalystError
        from analyst_kernel.protocol.socket import AcceptedFrame, ClientFrame, RefusedFrame
        from analyst_kernel.server.session.dispatch import perform

        tab = self._tab
        try:
            frame = ClientFrame.model_validate_json(message)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            what = f"The command could not be read ({where}: {first['msg']})."
            remedy = "Reload the page: server and browser may be of different versions."
            tab.say(RefusedFrame(id=_id_of(message), message=what, remedy=remedy))
            return
        try:
            await perform(self._analyses, tab, frame.command)
        except AnalystError as error:
            tab.say(RefusedFrame(id=frame.id, message=error.what, remedy=error.remedy))
        except asyncio.CancelledError:
            tab.say(RefusedFrame(id=frame.id, message="It was stopped before it began."))
        except Exception:  # noqa: BLE001 - the tab must hear of it, and the others go on
            _log.exception("The command %s failed", frame.command.type)
            what = "The server failed at this command."
            tab.say(RefusedFrame(id=frame.id, message=what, remedy="See the server's log."))
        else:
            tab.say(AcceptedFrame(id=frame.id))


def _id_of(message: str | bytes) -> int | None:
    """Return the id of a frame that is otherwise unreadable."""
    try:
        found = json.loads(message)
    except ValueError:
        return None
    number = found.get("id") if isinstance(found, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None

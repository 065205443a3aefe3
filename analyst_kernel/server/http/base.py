"""The base of every REST handler: identity, JSON in and out, errors as sentences.

Jupyter loads this module at its start, so it imports almost nothing: :class:`Bootstrap` loads the
analyses on the first request, so that the start does not wait for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

if TYPE_CHECKING:
    from analyst_kernel.server.session.registry import SessionRegistry

BOOTSTRAP = "analyst_kernel_bootstrap"
"""The web application's setting that holds the bootstrap."""

AUTH_RESOURCE = "analyst-kernel"
"""The resource that an authorizer is asked about; reading is ``read``, the rest ``write``."""

_MODULES = ("analyst_kernel.server.session.registry", "analyst_kernel.server.http.views")

_log = logging.getLogger(__name__)


class Bootstrap:
    """Makes the server's :class:`SessionRegistry`, once."""

    def __init__(self, open_registry: Callable[[], Awaitable[SessionRegistry]]) -> None:
        """Call ``open_registry`` on the first request."""
        self._open_registry = open_registry
        self._made: asyncio.Task[SessionRegistry] | None = None
        self._closed = False

    async def get(self) -> SessionRegistry:
        """Return the registry. If it cannot be opened, the next call tries again.

        Raises:
            AnalystError: The journal cannot be used.
        """
        if self._made is None or (self._made.done() and self._failed(self._made)):
            if self._closed:
                raise RuntimeError("the server is stopping")
            self._made = asyncio.get_running_loop().create_task(self._make())
        return await asyncio.shield(self._made)

    @property
    def at_work(self) -> int:
        """The number of analyses at work; 0 before the first request."""
        made = self._made
        if made is None or not made.done() or self._failed(made):
            return 0
        return made.result().at_work

    async def close(self) -> None:
        """Stop all analyses. Idempotent."""
        self._closed = True
        made, self._made = self._made, None
        if made is not None:
            await asyncio.wait([made])
            if not self._failed(made):
                await made.result().close()

    async def _make(self) -> SessionRegistry:
        for module in _MODULES:
            await asyncio.to_thread(import_module, module)
        return await self._open_registry()

    @staticmethod
    def _failed(made: asyncio.Task[SessionRegistry]) -> bool:
        return made.cancelled() or made.exception() is not None


class AnalystHandler(APIHandler):
    """Base of all handlers below ``analyst-kernel/api``."""

    auth_resource = AUTH_RESOURCE

    async def registry(self) -> SessionRegistry:
        """Return the server's analyses, loaded on the first call."""
        bootstrap: Bootstrap = self.settings[BOOTSTRAP]
        return await bootstrap.get()

    def reply(self, value: object, status: int = 200) -> None:
        """Answer with JSON; protocol records are encoded as on the socket."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(value, default=_plain))

    def body(self) -> dict[str, Any]:
        """Return the request's JSON object.

        Jupyter's own reader would log a body that is not JSON, and a body may hold a key.

        Raises:
            web.HTTPError: The body is no JSON object.
        """
        try:
            found = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise web.HTTPError(400, "The request holds no JSON object.")
        return found

    def text(self, body: dict[str, Any], name: str, *, needed: bool = False) -> str | None:
        """Return a text of the body, or None if it is missing and not needed."""
        value = body.get(name)
        if value is None and not needed:
            return None
        if not isinstance(value, str):
            raise web.HTTPError(400, f"The request needs the text {name!r}.")
        return value

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with what went wrong, and with the remedy if one is known."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        message, remedy = f"The server answered {status_code}.", ""
        if isinstance(error, web.MissingArgumentError):
            message = f"The address needs {error.arg_name}=..."
        elif isinstance(error, web.HTTPError):
            message = error.log_message or error.reason or message
        elif error is not None:
            message = getattr(error, "what", "") or "The server failed at this request."
            remedy = getattr(error, "remedy", "") or "See the server's log."
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": message, "remedy": remedy}))

    def log_exception(self, *args: Any) -> None:
        """Log defects only, not the errors that are explained to the user."""
        error = args[1]
        if not hasattr(error, "remedy"):
            super().log_exception(*args)


def route(method: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """Wrap a handler's method: check identity and authorization, and turn errors into answers."""

    @web.authenticated
    @authorized
    @wraps(method)
    async def answer(self: AnalystHandler, *args: str) -> None:
        from analyst_kernel.protocol.errors import AnalystError

        try:
            await method(self, *args)
        except AnalystError as error:
            self.clear()
            self.send_error(_status_of(error), exc_info=(type(error), error, None))

    return answer


def _status_of(error: Exception) -> int:
    from analyst_kernel.protocol.errors import InputError, NotFound, SandboxError

    match error:
        case NotFound():
            return 404
        case SandboxError():
            return 409
        case InputError():
            return 400
        case _:
            return 500


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")

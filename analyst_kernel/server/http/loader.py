"""Loads the analyses on the first request, in a thread: a server's start must not wait for them.

It imports next to nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyst_kernel.server.session.registry import SessionRegistry
    from analyst_kernel.server.settings import ServerSettings

_MODULES = (
    "analyst_kernel.server.session.registry",
    "analyst_kernel.server.session.dispatch",
    "analyst_kernel.server.http.views",
    "analyst_kernel.server.session.export",
)


@dataclass(frozen=True, slots=True)
class Managers:
    """What the Jupyter server has.

    Attributes:
        kernels, sessions, contents: Its managers.
        settings: Its web application's settings, where other extensions are found.
        events: Its event logger, which tells of renamed files.
    """

    kernels: Any
    sessions: Any
    contents: Any
    settings: Mapping[str, Any]
    events: Any


class Bootstrap:
    """Gives the server's :class:`SessionRegistry`, made once."""

    def __init__(self, settings: Callable[[], ServerSettings], managers: Managers) -> None:
        """Make the analyses with what ``settings`` returns, when they are first wanted."""
        self._settings = settings
        self._managers = managers
        self._made: asyncio.Task[SessionRegistry] | None = None
        self._closed = False

    async def get(self) -> SessionRegistry:
        """Return the analyses. Where they cannot be had, the next call tries again.

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
        """How many runs are at work; 0 before anything was loaded."""
        made = self._made
        if made is None or not made.done() or self._failed(made):
            return 0
        return made.result().at_work

    async def close(self) -> None:
        """Stop all analyses; harmless where none were loaded."""
        self._closed = True
        made, self._made = self._made, None
        if made is not None:
            await asyncio.wait([made])
            if not self._failed(made):
                await made.result().close()

    async def _make(self) -> SessionRegistry:
        for module in _MODULES:
            await asyncio.to_thread(import_module, module)
        from analyst_kernel.server.session.registry import SessionRegistry

        return await SessionRegistry.open(self._settings(), self._managers)

    @staticmethod
    def _failed(made: asyncio.Task[SessionRegistry]) -> bool:
        return made.cancelled() or made.exception() is not None

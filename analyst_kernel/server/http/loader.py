"""Loads the analyses on the first request, so that a server's start does not wait for them.

Jupyter loads this module at its start, so it imports almost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyst_kernel.server.session.registry import SessionRegistry

_MODULES = (
    "analyst_kernel.server.session.registry",
    "analyst_kernel.server.session.dispatch",
    "analyst_kernel.server.http.views",
    "analyst_kernel.server.session.export",
)


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

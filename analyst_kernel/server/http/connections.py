"""The addresses of the databases: a list, a try, tables and columns.

A look at a database ends, there too, when the browser that asked for it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado import web

from analyst_kernel.server.http.base import AnalystHandler, route

if TYPE_CHECKING:
    from analyst_kernel.server.session.connections import UserConnections

_LIMITS = ("max_rows", "max_megabytes", "max_seconds", "ask_above_rows", "ask_above_cost")


class ConnectionsHandler(AnalystHandler):
    """The user's list of databases; a password goes in and never comes out."""

    @route
    async def get(self) -> None:
        """List connections and engines."""
        self.reply(await (await self.registry()).services.connections.listing())

    @route
    async def post(self) -> None:
        """Add or change one: ``{name, address, password_from, password?}`` and its limits."""
        body = self.body()
        limits = {key: body[key] for key in _LIMITS if body.get(key) is not None}
        entry = await (await self.registry()).services.connections.add(
            self.text(body, "name", needed=True) or "",
            self.text(body, "address", needed=True) or "",
            self.text(body, "password_from", needed=True) or "",
            self.text(body, "password") or "",
            limits,
        )
        self.reply(entry, 201)


class _LookHandler(AnalystHandler):
    """Asks a database as long as somebody waits for it."""

    _looking: asyncio.Future[Any] | None = None

    def on_connection_close(self) -> None:
        """End the look, and with it what runs on the server."""
        super().on_connection_close()
        if self._looking is not None:
            self._looking.cancel()

    async def look(self, ask: Callable[[UserConnections], Awaitable[object]]) -> None:
        """Answer with what a look gave."""
        connections = (await self.registry()).services.connections
        looking = self._looking = asyncio.ensure_future(ask(connections))
        await asyncio.wait([looking])
        if looking.cancelled():
            raise web.Finish
        self.reply(looking.result())


class ConnectionHandler(_LookHandler):
    """One connection."""

    @route
    async def post(self, name: str) -> None:
        """Sign in, and say as whom: ``{said, warning}``."""
        await self.look(lambda connections: connections.test(name))

    @route
    async def delete(self, name: str) -> None:
        """Remove it from the list, and its stored password."""
        await (await self.registry()).services.connections.remove(name)
        self.reply(None)


class TablesHandler(_LookHandler):
    """What is in a database."""

    @route
    async def get(self, name: str) -> None:
        """List tables that hold ``search``; with ``schema`` and ``table`` the columns of one."""
        table = self.get_query_argument("table", "", strip=False)
        schema = self.get_query_argument("schema", "", strip=False)
        search = self.get_query_argument("search", "")
        again = self.get_query_argument("again", "") == "1"
        if table:
            await self.look(lambda connections: connections.columns(name, schema, table))
        else:
            await self.look(
                lambda connections: connections.tables(name, search=search, again=again)
            )

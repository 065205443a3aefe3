"""The user's list of databases on a server, and what a browser is shown of one: all bounded."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from analyst_kernel.connections.engines import ENGINES
from analyst_kernel.connections.entries import ConnectionEntry, ConnectionList, checked_entry
from analyst_kernel.connections.outside import DatabaseWorker
from analyst_kernel.connections.passwords import STORED, password_place
from analyst_kernel.connections.profiles import RemoteTable
from analyst_kernel.protocol.errors import AnalystError, InputError, NotFound

_MOST_TABLES = 200
_MOST_COLUMNS = 500
_MOST_AT_ONCE = 4
_MOST_KEPT = 8
_KEPT_SECONDS = 300.0
_LOOK_SECONDS = 30.0


class UserConnections:
    """Lists, adds, tries and browses connections. Cancelling a look ends it on the server too."""

    def __init__(self, folder: Path, *, stores_nothing: bool = False) -> None:
        """Use the list in ``folder``; ``stores_nothing`` if the administrator keeps secrets."""
        self._list = ConnectionList(folder)
        self._stores_nothing = stores_nothing
        self._looks = asyncio.Semaphore(_MOST_AT_ONCE)
        self._schemas: OrderedDict[str, _Schema] = OrderedDict()

    async def names(self) -> frozenset[str]:
        """Return the names of all connections. Raises ``InputError``."""
        return frozenset(await asyncio.to_thread(self._list.entries))

    async def named(self, name: str) -> ConnectionEntry:
        """Return a connection. Raises ``InputError`` if there is none of this name."""
        return await asyncio.to_thread(self._list.named, name)

    async def listing(self) -> dict[str, Any]:
        """Return the connections and the engines; it holds no password."""
        problem = ""
        entries: dict[str, ConnectionEntry] = {}
        try:
            entries = await asyncio.to_thread(self._list.entries)
        except AnalystError as error:
            problem = str(error)
        place = "" if self._stores_nothing else await asyncio.to_thread(password_place)
        return {
            "connections": [entry.model_dump(mode="json") for entry in entries.values()],
            "engines": [
                {
                    "name": name,
                    "title": engine.title,
                    "example": engine.example,
                    "install": "" if engine.is_installed else engine.install,
                }
                for name, engine in ENGINES.items()
            ],
            "password_place": place,
            "problem": problem,
        }

    async def add(
        self,
        name: str,
        address: str,
        password_from: str,
        password: str,
        limits: dict[str, Any],
    ) -> ConnectionEntry:
        """Add a connection, or replace that of its name.

        Raises:
            InputError: A part cannot be used, or the administrator lets no password be stored.
            KeyStoreError: The password cannot be kept.
        """
        entry = checked_entry(name, address, password_from=password_from, **limits)
        if entry.password_from in STORED and self._stores_nothing:
            raise InputError(
                "The administrator of this server decides which secrets there are.",
                "Name an environment variable that holds the password.",
            )
        await asyncio.to_thread(self._list.add, entry, password)
        self._schemas.pop(name, None)
        return entry

    async def remove(self, name: str) -> None:
        """Remove a connection and its stored password. Raises ``InputError``."""
        await asyncio.to_thread(self._list.remove, name)
        self._schemas.pop(name, None)

    async def test(self, name: str) -> dict[str, str]:
        """Sign in, and return what to say of it. Raises ``DatabaseFailed``."""
        entry = await self.named(name)
        async with self._looks, DatabaseWorker() as worker:
            said, warning = await worker.try_out(entry)
        return {"said": said, "warning": warning}

    async def tables(self, name: str, *, search: str = "", again: bool = False) -> dict[str, Any]:
        """Return the first tables whose name, or a column's, holds ``search``, without columns.

        Raises:
            DatabaseFailed: The database could not be asked.
        """
        schema = await self._schema(name, again=again)
        wanted = search.strip().lower()
        found = [table for table in schema.tables if _fits(table, wanted)]
        return {
            "version": schema.version,
            "total": len(schema.tables),
            "found": len(found),
            "tables": [
                {
                    "schema": table.schema,
                    "name": table.name,
                    "kind": table.kind,
                    "rows": table.rows,
                    "columns": len(table.columns),
                }
                for table in found[:_MOST_TABLES]
            ],
        }

    async def columns(self, name: str, schema: str, table: str) -> dict[str, Any]:
        """Return the first columns of a table with types, keys and what they refer to.

        Raises:
            NotFound: There is no such table that can be read.
        """
        for one in (await self._schema(name)).tables:
            if (one.schema, one.name) == (schema, table):
                keys = {key[0] for key in one.keys if len(key) == 1}
                links = {own[0]: f"{other}.{its[0]}" for own, other, its in one.links if its}
                return {
                    "left": max(0, len(one.columns) - _MOST_COLUMNS),
                    "columns": [
                        {
                            "name": column,
                            "type": kind,
                            "key": column in keys,
                            "refers_to": links.get(column, ""),
                        }
                        for column, kind in one.columns[:_MOST_COLUMNS]
                    ],
                }
        raise NotFound("There is no such table any more.", "Look at the tables again.")

    async def _schema(self, name: str, *, again: bool = False) -> _Schema:
        """Return the tables of a database, as they were a few minutes ago at most."""
        entry = await self.named(name)
        kept = self._schemas.get(name)
        if kept is None or again or kept.entry != entry or time.monotonic() > kept.until:
            async with self._looks, DatabaseWorker() as worker:
                answer = await worker.ask(entry, "schema", seconds=_LOOK_SECONDS)
            kept = _Schema(entry, answer)
            self._schemas[name] = kept
            self._schemas.move_to_end(name)
            while len(self._schemas) > _MOST_KEPT:
                self._schemas.popitem(last=False)
        return kept


class _Schema:
    def __init__(self, entry: ConnectionEntry, answer: dict[str, Any]) -> None:
        self.entry = entry
        self.version = str(answer["version"])
        self.tables = tuple(RemoteTable.read(entry.name, one) for one in answer["tables"])
        self.until = time.monotonic() + _KEPT_SECONDS


def _fits(table: RemoteTable, wanted: str) -> bool:
    return wanted in f"{table.schema}.{table.name}".lower() or any(
        wanted in column.lower() for column, _ in table.columns
    )

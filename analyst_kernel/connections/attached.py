"""The connections of one analysis: what is in them, their tables described, queries brought.

Implements the core's ``Databases``. Only a connection that the user attached is asked, whatever a
notebook or a model says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analyst_kernel._text import nearest
from analyst_kernel.connections.cells import cell_for, queries_in
from analyst_kernel.connections.engines import ENGINES
from analyst_kernel.connections.entries import ConnectionEntry
from analyst_kernel.connections.outside import DatabaseWorker
from analyst_kernel.connections.profiles import RemoteTable, TableProfiler, kind_of
from analyst_kernel.connections.results import ResultsFolder
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.errors import AnalystError, DataError

_PROFILE_SECONDS = 20.0
_CHARACTERS = 4
_NAME = 120
_CLEAR = {"<": "‹", ">": "›", "`": "'"}


class AttachedConnections:
    """The databases that one analysis may ask."""

    def __init__(self, entries: Sequence[ConnectionEntry], folder: ResultsFolder | None) -> None:
        """Ask nothing yet.

        Args:
            entries: What the user attached.
            folder: Where results are written for the kernel; None if there is none to bring to.
        """
        self._entries = {entry.name: entry for entry in entries}
        self._by_variable = {entry.variable: entry for entry in entries}
        self._folder = folder
        self._tables: dict[str, tuple[RemoteTable, ...]] = {}
        self._versions: dict[str, str] = {}
        self._worker = DatabaseWorker()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the connections."""
        return tuple(self._entries)

    @property
    def words(self) -> frozenset[str]:
        """The names of schemas, tables and columns, which are no values."""
        found = set(self._entries)
        for tables in self._tables.values():
            for table in tables:
                found |= {table.schema, table.name, table.full_name}
                found |= {name for name, _ in table.columns}
        return frozenset(found)

    async def aclose(self) -> None:
        """End what asks them."""
        await self._worker.aclose()

    async def look(self) -> tuple[str, ...]:
        """List the tables of each connection, once; return why one cannot be asked."""
        problems = []
        for name, entry in self._entries.items():
            if name in self._tables:
                continue
            try:
                found = await self._worker.ask(entry, "schema")
            except AnalystError as error:
                problems.append(str(error))
                continue
            self._versions[name] = str(found["version"])
            self._tables[name] = tuple(RemoteTable.read(name, one) for one in found["tables"])
        return tuple(problems)

    def describe(self, *, question: str = "", budget: int = 1_500) -> str:
        """Return the tables as text for a model, at most about ``budget`` tokens.

        Those that the question names come with their columns first; it holds no values.
        """
        asked = question.lower()
        left = budget * _CHARACTERS
        parts = []
        for name, entry in self._entries.items():
            title = ENGINES[entry.engine].title
            if name not in self._tables:
                parts.append(f"{name} ({title}): it could not be asked; run_sql tries again")
                continue
            tables = sorted(
                self._tables[name],
                key=lambda one: (
                    one.name.lower() not in asked,
                    not any(column.lower() in asked for column, _ in one.columns),
                ),
            )
            head = f"{name} ({title} {self._versions[name]}), {len(tables):,} tables:"
            lines, rest = [head], []
            left -= len(head)
            for table in tables:
                line = _line(table)
                if len(line) <= left:
                    lines.append(line)
                    left -= len(line) + 1
                else:
                    rest.append(f"{table.schema}.{table.name}")
            if rest:
                shown = ", ".join(_clean(one) for one in rest[:100])
                more = f" and {len(rest) - 100:,} more" if len(rest) > 100 else ""
                lines.append(f"also: {shown}{more} (profile_dataset describes one)")
            parts.append("\n".join(lines))
        return "\n\n".join(parts)

    def listed(self, connection: str) -> list[dict[str, Any]]:
        """Return the tables of a connection, for programs."""
        return [asdict(table) for table in self._tables.get(connection, ())]

    def knows(self, name: str) -> bool:
        """Return whether a name is that of a table of a connection, such as ``sales.orders``."""
        return name.partition(".")[0] in self._entries

    async def profile(self, name: str, *, columns: Sequence[str] = ()) -> DatasetProfile:
        """Describe a table by queries that the server answers.

        Raises:
            DataError: There is no such table or column, or the server refused.
        """
        await self.look()
        connection = name.partition(".")[0]
        tables = self._tables.get(connection, ())
        table = next(
            (t for t in tables if name in (t.full_name, f"{connection}.{t.name}", t.name)), None
        )
        if table is None:
            near = nearest(name, [table.full_name for table in tables])
            raise DataError(
                f"There is no table {name!r} that can be read.",
                f"The nearest is {near[0]}." if near else "",
            )
        known = [column for column, _ in table.columns]
        for column in columns:
            if column not in known:
                raise DataError(f"{name} has no column {column!r}.", f"It has {known[:40]}.")
        profiler = TableProfiler(table, columns)
        answer = await self._worker.ask(
            self._entries[connection],
            "rows",
            queries=profiler.queries(),
            seconds=_PROFILE_SECONDS,
        )
        return profiler.profile(answer["tables"])

    async def cell(self, connection: str, sql: str, name: str) -> str:
        """Return the plain code of a cell that asks a query and keeps its rows as ``name``.

        The server is asked for the columns alone; a query that it refuses fails when it runs.
        """
        entry = self._entries[connection]
        numbers: list[str] = []
        try:
            found = await self._worker.ask(entry, "describe", sql=sql.strip().rstrip(";").rstrip())
            numbers = [column for column, _type, kind in found["columns"] if kind == "number"]
        except AnalystError:
            pass  # the cell says why
        return cell_for(entry, sql, name, numbers)

    async def too_large(self, code: str) -> tuple[str, ...]:
        """Return, of each query in a cell, what its server estimates if that is over a limit.

        The limits are the user's own. What cannot be estimated is not over one: the cell says why.
        """
        said = []
        for query in queries_in(code):
            entry = self._by_variable.get(query.variable)
            if entry is None or (entry.ask_above_rows is None and entry.ask_above_cost is None):
                continue
            try:
                found = await self._worker.ask(entry, "estimate", sql=query.sql)
            except AnalystError:
                continue
            rows, cost = float(found["rows"]), float(found["cost"])
            if entry.ask_above_rows is not None and rows > entry.ask_above_rows:
                said.append(
                    f"{entry.name} estimates {rows:,.0f} rows, over your limit of "
                    f"{entry.ask_above_rows:,}."
                )
            if entry.ask_above_cost is not None and cost > entry.ask_above_cost:
                said.append(
                    f"{entry.name} estimates a cost of {cost:,.0f}, over your limit of "
                    f"{entry.ask_above_cost:,.0f}."
                )
        return tuple(said)

    async def bring(self, code: str) -> None:
        """Ask the queries that stand in a cell, so that the kernel finds their rows.

        What went wrong is noted beside them, for the cell to raise. When cancelled, the statement
        on the server is cancelled too, within a second.
        """
        folder = self._folder
        if folder is None:
            return
        for query in queries_in(code):
            entry = self._by_variable.get(query.variable)
            if entry is None:
                said = _not_attached(query.variable)
                await asyncio.to_thread(folder.failed, query, query.variable, said)
                continue
            try:
                result = await self._worker.ask(
                    entry, "fetch", sql=query.sql, target=folder.target(query)
                )
            except AnalystError as error:
                await asyncio.to_thread(folder.failed, query, entry.name, str(error))
            else:
                await asyncio.to_thread(folder.came, query, result)


def _not_attached(variable: str) -> str:
    return (
        f"This cell asks the database of {variable[:60]}, which is not attached here, so it was "
        "not asked. Attach the connection of that name (`--connection`)."
    )


def _line(table: RemoteTable) -> str:
    keys = {key[0] for key in table.keys if len(key) == 1}
    links = {own[0]: f"{other}.{others[0]}" for own, other, others in table.links if len(own) == 1}
    shown = []
    for name, kind in table.columns:
        text = f"{_clean(name)} {_clean(kind)}" if kind_of(kind) != "text" else _clean(name)
        text += " key" if name in keys else ""
        text += f" -> {_clean(links[name])}" if name in links else ""
        shown.append(text)
    several = [f"key ({', '.join(map(_clean, key))})" for key in table.keys if len(key) > 1]
    rows = "" if table.rows is None else f", about {table.rows:,} rows"
    place = f"{_clean(table.schema)}.{_clean(table.name)}"
    return f"- {place} ({table.kind}{rows}): {', '.join([*shown, *several])}"


def _clean(name: str) -> str:
    """Return a stranger's name on one line, as SQL has to write it where it is no plain one."""
    if name.isascii() and name.replace("_", "a").replace(".", "a").isalnum() and name.islower():
        return name
    if " " in name and kind_of(name) != "other":
        return name
    flat = "".join(_CLEAR.get(mark, mark) if mark.isprintable() else "?" for mark in name[:_NAME])
    return '"' + flat.replace('"', '""') + '"'

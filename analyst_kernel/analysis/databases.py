"""Databases of an analysis: attached by the user's act, asked before a cell of theirs runs.

What is attached is a grant like any other: that of the folder with the results, which lies among
the user's own files. So no notebook brings a connection, and a branch has those of its origin.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from analyst_kernel.agent.context import AgentDeps
from analyst_kernel.agent.ports import Execution, KernelFacts, Model, OutputChange
from analyst_kernel.agent.privacy.wall import GuardedDatabases, Wall
from analyst_kernel.connections.attached import AttachedConnections
from analyst_kernel.connections.cells import queries_in
from analyst_kernel.connections.entries import ConnectionList, variable_of
from analyst_kernel.connections.results import ResultsFolder, is_results_folder
from analyst_kernel.grants import Grant, GrantStore, grant_of
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.errors import KernelError
from analyst_kernel.protocol.ids import AnalysisId

KERNEL_ENDED = "What it may ask of databases changed; the next question starts a kernel that knows."


def attach(
    store: GrantStore, notebook: str, analysis: AnalysisId | None, names: Sequence[str]
) -> tuple[AttachedConnections | None, tuple[str, ...]]:
    """Return the connections of an analysis, after attaching more; blocking.

    Only called with ``names`` for an act of the user; without ``analysis`` the notebook's file says
    which one it is. None if the analysis has no connection. The
    texts say which of those attached earlier are gone from the user's list.

    Raises:
        InputError: There is no connection of one of the names; nothing was attached.
    """
    known = ConnectionList(store.path.parent)
    fresh = [known.named(name).name for name in names]
    folder = _folder_of(store.for_notebook(notebook, analysis=analysis))
    if folder is None:
        if not fresh:
            return None, ()
        folder = ResultsFolder.make(store.path.parent)
        store.record_all(notebook, [folder.path], analysis=analysis)
    wanted = dict.fromkeys((*folder.attached(), *fresh))
    entries = known.entries()
    there = [entries[name] for name in wanted if name in entries]
    if fresh:
        folder.attach(there)
    gone = tuple(
        f"The connection {name} was attached earlier and is no longer in your list."
        for name in wanted
        if name not in entries
    )
    return AttachedConnections(there, folder), gone


def detach(store: GrantStore, notebook: str, analysis: AnalysisId, name: str) -> None:
    """Take a connection back, and what it gave; blocking. The user's list keeps it."""
    folder = _folder_of(store.for_notebook(notebook, analysis=analysis))
    if folder is None or name not in folder.attached():
        return
    rest = [other for other in folder.attached() if other != name]
    if not rest:
        store.revoke(notebook, str(folder.path))
        shutil.rmtree(folder.path, ignore_errors=True)
        return
    entries = ConnectionList(store.path.parent).entries()
    folder.detach([entries[other] for other in rest if other in entries], variable_of(name))


def with_databases(
    deps: AgentDeps, kernel: KernelSession, databases: AttachedConnections | None, wall: Wall
) -> AgentDeps:
    """Return the parts of an analysis with these databases, or with none."""
    return replace(
        deps,
        kernel=kernel if databases is None else ConnectedKernel(kernel, databases),
        databases=None if databases is None else GuardedDatabases(databases, wall),
    )


async def change_connections(
    deps: AgentDeps,
    before: AttachedConnections | None,
    store: GrantStore,
    notebook: str,
    kernel: KernelSession,
    wall: Wall,
    attached: str,
    detached: str,
) -> tuple[AgentDeps, AttachedConnections | None]:
    """Attach a connection or take one back, for an act of the user; no run may be at work.

    Raises:
        InputError: There is no connection of this name; nothing was changed.
    """
    if detached:
        await asyncio.to_thread(detach, store, notebook, deps.analysis, detached)
    names = [attached] if attached else []
    databases, _ = await asyncio.to_thread(attach, store, notebook, deps.analysis, names)
    if before is not None:
        await before.aclose()
    return with_databases(deps, kernel, databases, wall), databases


def unused_databases(model: Model) -> str:
    """Return what to say of databases that this model does not ask; empty if it does."""
    if not model.name.startswith("offline:"):
        return ""
    return "The built-in rules ask no database; choose a model that does."


def _folder_of(grants: Sequence[Grant]) -> ResultsFolder | None:
    for grant in grants:
        # One that was removed by hand is made anew when a connection is attached again.
        if is_results_folder(grant.path) and os.path.isdir(grant.path):
            return ResultsFolder(Path(grant.path))
    return None


def check_connections(store: GrantStore, names: Sequence[str]) -> None:
    """Raise ``InputError`` for the first name that is none of a connection."""
    known = ConnectionList(store.path.parent)
    for name in names:
        known.named(name)


class ConnectedKernel:
    """A kernel whose cells find the rows of the queries that stand in them; a ``Kernel``."""

    def __init__(self, kernel: KernelSession, databases: AttachedConnections) -> None:
        self._kernel = kernel
        self._databases = databases
        self._bringing: asyncio.Task[None] | None = None

    async def start(self) -> KernelFacts:
        """Start the kernel."""
        return await self._kernel.start()

    async def execute(
        self, code: str, *, timeout: float, on_change: Callable[[OutputChange], None] | None = None
    ) -> Execution:
        """Ask the databases what a cell asks, then run it."""
        task = self._bringing = asyncio.ensure_future(self._databases.bring(code))
        try:
            await asyncio.wait([task])
        finally:
            self._bringing = None
            if not task.done():  # the caller is cancelled, and with it what the server does
                task.cancel()
                await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise KernelError(
                f"What a database gave cannot be kept for the kernel: {error}.",
                "Make room on the disk of Jupyter's data folder, and ask again.",
            ) from error
        return await self._kernel.execute(code, timeout=timeout, on_change=on_change)

    def watch(self, datasets: str) -> None:
        """Follow datasets through each cell from the next one on."""
        self._kernel.watch(datasets)

    async def interrupt(self) -> None:
        """Interrupt what runs, be it on a server or in the kernel."""
        if self._bringing is not None:
            self._bringing.cancel()
        await self._kernel.interrupt()

    async def restart(self) -> KernelFacts:
        """Restart the kernel."""
        return await self._kernel.restart()

    async def stop(self) -> None:
        """Shut the kernel down."""
        await self._kernel.stop()


@asynccontextmanager
async def asked_anew(
    store: GrantStore, grants: Sequence[Grant], codes: Sequence[str], names: Sequence[str] = ()
) -> AsyncIterator[tuple[list[Grant], AttachedConnections | None]]:
    """Yield the grants of a verification, and what asks its databases again.

    Results that came before are out of its reach, so a cell reproduces only if the database gives
    the same again. ``codes`` are the cells, ``names`` connections that the user named for this.
    What another database is asked fails with a sentence that names it.

    Raises:
        InputError: There is no connection of one of the names.
    """
    before = _folder_of(grants)
    wanted = dict.fromkeys((*(before.attached() if before else ()), *names))
    variables = {query.variable for code in codes for query in queries_in(code)}
    if not wanted and not variables:
        yield list(grants), None
        return
    known = ConnectionList(store.path.parent)
    for name in names:
        known.named(name)
    entries = [entry for name, entry in known.entries().items() if name in wanted]
    folder = await asyncio.to_thread(ResultsFolder.make, store.path.parent)
    databases = AttachedConnections(entries, folder)
    try:
        await asyncio.to_thread(folder.attach, entries, sorted(variables))
        kept = [grant for grant in grants if not is_results_folder(grant.path)]
        yield [*kept, grant_of(str(folder.path))], databases
    finally:
        await databases.aclose()
        await asyncio.to_thread(shutil.rmtree, folder.path, ignore_errors=True)

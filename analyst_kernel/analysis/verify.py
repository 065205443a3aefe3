"""Runs a saved notebook again in a fresh sandboxed kernel and compares it with what it holds.

What it shows is that the notebook reproduces. Whether its answers are right is not looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from analyst_kernel._text import fault_of_path
from analyst_kernel.agent.ports import Execution, IterationEntry, KernelFacts, User
from analyst_kernel.analysis.databases import ConnectedKernel, asked_anew
from analyst_kernel.analysis.packages import packages_to_verify
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.remote.fetch import Fetcher
from analyst_kernel.grants import Grant, GrantStore, grant_of
from analyst_kernel.kernel.manager import KernelHost
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.notebook.document.operations import Document, SetNotebook
from analyst_kernel.notebook.export.export import clean_checked, read
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.output_dir import folders_of
from analyst_kernel.notebook.verify.verify import (
    CellCheck,
    VerifyReport,
    record_of,
    store,
    verify_document,
)
from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.protocol.errors import DataError, InputError
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.sandbox import SandboxLevel

CELL_SECONDS = 600.0
"""How long one cell of a verification or a replay may take."""


@asynccontextmanager
async def fresh_kernel(
    place: str,
    source: str,
    sandbox: SandboxLevel,
    host: KernelHost | None,
    data: Sequence[str | os.PathLike[str]] = (),
    *,
    document: Document,
    connections: Sequence[str] = (),
    packages: PackagePolicy | None = None,
    user: User | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> AsyncIterator[tuple[Callable[[str], Awaitable[Execution]], KernelFacts]]:
    """Yield a function that runs cells in a kernel of its own, and that kernel's facts.

    The kernel works in the folder of ``place`` and may read ``data`` and what was granted to the
    notebook ``source``. Its databases, and ``connections``, are asked again for the cells of
    ``document``. It has the packages that ``document`` notes, as far as ``user`` says yes to those
    that are not in the user's store; ``on_problem`` is called with what is missing.
    """
    fetcher = Fetcher()
    data = await fetcher.local([os.fspath(path) for path in data])
    check_exists(data)
    store = await asyncio.to_thread(GrantStore)
    for earlier in await asyncio.to_thread(store.for_notebook, source):
        await fetcher.restore(earlier.path)
    granted = await asyncio.to_thread(_granted, source, data)
    more, problems = await packages_to_verify(
        document, granted, store.path.parent, policy=packages or PackagePolicy(), user=user
    )
    granted += more
    for problem in problems:
        if on_problem is not None:
            on_problem(problem)
    codes = [str(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]
    async with asked_anew(store, granted, codes, connections) as (shown, databases):
        kernel = KernelSession(
            notebook=place, require=sandbox, host=host, start_options={"grants": shown}
        )
        facts = await kernel.start()
        execute = (kernel if databases is None else ConnectedKernel(kernel, databases)).execute
        try:
            yield partial(execute, timeout=CELL_SECONDS), facts
        finally:
            await kernel.stop()


def _granted(notebook: str, data: Sequence[str | os.PathLike[str]]) -> list[Grant]:
    """Return what a notebook may read and what is named now; raises ``GrantRefused``."""
    found = [grant_of(os.fspath(path)) for path in data]
    again = {grant.given for grant in found}
    for grant in GrantStore().for_notebook(notebook):
        if again & {grant.path, grant.given}:
            continue
        try:
            grant.look()
        except FileNotFoundError:
            continue  # the cell that reads it fails
        found.append(grant)
    return found


async def data_changes(
    notebook: str | os.PathLike[str], grants: GrantStore | None = None
) -> list[str]:
    """Return a sentence about each remote object that changed since a notebook's grants.

    Their stores are asked; nothing is fetched.
    """
    place = str(notebook_path(notebook))
    found = await asyncio.to_thread(lambda: (grants or GrantStore()).for_notebook(place))
    fetcher = Fetcher()
    return [text for grant in found for text in await fetcher.changes(grant.path)]


def check_exists(data: Sequence[str | os.PathLike[str]]) -> None:
    """Raise ``DataError`` for the first path that does not exist, or cannot be used."""
    check_names(data)
    for path in data:
        if not os.path.exists(path):
            raise DataError(f"There is no file or folder {path}.", "Check the path.")


def check_names(data: Sequence[str | os.PathLike[str]]) -> None:
    """Raise ``DataError`` for the first path that cannot be used, whatever is there."""
    for item in data:
        path = os.fspath(item)
        fault = fault_of_path(path)
        if fault:
            raise DataError(
                f"The name {path!r} of the data {fault}, so it cannot be granted.",
                "Name a file or folder."
                if not path
                else "Rename it, or name the folder that it is in. Nothing was granted.",
            )


async def entries_to_run_again(book: StoredNotebook, cell: CellId | None) -> list[IterationEntry]:
    """Return a cell, or all cells, that ran to an end, as the notebook holds them now.

    Raises:
        InputError: There is none.
    """
    await book.refresh()
    chosen = [
        entry
        for entry in book.restore()
        if isinstance(entry, IterationEntry)
        and entry.outcome in ("ok", "error")
        and cell in (None, entry.cell)
    ]
    if not chosen:
        raise InputError(
            "There is no such cell to run again.", "Only cells that ran to an end can be."
        )
    return chosen


async def verify_notebook(
    notebook: str | os.PathLike[str],
    *,
    data: Sequence[str | os.PathLike[str]] = (),
    connections: Sequence[str] = (),
    sandbox: SandboxLevel = "restricted",
    on_check: Callable[[CellCheck], None] | None = None,
    host: KernelHost | None = None,
    book: StoredNotebook | None = None,
    packages: PackagePolicy | None = None,
    user: User | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> VerifyReport:
    """Run ``notebook`` again, compare, and note the result in its metadata.

    It may read ``data`` this once, in addition to its grants: a notebook that came from somebody
    else was granted nothing here. Its queries go to the databases that are attached, and to
    ``connections``. ``book`` is the notebook, if an analysis has it open; the result
    is then noted through it. ``on_check`` is called with each cell's result as it comes. Packages
    that it notes come from the user's store, or by the yes of ``user``; ``on_problem`` is called
    with a sentence about those that do not.

    Raises:
        DataError: There is no such file or folder.
        NotebookError: It cannot be read or written.
        SandboxError, KernelError: No kernel started; nothing was compared.
    """
    path = notebook_path(notebook)
    if book is not None:
        await book.refresh()
        document = book.document
    else:
        # A file that cannot be read should not cost a kernel.
        document = await asyncio.to_thread(read, path)
    async with fresh_kernel(
        str(path), str(path), sandbox, host, data, document=document, connections=connections,
        packages=packages, user=user, on_problem=on_problem,
    ) as (execute, facts):  # fmt: skip
        report = await verify_document(
            document,
            execute=execute,
            on_check=on_check,
            folders=folders_of(document, path),
            pictures=FileReader(require=sandbox).picture_difference,
        )
    report = replace(report, python=facts.python, packages=facts.versions)
    if book is not None:
        await book.refresh()
        await book.apply(SetNotebook({"verified": record_of(report)}))
    else:
        await asyncio.to_thread(store, path, report)
    return report


async def clean_notebook(
    notebook: str | os.PathLike[str],
    *,
    destination: str | os.PathLike[str],
    data: Sequence[str | os.PathLike[str]] = (),
    sandbox: SandboxLevel = "restricted",
    host: KernelHost | None = None,
) -> tuple[str, VerifyReport]:
    """Return a clean copy of ``notebook`` for ``destination``, and how its re-run compared.

    Raises:
        DataError: There is no such file or folder.
        NotebookError: It cannot be read.
        SandboxError, KernelError: No kernel started.
    """
    source = notebook_path(notebook)
    place = os.path.abspath(destination)
    saved = await asyncio.to_thread(read, source)
    folders = folders_of(saved, source, Path(place))

    async def check(document: Document) -> VerifyReport:
        async with fresh_kernel(place, str(source), sandbox, host, data, document=document) as (
            execute,
            _,
        ):
            return await verify_document(
                document,
                execute=execute,
                folders=folders,
                pictures=FileReader(require=sandbox).picture_difference,
            )

    return await clean_checked(source, check, destination=place)

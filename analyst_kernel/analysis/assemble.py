"""Makes an analysis: the only place that chooses the implementations of the core's ports."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from analyst_kernel.agent.context import AgentDeps
from analyst_kernel.agent.ports import User
from analyst_kernel.agent.privacy.wall import GuardedCatalog, GuardedModel
from analyst_kernel.agent.rebuild import recall
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.databases import (
    attach,
    check_connections,
    unused_databases,
    with_databases,
)
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.analysis.instructions import InstructionFiles
from analyst_kernel.analysis.packages import AnalysisPackages
from analyst_kernel.analysis.privacy import (
    LEAST,
    PrivacyStore,
    PrivacySwitch,
    chosen_mode,
    least_mode,
)
from analyst_kernel.analysis.saved_outputs import sanitise_saved_outputs
from analyst_kernel.analysis.settings import SANDBOXED, AnalysisSettings
from analyst_kernel.analysis.spending import SpendingStore
from analyst_kernel.analysis.user_words import UserWords
from analyst_kernel.analysis.verify import check_names
from analyst_kernel.connections.results import is_results_folder
from analyst_kernel.credentials.store import keys_of_user
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.readings import KeptReadings
from analyst_kernel.data.remote.fetch import Fetcher, revoke_earlier
from analyst_kernel.grants import Grant, GrantRefused, GrantStore
from analyst_kernel.kernel.manager import KernelHost, warm_up
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.models.registry import open_model
from analyst_kernel.models.table import model_table
from analyst_kernel.notebook.storage.names import default_path, free_path, notebook_path
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.port import OperationStore, Writer
from analyst_kernel.packages.outside import is_package_folder
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.ids import AnalysisId, new_analysis_id


@dataclass(frozen=True, slots=True)
class Embedding:
    """The parts that a server provides; the defaults are those of a process of its own.

    Attributes:
        analysis: Id for a notebook that has none yet.
        log: Takes the events, e.g. a log that continues the numbers of an earlier server process.
        env: Environment variables, with what is stored for each provider; the process's own, with
            what the user stored, by default.
        catalog: Datasets that were granted, and described to the user, before there was a notebook.
        fetcher: Fetches data that is elsewhere.
        sleep: Waits between two attempts to call the model.
        writer: Returns the writer of the notebook at a path; the file's own writer by default.
        store: Keeps operations on the notebook until they are seen in the saved file.
    """

    analysis: AnalysisId | None = None
    log: EventLog | None = None
    env: Mapping[str, str] | None = None
    catalog: LocalCatalog | None = None
    fetcher: Fetcher = field(default_factory=Fetcher)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    writer: Callable[[Path], Writer] | None = None
    store: OperationStore | None = None


async def open_analysis(
    *,
    notebook: str | os.PathLike[str] | None = None,
    question: str = "analysis",
    data: Sequence[str | os.PathLike[str]] = (),
    connections: Sequence[str] = (),
    settings: AnalysisSettings | None = None,
    user: User | None = None,
    grants: GrantStore | None = None,
    host: KernelHost | None = None,
    embedding: Embedding | None = None,
) -> Analysis:
    """Open an analysis on a new or existing notebook.

    An existing notebook is continued. Without a path, a new one is named after ``question`` in the
    working folder, with a number if the name is taken. The user grants the ``data``
    and the ``connections``, named as in their list. Without a ``user``, questions and approvals
    take their defaults. ``grants`` is the user's own store by default, and ``host`` is
    ``jupyter_client``.

    Raises:
        InputError: Data, a notebook or a model name cannot be used; nothing is left behind.
    """
    check_names(data)
    settings = settings or AnalysisSettings()
    parts = embedding or Embedding()
    if settings.kernel_name == SANDBOXED:
        warm_up()  # while the data is read
    store = grants if grants is not None else await asyncio.to_thread(GrantStore)
    await asyncio.to_thread(check_connections, store, connections)
    if notebook is None:
        path, exists = str(free_path(default_path(question))), False
    else:
        path = str(notebook_path(notebook))
        exists = os.path.exists(path)
    catalog = parts.catalog or LocalCatalog(
        notebook=path, reader=FileReader(require=settings.sandbox)
    )
    shown = tuple(catalog.datasets)
    lost = await _regrant(catalog, store, path, parts) if exists else ()
    data = await parts.fetcher.local([os.fspath(item) for item in data])
    await catalog.grant(data)
    env = parts.env
    if env is None:
        env = await asyncio.to_thread(lambda: keys_of_user().environment())
    model = await open_model(settings.model, env=env)
    words = UserWords(store.path.parent)
    try:
        book = await (
            StoredNotebook.open(
                path, analysis=parts.analysis, writer=parts.writer, store=parts.store, words=words
            )
            if exists
            else StoredNotebook.create(
                path,
                analysis=parts.analysis or new_analysis_id(),
                model=model.name,
                # JupyterLab would add it on opening, and show the notebook as changed.
                python=platform.python_version(),
                writer=parts.writer,
                store=parts.store,
                words=words,
            )
        )
    except BaseException:
        await model.aclose()
        raise
    try:
        kept = PrivacyStore(store.path.parent, book.analysis)
        least = least_mode(settings.least_privacy, os.environ.get(LEAST, ""))
        wall = await asyncio.to_thread(
            lambda: kept.wall(chosen_mode(settings.privacy, kept.mode(), least))
        )
    except BaseException:
        await book.discard_if_empty()
        await model.aclose()
        raise
    instructions = InstructionFiles(
        store.path.parent,
        book.analysis,
        beside=os.path.dirname(book.path) if settings.own_instructions else None,
        given=settings.instructions,
    )
    # Last, so that data which cannot be used is not granted.
    fresh = await asyncio.to_thread(_record, store, book, data, catalog)
    databases, gone = await asyncio.to_thread(attach, store, book.path, book.analysis, connections)
    log = parts.log or EventLog()
    spending = SpendingStore(store.path.parent, book.analysis)
    kernel = KernelSession(
        notebook=book.path,  # another name, if that one was taken meanwhile
        kernel_name=settings.kernel_name,
        require=settings.sandbox,
        host=host,
        start_options={**settings.start_options, "analysis": book.analysis},
    )
    packages = AnalysisPackages(settings.packages, store, kernel, book, settings.kernel_name)
    await packages.take_up()
    deps = AgentDeps(
        analysis=book.analysis,
        model=GuardedModel(model, wall, kept.log),
        kernel=kernel,
        notebook=book,
        catalog=GuardedCatalog(catalog, wall),
        user=user,
        emit=log.record,
        sleep=parts.sleep,
        spending=spending,
        saved_outputs=sanitise_saved_outputs,
        packages=packages,
    )
    deps = with_databases(deps, kernel, databases, wall)
    ledger = await asyncio.to_thread(book.ledger)
    memory = recall(book.restore(), (d.name for d in catalog.datasets), ledger)
    memory.runs = int(book.next_run[1:]) - 1  # the number of an undone run is not used again
    if catalog.read_otherwise:  # the notebook's own cells load them in a way that no longer fits
        memory.reload(catalog.read_otherwise, catalog.setup_code)
    analysis = Analysis(
        deps=deps,
        memory=memory,
        log=log,
        notebook=book,
        catalog=catalog,
        kernel=kernel,
        grants=store,
        privacy=PrivacySwitch(kept, least, wall),
        instructions=instructions,
        fresh_grants=fresh,
        settings=settings,
        spending=spending,
        databases=databases,
        packages=packages,
    )
    for dataset in shown:
        with suppress(DataError):  # the first run reports a file that is gone
            await analysis.describe(dataset.name)
    for reason in (*lost, *gone):
        analysis.defer_notice("grant-lost", reason)
    if store.notice:
        analysis.defer_notice("grants-damaged", store.notice)
    for code, problem in (
        ("models-file-unused", (await asyncio.to_thread(model_table)).problem),
        ("spending-damaged", await asyncio.to_thread(lambda: spending.problem)),
        ("databases-unused", "" if databases is None else unused_databases(model)),
    ):
        if problem:
            analysis.defer_notice(code, problem)
    return analysis


def _record(
    store: GrantStore,
    book: StoredNotebook,
    data: Sequence[str],
    catalog: LocalCatalog,
) -> tuple[Grant, ...]:
    """Keep what the user granted, and how it is to be read; return the grants that are new."""
    _, fresh = store.record_all(book.path, data, analysis=book.analysis)
    revoke_earlier(store, book.path, data)
    if said := catalog.readings.rows():  # some may have been said before there was a notebook
        store.keep_readings(book.path, said, analysis=book.analysis)
    return fresh


async def _regrant(
    catalog: LocalCatalog, store: GrantStore, path: str, parts: Embedding
) -> tuple[str, ...]:
    """Grant again what was granted to this notebook earlier; return what cannot be, and why."""
    kept = await asyncio.to_thread(store.readings, path, analysis=parts.analysis)
    catalog.keep_readings(KeptReadings((*kept, *catalog.readings.rows())))
    lost: list[str] = []
    for grant in await asyncio.to_thread(store.for_notebook, path, analysis=parts.analysis):
        if is_results_folder(grant.path) or is_package_folder(grant.path):
            continue  # no data of the user's; its connections and packages are taken up later
        try:
            await parts.fetcher.restore(grant.path)
            await asyncio.to_thread(grant.look)
        except FileNotFoundError:
            lost.append(f"{grant.path} was granted earlier and is no longer there.")
        except (GrantRefused, DataError) as error:
            lost.append(str(error))
        else:
            await catalog.grant([grant.path])
    return tuple(lost)

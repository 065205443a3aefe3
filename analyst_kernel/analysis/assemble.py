"""Makes an analysis: the only place that chooses the implementations of the core's ports."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from analyst_kernel.agent.context import AgentDeps
from analyst_kernel.agent.ports import User
from analyst_kernel.agent.rebuild import recall
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.analysis.settings import SANDBOXED, AnalysisSettings
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.grants import GrantStore
from analyst_kernel.kernel.manager import KernelHost, warm_up
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.models.registry import open_model
from analyst_kernel.notebook.storage.names import default_path, free_path, notebook_path
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.port import OperationStore, Writer
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.ids import AnalysisId, new_analysis_id


@dataclass(frozen=True, slots=True)
class Embedding:
    """The parts that a server provides; the defaults are those of a process of its own.

    Attributes:
        analysis: Id for a notebook that has none yet.
        log: Takes the events, e.g. a log that continues the numbers of an earlier server process.
        env: Environment variables including the keys that the server keeps; the process's own by
            default.
        catalog: Datasets that were granted, and described to the user, before there was a notebook.
        sleep: Waits between two attempts to call the model.
        writer: Returns the writer of the notebook at a path; the file's own writer by default.
        store: Keeps operations on the notebook until they are seen in the saved file.
    """

    analysis: AnalysisId | None = None
    log: EventLog | None = None
    env: Mapping[str, str] | None = None
    catalog: LocalCatalog | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    writer: Callable[[Path], Writer] | None = None
    store: OperationStore | None = None


async def open_analysis(
    *,
    notebook: str | os.PathLike[str] | None = None,
    question: str = "analysis",
    data: Sequence[str | os.PathLike[str]] = (),
    settings: AnalysisSettings | None = None,
    user: User | None = None,
    grants: GrantStore | None = None,
    host: KernelHost | None = None,
    embedding: Embedding | None = None,
) -> Analysis:
    """Open an analysis on a new or existing notebook.

    An existing notebook is continued. Without a path, a new one is named after ``question`` in the
    working folder, with a number if the name is taken. The user grants the ``data``. Without a
    ``user``, questions and approvals take their defaults. ``grants`` is the user's own store by
    default, and ``host`` is ``jupyter_client``.

    Raises:
        InputError: Data, a notebook or a model name cannot be used; nothing is left behind.
    """
    settings = settings or AnalysisSettings()
    parts = embedding or Embedding()
    if settings.kernel_name == SANDBOXED:
        warm_up()  # while the data is read
    store = grants if grants is not None else await asyncio.to_thread(GrantStore)
    if notebook is None:
        path, exists = str(free_path(default_path(question))), False
    else:
        path, exists = str(notebook_path(notebook)), notebook_path(notebook).exists()
    catalog = parts.catalog or LocalCatalog(notebook=path)
    shown = tuple(catalog.datasets)
    lost = await _regrant(catalog, store, path) if exists else ()
    await catalog.grant([os.fspath(item) for item in data])
    model = await open_model(settings.model, env=parts.env)
    try:
        book = await (
            StoredNotebook.open(
                path, analysis=parts.analysis, writer=parts.writer, store=parts.store
            )
            if exists
            else _create(path, model.name, parts)
        )
    except BaseException:
        await model.aclose()
        raise
    await asyncio.to_thread(store.record_all, path, data)
    log = parts.log or EventLog()
    kernel = KernelSession(
        notebook=path,
        kernel_name=settings.kernel_name,
        require=settings.sandbox,
        host=host,
        start_options=dict(settings.start_options),
    )
    deps = AgentDeps(
        analysis=book.analysis,
        model=model,
        kernel=kernel,
        notebook=book,
        catalog=catalog,
        user=user,
        emit=log.record,
        sleep=parts.sleep,
    )
    memory = recall(book.restore(), (d.name for d in catalog.datasets))
    memory.runs = int(book.next_run[1:]) - 1  # the number of an undone run is not used again
    analysis = Analysis(
        deps=deps,
        memory=memory,
        log=log,
        notebook=book,
        catalog=catalog,
        kernel=kernel,
        grants=store,
        settings=settings,
    )
    for dataset in shown:
        with suppress(DataError):  # the first run reports a file that is gone
            await analysis.describe(dataset.name)
    for gone in lost:
        analysis.defer_notice("grant-lost", f"{gone} was granted earlier and is no longer there.")
    if store.notice:
        analysis.defer_notice("grants-damaged", store.notice)
    return analysis


async def _create(path: str, model: str, parts: Embedding) -> StoredNotebook:
    return await StoredNotebook.create(
        path,
        analysis=parts.analysis or new_analysis_id(),
        model=model,
        # JupyterLab would add it on opening, and show the notebook as changed.
        python=platform.python_version(),
        writer=parts.writer,
        store=parts.store,
    )


async def _regrant(catalog: LocalCatalog, store: GrantStore, path: str) -> tuple[str, ...]:
    """Grant again what was granted to this notebook earlier; return the paths that are gone."""
    lost: list[str] = []
    for grant in await asyncio.to_thread(store.for_notebook, path):
        if os.path.exists(grant.path):
            await catalog.grant([grant.path])
        else:
            lost.append(grant.path)
    return tuple(lost)

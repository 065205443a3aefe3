"""What the panel asks for: datasets, completions after ``@``, the server's state, and exports."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from analyst_kernel._version import __version__
from analyst_kernel.agent.ports import IterationEntry
from analyst_kernel.analysis.instructions import InstructionFiles
from analyst_kernel.analysis.spending import SpendingStore
from analyst_kernel.analysis.verify import clean_notebook
from analyst_kernel.notebook.export import export as exports
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.errors import InputError, NotebookError, NotFound
from analyst_kernel.protocol.records import InstructionsFile
from analyst_kernel.server.session.registry import SessionRegistry
from analyst_kernel.server.session.session import AnalysisSession

_MOST = 50


async def datasets(session: AnalysisSession) -> list[DatasetProfile]:
    """Return the profiles of the datasets, in order, without those whose files are gone."""
    catalog = await session.catalog()
    if catalog is None:
        return []
    return [await catalog.profile(d.name) for d in catalog.datasets if os.path.exists(d.path)]


async def completions(session: AnalysisSession, prefix: str) -> list[dict[str, str]]:
    """Return what ``@prefix`` may mean: names that begin with it, then names that contain it."""
    wanted = prefix.strip().lower()
    found = await _candidates(session)
    first = [one for one in found if one["label"].lower().startswith(wanted)]
    second = [one for one in found if wanted in one["label"].lower() and one not in first]
    return (first + second)[:_MOST]


async def _candidates(session: AnalysisSession) -> list[dict[str, str]]:
    catalog = await session.catalog()
    found: list[dict[str, str]] = []
    names = set()
    for dataset in catalog.datasets if catalog is not None else ():
        names.add(dataset.name)
        rows = f"{dataset.rows:,} rows" if dataset.rows is not None else "rows not counted"
        detail = f"{os.path.basename(dataset.path)}, {rows}"
        found.append(_one(dataset.name, "dataset", dataset.name, detail))
        for column in dataset.columns:
            access = f".{column}" if column.isidentifier() else f"[{column!r}]"
            found.append(_one(column, "column", dataset.name + access, dataset.name))
    analysis = session.analysis
    if analysis is None:
        return found
    for frame in analysis.variables:
        if frame.name in names:
            continue
        shape = " × ".join(f"{size:,}" for size in frame.shape)
        kind = frame.type.rpartition(".")[2]
        found.append(_one(frame.name, "variable", frame.name, shape or frame.summary or kind))
        for col in frame.columns:
            found.append(_one(col.name, "column", f"{frame.name}[{col.name!r}]", frame.name))
    for entry in analysis.notebook.restore():
        if isinstance(entry, IterationEntry) and entry.iteration:
            label = f"cell {entry.iteration}"
            found.append(_one(label, "cell", label, entry.purpose))
    return found


def _one(label: str, kind: str, insert: str, detail: str) -> dict[str, str]:
    return {"label": label, "kind": kind, "insert": insert, "detail": detail}


async def instructions(
    registry: SessionRegistry, analysis: str | None, folder: str | None
) -> tuple[InstructionsFile, ...]:
    """Return the files with rules of an analysis, or of a new one in a folder."""
    if analysis is not None:
        files = registry.find(analysis).instructions()
    else:
        services = registry.services
        beside = services.places.folder(folder)
        files = InstructionFiles(services.grants.path.parent, None, beside=beside)
    return await asyncio.to_thread(files.look)


async def sent_requests(session: AnalysisSession, search: str) -> list[dict[str, Any]]:
    """Return the requests that were sent to models and hold a text, without their bodies."""
    store = session.kept_privacy
    return await asyncio.to_thread(
        lambda: [{"number": number, **sent.facts()} for number, sent in store.search(search)]
    )


async def sent_body(session: AnalysisSession, number: int, time: str) -> bytes:
    """Return the body of the request ``number``, which was sent at ``time``.

    Raises:
        NotFound: It is not kept any more.
    """
    store = session.kept_privacy

    def look() -> bytes:
        for place, request in enumerate(store.requests(), start=1):
            if place == number and request.time == time:
                return request.body
        raise NotFound(
            "This request is not kept any more: the log keeps the newest ones.", "Open it again."
        )

    return await asyncio.to_thread(look)


async def status(registry: SessionRegistry) -> dict[str, Any]:
    """Return the state of the server."""
    services = registry.services
    await services.models.look()
    notices = (services.journal.notice, services.grants.notice, services.models.problem)
    return {
        "version": __version__,
        "default_model": services.models.default,
        "is_ai": services.models.is_ai(services.models.default),
        "providers_with_credentials": [
            provider.name for provider in services.models.providers if provider.has_credentials
        ],
        "sandbox": services.newest_report,
        "locked": services.settings.shown_locks,
        "examples": await asyncio.to_thread(examples, services.places.root),
        "notices": [text for text in notices if text],
    }


async def usage(registry: SessionRegistry, analysis: str) -> dict[str, Any]:
    """Return what an analysis (if one is named) and all analyses of today used, and the limit."""
    settings = registry.services.settings
    known = registry.find(analysis).id if analysis else None
    spending = SpendingStore(settings.data, known)

    def look() -> dict[str, Any]:
        limits = [settings.limits.day_usd, settings.locked.get("day_budget_usd")]
        problem = spending.problem
        try:
            limits.append(spending.day_limit())
        except InputError as error:
            problem = str(error)
        given = [float(each) for each in limits if isinstance(each, int | float)]
        return {
            "day": spending.day(),
            "analysis_usage": spending.of_analysis(),
            "day_usage": spending.of_day(),
            "day_limit_usd": min(given, default=None),
            "problem": problem,
        }

    return await asyncio.to_thread(look)


async def limit_day(registry: SessionRegistry, amount: object) -> dict[str, Any]:
    """Keep the user's limit in US dollars for each day (None: no limit); return the new state.

    Raises:
        InputError: The administrator chose one, or it is no amount, or it cannot be kept.
    """
    settings = registry.services.settings
    if "day_budget_usd" in settings.locked:
        raise InputError(
            "The administrator of this server chose this setting.", "It cannot be changed here."
        )
    sound = isinstance(amount, int | float) and not isinstance(amount, bool)
    if amount is not None and not (sound and 0 < cast(float, amount) < float("inf")):
        raise InputError(
            "A limit is an amount of US dollars above 0; nothing was changed.",
            "Leave it empty for no limit.",
        )
    spending = SpendingStore(settings.data)
    kept = None if amount is None else float(cast(float, amount))
    await asyncio.to_thread(spending.keep_day_limit, kept)
    return await usage(registry, "")


_DEMONSTRATIONS = (
    (
        "vehicles.csv",
        "id,make,model,year,class,trans,drive,cyl,displ,fuel,hwy,cty",
        33_442,
        "How did average city mileage change over the years?",
    ),
    (
        "penguins_raw.csv",
        "studyName,Sample Number,Species",
        344,
        "Do heavier penguins have longer flippers?",
    ),
    (
        "nyc_weather.csv",
        "origin,year,month,day,hour",
        26_115,
        "Which months are windiest at each airport?",
    ),
    ("nyc_planes.csv", "tailnum,year", 3_322, "Which manufacturer has the most planes?"),
    ("nyc_airports.csv", "faa,name", 1_458, "How is airport altitude distributed?"),
    ("nyc_airlines.csv", "carrier,name", 16, "What is in this data?"),
)
"""Demonstration files: name and first line, by which they are recognised, rows, and a question."""


def examples(root: str) -> list[dict[str, Any]]:
    """Return one question per demonstration file in the root folder or its ``data`` folders."""
    found: list[dict[str, Any]] = []
    for name, header, rows, question in _DEMONSTRATIONS if root else ():
        for folder in ("", "data", os.path.join("notebooks", "data")):
            if _starts_with(os.path.join(root, folder, name), header):
                path = os.path.join(folder, name).replace(os.sep, "/")
                found.append({"question": question, "path": path, "dataset": name, "rows": rows})
                break
    return found


def _starts_with(path: str, header: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(2_000).replace('"', "").startswith(header)
    except OSError:
        return False


_MIME = {
    "ipynb": "application/x-ipynb+json",
    "html": "text/html; charset=utf-8",
    "py": "text/x-python; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file to download.

    ``verified`` says how a re-run compared (``reproduced 7 of 7``); it is empty without a re-run.
    """

    name: str
    mime: str
    content: str
    verified: str = ""


async def export(session: AnalysisSession, to: str, *, clean: bool) -> ExportedFile:
    """Export the saved notebook; a clean notebook is run from top to bottom first.

    Raises:
        InputError: There is no such format, or no notebook yet.
        SandboxError, KernelError: A clean notebook could not be run.
    """
    if to not in _MIME:
        raise InputError(f"There is no export to {to!r}.", "Choose ipynb, html or py.")
    form = cast(exports.ExportFormat, to)
    if not session.record.notebook:
        raise NotebookError("This analysis has no notebook yet.", "Ask a question first.")
    source = Path(session.record.notebook)
    name = f"{source.stem}-clean.{form}" if clean else f"{source.stem}.{form}"
    destination = source.with_name(name)
    services = session.services
    if clean and form == "ipynb":
        content, report = await clean_notebook(
            source,
            destination=destination,
            sandbox=services.settings.sandbox,
            host=services.host(),
        )
        return ExportedFile(name, _MIME[form], content, report.summary)
    content = await asyncio.to_thread(
        exports.export, source, form, clean=clean, destination=destination
    )
    return ExportedFile(name, _MIME[form], content)

"""The data behind each answer: noted in the notebook with it, and compared with what is there now.

Only what the user granted is looked at, whatever a notebook names.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analyst_kernel.data.contents import Contents, FileContent
from analyst_kernel.data.read.discover import data_files
from analyst_kernel.data.remote.cache import RemoteCache
from analyst_kernel.grants import Grant
from analyst_kernel.notebook.document.operations import Document, as_dict, notes
from analyst_kernel.notebook.document.read import runs_of
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.freshness import DataChange
from analyst_kernel.protocol.ids import RunId

_MOST_COLUMNS = 500
_MOST_FILES = 1000


async def data_note(
    datasets: Iterable[Dataset], folders: Sequence[str], place: str, contents: Contents
) -> dict[str, Any]:
    """Return what a notebook notes of the data that an answer rests on.

    Args:
        datasets: Those it rests on.
        folders: The folders that were granted as a whole.
        place: The notebook's path; other paths are noted relative to its folder.
        contents: Reads files that it has not read with these times.
    """
    home = os.path.dirname(os.path.abspath(place))
    cache = RemoteCache()
    noted: dict[str, Any] = {}
    listed: dict[str, list[str]] = {}
    for one in datasets:
        columns = list(one.columns[:_MOST_COLUMNS])
        if pin := cache.id_at(one.path):
            noted[one.name] = {"address": one.address, "version": pin, "columns": columns}
            continue
        try:
            content = await contents.read(one.path)
        except DataError:
            continue  # gone meanwhile: the next look has nothing to compare
        noted[one.name] = {
            "path": os.path.relpath(one.path, home), "size": content.size,
            "modified": content.modified, "sha256": content.digest, "columns": columns,
        }  # fmt: skip
        for folder in folders:
            if one.path.startswith(os.path.join(folder, "")):
                names = await asyncio.to_thread(_listing, folder)
                listed[os.path.relpath(folder, home)] = names[:_MOST_FILES]
    return {"data": noted, **({"folders": listed} if listed else {})}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the notebook notes of a run's data: as the answer, or its refresh, found it."""

    run: RunId
    data: Mapping[str, Any]
    folders: Mapping[str, Any]


async def changes_behind(
    document: Document,
    place: str,
    grants: Sequence[Grant],
    contents: Contents,
) -> tuple[DataChange, ...]:
    """Return the datasets that are other ones than those that answers rest on.

    Times are looked at first, and files read only where these differ. Object stores are not asked,
    because that costs requests: of remote data, it is known when a newer version was fetched.
    """
    home = os.path.dirname(os.path.abspath(place))
    found: dict[tuple[str, str], list[RunId]] = {}
    said: dict[str, str] = {}
    for known in _noted(document):
        for name, said_of in known.data.items():
            note = as_dict(said_of)
            if "address" in note:
                sentence = _remote(note, grants)
            else:
                key = repr((name, sorted(note.items(), key=str)))
                if key not in said:
                    said[key] = await _local(note, home, grants, contents)
                sentence = said[key]
            if sentence:
                found.setdefault((name, sentence), []).append(known.run)
        for folder, names in known.folders.items():
            for sentence in await _folder(str(folder), names, home, grants):
                found.setdefault((os.path.basename(str(folder)), sentence), []).append(known.run)
    return tuple(
        DataChange(dataset=name, sentence=sentence, runs=tuple(dict.fromkeys(runs)))
        for (name, sentence), runs in found.items()
    )


def columns_before(document: Document) -> dict[str, list[str]]:
    """Return the columns that each dataset had when it was answered from last."""
    found: dict[str, list[str]] = {}
    for known in _noted(document):
        for name, note in known.data.items():
            columns = as_dict(note).get("columns")
            if isinstance(columns, list):
                found[name] = [one for one in columns if isinstance(one, str)]
    return found


def newest_behind(document: Document) -> dict[str, RunId]:
    """Return the last question that was answered from each dataset."""
    return {name: known.run for known in _noted(document) for name in known.data}


def _noted(document: Document) -> list[_Known]:
    runs = as_dict(notes(document).get("runs"))
    found = []
    for run in runs_of(document):
        note = as_dict(runs.get(run))
        latest = as_dict(note.get("refreshed")) or note
        found.append(_Known(run, as_dict(latest.get("data")), as_dict(latest.get("folders"))))
    return found


def _granted_path(noted: object, home: str, grants: Sequence[Grant]) -> str:
    """Return the real path of a noted file or folder; empty if it is not granted."""
    if not isinstance(noted, str) or not noted or "\0" in noted:
        return ""
    path = os.path.normpath(os.path.join(home, noted))
    for grant in grants:
        if path == grant.path or path.startswith(os.path.join(grant.path, "")):
            return path
    # The notebook was moved away from its data.
    name = os.path.basename(path)
    same = [grant.path for grant in grants if os.path.basename(grant.path) == name]
    return same[0] if len(same) == 1 else ""


async def _local(
    note: dict[str, Any], home: str, grants: Sequence[Grant], contents: Contents
) -> str:
    path = _granted_path(note.get("path"), home, grants)
    match note:
        case {"size": int(size), "modified": str(modified), "sha256": str(digest)} if path:
            before = FileContent(size, modified, digest)
        case _:
            return ""
    name = os.path.basename(path)
    if not os.path.lexists(path):
        return f"{name} is no longer there."
    try:
        if await contents.is_same(path, before):
            return ""
        now = contents.look(path)
    except DataError as error:
        return f"{name} cannot be read any more. {error.what}"
    saved = int(now.modified.partition(".")[0]) / 1e9
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(saved))
    if os.path.isdir(path):
        return f"The folder {name} holds other files now (the newest saved on {when})."
    return f"{name} has other content now (saved on {when})."


def _remote(note: dict[str, Any], grants: Sequence[Grant]) -> str:
    cache = RemoteCache()
    address = str(note.get("address"))
    pins = {found: grant.path for grant in grants if (found := cache.id_at(grant.path))}
    if note.get("version") in pins:
        return ""
    fetched = [pin.address for path in pins.values() if (pin := cache.pin_at(path)) is not None]
    newer = any(
        address == one or (one.endswith("/") and address.startswith(one)) for one in fetched
    )
    return f"A newer version of {address} was fetched." if newer else ""


async def _folder(noted: str, names: object, home: str, grants: Sequence[Grant]) -> list[str]:
    """Return sentences about files that came to a folder since."""
    path = _granted_path(noted, home, grants)
    if not path or not isinstance(names, list) or len(names) >= _MOST_FILES:
        return []
    now = await asyncio.to_thread(_listing, path)
    came = [name for name in now if name not in names]
    if not came:
        return []
    some = ", ".join(came[:3]) + (f" and {len(came) - 3} more" if len(came) > 3 else "")
    return [f"{some} came to the folder {os.path.basename(path)}."]


def _listing(folder: str) -> list[str]:
    """Return the data files below a folder, relative to it; blocking."""
    try:
        return sorted(os.path.relpath(path, folder) for path in data_files(folder))
    except (DataError, OSError):
        return []

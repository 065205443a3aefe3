"""Files that a user sends from their own computer: stored beside the notebook, then granted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyst_kernel.agent.ports import SetupEntry
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import AnalystError, DataError, InputError
from analyst_kernel.protocol.events import DatasetDetached, DatasetProfiled
from analyst_kernel.server.session.session import AnalysisSession

if TYPE_CHECKING:
    from analyst_kernel.grants import GrantStore
    from analyst_kernel.server.session.session import AnalysisSession


async def attach(session: AnalysisSession, paths: tuple[str, ...]) -> None:
    """Grant what the user attached, and describe it."""
    places = session.services.places
    added = await session.attach([places.absolute(path) for path in paths])
    catalog = await session.catalog()
    assert catalog is not None
    for dataset in added:
        profile = await catalog.profile(dataset.name)
        if session.analysis is not None:
            session.analysis.memory.profiles[dataset.name] = profile
        session.tell(DatasetProfiled(analysis=session.id, profile=profile))


async def upload(session: AnalysisSession, sent: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Store files and attach them; one that is no data is removed again.

    Returns:
        The file browser's paths of what was stored (absolute outside its root).

    Raises:
        InputError: Nothing was sent, or a name cannot be used.
        DataError: A file cannot be read as data.
    """
    if not sent:
        raise InputError("No file was sent.", "Choose one.")
    folder = session.home_folder()
    names = [_checked(name) for name, _ in sent]
    stored: list[str] = []
    for name, (_, content) in zip(names, sent, strict=True):
        stored.append(await asyncio.to_thread(_store, folder, name, content))
    async with session.deciding:
        try:
            await attach(session, tuple(stored))
        except DataError:
            for path in stored:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            raise
    served = session.services.places.served
    return {"paths": [served(path) or path for path in stored]}


def _checked(name: str) -> str:
    """Return the bare file name that a browser sent, without anything that leads elsewhere."""
    bare = name.replace("\\", "/").rpartition("/")[2].strip().lstrip(".")
    bare = "".join(c for c in bare if c.isprintable() and c not in '<>:"|?*')
    if not bare or len(bare.encode()) > 200:
        raise InputError("The file's name cannot be used here.", "Rename it, then send it again.")
    return bare


def _store(folder: str, name: str, content: bytes) -> str:
    """Write a file whole or not at all, under a name that was free; returns its path."""
    wanted = Path(folder, name)
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".upload-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
            number = 0
            while True:
                place = wanted if not number else wanted.with_stem(f"{wanted.stem}-{number}")
                try:
                    os.link(temporary, place)
                except FileExistsError:
                    if place.is_file() and place.read_bytes() == content:
                        return str(place)
                    number += 1
                    continue
                return str(place)
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise AnalystError(
            f"{name} cannot be stored in {folder}: {error.strerror}.",
            "Make the folder writable, or put the file there yourself.",
        ) from error


async def detach(session: AnalysisSession, name: str) -> None:
    """Take back the dataset ``name``; the kernel, which may still read it, is ended.

    Raises:
        InputError: There is no such dataset, or something is at work.
    """
    with suppress(TimeoutError):  # a run that has just told its end is about to be over
        await asyncio.wait_for(session.line.idle(), 1.0)
    if session.line.busy:
        raise InputError("A run is at work with this data.", "Stop it, or wait for its end.")
    catalog = await session.catalog()
    if catalog is None:
        raise InputError("No data is attached to this analysis.")
    gone = catalog.withdraw(name)
    left = tuple(catalog.datasets)
    if gone.path not in {dataset.path for dataset in left}:
        session.remember(pending=tuple(dataset.path for dataset in left))
        if session.record.notebook:
            session.remember(pending=())
            await asyncio.to_thread(
                _revoke, session.services.grants, session.record.notebook, gone, left
            )
    if session.analysis is not None:
        await _forget(session.analysis, name)
    session.tell(DatasetDetached(analysis=session.id, name=name))
    if session.analysis is not None and session.analysis.memory.facts is not None:
        await session.kernel_lost(
            "stopped", f"{name} was taken back; the next question starts a kernel without it."
        )


def _revoke(grants: GrantStore, notebook: str, gone: Dataset, left: tuple[Dataset, ...]) -> None:
    """Where the file came with a folder, its other files stay granted one by one."""
    if grants.revoke(notebook, gone.path):
        return
    for grant in grants.for_notebook(notebook):
        if grant.kind == "folder" and gone.path.startswith(grant.path.rstrip("/\\") + "/"):
            for path in dict.fromkeys(dataset.path for dataset in left):
                if path.startswith(grant.path):
                    grants.record(notebook, path, "file")
            grants.revoke(notebook, grant.path)


async def _forget(analysis: Analysis, name: str) -> None:
    """Take it out of what the next kernel loads; the notebook's setup cell must say the same."""
    analysis.memory.profiles.pop(name, None)
    for setup in analysis.memory.setups:
        if name in setup.names:
            setup.names = tuple(other for other in setup.names if other != name)
            setup.code = analysis.catalog.setup_code(setup.names) if setup.names else ""
            if setup.code:
                await analysis.notebook.record(SetupEntry(setup.cell, setup.code))

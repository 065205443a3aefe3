"""Data that comes from elsewhere, and the grants of a dataset that is detached."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from analyst_kernel._real_paths import UnsafePath, identify
from analyst_kernel.analysis.event_log import EventLog
from analyst_kernel.data.remote.fetch import FetchProgress, fetch_text
from analyst_kernel.grants import GrantRefused, GrantStore
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import AnalystError, DataError, InputError
from analyst_kernel.protocol.ids import AnalysisId


class FetchNotices:
    """Tells the user how far the fetching of remote data is, in quarters."""

    def __init__(self, log: EventLog, analysis: AnalysisId) -> None:
        """Tell by notices in ``log``."""
        self._log = log
        self._analysis = analysis
        self._reported: dict[str, int] = {}

    def __call__(self, progress: FetchProgress) -> None:
        """Take how far it is."""
        if progress.finished:
            self._reported.pop(progress.address, None)
        else:
            quarter = 4 * progress.done // progress.total if progress.total else 0
            if quarter == 4 or self._reported.get(progress.address, -1) >= quarter:
                return
            self._reported[progress.address] = quarter
        code = "data-fetched" if progress.finished else "data-fetching"
        self._log.notice(self._analysis, code, fetch_text(progress), level="info")


@asynccontextmanager
async def store_uploads(
    folder: str, files: Sequence[tuple[str, bytes]]
) -> AsyncIterator[tuple[str, ...]]:
    """Store files (name and content) in a folder; a ``DataError`` inside removes them again.

    Raises:
        InputError: No file was sent, or a name cannot be used.
        AnalystError: The folder cannot be written.
    """
    if not files:
        raise InputError("No file was sent.", "Choose one.")
    names = [_checked(name) for name, _ in files]
    stored = [
        await asyncio.to_thread(_store, folder, name, content)
        for name, (_, content) in zip(names, files, strict=True)
    ]
    try:
        yield tuple(stored)
    except DataError:
        for path in stored:
            with suppress(OSError):
                os.unlink(path)
        raise


def _checked(name: str) -> str:
    """Return the bare file name that a browser sent, without anything that leads elsewhere."""
    bare = name.replace("\\", "/").rpartition("/")[2].strip().lstrip(".")
    bare = "".join(c for c in bare if c.isprintable() and c not in '<>:"|?*')
    if not bare or len(bare.encode()) > 200:
        raise InputError("The file's name cannot be used here.", "Rename it, then send it again.")
    return bare


def _store(folder: str, name: str, content: bytes) -> str:
    """Write a file completely or not at all, under a free name, and return its path."""
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
                    os.link(temporary, place)  # fails if the name is taken, unlike a rename
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


def unswapped(paths: Sequence[str]) -> list[str]:
    """Return real paths that a user granted earlier; blocking.

    Raises:
        GrantRefused: A link or a special file stands at one now. One that is gone is returned.
    """
    for path in paths:
        try:
            identify(path)
        except UnsafePath as error:
            raise GrantRefused(path, error.reason) from error
        except OSError:
            continue
    return list(paths)


def revoke_dataset(
    grants: GrantStore,
    notebook: str,
    analysis: AnalysisId,
    gone: Dataset,
    left: Sequence[Dataset],
) -> None:
    """Revoke the grant of a dataset; blocking.

    If the file came with a folder, the folder's other files stay granted one by one, and so do
    those that lie beside the folders of a table. A folder that is a table itself stays granted.
    """
    paths = list(dict.fromkeys(dataset.path for dataset in left))
    if grants.revoke(notebook, gone.path):
        for path in paths:
            if path.startswith(gone.path + "/"):
                grants.record(notebook, path, analysis=analysis)
        return
    for grant in grants.for_notebook(notebook, analysis=analysis):
        inside = grant.path.rstrip("/\\") + "/"
        if grant.kind == "folder" and gone.path.startswith(inside) and grant.path not in paths:
            for path in paths:
                if path.startswith(inside):
                    grants.record(notebook, path, analysis=analysis)
            grants.revoke(notebook, grant.path)

"""``analyst log``: what was sent to which host, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import runs
from analyst_kernel.command_line.writer import note, out

if TYPE_CHECKING:
    from analyst_kernel.analysis.privacy import PrivacyStore, SentRequest


@click.command(short_help="Show what was sent to models for NOTEBOOK.")
@click.argument("notebook", metavar="NOTEBOOK_OR_ID")
@click.option("--bodies", is_flag=True, help="Print each request's body, one per line.")
@click.option("--export", "folder", metavar="FOLDER", help="Write each body to a file of its own.")
@runs
async def log(*, notebook: str, bodies: bool, folder: str | None) -> int:
    """List the requests that an analysis sent to models: when, where to, how much, in which mode.

    Bodies are what left this computer, byte for byte. Headers, which hold keys, are not kept. The
    newest 64 MB are.
    """
    store = await _store(notebook)
    found = 0
    for found, request in enumerate(store.requests(), start=1):
        if folder is not None:
            _write(Path(folder), found, request)
        if bodies:
            out(request.body.decode("utf-8", "replace"))
        else:
            size = f"{len(request.body):,} bytes"
            out(f"{request.time}  {request.address}  {size}  {request.privacy}")
    if not found:
        note("Nothing was sent for this analysis, or nothing was kept.")
    return 0


async def _store(notebook: str) -> PrivacyStore:
    from analyst_kernel.analysis.privacy import PrivacyStore
    from analyst_kernel.grants import default_path
    from analyst_kernel.notebook.storage.notebook import StoredNotebook
    from analyst_kernel.protocol.ids import AnalysisId

    known = PrivacyStore(default_path().parent, AnalysisId(notebook))
    if known.has_log:
        return known
    book = await StoredNotebook.open(notebook)
    return PrivacyStore(default_path().parent, book.analysis)


def _write(folder: Path, number: int, request: SentRequest) -> None:
    from analyst_kernel.protocol.errors import InputError

    path = folder / f"{number:04d}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(request.body)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder."
        ) from None

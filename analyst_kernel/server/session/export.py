"""Exports an analysis as a file: a notebook, a web page or a script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analyst_kernel.analysis.verify import clean_notebook
from analyst_kernel.notebook.export import export as exports
from analyst_kernel.protocol.errors import InputError, NotebookError
from analyst_kernel.server.session.session import AnalysisSession

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
    form: Literal["ipynb", "html", "py"]
    match to:
        case "ipynb" | "html" | "py":
            form = to
        case _:
            raise InputError(f"There is no export to {to!r}.", "Choose ipynb, html or py.")
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

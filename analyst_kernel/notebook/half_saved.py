"""Reads notebooks while Jupyter saves them, and those of which a save was cut off.

Jupyter copies a notebook to ``.~NAME`` and then writes over it. Who reads meanwhile sees half a
notebook; who reads after the server was killed meanwhile, too. Then the copy is put back, as
Jupyter itself does when it opens such a file.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from analyst_kernel.agent.errors import NotebookError
from analyst_kernel.notebook import disk
from analyst_kernel.notebook.document import Document
from analyst_kernel.notebook.notebook_json import parse

_SECONDS = 2.0
"""A save that takes longer was cut off."""
_PAUSE = 0.1


def read_document(
    path: Path, name: str, *, seconds: float = _SECONDS
) -> tuple[Document, disk.Stamp]:
    """Return a notebook and the stamp that belongs to it; blocks.

    What a cut-off save left is kept as ``NAME.invalid``.

    Args:
        path: The file itself, not a link to it.
        name: What to call it in an error.
        seconds: How long a save may take.

    Raises:
        NotebookError: It cannot be read, or is not a valid notebook of version 4.
    """
    until = time.monotonic() + seconds
    while True:
        text, stamp = disk.read_text(path)
        try:
            return parse(text, name), stamp
        except NotebookError:
            copy = path.with_name(f".~{path.name}")
            if _is_json(text):
                raise
            if not copy.is_file():
                if disk.stamp_of(path) == stamp:
                    raise
                continue  # the save has just ended
            if time.monotonic() > until:
                return _put_back(path, copy, name, stamp)
        time.sleep(_PAUSE)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _put_back(path: Path, copy: Path, name: str, seen: disk.Stamp) -> tuple[Document, disk.Stamp]:
    document = parse(disk.read_text(copy)[0], name)  # first: it may be no better
    try:
        if disk.stamp_of(path) != seen:
            raise NotebookError(f"{name} is being written by another program.", "Try again.")
        # A copy, so that there is a notebook of this name at every moment.
        shutil.copy2(path, path.with_name(f"{path.name}.invalid"))
        os.replace(copy, path)
    except OSError as error:
        raise NotebookError(
            f"A save of {name} was cut off, and the version before it, {copy.name}, cannot be put "
            f"in its place ({error.strerror}).",
            "Copy it there yourself. Nothing was changed.",
        ) from error
    stamp = disk.stamp_of(path)
    assert stamp is not None
    return document, stamp

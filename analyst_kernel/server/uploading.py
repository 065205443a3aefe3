"""Files that a person sends from their own computer: stored beside the notebook, then granted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analyst_kernel.agent.errors import AnalystError, DataError, InputError
from analyst_kernel.server.commands import attach
from analyst_kernel.server.living import LivingAnalysis


async def upload(living: LivingAnalysis, sent: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Store files and attach them; one that is no data is removed again.

    Returns:
        The file browser's paths of what was stored (absolute outside its root).

    Raises:
        InputError: Nothing was sent, or a name cannot be used.
        DataError: A file cannot be read as data.
    """
    if not sent:
        raise InputError("No file was sent.", "Choose one.")
    folder = living.home_folder()
    names = [_checked(name) for name, _ in sent]
    stored: list[str] = []
    for name, (_, content) in zip(names, sent, strict=True):
        stored.append(await asyncio.to_thread(_store, folder, name, content))
    async with living.deciding:
        try:
            await attach(living, tuple(stored))
        except DataError:
            for path in stored:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            raise
    served = living.around.places.served
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

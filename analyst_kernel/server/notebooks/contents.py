"""Writes a notebook through Jupyter's contents manager, with its hooks, events and stores.

Used for a notebook that is not open. The version is identified by its hash, which is checked again
just before each save. Cells that the user trusted stay trusted; ours are never marked as trusted.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from analyst_kernel.notebook.document.operations import Document, cell_notes
from analyst_kernel.notebook.document.serialize import Renderer, from_json
from analyst_kernel.notebook.storage import files
from analyst_kernel.notebook.storage.port import NotebookVersion, WriteConflict, Written
from analyst_kernel.protocol.errors import NotebookError

_OF_JUPYTER = (
    "jupyter_server.services.contents.filemanager",
    "jupyter_server.services.contents.largefilemanager",
)


@dataclass(frozen=True, slots=True)
class ContentsStamp:
    """One version of a notebook; two are equal if the contents manager reports the same version.

    Attributes:
        mark: The version's hash, or its time if the contents manager gives no hash.
        trusted: The ids of its cells that the user trusted.
        hash: The version's hash, or empty.
    """

    mark: str
    trusted: frozenset[str] = field(default=frozenset(), compare=False)
    hash: str = field(default="", compare=False)

    @classmethod
    def of(cls, model: dict[str, Any], trusted: frozenset[str] = frozenset()) -> ContentsStamp:
        """Return the version that a model of the contents manager describes."""
        known = str(model.get("hash") or "")
        return cls(known or str(model.get("last_modified")), trusted, known)


class ContentsWriter:
    """Reads and writes notebooks through the contents manager of a server."""

    def __init__(self, contents: Any) -> None:
        """Use ``contents``, sync or async, local or not."""
        self._contents = contents
        self._renderer = Renderer()

    async def read(self, path: str, base: NotebookVersion | None) -> NotebookVersion | None:
        """Return the saved notebook, ``base`` if it did not change, or None if there is none."""
        now = await self.stamp(path)
        if now is None:
            return None
        if base is not None and base.stamp == now:
            return base
        model = await self._get(path, content=True)
        return None if model is None else await asyncio.to_thread(_reading, model)

    async def write(
        self, path: str, file: Path, document: Document, base: NotebookVersion | None
    ) -> Written:
        """Save ``document`` if the saved notebook is still ``base``, which it was built on.

        ``file`` is the same file, for a contents manager that stores plain files.

        Raises:
            WriteConflict: The saved notebook is another version.
            NotebookError: It cannot be saved.
        """
        stamp = base.stamp if base is not None else None
        same: dict[str, Any] = {}
        if base is not None and isinstance(stamp, ContentsStamp):
            before = base.document["cells"]
            same = {cell["id"]: cell for cell in before if cell["id"] in stamp.trusted}
        elif base is not None:
            raise WriteConflict
        unchanged = {id(cell) for cell in same.values()}
        cells = [_flagged(c) if id(c) in unchanged else c for c in document["cells"]]
        model = {"type": "notebook", "format": "json", "content": {**document, "cells": cells}}
        target = Path(os.path.realpath(file))
        before_check = files.stamp_of(target)
        if await self.stamp(path) != stamp:
            raise WriteConflict
        written: files.FileStamp | None = None
        try:
            if self._keeps_plain_files:
                written = await self._save_file(path, target, before_check, document, model)
            else:
                await ensure_async(self._contents.save(model, path))
        except (HTTPError, OSError) as error:
            raise _failed(path, error) from error
        now = await self.stamp(path)
        if now is None:
            raise NotebookError(f"{path} was removed while it was saved.", "Ask again.")
        if written is not None and files.stamp_of(target) != written:
            raise WriteConflict  # somebody wrote since, and ``now`` may be of their version
        kept = {id(cell) for cell in document["cells"]}
        still = frozenset(name for name, cell in same.items() if id(cell) in kept)
        return Written(replace(now, trusted=still), saved=True)

    @property
    def _keeps_plain_files(self) -> bool:
        """Return whether files are saved by Jupyter itself and not by another package."""
        return type(self._contents).save.__module__ in _OF_JUPYTER

    async def _save_file(
        self,
        path: str,
        target: Path,
        expected: files.FileStamp | None,
        document: Document,
        model: dict[str, Any],
    ) -> files.FileStamp:
        """Do what Jupyter does at a save, but replace the file in one step.

        Jupyter writes over the file: a server that is killed meanwhile leaves half a notebook.
        """
        import nbformat

        content, manager = model["content"], self._contents
        manager.run_pre_save_hooks(model=model, path=path)
        hooked = model["content"] is not content or bool(manager.pre_save_hook)
        manager.check_and_sign(nbformat.from_dict(model["content"]), path)  # type: ignore[no-untyped-call] # untyped there

        def work() -> files.FileStamp:
            final = unflagged(model["content"], "notebook") if hooked else document
            try:
                return files.replace(target, self._renderer.parts(final), expected)
            except files.FileChanged:
                raise WriteConflict from None

        written = await asyncio.to_thread(work)
        after = await self._get(path, content=False)
        if after is not None:
            manager.run_post_save_hooks(model=after, os_path=str(target))
        manager.emit(data={"action": "save", "path": path})
        return written

    async def stamp(self, path: str) -> ContentsStamp | None:
        """Return the version that is saved, or None if there is none."""
        model = await self._get(path, content=False)
        return None if model is None else ContentsStamp.of(model)

    async def _get(self, path: str, *, content: bool) -> dict[str, Any] | None:
        given: dict[str, Any] = {"content": content, "type": "notebook"}
        try:
            try:
                asked = self._contents.get(path, require_hash=True, **given)
            except TypeError:  # a contents manager from before there were hashes
                asked = self._contents.get(path, **given)
            model: dict[str, Any] = await ensure_async(asked)
        except HTTPError as error:
            if error.status_code == 404:
                return None
            raise _failed(path, error) from error
        except OSError as error:
            raise _failed(path, error) from error
        return model


def _reading(model: dict[str, Any]) -> NotebookVersion:
    content = json.loads(json.dumps(model["content"]))
    trusted: set[str] = set()
    for cell in _cells_with_metadata(content):
        flagged = cell["metadata"].pop("trusted", False)
        if flagged and cell.get("outputs") and not cell_notes(cell):
            trusted.add(str(cell.get("id")))
    document = from_json(content, str(model.get("name", "notebook")))
    return NotebookVersion(document, ContentsStamp.of(model, frozenset(trusted)))


def _cells_with_metadata(content: Any) -> list[dict[str, Any]]:
    """Return the cells of a notebook that nobody has checked yet, as far as they are such."""
    cells = content.get("cells") if isinstance(content, dict) else None
    return [
        cell
        for cell in (cells if isinstance(cells, list) else ())
        if isinstance(cell, dict) and isinstance(cell.get("metadata"), dict)
    ]


def _flagged(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell that the user trusted, as Jupyter has it in memory."""
    return {**cell, "metadata": {**cell["metadata"], "trusted": True}}


def unflagged(content: Mapping[str, Any], name: str) -> Document:
    """Return a notebook that Jupyter has in memory as a document of ours, without marks of trust.

    ``name`` is what an error calls it.
    """
    found = json.loads(json.dumps(content))
    for cell in _cells_with_metadata(found):
        cell["metadata"].pop("trusted", None)
    return from_json(found, name)


def _failed(path: str, error: HTTPError | OSError) -> NotebookError:
    reason = getattr(error, "log_message", None) or getattr(error, "reason", None) or str(error)
    return NotebookError(
        f"The notebook {path} cannot be read or written: {str(reason).rstrip('.')}.",
        "What was there is untouched, and what is missing is kept and tried again.",
    )

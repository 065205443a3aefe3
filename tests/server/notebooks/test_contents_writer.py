"""The contents manager as a writer: what another program saves at the same time stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from analyst_kernel.notebook.document.operations import Document, new_document
from analyst_kernel.notebook.document.serialize import Renderer
from analyst_kernel.notebook.storage.port import WriteConflict
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.notebooks.contents import ContentsWriter


def titled(title: str, *more: str) -> Document:
    """Return a notebook of Markdown cells."""
    document = new_document(AnalysisId("a1"), created="2026-11-21", model="", python="3.11")
    cells = [
        {"cell_type": "markdown", "id": f"c{n}", "metadata": {}, "source": text}
        for n, text in enumerate((title, *more))
    ]
    return {**document, "cells": cells}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "n.ipynb"
    path.write_text(Renderer().render(titled("One")), encoding="utf-8")
    return path


async def test_what_is_saved_is_the_base_of_the_next_write(file: Path) -> None:
    writer = ContentsWriter(AsyncLargeFileManager(root_dir=str(file.parent)))
    base = await writer.read(file.name, None)
    written = await writer.write(file.name, file, titled("One", "Two"), base)
    assert written.saved
    again = await writer.read(file.name, None)
    assert again is not None
    assert again.stamp == written.stamp


@pytest.mark.parametrize("moment", ["hook", "after"])
async def test_an_edit_right_after_our_save_is_not_taken_for_what_we_saved(
    file: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Renderer().render(titled("One", "Two", "Theirs"))

    def edit(**_: Any) -> None:
        file.write_text(theirs, encoding="utf-8")

    manager = AsyncLargeFileManager(root_dir=str(file.parent))
    writer = ContentsWriter(manager)
    base = await writer.read(file.name, None)
    if moment == "hook":
        manager.post_save_hook = edit
    else:
        emit = manager.emit

        def emitted(data: dict[str, Any]) -> None:
            emit(data)
            if data["action"] == "save":
                edit()

        monkeypatch.setattr(manager, "emit", emitted)
    with pytest.raises(WriteConflict):
        await writer.write(file.name, file, titled("One", "Two"), base)
    await asyncio.sleep(0)
    assert "Theirs" in str(json.loads(file.read_text(encoding="utf-8"))["cells"])

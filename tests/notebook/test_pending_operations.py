"""Operations that are pending until they are seen in the saved notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from analyst_kernel.notebook.document.operations import Document, Operation, SetNotebook
from analyst_kernel.notebook.storage.disk import DiskWriter
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.port import NotebookVersion, WriterUnavailable, Written


class AwayWriter(DiskWriter):
    """The writer of a notebook whose tab is expected back, so that no write succeeds."""

    async def write(self, document: Document, base: NotebookVersion | None) -> Written:
        raise WriterUnavailable


class SlowStore:
    """Stores operations only after the test allows it."""

    def __init__(self) -> None:
        self.kept: list[Operation] = []
        self.slow = False
        self.go = asyncio.Event()

    async def keep(self, operations: Sequence[Operation]) -> None:
        if self.slow:
            await self.go.wait()
        self.kept = [*operations]

    async def forget(self, operations: Sequence[Operation]) -> None:
        self.kept = [one for one in self.kept if one not in operations]

    async def pending(self) -> tuple[Operation, ...]:
        return tuple(self.kept)


async def test_an_operation_seen_saved_while_it_is_stored_does_not_stay(
    tmp_path: Path,
) -> None:
    made = await StoredNotebook.create(tmp_path / "a.ipynb", model="a:a")
    store = SlowStore()
    book = await StoredNotebook.open(made.path, writer=AwayWriter, store=store)
    await book.apply(SetNotebook({"model": "b:b"}))
    assert (book.pending, len(store.kept)) == (1, 1)
    store.slow = True
    back = asyncio.ensure_future(book.apply(SetNotebook({"model": "a:a"})))
    await asyncio.sleep(0)
    look = asyncio.ensure_future(book.flush())
    await asyncio.wait([look], timeout=1)
    store.go.set()
    await asyncio.gather(back, look)
    # Touched, so that the file is read again.
    (tmp_path / "a.ipynb").touch()
    await book.flush()
    assert (book.pending, store.kept) == (0, [])

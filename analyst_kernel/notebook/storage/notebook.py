"""The notebook of an analysis: its document, its pending operations and its writer.

Each record is stored durably before it is written, and written in full or not at all. What others
save in between is never overwritten: our operations are applied on top of it.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.ports import CellChange, Entry, IterationEntry, RemovedRun, ReplayCell
from analyst_kernel.notebook.document import read
from analyst_kernel.notebook.document.ledger import ledger_of, ledger_operations
from analyst_kernel.notebook.document.operations import (
    Document,
    Operation,
    RemoveRun,
    SetNotebook,
    UpsertCell,
    adoption,
    apply,
    is_applied,
    is_edited,
    new_document,
    notes,
    operations_for,
    run_cells,
)
from analyst_kernel.notebook.document.serialize import validate_cell
from analyst_kernel.notebook.document.user_edits import UserEdits
from analyst_kernel.notebook.storage import files
from analyst_kernel.notebook.storage.disk import DiskWriter
from analyst_kernel.notebook.storage.names import free_paths, notebook_path
from analyst_kernel.notebook.storage.pending import PendingOperations
from analyst_kernel.notebook.storage.port import (
    NotebookVersion,
    OperationStore,
    WordsOfUser,
    WriteConflict,
    Writer,
    WriterUnavailable,
)
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_analysis_id

_ATTEMPTS = 5


class StoredNotebook:
    """One notebook and its storage. Implements :class:`analyst_kernel.agent.ports.Notebook`."""

    def __init__(
        self,
        document: Document,
        base: NotebookVersion,
        operations: Sequence[Operation],
        writer: Writer,
        store: OperationStore | None = None,
        words: WordsOfUser | None = None,
    ) -> None:
        self._document = document
        self._base: NotebookVersion | None = base
        self._writer = writer
        self._store = store
        self._words = words
        self._ours = PendingOperations(operations)  # of this process, for versions of others
        self._pending = PendingOperations()  # not yet seen in the saved notebook
        self._saved_cells = len(base.document["cells"])
        self._version = 0 if document is base.document else 1
        self._written = 0
        self._created_here = False
        self._user_edits = UserEdits.of(document)
        self._memory = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def create(
        cls,
        path: str | os.PathLike[str],
        *,
        analysis: AnalysisId | None = None,
        model: str = "",
        python: str = "",
        writer: Callable[[Path], Writer] | None = None,
        store: OperationStore | None = None,
        words: WordsOfUser | None = None,
    ) -> StoredNotebook:
        """Create a notebook and save it empty; a name that is taken gets a number.

        Args:
            path: Of the file; the ending ``.ipynb`` is added if it is missing.
            analysis: The analysis's id; a fresh one by default.
            model: ``provider:name``, noted in the notebook.
            python: The kernel's Python version, noted in the notebook.
            writer: Makes its writer after that; a :class:`DiskWriter` by default.
            store: Stores pending operations; they are only in memory by default.
            words: Marks the user's definitions, and tells them by it; by default none is marked.

        Raises:
            NotebookError: It cannot be written there.
        """
        made = _now()
        analysis = analysis or new_analysis_id()
        document = new_document(analysis, created=made, model=model, python=python)
        ours = [adoption(analysis, created=made, model=model, python=python)]

        def work() -> StoredNotebook:
            for free in free_paths(path):
                files.sweep(free)
                first = DiskWriter(free)
                with suppress(FileExistsError):
                    base = first.create(document)
                    later = first if writer is None else writer(free)
                    notebook = cls(document, base, ours, later, store, words)
                    notebook._created_here = True
                    return notebook
            raise AssertionError("unreachable: the names do not end")

        return await finish_despite_cancel(asyncio.to_thread(work), reraise=True)

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        analysis: AnalysisId | None = None,
        writer: Callable[[Path], Writer] | None = None,
        store: OperationStore | None = None,
        words: WordsOfUser | None = None,
    ) -> StoredNotebook:
        """Open a notebook to extend it: one of ours, or any valid Python notebook of version 4.

        A notebook without an analysis becomes that of ``analysis`` (default: a fresh id) with the
        first record; its kernelspec, cells and metadata stay. Nothing is written here: operations
        in ``store`` are written with the first record or :meth:`flush`.

        Raises:
            NotebookError: It is missing, invalid, not Python, or not writable; it is untouched.
        """
        kept = await store.pending() if store is not None else ()

        def work() -> StoredNotebook:
            link = notebook_path(path)
            target = Path(os.path.realpath(link))
            first = DiskWriter(link)
            base = first.read_now(None)
            if base is None:
                raise NotebookError(f"There is no notebook {link}.", "Check the path.")
            files.sweep(target)
            document = base.document
            _require_python(document, link.name)
            ours: list[Operation] = []
            if read.analysis_of(document) is None:
                ours.append(adoption(analysis or new_analysis_id(), created=_now()))
            document = functools.reduce(apply, (*ours, *kept), document)
            later = first if writer is None else writer(link)
            notebook = cls(document, base, (*ours, *kept), later, store, words)
            notebook._pending.add(kept)
            return notebook

        return await finish_despite_cancel(asyncio.to_thread(work), reraise=True)

    @property
    def path(self) -> str:
        """Absolute path; a link stays a link."""
        return str(self._writer.path)

    @property
    def cell_count(self) -> int:
        """Number of cells in the saved notebook."""
        return self._saved_cells

    @property
    def analysis(self) -> AnalysisId:
        """The analysis that this notebook belongs to."""
        found = read.analysis_of(self._document)
        if found is None:
            raise NotebookError(
                f"{self._writer.path.name} does not belong to an analysis any more."
            )
        return found

    @property
    def model(self) -> str:
        """``provider:name`` as noted in the notebook; may be empty."""
        return str(notes(self._document).get("model", ""))

    @property
    def runs(self) -> tuple[RunId, ...]:
        """The runs that the notebook holds, in order."""
        return read.runs_of(self._document)

    @property
    def undone_runs(self) -> tuple[RunId, ...]:
        """The runs that were taken out of the notebook again."""
        return read.undone_runs(self._document)

    @property
    def next_run(self) -> RunId:
        """The id for the next question."""
        return read.next_run(self._document)

    @property
    def document(self) -> Document:
        """The notebook as it is now; do not change it."""
        return self._document

    def restore(self) -> tuple[Entry, ...]:
        """Return the entries of the analysis in document order."""
        return read.entries_of(self._document)

    def ledger(self) -> Ledger:
        """Return the definitions and the named states that the notebook holds."""
        return ledger_of(self._document, self._is_own)

    async def keep_ledger(self, ledger: Ledger) -> None:
        """Note the definitions and the named states, and save."""
        mark = self._words.mark if self._words is not None else lambda text: ""
        operations = await asyncio.to_thread(ledger_operations, self._document, ledger, mark)
        await self.apply(*operations)

    def _is_own(self, text: str, mark: str) -> bool:
        return self._words is not None and self._words.is_own(text, mark)

    def cells_to_replay(self, until: CellId | None = None) -> tuple[ReplayCell, ...]:
        """Return the cells whose code gives a fresh kernel the notebook's state."""
        return read.cells_to_replay(self._document, until)

    async def record(self, entry: Entry) -> None:
        """Write the entry's cell and save; see :class:`analyst_kernel.agent.ports.Notebook`."""
        operations = operations_for(entry)
        await self.apply(*operations)
        for operation in operations:
            of_user = isinstance(entry, IterationEntry) and entry.origin == "user"
            if isinstance(operation, UpsertCell) and not of_user:
                self._user_edits.write(operation.cell)

    def manual_changes(self) -> tuple[CellChange, ...]:
        """Return what a user did to code cells since the last call."""
        return self._user_edits.take(self._document)

    def is_edited(self, cell: CellId) -> bool:
        """Return whether a user changed the cell's text since it was written here."""
        found = (c for c in self._document["cells"] if c["id"] == cell)
        return any(is_edited(self._document, c) for c in found)

    def cell_of(self, code: str) -> CellId | None:
        """Return the cell with exactly this text, if there is only one."""
        same = [c["id"] for c in self._document["cells"] if c["source"] == code]
        return CellId(same[0]) if len(same) == 1 else None

    async def remove_run(self, run: RunId) -> RemovedRun:
        """Remove a run in one save; cells that a user edited stay and are theirs."""
        await self.refresh()
        if run in read.undone_runs(self._document):
            return RemovedRun((), ())
        found = run_cells(self._document, run)
        if found.removed or found.kept:
            await self.apply(RemoveRun(run))
            self._user_edits.forget(found.removed)
        return found

    async def describe(
        self, *, model: str | None = None, python: str = "", packages: dict[str, str] | None = None
    ) -> None:
        """Note the model, the kernel's Python, its package versions and what was seen; save.

        With a store, this does not wait for the save.
        """
        facts: dict[str, Any] = {"model": model, "python": python or None, "packages": packages}
        facts["seen"] = self._user_edits.to_notes()
        await finish_despite_cancel(
            self._keep((SetNotebook({k: v for k, v in facts.items() if v is not None}),)),
            reraise=True,
        )
        await self._write_soon(wait=self._store is None)

    async def apply(self, *operations: Operation) -> None:
        """Apply operations and save, unless they were applied already.

        A cancelled call first stores them or, without a store, writes them. A failed write is tried
        again with the next call.

        Raises:
            NotebookError: The notebook cannot be written; the old version stays.
        """
        for operation in operations:
            if isinstance(operation, UpsertCell):
                validate_cell(operation.cell)
        await finish_despite_cancel(self._keep(operations), reraise=True)
        await self._write_soon()

    @property
    def pending(self) -> int:
        """Number of operations not yet seen in the saved notebook; 0 without a store."""
        return len(self._pending)

    async def refresh(self) -> None:
        """Read what others did to the notebook, in a browser even if it is not saved.

        Raises:
            NotebookError: It cannot be read, or pending operations cannot be written.
        """
        try:
            reading = await self._writer.read(self._base)
        except WriterUnavailable:
            return
        if reading is not None and reading is not self._base:
            await self._rebase(reading)
        await self._write_soon()

    async def flush(self) -> None:
        """Drop pending operations that were saved, and write those that no browser will save.

        Raises:
            NotebookError: It cannot be read or written.
        """
        if not self._pending or (self._writing is not None and not self._writing.done()):
            return
        saved = await self._writer.saved()
        if saved is not None:
            await self._drop_saved(saved)
        if not self._pending:
            return
        if not await self._writer.in_hand(self._base):
            self._version += 1
            self._base = None if self._base is None else NotebookVersion(self._base.document, None)
        await self._write_soon()

    async def discard_if_empty(self) -> None:
        """Remove the file if it was created here and still holds no cell."""
        if self._created_here and not self._document["cells"]:
            await finish_despite_cancel(self._writer.discard(self._base), reraise=True)

    async def _keep(self, operations: tuple[Operation, ...]) -> None:
        """Apply operations in memory, and store them before anything of them is written."""

        def work() -> Document:
            return functools.reduce(apply, operations, self._document)

        async with self._memory:
            document = await asyncio.to_thread(work)
            self._ours.add(operations)
            if document is self._document:
                return
            if self._store is not None:
                # Stored first, then pending: a pending operation may be seen in the saved notebook
                # and dropped at any moment, and stored after that it would stay forever.
                await self._store.keep(operations)
                self._pending.add(operations)
            self._document = document
            self._version += 1

    async def _write_soon(self, *, wait: bool = True) -> None:
        if self._writing is None or self._writing.done():
            if self._written == self._version:
                return
            self._writing = asyncio.ensure_future(self._write())
            # A caller that waits gets the error; if none does, the next call tries again.
            self._writing.add_done_callback(lambda done: done.cancelled() or done.exception())
        task, retry_delay = self._writing, self._writer.retry_delay
        if not wait:
            return
        if retry_delay is None:
            await finish_despite_cancel(task, reraise=True)
        elif (await asyncio.wait([task], timeout=retry_delay))[0]:
            task.result()

    async def _write(self) -> None:
        """Write until everything is written, or until the writer is unavailable."""
        attempts = 0
        while self._written != self._version:
            attempts += 1
            if attempts > _ATTEMPTS:
                raise NotebookError(
                    f"{self.path} is being changed by another program all the time, so it was not "
                    "saved.",
                    "Stop the other program, then ask again.",
                )
            document, version, base = self._document, self._version, self._base
            try:
                written = await self._writer.write(document, base)
            except WriteConflict as conflict:
                try:
                    reading = conflict.reading or await self._writer.read(base)
                except WriterUnavailable:
                    return
                if reading is None:
                    self._base = None  # it was moved or deleted: write what we hold
                elif reading is not base:
                    await self._rebase(reading)
                continue
            except WriterUnavailable:
                return
            attempts = 0
            self._base, self._written = NotebookVersion(document, written.stamp), version
            self._saved_cells = len(document["cells"])
            if written.saved:
                await self._drop_saved(document)

    async def _drop_saved(self, saved: Document) -> None:
        """Drop the pending operations that the saved notebook holds."""
        if not self._pending:
            return
        operations = tuple(self._pending)
        seen = await asyncio.to_thread(lambda: [o for o in operations if is_applied(saved, o)])
        self._pending.drop(seen)
        if self._store is not None and seen:
            await self._store.forget(seen)

    async def _rebase(self, reading: NotebookVersion) -> None:
        """Build on a version of others: apply all our operations to it."""

        def work() -> Document:
            document, name = reading.document, self._writer.path.name
            if read.analysis_of(document) not in (None, self.analysis):
                raise NotebookError(
                    f"{name} was replaced by the notebook of another analysis.",
                    "Nothing was written. Move it away, then ask again.",
                )
            if read.analysis_of(document) is None:
                ours = {k: v for k, v in notes(self._document).items() if k != "cells"}
                document = apply(document, SetNotebook(ours))
            return functools.reduce(apply, self._ours, document)

        async with self._memory:
            self._document, self._base = await asyncio.to_thread(work), reading
            self._version += 1
            if self._document is reading.document:
                self._written = self._version


def _require_python(document: Document, name: str) -> None:
    metadata = document["metadata"]
    spec, info = metadata.get("kernelspec", {}), metadata.get("language_info", {})
    language = info.get("name") or spec.get("language") or "python"
    if str(language).lower() not in ("python", "ipython", "python3"):
        raise NotebookError(
            f"{name} is a notebook in {language}; the analyst writes Python.",
            "Name another notebook. The file was not changed.",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

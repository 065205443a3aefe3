"""The notebook of an analysis as a file that this process writes: the headless ``Notebook``.

Each record is on disk before it returns, whole or not at all. Edits that others save meanwhile are
taken over, never overwritten. It is not for a notebook that is open in a browser.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from analyst_kernel.agent.errors import NotebookError
from analyst_kernel.agent.hand_changes import CellChange, RemovedRun
from analyst_kernel.agent.ports import Entry, IterationEntry, ReplayCell
from analyst_kernel.notebook import disk, history
from analyst_kernel.notebook.by_hand import HandWatch
from analyst_kernel.notebook.document import (
    Document,
    NoteRun,
    Operation,
    RemoveRun,
    SetNotebook,
    UpsertCell,
    adoption,
    apply,
    is_edited,
    new_document,
    notes,
    operations_for,
    run_cells,
)
from analyst_kernel.notebook.naming import free_path, notebook_path
from analyst_kernel.notebook.notebook_json import Renderer, parse, validate_cell
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_analysis_id

_T = TypeVar("_T")
_ATTEMPTS = 5


class NotebookFile:
    """One notebook file. Implements :class:`analyst_kernel.agent.ports.Notebook`."""

    def __init__(
        self, path: Path, document: Document, stamp: disk.Stamp | None, operations: list[Operation]
    ) -> None:
        """Hold what was read or created; use :meth:`create` or :meth:`open`."""
        self._path = path
        self._document = document
        self._stamp = stamp
        self._operations = operations
        self._saved_cells = len(document["cells"])
        self._dirty = bool(operations) and stamp is not None
        self._created_here = False
        self._renderer = Renderer()
        self._hand = HandWatch.of(document)
        self._lock = asyncio.Lock()

    @classmethod
    async def create(
        cls,
        path: str | os.PathLike[str],
        *,
        analysis: AnalysisId | None = None,
        model: str = "",
        python: str = "",
    ) -> NotebookFile:
        """Create a notebook and save it empty; a name that is taken gets a number.

        Args:
            path: Where; the ending ``.ipynb`` is added where there is none.
            analysis: The analysis's id; a fresh one by default.
            model: ``provider:name``, noted in the notebook.
            python: The kernel's Python version, noted in the notebook.

        Raises:
            NotebookError: It cannot be written there.
        """
        made = _now()
        analysis = analysis or new_analysis_id()
        document = new_document(analysis, created=made, model=model, python=python)
        ours = [adoption(analysis, created=made, model=model, python=python)]

        def work() -> NotebookFile:
            while True:
                free = free_path(path)
                disk.sweep(free)
                notebook = cls(free, document, None, list(ours))
                try:
                    notebook._stamp = disk.create(free, notebook._renderer.render(document))
                except FileExistsError:
                    continue
                notebook._created_here = True
                return notebook

        return await _finish(work)

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        analysis: AnalysisId | None = None,
        model: str = "",
        python: str = "",
    ) -> NotebookFile:
        """Open a notebook to extend it: one of ours, or any valid Python notebook of version 4.

        A notebook that has no analysis yet becomes that of ``analysis`` (default: a fresh id) with
        the first record; its kernelspec, cells and metadata stay. Nothing is written here.

        Raises:
            NotebookError: It is not there, not valid, not Python, or not writable; it is untouched.
        """

        def work() -> NotebookFile:
            link = notebook_path(path)
            target = Path(os.path.realpath(link))
            text, stamp = disk.read_text(target)
            disk.sweep(target)
            document = parse(text, link.name)
            _require_python(document, link.name)
            ours: list[Operation] = []
            if history.analysis_of(document) is None:
                chosen = analysis or new_analysis_id()
                ours.append(adoption(chosen, created=_now(), model=model, python=python))
            elif model:
                ours.append(SetNotebook({"model": model}))
            for operation in ours:
                document = apply(document, operation)
            return cls(link, document, stamp, ours)

        return await _finish(work)

    @property
    def path(self) -> str:
        """Absolute path, as named (a link stays a link)."""
        return str(self._path)

    @property
    def cell_count(self) -> int:
        """Cells in the saved notebook."""
        return self._saved_cells

    @property
    def analysis(self) -> AnalysisId:
        """The analysis that this notebook belongs to."""
        found = history.analysis_of(self._document)
        if found is None:
            raise NotebookError(f"{self._path.name} does not belong to an analysis any more.")
        return found

    @property
    def model(self) -> str:
        """``provider:name`` as noted in the notebook; may be empty."""
        return str(notes(self._document).get("model", ""))

    @property
    def runs(self) -> tuple[RunId, ...]:
        """The runs that the notebook holds, in order."""
        return history.runs_of(self._document)

    @property
    def next_run(self) -> RunId:
        """The id for the next question."""
        return history.next_run(self._document)

    @property
    def document(self) -> Document:
        """The notebook as it stands; do not change it."""
        return self._document

    def restore(self) -> tuple[Entry, ...]:
        """Return what the notebook holds of its analysis, as entries in document order."""
        return history.entries_of(self._document)

    def cells_to_replay(self, until: CellId | None = None) -> tuple[ReplayCell, ...]:
        """Return the cells whose code gives a fresh kernel the notebook's state."""
        return history.cells_to_replay(self._document, until)

    async def record(self, entry: Entry) -> None:
        """Put the entry's cell and save; see :class:`analyst_kernel.agent.ports.Notebook`."""
        operations = operations_for(entry)
        await self.apply(*operations)
        for operation in operations:
            of_person = isinstance(entry, IterationEntry) and entry.origin == "user"
            if isinstance(operation, UpsertCell) and not of_person:
                self._hand.write(operation.cell)

    async def refresh(self) -> None:
        """Take over what others saved since; see :class:`analyst_kernel.agent.ports.Notebook`."""
        await _finish(self._refresh, self._lock)

    def changes_by_hand(self) -> tuple[CellChange, ...]:
        """Return what a person did to code cells since the last call."""
        return self._hand.take(self._document)

    def is_edited(self, cell: CellId) -> bool:
        """Say whether a person changed the cell's text since it was written here."""
        found = (c for c in self._document["cells"] if c["id"] == cell)
        return any(is_edited(self._document, c) for c in found)

    def cell_of(self, code: str) -> CellId | None:
        """Return the one code cell with exactly this text."""
        same = [c["id"] for c in self._document["cells"] if c["source"] == code]
        return CellId(same[0]) if len(same) == 1 else None

    async def remove_run(self, run: RunId) -> RemovedRun:
        """Take a run out in one save; what a person edited stays and is theirs."""
        await self.refresh()
        if run in history.undone_runs(self._document):
            return RemovedRun((), ())
        found = run_cells(self._document, run)
        if found.removed or found.kept:
            await self.apply(RemoveRun(run))
            self._hand.forget(found.removed)
        return found

    async def describe(
        self, *, model: str | None = None, python: str = "", packages: dict[str, str] | None = None
    ) -> None:
        """Note the model, the kernel's Python, its package versions and what was seen; save."""
        facts: dict[str, Any] = {"model": model, "python": python or None, "packages": packages}
        facts["seen"] = self._hand.to_notes()
        await self.apply(SetNotebook({k: v for k, v in facts.items() if v is not None}))

    async def apply(self, *operations: Operation) -> None:
        """Apply operations and save, unless they were there already.

        Cancelling waits for the write under way. What could not be written is tried again with the
        next call.

        Raises:
            NotebookError: It could not be written; what was there stays.
        """
        for operation in operations:
            if isinstance(operation, UpsertCell):
                validate_cell(operation.cell)
        await _finish(lambda: self._apply(operations), self._lock)

    async def discard_if_empty(self) -> None:
        """Remove the file if it was created here and still holds no cell."""

        def work() -> None:
            empty = not self._document["cells"] and self._created_here
            if empty and disk.stamp_of(self._path) == self._stamp:
                self._path.unlink(missing_ok=True)

        await _finish(work, self._lock)

    def _apply(self, operations: tuple[Operation, ...]) -> None:
        for operation in operations:
            self._remember(operation)
            after = apply(self._document, operation)
            self._dirty |= after is not self._document
            self._document = after
        if self._dirty:
            self._save()

    def _refresh(self) -> None:
        target = Path(os.path.realpath(self._path))
        now = disk.stamp_of(target)
        if now is not None and now != self._stamp:
            self._dirty |= self._take_over(target)

    def _remember(self, operation: Operation) -> None:
        """Keep the newest version of what we wrote, to put it on top of somebody else's edit."""
        key = _key(operation)
        if isinstance(operation, UpsertCell | NoteRun | SetNotebook | RemoveRun):
            self._operations = [o for o in self._operations if _key(o) != key]
        self._operations.append(operation)

    def _save(self) -> None:
        target = Path(os.path.realpath(self._path))
        for _ in range(_ATTEMPTS):
            now = disk.stamp_of(target)
            if now is not None and now != self._stamp:
                self._take_over(target)
            elif now is None:
                self._stamp = None  # somebody moved or deleted it: what we hold is put back
            text = self._renderer.render(self._document)
            try:
                self._stamp = disk.replace(target, text, self._stamp)
            except disk.FileChanged:
                continue
            self._dirty = False
            self._saved_cells = len(self._document["cells"])
            return
        raise NotebookError(
            f"{self._path} is being changed by another program all the time, so it was not saved.",
            "Stop the other program, then ask again.",
        )

    def _take_over(self, target: Path) -> bool:
        """Build on what somebody else saved: theirs, with our cells put on top by id.

        Says whether anything of ours was missing there.
        """
        text, stamp = disk.read_text(target)
        document = parse(text, self._path.name)
        if history.analysis_of(document) not in (None, self.analysis):
            raise NotebookError(
                f"{self._path.name} was replaced by the notebook of another analysis.",
                "Nothing was written. Move it away, then ask again.",
            )
        theirs = document
        if history.analysis_of(document) is None:
            ours = {k: v for k, v in notes(self._document).items() if k != "cells"}
            document = apply(document, SetNotebook(ours))
        for operation in self._operations:
            document = apply(document, operation)
        self._document, self._stamp = document, stamp
        return document is not theirs


async def _finish(work: Callable[[], _T], lock: asyncio.Lock | None = None) -> _T:
    """Run ``work`` in a thread to its end, even when cancelled meanwhile."""

    async def guarded() -> _T:
        if lock is None:
            return await asyncio.to_thread(work)
        async with lock:
            return await asyncio.to_thread(work)

    task = asyncio.ensure_future(guarded())
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # seen: the cancellation counts for more
        raise cancelled
    return task.result()


def _key(operation: Operation) -> tuple[str, str]:
    match operation:
        case UpsertCell():
            return "cell", operation.cell["id"]
        case NoteRun():
            return "run", f"{operation.run} {sorted(operation.values)}"
        case SetNotebook():
            return "notebook", f"{sorted(operation.values)}"
        case RemoveRun():
            return "undone", operation.run
        case _:
            return "other", str(id(operation))


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

"""The notebook document as a pure state machine: operations in, a new document out.

A document is never changed in place. An operation that has nothing to do returns the same object;
otherwise it returns a new document that shares the cells it did not change. Every operation is
idempotent and may be applied late. What was written is noted in ``metadata.analyst_kernel.cells``
(cell id to mark), which shows the cells that a user edited since: such a cell is theirs, keeps its
text, and our next version stands below it. Pure.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, assert_never

from analyst_kernel.agent.ports import AnswerEntry, Entry, QuestionEntry, RemovedRun
from analyst_kernel.notebook.document.cells import KEY, OUR_TAGS, Cell, cell_for
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId

Document: TypeAlias = dict[str, Any]
"""A whole nbformat 4.5 notebook, its texts joined."""

KERNELSPEC: Final = {
    "name": "analyst",
    "display_name": "Analyst (sandboxed)",
    "language": "python",
}
_ROLES: Final = ("question", "plan", "iteration", "answer")


@dataclass(frozen=True, slots=True)
class UpsertCell:
    """Write a cell: in place if it is ours, below a user's edit, at the end if it is new."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class SetNotebook:
    """Merge keys into the notebook's ``metadata.analyst_kernel``, and set missing defaults.

    Attributes:
        values: Our keys; ``None`` removes a key.
        defaults: Other notebook metadata, such as the kernelspec; never overwrites.
    """

    values: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoteRun:
    """Merge facts of a run that its cells do not hold in full (question, answer, status)."""

    run: RunId
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RemoveRun:
    """Remove a run's cells and note it as undone; cells that a user edited stay and are theirs."""

    run: RunId


@dataclass(frozen=True, slots=True)
class NoteLedger:
    """Set what a run (or with ``None`` the user outside of one) recorded in the ledger.

    Several processes may do so. An operation older than what the notebook holds has no effect.

    Attributes:
        values: ``definitions``, ``states`` and the ids of definitions that ``ended``.
        revision: Counts up from 1 for this run.
    """

    run: RunId | None
    values: dict[str, Any]
    revision: int


Operation: TypeAlias = UpsertCell | SetNotebook | NoteRun | RemoveRun | NoteLedger


def new_document(
    analysis: AnalysisId, *, created: str, model: str = "", python: str = ""
) -> Document:
    """Return an empty notebook of an analysis; see :func:`adoption`."""
    blank = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return apply(blank, adoption(analysis, created=created, model=model, python=python))


def adoption(
    analysis: AnalysisId, *, created: str, model: str = "", python: str = ""
) -> SetNotebook:
    """Return the operation that makes a notebook that of ``analysis``.

    ``created`` is an ISO time in UTC, ``model`` is ``provider:name``, ``python`` the kernel's
    version; the last two may be empty.
    """
    language: dict[str, Any] = {
        "name": "python",
        "mimetype": "text/x-python",
        "file_extension": ".py",
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "codemirror_mode": {"name": "ipython", "version": 3},
    }
    if python:
        language["version"] = python
    values: dict[str, Any] = {"version": 1, "analysis": analysis, "created": created}
    if model:
        values["model"] = model
    return SetNotebook(values, {"kernelspec": dict(KERNELSPEC), "language_info": language})


def operations_for(entry: Entry) -> tuple[Operation, ...]:
    """Return the operations that record ``entry``."""
    upsert = UpsertCell(cell_for(entry))
    match entry:
        case QuestionEntry():
            return upsert, NoteRun(entry.run, {"question": entry.question})
        case AnswerEntry():
            answer = entry.answer.model_dump(mode="json", exclude_defaults=True)
            return upsert, NoteRun(entry.run, {"status": entry.status, "answer": answer})
        case _:
            return (upsert,)


def apply(document: Document, operation: Operation) -> Document:
    """Return the document after ``operation``; the same object if nothing changed."""
    match operation:
        case UpsertCell():
            return _upsert(document, operation.cell)
        case SetNotebook():
            return _set_notebook(document, operation)
        case RemoveRun():
            return _remove_run(document, operation.run)
        case NoteRun():
            return _note_run(document, operation)
        case NoteLedger():
            return _note_ledger(document, operation)
        case _:
            assert_never(operation)


def is_applied(document: Document, operation: Operation) -> bool:
    """Return whether ``operation`` would not change ``document``."""
    return apply(document, operation) is document


def as_dict(noted: object) -> dict[str, Any]:
    """Return a JSON object as it was noted; empty if something else was, or nothing."""
    return noted if isinstance(noted, dict) else {}


def notes(document: Document) -> dict[str, Any]:
    """Return the notebook's ``metadata.analyst_kernel``; empty if it is not ours."""
    return as_dict(document["metadata"].get(KEY))


def ledger_notes(document: Document, run: RunId | None) -> dict[str, Any]:
    """Return what the notebook notes of a run's part of the ledger, or of the user's own part."""
    ours = notes(document)
    if run is None:
        return as_dict(ours.get("ledger"))
    return as_dict(as_dict(as_dict(ours.get("runs")).get(run)).get("ledger"))


def cell_notes(cell: Cell) -> dict[str, Any]:
    """Return the cell's ``metadata.analyst_kernel``; empty if it is not ours."""
    return as_dict(cell["metadata"].get(KEY))


def is_edited(document: Document, cell: Cell) -> bool:
    """Return whether a user changed the cell's text after we wrote it, or wrote the cell."""
    mark = _mark_of(_marks(document), cell["id"])
    return mark.partition("-")[0] != source_mark(cell)


def _upsert(document: Document, cell: Cell) -> Document:
    """Write the cell as the newest of its versions.

    Writes come again, late and out of order, after a crash or a lost reply, while users edit and
    delete. So what decides is not whether the cell is there, but its mark: that of the last version
    that was ever written. The same mark means that this write was applied, and a cell that is gone
    or changed since was the user's decision. Any other mark is news: it takes the place of our own
    text, or goes below a user's text as the next version ``ID-v2``, ``ID-v3``...
    """
    marks = _marks(document)
    places = {c["id"]: i for i, c in enumerate(document["cells"])}
    names = _versions(cell["id"], places, marks)
    name, mark = names[-1], _mark(cell)
    if _rest(_mark_of(marks, name)) == _rest(mark):
        return document
    at = places.get(name)
    cells = list(document["cells"])
    if at is None:
        before = places.get(names[-2]) if len(names) > 1 else None
        cells.insert(len(cells) if before is None else before + 1, {**cell, "id": name})
    elif _replaceable(cells[at], cell, _mark_of(marks, name)):
        if is_edited(document, cells[at]):
            # We only ran a user's text: the outputs are ours, the text stays theirs.
            mark = f"{_mark_of(marks, name).partition('-')[0]}-{_rest(mark)}"
        cells[at] = _merged(cells[at], {**cell, "id": name})
    else:
        name = _version(cell["id"], len(names) + 1)
        cells[at] = _given_away(cells[at])
        cells.insert(at + 1, {**cell, "id": name})
    return _with_notes({**document, "cells": cells}, {"cells": {**marks, name: mark}})


def _versions(cell: str, places: dict[str, int], marks: dict[str, Any]) -> list[str]:
    """Return the ids under which a cell was written, oldest first; at least its own."""
    later = (_version(cell, number) for number in itertools.count(2))
    return [cell, *itertools.takewhile(lambda name: name in marks or name in places, later)]


def _version(cell: str, number: int) -> str:
    return f"{cell[:56]}-v{number}"


def _replaceable(old: Cell, new: Cell, mark: str) -> bool:
    same_text = source_mark(old) == source_mark(new)
    return same_text or mark.partition("-")[0] == source_mark(old)


def _merged(old: Cell, new: Cell) -> Cell:
    """Return ``new`` with what a user set on ``old``: other metadata, tags, unfolding.

    We fold a failed cell and unfold it when it succeeds. A cell whose outcome is the same as
    before keeps its folding, because only a user can have changed that since.
    """
    metadata = {k: v for k, v in old["metadata"].items() if k != "trusted"}
    was, now = cell_notes(old).get("outcome"), cell_notes(new).get("outcome")
    if was != now:
        if was not in (None, "ok"):
            metadata.pop("collapsed", None)
            metadata.pop("jupyter", None)
        for key in ("collapsed", "jupyter"):
            if key in new["metadata"]:
                metadata[key] = new["metadata"][key]
    kept = [t for t in old["metadata"].get("tags", []) if t not in OUR_TAGS]
    tags = kept + new["metadata"].get("tags", [])
    metadata.pop("tags", None)
    if tags:
        metadata["tags"] = tags
    metadata[KEY] = new["metadata"][KEY]
    merged = {**new, "metadata": metadata}
    if "attachments" in old and new["cell_type"] == "markdown":
        merged["attachments"] = old["attachments"]
    return merged


def _given_away(cell: Cell) -> Cell:
    """Return the cell as the user's own; its iteration now is in another cell."""
    return {**cell, "metadata": {**cell["metadata"], KEY: {"origin": "user"}}}


def run_cells(document: Document, run: RunId) -> RemovedRun:
    """Return what :class:`RemoveRun` removes, and what it leaves to the user."""
    removed: list[CellId] = []
    kept: list[CellId] = []
    for cell in document["cells"]:
        note = cell_notes(cell)
        if note.get("run") != run or note.get("role") not in _ROLES:
            continue
        theirs = note.get("origin") == "user" or is_edited(document, cell)
        (kept if theirs else removed).append(CellId(cell["id"]))
    return RemovedRun(tuple(removed), tuple(kept))


def _remove_run(document: Document, run: RunId) -> Document:
    found = run_cells(document, run)
    noted = as_dict(notes(document).get("runs"))
    runs = {**noted, run: {"undone": True}}
    if runs == noted and not found.removed and not found.kept:
        return document
    kept = set(found.kept)
    cells = [
        _given_away(cell) if cell["id"] in kept else cell
        for cell in document["cells"]
        if cell["id"] not in found.removed
    ]
    # The marks stay, so that a late write of these cells does not put them back.
    return _with_notes({**document, "cells": cells}, {"runs": runs})


def _note_run(document: Document, operation: NoteRun) -> Document:
    noted = as_dict(notes(document).get("runs"))
    before = as_dict(noted.get(operation.run))
    after = {**before, **operation.values}
    if after == before or before.get("undone") is True:
        return document
    return _with_notes(document, {"runs": {**noted, operation.run: after}})


def _note_ledger(document: Document, operation: NoteLedger) -> Document:
    known = ledger_notes(document, operation.run).get("revision")
    if isinstance(known, int) and known >= operation.revision:
        return document
    ledger = {**operation.values, "revision": operation.revision}
    if operation.run is None:
        return _with_notes(document, {"ledger": ledger})
    return _note_run(document, NoteRun(operation.run, {"ledger": ledger}))


def _set_notebook(document: Document, operation: SetNotebook) -> Document:
    both = {**notes(document), **operation.values}
    values = {k: v for k, v in both.items() if v is not None}
    metadata = {**operation.defaults, **document["metadata"], KEY: values}
    if metadata == document["metadata"]:
        return document
    return {**document, "metadata": metadata}


def _with_notes(document: Document, values: dict[str, Any]) -> Document:
    metadata = {**document["metadata"], KEY: {**notes(document), **values}}
    return {**document, "metadata": metadata}


def _marks(document: Document) -> dict[str, Any]:
    return as_dict(notes(document).get("cells"))


def _mark_of(marks: dict[str, Any], name: str) -> str:
    """Return a noted mark; empty if there is none, or something that is no mark."""
    mark = marks.get(name)
    return mark if isinstance(mark, str) else ""


def _mark(cell: Cell) -> str:
    """Return the mark of a whole cell without its id: its text, then everything."""
    rest = {k: v for k, v in cell.items() if k != "id"}
    return f"{source_mark(cell)}-{_digest(json.dumps(rest, sort_keys=True))}"


def _rest(mark: str) -> str:
    return mark.partition("-")[2]


def source_mark(cell: Cell) -> str:
    """Return the mark of a cell's kind and text."""
    return _digest(f"{cell['cell_type']}\n{cell['source']}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]

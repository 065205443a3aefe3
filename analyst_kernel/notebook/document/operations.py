"""The notebook document as a pure state machine: operations in, a new document out.

A document is never changed in place: an operation returns it untouched when it has nothing to do,
or a new one that shares the cells it left alone. Each operation may be applied again, or late,
without harm. What was written is noted in ``metadata.analyst_kernel.cells`` (cell id to mark), so a
cell that a user edited since is known: it is theirs, keeps its text, and our next version stands
below it. No IO and no code runs here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, assert_never

from analyst_kernel.agent.manual.changes import RemovedRun
from analyst_kernel.agent.ports import AnswerEntry, Entry, QuestionEntry
from analyst_kernel.notebook.document.cells import KEY, OUR_TAGS, Cell, cell_for
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId

Document: TypeAlias = dict[str, Any]
"""A whole nbformat 4.5 notebook, its texts joined."""

KERNELSPEC: Final = {
    "name": "analyst",
    "display_name": "Analyst (sandboxed)",
    "language": "python",
}


@dataclass(frozen=True, slots=True)
class UpsertCell:
    """Write a cell: in place where it is still ours, below where it was edited, else at the end."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class SetOutputs:
    """Replace the outputs of a code cell; dropped where its text is not ``source`` any more."""

    cell: CellId
    outputs: list[dict[str, Any]]
    execution_count: int | None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """Merge keys into a cell's ``metadata.analyst_kernel``; ``None`` removes a key."""

    cell: CellId
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RemoveCell:
    """Remove a cell of ours; one that was edited stays."""

    cell: CellId


@dataclass(frozen=True, slots=True)
class SetNotebook:
    """Merge keys into the notebook's ``metadata.analyst_kernel``, and set what else is missing.

    Attributes:
        values: Ours; merged over what is there, ``None`` removes a key.
        defaults: Other notebook metadata (kernelspec and the like); never overwrites.
    """

    values: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoteRun:
    """Merge facts of a run that its cells do not hold whole (question, answer, status)."""

    run: RunId
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RemoveRun:
    """Remove a run's cells and note it as undone; what a user edited becomes theirs and stays."""

    run: RunId


Operation: TypeAlias = (
    UpsertCell | SetOutputs | SetMetadata | RemoveCell | SetNotebook | NoteRun | RemoveRun
)


def new_document(
    analysis: AnalysisId, *, created: str, model: str = "", python: str = ""
) -> Document:
    """Return an empty notebook of an analysis.

    Args:
        analysis: Its id.
        created: ISO time, UTC.
        model: ``provider:name``; may be empty.
        python: The kernel's Python version; may be empty.
    """
    blank = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return apply(blank, adoption(analysis, created=created, model=model, python=python))


def adoption(
    analysis: AnalysisId, *, created: str, model: str = "", python: str = ""
) -> SetNotebook:
    """Return the operation that makes a notebook the notebook of ``analysis``."""
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
    """Return what recording ``entry`` does to the document."""
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
    """Return the document after ``operation``; the same object where nothing changed."""
    match operation:
        case UpsertCell():
            return _upsert(document, operation.cell)
        case SetOutputs():
            return _set_outputs(document, operation)
        case SetMetadata():
            return _set_metadata(document, operation)
        case RemoveCell():
            return _remove(document, operation.cell)
        case SetNotebook():
            return _set_notebook(document, operation)
        case RemoveRun():
            return _remove_run(document, operation.run)
        case NoteRun():
            return _note_run(document, operation)
        case _:
            assert_never(operation)


def landed(document: Document, operation: Operation) -> bool:
    """Say whether ``document`` already holds what ``operation`` would bring."""
    return apply(document, operation) is document


def notes(document: Document) -> dict[str, Any]:
    """Return the notebook's ``metadata.analyst_kernel``; empty where it is not ours."""
    found = document["metadata"].get(KEY)
    return found if isinstance(found, dict) else {}


def cell_notes(cell: Cell) -> dict[str, Any]:
    """Return the cell's ``metadata.analyst_kernel``; empty where it is not ours."""
    found = cell["metadata"].get(KEY)
    return found if isinstance(found, dict) else {}


def is_edited(document: Document, cell: Cell) -> bool:
    """Say whether a user changed the cell's text since we wrote it, or wrote it themselves."""
    mark = _marks(document).get(cell["id"], "")
    return mark.partition("-")[0] != source_mark(cell)


def _upsert(document: Document, cell: Cell) -> Document:
    marks = _marks(document)
    places = {c["id"]: i for i, c in enumerate(document["cells"])}
    names = _versions(cell["id"], places, marks)
    mark = _mark(cell)
    if _rest(marks.get(names[-1], "")) == _rest(mark):
        return document  # landed before; an edit or deletion since then was a user's will
    at = places.get(names[-1])
    cells = list(document["cells"])
    if at is None:
        name = names[-1]
        before = places.get(names[-2]) if len(names) > 1 else None
        cells.insert(len(cells) if before is None else before + 1, {**cell, "id": name})
    elif _replaceable(cells[at], cell, marks.get(names[-1], "")):
        name = names[-1]
        if is_edited(document, cells[at]):
            # A user's text that we only ran: the outputs are ours, the text stays theirs.
            mark = f"{marks.get(name, '').partition('-')[0]}-{_rest(mark)}"
        cells[at] = _merged(cells[at], {**cell, "id": name})
    else:
        name = _version(cell["id"], len(names) + 1)
        cells[at] = _given_away(cells[at])
        cells.insert(at + 1, {**cell, "id": name})
    return _with_notes({**document, "cells": cells}, {"cells": {**marks, name: mark}})


def _versions(cell: str, places: dict[str, int], marks: dict[str, str]) -> list[str]:
    """Return the ids under which a cell was written so far, oldest first; at least its own."""
    names = [cell]
    for number in itertools.count(2):
        name = _version(cell, number)
        if name not in marks and name not in places:
            return names
        names.append(name)
    raise AssertionError("unreachable: count() does not end")


def _version(cell: str, number: int) -> str:
    return f"{cell[:56]}-v{number}"


def _replaceable(old: Cell, new: Cell, mark: str) -> bool:
    same_text = source_mark(old) == source_mark(new)
    return same_text or mark.partition("-")[0] == source_mark(old)


def _merged(old: Cell, new: Cell) -> Cell:
    """Return ``new`` with what a user set on ``old``: other metadata, tags, unfolding."""
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
    """Return the cell as the user's own: its iteration now stands elsewhere."""
    return {**cell, "metadata": {**cell["metadata"], KEY: {"origin": "user"}}}


def _set_outputs(document: Document, operation: SetOutputs) -> Document:
    at = _place(document, operation.cell)
    if at is None:
        return document
    cell = document["cells"][at]
    if cell["cell_type"] != "code" or operation.source not in (None, cell["source"]):
        return document
    count = operation.execution_count
    if cell["outputs"] == operation.outputs and cell["execution_count"] == count:
        return document
    return _replace(document, at, {**cell, "outputs": operation.outputs, "execution_count": count})


def _set_metadata(document: Document, operation: SetMetadata) -> Document:
    at = _place(document, operation.cell)
    if at is None:
        return document
    cell = document["cells"][at]
    values = _merged_keys(cell_notes(cell), operation.values)
    if values == cell_notes(cell):
        return document
    return _replace(document, at, {**cell, "metadata": {**cell["metadata"], KEY: values}})


def _remove(document: Document, cell: CellId) -> Document:
    at = _place(document, cell)
    if at is None or is_edited(document, document["cells"][at]):
        return document
    cells = [c for i, c in enumerate(document["cells"]) if i != at]
    marks = {k: v for k, v in _marks(document).items() if k != cell}
    return _with_notes({**document, "cells": cells}, {"cells": marks})


def run_cells(document: Document, run: RunId) -> RemovedRun:
    """Return what :class:`RemoveRun` would remove, and what it would leave to the user."""
    return cells_of_run(
        document["cells"], run, notes=cell_notes, is_theirs=lambda cell: is_edited(document, cell)
    )


def _remove_run(document: Document, run: RunId) -> Document:
    found = run_cells(document, run)
    noted = notes(document).get("runs", {})
    runs = {**noted, run: {"undone": True}}
    if runs == noted and not found.removed and not found.kept:
        return document
    kept = set(found.kept)
    cells = [
        _given_away(cell) if cell["id"] in kept else cell
        for cell in document["cells"]
        if cell["id"] not in found.removed
    ]
    # The marks stay, so that a write of these cells that comes late does not bring them back.
    return _with_notes({**document, "cells": cells}, {"runs": runs})


def _note_run(document: Document, operation: NoteRun) -> Document:
    noted = notes(document).get("runs", {})
    before = noted.get(operation.run, {})
    after = {**before, **operation.values}
    if after == before or before.get("undone") is True:
        return document
    return _with_notes(document, {"runs": {**noted, operation.run: after}})


def _set_notebook(document: Document, operation: SetNotebook) -> Document:
    values = _merged_keys(notes(document), operation.values)
    metadata = {**operation.defaults, **document["metadata"], KEY: values}
    if metadata == document["metadata"]:
        return document
    return {**document, "metadata": metadata}


def _merged_keys(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in {**old, **new}.items() if v is not None}


def _replace(document: Document, at: int, cell: Cell) -> Document:
    cells = list(document["cells"])
    cells[at] = cell
    return {**document, "cells": cells}


def _place(document: Document, cell: str) -> int | None:
    return next((i for i, c in enumerate(document["cells"]) if c["id"] == cell), None)


def _with_notes(document: Document, values: dict[str, Any]) -> Document:
    metadata = {**document["metadata"], KEY: {**notes(document), **values}}
    return {**document, "metadata": metadata}


def _marks(document: Document) -> dict[str, str]:
    found = notes(document).get("cells")
    return found if isinstance(found, dict) else {}


def _mark(cell: Cell) -> str:
    """Return the mark of a whole cell: its text, then everything else but its id."""
    rest = {k: v for k, v in cell.items() if k != "id"}
    return f"{source_mark(cell)}-{_digest(json.dumps(rest, sort_keys=True))}"


def _rest(mark: str) -> str:
    return mark.partition("-")[2]


def source_mark(cell: Cell) -> str:
    """Return the mark of a cell's kind and text."""
    return _digest(f"{cell['cell_type']}\n{cell['source']}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


_ROLES = ("question", "plan", "iteration", "answer")


def cells_of_run(
    cells: list[Cell],
    run: RunId,
    *,
    notes: Callable[[Cell], dict[str, Any]],
    is_theirs: Callable[[Cell], bool],
) -> RemovedRun:
    """Sort a run's cells into those to remove and those that are a user's by now.

    Args:
        cells: Of the notebook.
        run: Which run.
        notes: Reads a cell's ``metadata.analyst_kernel``.
        is_theirs: Says whether a user edited the cell.
    """
    removed: list[CellId] = []
    kept: list[CellId] = []
    for cell in cells:
        note = notes(cell)
        if note.get("run") != run or note.get("role") not in _ROLES:
            continue
        theirs = note.get("origin") == "user" or is_theirs(cell)
        (kept if theirs else removed).append(CellId(cell["id"]))
    return RemovedRun(tuple(removed), tuple(kept))

"""The notebook of a branch: a notebook cut at a cell, its paths moved, its cells judged again.

Pure except :func:`write`, and :func:`moved`, which checks whether the paths in code exist.
"""

from __future__ import annotations

import itertools
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from analyst_kernel._text import nearest
from analyst_kernel.agent.ports import AnswerEntry, Execution, IterationEntry, PlanEntry
from analyst_kernel.notebook.document import read
from analyst_kernel.notebook.document.cells import KEY, Cell, cell_for
from analyst_kernel.notebook.document.operations import (
    Document,
    UpsertCell,
    adoption,
    apply,
    as_dict,
    cell_notes,
    is_edited,
    notes,
)
from analyst_kernel.notebook.document.serialize import Renderer
from analyst_kernel.notebook.export.source import relocated
from analyst_kernel.notebook.storage import files
from analyst_kernel.notebook.storage.names import free_paths
from analyst_kernel.notebook.storage.output_dir import ancestors_from, files_of, folders_of
from analyst_kernel.notebook.verify.verify import CellCheck, ComparePictures, verify_document
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId

_KEPT = ("model", "python", "packages", "fetched_packages", "ledger")
_MOST_NAMED = 40


def branched(
    document: Document, cell: CellId, *, analysis: AnalysisId, notebook: str, created: str
) -> Document:
    """Return the notebook of a new analysis that begins with the cells up to ``cell``.

    ``notebook`` is the parent's notebook, relative to the new one; ``created`` is ISO time, UTC.

    Raises:
        InputError: There is no such cell.
    """
    places = [place for place, one in enumerate(document["cells"]) if one["id"] == cell]
    if not places:
        raise InputError(f"There is no cell {cell!r} in this notebook.", _instead(document, cell))
    kept = document["cells"][: places[0] + 1]
    ours = notes(document)
    parent = {
        "analysis": read.analysis_of(document),
        "notebook": notebook,
        "cell": cell,
        "older": ancestors_from(document, notebook),
    }
    names = {one["id"] for one in kept}
    values: dict[str, Any] = {
        **{key: ours[key] for key in _KEPT if key in ours},
        "parent": {key: value for key, value in parent.items() if value},
        "runs": _runs(ours.get("runs"), kept),
    }
    marks = ours.get("cells")
    if isinstance(marks, dict):
        values["cells"] = {name: mark for name, mark in marks.items() if name in names}
    metadata = {k: v for k, v in document["metadata"].items() if k not in (KEY, "trusted")}
    cut = {**document, "cells": list(kept), "metadata": {**metadata, KEY: values}}
    return _with_open_plans(apply(cut, adoption(analysis, created=created)))


def moved(document: Document, old: Path, new: Path) -> Document:
    """Return the notebook with data paths, relative to folder ``old``, relative to ``new``.

    A cell that was ours stays ours; see :func:`relocated` for what counts as a path.
    """
    if old == new:
        return document
    for place, cell in enumerate(document["cells"]):
        if cell["cell_type"] != "code":
            continue
        source = relocated(cell["source"], old, new)
        if source == cell["source"]:
            continue
        after = {**cell, "source": source}
        if is_edited(document, cell):
            cells = document["cells"]
            document = {**document, "cells": [*cells[:place], after, *cells[place + 1 :]]}
        else:
            document = apply(document, UpsertCell(after))
    return document


async def judged(
    document: Document,
    cell: CellId,
    execution: Execution,
    *,
    path: Path,
    pictures: ComparePictures | None = None,
) -> CellCheck:
    """Compare an execution of a cell with its outputs in the branch's notebook ``path``.

    The branch has its own ``OUTPUT_DIR``; its name in an output is no difference.
    """
    one = {**document, "cells": [c for c in document["cells"] if c["id"] == cell]}

    async def again(_: str) -> Execution:
        return execution

    folders = folders_of(document, path)
    report = await verify_document(one, execute=again, folders=folders, pictures=pictures)
    return report.checks[0]


def write(document: Document, wanted: str | os.PathLike[str]) -> Path:
    """Write a new notebook and return its path; a name that is taken gets a number.

    A name also is taken if its folder for files exists.

    Raises:
        NotebookError: It cannot be written there.
    """
    text = Renderer().render(document)
    for path in free_paths(wanted):
        if os.path.lexists(files_of(path)):
            continue
        with suppress(FileExistsError):
            files.create(path, text)
            return path
    raise AssertionError("unreachable: the names do not end")


def branch_name(parent: Path) -> Path:
    """Return ``STEM-branch-N.ipynb`` beside a notebook: the first N whose name is free.

    A branch of a branch continues the numbers, so that names do not grow.
    """
    stem = re.sub(r"-branch-\d+$", "", parent.stem)
    paths = (parent.with_name(f"{stem}-branch-{number}.ipynb") for number in itertools.count(1))
    return next(p for p in paths if not os.path.lexists(p) and not os.path.lexists(files_of(p)))


def _runs(noted: object, kept: list[Cell]) -> dict[str, Any]:
    """Return the notes of the cells' runs; of a run without its answer, question and ledger.

    What the user said in the question holds in the branch. A state whose cells it lacks cannot be
    made again there, which is said when it is asked for.
    """
    ours = [cell_notes(cell) for cell in kept]
    begun = [note.get("run") for note in ours]
    answered = [note.get("run") for note in ours if note.get("role") == "answer"]
    return {
        run: {k: v for k, v in facts.items() if run in answered or k in ("question", "ledger")}
        for run, facts in as_dict(noted).items()
        if run in begun and isinstance(facts, dict)
    }


def _with_open_plans(document: Document) -> Document:
    """Return the notebook with plan steps as at the cut: a step without a cell is still to do."""
    entries = read.entries_of(document)
    answered = {entry.run for entry in entries if isinstance(entry, AnswerEntry)}
    reached: dict[RunId, int] = {}
    for entry in entries:
        if isinstance(entry, IterationEntry) and entry.step is not None:
            reached[entry.run] = max(reached.get(entry.run, 0), entry.step)
    by_id = {cell["id"]: cell for cell in document["cells"]}
    for entry in entries:
        if not isinstance(entry, PlanEntry) or entry.run in answered:
            continue
        if is_edited(document, by_id[entry.cell]):
            continue
        steps = tuple(
            step
            if step.number <= reached.get(entry.run, 0)
            else step.model_copy(update={"status": "todo"})
            for step in entry.steps
        )
        if steps != entry.steps:
            fresh = cell_for(PlanEntry(entry.cell, entry.run, steps))
            document = apply(document, UpsertCell(fresh))
    return document


def _instead(document: Document, wanted: str) -> str:
    """Return a sentence that names the cells, with the nearest ids first."""
    names = [cell["id"] for cell in document["cells"]]
    if not names:
        return "The notebook has no cells yet."
    near = nearest(wanted, names)
    if near:
        return f"The nearest are {', '.join(near)}. All: {_listed(document)}."
    return f"Its cells are {_listed(document)}."


def _listed(document: Document) -> str:
    cells = document["cells"]
    shown = [f"{cell['id']} ({_kind(cell)})" for cell in cells[:_MOST_NAMED]]
    left = len(cells) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")


def _kind(cell: Cell) -> str:
    note = cell_notes(cell)
    role, iteration = note.get("role"), note.get("iteration")
    if role == "iteration" and isinstance(iteration, int) and iteration:
        return f"cell {iteration} of {note.get('run')}"
    return str(role or f"{cell['cell_type']} of your own")

"""What a user did to the code cells of a notebook since the analysis last read them. Pure.

What was seen is stored in ``metadata.analyst_kernel.seen`` (cell id to execution count, mark and
text), so that it survives the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from analyst_kernel.agent.ports import CellChange
from analyst_kernel.notebook.document.cells import Cell
from analyst_kernel.notebook.document.operations import (
    Document,
    cell_notes,
    is_edited,
    notes,
    source_mark,
)
from analyst_kernel.notebook.document.read import outputs_of, runs_of
from analyst_kernel.protocol.ids import CellId, RunId

LONGEST_TEXT = 4000
"""Characters; of a cell with a longer text only the mark is stored."""


@dataclass(frozen=True, slots=True)
class SeenCell:
    """A code cell as it was last read; ``text`` is ``None`` if it is too long to store."""

    mark: str
    text: str | None
    count: int | None

    @classmethod
    def of(cls, cell: Cell) -> SeenCell:
        """Return the cell as it is now."""
        source = cell["source"]
        text = source if len(source) <= LONGEST_TEXT else None
        return cls(source_mark(cell), text, cell["execution_count"])


@dataclass(slots=True)
class UserEdits:
    """What the analysis has seen of its notebook; ``seen`` is ``None`` before the first reading."""

    seen: dict[str, SeenCell] | None = None
    wrote: dict[str, SeenCell] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Document) -> UserEdits:
        """Return what the notebook notes as seen; without runs, all its cells count as seen."""
        noted = notes(document).get("seen")
        if isinstance(noted, dict):
            return cls({str(k): _glance(v) for k, v in noted.items() if isinstance(v, dict)})
        return cls(None if runs_of(document) else _all(document))

    def take(self, document: Document) -> tuple[CellChange, ...]:
        """Return the changes since the last call, in the notebook's order, now seen."""
        before = {**(self.seen or {}), **self.wrote}
        changes = changes_since(before, document)
        self.seen, self.wrote = _all(document), {}
        return changes

    def write(self, cell: Cell) -> None:
        """Mark a code cell that the analysis itself wrote as seen."""
        if cell["cell_type"] == "code":
            self.wrote[cell["id"]] = SeenCell.of(cell)

    def forget(self, cells: Iterable[str]) -> None:
        """Drop cells that the analysis itself removed."""
        for cell in cells:
            self.wrote.pop(cell, None)
            if self.seen is not None:
                self.seen.pop(cell, None)

    def to_notes(self) -> dict[str, Any]:
        """Return what was seen for the notebook's metadata."""
        everything = {**(self.seen or {}), **self.wrote}
        return {
            name: {key: value for key, value in asdict(cell).items() if value is not None}
            for name, cell in everything.items()
        }


def changes_since(seen: dict[str, SeenCell], document: Document) -> tuple[CellChange, ...]:
    """Return how the code cells differ from what was seen of them.

    A cell of the analysis that was not edited is no change, even if it was never seen.
    """
    cells = document["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    compared = [_compared(seen.get(cell["id"]), document, cell) for cell in code]
    present = {cell["id"] for cell in cells}
    gone = [CellId(name) for name in seen if name not in present]
    deleted = [CellChange("deleted", name, before=seen[name].text) for name in gone]
    return (*(change for change in compared if change is not None), *deleted)


def _compared(was: SeenCell | None, document: Document, cell: Cell) -> CellChange | None:
    now = SeenCell.of(cell)
    note = cell_notes(cell)
    ran = cell["execution_count"] is not None and (was is None or was.count != now.count)
    run = note.get("run")
    iteration = note.get("iteration")
    facts: dict[str, Any] = {
        "iteration": iteration if isinstance(iteration, int) else 0,
        "run": RunId(run) if isinstance(run, str) else None,
        "now": cell["source"],
        "ran": ran,
        "outputs": outputs_of(cell) if ran else (),
    }
    name = CellId(cell["id"])
    if was is None:
        ours = bool(note) and note.get("origin") != "user"
        if ours:
            return CellChange("edited", name, **facts) if is_edited(document, cell) else None
        return CellChange("added", name, **facts) if cell["source"].strip() else None
    if was.mark != now.mark:
        return CellChange("edited", name, before=was.text, **facts)
    return CellChange("ran", name, before=was.text, **facts) if ran else None


def _all(document: Document) -> dict[str, SeenCell]:
    return {c["id"]: SeenCell.of(c) for c in document["cells"] if c["cell_type"] == "code"}


def _glance(noted: dict[str, Any]) -> SeenCell:
    text, count = noted.get("text"), noted.get("count")
    return SeenCell(
        str(noted.get("mark", "")),
        text if isinstance(text, str) else None,
        count if isinstance(count, int) else None,
    )

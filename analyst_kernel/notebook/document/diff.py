"""From one document to the next as changes of cells, for whoever holds the notebook. Pure.

Cells are never moved by us, so a change is a cell put, a cell removed, or the notebook's notes.
"""

from __future__ import annotations

from analyst_kernel.notebook.document.cells import KEY
from analyst_kernel.notebook.document.operations import Document, notes
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.live import Change, DropCell, PutCell, PutMetadata


def changes_between(before: Document, after: Document) -> tuple[Change, ...]:
    """Return what leads from ``before`` to ``after``; empty where nothing differs."""
    found: list[Change] = []
    known = {cell["id"]: cell for cell in before["cells"]}
    above: CellId | None = None
    places = [place for place, cell in enumerate(after["cells"]) if cell["id"] in known]
    last = places[-1] if places else -1
    for place, cell in enumerate(after["cells"]):
        name = CellId(cell["id"])
        old = known.pop(name, None)
        if old is not cell and old != cell:
            expects = None if old is None else old["source"]
            at_end = place > last and bool(places)
            found.append(PutCell(cell=cell, after=above, at_end=at_end, expects=expects))
        above = name
    found += [DropCell(cell=CellId(n), expects=c["source"]) for n, c in known.items()]
    if before["metadata"] != after["metadata"]:
        others = {
            key: value
            for key, value in after["metadata"].items()
            if key != KEY and key not in before["metadata"]
        }
        found.append(PutMetadata(values=notes(after), defaults=others))
    return tuple(found)

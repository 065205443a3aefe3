"""From one document to the next as changes of cells, and what such changes do elsewhere. Pure.

A cell that the analysis writes has these names on its way, each with a meaning of its own:

==================  =====================================  ===========================
What                Python                                 wire, TypeScript
==================  =====================================  ===========================
what was done       ``agent.ports.Entry``
what to write       ``operations.UpsertCell``...           ``upsert_cell`` (journal)
what differs        ``protocol.live.PutCell``              ``put_cell``
                    ``protocol.live.RemoveCell``           ``remove_cell``
                    ``protocol.live.SetMetadata``          ``set_metadata``
what to do there    :class:`CellEdit` insert, update,      ``Step`` in
                    remove                                 ``notebook/write-plan.ts``
==================  =====================================  ===========================

An operation is applied to any version of a notebook. A change holds for exactly the version that it
was made from. That is checked where the notebook is open: in a live room by :func:`planned_edits`,
in a browser by the same rule in ``write-plan.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

from analyst_kernel.notebook.document.cells import KEY, Cell
from analyst_kernel.notebook.document.operations import Document, notes
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.live import Change, PutCell, RemoveCell, SetMetadata


def changes_between(before: Document, after: Document) -> tuple[Change, ...]:
    """Return the changes that lead from ``before`` to ``after``; cells are never moved."""
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
    found += [RemoveCell(cell=CellId(n), expects=c["source"]) for n, c in known.items()]
    if before["metadata"] != after["metadata"]:
        others = {
            key: value
            for key, value in after["metadata"].items()
            if key != KEY and key not in before["metadata"]
        }
        found.append(SetMetadata(values=notes(after), defaults=others))
    return tuple(found)


class CellFacts(NamedTuple):
    """What a change looks at of a cell that is there."""

    id: str
    cell_type: str
    source: str


@dataclass(frozen=True, slots=True)
class CellEdit:
    """One edit of a list of cells; ``at`` counts after the edits before it."""

    do: Literal["insert", "update", "remove"]
    at: int
    cell: Cell


def planned_edits(
    cells: Sequence[CellFacts], changes: Sequence[Change]
) -> tuple[CellEdit | SetMetadata, ...] | None:
    """Return the edits that make all the changes, or ``None`` if one of them does not fit.

    The same changes may come twice, because a reply can get lost. So a cell with the text to put
    fits whatever is expected, and a cell to remove that is gone already needs no edit. Anything
    else that is not as expected is the work of a user, and no change may be made.
    """
    now = list(cells)
    edits: list[CellEdit | SetMetadata] = []
    for change in changes:
        places = {cell.id: place for place, cell in enumerate(now)}
        match change:
            case PutCell(cell=cell):
                facts = CellFacts(str(cell["id"]), str(cell["cell_type"]), str(cell["source"]))
                at = places.get(facts.id)
                if at is not None:
                    if now[at] != facts and now[at].source != change.expects:
                        return None
                    edits.append(CellEdit("update", at, cell))
                    now[at] = facts
                    continue
                above = -1 if change.after is None else places.get(change.after)
                if change.expects is not None or above is None:
                    return None
                at = len(now) if change.at_end and change.after is not None else above + 1
                edits.append(CellEdit("insert", at, cell))
                now.insert(at, facts)
            case RemoveCell():
                at = places.get(change.cell)
                if at is None:
                    continue
                if now[at].source != change.expects:
                    return None
                edits.append(CellEdit("remove", at, {}))
                del now[at]
            case SetMetadata():
                edits.append(change)
            case _:
                assert_never(change)
    return tuple(edits)

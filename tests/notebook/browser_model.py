"""The notebook of a browser tab: a model that takes changes, as the front end does."""

from __future__ import annotations

from analyst_kernel.notebook.document.cells import KEY
from analyst_kernel.notebook.document.diff import CellEdit, CellFacts, planned_edits
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.protocol.live import Change


def with_changes(document: Document, changes: tuple[Change, ...]) -> Document | None:
    """Return the document with all changes made, or ``None`` if one of them does not fit."""
    cells = list(document["cells"])
    metadata = document["metadata"]
    edits = planned_edits([CellFacts(c["id"], c["cell_type"], c["source"]) for c in cells], changes)
    if edits is None:
        return None
    for edit in edits:
        if not isinstance(edit, CellEdit):
            metadata = {**edit.defaults, **metadata, KEY: edit.values}
        elif edit.do == "remove":
            del cells[edit.at]
        elif edit.do == "update":
            cells[edit.at] = edit.cell
        else:
            cells.insert(edit.at, edit.cell)
    return {**document, "cells": cells, "metadata": metadata}

"""A browser tab as far as a notebook's writer can tell: a model that takes changes, and a user."""

from __future__ import annotations

from analyst_kernel.notebook.document.cells import KEY
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.protocol.live import Change, DropCell, PutCell, PutMetadata


def with_changes(document: Document, changes: tuple[Change, ...]) -> Document | None:
    """Return the document with all changes made, or ``None`` where one is not as expected."""
    cells = list(document["cells"])
    metadata = document["metadata"]
    for change in changes:
        places = {cell["id"]: place for place, cell in enumerate(cells)}
        match change:
            case PutCell():
                at = places.get(change.cell["id"])
                found = None if at is None else cells[at]["source"]
                above = -1 if change.after is None else places.get(change.after)
                if found != change.expects or (at is None and above is None):
                    return None
                if at is not None:
                    cells[at] = change.cell
                elif above is not None:
                    cells.insert(len(cells) if change.at_end else above + 1, change.cell)
            case DropCell():
                at = places.get(change.cell)
                if at is None or cells[at]["source"] != change.expects:
                    return None
                del cells[at]
            case PutMetadata():
                metadata = {**change.defaults, **metadata, KEY: change.values}
    return {**document, "cells": cells, "metadata": metadata}

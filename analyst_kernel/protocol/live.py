"""The frames by which a browser writes the notebook that it has open.

A notebook has one writer at a time. A browser tab that has it open is the writer: it reports so to
the server (``report_notebook``, its lease), gets ``write_notebook`` frames, puts their changes into
its own model in one undo step and answers with ``report_write``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.ids import AnalysisId, CellId

NotebookJson = dict[str, Json]
"""A whole nbformat 4.5 notebook; multi-line texts are joined or split."""


class PutCell(Record):
    """Add a cell, or replace the one with the same id.

    Attributes:
        cell: The whole nbformat cell with id, metadata and outputs; never trusted.
        after: The id of the cell above a new cell; null for the top. A cell that exists already
            keeps its place.
        at_end: Whether the cell was the last one when the write was made. If it is new, it then
            goes to the end, below cells that the user has added meanwhile, so that the cell in
            which they type does not move.
        expects: The source that the cell has now; null if it does not exist yet.
    """

    change: Literal["put_cell"] = "put_cell"
    cell: dict[str, Json]
    after: CellId | None
    at_end: bool = False
    expects: str | None


class RemoveCell(Record):
    """Remove a cell; ``expects`` is the source that the cell has now."""

    change: Literal["remove_cell"] = "remove_cell"
    cell: CellId
    expects: str


class SetMetadata(Record):
    """Replace the notebook's ``metadata.analyst_kernel``.

    Attributes:
        values: The new value as a whole.
        defaults: Other notebook metadata (kernelspec...), to set for keys that are missing.
    """

    change: Literal["set_metadata"] = "set_metadata"
    values: dict[str, Json]
    defaults: dict[str, Json]


Change = Annotated[PutCell | RemoveCell | SetMetadata, Field(discriminator="change")]


class WriteNotebookFrame(Record):
    """Make these changes in the open notebook, all or none, as one undo step.

    If anything is not as expected (a source, a cell that exists or not, the cell ``after``),
    nothing is changed and the answer is ``refused`` with the whole document. Otherwise the tab
    saves if its notebook was clean before, and leaves it dirty if not. ``after`` may name a cell
    that an earlier change of the same frame adds.

    Attributes:
        analysis: The analysis of the notebook.
        path: The path that the tab reported.
        write: Number of this write, to be answered by ``report_write``.
        changes: In the order in which they are made.
    """

    type: Literal["write_notebook"] = "write_notebook"
    analysis: AnalysisId
    path: str
    write: int
    changes: tuple[Change, ...]


class ReadNotebookFrame(Record):
    """Send the notebook as it is in the tab, by ``report_document``."""

    type: Literal["read_notebook"] = "read_notebook"
    analysis: AnalysisId
    path: str
    read: int


class NotebookChangedFrame(Record):
    """The file was written outside the tab; a tab that has it open rebases before it saves.

    Attributes:
        analysis: The analysis of the notebook.
        path: The path in the file browser.
        hash: The contents service's hash of the file now; null if it is not known.
    """

    type: Literal["notebook_changed"] = "notebook_changed"
    analysis: AnalysisId
    path: str
    hash: str | None

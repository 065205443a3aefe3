"""The notebook while a browser has it open: what the server has that browser write.

A notebook is written by one writer at a time. Where a browser tab has it open, that tab is the
writer: it tells the server so (``report_notebook``, its lease), gets ``write_notebook`` frames,
puts their changes into its own model in one undo step and answers with ``report_write``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record
from analyst_kernel.protocol.ids import AnalysisId, CellId

NotebookJson = dict[str, Json]
"""A whole nbformat 4.5 notebook, multi-line texts joined or split."""


class PutCell(Record):
    """Put a cell: a new one, or in the place of the one with its id.

    Attributes:
        cell: The whole nbformat cell with id, metadata and outputs; never trusted.
        after: Id of the cell that it stands below when it is new; null: at the top. A cell that is
            there already keeps its place.
        at_end: It stood at the end when the write was made: when it is new it goes to the end,
            below what a user has put there meanwhile, so that what they type into stays in place.
        expects: The source that the cell has now; null: it is not there yet.
    """

    change: Literal["put_cell"] = "put_cell"
    cell: dict[str, Json]
    after: CellId | None
    at_end: bool = False
    expects: str | None


class DropCell(Record):
    """Remove a cell; ``expects`` is the source that it has now."""

    change: Literal["remove_cell"] = "remove_cell"
    cell: CellId
    expects: str


class PutMetadata(Record):
    """Replace the notebook's ``metadata.analyst_kernel``.

    Attributes:
        values: All of it.
        defaults: Other notebook metadata (kernelspec...), to set where the key is missing.
    """

    change: Literal["set_metadata"] = "set_metadata"
    values: dict[str, Json]
    defaults: dict[str, Json]


Change = Annotated[PutCell | DropCell | PutMetadata, Field(discriminator="change")]


class WriteNotebookFrame(Record):
    """Put these changes into the open notebook, all or none, as one undo step.

    Where anything is not as expected (a source, a cell that is there or not, the cell ``after``),
    nothing is changed and the answer is ``refused`` with the whole document. Else the tab saves if
    its notebook was clean before, and leaves it dirty otherwise. ``after`` may name a cell that an
    earlier change of the same frame put.

    Attributes:
        analysis: Which one's notebook.
        path: As the tab reported it.
        write: Number of this write, to be answered by ``report_write``.
        changes: To be made in this order.
    """

    type: Literal["write_notebook"] = "write_notebook"
    analysis: AnalysisId
    path: str
    write: int
    changes: tuple[Change, ...]


class ReadNotebookFrame(Record):
    """Answer with the notebook as it stands in the tab, by ``report_document``."""

    type: Literal["read_notebook"] = "read_notebook"
    analysis: AnalysisId
    path: str
    read: int


class NotebookChangedFrame(Record):
    """The file was written by another way; a tab that has it open rebases before it saves.

    Attributes:
        analysis: Which one's notebook.
        path: The file browser's path.
        hash: Of the file now, as the contents service gives it; null where that is not known.
    """

    type: Literal["notebook_changed"] = "notebook_changed"
    analysis: AnalysisId
    path: str
    hash: str | None

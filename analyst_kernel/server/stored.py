"""What the server remembers of an analysis between its lives, beside the events."""

from __future__ import annotations

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.ids import AnalysisId, CellId
from analyst_kernel.protocol.records import ApprovalMode


class StoredAnalysis(Record):
    """One analysis as the journal keeps it.

    Attributes:
        id: Which one.
        title: As shown.
        titled: Whether the person chose the title; else the first question gives it.
        folder: Absolute folder where its notebook will be made; empty: the first dataset's.
        notebook: Absolute path of its notebook; empty before the first question.
        pending: Paths granted before there was a notebook.
        created, updated: Seconds since the epoch.
        model: The model that the person chose; empty: the default.
        approval: What waits for the person; ``None``: cells, where isolation is weak.
        budget_usd: What each further question may cost.
        questions: How many were asked.
        failed: Whether the last run failed.
        parent: The analysis it branched from.
        parent_cell: The last cell that it took over from there.
    """

    id: AnalysisId
    title: str = ""
    titled: bool = False
    folder: str = ""
    notebook: str = ""
    pending: tuple[str, ...] = ()
    created: float = 0.0
    updated: float = 0.0
    model: str = ""
    approval: ApprovalMode | None = None
    budget_usd: float | None = None
    questions: int = 0
    failed: bool = False
    parent: AnalysisId | None = None
    parent_cell: CellId | None = None

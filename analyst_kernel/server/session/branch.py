"""Makes a branch of an analysis: its notebook, its grants, its record and its first events."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from analyst_kernel.analysis.branch import Branch, discard, make_branch
from analyst_kernel.notebook.branch import branch_name
from analyst_kernel.notebook.document.operations import Document, cell_notes, notes
from analyst_kernel.notebook.document.read import entries_of
from analyst_kernel.notebook.export.export import read
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.protocol.errors import InputError, NotebookError
from analyst_kernel.protocol.events import EVENT, BranchStarted, Event
from analyst_kernel.protocol.ids import AnalysisId, CellId
from analyst_kernel.server.events.history import BranchContent, events_of_branch
from analyst_kernel.server.events.journal import Journal, StoredAnalysis
from analyst_kernel.server.session.base import UNTITLED, BaseSession

_NUMBERED = re.compile(r"^Branch \d+: ")


@dataclass(frozen=True, slots=True)
class NewBranch:
    """A branch before it is added to the server's analyses.

    Its first events are numbered from 1; ``cells`` is how many make the state of its kernel.
    """

    record: StoredAnalysis
    events: tuple[Event, ...]
    cells: int


@asynccontextmanager
async def new_branch(
    parent: BaseSession, *, cell: str | None = None, run: str | None = None, title: str = ""
) -> AsyncIterator[NewBranch]:
    """Make a branch; it is removed again if the context ends with an error.

    It is made from the saved notebook, so a run at work in the parent is not disturbed.
    ``cell`` is the last to take over. Without it, that is the last one of the question ``run``, or
    of the notebook.

    Raises:
        InputError: There is no such cell or question, or no notebook yet.
    """
    source = parent.record.notebook
    if not source:
        raise InputError("This analysis has no cells yet.", "Ask a question first.")
    document = await asyncio.to_thread(read, notebook_path(source))
    at = CellId(cell) if cell is not None else _last_cell(document, run)
    services = parent.services
    target = await asyncio.to_thread(branch_name, Path(source))
    made = await make_branch(source, at=at, to=target, grants=services.grants)
    try:
        await parent.recorder.settled()
        events = await asyncio.to_thread(_first_events, services.journal, parent, made)
        yield NewBranch(_record(parent, made, title, events), events, made.to_run)
    except BaseException:
        await asyncio.shield(discard(made, services.grants))
        raise


def parent_of(
    document: Document, known: Container[AnalysisId]
) -> tuple[AnalysisId | None, CellId | None]:
    """Return the analysis and cell that a notebook branched from, if that analysis is known here.

    It only decides the place in the list: a notebook grants nothing.
    """
    noted = notes(document).get("parent")
    if not isinstance(noted, dict) or noted.get("analysis") not in known:
        return None, None
    cell = noted.get("cell")
    return noted["analysis"], CellId(cell) if isinstance(cell, str) else None


def _last_cell(document: Document, run: str | None) -> CellId:
    cells = document["cells"]
    if run is not None:
        cells = [one for one in cells if cell_notes(one).get("run") == run]
    if not cells:
        raise NotebookError(
            "There is nothing to branch from there." if run is None else
            f"The saved notebook has no cell of question {run}.",
            "Branch from a cell that it has.",
        )  # fmt: skip
    return CellId(cells[-1]["id"])


def _first_events(journal: Journal, parent: BaseSession, made: Branch) -> tuple[Event, ...]:
    rows = journal.events(parent.id)
    content = BranchContent(
        frozenset(CellId(one["id"]) for one in made.document["cells"]),
        entries_of(made.document),
    )
    taken = events_of_branch(
        [EVENT.validate_json(row.body) for row in rows],
        content,
        analysis=made.analysis,
        notebook=str(made.path),
        model=parent.model,
        is_ai=parent.services.models.is_ai(parent.model),
    )
    begun = BranchStarted(
        analysis=made.analysis,
        number=len(taken) + 1,
        at=time.time(),
        parent=parent.id,
        parent_title=parent.record.title or UNTITLED,
        cell=made.cell,
        cells=made.to_run,
    )
    return (*taken, begun)


def _record(
    parent: BaseSession, made: Branch, title: str, events: tuple[Event, ...]
) -> StoredAnalysis:
    now = time.time()
    plain = " ".join(title.split())
    number = re.search(r"(\d+)$", made.path.stem)
    stem = _NUMBERED.sub("", parent.record.title or UNTITLED)
    return StoredAnalysis(
        id=made.analysis,
        title=plain or f"Branch {number[1] if number else 1}: {stem}",
        titled=bool(plain),
        folder=os.path.dirname(made.path),
        notebook=str(made.path),
        created=now,
        updated=now,
        model=parent.record.model,
        approval=parent.record.approval,
        budget_usd=parent.record.budget_usd,
        analysis_budget_usd=parent.record.analysis_budget_usd,
        questions=sum(event.type == "run_started" for event in events),
        parent=parent.id,
        parent_cell=made.cell,
    )

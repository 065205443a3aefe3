"""Rebuilds the memory of an analysis from its notebook, to continue it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import assert_never

from analyst_kernel.agent import ports
from analyst_kernel.agent.context import Earlier, Memory, Setup
from analyst_kernel.agent.evidence.marks import with_marks
from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.observation.cell import charts_of
from analyst_kernel.protocol.ids import RunId
from analyst_kernel.protocol.records import RunStatus


def recall(
    entries: Sequence[ports.Entry], dataset_names: Iterable[str], ledger: Ledger | None = None
) -> Memory:
    """Return the memory that the runs of a notebook left, without a running kernel.

    ``dataset_names`` are the datasets granted now; a setup cell that assigns one loads it.
    """
    names = tuple(dataset_names)
    memory = Memory(titled=bool(entries), ledger=ledger or Ledger())
    ran = False
    questions: dict[RunId, str] = {}
    open_cells: dict[RunId, list[str]] = {}
    for entry in entries:
        match entry:
            case ports.TitleEntry():
                memory.title_cell = entry.cell
            case ports.SetupEntry():
                loads = tuple(name for name in names if _loads(entry.code, name))
                memory.setups.append(Setup(entry.cell, loads, entry.code))
                ran = ran or entry.execution is not None
            case ports.QuestionEntry():
                questions[entry.run] = entry.question
                open_cells[entry.run] = []
            case ports.IterationEntry():
                if entry.iteration:
                    memory.labels[entry.cell] = entry.iteration
                ran = ran or entry.execution is not None
                _take_charts(memory, entry)
                if entry.run in open_cells and entry.execution is not None:
                    open_cells[entry.run].append(entry.purpose or entry.code.split("\n")[0])
            case ports.AnswerEntry():
                open_cells.pop(entry.run, None)
                memory.earlier.append(
                    Earlier(
                        run=entry.run,
                        question=questions.get(entry.run, ""),
                        answer=with_marks(entry.answer.text, entry.answer.numbers),
                        status=status_of(entry.status),
                        claimed=True,
                    )
                )
            case ports.PlanEntry():
                pass
            case _:
                assert_never(entry)
    memory.earlier += [
        Earlier(run, questions[run], _unanswered(cells), "incomplete", claimed=True)
        for run, cells in open_cells.items()
    ]
    memory.kernel_lost = ran
    memory.runs = max((number_of(run) for run in questions), default=0)
    return memory


def _unanswered(cells: Sequence[str]) -> str:
    """Return how far a question came whose answer the notebook lacks: stopped, or branched."""
    if not cells:
        return "It was not answered; no cell ran for it."
    return f"It was not answered. Cells that ran for it, in order: {'; '.join(cells)}."


def _loads(code: str, name: str) -> bool:
    """Return whether a setup cell makes ``name``: as a variable or as a DuckDB view or table."""
    assigned = rf"^\s*{re.escape(name)}\s*="
    created = rf"\b(?:VIEW|TABLE)\s+(?:IF NOT EXISTS\s+)?\"?{re.escape(name)}\b"
    return re.search(f"{assigned}|{created}", code, re.MULTILINE) is not None


def _take_charts(memory: Memory, entry: ports.IterationEntry) -> None:
    """Keep a cell's charts, so that later ones get other ids.

    Its numbers are not kept: they prove something when the cell has run again.
    """
    if entry.execution is None:
        return
    outputs = entry.execution.outputs
    found = charts_of(outputs, cell=entry.cell, iteration=entry.iteration, title=entry.purpose)
    memory.replace_charts(entry.cell, found)


def status_of(text: str) -> RunStatus:
    """Return the status that a notebook names; an unknown one counts as incomplete."""
    match text:
        case "answered" | "incomplete" | "failed" | "cancelled":
            return text
        case _:
            return "incomplete"


def join_runs(memory: Memory, recalled: Memory, runs: Collection[RunId]) -> None:
    """Add to a memory what a notebook says of ``runs``, which were asked elsewhere."""
    memory.earlier += [earlier for earlier in recalled.earlier if earlier.run in runs]
    cells = {setup.cell for setup in memory.setups}
    memory.setups += [setup for setup in recalled.setups if setup.cell not in cells]
    known = {chart.id for chart in memory.charts}
    memory.charts += [chart for chart in recalled.charts if chart.id not in known]
    memory.labels |= recalled.labels
    memory.titled = memory.titled or recalled.titled
    memory.kernel_lost = True


def number_of(run: RunId) -> int:
    """Return the number of a run, 0 if it has none."""
    digits = run.removeprefix("r")
    return int(digits) if digits.isdigit() else 0

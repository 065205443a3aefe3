"""Rebuilds the memory of an analysis from its notebook, to continue it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from analyst_kernel.agent.context import Earlier, Memory, Setup
from analyst_kernel.agent.evidence.proof import cell_numbers
from analyst_kernel.agent.observation.cell import charts_of
from analyst_kernel.agent.ports import (
    AnswerEntry,
    Entry,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.protocol.ids import RunId
from analyst_kernel.protocol.records import RunStatus


def recall(entries: Sequence[Entry], dataset_names: Iterable[str]) -> Memory:
    """Return the memory that the runs of a notebook left, without a running kernel.

    ``dataset_names`` are the datasets granted now; a setup cell that assigns one loads it.
    """
    names = tuple(dataset_names)
    memory = Memory(titled=bool(entries))
    questions: dict[RunId, str] = {}
    open_cells: dict[RunId, list[str]] = {}
    for entry in entries:
        match entry:
            case TitleEntry():
                memory.title_cell = entry.cell
            case SetupEntry():
                loads = tuple(name for name in names if _loads(entry.code, name))
                memory.setups.append(Setup(entry.cell, loads, entry.code))
                _take_outputs(memory, entry)
            case QuestionEntry():
                questions[entry.run] = entry.question
                open_cells[entry.run] = []
            case IterationEntry():
                _take_outputs(memory, entry)
                if entry.run in open_cells and entry.execution is not None:
                    open_cells[entry.run].append(entry.purpose or entry.code.split("\n")[0])
            case AnswerEntry():
                open_cells.pop(entry.run, None)
                memory.earlier.append(
                    Earlier(
                        run=entry.run,
                        question=questions.get(entry.run, ""),
                        answer=entry.answer.text,
                        status=status_of(entry.status),
                    )
                )
            case PlanEntry():
                pass
            case _:
                assert_never(entry)
    memory.earlier += [
        Earlier(run, questions[run], _unanswered(cells), "incomplete")
        for run, cells in open_cells.items()
    ]
    memory.kernel_lost = bool(memory.numbers)
    memory.runs = max((_number(run) for run in questions), default=0)
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


def _take_outputs(memory: Memory, entry: SetupEntry | IterationEntry) -> None:
    """Keep the numbers that a cell shows, and its charts, so that later ones get other ids."""
    if entry.execution is None:
        return
    cell, outputs = entry.cell, entry.execution.outputs
    memory.numbers.append(cell_numbers(cell, outputs))
    if isinstance(entry, IterationEntry):
        found = charts_of(outputs, cell=cell, iteration=entry.iteration, title=entry.purpose)
        memory.replace_charts(cell, found)


def status_of(text: str) -> RunStatus:
    """Return the status that a notebook names; an unknown one counts as incomplete."""
    match text:
        case "answered" | "incomplete" | "failed" | "cancelled":
            return text
        case _:
            return "incomplete"


def _number(run: RunId) -> int:
    digits = run.removeprefix("r")
    return int(digits) if digits.isdigit() else 0

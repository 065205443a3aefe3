"""An analysis as read from its notebook: its runs, its entries, and the cells to replay. Pure.

A notebook may come from anywhere: what is read here is never a grant and never trusted.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from analyst_kernel.agent.ports import (
    AnswerEntry,
    Entry,
    Execution,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    ReplayCell,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.notebook.document.cells import (
    DORMANT_TAGS,
    STATUS_NOTES,
    Cell,
    awakened,
    split_label,
)
from analyst_kernel.notebook.document.markdown import unescaped
from analyst_kernel.notebook.document.operations import Document, cell_notes, is_edited, notes
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import CellError, ErrorOutput, Outcome, Output
from analyst_kernel.protocol.records import Answer, CellLabel, Step, StepStatus

_OUTPUT: TypeAdapter[Output] = TypeAdapter(Output)
_STEP = re.compile(
    r"- \[([ xX])\] (\d{1,9})\. (?P<goal>.*?)"
    r"(?: · (?P<cells>(?:(?:, )?\[cell \d{1,9}\]\(#cell-id=[\w-]{1,64}\))+))?"
    rf"(?: \*\((?P<note>{'|'.join(map(re.escape, STATUS_NOTES.values()))})\)\*)?"
)
_STEP_CELL = re.compile(r"\[cell (\d{1,9})\]\(#cell-id=([\w-]{1,64})\)")
_RUN = re.compile(r"r(\d{1,9})")


def analysis_of(document: Document) -> AnalysisId | None:
    """Return the analysis that the notebook belongs to, or ``None``."""
    found = notes(document).get("analysis")
    return AnalysisId(found) if isinstance(found, str) and found else None


def runs_of(document: Document) -> tuple[RunId, ...]:
    """Return the runs in the notebook in the order asked, without those that were undone."""
    undone = set(undone_runs(document))
    return tuple(run for run in _all_runs(document) if run not in undone)


def undone_runs(document: Document) -> tuple[RunId, ...]:
    """Return the runs that were undone."""
    return tuple(r for r in _all_runs(document) if _noted(document, r).get("undone") is True)


def _all_runs(document: Document) -> tuple[RunId, ...]:
    found = [cell_notes(cell).get("run") for cell in document["cells"]]
    found += list(_noted_runs(document))
    runs = {r for r in found if isinstance(r, str) and _RUN.fullmatch(r)}
    return tuple(RunId(r) for r in sorted(runs, key=lambda r: int(r[1:])))


def next_run(document: Document) -> RunId:
    """Return the id for the next question."""
    runs = _all_runs(document)
    return RunId(f"r{int(runs[-1][1:]) + 1}" if runs else "r1")


def entries_of(document: Document) -> tuple[Entry, ...]:
    """Return our cells as entries, in document order.

    What a cell does not hold gets a default: ``language`` is ``python`` (SQL was saved as Python),
    ``seconds`` is 0, and ``purpose`` is empty if the code began with its own comment or a user
    edited the cell. A question or answer that the metadata lacks is read from its Markdown.
    """
    entries = (_entry(cell, document) for cell in document["cells"])
    return tuple(entry for entry in entries if entry is not None)


def cells_to_replay(document: Document, until: CellId | None = None) -> tuple[ReplayCell, ...]:
    """Return the cells that give a fresh kernel the notebook's state, in order.

    A user's own cells count. Cells that never ran, or that must not run again (timeout, cancelled,
    rejected), are left out. With ``until``, that cell is the last one.
    """
    replay: list[ReplayCell] = []
    for cell in document["cells"]:
        if _ran(cell):
            failed = any(o["output_type"] == "error" for o in cell["outputs"])
            may_fail = failed or cell_notes(cell).get("outcome") == "error"
            replay.append(ReplayCell(CellId(cell["id"]), cell["source"], may_fail))
        if cell["id"] == until:
            break
    return tuple(replay)


def _ran(cell: Cell) -> bool:
    if cell["cell_type"] != "code" or not cell["source"].strip():
        return False
    tags = cell["metadata"].get("tags", [])
    ran = cell["execution_count"] is not None or bool(cell["outputs"])
    return (ran or "outcome" in cell_notes(cell)) and not any(t in tags for t in DORMANT_TAGS)


def _entry(cell: Cell, document: Document) -> Entry | None:
    note = cell_notes(cell)
    name, source = CellId(cell["id"]), cell["source"]
    run = note.get("run")
    match note.get("role"):
        case "title":
            first, _, rest = source.partition("\n")
            return TitleEntry(name, unescaped(first.removeprefix("# ")), unescaped(rest.strip()))
        case "setup" if cell["cell_type"] == "code":
            return SetupEntry(name, awakened(source), _execution(cell))
        case "question" if isinstance(run, str):
            return QuestionEntry(name, RunId(run), _question(source, _noted(document, run)))
        case "plan" if isinstance(run, str):
            return PlanEntry(name, RunId(run), _steps(source))
        case "iteration" if isinstance(run, str) and cell["cell_type"] == "code":
            return _iteration(cell, RunId(run), note, edited=is_edited(document, cell))
        case "answer" if isinstance(run, str):
            return _answer(name, RunId(run), source, _noted(document, run))
        case _:
            return None


def _iteration(cell: Cell, run: RunId, note: dict[str, Any], *, edited: bool) -> IterationEntry:
    # A user's text must be written back exactly as it is.
    purpose, code = ("", cell["source"]) if edited else split_label(awakened(cell["source"]))
    step = note.get("step")
    return IterationEntry(
        cell=CellId(cell["id"]),
        run=run,
        iteration=_number(note.get("iteration")),
        step=step if isinstance(step, int) else None,
        attempt=_number(note.get("attempt")) or 1,
        language="python",
        purpose=purpose,
        code=code,
        origin=str(note.get("origin", "agent")),
        execution=_execution(cell),
        outcome=_outcome(note.get("outcome")),
    )


def _execution(cell: Cell) -> Execution | None:
    outcome = _outcome(cell_notes(cell).get("outcome"))
    if outcome is None or outcome == "rejected":
        return None
    outputs = outputs_of(cell)
    errors = [o for o in outputs if isinstance(o, ErrorOutput)]
    error = CellError(name=errors[-1].ename, message=errors[-1].evalue) if errors else None
    return Execution(outcome, outputs, error, 0.0, cell["execution_count"])


def outputs_of(cell: Cell) -> tuple[Output, ...]:
    """Return the saved outputs of a code cell, without those that the wire cannot hold."""
    outputs: list[Output] = []
    for output in cell.get("outputs", []):
        with suppress(ValidationError):
            outputs.append(_OUTPUT.validate_python(output))
    return tuple(outputs)


def _question(source: str, noted: dict[str, Any]) -> str:
    question = noted.get("question")
    if isinstance(question, str):
        return question
    lines = source.removeprefix("## ").split("\n")
    return "\n".join(unescaped(line.strip()) for line in lines if line.strip())


def _steps(source: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for line in source.split("\n"):
        if match := _STEP.fullmatch(line.rstrip()):
            words = {note: status for status, note in STATUS_NOTES.items()}
            status: StepStatus = words.get(match["note"] or "", "todo")
            status = status if match[1] == " " else "done"
            goal = unescaped(match["goal"])
            cells = tuple(
                CellLabel(number=int(number), cell=CellId(cell))
                for number, cell in _STEP_CELL.findall(match["cells"] or "")
            )
            steps.append(Step(number=int(match[2]), goal=goal, status=status, cells=cells))
    return tuple(steps)


def _answer(cell: CellId, run: RunId, source: str, noted: dict[str, Any]) -> AnswerEntry:
    status = noted.get("status")
    try:
        answer = Answer.model_validate(noted.get("answer"))
    except ValidationError:
        answer = Answer(text=unescaped(source.removeprefix("### Answer").strip()))
    return AnswerEntry(cell, run, answer, status if isinstance(status, str) else "answered")


def _noted_runs(document: Document) -> dict[str, Any]:
    found = notes(document).get("runs")
    return found if isinstance(found, dict) else {}


def _noted(document: Document, run: str) -> dict[str, Any]:
    found = _noted_runs(document).get(run)
    return found if isinstance(found, dict) else {}


def _outcome(value: Any) -> Outcome | None:
    return value if value in get_args(Outcome) else None


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0

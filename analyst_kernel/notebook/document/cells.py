"""From an entry of the agent to its notebook cell (nbformat 4.5). Pure.

Where a cell goes, and whether a user edited it, is decided in ``operations``.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, TypeAlias, assert_never

from analyst_kernel._markdown import harmless_markdown
from analyst_kernel.agent.evidence.marks import explanation
from analyst_kernel.agent.ports import (
    AnswerEntry,
    Entry,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.notebook.document.markdown import (
    inline,
    linked,
    literal,
    one_line,
    proven,
    table_cell,
    tidy,
)
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import DisplayOutput, Outcome, Output, ResultOutput
from analyst_kernel.protocol.records import Answer, CellLabel, NumberProof, Step, StepStatus, Value

Cell: TypeAlias = dict[str, Any]
"""One nbformat 4.5 cell, with multi-line texts joined."""

KEY: Final = "analyst_kernel"
"""Our name in the metadata of notebooks and cells."""

RAISES: Final = "raises-exception"
DORMANT_TAGS: Final = ("skip-execution", "nbval-skip")
OUR_TAGS: Final = (RAISES, *DORMANT_TAGS)

_DORMANT_REASON: Final[dict[str, str]] = {
    "timeout": "This code did not end in time. It is kept as comments, so that Run All ends.",
    "cancelled": "This code was stopped before it ended. It is kept as comments.",
    "rejected": "This code was not allowed to run. It is kept as comments.",
}
_NOTICE: Final = {
    "incomplete": "**This answer is incomplete.**",
    "failed": "**This run failed before it had a full answer.**",
    "cancelled": "**This run was stopped before it had a full answer.**",
}
STATUS_NOTES: Final[dict[StepStatus, str]] = {
    "doing": "in progress",
    "blocked": "blocked",
    "failed": "failed",
    "skipped": "no cell ran for it",
}
"""What stands behind a step of a plan."""
_LABEL = re.compile(r"# (?:Cell \d+(?:, step \d+)?|Step \d+): (.*)\n")
"""The first comment of a cell; earlier versions gave the step alone."""
JSON_MIME = re.compile(r"application/(?:.*\+)?json")
"""Types whose content is JSON; the content of any other type is text."""


def cell_for(entry: Entry) -> Cell:
    """Return the cell that shows ``entry``; the same entry gives the same cell."""
    match entry:
        case TitleEntry():
            below = f"\n\n{inline(entry.note)}" if entry.note.strip() else ""
            return _markdown(entry.cell, f"# {literal(entry.title)}{below}", {"role": "title"})
        case SetupEntry():
            outcome = entry.execution.outcome if entry.execution else None
            return _code(entry, entry.code, outcome, {"role": "setup"})
        case QuestionEntry():
            note = {"role": "question", "run": entry.run}
            return _markdown(entry.cell, question_source(entry.question), note)
        case PlanEntry():
            return _markdown(entry.cell, _plan(entry.steps), {"role": "plan", "run": entry.run})
        case IterationEntry():
            return _iteration(entry)
        case AnswerEntry():
            note = {"role": "answer", "run": entry.run}
            return _markdown(entry.cell, answer_source(entry.answer, entry.status), note)
        case _:
            assert_never(entry)


def question_source(question: str) -> str:
    """Return a question as a heading; further lines of it become text below."""
    lines = [literal(line) for line in tidy(question).strip().split("\n")]
    rest = "  \n".join(lines[1:]).strip()
    return f"## {lines[0]}" + (f"\n\n{rest}" if rest else "")


def labelled(code: str, purpose: str, step: int | None, number: int) -> str:
    """Return ``code`` with the cell's number, its step and its purpose as the first comment.

    What the user wrote or edited has no number (0) or no purpose, and stays as it is; so does a
    cell magic, which must be the first line.
    """
    purpose = one_line(purpose)
    if not number or not purpose or code.lstrip().startswith("%%"):
        return code
    label = f"Cell {number}" + (f", step {step}" if step is not None else "")
    return f"# {label}: {purpose}\n{code}"


def split_label(source: str) -> tuple[str, str]:
    """Return purpose and code, undoing :func:`labelled`; the purpose is empty without a label."""
    match = _LABEL.match(source)
    return (match[1], source[match.end() :]) if match else ("", source)


def dormant(code: str, outcome: Outcome) -> str:
    """Return ``code`` as comments below a line with the reason."""
    commented = "\n".join(f"# {line}" if line else "#" for line in code.split("\n"))
    return f"# {_DORMANT_REASON[outcome]}\n{commented}"


def awakened(source: str) -> str:
    """Return the code of :func:`dormant` source; any other source is returned as it is."""
    first, _, rest = source.partition("\n")
    if first[2:] not in _DORMANT_REASON.values():
        return source
    return "\n".join(line[2:] for line in rest.split("\n"))


def nbformat_output(output: Output) -> dict[str, Any]:
    """Return an output as nbformat 4.5 requires: strict JSON, and text for other MIME types."""
    saved: dict[str, Any] = finite(output.model_dump(exclude={"data"}))
    if isinstance(output, DisplayOutput | ResultOutput):
        saved["data"] = _bundle(output.data)
    return saved


def tidy_output(text: str) -> str:
    """Return text that can be encoded as UTF-8; colours and carriage returns stay."""
    return text.encode("utf-8", "replace").decode("utf-8")


def finite(value: Any) -> Any:
    """Return JSON with null for NaN and infinities, which browsers refuse."""
    match value:
        case dict():
            return {tidy_output(str(k)): finite(v) for k, v in value.items() if k != "trusted"}
        case list() | tuple():
            return [finite(v) for v in value]
        case float() if not math.isfinite(value):
            return None
        case str():
            return tidy_output(value)
        case _:
            return value


def _bundle(data: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for mime, content in data.items():
        if JSON_MIME.fullmatch(mime):
            out[mime] = finite(content)
        elif isinstance(content, str):
            out[mime] = tidy_output(content)
        else:
            out[mime] = json.dumps(finite(content))
    return out


def _iteration(entry: IterationEntry) -> Cell:
    outcome = entry.outcome or (entry.execution.outcome if entry.execution else None)
    note: dict[str, Any] = {
        "role": "iteration",
        "run": entry.run,
        "iteration": entry.iteration,
        "attempt": entry.attempt,
        "origin": entry.origin,
    }
    if entry.step is not None:
        note["step"] = entry.step
    source = labelled(tidy(entry.code), entry.purpose, entry.step, entry.iteration)
    return _code(entry, source, outcome, note)


def _code(
    entry: SetupEntry | IterationEntry, source: str, outcome: Outcome | None, note: dict[str, Any]
) -> Cell:
    metadata: dict[str, Any] = {KEY: note}
    source = tidy(source)
    if outcome is not None:
        note["outcome"] = outcome
    if outcome is not None and outcome != "ok":
        metadata["tags"] = [RAISES]
        metadata["collapsed"] = True
        metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        if outcome != "error":
            metadata["tags"] += DORMANT_TAGS
            source = dormant(source, outcome)
    execution = entry.execution
    return {
        "cell_type": "code",
        "id": entry.cell,
        "metadata": metadata,
        "source": source,
        "execution_count": execution.execution_count if execution else None,
        "outputs": [nbformat_output(o) for o in execution.outputs] if execution else [],
    }


def _markdown(cell: CellId, source: str, note: dict[str, Any]) -> Cell:
    shown = harmless_markdown(source)
    return {"cell_type": "markdown", "id": cell, "metadata": {KEY: note}, "source": shown}


def _plan(steps: tuple[Step, ...]) -> str:
    lines = ["### Plan", ""]
    for step in steps:
        box = "x" if step.status == "done" else " "
        ran = ", ".join(f"[cell {one.number}](#cell-id={one.cell})" for one in step.cells)
        note = f" *({STATUS_NOTES[step.status]})*" if step.status in STATUS_NOTES else ""
        lines.append(f"- [{box}] {step.number}. {inline(step.goal)}{f' · {ran}' * bool(ran)}{note}")
    return "\n".join(lines)


def answer_source(answer: Answer, status: str) -> str:
    """Return the Markdown of an answer: its text with proofs, then assumptions, caveats and so on.

    Any status of the run but ``answered`` stands above the text. The proofs come from the agent; no
    number is checked here.
    """
    text, left = proven(answer.text.strip("\n"), _shifted(answer), answer.cells)
    parts = ["### Answer", _NOTICE.get(status, ""), text, _value_table(answer.key_values)]
    parts.append(_titled_list("Assumptions", answer.assumptions, answer.cells))
    parts.append(_titled_list("Caveats", answer.caveats, answer.cells))
    parts.append(_titled_list("Not done", answer.unfinished))
    parts.append(_titled_list("Next questions", answer.next_questions))
    parts.append(_proof_line(answer.numbers, left))
    return "\n\n".join(part for part in parts if part)


def _shifted(answer: Answer) -> tuple[NumberProof, ...]:
    cut = len(answer.text) - len(answer.text.lstrip("\n"))
    moved = ({"start": n.start - cut, "end": n.end - cut} for n in answer.numbers)
    return tuple(n.model_copy(update=by) for n, by in zip(answer.numbers, moved, strict=True))


def _value_table(values: tuple[Value, ...]) -> str:
    """Return a table of the key values; empty for a single value."""
    if len(values) < 2:
        return ""
    rows = [
        f"| {table_cell(v.label)} | {table_cell(_written(v))} {table_cell(v.unit)}".rstrip() + " |"
        for v in values
    ]
    return "\n".join(["| Value | Result |", "|---|---:|", *rows])


def _written(value: Value) -> str:
    """Return a value as text; digits are grouped from 10,000 on, so that years are not."""
    found = value.value
    grouped = isinstance(found, int | float) and abs(found) >= 10_000
    return f"{found:,}" if grouped else str(found)


def _titled_list(title: str, items: tuple[str, ...], cells: tuple[CellLabel, ...] = ()) -> str:
    lines = [f"- {inline(item, cells)}" for item in items if item.strip()]
    return "\n".join([f"**{title}**", "", *lines]) if lines else ""


def _proof_line(numbers: tuple[NumberProof, ...], left: tuple[NumberProof, ...]) -> str:
    """Return the line that counts the proven numbers and names those without a link in the text."""
    if not numbers:
        return ""
    count = sum(n.cell is not None for n in numbers)
    noun = "number stands" if len(numbers) == 1 else "numbers stand"
    line = f"Sources: {count} of {len(numbers)} {noun} in the output of an executed cell."
    derived = dict.fromkeys(
        f"{table_cell(n.text)} = [{n.derivation}](#cell-id={n.cell})"
        for n in numbers
        if n.derivation and n.cell is not None
    )
    if derived:
        line += f" Derived: {'; '.join(derived)}."
    also = dict.fromkeys(linked(n) for n in left if n.cell is not None and not n.derivation)
    if also:
        line += f" Also: {', '.join(also)}."
    if count < len(numbers):
        line += f"\n\n{table_cell(explanation(numbers))}"
    return f"---\n\n{line}"

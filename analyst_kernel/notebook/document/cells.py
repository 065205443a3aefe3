"""From an entry of the agent to its notebook cell (nbformat 4.5). Pure.

Where a cell goes, and whether a user edited it, is decided in ``operations``.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, TypeAlias, assert_never

from analyst_kernel.agent.ports import (
    AnswerEntry,
    Entry,
    Execution,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.notebook.document.answer import answer_source
from analyst_kernel.notebook.document.markdown import inline, literal, one_line, tidy
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    ErrorOutput,
    Outcome,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.records import Step

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
_STATUS_NOTE: Final = {"doing": " *(in progress)*", "blocked": " *(blocked)*"}
_HEADER = re.compile(r"# (?:Step (\d+): )?(.*)\n")
_JSON_MIME = re.compile(r"application/(?:.*\+)?json")


def cell_for(entry: Entry) -> Cell:
    """Return the cell that shows ``entry``; the same entry gives the same cell."""
    match entry:
        case TitleEntry():
            below = f"\n\n{inline(entry.note)}" if entry.note.strip() else ""
            return _markdown(entry.cell, f"# {literal(entry.title)}{below}", {"role": "title"})
        case SetupEntry():
            outcome = entry.execution.outcome if entry.execution else None
            return _code(entry.cell, entry.code, entry.execution, outcome, {"role": "setup"})
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


def labelled(code: str, purpose: str, step: int | None) -> str:
    """Return ``code`` with its purpose as the first comment, unless it begins with a comment.

    A cell magic gets none, because it must stay the first line.
    """
    purpose = one_line(purpose)
    if not purpose or code.lstrip().startswith(("#", "%%")):
        return code
    label = f"Step {step}: {purpose}" if step is not None else purpose
    return f"# {label}\n{code}"


def split_label(source: str) -> tuple[str, str]:
    """Return purpose and code, undoing :func:`labelled`; the purpose is empty without a step."""
    match = _HEADER.match(source)
    if match and match[1]:
        return match[2], source[match.end() :]
    return "", source


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
    match output:
        case StreamOutput():
            return {"output_type": "stream", "name": output.name, "text": tidy_output(output.text)}
        case DisplayOutput():
            return {
                "output_type": "display_data",
                "data": _bundle(output.data),
                "metadata": finite(output.metadata),
            }
        case ResultOutput():
            return {
                "output_type": "execute_result",
                "data": _bundle(output.data),
                "metadata": finite(output.metadata),
                "execution_count": output.execution_count,
            }
        case ErrorOutput():
            return {
                "output_type": "error",
                "ename": tidy_output(output.ename),
                "evalue": tidy_output(output.evalue),
                "traceback": [tidy_output(line) for line in output.traceback],
            }
        case _:
            assert_never(output)


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
        if _JSON_MIME.fullmatch(mime):
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
    source = labelled(tidy(entry.code), entry.purpose, entry.step)
    return _code(entry.cell, source, entry.execution, outcome, note)


def _code(
    cell: CellId,
    source: str,
    execution: Execution | None,
    outcome: Outcome | None,
    note: dict[str, Any],
) -> Cell:
    metadata: dict[str, Any] = {KEY: dict(note)}
    source = tidy(source)
    if outcome is not None:
        metadata[KEY]["outcome"] = outcome
    if outcome is not None and outcome != "ok":
        metadata["tags"] = [RAISES]
        metadata["collapsed"] = True
        metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        if outcome != "error":
            metadata["tags"] += DORMANT_TAGS
            source = dormant(source, outcome)
    return {
        "cell_type": "code",
        "id": cell,
        "metadata": metadata,
        "source": source,
        "execution_count": execution.execution_count if execution else None,
        "outputs": [nbformat_output(o) for o in execution.outputs] if execution else [],
    }


def _markdown(cell: CellId, source: str, note: dict[str, Any]) -> Cell:
    return {"cell_type": "markdown", "id": cell, "metadata": {KEY: note}, "source": source}


def _plan(steps: tuple[Step, ...]) -> str:
    lines = ["### Plan", ""]
    for step in steps:
        box = "x" if step.status == "done" else " "
        lines.append(
            f"- [{box}] {step.number}. {inline(step.goal)}{_STATUS_NOTE.get(step.status, '')}"
        )
    return "\n".join(lines)

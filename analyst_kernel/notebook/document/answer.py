"""The Markdown of an answer: its text with proofs, then assumptions, caveats and what is left.

Pure. The proofs come from the agent; no number is checked here.
"""

from __future__ import annotations

from typing import Final

from analyst_kernel.notebook.document.markdown import inline, linked, proven, table_cell
from analyst_kernel.protocol.records import Answer, NumberProof, Value

_NOTICE: Final = {
    "incomplete": "**This answer is incomplete.**",
    "failed": "**This run failed before it had a full answer.**",
    "cancelled": "**This run was stopped before it had a full answer.**",
}


def answer_source(answer: Answer, status: str) -> str:
    """Return the Markdown of an answer.

    Args:
        answer: The run's answer.
        status: How the run ended; any status but ``answered`` stands above the text.
    """
    text, left = proven(answer.text.strip("\n"), _shifted(answer))
    parts = ["### Answer", _NOTICE.get(status, ""), text, _values(answer.key_values)]
    parts.append(_list("Assumptions", answer.assumptions))
    parts.append(_list("Caveats", answer.caveats))
    parts.append(_list("Not done", answer.unfinished))
    parts.append(_list("Next questions", answer.next_questions))
    parts.append(_proof(answer.numbers, left))
    return "\n\n".join(part for part in parts if part)


def _shifted(answer: Answer) -> tuple[NumberProof, ...]:
    cut = len(answer.text) - len(answer.text.lstrip("\n"))
    moved = ({"start": n.start - cut, "end": n.end - cut} for n in answer.numbers)
    return tuple(n.model_copy(update=by) for n, by in zip(answer.numbers, moved, strict=True))


def _values(values: tuple[Value, ...]) -> str:
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


def _list(title: str, items: tuple[str, ...]) -> str:
    lines = [f"- {inline(item)}" for item in items if item.strip()]
    return "\n".join([f"**{title}**", "", *lines]) if lines else ""


def _proof(numbers: tuple[NumberProof, ...], left: tuple[NumberProof, ...]) -> str:
    """Return the line that counts the proven numbers and names those without a link in the text."""
    if not numbers:
        return ""
    count = sum(n.cell is not None for n in numbers)
    noun = "number stands" if len(numbers) == 1 else "numbers stand"
    line = f"Proof: {count} of {len(numbers)} {noun} in the output of an executed cell."
    also = dict.fromkeys(linked(n) for n in left if n.cell is not None)
    if also:
        line += f" Also: {', '.join(also)}."
    missing = dict.fromkeys(table_cell(n.text) for n in left if n.cell is None)
    if missing:
        line += f" {', '.join(missing)} (not verified)."
    return f"---\n\n{line}"

"""What stands beside an answer: that its data changed, what computing it again shows. Pure.

The answer's own text is never changed. A note is one quotation below the answer's heading, and the
newest one takes the place of the one before.
"""

from __future__ import annotations

from analyst_kernel.notebook.document.cells import KEY, Cell
from analyst_kernel.notebook.document.markdown import inline, literal, one_line
from analyst_kernel.notebook.document.operations import cell_notes
from analyst_kernel.protocol.freshness import AnswerOutcome, NumberMove

_CHANGED = "> **The data changed since.**"
_REFRESHED = "> **Computed again"
_MOST_LINES = 40


def with_change(cell: Cell, sentence: str) -> Cell:
    """Return an answer's cell with a note that its data changed, or without one if it is empty."""
    note = f"{_CHANGED} {inline(sentence)} Refresh computes the numbers again." if sentence else ""
    return _with_note(cell, _CHANGED, note)


def with_outcome(cell: Cell, outcome: AnswerOutcome, at: str) -> Cell:
    """Return an answer's cell with the outcome of a refresh, which replaces what was noted."""
    when = at[:16].replace("T", " ")
    lines = [f"{_REFRESHED} on {when} UTC.** {inline(outcome.summary)}"]
    lines += [f"> - {inline(sentence)}" for sentence in outcome.turned]
    other = [one for one in outcome.numbers if one.state in ("moved", "gone")]
    lines += [f"> - {literal(move_text(one))}" for one in other[:_MOST_LINES]]
    if len(other) > _MOST_LINES:
        lines.append(f"> - and {len(other) - _MOST_LINES} more")
    if other:
        lines.append("> - The outputs above are those that the answer was made from.")
    return _with_note(_with_note(cell, _CHANGED, ""), _REFRESHED, "\n".join(lines))


def move_text(one: NumberMove) -> str:
    """Return what became of a number as a line: from what to what, and by how much."""
    if one.state == "same":
        return f"{one.text} stays."
    if one.state != "moved":
        why = one.reason or "No cell showed it when the question was answered."
        return f"{one.text}: {one_line(why)}"
    by = f" ({_signed(one.change)}" if one.change is not None else ""
    if by:
        by += f"; {_signed(one.percent, 3)} %)" if one.percent is not None else ")"
    return f"{one.text} → {one.now}{by}"


def _signed(value: float | None, digits: int = 5) -> str:
    text = f"{value or 0.0:+,.{digits}g}" if abs(value or 0.0) < 1e15 else f"{value:+.3g}"
    if "e" in text and abs(value or 0.0) < 1e15:
        text = f"{value or 0.0:+,.0f}"
    return text.replace("-", "−")


def _with_note(cell: Cell, mark: str, note: str) -> Cell:
    parts = str(cell["source"]).split("\n\n")
    kept = [part for part in parts if not part.startswith(mark)]
    if note:
        kept.insert(1, note)
    return {
        **cell,
        "source": "\n\n".join(kept),
        "metadata": {**cell["metadata"], KEY: cell_notes(cell)},
    }

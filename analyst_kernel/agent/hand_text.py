"""Tells the model what the person did by hand since the last question. Pure.

All of it comes from outside and stands in an envelope; what is too long is cut visibly.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from analyst_kernel.agent.hand_changes import CellChange, HeardRun
from analyst_kernel.agent.observe import clip, envelope, frames_text, outputs_text
from analyst_kernel.protocol.outputs import ErrorOutput, Frame, Output

BUDGET = 6000
"""Characters of all changes together."""

_DIFF = 1200
_CODE = 1000
_OUTPUTS = 500
_OPENING = (
    "The person worked in the notebook by hand since the last question. Their edits hold: go on "
    "from the state as it is now, and do not undo or repeat them."
)


def hand_text(
    changes: Sequence[CellChange],
    heard: Sequence[HeardRun],
    *,
    before: Sequence[Frame],
    after: Sequence[Frame],
    nonce: str,
) -> str:
    """Return the note for the model; empty where nothing was done by hand.

    Args:
        changes: Cells that are not as last seen, in the notebook's order.
        heard: What ran in the living kernel, oldest first.
        before: Variables when the last run ended.
        after: Variables now.
        nonce: Of the envelope.
    """
    newest = {run.cell: run for run in heard if run.cell is not None}
    by_code = {run.code: run for run in heard if run.cell is None}
    parts: list[str] = []
    told: set[str] = set()
    for change in changes:
        run = newest.get(change.cell) or by_code.get(change.now)
        told.update({run.code} if run is not None else ())
        parts.append(_change(change, run))
    known = {change.cell for change in changes}
    parts += [_heard(r) for r in newest.values() if r.cell not in known]
    parts += [_heard(r) for r in by_code.values() if r.code not in told]
    variables = frames_text(before, after)
    if not parts and not variables:
        return ""
    if variables:
        parts.append(f"Variables since then:\n{variables}")
    return f"{_OPENING}\n{envelope(_within(parts), nonce)}"


def code_diff(before: str, now: str) -> str:
    """Return a unified diff of two texts without its file lines, cut to a readable length."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), n=2, lineterm="")
    return clip("\n".join(line for line in lines if not line.startswith(("---", "+++"))), _DIFF)


def _within(parts: Sequence[str]) -> str:
    """Join what fits into the budget, and say what does not; nothing is left out silently."""
    shown: list[str] = []
    left = BUDGET
    for number, part in enumerate(parts):
        if len(part) > left and shown:
            rest = len(parts) - number
            shown.append(f"… {rest} more by hand, not shown here: look at the variables you need.")
            break
        shown.append(clip(part, max(left, 500)))
        left -= len(shown[-1]) + 2
    return "\n\n".join(shown)


def _change(change: CellChange, run: HeardRun | None) -> str:
    name = _name(change)
    match change.kind:
        case "edited":
            if change.before is None:
                head = f"{name} was edited. Its text now:\n{clip(change.now, _CODE)}"
            else:
                head = f"{name} was edited:\n{code_diff(change.before, change.now)}"
        case "added":
            head = f"{name} is new, the person's own:\n{clip(change.now, _CODE)}"
        case "deleted":
            was = f" It was:\n{clip(change.before, 300)}" if change.before else ""
            return f"{name} was deleted; what it did to variables may still hold.{was}"
        case "ran":
            head = f"{name} was run again, unchanged."
    return f"{head}\n{_outcome(change, run)}"


def _name(change: CellChange) -> str:
    if change.iteration and change.run:
        return f"Iteration {change.iteration} of {change.run} (cell {change.cell})"
    return f"Cell {change.cell}"


def _outcome(change: CellChange, run: HeardRun | None) -> str:
    if run is not None and run.code == change.now:
        return _result(run.outputs)
    if change.ran:
        return _result(change.outputs)
    return "It was not run since."


def _heard(run: HeardRun) -> str:
    what = f"Cell {run.cell} was run again" if run.cell else "Run in the kernel, not saved yet"
    return f"{what}:\n{clip(run.code, _CODE)}\n{_result(run.outputs)}"


def _result(outputs: Sequence[Output]) -> str:
    failed = next((o for o in reversed(outputs) if isinstance(o, ErrorOutput)), None)
    shown = outputs_text(outputs, _OUTPUTS)
    if failed is not None:
        error = f"It failed: {failed.ename}: {clip(failed.evalue, 300)}"
        return f"{error}\n{shown}" if shown else error
    return f"Its output:\n{shown}" if shown else "It ran without output."

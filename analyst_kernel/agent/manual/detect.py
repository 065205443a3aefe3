"""Takes in what the user does by hand: cells run in the living kernel, changes in the notebook.

Called by whoever holds the analysis; the model is told at the next question.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.evidence.proof import cell_numbers
from analyst_kernel.agent.manual.changes import CellChange, HeardRun
from analyst_kernel.agent.observation.cell import (
    charts_of,
    clip,
    envelope,
    frames_text,
    outputs_text,
)
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.events import CellRanByHand, ChartCaptured, HandChangesNoticed
from analyst_kernel.protocol.ids import CellId, ChartId
from analyst_kernel.protocol.outputs import ErrorOutput, Frame, Output
from analyst_kernel.protocol.records import ChartRecord, HandChange

MOST_HEARD = 50
"""Runs by hand that are kept for the next question; older ones only count."""


def detect_user_run(deps: AgentDeps, memory: Memory, heard: HeardRun) -> None:
    """Take in code that the user ran in the kernel; a cell of the analysis shows its outputs.

    Never raises for what came out of the kernel; may be called while a run is at work.
    """
    heard = replace(heard, cell=deps.notebook.cell_of(heard.code))
    remember(memory, heard)
    memory.kernel_unsure = True
    if heard.cell is None:
        return
    deps.emit(
        CellRanByHand(
            analysis=deps.analysis, cell=heard.cell, code=heard.code, outcome=heard.outcome,
            seconds=heard.seconds, execution_count=heard.execution_count, outputs=heard.outputs,
            error=heard.error,
        )
    )  # fmt: skip
    shown = cell_numbers(heard.cell, heard.outputs)
    memory.numbers = [n for n in memory.numbers if n.cell != heard.cell] + [shown]
    for chart in _charts(memory, heard.cell, heard.outputs):
        deps.emit(ChartCaptured(analysis=deps.analysis, chart=chart))


def remember(memory: Memory, heard: HeardRun) -> None:
    """Keep for the next question what the user ran."""
    memory.heard.append(heard)
    if len(memory.heard) > MOST_HEARD:
        del memory.heard[:-MOST_HEARD]
        more = "The user ran more cells by hand than are listed here."
        if more not in memory.news:
            memory.news.append(more)


def notice_changes(run: Run, before: tuple[Frame, ...], after: tuple[Frame, ...]) -> str:
    """Return the note for the model on what was done by hand since the last question.

    Called once per run, when its kernel is up and the notebook was refreshed. The user is told
    the same as an event.

    Args:
        run: The run that begins.
        before: Variables as the last run left them; empty where the kernel is another one.
        after: Variables as that kernel holds them now.
    """
    memory, notebook = run.memory, run.deps.notebook
    changes = tuple(notebook.changes_by_hand())
    heard = tuple(memory.heard)
    memory.heard.clear()
    if changes:
        told = tuple(
            HandChange(cell=change.cell, change=change.kind, code=change.now) for change in changes
        )
        run.tell(HandChangesNoticed(**run.stamp, changes=told))
    _tell_outputs(run, changes, {(h.cell, h.code) for h in heard})
    return manual_changes_text(changes, heard, before=before, after=after, nonce=run.nonce)


def _tell_outputs(
    run: Run, changes: tuple[CellChange, ...], heard: set[tuple[CellId | None, str]]
) -> None:
    """Show outputs that only the saved notebook tells of, e.g. of an edited cell."""
    memory = run.memory
    for change in changes:
        told = (change.cell, change.now) in heard
        if not change.ran or told or not change.iteration:
            continue
        failed = any(output.output_type == "error" for output in change.outputs)
        run.tell(
            CellRanByHand(
                analysis=run.deps.analysis, cell=change.cell, code=change.now,
                outcome="error" if failed else "ok", outputs=change.outputs,
            )
        )  # fmt: skip
        shown = cell_numbers(change.cell, change.outputs)
        memory.numbers = [n for n in memory.numbers if n.cell != change.cell] + [shown]
        for chart in _charts(memory, change.cell, change.outputs):
            run.tell(ChartCaptured(analysis=run.deps.analysis, chart=chart))


def _charts(memory: Memory, cell: CellId, outputs: tuple[Output, ...]) -> list[ChartRecord]:
    """Put a cell's new charts in the place of its old ones; they keep the old ones' ids."""
    old = [chart for chart in memory.charts if chart.cell == cell]
    title = old[0].title if old else ""
    iteration = old[0].iteration if old else 0
    numbers = [int(c.id[1:]) for c in memory.charts if c.id[1:].isdigit()]
    first = max(numbers, default=0) + 1
    found = charts_of(outputs, cell=cell, iteration=iteration, first=first, title=title)
    ids = [chart.id for chart in old]
    fresh = [
        chart.model_copy(
            update={"png": None, "id": ids[n] if n < len(ids) else ChartId(f"c{first + n}")}
        )
        for n, chart in enumerate(found)
    ]
    memory.charts = [chart for chart in memory.charts if chart.cell != cell] + fresh
    return fresh


BUDGET = 6000
"""Characters of all changes together."""

_DIFF = 1200
_CODE = 1000
_OUTPUTS = 500
_OPENING = (
    "The user worked in the notebook by hand since the last question. Their edits hold: go on "
    "from the state as it is now, and do not undo or repeat them."
)


def manual_changes_text(
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
            head = f"{name} is new, the user's own:\n{clip(change.now, _CODE)}"
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

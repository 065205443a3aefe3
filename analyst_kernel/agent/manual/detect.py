"""Records what the user runs and edits, and describes it to the model at the next question.

Two sources overlap: what the kernel published while the user's code ran, and what the saved
notebook shows. The text for the model joins them, so that each piece of work is described once.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.evidence.proof import cell_numbers
from analyst_kernel.agent.manual.changes import CellChange, UserExecution
from analyst_kernel.agent.observation.cell import (
    charts_of,
    clip,
    envelope,
    frames_text,
    outputs_text,
)
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.events import CellRanByHand, ChartCaptured, HandChangesNoticed
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import ErrorOutput, Frame, Output
from analyst_kernel.protocol.records import HandChange

MOST_USER_EXECUTIONS = 50
"""Executions that are kept for the next question; of older ones only the fact is kept."""

BUDGET = 6000
"""Characters for the description of all changes together."""

_DIFF = 1200
_CODE = 1000
_OUTPUTS = 500
_OPENING = (
    "The user worked in the notebook by hand since the last question. Their edits hold: go on "
    "from the state as it is now, and do not undo or repeat them."
)


def record_user_execution(deps: AgentDeps, memory: Memory, execution: UserExecution) -> None:
    """Record code that the user ran in the kernel; a cell of the analysis gets its outputs.

    Never raises, and may be called while a run is at work.
    """
    execution = replace(execution, cell=deps.notebook.cell_of(execution.code))
    keep_for_next_question(memory, execution)
    memory.kernel_unsure = True
    if execution.cell is not None:
        _take_outputs(deps, memory, execution.cell, execution)


def keep_for_next_question(memory: Memory, execution: UserExecution) -> None:
    """Keep what the user ran, so that the model gets it with the next question."""
    memory.user_executions.append(execution)
    if len(memory.user_executions) > MOST_USER_EXECUTIONS:
        del memory.user_executions[:-MOST_USER_EXECUTIONS]
        more = "The user ran more cells by hand than are listed here."
        if more not in memory.pending_notes:
            memory.pending_notes.append(more)


def manual_changes_note(run: Run, before: tuple[Frame, ...], after: tuple[Frame, ...]) -> str:
    """Return the note for the model on what the user did since the last question.

    Called once per run, when its kernel is up and the notebook was refreshed. The user gets the
    same as an event. ``before`` are the variables when the last run ended, none if the kernel was
    replaced since; ``after`` are those that it holds now.
    """
    changes = tuple(run.deps.notebook.manual_changes())
    executions = tuple(run.memory.user_executions)
    run.memory.user_executions.clear()
    if changes:
        shown = tuple(
            HandChange(cell=change.cell, change=change.kind, code=change.now) for change in changes
        )
        run.emit(HandChangesNoticed(**run.stamp, changes=shown))
    published = {(execution.cell, execution.code) for execution in executions}
    for change in changes:
        # The outputs of a cell that the kernel did not publish to us stand only in the file.
        if change.ran and change.iteration and (change.cell, change.now) not in published:
            failed = any(output.output_type == "error" for output in change.outputs)
            saved = UserExecution(change.now, "error" if failed else "ok", change.outputs)
            _take_outputs(run.deps, run.memory, change.cell, saved)
    return manual_changes_text(changes, executions, before=before, after=after, nonce=run.nonce)


def _take_outputs(deps: AgentDeps, memory: Memory, cell: CellId, execution: UserExecution) -> None:
    """Emit a cell's new outputs, and replace what the memory holds of them: numbers, charts."""
    outputs = execution.outputs
    deps.emit(
        CellRanByHand(
            analysis=deps.analysis, cell=cell, code=execution.code, outcome=execution.outcome,
            seconds=execution.seconds, execution_count=execution.execution_count, outputs=outputs,
            error=execution.error,
        )
    )  # fmt: skip
    memory.replace_numbers(cell_numbers(cell, outputs))
    old = next((chart for chart in memory.charts if chart.cell == cell), None)
    title, iteration = (old.title, old.iteration) if old is not None else ("", 0)
    found = charts_of(outputs, cell=cell, iteration=iteration, title=title)
    for chart in memory.replace_charts(cell, found):
        bare = chart.model_copy(update={"png": None})
        deps.emit(ChartCaptured(analysis=deps.analysis, chart=bare))


def manual_changes_text(
    changes: Sequence[CellChange],
    executions: Sequence[UserExecution],
    *,
    before: Sequence[Frame],
    after: Sequence[Frame],
    nonce: str,
) -> str:
    """Return the note for the model; empty if the user did nothing.

    ``changes`` are in the notebook's order, ``executions`` oldest first, ``before`` and ``after``
    as for :func:`manual_changes_note`.
    """
    newest = {execution.cell: execution for execution in executions if execution.cell is not None}
    by_code = {execution.code: execution for execution in executions if execution.cell is None}
    parts: list[str] = []
    described: set[str] = set()
    for change in changes:
        execution = newest.get(change.cell) or by_code.get(change.now)
        described.update({execution.code} if execution is not None else ())
        parts.append(_change_text(change, execution))
    changed = {change.cell for change in changes}
    parts += [_execution_text(e) for e in newest.values() if e.cell not in changed]
    parts += [_execution_text(e) for e in by_code.values() if e.code not in described]
    variables = frames_text(before, after)
    if variables:
        parts.append(f"Variables since then:\n{variables}")
    return f"{_OPENING}\n{envelope(_within_budget(parts), nonce)}" if parts else ""


def code_diff(before: str, now: str) -> str:
    """Return a unified diff of two texts without its file lines, cut to a readable length."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), n=2, lineterm="")
    return clip("\n".join(line for line in lines if not line.startswith(("---", "+++"))), _DIFF)


def _within_budget(parts: Sequence[str]) -> str:
    """Join the parts that fit into the budget, and state how many were left out."""
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


def _change_text(change: CellChange, execution: UserExecution | None) -> str:
    name = f"Cell {change.cell}"
    if change.iteration and change.run:
        name = f"Iteration {change.iteration} of {change.run} (cell {change.cell})"
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
        case _:
            assert_never(change.kind)
    if execution is not None and execution.code == change.now:
        return f"{head}\n{_result_text(execution.outputs)}"
    result = _result_text(change.outputs) if change.ran else "It was not run since."
    return f"{head}\n{result}"


def _execution_text(execution: UserExecution) -> str:
    what = "Run in the kernel, not saved yet"
    if execution.cell:
        what = f"Cell {execution.cell} was run again"
    return f"{what}:\n{clip(execution.code, _CODE)}\n{_result_text(execution.outputs)}"


def _result_text(outputs: Sequence[Output]) -> str:
    failed = next((o for o in reversed(outputs) if isinstance(o, ErrorOutput)), None)
    shown = outputs_text(outputs, _OUTPUTS)
    if failed is not None:
        error = f"It failed: {failed.ename}: {clip(failed.evalue, 300)}"
        return f"{error}\n{shown}" if shown else error
    return f"Its output:\n{shown}" if shown else "It ran without output."

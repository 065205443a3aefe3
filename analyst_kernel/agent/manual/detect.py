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
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.agent.lineage.lines import lineage_lines
from analyst_kernel.agent.observation.cell import (
    Note,
    charts_of,
    clip,
    envelope,
    outputs_text,
)
from analyst_kernel.agent.ports import CellChange, Execution, UserExecution
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


def record_user_execution(deps: AgentDeps, memory: Memory, ran: UserExecution) -> None:
    """Record code that the user ran in the kernel; a cell of the analysis gets its outputs.

    Never raises, and may be called while a run is at work.
    """
    ran = replace(ran, cell=deps.notebook.cell_of(ran.code))
    keep_for_next_question(memory, ran)
    memory.kernel_unsure = True
    if ran.cell is not None:
        _take_outputs(deps, memory, ran.cell, ran.code, ran.execution)


def keep_for_next_question(memory: Memory, ran: UserExecution) -> None:
    """Keep what the user ran, so that the model gets it with the next question."""
    memory.user_executions.append(ran)
    if len(memory.user_executions) > MOST_USER_EXECUTIONS:
        del memory.user_executions[:-MOST_USER_EXECUTIONS]
        more = Note("The user ran more cells by hand than are listed here.")
        if more not in memory.pending_notes:
            memory.pending_notes.append(more)


def manual_changes_note(run: Run, before: tuple[Frame, ...], after: tuple[Frame, ...]) -> str:
    """Return the note for the model on what the user did since the last question.

    Called once per run, when its kernel is up and the notebook was refreshed. The user gets the
    same as an event. ``before`` are the variables when the last run ended, none if the kernel was
    replaced since; ``after`` are those that it holds now.
    """
    changes = tuple(
        replace(change, outputs=run.deps.saved_outputs(change.outputs))
        for change in run.deps.notebook.manual_changes()
    )
    executions = tuple(run.memory.user_executions)
    run.memory.user_executions.clear()
    if changes:
        shown = tuple(
            HandChange(cell=change.cell, change=change.kind, code=change.now) for change in changes
        )
        run.emit(HandChangesNoticed(**run.stamp, changes=shown))
    published = {(ran.cell, ran.code) for ran in executions}
    for change in changes:
        # The outputs of a cell that the kernel did not publish to us stand only in the file.
        if change.ran and change.iteration and (change.cell, change.now) not in published:
            failed = any(output.output_type == "error" for output in change.outputs)
            saved = Execution("error" if failed else "ok", change.outputs, None, 0.0)
            _take_outputs(run.deps, run.memory, change.cell, change.now, saved, seen=False)
    return manual_changes_text(changes, executions, before=before, after=after, nonce=run.nonce)


def _take_outputs(
    deps: AgentDeps,
    memory: Memory,
    cell: CellId,
    code: str,
    execution: Execution,
    *,
    seen: bool = True,
) -> None:
    """Emit a cell's new outputs, and replace what the memory holds of them: numbers, charts.

    ``seen`` is whether the kernel published them to us. What only the file says proves no number.
    """
    outputs = execution.outputs
    deps.emit(
        CellRanByHand(
            analysis=deps.analysis, cell=cell, code=code, outcome=execution.outcome,
            seconds=execution.seconds, execution_count=execution.execution_count, outputs=outputs,
            error=execution.error,
        )
    )  # fmt: skip
    memory.replace_numbers(cell_numbers(cell, outputs if seen else ()))
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
    newest = {ran.cell: ran for ran in executions if ran.cell is not None}
    by_code = {ran.code: ran for ran in executions if ran.cell is None}
    parts: list[str] = []
    described: set[str] = set()
    for change in changes:
        ran = newest.get(change.cell) or by_code.get(change.now)
        described.update({ran.code} if ran is not None else ())
        parts.append(_change_text(change, ran))
    changed = {change.cell for change in changes}
    parts += [_execution_text(ran) for ran in newest.values() if ran.cell not in changed]
    parts += [_execution_text(ran) for ran in by_code.values() if ran.code not in described]
    variables = "\n".join(lineage_lines(before, after, None))
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


def _change_text(change: CellChange, ran: UserExecution | None) -> str:
    name = f"Cell {change.iteration or change.cell}"
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
    if ran is not None and ran.code == change.now:
        return f"{head}\n{_result_text(ran.execution.outputs)}"
    result = _result_text(change.outputs) if change.ran else "It was not run since."
    return f"{head}\n{result}"


def _execution_text(ran: UserExecution) -> str:
    what = "Run in the kernel, not saved yet"
    if ran.cell:
        what = f"Cell {ran.cell} was run again"
    return f"{what}:\n{clip(ran.code, _CODE)}\n{_result_text(ran.execution.outputs)}"


def _result_text(outputs: Sequence[Output]) -> str:
    failed = next((o for o in reversed(outputs) if isinstance(o, ErrorOutput)), None)
    shown = outputs_text(outputs, _OUTPUTS)
    if failed is not None:
        error = f"It failed: {failed.ename}: {clip(failed.evalue, 300)}"
        return f"{error}\n{shown}" if shown else error
    return f"Its output:\n{shown}" if shown else "It ran without output."

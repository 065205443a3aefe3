"""Takes in what the person does by hand: cells run in the living kernel, changes in the notebook.

Called by whoever holds the analysis; the model is told at the next question.
"""

from __future__ import annotations

from dataclasses import replace

from analyst_kernel.agent.hand_changes import CellChange, HeardRun
from analyst_kernel.agent.hand_text import hand_text
from analyst_kernel.agent.observe import charts_of
from analyst_kernel.agent.proof import cell_numbers
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.state import Bench, Memory
from analyst_kernel.protocol.events import CellRanByHand, ChartCaptured, HandChangesNoticed
from analyst_kernel.protocol.ids import CellId, ChartId
from analyst_kernel.protocol.outputs import Frame, Output
from analyst_kernel.protocol.records import ChartRecord, HandChange

MOST_HEARD = 50
"""Runs by hand that are kept for the next question; older ones only count."""


def overhear(bench: Bench, memory: Memory, heard: HeardRun) -> None:
    """Take in code that the person ran in the kernel; a cell of the analysis shows its outputs.

    Never raises for what came out of the kernel; may be called while a run is at work.
    """
    heard = replace(heard, cell=bench.notebook.cell_of(heard.code))
    remember(memory, heard)
    memory.kernel_unsure = True
    if heard.cell is None:
        return
    bench.emit(
        CellRanByHand(
            analysis=bench.analysis, cell=heard.cell, code=heard.code, outcome=heard.outcome,
            seconds=heard.seconds, execution_count=heard.execution_count, outputs=heard.outputs,
            error=heard.error,
        )
    )  # fmt: skip
    shown = cell_numbers(heard.cell, heard.outputs)
    memory.numbers = [n for n in memory.numbers if n.cell != heard.cell] + [shown]
    for chart in _charts(memory, heard.cell, heard.outputs):
        bench.emit(ChartCaptured(analysis=bench.analysis, chart=chart))


def remember(memory: Memory, heard: HeardRun) -> None:
    """Keep for the next question what the person ran."""
    memory.heard.append(heard)
    if len(memory.heard) > MOST_HEARD:
        del memory.heard[:-MOST_HEARD]
        more = "The person ran more cells by hand than are listed here."
        if more not in memory.news:
            memory.news.append(more)


def notice_changes(run: Run, before: tuple[Frame, ...], after: tuple[Frame, ...]) -> str:
    """Return the note for the model on what was done by hand since the last question.

    Called once per run, when its kernel is up and the notebook was refreshed. The person is told
    the same as an event.

    Args:
        run: The run that begins.
        before: Variables as the last run left them; empty where the kernel is another one.
        after: Variables as that kernel holds them now.
    """
    memory, notebook = run.memory, run.bench.notebook
    changes = tuple(notebook.changes_by_hand())
    heard = tuple(memory.heard)
    memory.heard.clear()
    if changes:
        told = tuple(
            HandChange(cell=change.cell, change=change.kind, code=change.now) for change in changes
        )
        run.tell(HandChangesNoticed(**run.stamp, changes=told))
    _tell_outputs(run, changes, {(h.cell, h.code) for h in heard})
    return hand_text(changes, heard, before=before, after=after, nonce=run.nonce)


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
                analysis=run.bench.analysis, cell=change.cell, code=change.now,
                outcome="error" if failed else "ok", outputs=change.outputs,
            )
        )  # fmt: skip
        shown = cell_numbers(change.cell, change.outputs)
        memory.numbers = [n for n in memory.numbers if n.cell != change.cell] + [shown]
        for chart in _charts(memory, change.cell, change.outputs):
            run.tell(ChartCaptured(analysis=run.bench.analysis, chart=chart))


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

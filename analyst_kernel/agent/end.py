"""How a run ends: the last cell settled, the answer checked and written, the end told.

The only place that emits ``RunFinished``, as the very last thing.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from analyst_kernel.agent.context import Earlier
from analyst_kernel.agent.evidence.answer import settle_answer
from analyst_kernel.agent.iteration import settle
from analyst_kernel.agent.ports import AnswerEntry
from analyst_kernel.agent.prompts import findings_text
from analyst_kernel.agent.run import Draft, Ending, Run
from analyst_kernel.agent.start import write_heading, write_question
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.events import RunFinished
from analyst_kernel.protocol.records import Answer

Result = TypeVar("Result")


def composed(run: Run, opening: str) -> Draft:
    """Write an answer without the model: what was recorded as established, and nothing else."""
    if run.settled is not None:
        kept = run.settled
        return Draft(
            f"{opening}\n\n{kept.text}",
            kept.key_values, kept.assumptions, kept.caveats, kept.next_questions,
        )  # fmt: skip
    if run.findings:
        return Draft(f"{opening}\n\nEstablished so far:\n\n{findings_text(run.findings)}")
    if any(record.outcome == "ok" for record in run.iterations):
        return Draft(
            f"{opening}\n\nNo finding was recorded; the cells above hold what was computed."
        )
    return Draft(f"{opening}\n\nNothing was established.")


async def close(run: Run, ending: Ending) -> RunFinished:
    """Settle, write and tell the end of a run. May be called again after it was interrupted.

    Raises nothing but ``CancelledError``: what cannot be written is told as a notice.
    """
    run.ending = ending
    answer: Answer | None = None
    try:
        await settle(run, closing=True)
        answer = settle_answer(run, ending)
        await write_heading(run)
        await write_question(run)
        await run.write_plan()
        await run.record(AnswerEntry(run.answer_cell, run.id, answer, ending.status))
    except Exception as error:  # noqa: BLE001 - the end of the run must be told, whatever it was
        what = str(error) if isinstance(error, NotebookError) else repr(error)
        run.notice("not-saved", f"The answer is not in the notebook. {what}")
    # A stop that came during the last event is taken here: what leaves and what is told agree.
    await asyncio.sleep(0)
    return finish(run, ending, answer)


def finish(run: Run, ending: Ending, answer: Answer | None) -> RunFinished:
    """Remember the run and emit its last event; nothing may be awaited after this."""
    text = answer.text if answer is not None else ""
    if answer is not None:
        run.memory.earlier.append(Earlier(run.id, run.question, text, ending.status))
    finished = RunFinished(
        **run.stamp,
        status=ending.status,
        answer=text,
        reason=ending.reason,
        details=answer,
        key_values=ending.draft.key_values,
        findings=tuple(run.findings),
        charts=tuple(run.charts),
        notebook=run.deps.notebook.path if run.deps.notebook.cell_count else None,
        iterations=tuple(run.iterations),
        usage=run.usage,
        seconds=run.meter.seconds,
    )
    run.memory.left = run.memory.frames
    run.tell(finished)
    return finished

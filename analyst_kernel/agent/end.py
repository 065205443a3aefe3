"""How a run ends: the last cell is settled, the answer checked and written, the end emitted.

Only this module emits ``RunFinished``, as the last event of a run.
"""

from __future__ import annotations

import asyncio

from analyst_kernel.agent.context import Earlier
from analyst_kernel.agent.evidence.answer import settle_answer
from analyst_kernel.agent.iteration import settle
from analyst_kernel.agent.ports import AnswerEntry
from analyst_kernel.agent.prompts import findings_text
from analyst_kernel.agent.run import AnswerDraft, Ending, Run
from analyst_kernel.agent.start import write_heading, write_question
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.events import RunFinished
from analyst_kernel.protocol.records import Answer


def composed(run: Run, opening: str) -> AnswerDraft:
    """Return an answer without the model: the recorded findings, and nothing else."""
    if run.settled is not None:
        kept = run.settled
        return AnswerDraft(
            f"{opening}\n\n{kept.text}",
            kept.key_values, kept.assumptions, kept.caveats, kept.next_questions,
        )  # fmt: skip
    if run.findings:
        rest = f"Established so far:\n\n{findings_text(run.findings)}"
    elif any(record.outcome == "ok" for record in run.iterations):
        rest = "No finding was recorded; the cells above hold what was computed."
    else:
        rest = "Nothing was established."
    return AnswerDraft(f"{opening}\n\n{rest}")


async def close(run: Run, ending: Ending) -> RunFinished:
    """Settle the open cell, write the answer and emit the end of a run.

    May be called again after it was interrupted. Raises nothing but ``CancelledError``: if the
    answer cannot be written, a notice is emitted.
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
    except Exception as error:  # noqa: BLE001 - the end of the run must be emitted, whatever it was
        what = str(error) if isinstance(error, NotebookError) else repr(error)
        run.notice("not-saved", f"The answer is not in the notebook. {what}")
    # A cancellation during the last event is raised here, so that the emitted status agrees with
    # how this coroutine ends: nothing is awaited after it.
    await asyncio.sleep(0)
    return finish(run, ending, answer)


def finish(run: Run, ending: Ending, answer: Answer | None) -> RunFinished:
    """Keep the run in the memory and emit its last event; nothing may be awaited after this."""
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
    run.memory.frames_at_run_end = run.memory.frames
    run.emit(finished)
    return finished

"""What the model is told of its cell: composed from repair, checks, guidance and observation.

Also where an outcome moves the plan and where lack of progress is noticed.
"""

from __future__ import annotations

from dataclasses import replace

from analyst_kernel.agent.observation import checks, repair
from analyst_kernel.agent.observation.cell import about_chart, observation_text, picture
from analyst_kernel.agent.observation.repair import Attempt
from analyst_kernel.agent.plan import guidance
from analyst_kernel.agent.run import OpenCell, Run
from analyst_kernel.agent.start import reload_after_death
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.agent.transcript import Image, Observation, Text
from analyst_kernel.protocol.outputs import Frame

_FEW_LEFT = 3


async def reply_to(run: Run, opened: OpenCell, before: tuple[Frame, ...]) -> Reply:
    """Compose the tool result of a settled cell, and move the plan by its outcome.

    Args:
        run: Whose cell it is.
        opened: The cell, settled.
        before: Variables before it ran.
    """
    entry, execution = opened.entry, opened.execution
    assert execution is not None
    assert entry.outcome is not None
    error, outcome = execution.error, entry.outcome
    skipped = error is not None and error.name == "Skipped"
    empty = outcome == "ok" and checks.is_empty_result(execution.outputs, before, execution.frames)
    attempt = Attempt(
        entry.iteration,
        repair.fingerprint(entry.code),
        f"{error.name}: {error.message}" if error is not None and not skipped else "",
        empty,
    )
    warning = repair.progress_warning(run.attempts, attempt)
    run.attempts.append(attempt)
    notes: list[str] = []
    told = ""
    if outcome == "ok":
        run.move_plan(run.plan.succeeded(entry.step))
        notes += checks.doubts(execution.outputs, entry.code)
        if empty:
            told = repair.empty_hint(entry.code, run.memory.profiles.values())
    elif skipped:
        told = "The user skipped this cell."
        notes.append("Choose another way, or finish with what is established.")
    elif error is not None:
        frames = execution.frames or before
        told = repair.error_text(error, entry.code, execution.outputs, frames)
        told = f"{told}\n{error.hint}".rstrip()
        run.move_plan(run.plan.failed(entry.step, repairs=run.limits.repairs))
        notes.append(guidance(entry.attempt, run.limits.repairs))
    if warning:
        notes.append(warning)
        run.notice("no-progress", warning)
    if execution.kernel_died:
        notes.append(await reload_after_death(run, error.message if error else "it ended"))
    left = run.limits.iterations - len(run.iterations)
    if left <= _FEW_LEFT:
        notes.append(
            f"{left} iteration{'s' if left != 1 else ''} left."
            if left
            else "No iteration is left: call finish now with what is established."
        )
    text = observation_text(
        iteration=entry.iteration, cell=entry.cell, execution=replace(execution, outcome=outcome),
        before=before, nonce=run.nonce, error=told, notes=notes,
    )  # fmt: skip
    content: tuple[Text | Image, ...] = (Text(text),)
    charted = about_chart(entry.purpose, run.goal_of(entry.step), run.question)
    image = picture(execution.outputs) if run.deps.model.sees_images and charted else None
    if image is not None:
        # Providers advise to put the picture before the words about it.
        content = (image, Text(text))
    observation = Observation(outcome, execution.outputs, run.memory.frames, entry.cell)
    return Reply(content, is_error=outcome != "ok", observation=observation)

"""Composes the tool result of a cell from its observation, repair hints, checks and guidance.

Here the outcome of a cell also moves the plan, and lack of progress is detected. The checks at the
end are cheap tests for results that should make an analyst look twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from analyst_kernel.agent.observation import repair
from analyst_kernel.agent.observation.cell import about_chart, observation_text, picture
from analyst_kernel.agent.observation.repair import Attempt
from analyst_kernel.agent.observation.text import output_text
from analyst_kernel.agent.plan import guidance
from analyst_kernel.agent.run import OpenCell, Run
from analyst_kernel.agent.start import reload_after_death
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.agent.transcript import Image, Observation, Text
from analyst_kernel.protocol.outputs import (
    Frame,
    LineageHint,
    Output,
    ResultOutput,
    StreamOutput,
)

_FEW_LEFT = 3
_EMPTY = re.compile(r"Empty DataFrame|^Series\(\[\]|\b0 rows\b|^\[\]$|shape: \(0,", re.MULTILINE)
_FOOT = re.compile(r"^\[[0-9]+ rows x [0-9]+ columns\]$", re.MULTILINE)
_GAP = re.compile(r"^ .* \.\.\. .*[^ .]|^ .* \.\.\. +\\?$", re.MULTILINE)
_MISSING = {"NaN", "nan", "NaT", "<NA>", "None"}
_CELL = re.compile(r"[^\s|]+")


async def reply_to(run: Run, opened: OpenCell, before: tuple[Frame, ...]) -> Reply:
    """Compose the tool result of a settled cell, and move the plan by its outcome.

    ``before`` are the variables before it ran.
    """
    entry, execution = opened.entry, opened.execution
    assert execution is not None
    assert entry.outcome is not None
    error, outcome = execution.error, entry.outcome
    skipped = error is not None and error.name == "Skipped"
    empty = outcome == "ok" and is_empty_result(execution.outputs, before, execution.frames)
    attempt = Attempt(
        entry.iteration,
        repair.fingerprint(entry.code),
        f"{error.name}: {error.message}" if error is not None and not skipped else "",
        empty,
        "" if skipped else repair.outputs_mark(execution.outputs),
    )
    warning = repair.progress_warning(run.attempts, attempt)
    over = repair.no_progress(run.attempts, attempt)
    if over:
        run.exhausted = run.exhausted or over
        warning = f"{over} Answer with what is established."
    run.attempts.append(attempt)
    notes = list(opened.notes)
    failure = ""
    if outcome == "ok":
        run.move_plan(run.plan.succeeded(entry.step))
        notes += doubts(execution.outputs, entry.code)
        if empty:
            failure = repair.empty_hint(entry.code, run.memory.profiles.values())
    elif skipped:
        failure = "The user skipped this cell."
        notes.append("Choose another way, or finish with what is established.")
    elif error is not None:
        frames = execution.frames or before
        failure = repair.error_text(error, entry.code, execution.outputs, frames)
        failure = f"{failure}\n{error.hint}".rstrip()
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
        iteration=entry.iteration, execution=replace(execution, outcome=outcome), before=before,
        nonce=run.nonce, error=failure, notes=notes, hints=_new_hints(run, opened),
    )  # fmt: skip
    content: tuple[Text | Image, ...] = (Text(text),)
    charted = about_chart(entry.purpose, run.goal_of(entry.step), run.question)
    image = picture(execution.outputs) if run.deps.model.sees_images and charted else None
    if image is not None:
        # Providers advise to put the picture before the words about it.
        content = (image, Text(text))
    observation = Observation(
        outcome, execution.outputs, run.memory.frames, entry.cell, before, execution.trace
    )
    return Reply(content, is_error=outcome != "ok", observation=observation)


def _new_hints(run: Run, opened: OpenCell) -> tuple[LineageHint, ...]:
    """Return the hints of a cell that the model has not got in this run."""
    new = tuple(hint for hint in opened.hints if (hint.code, hint.message) not in run.sent_hints)
    run.sent_hints |= {(hint.code, hint.message) for hint in new}
    return new


def is_empty_result(
    outputs: Sequence[Output], before: Sequence[Frame], after: Sequence[Frame]
) -> bool:
    """Return whether a cell displayed, or left as new, a table without rows."""
    if any(isinstance(o, ResultOutput) and _EMPTY.search(output_text(o)) for o in outputs):
        return True
    old = {frame.name: frame for frame in before}
    new = [frame for frame in after if frame.columns and old.get(frame.name) != frame]
    return bool(new) and all(frame.shape[:1] == (0,) for frame in new)


def doubts(outputs: Sequence[Output], code: str) -> tuple[str, ...]:
    """Return one sentence for each result that is probably not what was meant."""
    found: list[str] = []
    stderr = "".join(o.text for o in outputs if isinstance(o, StreamOutput) and o.name == "stderr")
    if "ChainedAssignmentError" in stderr or "SettingWithCopyWarning" in stderr:
        found.append(
            "check: chained assignment changed nothing. Assign to the column itself: "
            "df[c] = df[c]... or df.loc[rows, c] = ..."
        )
    if any(_left_out(output_text(output)) for output in outputs):
        found.append(
            "check: the display leaves columns out (...). Select the ones that you need, or show "
            "the table as .T, before you speak of them."
        )
    results = [output_text(output) for output in outputs if isinstance(output, ResultOutput)]
    if any(_all_missing(text) for text in results):
        found.append("check: every value of the result is missing (NaN). Did a join or parse fail?")
    if re.search(r"\.dtype\s*==\s*(?:object|['\"]object['\"])", code):
        found.append("check: text columns may have dtype 'str', not object, in this pandas.")
    return tuple(found)


def _left_out(text: str) -> bool:
    """Return whether a displayed table stands for more columns than it shows."""
    return _FOOT.search(text) is not None and _GAP.search(text) is not None


def _all_missing(text: str) -> bool:
    """Return whether a displayed table or value has only missing values, labels aside."""
    lines = [line for line in text.splitlines()[:60] if line.strip()]
    lines = [line for line in lines if not line.startswith(("Name:", "dtype:", "["))]
    if len(lines) == 1:
        return lines[0].strip() in _MISSING
    if lines and not set(_CELL.findall(lines[0])) & _MISSING:
        lines = lines[1:]  # The header of a table.
    values = [value for line in lines for value in _CELL.findall(line)[1:]]
    return len(lines) >= 2 and bool(values) and set(values) <= _MISSING

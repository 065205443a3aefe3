"""The loop: one question, turn by turn, until its answer.

In the order in which a question passes: :mod:`.start` prepares the run, :mod:`.turn` asks the
model, :mod:`.tools.handlers` carries out and answers the tool calls of a turn, :mod:`.iteration`
runs a cell, :mod:`.observation.reply` describes its result to the model, and
:mod:`.evidence.answer` checks the answer. This module decides which of them comes next, and ends
the run: only it emits ``RunFinished``, as the last event of a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from pydantic import ValidationError

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent import prompts
from analyst_kernel.agent.budget import (
    LONGEST_ANSWER,
    MOST_FRUITLESS_TURNS,
    MoneyEnded,
    check_money_limits,
    most_turns,
)
from analyst_kernel.agent.context import AgentDeps, Earlier, Memory
from analyst_kernel.agent.evidence.answer import propose, settle_answer
from analyst_kernel.agent.evidence.marks import with_marks
from analyst_kernel.agent.iteration import settle
from analyst_kernel.agent.lineage.reading import all_reads
from analyst_kernel.agent.observation.cell import clip
from analyst_kernel.agent.ports import AnswerEntry
from analyst_kernel.agent.privacy.probe import learn_user_words
from analyst_kernel.agent.privacy.wall import begin_answer, privacy_of
from analyst_kernel.agent.remember import name_definitions
from analyst_kernel.agent.run import AnswerDraft, Ending, Run
from analyst_kernel.agent.start import open_run, write_heading, write_question
from analyst_kernel.agent.tools.handlers import TOOLS, answer_calls, cut_off_results
from analyst_kernel.agent.tools.inputs import Finish
from analyst_kernel.agent.transcript import ModelRequest, Text, UserMessage, parsed_input
from analyst_kernel.agent.turn import Turn, take_turn
from analyst_kernel.protocol.errors import (
    AnalystError,
    InputError,
    KernelError,
    ModelError,
    NotebookError,
    SandboxError,
)
from analyst_kernel.protocol.events import RunFinished, RunStarted
from analyst_kernel.protocol.records import (
    Answer,
    InstructionsFile,
    InstructionsUsed,
    Limits,
    RunStatus,
)

_WRAP_UP_SECONDS = 60.0


async def run_question(
    deps: AgentDeps,
    memory: Memory,
    question: str,
    *,
    limits: Limits,
    approve: bool = False,
    instructions: Sequence[InstructionsFile] = (),
) -> RunFinished:
    """Answer one question, under ``instructions``. An analysis has one run at a time.

    ``RunStarted`` is always the first event and ``RunFinished`` the last. When cancelled, the
    kernel is left idle, the notebook holds the cell at work and an answer cell with what is
    established, the run ends as ``cancelled``, and ``CancelledError`` is raised.

    Raises:
        InputError: Before any event, if a limit in money could not be kept with this model.
        InputError, SandboxError, KernelError: The run could not begin; it ended as ``failed``.
            Later failures of the model, the kernel or the notebook are not raised: they end the
            run, and its reason names them.
    """
    check_money_limits(deps.model, limits)
    run = Run.begin(deps, memory, question, limits, approve=approve)
    begin_answer(deps.model)
    run.instructions = tuple(instructions)
    run.emit(
        RunStarted(
            **run.stamp, question=run.question, model=deps.model.name, is_ai=deps.model.is_ai,
            limits=limits, privacy=privacy_of(deps.model),
            instructions=tuple(_used(file) for file in instructions),
        )
    )  # fmt: skip
    return await carry_out(run)


def _used(file: InstructionsFile) -> InstructionsUsed:
    return InstructionsUsed(place=file.place, path=file.path, digest=file.digest)


async def carry_out(run: Run) -> RunFinished:
    """Take a run from its first preparation to its end; see :func:`run_question`."""
    try:
        try:
            run.privacy = privacy_of(run.deps.model)
            notes = await open_run(run)
            await learn_user_words(run)
        except (InputError, SandboxError, KernelError) as error:
            if isinstance(error, KernelError):
                run.memory.forget_kernel()
            finish_run(run, Ending("failed", AnswerDraft(""), str(error)), None)
            raise
        try:
            ending = await converse(run, notes)
        except (ModelError, KernelError, NotebookError) as error:
            ending = failed(run, error)
        return await close_run(run, ending)
    except asyncio.CancelledError:
        run.memory.kernel_unsure = True
        reason = "The run was cancelled."
        ending = Ending("cancelled", composed(run, reason), reason)
        await finish_despite_cancel(close_run(run, ending))
        raise
    except AnalystError:
        raise
    except Exception as error:
        # A defect of this package: end the run visibly, then let the error be seen.
        reason = f"A defect of analyst-kernel ended the run: {type(error).__name__}: {error}."
        ending = Ending("failed", composed(run, "The run failed."), reason)
        await finish_despite_cancel(close_run(run, ending))
        raise


async def converse(run: Run, notes: tuple[str, ...]) -> Ending:
    """Take turns until the run has an ending.

    Raises:
        ModelError, KernelError, NotebookError: A failure that ends the run.
    """
    message = prompts.first_message(run, notes)
    fruitless = 0
    most_calls = most_turns(run.limits)
    # Only cells count as iterations, so a model that talks, plans or sends invalid calls could go
    # on for ever: turns without progress and calls in all are limited too. A reached limit leads
    # to one turn without tools, in which the model sums up, except after a turn that timed out.
    while True:
        unpaid = run.meter.money_ended(run.usage)
        if unpaid:
            return out_of_money(run, unpaid)
        over = run.meter.ended(run.usage) or run.exhausted
        if not over and fruitless >= MOST_FRUITLESS_TURNS:
            over = f"The model made no progress in {fruitless} turns."
        if not over and run.calls >= most_calls:
            over = f"The model was called {run.calls} times without an answer."
        if over:
            return await wrap_up(run, message, over)
        run.transcript.append(message)
        try:
            turn = await timed_turn(run)
        except MoneyEnded as ended:
            return out_of_money(run, str(ended))
        if turn is None:
            return await wrap_up(
                run, None, run.meter.ended(run.usage) or "The time limit was reached."
            )
        ran = len(run.iterations)
        message = await _reply(run, turn)
        if run.ending is not None:
            run.transcript.append(message)
            return run.ending
        useful = len(run.iterations) > ran or any(not r.is_error for r in message.results)
        fruitless = 0 if useful else fruitless + 1


async def timed_turn(run: Run) -> Turn | None:
    """Take one turn within the run's time; return None if the time ended first."""
    await _learn_for_stricter(run)
    request = ModelRequest(prompts.SYSTEM_PROMPT, TOOLS.specs(), tuple(run.transcript))
    try:
        async with asyncio.timeout(run.meter.seconds_left):
            return await take_turn(run, request)
    except TimeoutError:
        return None


async def _learn_for_stricter(run: Run) -> None:
    """Have the wall know data and words if the user made the privacy mode stricter meanwhile."""
    mode = privacy_of(run.deps.model)
    if mode == run.privacy:
        return
    run.privacy = mode
    run.notice(
        "privacy-stricter",
        f"From here on the model is asked in the privacy mode {mode!r}. What it was sent before "
        "goes along as tokens or not at all, so it may repeat a step.",
        "info",
    )
    prompts.datasets_text(run)
    await learn_user_words(run)


async def _reply(run: Run, turn: Turn) -> UserMessage:
    """Do what a complete turn asks for, and return the next message to the model.

    The turn joins the transcript together with its results, or not at all.
    """
    match turn.reason:
        case "refusal":
            detail = f" It said: {turn.detail}" if turn.detail else ""
            raise ModelError(
                f"The model declined to go on.{detail}",
                "Put the question differently, or choose another model.",
                fault="refused",
                retryable=False,
            )
        case "context_exceeded":
            raise ModelError(
                "The conversation no longer fits into the model.",
                "Ask a narrower question: it starts from the findings so far.",
                fault="too_long",
                retryable=False,
            )
        case "tool_use" | "max_tokens" | "end_turn" if not turn.message.calls:
            run.transcript.append(turn.message)
            return _take_text(run, turn)
        case "tool_use":
            return await answer_calls(run, turn)
        case "max_tokens":
            return cut_off_results(run, turn, prompts.CUT_OFF)
        case "end_turn":
            why = "Not run: the turn did not end as a tool call. Send the call again."
            return cut_off_results(run, turn, why)
        case _:
            assert_never(turn.reason)


def _take_text(run: Run, turn: Turn) -> UserMessage:
    """Take a reply without a call as an answer, and check it as ``finish`` does."""
    text = turn.message.text.strip()
    if not text:
        return UserMessage(text=(Text(prompts.EMPTY_REPLY),))
    draft = AnswerDraft(text)
    if turn.reason == "max_tokens":
        draft = replace(draft, caveats=("The model's answer was cut off at its length limit.",))
    return UserMessage(text=(Text(propose(run, draft) or "The answer was taken."),))


def out_of_money(run: Run, reason: str) -> Ending:
    """End a run at a limit in money: the model is not even asked to sum up, which costs again."""
    run.notice("budget-ended", reason)
    return Ending("incomplete", composed(run, reason), reason)


async def wrap_up(run: Run, message: UserMessage | None, reason: str) -> Ending:
    """Ask once, without tools, for the answer so far; compose one if the model cannot.

    ``message`` was not sent yet. It is None if a turn was asked for and did not come in time, so
    that the model is not asked again.
    """
    run.notice("budget-ended", reason)
    turn = None
    if message is not None:
        request_text = Text(prompts.WRAP_UP.format(reason=reason))
        run.transcript.append(replace(message, text=(*message.text, request_text)))
        turn = await _last_turn(run)
    if turn is None:
        return Ending("incomplete", composed(run, reason), reason)
    if turn.message.calls:
        run.transcript.append(cut_off_results(run, turn, "Not run: the run has ended."))
    else:
        run.transcript.append(turn.message)
    return Ending("incomplete", _last_draft(turn) or composed(run, reason), reason)


async def _last_turn(run: Run) -> Turn | None:
    request = ModelRequest(
        prompts.SYSTEM_PROMPT, TOOLS.specs(), tuple(run.transcript), tool_choice="none"
    )
    try:
        async with asyncio.timeout(_WRAP_UP_SECONDS):
            return await take_turn(run, request)
    except (ModelError, MoneyEnded, TimeoutError) as error:
        why = str(error) or f"The model did not answer within {_WRAP_UP_SECONDS:.0f} s."
        run.notice("wrap-up-failed", f"The model could not sum up. {why}")
        return None


def _last_draft(turn: Turn) -> AnswerDraft | None:
    """Take the text, or a ``finish`` that was sent although no tool could be called."""
    for call in turn.message.calls:
        if call.tool == "finish" and call.call_id not in turn.broken:
            try:
                draft = Finish.model_validate(parsed_input(call.raw_input)).draft()
                return replace(draft, text=clip(draft.text, LONGEST_ANSWER))
            except ValidationError:
                continue
    text = turn.message.text.strip()
    return AnswerDraft(clip(text, LONGEST_ANSWER)) if text and turn.reason != "refusal" else None


def failed(run: Run, error: ModelError | KernelError | NotebookError) -> Ending:
    """Return the ending of a run that cannot go on.

    It is ``failed`` if the model failed. After anything else, and if the conversation became too
    long, the run is ``incomplete``.
    """
    of_model = isinstance(error, ModelError) and error.fault != "too_long"
    status: RunStatus = "failed" if of_model else "incomplete"
    return Ending(status, composed(run, f"This run ended early. {error}"), str(error))


def composed(run: Run, opening: str) -> AnswerDraft:
    """Return an answer without the model: the recorded findings, and nothing else."""
    if run.settled is not None:
        kept = run.settled
        return AnswerDraft(
            f"{opening}\n\n{kept.text}",
            kept.key_values, kept.assumptions, kept.caveats, kept.next_questions,
        )  # fmt: skip
    if run.findings:
        rest = f"Established so far:\n\n{prompts.findings_text(run.findings)}"
    elif any(record.outcome == "ok" for record in run.iterations):
        rest = "No finding was recorded; the cells above hold what was computed."
    else:
        rest = "Nothing was established."
    return AnswerDraft(f"{opening}\n\n{rest}")


async def close_run(run: Run, ending: Ending) -> RunFinished:
    """Settle the open cell, write the answer and emit the end of a run.

    May be called again after it was interrupted. Raises nothing but ``CancelledError``: if the
    answer cannot be written, a notice is emitted.
    """
    run.ending = ending
    answer: Answer | None = None
    try:
        await settle(run, closing=True)
        plan = run.plan.finished(run.cells_that_ran, answered=ending.status == "answered")
        run.move_plan(plan)
        name_definitions(run, (ending.draft.text, *ending.draft.assumptions))
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
    return finish_run(run, ending, answer)


def finish_run(run: Run, ending: Ending, answer: Answer | None) -> RunFinished:
    """Keep the run in the memory and emit its last event; nothing may be awaited after this."""
    text = answer.text if answer is not None else ""
    if answer is not None:
        marked = with_marks(text, answer.numbers)
        ran = [record.cell for record in run.iterations if record.outcome == "ok"]
        reads = all_reads(ran, run.memory.shown)
        run.memory.earlier.append(Earlier(run.id, run.question, marked, ending.status, reads=reads))
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

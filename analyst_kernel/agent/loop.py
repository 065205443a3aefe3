"""The loop: one question, turn by turn, until its answer.

In the order in which a question passes: :mod:`.start` prepares the run, :mod:`.turn` asks the
model, :mod:`.tools.dispatch` answers the tool calls of a turn, :mod:`.tools.handlers` carries them
out, :mod:`.iteration` runs a cell, :mod:`.observation.reply` describes its result to the model, and
:mod:`.end` checks and writes the answer. This module decides which of them comes next.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import assert_never

from pydantic import ValidationError

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent import end, prompts
from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.evidence.answer import propose
from analyst_kernel.agent.prompts import SYSTEM_PROMPT
from analyst_kernel.agent.run import AnswerDraft, Ending, Run
from analyst_kernel.agent.start import open_run
from analyst_kernel.agent.tools.dispatch import answer_calls, cut_off_results
from analyst_kernel.agent.tools.handlers import TOOLS
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
from analyst_kernel.protocol.records import Limits, RunStatus

MOST_FRUITLESS_TURNS = 6
"""Turns in a row without a cell or an accepted call, after which the run gives up."""

_WRAP_UP_SECONDS = 60.0


async def run_question(
    deps: AgentDeps, memory: Memory, question: str, *, limits: Limits, approve: bool = False
) -> RunFinished:
    """Answer one question. An analysis has one run at a time.

    ``RunStarted`` is always the first event and ``RunFinished`` the last. When cancelled, the
    kernel is left idle, the notebook holds the cell at work and an answer cell with what is
    established, the run ends as ``cancelled``, and ``CancelledError`` is raised.

    Raises:
        InputError, SandboxError, KernelError: The run could not begin; it ended as ``failed``.
            Later failures of the model, the kernel or the notebook are not raised: they end the
            run, and its reason names them.
    """
    run = Run.begin(deps, memory, question, limits, approve=approve)
    run.emit(
        RunStarted(
            **run.stamp, question=run.question, model=deps.model.name, is_ai=deps.model.is_ai,
            limits=limits,
        )
    )  # fmt: skip
    return await carry_out(run)


async def carry_out(run: Run) -> RunFinished:
    """Take a run from its first preparation to its end; see :func:`run_question`."""
    try:
        try:
            notes = await open_run(run)
        except (InputError, SandboxError, KernelError) as error:
            if isinstance(error, KernelError):
                run.memory.forget_kernel()
            end.finish(run, Ending("failed", AnswerDraft(""), str(error)), None)
            raise
        try:
            ending = await converse(run, notes)
        except (ModelError, KernelError, NotebookError) as error:
            ending = failed(run, error)
        return await end.close(run, ending)
    except asyncio.CancelledError:
        run.memory.kernel_unsure = True
        reason = "The run was cancelled."
        ending = Ending("cancelled", end.composed(run, reason), reason)
        await finish_despite_cancel(end.close(run, ending))
        raise
    except AnalystError:
        raise
    except Exception as error:
        # A defect of this package: end the run visibly, then let the error be seen.
        reason = f"A defect of analyst-kernel ended the run: {type(error).__name__}: {error}."
        ending = Ending("failed", end.composed(run, "The run failed."), reason)
        await finish_despite_cancel(end.close(run, ending))
        raise


async def converse(run: Run, notes: tuple[str, ...]) -> Ending:
    """Take turns until the run has an ending.

    Raises:
        ModelError, KernelError, NotebookError: A failure that ends the run.
    """
    message = prompts.first_message(run, notes)
    fruitless = 0
    most_calls = 4 * run.limits.iterations + 12
    # Only cells count as iterations, so a model that talks, plans or sends invalid calls could go
    # on for ever: turns without progress and calls in all are limited too. A reached limit leads
    # to one turn without tools, in which the model sums up, except after a turn that timed out.
    while True:
        over = run.meter.ended(run.usage) or run.exhausted
        if not over and fruitless >= MOST_FRUITLESS_TURNS:
            over = f"The model made no progress in {fruitless} turns."
        if not over and run.calls >= most_calls:
            over = f"The model was called {run.calls} times without an answer."
        if over:
            return await wrap_up(run, message, over)
        run.transcript.append(message)
        turn = await timed_turn(run)
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
    request = ModelRequest(SYSTEM_PROMPT, TOOLS.specs(), tuple(run.transcript))
    try:
        async with asyncio.timeout(run.meter.seconds_left):
            turn = await take_turn(run, request)
    except TimeoutError:
        return None
    if run.limits.cost_usd is not None and run.usage.cost_usd is None and run.calls == 1:
        run.notice(
            "cost-unknown",
            f"The price of {run.deps.model.name} is not known, so the cost limit cannot be kept.",
        )
    return turn


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
    doubts = propose(run, draft)
    if doubts is None:
        return UserMessage(text=(Text("The answer was taken."),))
    return UserMessage(text=(Text(prompts.correction(doubts.numbers, doubts.citations)),))


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
        return Ending("incomplete", end.composed(run, reason), reason)
    if turn.message.calls:
        run.transcript.append(cut_off_results(run, turn, "Not run: the run has ended."))
    else:
        run.transcript.append(turn.message)
    return Ending("incomplete", _last_draft(turn) or end.composed(run, reason), reason)


async def _last_turn(run: Run) -> Turn | None:
    request = ModelRequest(SYSTEM_PROMPT, TOOLS.specs(), tuple(run.transcript), tool_choice="none")
    try:
        async with asyncio.timeout(_WRAP_UP_SECONDS):
            return await take_turn(run, request)
    except (ModelError, TimeoutError) as error:
        why = str(error) or f"The model did not answer within {_WRAP_UP_SECONDS:.0f} s."
        run.notice("wrap-up-failed", f"The model could not sum up. {why}")
        return None


def _last_draft(turn: Turn) -> AnswerDraft | None:
    """Take the text, or a ``finish`` that was sent although no tool could be called."""
    for call in turn.message.calls:
        if call.tool == "finish" and call.call_id not in turn.broken:
            try:
                return Finish.model_validate(parsed_input(call.raw_input)).draft()
            except ValidationError:
                continue
    text = turn.message.text.strip()
    return AnswerDraft(text) if text and turn.reason != "refusal" else None


def failed(run: Run, error: ModelError | KernelError | NotebookError) -> Ending:
    """Return the ending of a run that cannot go on.

    It is ``failed`` if the model failed. After anything else, and if the conversation became too
    long, the run is ``incomplete``.
    """
    of_model = isinstance(error, ModelError) and error.fault != "too_long"
    status: RunStatus = "failed" if of_model else "incomplete"
    return Ending(status, end.composed(run, f"This run ended early. {error}"), str(error))

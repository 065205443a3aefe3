"""The last turn of a run whose budget ended: what is established, and what is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pydantic import ValidationError

from analyst_kernel.agent import closing, prompt
from analyst_kernel.agent.conversation import cut_off_results
from analyst_kernel.agent.errors import ModelError
from analyst_kernel.agent.run import Draft, Ending, Run
from analyst_kernel.agent.system_prompt import SYSTEM_PROMPT
from analyst_kernel.agent.tool_handlers import TOOLS
from analyst_kernel.agent.tool_inputs import Finish, texts
from analyst_kernel.agent.transcript import ModelRequest, Text, UserMessage
from analyst_kernel.agent.turn import Turn, parsed_object, take_turn

_SECONDS = 60.0


async def wrap_up(run: Run, message: UserMessage | None, reason: str) -> Ending:
    """Ask once, without tools, for the answer so far; compose one where the model cannot.

    Args:
        run: Whose budget ended.
        message: What was to be said next and was not sent yet; ``None`` where the last turn was
            asked for and did not come, so that no further one is.
        reason: Which limit was reached.
    """
    run.notice("budget-ended", reason)
    turn = None
    if message is not None:
        request_text = Text(prompt.WRAP_UP.format(reason=reason))
        run.transcript.append(replace(message, text=(*message.text, request_text)))
        turn = await _last_turn(run)
    draft = _draft(turn) if turn is not None else None
    if turn is not None:
        if turn.message.calls:
            run.transcript.append(cut_off_results(run, turn, "Not run: the run has ended."))
        else:
            run.transcript.append(turn.message)
    return Ending("incomplete", draft or closing.composed(run, reason), reason)


async def _last_turn(run: Run) -> Turn | None:
    run.calls += 1
    request = ModelRequest(SYSTEM_PROMPT, TOOLS.specs(), tuple(run.transcript), tool_choice="none")
    try:
        async with asyncio.timeout(_SECONDS):
            return await take_turn(run.bench, run.id, request, call=run.calls, spend=run.spend)
    except (ModelError, TimeoutError) as error:
        why = str(error) or f"The model did not answer within {_SECONDS:.0f} s."
        run.notice("wrap-up-failed", f"The model could not sum up. {why}")
        return None


def _draft(turn: Turn) -> Draft | None:
    """Take the text, or a ``finish`` that was sent although no tool was to be called."""
    for call in turn.message.calls:
        if call.tool == "finish" and call.call_id not in turn.broken:
            try:
                sent = Finish.model_validate(parsed_object(call.raw_input))
            except ValidationError:
                continue
            return Draft(
                sent.answer.strip(),
                tuple(figure.record() for figure in sent.key_values),
                texts(sent.assumptions),
                texts(sent.caveats),
                texts(sent.next_questions)[:3],
            )
    text = turn.message.text.strip()
    return Draft(text) if text and turn.reason != "refusal" else None

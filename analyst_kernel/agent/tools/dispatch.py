"""Answers the tool calls of a complete turn: each exactly once, in order, whatever happens."""

from __future__ import annotations

import asyncio

from analyst_kernel.agent import prompts
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.tools.handlers import TOOLS
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.agent.transcript import Text, ToolCall, ToolResult, UserMessage
from analyst_kernel.agent.turn import Turn, parsed_object

_CELL_TOOLS = ("run_python", "run_sql")


async def answer_calls(run: Run, turn: Turn) -> UserMessage:
    """Run a turn's tools and return their results; the turn joins the transcript.

    Also when a call is interrupted the transcript ends with a result for each call.
    """
    results: list[ToolResult] = []
    skip = ""
    try:
        for call in turn.message.calls:
            reply = Reply.refuse(skip) if skip else await _answer(run, turn, call)
            results.append(
                ToolResult(call.call_id, reply.content, reply.is_error, reply.observation)
            )
            if not skip:
                skip = _why_skip_rest(run, call, reply)
    except BaseException as error:
        stopped = isinstance(error, asyncio.CancelledError)
        rest = _refusals(
            turn, prompts.CANCELLED if stopped else "The run ended here.", len(results)
        )
        run.transcript += [turn.message, UserMessage(results=(*results, *rest))]
        raise
    run.transcript.append(turn.message)
    return UserMessage(results=tuple(results))


def cut_off_results(run: Run, turn: Turn, why: str) -> UserMessage:
    """Answer each call of a turn that may not run; the turn joins the transcript."""
    run.transcript.append(turn.message)
    return UserMessage(results=_refusals(turn, why))


async def _answer(run: Run, turn: Turn, call: ToolCall) -> Reply:
    raw = turn.broken.get(call.call_id)
    arguments = parsed_object(call.raw_input)
    if raw is not None or arguments is None:
        return Reply.refuse(prompts.broken_input(raw if raw is not None else call.raw_input))
    return await TOOLS.call(call.tool, arguments, run)


def _why_skip_rest(run: Run, call: ToolCall, reply: Reply) -> str:
    """Say why the calls behind this one are not run, or return an empty text."""
    if call.tool == "finish" and (run.ending is not None or reply.is_error):
        return prompts.NOT_RUN_AFTER_FINISH
    if call.tool in _CELL_TOOLS and reply.is_error:
        return "Not run: the cell before it in this turn did not succeed. Look at its result first."
    return ""


def _refusals(turn: Turn, why: str, after: int = 0) -> tuple[ToolResult, ...]:
    return tuple(
        ToolResult(call.call_id, (Text(why),), is_error=True) for call in turn.message.calls[after:]
    )

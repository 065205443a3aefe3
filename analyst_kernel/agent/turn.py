"""One turn of the model: its stream told as events, its failures retried in the open.

Nothing of a turn is used before it is complete. Running its tools is the loop's business.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never, cast

from analyst_kernel.agent.context import AgentDeps
from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import AssistantMessage, ModelRequest, ToolCall
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.events import (
    ModelCalled,
    ModelReplied,
    ModelRetried,
    TextStreamed,
    ThinkingStreamed,
    ToolInputStreamed,
)
from analyst_kernel.protocol.ids import RunId
from analyst_kernel.protocol.records import Usage

StopReason = Literal["end_turn", "tool_use", "max_tokens", "refusal", "context_exceeded"]
_MORE_ROOM = 2
"""Factor on ``max_tokens`` for the second try of a reply that was cut off."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A complete turn.

    Attributes:
        message: For the transcript; a call whose input is no JSON object stands there with ``{}``.
        reason: Tools may run only for ``tool_use``.
        broken: Raw text of the inputs that are no JSON object, by call id.
        detail: The provider's own words on a refusal.
    """

    message: AssistantMessage
    reason: StopReason
    broken: dict[str, str] = field(default_factory=dict)
    detail: str = ""


async def take_turn(
    deps: AgentDeps,
    run: RunId,
    request: ModelRequest,
    *,
    call: int,
    spend: Callable[[Usage], Usage],
) -> Turn:
    """Ask the model once, retrying what may be retried, and tell everything as events.

    Args:
        deps: Model and event sink.
        run: Stamped on the events.
        request: What to ask.
        call: Number of this call in the run, from 1.
        spend: Adds tokens to the run's total and returns it; called for failed and cancelled
            attempts too, because they cost as well.

    Raises:
        ModelError: When no further attempt makes sense; nothing of the turn is kept.
    """
    deps.emit(ModelCalled(analysis=deps.analysis, run=run, call=call))
    attempt = 1
    roomier = False
    while True:
        gathered = _Gathered()
        try:
            await _gather(deps, run, request, call, gathered)
        except ModelError as error:
            wait = retry_wait(error, attempt, deps.jitter())
            if wait is None:
                raise given_up(error, attempt) from error
            attempt += 1
            deps.emit(
                ModelRetried(
                    analysis=deps.analysis, run=run, call=call,
                    attempt=attempt, of=ATTEMPTS, wait=wait, reason=error.what,
                )
            )  # fmt: skip
            await deps.sleep(wait)
            continue
        finally:
            total = spend(gathered.cost())
        if gathered.reason == "max_tokens" and not roomier:
            roomier = True
            reason = f"The reply was cut off at {request.max_tokens:,} tokens; asking for more."
            request = replace(request, max_tokens=request.max_tokens * _MORE_ROOM)
            deps.emit(
                ModelRetried(
                    analysis=deps.analysis, run=run, call=call,
                    attempt=2, of=2, wait=0, reason=reason,
                )
            )  # fmt: skip
            continue
        deps.emit(
            ModelReplied(
                analysis=deps.analysis, run=run, call=call,
                stop_reason=gathered.reason, usage=total,
            )
        )  # fmt: skip
        return gathered.turn(deps.model.name)


@dataclass(slots=True)
class _Call:
    call_id: str
    tool: str
    raw: str | None = None


@dataclass(slots=True)
class _Gathered:
    """What has streamed so far."""

    text: list[str] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    stopped: Stopped | None = None

    @property
    def reason(self) -> StopReason:
        assert self.stopped is not None  # _gather returns only then
        return self.stopped.reason

    def cost(self) -> Usage:
        """Return the tokens; only an answered attempt counts as a call."""
        return self.usage.model_copy(update={"calls": int(self.stopped is not None)})

    def turn(self, model: str) -> Turn:
        assert self.stopped is not None
        calls: list[ToolCall] = []
        broken: dict[str, str] = {}
        for call in self.calls.values():
            raw = call.raw or ""
            if call.raw is None or parsed_object(raw) is None:
                broken[call.call_id] = raw
                raw = "{}"
            calls.append(ToolCall(call.call_id, call.tool, raw or "{}"))
        message = AssistantMessage("".join(self.text), tuple(calls), self.stopped.raw, model)
        return Turn(message, self.stopped.reason, broken, self.stopped.detail)


async def _gather(
    deps: AgentDeps, run: RunId, request: ModelRequest, call: int, gathered: _Gathered
) -> None:
    async with aclosing(_closable(deps.model.stream(request))) as events:
        async for event in events:
            if _take(deps, run, event, call, gathered):
                break
    if gathered.stopped is None:
        raise _truncated("before the message was complete")
    if gathered.reason == "tool_use" and any(c.raw is None for c in gathered.calls.values()):
        raise _truncated("in the middle of a tool call")


def _take(deps: AgentDeps, run: RunId, event: ModelEvent, call: int, gathered: _Gathered) -> bool:
    """Fold one event; return whether it was the last."""
    stamp = deps.analysis
    match event:
        case TextDelta():
            gathered.text.append(event.text)
            deps.emit(TextStreamed(analysis=stamp, run=run, call=call, text=event.text))
        case ThinkingDelta():
            deps.emit(ThinkingStreamed(analysis=stamp, run=run, call=call, text=event.text))
        case ToolStarted():
            gathered.calls[event.index] = _Call(event.call_id, event.tool)
        case ToolInputDelta():
            started = gathered.calls.get(event.index)
            if started is None:
                raise _malformed()
            deps.emit(
                ToolInputStreamed(
                    analysis=stamp, run=run, call=call,
                    tool=started.tool, tool_call=started.call_id, text=event.text,
                )
            )  # fmt: skip
        case ToolEnded():
            if event.index not in gathered.calls:
                raise _malformed()
            gathered.calls[event.index].raw = event.raw_input
        case UsageReported():
            gathered.usage = event.usage
        case Stopped():
            gathered.stopped = event
            return True
        case _:
            assert_never(event)
    return False


def parsed_object(raw: str) -> dict[str, Json] | None:
    """Parse a tool input strictly; ``None`` unless it is one JSON object. Empty text is ``{}``."""
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Json]", value) if isinstance(value, dict) else None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _truncated(where: str) -> ModelError:
    return ModelError(
        f"The model's reply ended {where}.",
        "Ask again, or choose another model.",
        fault="truncated",
        retryable=True,
    )


def _malformed() -> ModelError:
    return ModelError(
        "The model's reply was not in a form that can be read.",
        "Choose another model, or check what serves it.",
        fault="malformed",
        retryable=True,
    )


async def _closable(stream: AsyncIterator[ModelEvent]) -> AsyncGenerator[ModelEvent, None]:
    """Make sure that a stream left early is closed at once, whatever kind of iterator it is."""
    try:
        async for event in stream:
            yield event
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds; a provider that asks for more gets its error told to the user instead."""


def retry_wait(error: ModelError, attempt: int, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or ``None`` to give up.

    Args:
        error: Why the last attempt failed.
        attempt: How many attempts were made, from 1.
        jitter: Between 0 and 1.
    """
    # A cut stream is always worth another try: nothing of it was used.
    if not (error.retryable or error.fault == "truncated") or attempt >= ATTEMPTS:
        return None
    if error.retry_after is not None:
        return max(error.retry_after, 0.0) if error.retry_after <= LONGEST_WAIT else None
    return float(min(2 ** (attempt - 1), 30)) * (0.5 + 0.5 * jitter)


def given_up(error: ModelError, attempts: int) -> ModelError:
    """Say to the user why no further attempt is made."""
    if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
        what = f"{error.what} The provider asks to wait {error.retry_after:,.0f} s."
        remedy = "Ask again later, or choose another model. The analysis is saved."
    elif attempts > 1:
        what = f"{error.what} It was tried {attempts} times."
        remedy = error.remedy or "Ask again later, or choose another model. The analysis is saved."
    else:
        return error
    return ModelError(
        what,
        remedy,
        fault=error.fault,
        retryable=False,
        retry_after=error.retry_after,
    )

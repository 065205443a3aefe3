"""One turn of the model: its stream becomes events, and its failures are retried visibly.

Nothing of a turn is used before it is complete. The loop runs its tools.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import assert_never

from analyst_kernel.agent import ports
from analyst_kernel.agent.budget import (
    LONGEST_REPLY,
    MOST_EMPTY_EVENTS,
    MoneyEnded,
    billing_of,
    stopped_reply,
)
from analyst_kernel.agent.run import EventStamp, Run
from analyst_kernel.agent.transcript import AssistantMessage, ModelRequest, ToolCall, parsed_input
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.records import Usage

ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds; if the provider asks for more, the user gets the error instead."""

_MORE_ROOM = 2
"""Factor on ``max_tokens`` for the second try of a reply that was cut off."""


class CallStamp(EventStamp):
    """The fields that every event of a model call has in common."""

    call: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A complete turn.

    Attributes:
        message: For the transcript. The input of a call is ``{}`` there if it is not a JSON object.
        reason: Tools may run only for ``tool_use``.
        broken: Raw text of the inputs that are not JSON objects, by call id.
    """

    message: AssistantMessage
    reason: ports.StopReason
    broken: dict[str, str] = field(default_factory=dict)
    detail: str = ""


async def take_turn(run: Run, request: ModelRequest) -> Turn:
    """Ask the model, retry what may be retried, and emit everything as events.

    The tokens of failed and cancelled attempts are added to the run's usage too, because they cost
    as well.

    Raises:
        ModelError: No further attempt makes sense; nothing of the turn is kept.
        MoneyEnded: Another attempt would be needed, and may not be paid for.
    """
    deps = run.deps
    run.calls += 1
    stamp: CallStamp = {**run.stamp, "call": run.calls}
    run.emit(ev.ModelCalled(**stamp))
    attempt = 1
    roomier = False
    # Each attempt gathers from zero: the pieces of a failed one are void, and the events say so.
    # A reply that was cut off at its length is asked for once more with twice the room. That does
    # not count as a failed attempt; the second time its truncation is the turn's stop reason.
    while True:
        gathered = _Attempt(run, stamp)
        try:
            try:
                await gathered.gather(request)
            finally:
                run.count(gathered.cost())
        except ModelError as error:
            wait = retry_wait(error, attempt, deps.jitter())
            if wait is None:
                raise given_up(error, attempt) from error
            _check_money(run)
            attempt += 1
            what = error.what
            run.emit(ev.ModelRetried(**stamp, attempt=attempt, of=ATTEMPTS, wait=wait, reason=what))
            await deps.sleep(wait)
            continue
        turn = gathered.turn()
        if turn.reason == "max_tokens" and not roomier:
            _check_money(run)
            roomier = True
            reason = f"The reply was cut off at {request.max_tokens:,} tokens; asking for more."
            request = replace(request, max_tokens=request.max_tokens * _MORE_ROOM)
            run.emit(ev.ModelRetried(**stamp, attempt=2, of=2, wait=0, reason=reason))
            continue
        run.emit(ev.ModelReplied(**stamp, stop_reason=turn.reason, usage=run.usage))
        return turn


def _check_money(run: Run) -> None:
    ended = run.meter.money_ended(run.usage)
    if ended:
        raise MoneyEnded(ended)


def retry_wait(error: ModelError, attempt: int, jitter: float) -> float | None:
    """Return the seconds to wait after ``attempt`` (from 1) failed, or None to give up."""
    # A truncated stream is always worth another try: nothing of it was used.
    if not (error.retryable or error.fault == "truncated") or attempt >= ATTEMPTS:
        return None
    if error.retry_after is not None:
        return max(error.retry_after, 0.0) if error.retry_after <= LONGEST_WAIT else None
    return float(min(2 ** (attempt - 1), 30)) * (0.5 + 0.5 * jitter)


def given_up(error: ModelError, attempts: int) -> ModelError:
    """Return the error that ends the run, which says why no further attempt is made."""
    if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
        what = f"{error.what} The provider asks to wait {error.retry_after:,.0f} s."
        remedy = "Ask again later, or choose another model. The analysis is saved."
    elif attempts > 1:
        what = f"{error.what} It was tried {attempts} times."
        remedy = error.remedy or "Ask again later, or choose another model. The analysis is saved."
    else:
        return error
    return ModelError(
        what, remedy, fault=error.fault, retryable=False, retry_after=error.retry_after
    )


@dataclass(slots=True)
class _Call:
    call_id: str
    tool: str
    raw: str | None = None


@dataclass(slots=True)
class _Attempt:
    """One attempt to get a turn, and the pieces of it that have streamed so far."""

    run: Run
    stamp: CallStamp
    text: list[str] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    usage: Usage | None = None
    stopped: ports.Stopped | None = None
    size: int = 0
    empty: int = 0

    def cost(self) -> Usage:
        """Return what the attempt used; only one with a complete answer counts as a call.

        What no server told is not known, unless the model is free or nothing came of it at all.
        """
        answered = self.stopped is not None
        if self.usage is not None:
            used = self.usage
        elif answered or self.size:
            used = Usage(cost_usd=None)
        else:
            used = Usage()
        if used.cost_usd is None and billing_of(self.run.deps.model) == "free":
            used = used.model_copy(update={"cost_usd": 0.0})
        elif not answered and self.usage is not None:
            # What a server tells before its answer ends are not all of its tokens.
            partial = {"cost_usd": None, "partial_usd": used.known_usd}
            used = used.model_copy(update=partial)
        # One answer may have taken several requests, which the wire then counts.
        calls = max(used.calls, 1) if answered else 0
        return used.model_copy(update={"calls": calls, "failed_calls": int(not answered)})

    def turn(self) -> Turn:
        assert self.stopped is not None  # gather() returns only then
        calls: list[ToolCall] = []
        broken: dict[str, str] = {}
        for call in self.calls.values():
            raw = call.raw or ""
            if call.raw is None or parsed_input(raw) is None:
                broken[call.call_id] = raw
                raw = "{}"
            calls.append(ToolCall(call.call_id, call.tool, raw or "{}"))
        model = self.run.deps.model.name
        message = AssistantMessage("".join(self.text), tuple(calls), self.stopped.raw, model)
        return Turn(message, self.stopped.reason, broken, self.stopped.detail)

    async def gather(self, request: ModelRequest) -> None:
        async with aclosing(_closable(self.run.deps.model.stream(request))) as events:
            async for event in events:
                if self._take(event):
                    break
        if self.stopped is None:
            raise _truncated("before the message was complete")
        if self.stopped.reason == "tool_use" and any(c.raw is None for c in self.calls.values()):
            raise _truncated("in the middle of a tool call")

    def _take(self, event: ports.ModelEvent) -> bool:
        """Fold one event; return whether it was the last."""
        self._measure(event)
        stamp, emit = self.stamp, self.run.emit
        match event:
            case ports.TextDelta(text=text):
                self.text.append(text)
                emit(ev.TextStreamed(**stamp, text=text))
            case ports.ThinkingDelta(text=text):
                emit(ev.ThinkingStreamed(**stamp, text=text))
            case ports.ToolStarted():
                self.calls[event.index] = _Call(event.call_id, event.tool)
            case ports.ToolInputDelta(text=text):
                call = self._call(event.index)
                emit(
                    ev.ToolInputStreamed(**stamp, tool=call.tool, tool_call=call.call_id, text=text)
                )
            case ports.ToolEnded():
                self._call(event.index).raw = event.raw_input
            case ports.UsageReported():
                self.usage = event.usage
            case ports.Stopped():
                self.stopped = event
                return True
            case _:
                assert_never(event)
        return False

    def _measure(self, event: ports.ModelEvent) -> None:
        """Raise ``ModelError`` for a reply that does not end by itself."""
        match event:
            case ports.TextDelta(text=text) | ports.ThinkingDelta(text=text):
                brought = len(text)
            case ports.ToolInputDelta(text=text):
                brought = len(text)
            case ports.ToolStarted():
                brought = 1 + len(event.tool)
            case ports.UsageReported():
                brought = 0
            case _:
                return
        self.size += brought
        self.empty = 0 if brought else self.empty + 1
        if self.size > LONGEST_REPLY:
            raise stopped_reply(f"grew over {LONGEST_REPLY:,} characters")
        if self.empty > MOST_EMPTY_EVENTS:
            raise stopped_reply("went on without content")

    def _call(self, index: int) -> _Call:
        if index not in self.calls:
            raise ModelError(
                "The model's reply was not in a form that can be read.",
                "Choose another model, or check what serves it.",
                fault="malformed",
                retryable=True,
            )
        return self.calls[index]


def _truncated(where: str) -> ModelError:
    return ModelError(
        f"The model's reply ended {where}.",
        "Ask again, or choose another model.",
        fault="truncated",
        retryable=True,
    )


async def _closable(
    stream: AsyncIterator[ports.ModelEvent],
) -> AsyncGenerator[ports.ModelEvent, None]:
    """Wrap a stream so that it is closed at once when left early, whatever iterator it is."""
    try:
        async for event in stream:
            yield event
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()

"""What every wire has in common: one request is one stream, watched, folded and closed.

A wire adds its SDK's client, the parameters of a request, the fold of its events and the reading of
its errors. Nothing here retries; the core does, visibly.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NoReturn, Protocol, TypeGuard, TypeVar

from analyst_kernel.agent.budget import (
    MOST_EMPTY_EVENTS,
    Billing,
    add_usage,
    stopped_reply,
)
from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    UsageReported,
)
from analyst_kernel.agent.transcript import Image, ModelRequest, UserMessage
from analyst_kernel.models.prices import FREE, Tariff, cost_of
from analyst_kernel.models.table import ModelFacts, look_up
from analyst_kernel.models.wire.actions import ActionReader, in_words, refuses_tools, repair
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.models.wire.faults import (
    ErrorContext,
    quotes_secret,
    redact,
    stalled,
    truncated,
)
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.records import Usage

_T = TypeVar("_T")

_DRAIN_SECONDS = 0.5
_TAIL_SECONDS = 10.0
"""How long a stream may be silent after its message; what may still come are token counts."""

_LEAST_ANSWER = 1_024
"""Tokens that an answer is given at least; a conversation that leaves less is too long."""

_CHARACTERS_PER_TOKEN = 3
_TOKENS_PER_IMAGE = 2_000

_MOST_DOLLARS = 1e9

_MOST_TOKENS = 1 << 53
"""A larger count is no count, and would have no price."""


class WireViolation(ValueError):
    """An event that the protocol does not allow at its place."""


class ReportedError(Exception):
    """An error that the server sent as an event of its stream; ``body`` is its content."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("message") or ""))
        self.body = body


class EventFold(Protocol):
    """Folds the events of one message, in order.

    Attributes:
        seen: Events fed so far.
        complete: Whether nothing of the message itself is missing any more.
        stopped: The closing event, once nothing more is wanted of the stream.
        failure: An error that the server reported, which is raised after the events with it.
    """

    seen: int
    complete: bool
    stopped: Stopped | None
    failure: ReportedError | None

    def feed(self, event: Any) -> list[ModelEvent]:
        """Return the model events of one wire event; any exception means that it is none."""

    def end(self) -> list[ModelEvent]:
        """Return what is left when the stream has ended; sets ``stopped`` if it was complete."""


@dataclass(kw_only=True, repr=False, eq=False)
class StreamingModel(ABC):
    """A language model behind an HTTP stream; implements the ``Model`` port.

    Iterate :meth:`stream` under ``contextlib.aclosing`` (or to its end): closing it closes the
    connection. Making one loads no SDK and sends nothing.

    Attributes:
        label, key_advice: For error messages, as in :class:`ErrorContext`.
        tariff: Its price, if that is not the one of the table of models.
        facts: Its limits, capabilities and price; by default what the table of models says.
        stall_seconds: A stream that is silent for so long fails, at its start too.
        acts_in_text: Whether tools are described and called in words, as :mod:`.actions` says; it
            becomes true where the server refuses tools.
    """

    provider: str
    model: str
    label: str
    connection: Connection
    key_advice: str
    sees_images: bool = True
    tariff: Tariff | None = None
    facts: ModelFacts | None = None
    stall_seconds: float = 120.0
    acts_in_text: bool = False

    def __post_init__(self) -> None:
        self.name = f"{self.provider}:{self.model}"
        self.is_ai = True
        self._facts = look_up(self.name) if self.facts is None else self.facts
        if self._facts.images is not None:
            self.sees_images = self._facts.images
        self.acts_in_text = self.acts_in_text or self._facts.tools is False
        self._about = ErrorContext(
            label=self.label,
            model=self.name,
            host=self.connection.host,
            key_advice=self.key_advice,
            local=self.connection.is_local and not self.connection.ambient,
            secrets=self.connection.secrets,
        )
        self._client: Any = None
        self._building = asyncio.Lock()

    def __repr__(self) -> str:
        """Return name and host, without a secret."""
        return f"<{type(self).__name__} {self.name} at {self.connection.host}>"

    def advise(self, key_advice: str) -> None:
        """Set what the user is told to do about a refused key, one sentence."""
        self.key_advice = key_advice
        self._about = replace(self._about, key_advice=key_advice)

    @abstractmethod
    def _build(self, silence: float) -> Any:
        """Import the SDK and return its client; blocks for seconds, and runs in a thread."""

    @abstractmethod
    async def _send(self, client: Any, request: ModelRequest) -> Any:
        """Send the request and return the SDK's stream, which begins with its first event."""

    @abstractmethod
    def _new_fold(self) -> EventFold:
        """Return the fold of one message."""

    @abstractmethod
    def _failure(self, error: Exception) -> ModelError:
        """Return what the core is told of an exception."""

    def _content(self, event: Any) -> Any:
        """Return an event of the SDK as the fold reads it."""
        return event

    @property
    def price(self) -> Tariff | None:
        """What its tokens cost today; None if that is not known."""
        if self.tariff is not None:
            return self.tariff
        listed = self._facts.tariff(datetime.now().astimezone().date())
        is_free = self._facts.billing == "free" and self.connection.is_local
        return FREE if listed is None and is_free else listed

    @property
    def billing(self) -> Billing:
        """How it is known what a call costs; see :class:`PricedModel`."""
        price = self.price
        if price is None:
            return "reported" if self._facts.billing == "reported" else "unknown"
        return "free" if price == FREE else "listed"

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Send one request and yield its events, as the ``Model`` port requires.

        Raises:
            ModelError: For every failure.
        """
        acted = self.acts_in_text
        request = within_limits(request, self._facts)
        response = await self._open(request)
        if self.acts_in_text and not acted:
            yield ThinkingDelta(f"{self.name} takes no tools; they are described in words.\n\n")
        if request.tools and self.acts_in_text:
            replies = self._act(response, request)
        else:
            replies = self._play(response, self._new_fold())
        async with aclosing(replies):
            async for event in replies:
                yield event

    async def _play(self, response: Any, fold: EventFold) -> AsyncGenerator[ModelEvent]:
        """Yield the events of one reply, the closing one last."""
        events = aiter(response)
        try:
            silent = 0
            while fold.stopped is None:
                found = await self._next(events, fold)
                # Pings and empty pieces keep the watchdog quiet, and could come without end.
                silent = 0 if found else silent + 1
                if silent > MOST_EMPTY_EVENTS:
                    raise stopped_reply("went on without content")
                for event in found:
                    yield event
                if fold.failure is not None:
                    self._fail(fold.failure)
            await self._drain(events)
        finally:
            await events.aclose()
            await response.close()
        # The reason of a refusal is shown to the user, and a gateway may have written it.
        yield replace(fold.stopped, detail=redact(fold.stopped.detail, self._about.secrets))

    async def _act(self, response: Any, request: ModelRequest) -> AsyncGenerator[ModelEvent]:
        """Yield the events of a reply whose call is a block of its text.

        A block that is wrong is asked for once more, which the user sees. If it is wrong again it
        ends as a call with a wrong input does.
        """
        asked, spent = in_words(request), Usage()
        for last in (request.tool_choice == "none", True):
            # No wire numbers its own calls so high, if it sends any though none was offered.
            reader = ActionReader(request.tools, index=1_000_000)
            stopped, used = Stopped("end_turn"), Usage()
            async with aclosing(self._play(response, self._new_fold())) as events:
                async for event in events:
                    match event:
                        case TextDelta(text=text):
                            for read in reader.feed(text):
                                yield read
                        case UsageReported(usage=used):
                            yield UsageReported(add_usage(spent, used))
                        case Stopped():
                            stopped = event
                        case _:
                            yield event
            for read in reader.end():
                yield read
            action = reader.action() if stopped.reason in ("end_turn", "tool_use") else None
            if action is None:
                # The transcript's neutral form is what goes back.
                yield replace(stopped, raw=None)
                return
            if action.problem and not last:
                spent = add_usage(spent, used)
                words = f"The call could not be used: {action.problem} It is asked for once more."
                yield ThinkingDelta(f"\n\n{words}\n\n")
                response = await self._open(repair(asked, reader.said, action.problem), bare=True)
                continue
            if action.problem and not reader.calls:
                # It was an answer after all, which shows such a block.
                yield replace(stopped, raw=None)
                return
            for read in reader.called(action):
                yield read
            yield Stopped("tool_use", detail=stopped.detail)
            return

    async def aclose(self) -> None:
        """Close pooled connections. Idempotent; the model can be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ready(self) -> Any:
        async with self._building:
            if self._client is None:
                # The socket times out after the watchdog, whose error message is better.
                self._client = await asyncio.to_thread(self._build, self.stall_seconds + 30.0)
            return self._client

    async def _open(self, request: ModelRequest, *, bare: bool = False) -> Any:
        """Send a request, in words if the model calls no tools; ``bare`` if it is in words already.

        That a server takes no tools is noted: nothing was generated, so nothing is paid for.
        """
        try:
            client = await self._ready()
            if not self.acts_in_text:
                try:
                    return await self._watched(self._send(client, request), self.stall_seconds)
                except Exception as error:
                    if not (request.tools and refuses_tools(error)):
                        raise
                    self.acts_in_text = True
            sent = request if bare else in_words(request)
            return await self._watched(self._send(client, sent), self.stall_seconds)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a ModelError
            self._fail(error)

    async def _next(self, events: Any, fold: EventFold) -> list[ModelEvent]:
        longest = min(self.stall_seconds, _TAIL_SECONDS) if fold.complete else self.stall_seconds
        try:
            event = await self._watched(anext(events, None), longest)
            if event is not None:
                return fold.feed(self._content(event))
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a ModelError
            # What breaks after a complete message takes nothing from it; an error that the server
            # reports does.
            if not fold.complete or getattr(error, "body", None) is not None:
                self._fail(error)
        found = fold.end()
        if fold.stopped is None:
            raise truncated(self._about, seen=fold.seen)
        return found

    async def _watched(self, step: Awaitable[_T], seconds: float) -> _T:
        """Await one step of the stream, at most for so long."""
        try:
            async with asyncio.timeout(seconds) as watchdog:
                return await step
        except TimeoutError:
            if watchdog.expired():
                raise stalled(self._about, seconds=seconds) from None
            raise

    async def _drain(self, events: Any) -> None:
        """Read a finished stream to its end, so that its connection can serve the next call."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in events:
                    pass
        except Exception:  # noqa: BLE001 - the message is complete, whatever fails after it
            return

    def _fail(self, error: Exception) -> NoReturn:
        """Raise ``error`` as a ``ModelError``, without its cause if that would show a secret."""
        if isinstance(error, ModelError):
            raise error
        failure = self._failure(error)
        raise failure from (None if quotes_secret(error, self._about.secrets) else error)


def within_limits(request: ModelRequest, facts: ModelFacts) -> ModelRequest:
    """Return the request with as much room for the answer as the model has."""
    most = request.max_tokens
    if facts.output is not None:
        most = min(most, facts.output)
    if facts.context is not None:
        # Servers refuse a request that leaves too little room for the answer that it asks for.
        most = min(most, max(facts.context - _about_tokens(request), _LEAST_ANSWER))
    return request if most == request.max_tokens else replace(request, max_tokens=most)


def _about_tokens(request: ModelRequest) -> int:
    """Return about how many tokens a request has, rather too many than too few."""
    size = len(request.system) + sum(len(str(tool.schema)) + 500 for tool in request.tools)
    images = 0
    for message in request.messages:
        if not isinstance(message, UserMessage):
            size += len(message.text) + sum(len(call.raw_input) for call in message.calls)
            continue
        results = (part for result in message.results for part in result.content)
        for part in (*message.text, *results):
            if isinstance(part, Image):
                images += 1
            else:
                size += len(part.text)
    return math.ceil(size / _CHARACTERS_PER_TOKEN) + images * _TOKENS_PER_IMAGE


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a server's number of tokens can be one."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS


def reported_cost(usage: Mapping[str, Any]) -> float | None:
    """Return what a server says that a call cost, in US dollars; None if it says nothing sound."""
    cost = usage.get("cost")
    if not isinstance(cost, int | float) or isinstance(cost, bool):
        return None
    return float(cost) if 0 <= cost < _MOST_DOLLARS else None


def report_usage(
    counts: Mapping[str, int], tariff: Tariff | None, cost: float | None = None
) -> UsageReported:
    """Return the event for one call's tokens; ``cost`` is what the server says that they cost."""
    tokens = Usage(**counts, calls=1)
    priced = cost_of(tariff, tokens) if cost is None else cost
    return UsageReported(tokens.model_copy(update={"cost_usd": priced}))

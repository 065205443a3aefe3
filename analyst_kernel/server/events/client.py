"""One browser tab: its subscriptions, and the bounded queue of frames that are sent to it.

Frames are sent about 30 times a second, with streamed pieces joined. For a tab that reads too
slowly, streamed pieces are dropped first (a later event holds their whole text), then its
connection is closed, so that it delays neither the analyses nor the other tabs.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.socket import CaughtUpFrame, ServerFrame
from analyst_kernel.server.events.coalesce import EncodedEvent, join_all

_INTERVAL = 1 / 30
_MOST_BYTES = 48_000_000
TRY_AGAIN_LATER = 1013


@dataclass(slots=True)
class _Subscription:
    """``held`` collects new events while earlier ones are still being sent."""

    last: int
    held: list[EncodedEvent] | None = field(default_factory=list)


class Tab:
    """Made by the socket; used on the event loop only."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int, str], None],
        *,
        most_frames: int = 4_000,
    ) -> None:
        """Send frames with ``send``, which blocks while the browser does not read."""
        self._write = send
        self._close = close
        self._most_frames = most_frames
        self._queue: deque[str | EncodedEvent] = deque()
        self._bytes = 0
        self._subscriptions: dict[AnalysisId, _Subscription] = {}
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.closed = False

    # --- frames --------------------------------------------------------------------------------

    def send(self, frame: ServerFrame) -> None:
        """Send a frame that is no event."""
        self._put(frame.model_dump_json())

    def send_events(self, analysis: AnalysisId, batch: Iterable[EncodedEvent]) -> None:
        """Send events, if the tab subscribed to the analysis."""
        subscription = self._subscriptions.get(analysis)
        if subscription is None:
            return
        for event in batch:
            if subscription.held is not None:
                subscription.held.append(event)
                self._bound_held(subscription)
            else:
                self._put_event(subscription, event)

    def stop(self) -> None:
        """Send nothing any more. Idempotent."""
        self.closed = True
        self._subscriptions.clear()
        self._queue.clear()
        self._ready.set()
        self._room.set()

    # --- subscriptions -------------------------------------------------------------------------

    def subscribe(self, analysis: AnalysisId, after: int) -> None:
        """Hold new events back until :meth:`catch_up` has sent the earlier ones."""
        self._subscriptions[analysis] = _Subscription(after)

    def unsubscribe(self, analysis: AnalysisId) -> None:
        """Send no more events of the analysis."""
        self._subscriptions.pop(analysis, None)

    async def catch_up(
        self, analysis: AnalysisId, past: AsyncIterable[tuple[int, str]], edge: int
    ) -> None:
        """Send the events up to number ``edge`` as fast as the tab reads, then those held back.

        ``past`` yields the number and the JSON of each event, in order.
        """
        subscription = self._subscriptions.get(analysis)
        if subscription is None:
            return
        async for number, text in past:
            await self._room.wait()
            if self._subscriptions.get(analysis) is not subscription:
                return
            subscription.last = number
            self._put(_frame(text))
        if self._subscriptions.get(analysis) is not subscription:
            return
        subscription.last = max(subscription.last, edge)
        self.send(CaughtUpFrame(analysis=analysis, last=edge))
        held, subscription.held = subscription.held or [], None
        for event in held:
            self._put_event(subscription, event)

    # --- sending ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Send frames until :meth:`stop` is called."""
        sent = 0.0
        while True:
            await self._ready.wait()
            pause = sent + _INTERVAL - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            if self.closed:
                return
            batch = self._next_batch()
            sent = time.monotonic()
            for text in _texts(batch):
                await self._write(text)

    def _next_batch(self) -> list[str | EncodedEvent]:
        batch = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        self._ready.clear()
        self._room.set()
        return batch

    def _put_event(self, subscription: _Subscription, event: EncodedEvent) -> None:
        if event.number > subscription.last:
            subscription.last = event.number
            self._put(event)

    def _put(self, item: str | EncodedEvent) -> None:
        if self.closed:
            return
        self._queue.append(item)
        self._bytes += _size(item)
        if self._is_full():
            self._drop_streams()
        if self._is_full():
            self._give_up()
            return
        if len(self._queue) > self._most_frames // 4 or self._bytes > _MOST_BYTES // 4:
            self._room.clear()
        self._ready.set()

    def _is_full(self) -> bool:
        return len(self._queue) > self._most_frames or self._bytes > _MOST_BYTES

    def _drop_streams(self) -> None:
        kept = [item for item in self._queue if isinstance(item, str) or not item.is_stream]
        self._queue = deque(kept)
        self._bytes = sum(_size(item) for item in kept)

    def _bound_held(self, subscription: _Subscription) -> None:
        held = subscription.held
        if held is not None and len(held) > self._most_frames:
            subscription.held = [event for event in held if not event.is_stream]
            if len(subscription.held) > self._most_frames:
                self._give_up()

    def _give_up(self) -> None:
        self.stop()
        self._close(TRY_AGAIN_LATER, "This tab reads too slowly; subscribe again.")


def _size(item: str | EncodedEvent) -> int:
    return len(item if isinstance(item, str) else item.json)


def _texts(batch: list[str | EncodedEvent]) -> Iterable[str]:
    """Return a batch as frames, with consecutive pieces of a stream in one."""
    pieces: list[EncodedEvent] = []
    for item in batch:
        if isinstance(item, EncodedEvent):
            pieces.append(item)
            continue
        yield from _frames(pieces)
        pieces = []
        yield item
    yield from _frames(pieces)


def _frames(pieces: list[EncodedEvent]) -> Iterable[str]:
    for event in join_all(pieces):
        yield _frame(event.json)


def _frame(json: str) -> str:
    return f'{{"type":"event","event":{json}}}'

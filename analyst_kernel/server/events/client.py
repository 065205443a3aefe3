"""One browser tab: what it subscribed to, and the bounded queue of frames on their way to it.

Frames go out about 30 times a second, streamed pieces joined. A tab that reads too slowly loses
streamed pieces first (what they say comes again, whole), then its connection; it holds nobody up.
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

INTERVAL = 1 / 30
TRY_AGAIN_LATER = 1013


@dataclass(slots=True)
class _Subscription:
    """``held`` takes what happens while the past is still being sent."""

    last: int
    held: list[EncodedEvent] | None = field(default_factory=list)


class Tab:
    """Made by the socket; called on the event loop only."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int, str], None],
        *,
        interval: float = INTERVAL,
        most_frames: int = 4_000,
        most_bytes: int = 48_000_000,
    ) -> None:
        """Send frames with ``send``, which waits while the browser does not read."""
        self._send = send
        self._close = close
        self._interval = interval
        self._most_frames = most_frames
        self._most_bytes = most_bytes
        self._queue: deque[str | EncodedEvent] = deque()
        self._bytes = 0
        self._subscriptions: dict[AnalysisId, _Subscription] = {}
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.closed = False

    # --- what it is told -----------------------------------------------------------------------

    def say(self, frame: ServerFrame) -> None:
        """Send a frame that is no event."""
        self._put(frame.model_dump_json())

    def tell(self, analysis: AnalysisId, batch: Iterable[EncodedEvent]) -> None:
        """Send what happened, if the tab subscribed to the analysis."""
        subscription = self._subscriptions.get(analysis)
        if subscription is None:
            return
        for told in batch:
            if subscription.held is not None:
                subscription.held.append(told)
                self._bound_held(subscription)
            else:
                self._put_told(subscription, told)

    def stop(self) -> None:
        """The tab is gone: send nothing any more."""
        self.closed = True
        self._subscriptions.clear()
        self._queue.clear()
        self._ready.set()
        self._room.set()

    # --- subscriptions -------------------------------------------------------------------------

    def subscribe(self, analysis: AnalysisId, after: int) -> None:
        """Hold back what happens from now on, until :meth:`catch_up` has sent the past."""
        self._subscriptions[analysis] = _Subscription(after)

    def unsubscribe(self, analysis: AnalysisId) -> None:
        """Send no more events of it."""
        self._subscriptions.pop(analysis, None)

    async def catch_up(
        self, analysis: AnalysisId, past: AsyncIterable[tuple[int, str]], edge: int
    ) -> None:
        """Send the past up to event ``edge`` at the tab's own pace, then what was held back.

        ``past`` gives the number and the JSON of each event, in order.
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
        self.say(CaughtUpFrame(analysis=analysis, last=edge))
        held, subscription.held = subscription.held or [], None
        for told in held:
            self._put_told(subscription, told)

    # --- the way out ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Send frames until the tab is gone."""
        sent = 0.0
        while True:
            await self._ready.wait()
            pause = sent + self._interval - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            if self.closed:
                return
            batch = self._take()
            sent = time.monotonic()
            for text in _texts(batch):
                await self._send(text)

    def _take(self) -> list[str | EncodedEvent]:
        batch = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        self._ready.clear()
        self._room.set()
        return batch

    def _put_told(self, subscription: _Subscription, told: EncodedEvent) -> None:
        if told.number > subscription.last:
            subscription.last = told.number
            self._put(told)

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
        if len(self._queue) > self._most_frames // 4 or self._bytes > self._most_bytes // 4:
            self._room.clear()
        self._ready.set()

    def _is_full(self) -> bool:
        return len(self._queue) > self._most_frames or self._bytes > self._most_bytes

    def _drop_streams(self) -> None:
        kept = [item for item in self._queue if isinstance(item, str) or not item.is_stream]
        self._queue = deque(kept)
        self._bytes = sum(_size(item) for item in kept)

    def _bound_held(self, subscription: _Subscription) -> None:
        held = subscription.held
        if held is not None and len(held) > self._most_frames:
            subscription.held = [told for told in held if not told.is_stream]
            if len(subscription.held) > self._most_frames:
                self._give_up()

    def _give_up(self) -> None:
        self.stop()
        self._close(TRY_AGAIN_LATER, "This tab reads too slowly; subscribe again.")


def _size(item: str | EncodedEvent) -> int:
    return len(item if isinstance(item, str) else item.json)


def _texts(batch: list[str | EncodedEvent]) -> Iterable[str]:
    """Write a batch as frames, neighbouring pieces of a stream as one."""
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
    for told in join_all(pieces):
        yield _frame(told.json)


def _frame(json: str) -> str:
    return f'{{"type":"event","event":{json}}}'

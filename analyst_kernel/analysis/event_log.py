"""The events of one analysis: numbers them, stamps the time and forwards them to listeners.

It keeps no history. A listener that wants one (the command line, the journal) keeps it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeAlias

from analyst_kernel.protocol.events import Event, NoticeLevel, NoticeRaised
from analyst_kernel.protocol.ids import AnalysisId

Listener: TypeAlias = Callable[[Event], None]

_log = logging.getLogger(__name__)


class EventLog:
    """Numbers events from 1 and forwards them, in order, to every listener.

    Recording never blocks and never raises. A listener that fails is logged and the others still
    get the event, because a display must not end the run that produces events.
    """

    def __init__(self, *, last: int = 0, clock: Callable[[], float] = time.time) -> None:
        """Continue after event number ``last``; ``clock`` returns seconds since the epoch."""
        self._last = last
        self._clock = clock
        self._listeners: list[Listener] = []

    @property
    def last(self) -> int:
        """Number of the newest event."""
        return self._last

    def record(self, event: Event) -> None:
        """Stamp ``event`` and forward it to the listeners."""
        self._last += 1
        stamped = event.model_copy(update={"number": self._last, "at": self._clock()})
        for listener in tuple(self._listeners):
            try:
                listener(stamped)
            except Exception:  # noqa: BLE001 - a display that fails must not end the run
                _log.exception("A listener failed on event %s", stamped.type)

    def notice(
        self, analysis: AnalysisId, code: str, message: str, *, level: NoticeLevel = "warning"
    ) -> None:
        """Emit a notice for the user that belongs to no run."""
        self.record(NoticeRaised(analysis=analysis, level=level, code=code, message=message))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` for every further event; the returned function ends that."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    async def follow(
        self, work: Callable[[], Coroutine[Any, Any, object]]
    ) -> AsyncGenerator[Event, None]:
        """Run ``work`` and yield the events that it records, until it ends.

        Leaving the iteration early cancels the work; under ``contextlib.aclosing`` it is over then.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        stop = self.listen(queue.put_nowait)
        task = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await task
        finally:
            stop()
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

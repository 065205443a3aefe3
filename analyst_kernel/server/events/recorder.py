"""Journals the events of one analysis, then hands them on, in order and without holding anybody up.

Nothing reaches a browser that a restarted server would not remember, streamed pieces apart; their
numbers are reserved, so that no number is ever given out twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence

from analyst_kernel.protocol.events import Event, RunFinished
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.coalesce import EncodedEvent, LiveTail
from analyst_kernel.server.events.journal import Journal, Row

_BLOCK = 1_000
_log = logging.getLogger(__name__)


class Recorder:
    """One per living analysis; :meth:`take` is its event log's listener.

    Attributes:
        delivered: Number of the newest event that was handed on.
        tail: What is under way.
        trouble: Why the journal could not be written, or empty.
    """

    def __init__(
        self,
        journal: Journal,
        analysis: AnalysisId,
        *,
        last: int,
        deliver: Callable[[Sequence[EncodedEvent]], None],
    ) -> None:
        """Record after event ``last``; ``deliver`` gets what was journalled, on the event loop."""
        self.delivered = last
        self.tail = LiveTail()
        self.trouble = ""
        self._journal = journal
        self._analysis = analysis
        self._reserved = last
        self._deliver = deliver
        self._waiting: list[Event] = []
        self._pump: asyncio.Task[None] | None = None

    def take(self, event: Event) -> None:
        """Take the next event; never blocks."""
        self._waiting.append(event)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._run())

    async def settled(self) -> None:
        """Wait until everything taken so far was handed on."""
        while self._pump is not None and not self._pump.done():
            await asyncio.wait([self._pump])

    async def _run(self) -> None:
        while self._waiting:
            events, self._waiting = self._waiting, []
            batch = [EncodedEvent.of(charts_once(event)) for event in events]
            rows: list[Row] = []
            for told in batch:
                kept = self.tail.add(told)
                rows += [_row(piece) for piece in kept]
                if not told.is_stream:
                    rows.append(_row(told))
            last = batch[-1].number
            if rows or last > self._reserved:
                await self._write(rows, last)
            self.delivered = last
            self._deliver(batch)

    async def _write(self, rows: list[Row], last: int) -> None:
        reserved = self._reserved if last <= self._reserved else last + _BLOCK
        try:
            await asyncio.to_thread(self._journal.append, self._analysis, rows, reserved)
        except (sqlite3.Error, OSError) as error:
            # The run goes on and the notebook has it all; a reload will show a gap.
            self.trouble = f"The journal {self._journal.path} cannot be written: {error}."
            _log.warning("%s", self.trouble)
            return
        self._reserved, self.trouble = reserved, ""

    async def close(self) -> None:
        """Hand on what is left."""
        with contextlib.suppress(asyncio.CancelledError):
            await self.settled()


def _row(told: EncodedEvent) -> Row:
    event = told.event
    return Row(told.number, told.first, event.type, event.run, told.json)


def charts_once(event: Event) -> Event:
    """Return the event as journal and browsers get it.

    The charts of a run's end keep only what names them: their pictures stand in the outputs of
    their cells, their data was told when they were captured.
    """
    if not isinstance(event, RunFinished) or not event.charts:
        return event
    named = (chart.model_copy(update={"png": None, "data": None}) for chart in event.charts)
    return event.model_copy(update={"charts": tuple(named)})

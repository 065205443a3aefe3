"""Writes the events of one analysis into the journal, then delivers them to tabs, in order.

No event is delivered before it is in the journal, so that a restarted server has all that a
browser has seen. Streamed pieces are the exception: they are not written, but their numbers are
reserved in the journal, so that no number is used twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence

from analyst_kernel._markdown import harmless_markdown
from analyst_kernel.protocol.events import (
    EVENT,
    BranchFinished,
    Event,
    KernelChanged,
    QueueChanged,
    RunFinished,
    VerificationFinished,
)
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.coalesce import EncodedEvent, LiveTail
from analyst_kernel.server.events.history import closed_run
from analyst_kernel.server.events.journal import Journal, Row

_BLOCK = 1_000
_PAGE = 200
_log = logging.getLogger(__name__)


class Recorder:
    """One per analysis; :meth:`take` is the listener of its event log.

    Attributes:
        delivered: Number of the newest event that was delivered.
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
        """Continue after event ``last``; ``deliver`` is called on the event loop."""
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
        """Wait until everything taken so far was delivered."""
        while self._pump is not None and not self._pump.done():
            await asyncio.wait([self._pump])

    async def _run(self) -> None:
        while self._waiting:
            events, self._waiting = self._waiting, []
            batch = [EncodedEvent.of(for_browsers(event)) for event in events]
            rows: list[Row] = []
            for event in batch:
                rows += map(Row.of, self.tail.add(event))
                if not event.is_stream:
                    rows.append(Row.of(event))
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
        """Deliver what is left. Idempotent."""
        with contextlib.suppress(asyncio.CancelledError):
            await self.settled()


def for_browsers(event: Event) -> Event:
    """Return the event as the journal and the browsers get it.

    The answer of a run's end is Markdown that loads nothing. Its charts keep only their names:
    their pictures are in the outputs of their cells, and their data is in the event that captured
    them.
    """
    if not isinstance(event, RunFinished):
        return event
    named = (chart.model_copy(update={"png": None, "data": None}) for chart in event.charts)
    shown = {"answer": harmless_markdown(event.answer), "charts": tuple(named)}
    return event.model_copy(update=shown)


def _shown(row: Row) -> str:
    """Return the JSON of an event in the journal, which may be of an earlier version."""
    if row.type != "run_finished":
        return row.body
    return for_browsers(EVENT.validate_json(row.body)).model_dump_json()


async def replay_events(
    journal: Journal, analysis: AnalysisId, *, after: int, edge: int, live: Sequence[EncodedEvent]
) -> AsyncIterator[tuple[int, str]]:
    """Yield the number and the JSON of each event with ``after < number <= edge``.

    The tab has the events up to ``after``; text of which it has a part is left out. ``live`` are
    the streamed pieces of the current call and cell, in order, which the journal does not hold.
    """
    pieces = [event for event in live if event.number <= edge]
    at = after
    while True:
        rows = await asyncio.to_thread(journal.events, analysis, after=at, until=edge, most=_PAGE)
        for row in rows:
            while pieces and pieces[0].number < row.number:
                event = pieces.pop(0)
                yield event.number, event.json
            if row.first > after:
                yield row.number, _shown(row)
        if len(rows) < _PAGE:
            break
        at = rows[-1].number
    for event in pieces:
        yield event.number, event.json


def close_open_ends(journal: Journal, analysis: AnalysisId, last: int) -> int:
    """Write the events that close what a stopped server left open; return the last number."""
    found: list[Event] = []
    unfinished = journal.open_run(analysis)
    if unfinished:
        found.append(closed_run([EVENT.validate_json(row.body) for row in unfinished]))
    checks = journal.of_type(analysis, "verification_started")
    checked = journal.of_type(analysis, "verification_finished")
    if checks and (not checked or checked[-1].number < checks[-1].number):
        found.append(
            VerificationFinished(
                analysis=analysis, reproduced=0, total=0, reason="The server stopped."
            )
        )
    begun = journal.of_type(analysis, "branch_started")
    if begun and not journal.of_type(analysis, "branch_finished"):
        reason = "The server stopped. The next question runs these cells first."
        found.append(BranchFinished(analysis=analysis, reproduced=0, total=0, reason=reason))
    for kind in ("queue_changed", "kernel_changed"):
        for row in journal.of_type(analysis, kind)[-1:]:
            match EVENT.validate_json(row.body):
                case QueueChanged(questions=waiting) if waiting:
                    found.append(QueueChanged(analysis=analysis, questions=()))
                case KernelChanged(state=state) if state != "stopped":
                    reason = "The server stopped. The next question starts a kernel."
                    found.append(KernelChanged(analysis=analysis, state="stopped", reason=reason))
                case _:
                    pass
    rows: list[Row] = []
    for event in found:
        last += 1
        stamped: Event = event.model_copy(update={"number": last, "at": time.time()})
        rows.append(Row.of(EncodedEvent.of(stamped)))
    if rows:
        journal.append(analysis, rows, last)
    return last

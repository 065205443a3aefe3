"""Which browser tabs have an analysis's notebook open, and what the server asks of them.

A tab holds a lease while it reports. A tab that stopped reporting without closing the notebook may
come back (the laptop slept), so its lease is first *lost* and ends only after a grace period.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from analyst_kernel.protocol.commands import ReportDocument, ReportNotebook, ReportWrite
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.live import (
    Change,
    NotebookChangedFrame,
    ReadNotebookFrame,
    WriteNotebookFrame,
)
from analyst_kernel.server.events.client import Tab

ACK_SECONDS = 10.0
SILENT_SECONDS = 150.0
"""Seconds without a report after which a lease is lost. Browsers may run the timers of a page in
the background only once a minute."""


@dataclass(slots=True)
class Lease:
    """One tab that has, or had, the notebook open.

    Attributes:
        tab: Its socket, or None after it was closed.
        report: Its last report.
        seen: Time of its last report.
        fronted: Time of its last report as the active document.
        term: Counts its openings; a tab that dropped unsaved changes begins a new one.
        lost: Time when it stopped answering, or None while it answers.
    """

    name: str
    tab: Tab | None
    report: ReportNotebook
    seen: float
    fronted: float
    term: int
    lost: float | None = None


class Leases:
    """The leases of one analysis; used on the event loop only."""

    def __init__(
        self,
        analysis: AnalysisId,
        *,
        grace: float,
        ack: float = ACK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wait ``grace`` seconds for a lost tab, and ``ack`` seconds for an answer."""
        self._analysis = analysis
        self._grace = grace
        self._ack = ack
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._former: dict[str, Lease] = {}  # ended, but the notebook may still be open there
        self._open: dict[int, str] = {}  # writes that are not saved yet, with the tab that has them
        self._numbers = itertools.count(1)
        self._terms = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    # --- reports of tabs --------------------------------------------------------------------------

    def report(self, tab: Tab, report: ReportNotebook) -> bool:
        """Take a tab's report, and return whether it may unblock what waits to be written."""
        now = self._clock()
        before = self._leases.get(report.tab)
        self._former.pop(report.tab, None)
        if not report.open:
            self._open = {n: name for n, name in self._open.items() if name != report.tab}
            return self._leases.pop(report.tab, None) is not None
        lease = Lease(
            report.tab,
            tab,
            report,
            seen=now,
            fronted=now if report.active or before is None else before.fronted,
            term=next(self._terms) if before is None else before.term,
        )
        self._leases[report.tab] = lease
        if before is None or before.lost is not None or before.tab is not tab:
            return True
        return before.report.dirty and not report.dirty

    def answered(self, report: ReportWrite | ReportDocument) -> bool:
        """Take a tab's answer, and return whether it came too late."""
        number = report.write if isinstance(report, ReportWrite) else report.read
        waiting = self._answers.pop(number, None)
        late = waiting is None or waiting.done()
        if isinstance(report, ReportWrite) and report.outcome != "unsaved":
            name = self._open.pop(number, "")
            if late and report.outcome == "refused":
                self._drop_changes(name)
        if waiting is not None and not waiting.done():
            waiting.set_result(report)
        return late

    def _drop_changes(self, name: str) -> None:
        """Begin a new term for a tab that dropped what it had taken and loaded the file again."""
        if (lease := self._leases.get(name)) is not None:
            self._leases[name] = replace(lease, term=next(self._terms))

    def left(self, tab: Tab, *, closed: bool) -> bool:
        """Note that a socket was closed, and return whether it held a lease.

        ``closed`` says that the page was closed, too, so that the tab cannot come back.
        """
        self._former = {k: lease for k, lease in self._former.items() if lease.tab is not tab}
        mine = [lease for lease in self._leases.values() if lease.tab is tab]
        for lease in mine:
            if closed:
                del self._leases[lease.name]
            else:
                lease.tab = None
                lease.lost = lease.lost or self._clock()
        return bool(mine)

    # --- who writes ------------------------------------------------------------------------------

    def active(self) -> list[Lease]:
        """Return the leases of tabs that answer, the one most recently in front first."""
        now = self._clock()
        for lease in self._leases.values():
            if lease.lost is None and now - lease.seen > SILENT_SECONDS:
                lease.lost = now
        found = [lease for lease in self._leases.values() if lease.lost is None]
        return sorted(found, key=lambda lease: (-lease.fronted, lease.name))

    @property
    def awaited(self) -> bool:
        """Return whether a lost tab may still come back; end the leases of those that cannot."""
        now = self._clock()
        for lease in list(self._leases.values()):
            if lease.lost is not None and now - lease.lost >= self._grace:
                del self._leases[lease.name]
                if lease.tab is not None:
                    self._former[lease.name] = lease
        return any(lease.lost is not None for lease in self._leases.values())

    def holds(self, lease: Lease) -> bool:
        """Return whether the tab, on the same connection, still has what was written into it."""
        now = self._leases.get(lease.name)
        if now is None or now.lost is not None:
            return False
        return now.tab is lease.tab and now.term == lease.term

    async def write(self, lease: Lease, changes: tuple[Change, ...]) -> ReportWrite | None:
        """Have a tab make changes. Returns None if it did not answer; it is lost until it does."""
        number = next(self._numbers)
        frame = WriteNotebookFrame(
            analysis=self._analysis, path=lease.report.path, write=number, changes=changes
        )
        self._open[number] = lease.name
        answer: ReportWrite | None = await self._ask(lease, number, frame)
        return answer

    async def read(self, lease: Lease) -> ReportDocument | None:
        """Return the notebook as a tab has it, or None if it did not answer."""
        number = next(self._numbers)
        frame = ReadNotebookFrame(analysis=self._analysis, path=lease.report.path, read=number)
        answer: ReportDocument | None = await self._ask(lease, number, frame)
        return answer

    def notify_changed(self, hash_: str | None, *, but: str = "") -> None:
        """Notify the tabs that the file changed, except for ``but``, which wrote it.

        Pages that sleep are included, even if their leases ended: they get it when they wake.
        """
        for lease in (*self._leases.values(), *self._former.values()):
            if lease.tab is not None and lease.name != but:
                lease.tab.send(
                    NotebookChangedFrame(
                        analysis=self._analysis, path=lease.report.path, hash=hash_
                    )
                )

    async def _ask(self, lease: Lease, number: int, frame: Any) -> Any:
        if lease.tab is None:
            return None
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        lease.tab.send(frame)
        done, _ = await asyncio.wait([answer], timeout=self._ack)
        self._answers.pop(number, None)
        if done:
            return answer.result()
        now = self._leases.get(lease.name)
        if now is not None and now.tab is lease.tab:
            now.lost = self._clock()
        return None

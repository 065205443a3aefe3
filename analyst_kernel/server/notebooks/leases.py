"""Which browser tabs have an analysis's notebook open, and what the server asks of them.

A tab holds a lease while it reports. One that vanished without closing the notebook may come back
(a laptop that sleeps), so its lease is lost for a while before it is over.
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
"""A page in the background may be woken only once a minute, whatever it asked for."""


@dataclass(slots=True)
class Lease:
    """One tab that has, or had, the notebook open.

    Attributes:
        name: The tab's own id.
        tab: Its socket; ``None``: it is gone.
        report: What it told last.
        seen: When it last told anything.
        fronted: When it was last told to be active.
        term: Which of its openings this is; one that let go of what it had not saved begins anew.
        lost: When it stopped to answer; ``None`` while it answers.
    """

    name: str
    tab: Tab | None
    report: ReportNotebook
    seen: float
    fronted: float
    term: int
    lost: float | None = None


class Leases:
    """Of one analysis; called on the event loop only."""

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
        self._former: dict[str, Lease] = {}  # let go of, and not known to have closed the notebook
        self._open: dict[int, str] = {}  # writes that are not saved yet, and the tab that has them
        self._numbers = itertools.count(1)
        self._terms = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    # --- what tabs tell --------------------------------------------------------------------------

    def report(self, tab: Tab, report: ReportNotebook) -> bool:
        """Take a tab's report; says whether it is news for what waits to be written."""
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
        """Take a tab's answer; says whether nobody waits for it any more."""
        number = report.write if isinstance(report, ReportWrite) else report.read
        waiting = self._answers.pop(number, None)
        late = waiting is None or waiting.done()
        if isinstance(report, ReportWrite) and report.outcome != "unsaved":
            name = self._open.pop(number, "")
            if late and report.outcome == "refused":
                self._let_go(name)
        if waiting is None or waiting.done():
            return True
        waiting.set_result(report)
        return False

    def _let_go(self, name: str) -> None:
        """A tab threw away what it had taken: it loaded the file again."""
        lease = self._leases.get(name)
        if lease is not None:
            self._leases[name] = replace(lease, term=next(self._terms))

    def left(self, tab: Tab, *, closed: bool) -> bool:
        """A socket is gone; ``closed``: its page is, too. Says whether a lease was concerned."""
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

    def session(self) -> list[Lease]:
        """Return who answers, the one most recently in front first."""
        now = self._clock()
        for lease in self._leases.values():
            if lease.lost is None and now - lease.seen > SILENT_SECONDS:
                lease.lost = now
        found = [lease for lease in self._leases.values() if lease.lost is None]
        return sorted(found, key=lambda lease: (-lease.fronted, lease.name))

    @property
    def awaited(self) -> bool:
        """Whether one that is lost may still come back; those that may not are let go."""
        now = self._clock()
        for lease in list(self._leases.values()):
            if lease.lost is not None and now - lease.lost >= self._grace:
                del self._leases[lease.name]
                if lease.tab is not None:
                    self._former[lease.name] = lease
        return any(lease.lost is not None for lease in self._leases.values())

    def holds(self, lease: Lease) -> bool:
        """Say whether this very connection of the tab still has what was written into it."""
        now = self._leases.get(lease.name)
        if now is None or now.lost is not None:
            return False
        return now.tab is lease.tab and now.term == lease.term

    async def write(self, lease: Lease, changes: tuple[Change, ...]) -> ReportWrite | None:
        """Have a tab make changes; ``None``: it did not answer, and is lost until it does."""
        number = next(self._numbers)
        frame = WriteNotebookFrame(
            analysis=self._analysis, path=lease.report.path, write=number, changes=changes
        )
        self._open[number] = lease.name
        answer: ReportWrite | None = await self._ask(lease, number, frame)
        return answer

    async def read(self, lease: Lease) -> ReportDocument | None:
        """Return the notebook as a tab has it; ``None``: it did not answer."""
        number = next(self._numbers)
        frame = ReadNotebookFrame(analysis=self._analysis, path=lease.report.path, read=number)
        answer: ReportDocument | None = await self._ask(lease, number, frame)
        return answer

    def tell_changed(self, hash_: str | None, *, but: str = "") -> None:
        """Tell the tabs that the file is another one now, all but the one that wrote it.

        A page that sleeps is told too, whatever became of its lease: it hears it as it wakes.
        """
        for lease in (*self._leases.values(), *self._former.values()):
            if lease.tab is not None and lease.name != but:
                lease.tab.say(
                    NotebookChangedFrame(
                        analysis=self._analysis, path=lease.report.path, hash=hash_
                    )
                )

    async def _ask(self, lease: Lease, number: int, frame: Any) -> Any:
        if lease.tab is None:
            return None
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        lease.tab.say(frame)
        done, _ = await asyncio.wait([answer], timeout=self._ack)
        self._answers.pop(number, None)
        if done:
            return answer.result()
        now = self._leases.get(lease.name)
        if now is not None and now.tab is lease.tab:
            now.lost = self._clock()
        return None

"""Watches the kernels of all analyses: lost, restarted by the user, or idle for too long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from analyst_kernel.protocol.errors import AnalystError
from analyst_kernel.server.session.session import AnalysisSession

_LOOK_SECONDS = 2.0
_log = logging.getLogger(__name__)


class KernelWatch:
    """Watches until it is cancelled."""

    def __init__(
        self,
        sessions: Callable[[], Iterable[AnalysisSession]],
        *,
        idle_seconds: float,
        check_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Watch the kernels of ``sessions``.

        Args:
            sessions: Returns all analyses.
            idle_seconds: After which an unused kernel is stopped; 0 means never.
            check_seconds: Between two checks for idle kernels.
            clock: Returns seconds since the epoch.
        """
        self._sessions = sessions
        self._idle = idle_seconds
        self._check = check_seconds
        self._clock = clock

    async def run(self) -> None:
        """Check every few seconds."""
        pause = min(_LOOK_SECONDS, self._check)
        looked = self._clock()
        while True:
            await asyncio.sleep(pause)
            idle_too = self._clock() - looked >= self._check
            if idle_too:
                looked = self._clock()
            for one in list(self._sessions()):
                one.coordinator.look()
                try:
                    await self.look(one, idle_too=idle_too)
                except AnalystError as error:
                    _log.warning("A kernel could not be checked: %s", error)
                except Exception:  # noqa: BLE001 - one analysis must not end the watch of the others
                    _log.exception("A kernel could not be checked")

    async def look(self, one: AnalysisSession, *, idle_too: bool) -> None:
        """Check the kernel of one analysis, and act on its condition."""
        if one.queue.busy:
            # The run itself detects what happens to its kernel.
            one.host.touch()
            return
        match await one.host.condition():
            case "gone":
                await one.kernel_lost("stopped", "The kernel was shut down from outside.")
            case "dead":
                await one.kernel_lost("died", "The kernel ended while nothing ran in it.")
            case "replaced":
                reason = "The kernel was restarted from outside. The next question goes on in it."
                await one.kernel_restarted(reason)
            case "running" if idle_too and self._idle > 0 and not one.host.busy:
                used = max(one.last_work, one.host.last_activity)
                if self._clock() - used >= self._idle:
                    await one.kernel_lost("stopped", self._reason())
            case _:
                pass

    def _reason(self) -> str:
        minutes = self._idle / 60
        span = f"{minutes:g} minutes" if minutes >= 1 else f"{self._idle:g} seconds"
        return f"The kernel was idle for {span} and was stopped. The next question starts it again."

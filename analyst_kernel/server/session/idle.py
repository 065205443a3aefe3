"""Watches the kernels of all analyses: lost, restarted by the user, or idle for too long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from analyst_kernel.protocol.errors import AnalystError
from analyst_kernel.server.session.base import BaseSession
from analyst_kernel.server.settings import ServerSettings

_LOOK_SECONDS = 2.0
_log = logging.getLogger(__name__)


async def watch_kernels(
    sessions: Callable[[], Iterable[BaseSession]], settings: ServerSettings
) -> None:
    """Check the kernels of ``sessions`` every few seconds until this is cancelled.

    Idle kernels are looked for less often, every ``settings.idle_check_seconds``.
    """
    pause = min(_LOOK_SECONDS, settings.idle_check_seconds)
    looked = time.time()
    while True:
        await asyncio.sleep(pause)
        idle_too = time.time() - looked >= settings.idle_check_seconds
        if idle_too:
            looked = time.time()
        for one in sessions():
            one.coordinator.look()
            try:
                await _look(one, settings.idle_seconds if idle_too else 0)
            except AnalystError as error:
                _log.warning("A kernel could not be checked: %s", error)
            except Exception:  # noqa: BLE001 - one analysis must not end the watch of the others
                _log.exception("A kernel could not be checked")


async def _look(one: BaseSession, idle_seconds: float) -> None:
    """Act on the condition of a kernel; 0 means that it may be idle for any time."""
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
        case "running" if idle_seconds > 0 and not one.host.busy:
            if time.time() - max(one.last_work, one.host.last_activity) >= idle_seconds:
                await one.kernel_lost("stopped", _idle_reason(idle_seconds))
        case _:
            pass


def _idle_reason(seconds: float) -> str:
    minutes = seconds / 60
    span = f"{minutes:g} minutes" if minutes >= 1 else f"{seconds:g} seconds"
    return f"The kernel was idle for {span} and was stopped. The next question starts it again."

"""The wait between two tries of a model, which the person may cut short."""

from __future__ import annotations

import asyncio
import contextlib


class Patience:
    """Its :meth:`sleep` is the core's; :meth:`cut` is the person's "try now"."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._impatient = asyncio.Event()
        self._sleeping = 0

    async def sleep(self, seconds: float) -> None:
        """Wait, or less."""
        self._impatient.clear()
        self._sleeping += 1
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._impatient.wait(), seconds)
        finally:
            self._sleeping -= 1

    def cut(self) -> bool:
        """End the wait; says whether anybody waited."""
        self._impatient.set()
        return self._sleeping > 0

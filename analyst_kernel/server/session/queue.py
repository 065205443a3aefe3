"""The queue of an analysis: one job at a time, in the order in which they were added."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from analyst_kernel.protocol.errors import InputError

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

_log = logging.getLogger(__name__)


class JobQueue:
    """Runs jobs in order. A job that fails or is cancelled does not stop the ones after it."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when a job was added, begins, ends or is withdrawn."""
        self._changed = changed
        self._waiting: deque[tuple[Work, str]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Return whether a job runs or waits."""
        return self._running is not None or bool(self._waiting)

    @property
    def questions(self) -> tuple[str, ...]:
        """The user's questions that wait, without one that is about to begin."""
        texts = [question for _, question in self._waiting]
        return tuple(filter(None, texts[1:] if self._running is None else texts))

    def add(self, work: Work, *, question: str = "") -> None:
        """Put a job at the end; ``question`` is its text if it answers one."""
        self._waiting.append((work, question))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._run())
        self._changed()

    def withdraw(self, position: int) -> None:
        """Remove the question at ``position`` among those that wait.

        Raises:
            InputError: There is none.
        """
        places = [place for place, (_, text) in enumerate(self._waiting) if text]
        if position >= len(places):
            raise InputError("That question does not wait any more.", "It is being answered.")
        del self._waiting[places[position]]
        self._changed()

    def cancel(self) -> bool:
        """Cancel the job that runs, and return whether there was one. The next one then begins."""
        return self._running is not None and self._running.cancel()

    async def close(self) -> None:
        """Drop the jobs that wait, cancel the one that runs and wait for its end. Idempotent."""
        self._waiting.clear()
        self.cancel()
        await self.idle()

    async def idle(self) -> None:
        """Wait until no job runs and none waits."""
        while self._worker is not None and not self._worker.done():
            await asyncio.wait([self._worker])

    async def _run(self) -> None:
        while self._waiting:
            work, _ = self._waiting.popleft()
            task = self._running = asyncio.get_running_loop().create_task(work())
            self._changed()
            await asyncio.wait([task])
            self._running = None
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("A job of an analysis failed", exc_info=error)
        self._changed()

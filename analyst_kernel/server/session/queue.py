"""What an analysis is asked to do, one thing after the other, and the line in which it waits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.records import Limits

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A question to be answered."""

    text: str
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class OwnCode:
    """The user's own code."""

    code: str


@dataclass(frozen=True, slots=True)
class Repetition:
    """One cell, or with ``None`` all of them, again."""

    cell: CellId | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The whole notebook in a fresh kernel."""


@dataclass(frozen=True, slots=True)
class BranchState:
    """The kernel of a branch, brought to the state of its notebook.

    Attributes:
        cells: How many cells make it.
    """

    cells: int


@dataclass(frozen=True, slots=True)
class Undoing:
    """A whole run taken out again."""

    run: RunId
    roll_back: bool


Job: TypeAlias = Question | OwnCode | Repetition | Verification | BranchState | Undoing


class JobQueue:
    """Does jobs in order; a job that fails or is cancelled does not keep the next one waiting."""

    def __init__(self, do: Callable[[Job], Awaitable[None]], changed: Callable[[], None]) -> None:
        """Do each job with ``do``; call ``changed`` when what is at work or waits is another."""
        self._do = do
        self._changed = changed
        self._waiting: deque[Job] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._at_work: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is at work or about to be."""
        return self._at_work is not None or bool(self._waiting)

    @property
    def questions(self) -> tuple[str, ...]:
        """Questions that wait."""
        waiting = list(self._waiting)
        if self._at_work is None:  # the first one is about to be taken up
            waiting = waiting[1:]
        return tuple(job.text for job in waiting if isinstance(job, Question))

    def add(self, job: Job) -> None:
        """Put a job at the end."""
        self._waiting.append(job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())
        self._changed()

    def withdraw(self, position: int) -> None:
        """Remove the question at ``position`` among those that wait.

        Raises:
            InputError: There is none.
        """
        places = [n for n, job in enumerate(self._waiting) if isinstance(job, Question)]
        if position >= len(places):
            raise InputError("That question does not wait any more.", "It is being answered.")
        del self._waiting[places[position]]
        self._changed()

    def cancel(self) -> bool:
        """Stop the job at work; says whether there was one. What waits goes on after it."""
        if self._at_work is None:
            return False
        return self._at_work.cancel()

    async def close(self) -> None:
        """Forget what waits, stop what is at work, and wait for its end."""
        self._waiting.clear()
        self.cancel()
        if self._worker is not None:
            await asyncio.wait([self._worker])

    async def idle(self) -> None:
        """Wait until nothing is at work and nothing waits."""
        while self._worker is not None and not self._worker.done():
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        while self._waiting:
            job = self._waiting.popleft()
            task = self._at_work = asyncio.ensure_future(_as_coroutine(self._do(job)))
            self._changed()
            await asyncio.wait([task])
            self._at_work = None
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("A job of an analysis failed", exc_info=error)
        self._changed()


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work

"""The user behind the browser: questions and approvals wait for them, for hours if need be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from analyst_kernel.agent.ports import Approval
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.events import (
    ApprovalRequested,
    Event,
    PlanApprovalRequested,
    UserAsked,
)
from analyst_kernel.protocol.ids import AskId
from analyst_kernel.protocol.records import Step

Kind: TypeAlias = Literal["question", "cell", "plan"]


class BrowserUser:
    """Implements ``agent.ports.User`` and ``PlanReader``.

    The core tells an event with an id right before it asks; :meth:`heard` keeps that id, under
    which any tab may answer.

    Attributes:
        wants_plan: Whether the plan of each question waits for the user.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when somebody begins or ceases to wait."""
        self.wants_plan = False
        self._changed = changed
        self._announced: AskId | None = None
        self._open: dict[AskId, tuple[Kind, asyncio.Future[Any]]] = {}

    @property
    def waiting(self) -> bool:
        """Whether something waits for the user."""
        return bool(self._open)

    def heard(self, event: Event) -> None:
        """Listen to the analysis's events."""
        if isinstance(event, UserAsked | ApprovalRequested | PlanApprovalRequested):
            self._announced = event.ask

    def reply(self, kind: Kind, ask: AskId, value: object) -> None:
        """Hand in the user's answer.

        Raises:
            InputError: Nothing waits under that id; it was answered already, or the run ended.
        """
        known = self._open.get(ask)
        if known is None or known[0] != kind or known[1].done():
            raise InputError(
                "This question does not wait any more.", "It was answered, or its run ended."
            )
        known[1].set_result(value)

    async def answer(self, question: str, options: Sequence[str], default: str) -> tuple[str, bool]:
        """Wait for the answer to a question."""
        text = str(await self._wait("question")).strip()
        return (text, True) if text else (default, False)

    async def approve(self, code: str, purpose: str) -> Approval:
        """Wait for the decision about a cell."""
        decision = await self._wait("cell")
        assert isinstance(decision, Approval)
        return decision

    async def approve_plan(self, steps: Sequence[Step]) -> tuple[str, ...]:
        """Wait for the plan as accepted."""
        return tuple(await self._wait("plan"))

    async def _wait(self, kind: Kind) -> Any:
        ask, self._announced = self._announced, None
        assert ask is not None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[ask] = (kind, future)
        self._changed()
        try:
            return await future
        finally:
            del self._open[ask]
            self._changed()


class RetryDelay:
    """Its :meth:`sleep` is the core's; :meth:`cut` is the user's "try now"."""

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

"""The user of a browser: their answers, for which a run may wait for hours, and "try now"."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from analyst_kernel.agent.ports import Approval
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AskId
from analyst_kernel.protocol.records import PackageOffer, Step

Kind: TypeAlias = Literal["question", "cell", "plan"]


class BrowserUser:
    """Implements ``agent.ports.User`` and ``PlanReader``. Any tab may answer.

    Attributes:
        wants_plan: Whether the plan of each question waits for the user.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when a run begins or ends to wait for the user."""
        self.wants_plan = False
        self._changed = changed
        self._open: dict[AskId, tuple[Kind, asyncio.Future[Any]]] = {}

    @property
    def waiting(self) -> bool:
        """Return whether a run waits for the user."""
        return bool(self._open)

    def reply(self, kind: Kind, ask: AskId, value: object) -> None:
        """Give the user's answer to the run that waits for it.

        Raises:
            InputError: Nothing waits under that id; it was answered already, or the run ended.
        """
        known = self._open.get(ask)
        if known is None or known[0] != kind or known[1].done():
            raise InputError(
                "This question does not wait any more.", "It was answered, or its run ended."
            )
        known[1].set_result(value)

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        """Wait for the answer to a question."""
        text = str(await self._wait("question", ask)).strip()
        return (text, True) if text else (default, False)

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        """Wait for the decision about a cell."""
        decision = await self._wait("cell", ask)
        assert isinstance(decision, Approval)
        return decision

    async def approve_package(self, ask: AskId, offer: PackageOffer) -> bool:
        """Wait for the decision about a package, which is made as that about a cell."""
        decision = await self._wait("cell", ask)
        assert isinstance(decision, Approval)
        return decision.decision == "run"

    async def approve_plan(self, ask: AskId, steps: Sequence[Step]) -> tuple[str, ...]:
        """Wait for the plan as accepted."""
        return tuple(await self._wait("plan", ask))

    async def _wait(self, kind: Kind, ask: AskId) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[ask] = (kind, future)
        self._changed()
        try:
            return await future
        finally:
            del self._open[ask]
            self._changed()


class RetryDelay:
    """The wait before the model is called again; the user may end it."""

    def __init__(self) -> None:
        self._skipped = asyncio.Event()
        self._sleeping = 0

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``, or until :meth:`skip` is called."""
        self._skipped.clear()
        self._sleeping += 1
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._skipped.wait(), seconds)
        finally:
            self._sleeping -= 1

    def skip(self) -> None:
        """End the wait.

        Raises:
            InputError: Nothing waits.
        """
        if not self._sleeping:
            raise InputError("Nothing waits for the model now.")
        self._skipped.set()

"""Hands a running cell's changes on, at most about 30 times a second.

Merges what piles up in between (stream text is joined, newer content replaces older), so a flood of
output costs its receiver nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.protocol.outputs import StreamOutput

INTERVAL = 1 / 30
"""Seconds between two hand-overs."""


class Forwarder:
    """Collects changes and calls ``receive`` for each, in order, in the event loop's thread."""

    def __init__(
        self, receive: Callable[[OutputChange], None] | None, interval: float = INTERVAL
    ) -> None:
        """Keep the receiver; ``None`` means that nobody listens."""
        self._receive = receive
        self._interval = interval
        self._pending: list[OutputChange] = []
        self._timer: asyncio.TimerHandle | None = None
        self._last = float("-inf")
        self.failure: Exception | None = None

    def push(self, changes: Iterable[OutputChange]) -> None:
        """Take changes; hand them over now or within the interval."""
        if self._receive is None:
            return
        for change in changes:
            self._pending = merge(self._pending, change)
        if not self._pending or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._last + self._interval - loop.time()
        if wait <= 0:
            self.flush()
        else:
            self._timer = loop.call_later(wait, self.flush)

    def flush(self) -> None:
        """Hand over everything now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        if self._receive is None or not pending:
            return
        self._last = asyncio.get_running_loop().time()
        try:
            for change in pending:
                self._receive(change)
        except Exception as error:  # noqa: BLE001 - whatever the receiver raises
            # Raised to the caller of execute(), not into the reader of the kernel's messages.
            self.failure = error
            self._receive = None


def merge(pending: list[OutputChange], change: OutputChange) -> list[OutputChange]:
    """Return ``pending`` followed by ``change``, as few changes as possible. Pure."""
    if change.output is None:
        return [change]
    for place in range(len(pending) - 1, -1, -1):
        before = pending[place]
        if before.output is None or before.index != change.index:
            continue
        merged = change
        if (
            change.append
            and isinstance(before.output, StreamOutput)
            and isinstance(change.output, StreamOutput)
        ):
            joined = before.output.text + change.output.text
            text = before.output.model_copy(update={"text": joined})
            merged = OutputChange(change.index, text, append=before.append)
        return [*pending[:place], merged, *pending[place + 1 :]]
    return [*pending, change]

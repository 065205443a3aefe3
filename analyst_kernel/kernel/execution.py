"""One execution while it runs: takes the messages that answer its request until it is idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.messages import IopubMsg, StatusMsg, StreamMsg, error_of
from analyst_kernel.kernel.outputs.fold import Finished, OutputState, finish, fold
from analyst_kernel.kernel.outputs.limits import OutputLimits
from analyst_kernel.kernel.throttle import Forwarder

PIECE = 200_000
"""Characters of a stream folded at once; between two pieces the event loop gets its turn."""


class CellRun:
    """Folds what one request publishes.

    Attributes:
        done: Resolved when the kernel replied and is idle.
        state: The outputs so far.
        reply: The content of the reply, once it is there.
        idle: Whether the kernel said that it is idle again.
        heard: ``time.monotonic()`` of the newest message.
    """

    def __init__(
        self, limits: OutputLimits, on_change: Callable[[OutputChange], None] | None = None
    ) -> None:
        """Start with no output."""
        self._limits = limits
        self._forwarder = Forwarder(on_change)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.state = OutputState()
        self.reply: Mapping[str, Any] | None = None
        self.idle = False
        self.heard = self.began = time.monotonic()

    async def take(self, message: IopubMsg) -> None:
        """Take one published message."""
        self.heard = time.monotonic()
        if isinstance(message, StatusMsg):
            if message.state == "idle":
                self.idle = True
                self._check()
            return
        if isinstance(message, StreamMsg) and len(message.text) > PIECE:
            for start in range(0, len(message.text), PIECE):
                self._fold(StreamMsg(message.name, message.text[start : start + PIECE]))
                await asyncio.sleep(0)
            return
        self._fold(message)

    def replied(self, content: Mapping[str, Any]) -> None:
        """Take the reply to the request."""
        self.heard = time.monotonic()
        self.reply = content
        self._check()

    def again(self) -> None:
        """Make ready for the same request once more; nothing of it ran."""
        self.done = asyncio.get_running_loop().create_future()
        self.reply, self.idle = None, False

    def add(self, message: IopubMsg) -> None:
        """Add an output of our own, e.g. that the kernel died."""
        self._fold(message)

    def finish(self) -> Finished:
        """Return the final outputs; every change has been handed over after this."""
        if self.reply is not None and self.reply.get("status") == "error" and not self.state.error:
            # The error itself was lost on its way or silent; the reply has it too.
            self._fold(error_of(self.reply))
        finished = finish(self.state)
        self._forwarder.push(finished.changes)
        self._forwarder.flush()
        return finished

    def check_receiver(self) -> None:
        """Raise what the receiver of the changes raised, if it did."""
        if self._forwarder.failure is not None:
            raise self._forwarder.failure

    @property
    def refused(self) -> bool:
        """Whether the kernel refused to run the cell, which it never began."""
        return self.reply is not None and self.reply.get("status") == "aborted"

    @property
    def failed(self) -> bool:
        """Whether the cell ended with an error."""
        return self.reply is not None and self.reply.get("status") != "ok"

    def _fold(self, message: IopubMsg) -> None:
        self.state, changes = fold(self.state, message, self._limits)
        self._forwarder.push(changes)

    def _check(self) -> None:
        if self.idle and self.reply is not None and not self.done.done():
            self.done.set_result(None)

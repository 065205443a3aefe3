"""Collects what one request publishes, and hands the changes on at most about 30 times a second.

Changes that pile up in between are merged (stream text is joined, newer content replaces older), so
a flood of output costs its receiver nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from analyst_kernel._text import shorten
from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.messages import (
    DisplayMsg,
    DroppedMsg,
    ErrorMsg,
    IopubMsg,
    StatusMsg,
    StreamMsg,
    error_of,
    size_of,
)
from analyst_kernel.kernel.outputs.fold import Finished, OutputState, finish, fold
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.protocol.outputs import StreamOutput

PIECE = 200_000
"""Characters of a stream folded at once; between two pieces the event loop gets its turn."""

LARGE = 20_000
"""Characters of a display or an error from which on it is sanitised beside the event loop."""

INTERVAL = 1 / 30
"""Seconds between two hand-overs of changes."""


class CellRun:
    """Folds what one request publishes.

    Attributes:
        done: Resolved when the kernel replied and is idle.
        state: The outputs so far.
        reply: The content of the reply, once it arrived.
        idle: Whether the kernel reported that it is idle again.
        last_message: ``time.monotonic()`` of the newest message.
        last_of_others: The same of what was published for other requests meanwhile. A kernel
            publishes in order, so messages of this one may stand behind those.
        abandoned: Whether the caller was cancelled and waits to leave.
    """

    def __init__(
        self, limits: OutputLimits, on_change: Callable[[OutputChange], None] | None = None
    ) -> None:
        self._limits = limits
        self._forwarder = Forwarder(on_change)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.state = OutputState()
        self.reply: Mapping[str, Any] | None = None
        self.idle = False
        self.last_message = self.began = time.monotonic()
        self.last_of_others = 0.0
        self.abandoned = False
        self._said_unread = False

    def abandon(self) -> None:
        """Sanitise nothing large any more: the caller was cancelled and waits to leave.

        What waits in the socket still comes. To make a picture or a table harmless takes a tenth of
        a second or more, in which the event loop waits for Python's lock, as does the user.
        """
        self.abandoned = True

    def detach(self) -> None:
        """Hand on nothing any more: the receiver has left."""
        self._forwarder.detach()

    async def take(self, message: IopubMsg) -> None:
        """Take one published message."""
        self.last_message = time.monotonic()
        if isinstance(message, StatusMsg):
            if message.state == "idle":
                self.idle = True
                self._check()
            return
        size = size_of(message)
        if self.abandoned and (size > LARGE or isinstance(message, DroppedMsg)):
            self._take_unread(message)
            return
        if isinstance(message, StreamMsg) and len(message.text) > PIECE:
            for start in range(0, len(message.text), PIECE):
                self.add(StreamMsg(message.name, message.text[start : start + PIECE]))
                await asyncio.sleep(0)
            return
        if size <= LARGE:
            self.add(message)
            return
        while True:
            before = self.state
            after, changes = await asyncio.to_thread(fold, before, message, self._limits)
            if self.state is before:
                break  # else something else was added meanwhile, which must not get lost
        self.state = after
        self._forwarder.push(changes)

    def _take_unread(self, message: IopubMsg) -> None:
        """Say once that something large came after the stop; keep of an error what it is called."""
        if isinstance(message, ErrorMsg):
            self.add(ErrorMsg(message.ename, shorten(message.evalue, 1000), ()))
        elif not self._said_unread:
            self._said_unread = True
            self.add(DisplayMsg({"text/plain": "[left out: what came after the stop]"}, {}))

    def take_reply(self, content: Mapping[str, Any]) -> None:
        """Take the reply to the request."""
        self.last_message = time.monotonic()
        self.reply = content
        self._check()

    def reset(self) -> None:
        """Prepare for sending the same request once more; nothing of it ran."""
        self.done = asyncio.get_running_loop().create_future()
        self.reply, self.idle = None, False

    def add(self, message: IopubMsg) -> None:
        """Add what was published, or an output of our own (that the kernel died, say)."""
        self.state, changes = fold(self.state, message, self._limits)
        self._forwarder.push(changes)

    def finish(self) -> Finished:
        """Return the final outputs; every change has been handed over after this."""
        if self.reply is not None and self.reply.get("status") == "error" and not self.state.error:
            # The published error was lost or the request was silent; the reply has it too.
            self.add(error_of(self.reply))
        finished = finish(self.state)
        self._forwarder.push(finished.changes)
        self._forwarder.flush()
        return finished

    def check_receiver(self) -> None:
        """Raise what the receiver of the changes raised, if it did."""
        if self._forwarder.failure is not None:
            raise self._forwarder.failure

    @property
    def expressions(self) -> Mapping[str, Any]:
        """The reply's user expressions; empty if there are none."""
        found = (self.reply or {}).get("user_expressions")
        return found if isinstance(found, Mapping) else {}

    @property
    def refused(self) -> bool:
        """Return whether the kernel refused to run the cell, so that nothing of it ran."""
        return self.reply is not None and self.reply.get("status") == "aborted"

    @property
    def failed(self) -> bool:
        """Return whether the cell ended with an error."""
        if self.reply is None:
            # An interrupt that comes while the kernel replies takes the reply with it.
            return self.state.error is not None
        return self.reply.get("status") != "ok"

    def _check(self) -> None:
        if self.idle and self.reply is not None and not self.done.done():
            self.done.set_result(None)


class Forwarder:
    """Calls ``receive`` for each change, in order, in the event loop's thread.

    If ``receive`` is None, all of them are dropped.
    """

    def __init__(self, receive: Callable[[OutputChange], None] | None) -> None:
        self._receive = receive
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
        wait = self._last + INTERVAL - loop.time()
        if wait <= 0:
            self.flush()
        else:
            self._timer = loop.call_later(wait, self.flush)

    def detach(self) -> None:
        """Drop what waits, and all that comes."""
        self._receive, self._pending = None, []

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
    for at in range(len(pending) - 1, -1, -1):
        before = pending[at]
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
        return [*pending[:at], merged, *pending[at + 1 :]]
    return [*pending, change]

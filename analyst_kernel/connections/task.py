"""What a worker is asked, how it is stopped, and what it says when it cannot.

The engines' modules and the worker share it; it imports no driver.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

TaskKind: TypeAlias = Literal["test", "schema", "describe", "estimate", "fetch", "rows"]
LAST_SECONDS = 0.6
"""How long a cancelled statement may take to end before the process does."""


class Task(BaseModel):
    """What a worker is to do.

    Attributes:
        address: With the password.
        secret: The password alone, which no message may quote.
        sql: The query, if it is about one; ``queries`` those of ours.
        target: Where the rows are written.
        rows, bytes, seconds: The limits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    engine: str
    kind: TaskKind
    address: str = Field(repr=False)
    secret: str = Field(default="", repr=False)
    sql: str = ""
    queries: tuple[str, ...] = ()
    target: str = ""
    rows: int
    bytes: int
    seconds: float

    def without_secret(self, text: str) -> str:
        """Return a text that may quote the password without it."""
        return text.replace(self.secret, "***") if self.secret else text


class DatabaseRefused(Exception):
    """What was asked cannot be done: what happened, and what to do next."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Control:
    """Reads tasks from the input, and cancels the one at work when the input ends.

    ``on_cancel`` is called from another thread.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.on_cancel: Callable[[], None] | None = None
        self._orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def next_order(self) -> bytes:
        """Wait for the next task, as JSON; empty at the end of the input."""
        return self._orders.get()

    def _read(self) -> None:
        for line in iter(sys.stdin.buffer.readline, b""):
            self._orders.put(line)
        self.cancelled = True
        self._orders.put(b"")
        threading.Timer(LAST_SECONDS, os._exit, (1,)).start()
        cancel = self.on_cancel
        if cancel is not None:
            # Whatever it raises, the process ends.
            with contextlib.suppress(Exception):
                cancel()

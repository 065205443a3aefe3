"""Runs inside the kernel: an interrupt reaches a cell that is just about to wait.

Python notes a signal when it comes and acts on it when the main thread looks next. A main thread
that has looked and is on its way into a waiting call, or one whose signal another thread took,
would wait on for as long as the call takes. So it is woken a few times, by a signal that means
nothing. Standard library only; never imported here.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

WAKE = getattr(signal, "SIGURG", None)
"""Ignored by default, also by what a cell starts."""

AFTER = (0.02, 0.1, 0.4)
"""Seconds after the interrupt."""

_INTERRUPT = "_send_interrupt_children"
_taken_back: list[Callable[[], None]] = []


def install() -> None:
    """Wake the main thread after each interrupt; called in that thread."""
    from ipykernel.kernelbase import Kernel

    kind: Any = Kernel
    interrupt = getattr(kind, _INTERRUPT, None)
    if WAKE is None or interrupt is None or signal.getsignal(WAKE) is not signal.SIG_DFL:
        return

    def wake() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, WAKE)

    def insist(kernel: Any) -> None:
        interrupt(kernel)
        loop = asyncio.get_running_loop()
        for seconds in AFTER:
            loop.call_later(seconds, wake)

    def withdraw() -> None:
        setattr(kind, _INTERRUPT, interrupt)
        signal.signal(WAKE, signal.SIG_DFL)

    signal.signal(WAKE, lambda *_: None)
    setattr(kind, _INTERRUPT, insist)
    _taken_back.append(withdraw)


def retire() -> None:
    """Take it back."""
    while _taken_back:
        _taken_back.pop()()

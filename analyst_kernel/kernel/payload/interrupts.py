"""Runs inside the kernel: an interrupt reaches the cell, wherever it is, and never ends the kernel.

A cell may wait in a system call, compute, ``await``, or await a task that computes. Python's and
ipykernel's own ways miss some of these: an event loop that sleeps is not woken, a coroutine that
computes is not stopped, and a ``KeyboardInterrupt`` in a task ends the event loop and with it the
kernel. Standard library only; never imported here.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

WAKE = getattr(signal, "SIGURG", None)
"""The signal that wakes the main thread. Ignored by default, also by what a cell starts."""

WAKE_AFTER = (0.02, 0.1, 0.4)
"""Seconds after an interrupt."""

_INTERRUPT, _CANCEL = "_send_interrupt_children", "_cancel_on_sigint"
_MACHINERY = {"ipykernel", "tornado", "zmq", "jupyter_client"}


class _RunningCell:
    """The cell that runs.

    Attributes:
        interrupted: Whether it was interrupted.
    """

    interrupted = False


def install(shell: Any) -> Callable[[], None]:
    """Make interrupts reach every cell of IPython's ``shell``; return what takes that back.

    Called in the main thread.
    """
    taken_back = (_wake_the_main_thread(), _cancel_awaiting_cells(shell))

    def withdraw() -> None:
        for take_back in taken_back:
            take_back()

    return withdraw


def as_interrupt(error: BaseException) -> BaseException:
    """Return ``error``, or a ``KeyboardInterrupt`` for a cancellation that an interrupt caused."""
    if _RunningCell.interrupted and issubclass(type(error), asyncio.CancelledError):
        return KeyboardInterrupt().with_traceback(error.__traceback__)
    return error


def _wake_the_main_thread() -> Callable[[], None]:
    """Make an interrupt reach a cell that is just about to wait.

    Python notes a signal when it comes and acts on it when the main thread looks next. A main
    thread that has looked and is on its way into a waiting call, or one whose signal another thread
    took, would wait on for as long as the call takes. So it is woken a few times, by a signal that
    means nothing.
    """
    from ipykernel.kernelbase import Kernel

    kind: Any = Kernel
    interrupt = getattr(kind, _INTERRUPT, None)
    if WAKE is None or interrupt is None or signal.getsignal(WAKE) is not signal.SIG_DFL:
        return lambda: None

    def wake() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, WAKE)

    def insist(kernel: Any) -> None:
        interrupt(kernel)
        loop = asyncio.get_running_loop()
        for seconds in WAKE_AFTER:
            loop.call_later(seconds, wake)

    def withdraw() -> None:
        setattr(kind, _INTERRUPT, interrupt)
        signal.signal(WAKE, signal.SIG_DFL)

    signal.signal(WAKE, lambda *_: None)
    setattr(kind, _INTERRUPT, insist)
    return withdraw


def _cancel_awaiting_cells(shell: Any) -> Callable[[], None]:
    """Make an interrupt stop a cell that runs in the event loop, again with each one."""
    from ipykernel.ipkernel import IPythonKernel

    kind: Any = IPythonKernel
    original = getattr(kind, _CANCEL, None)
    if original is None:
        return lambda: None

    @contextlib.contextmanager
    def cancel_on_sigint(_kernel: Any, cell: asyncio.Future[Any]) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        _RunningCell.interrupted = False

        def interrupted(_signum: int, frame: FrameType | None) -> None:
            _RunningCell.interrupted = True
            task = asyncio.current_task(loop)
            if task is cell and _calls(frame, shell.user_global_ns):
                raise KeyboardInterrupt
            if task is not cell and (_calls(frame, shell.user_global_ns) or _is_users(task)):
                # A KeyboardInterrupt in a task or a callback would end the event loop.
                raise asyncio.CancelledError
            # From outside, as it were: a loop that sleeps does not look for what a handler left.
            loop.call_soon_threadsafe(cell.cancel)

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    setattr(kind, _CANCEL, cancel_on_sigint)

    def withdraw() -> None:
        setattr(kind, _CANCEL, original)

    return withdraw


def _calls(frame: FrameType | None, namespace: dict[str, Any]) -> bool:
    """Return whether code of ``namespace`` is running, itself or through what it called."""
    while frame is not None:
        if frame.f_globals is namespace:
            return True
        frame = frame.f_back
    return False


def _is_users(task: asyncio.Task[Any] | None) -> bool:
    """Return whether a task belongs to the cells, and not to the kernel."""
    frame = getattr(task.get_coro(), "cr_frame", None) if task is not None else None
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return bool(name) and name.split(".")[0] not in _MACHINERY

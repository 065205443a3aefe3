"""What asyncio leaves to its users: work that must end, and work that nothing waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def finish_despite_cancel(
    work: Coroutine[Any, Any, _T] | asyncio.Future[_T], *, reraise: bool = False
) -> _T:
    """Await ``work`` to its end, however often the caller is cancelled meanwhile.

    Args:
        work: What must not stop half done, such as a clean-up or the write of a file.
        reraise: Raise the cancellation after the work has ended, in place of its result or error.
            Without it the cancellation is dropped, because the caller is already ending.

    Raises:
        asyncio.CancelledError: The work itself was cancelled, or ``reraise`` is set and the caller
            was.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])  # unlike awaiting the task, this does not cancel it
        except asyncio.CancelledError as error:
            cancellation = error
    if reraise and cancellation is not None:
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not report it as lost
        raise cancellation
    return task.result()


class BackgroundTasks:
    """Tasks that nothing awaits. asyncio itself keeps only weak references to running tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` on the event loop until it ends or :meth:`cancel` is called."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """Cancel all tasks and wait for their ends. Idempotent."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

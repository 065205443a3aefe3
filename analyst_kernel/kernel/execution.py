"""One cell in a running kernel: send it, wait for its end, interrupt or abandon it.

The kernel that a cell took with it is replaced elsewhere (``recovery``); here nothing starts one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from analyst_kernel.agent.lineage.trace import CellTrace
from analyst_kernel.agent.ports import Execution, OutputChange
from analyst_kernel.kernel.channels import Channels
from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.diagnosis import cell_error
from analyst_kernel.kernel.manager import interrupt, is_alive, kill
from analyst_kernel.kernel.messages import ErrorMsg
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.kernel.startup import EXPRESSIONS, read_frames, read_trace
from analyst_kernel.protocol.outputs import CellError, Frame, Outcome

INTERRUPT_SECONDS = 5.0
"""How long an interrupted cell may take to end before its kernel is killed."""
CANCEL_SECONDS = 0.8
"""The same when the caller was cancelled and waits to leave."""
LATER_SECONDS = 3.0
"""How much longer once the caller has left: a busy machine is slow, and a new kernel is empty."""
_POLL = 0.05
_QUIET = 1.0
_LATE = 15.0
_REFUSALS = 20

Verdict = Literal["done", "died", "timeout"]
End = Literal["done", "died", "interrupted", "killed"]
"""How a cell ended: by itself, with its kernel, or past its time by an interrupt or with a kill."""


async def watch(
    run: CellRun, km: Any, seconds: float, *, quiet: float = _QUIET, late: float = _LATE
) -> Verdict:
    """Wait until the run is over, the kernel is dead, or ``seconds`` have passed.

    A run is over when the reply and the report of being idle are both there. Either can be missing:
    under a flood the kernel may drop what it publishes last, and on a slow machine the reply comes
    late. So one of the two counts as well, after some seconds in which nothing arrived: the reply
    alone is enough after ``quiet`` seconds, the report of being idle alone after ``late`` seconds.
    What a stopped cell had published before is read first and is no silence, for ``late`` seconds
    at most: a thread of an earlier cell may publish for ever.
    """
    looked = time.monotonic()
    until, silent, behind = looked + seconds, 0.0, 0.0
    while True:
        left = until - time.monotonic()
        await asyncio.wait({run.done}, timeout=max(0.0, min(_POLL, left)))
        if run.done.done():
            return "done"
        # The silence is added up look by look, and one look counts for two polls at most. An event
        # loop that was held up (by the reader of a flood, say) read no messages meanwhile, so the
        # time since the newest one would make the loop's own pause a silence of the kernel.
        before, looked = looked, time.monotonic()
        if run.last_message >= before:
            silent = 0.0
        elif run.last_of_others >= before and behind < late:
            behind += looked - before
        else:
            silent += min(looked - before, 2 * _POLL)
        if not await is_alive(km):
            return "died"
        if (run.reply is not None and silent > quiet) or (run.idle and silent > late):
            return "done"
        if left <= 0:
            return "timeout"


class CellExecution:
    """One cell from its request to its :class:`~analyst_kernel.agent.ports.Execution`."""

    def __init__(
        self,
        code: str,
        km: Any,
        channels: Channels,
        limits: OutputLimits,
        on_change: Callable[[OutputChange], None] | None,
    ) -> None:
        self._code = code
        self._km = km
        self._channels = channels
        self._limits = limits
        self.run = CellRun(limits, on_change)
        self._trace: CellTrace | None = None
        self._ends_later = False

    def send(self) -> None:
        """Send the request."""
        self._channels.send(self._code, self.run, silent=False, expressions=EXPRESSIONS)

    def forget(self) -> None:
        """Ignore whatever the kernel still sends about this cell, unless its end is waited for."""
        if not self._ends_later:
            self._channels.forget(self.run)

    async def wait(self, timeout: float) -> End:
        """Wait for the end of a cell that was sent; over ``timeout`` seconds it is ended."""
        verdict = await watch(self.run, self._km, timeout)
        for _ in range(_REFUSALS):
            if verdict != "done" or not self.run.refused:
                break
            # A cell that the user ran by hand failed, and the kernel refused everything that was
            # waiting behind it, this cell included. Nothing of it ran, so it is sent again. Each
            # refusal needs a failing cell of the user's, hence the small number of attempts.
            self.run.reset()
            self.send()
            verdict = await watch(self.run, self._km, timeout)
        if verdict != "timeout":
            return verdict
        for _ in range(2):
            await interrupt(self._km)
            verdict = await watch(self.run, self._km, INTERRUPT_SECONDS / 2)
            if verdict != "timeout":
                return "interrupted" if verdict == "done" else verdict
        await kill(self._km)
        return "killed"

    async def abandon(self) -> bool:
        """Interrupt a cell whose caller was cancelled; return whether the kernel is idle again.

        The caller waits to leave, so the kernel gets less than a second. The interrupt is repeated:
        code that catches the first one is common (a loop around a request), twice is rare.
        """
        self.run.abandon()
        return await self._end_within(CANCEL_SECONDS, 0.15)

    def end_later(self) -> Coroutine[Any, Any, bool]:
        """Return what waits longer for an abandoned cell, whose caller has left.

        It returns whether the kernel is idle again. Nothing is handed on from now on.
        """
        self._ends_later = True
        self.run.detach()
        return self._end_later()

    async def _end_later(self) -> bool:
        try:
            # Nothing that it published may still be on its way: the next cell would wait behind it.
            return await self._end_within(LATER_SECONDS, math.inf)
        finally:
            self._channels.forget(self.run)

    async def _end_within(self, seconds: float, quiet: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(interrupt(self._km), min(0.2, left))
            left = max(0.0, until - time.monotonic())
            verdict = await watch(self.run, self._km, min(0.3, left), quiet=quiet, late=quiet)
            if verdict == "done":
                return True
            if verdict == "died":
                break
        return False

    async def completed(
        self, timeout: float, *, interrupted: bool, cancelled: Callable[[], bool]
    ) -> Execution:
        """Return the result of a cell whose kernel is idle again.

        ``interrupted`` is whether it was interrupted because it ran longer than ``timeout``;
        ``cancelled``, called at the end, returns whether the user asked for an interrupt.
        """
        run = self.run
        seconds = time.monotonic() - run.began
        frames = await self._frames()
        if interrupted:
            message = f"The cell ran longer than {timeout:g} s and was interrupted."
            if run.state.error is None:
                run.add(ErrorMsg("Timeout", message, (message,)))
            error = CellError(name="Timeout", message=message)
            return self._result("timeout", error, seconds, frames)
        run.finish()
        count = run.state.execution_count
        failure = None
        if run.failed and run.state.error is not None:
            failure = cell_error(run.state.error, execution_count=count)
        elif run.failed:
            failure = CellError(name="Aborted", message="The kernel refused to run the cell.")
        outcome: Outcome = "error" if failure else "ok"
        if failure and cancelled() and failure.name == "KeyboardInterrupt":
            outcome = "cancelled"
        return self._result(outcome, failure, seconds, frames)

    def died(self, error: CellError, outcome: Outcome, seconds: float) -> Execution:
        """Return the result of a cell whose kernel is gone, with ``error`` as its last output."""
        self.run.add(ErrorMsg(error.name, error.message, (error.message,)))
        return self._result(outcome, error, seconds, died=True)

    async def _frames(self) -> tuple[Frame, ...]:
        """Return the variables; a failed cell's reply does not list them, so request them."""
        frames = read_frames(self.run.expressions)
        if frames is not None:
            self._trace = read_trace(self.run.expressions)
            return frames
        extra = CellRun(self._limits)
        self._channels.send("", extra, silent=True, expressions=EXPRESSIONS)
        await watch(extra, self._km, 2.0, quiet=0.2)
        self._channels.forget(extra)
        self._trace = read_trace(extra.expressions)
        return read_frames(extra.expressions) or ()

    def _result(
        self,
        outcome: Outcome,
        error: CellError | None,
        seconds: float,
        frames: tuple[Frame, ...] = (),
        *,
        died: bool = False,
    ) -> Execution:
        finished = self.run.finish()
        notices = finished.notices
        if not (self.run.done.done() or died):
            lost = "The kernel's last messages did not arrive; output may be missing."
            notices = (*notices, ("output_lost", lost))
        return Execution(
            outcome=outcome,
            outputs=finished.outputs,
            error=error,
            seconds=seconds,
            execution_count=self.run.state.execution_count,
            frames=frames,
            notices=notices,
            kernel_died=died,
            trace=self._trace,
        )

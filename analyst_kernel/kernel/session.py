"""The managed kernel of one analysis: the ``Kernel`` port over Jupyter's kernel managers.

Runs one cell at a time and always comes back to an idle kernel: ``execution`` watches the cell,
``recovery`` launches kernels and replaces dead ones. It is independent of notebooks and models.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, assert_never

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.ports import Execution, KernelFacts, OutputChange
from analyst_kernel.kernel.channels import Channels
from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.diagnosis import GONE
from analyst_kernel.kernel.execution import CellExecution
from analyst_kernel.kernel.manager import KernelHost, LocalHost, interrupt, kill
from analyst_kernel.kernel.other_clients import OtherClientRuns
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.kernel.recovery import ManagedKernel
from analyst_kernel.kernel.startup import import_code, watch_code
from analyst_kernel.protocol.errors import AnalystError, KernelError
from analyst_kernel.protocol.outputs import CellError, Outcome
from analyst_kernel.protocol.sandbox import SandboxLevel

_log = logging.getLogger(__name__)


class SessionState(Enum):
    """Whether a cell runs, and what was asked of the session since it began.

    Whether there is a kernel at all, or one that is being replaced, is up to ``ManagedKernel``.
    """

    IDLE = auto()
    """No cell of ours runs; users may run their own."""
    RUNNING = auto()
    """A cell runs, or waits for the kernel that replaces the one it took with it."""
    INTERRUPTING = auto()
    """A cell runs that the user asked to interrupt."""
    RESTARTING = auto()
    """A cell's kernel was killed because an empty kernel is wanted."""
    STOPPING = auto()
    """A cell's kernel was killed because no kernel is wanted."""


class KernelSession:
    """A kernel that belongs to one analysis; implements ``agent.ports.Kernel``.

    Args:
        notebook: Path of the analysis's notebook; it need not exist.
        kernel_name: The kernelspec.
        require: The lowest isolation that generated code may run in.
        output_limits: How much output is kept.
        host: What starts kernels; this process by default.
        start_options: Passed to the host, and by it to the kernel's provisioner, beside
            ``require``.
        ready_seconds: How long a kernel may take to come up.
    """

    def __init__(
        self,
        *,
        notebook: str,
        kernel_name: str = "analyst",
        require: SandboxLevel = "restricted",
        output_limits: OutputLimits | None = None,
        host: KernelHost | None = None,
        start_options: Mapping[str, Any] | None = None,
        ready_seconds: float = 60.0,
    ) -> None:
        self.notebook = os.path.abspath(notebook)
        self._limits = output_limits or OutputLimits()
        options = {"require": require, **(start_options or {})}
        self._kernel = ManagedKernel(
            self.notebook,
            kernel_name,
            require,
            self._limits,
            host or LocalHost(),
            options,
            ready_seconds,
        )
        self._lock = asyncio.Lock()
        self._watched = ""
        self._sent_watch: tuple[int, str] = (0, "")
        self._import_paths: tuple[str, ...] = ()
        self._sent_paths: tuple[int, tuple[str, ...]] = (0, ())
        self._state = SessionState.IDLE

    @property
    def manager(self) -> Any:
        """The kernel's manager, or None while there is no kernel."""
        return self._kernel.km

    @property
    def foreign(self) -> OtherClientRuns:
        """What other clients run in the same kernel."""
        return self._kernel.other_clients

    # --- the port ----------------------------------------------------------------------------

    async def start(self) -> KernelFacts:
        """Start and probe the kernel; return at once if it runs already."""
        async with self._lock:
            with contextlib.suppress(AnalystError):
                await self._kernel.replaced()
            return self._kernel.facts or await self._kernel.launch()

    async def execute(
        self, code: str, *, timeout: float, on_change: Callable[[OutputChange], None] | None = None
    ) -> Execution:
        """Run one cell to its end; a second one waits for the first."""
        async with self._lock:
            await self._kernel.replaced()
            kernel = self._kernel
            if kernel.channels is None or kernel.facts is None:
                raise KernelError("There is no running kernel.", "Start it first.")
            cell = CellExecution(code, kernel.km, kernel.channels, self._limits, on_change)
            if not await kernel.is_same_process():
                what = "The kernel had ended before this cell, which did not run."
                return await self._died(cell, what)
            self._state = SessionState.RUNNING
            try:
                self._send_watched(kernel.channels)
                cell.send()
                try:
                    execution = await self._finish(cell, timeout)
                except asyncio.CancelledError:
                    await finish_despite_cancel(self._abandon(cell))
                    raise
            finally:
                self._state = SessionState.IDLE
                cell.forget()
            cell.run.check_receiver()
            return execution

    def watch(self, datasets: str) -> None:
        """Follow datasets through each cell from the next one on."""
        self._watched = datasets

    def import_from(self, paths: Sequence[str]) -> None:
        """Have cells find modules in folders too, behind all others, from the next cell on."""
        self._import_paths = tuple(paths)

    def _send_watched(self, channels: Channels) -> None:
        """Send what is watched ahead of a cell, and folders for imports, unless it knows them."""
        now = (self._kernel.launches, self._watched)
        if self._watched and now != self._sent_watch:
            self._send_silently(channels, watch_code(self._watched))
            self._sent_watch = now
        paths = (self._kernel.launches, self._import_paths)
        if self._import_paths and paths != self._sent_paths:
            self._send_silently(channels, import_code(self._import_paths))
            self._sent_paths = paths

    def _send_silently(self, channels: Channels, code: str) -> None:
        silent = CellRun(self._limits)
        channels.send(code, silent, silent=True, expressions={})
        channels.forget(silent)

    async def admit(self, paths: Sequence[str]) -> bool:
        """Let the running kernel read more paths; called after the user granted them.

        Returns:
            False if only a new kernel would see them.
        """
        provisioner = getattr(self._kernel.km, "provisioner", None)
        if self._kernel.facts is None or getattr(provisioner, "sandbox_report", None) is None:
            return True  # no kernel yet, or one that is not confined
        grant = getattr(provisioner, "grant", None)
        if grant is None:
            return False
        try:
            await grant(list(paths))
        except Exception:  # noqa: BLE001 - whatever it was, a new kernel reads the grants afresh
            _log.info("The kernel could not be given %s while it runs", paths, exc_info=True)
            return False
        return True

    def outdated(self) -> bool:
        """Return whether a granted file was replaced and only a new kernel would see it."""
        look = getattr(getattr(self._kernel.km, "provisioner", None), "stale_grants", None)
        return self._kernel.facts is not None and look is not None and bool(look())

    async def interrupt(self) -> None:
        """Interrupt what runs, be it a cell of ours or a user's own. Idempotent."""
        if self._kernel.km is None or self._kernel.replacing:
            return
        if self._state is SessionState.RUNNING:
            self._state = SessionState.INTERRUPTING
        await interrupt(self._kernel.km)

    async def restart(self) -> KernelFacts:
        """Replace the kernel by an empty one; a running cell ends as cancelled."""
        before = self._kernel.launches
        await self._cut_short(SessionState.RESTARTING)
        async with self._lock:
            with contextlib.suppress(AnalystError):
                await self._kernel.replaced()
            # A cell that was cut short has had its kernel replaced already.
            if self._kernel.facts is not None and self._kernel.launches == before:
                await self._kernel.replace()
        return await self.start()

    async def stop(self) -> None:
        """Shut down and remove what the kernel left; a running cell ends as cancelled."""
        await self._cut_short(SessionState.STOPPING)
        async with self._lock:
            await self._kernel.cancel_replacement()
            await finish_despite_cancel(self._kernel.dispose())

    # --- one cell ----------------------------------------------------------------------------

    async def _finish(self, cell: CellExecution, timeout: float) -> Execution:
        """Wait for a cell that was sent, and return what became of it."""
        end = await cell.wait(timeout)
        match end:
            case "done" | "interrupted":
                return await cell.completed(
                    timeout,
                    interrupted=end == "interrupted",
                    cancelled=lambda: self._state is SessionState.INTERRUPTING,
                )
            case "died":
                return await self._died(cell, await self._kernel.cause_of_death())
            case "killed":
                what = (
                    f"The cell ran longer than {timeout:g} s, ignored the interrupt and was killed."
                )
                return await self._died(cell, what, name="Timeout", outcome="timeout")
            case _:
                assert_never(end)

    async def _died(
        self,
        cell: CellExecution,
        what: str,
        *,
        name: str = "KernelDied",
        outcome: Outcome = "error",
    ) -> Execution:
        """Replace a dead kernel, unless none is wanted, and return the cell's end."""
        seconds = time.monotonic() - cell.run.began
        if self._state in (SessionState.RESTARTING, SessionState.STOPPING):
            verb = "restarted" if self._state is SessionState.RESTARTING else "stopped"
            what, outcome = f"The kernel was {verb} while the cell ran.", "cancelled"
        if self._state is not SessionState.STOPPING:
            await self._kernel.replace()
        # Read again: a stop may have been requested while the new kernel came up.
        message = what if self._state is SessionState.STOPPING else f"{what} {GONE}"
        return cell.died(CellError(name=name, message=message), outcome, seconds)

    async def _abandon(self, cell: CellExecution) -> None:
        """Bring the kernel back to idle after its caller was cancelled.

        The caller is free within a second. What is not idle then gets some seconds more, before its
        variables are given up for an empty kernel.
        """
        if not self._kernel.replacing and not await cell.abandon():
            self._kernel.replace_soon(unless=cell.end_later())

    async def _cut_short(self, state: SessionState) -> None:
        """Kill the kernel of a running cell, which then ends as ``state`` demands."""
        if self._state is not SessionState.IDLE:
            self._state = state
            await kill(self._kernel.km)

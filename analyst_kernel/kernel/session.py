"""The managed kernel of one analysis: the ``Kernel`` port over Jupyter's kernel managers.

Starts the kernel and refuses one that is not isolated enough, runs one cell at a time, notices
death, and always comes back to an idle kernel. It writes no notebook and knows no model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.ports import Execution, KernelFacts, OutputChange
from analyst_kernel.kernel.channels import Channels
from analyst_kernel.kernel.diagnosis import GONE, cell_error, check_isolation, reason_of, report_of
from analyst_kernel.kernel.execution import CellRun
from analyst_kernel.kernel.manager import KernelHost, LocalHost, kernel_environment
from analyst_kernel.kernel.messages import ErrorMsg
from analyst_kernel.kernel.other_clients import ForeignRuns
from analyst_kernel.kernel.outputs.limits import OutputLimits
from analyst_kernel.kernel.outputs.sanitise import Notice
from analyst_kernel.kernel.startup import (
    EXPRESSIONS,
    FACTS,
    read_facts,
    read_frames,
    startup_code,
    why_no_facts,
)
from analyst_kernel.protocol.errors import AnalystError, KernelError
from analyst_kernel.protocol.outputs import CellError, Frame, Outcome
from analyst_kernel.protocol.sandbox import SandboxLevel

_Verdict = Literal["done", "died", "timeout"]
_log = logging.getLogger(__name__)

OBEY_SECONDS = 5.0
"""How long an interrupted cell may take to end before its kernel is killed."""
CANCEL_SECONDS = 0.8
"""The same when the caller was cancelled and waits to leave."""
_POLL = 0.05
_QUIET = 1.0
_LATE = 15.0
_REFUSALS = 20


class KernelSession:
    """A kernel with the life of one analysis; implements ``agent.ports.Kernel``."""

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
        """Prepare; nothing starts before :meth:`start`.

        Args:
            notebook: Absolute path of the analysis's notebook; it need not exist.
            kernel_name: The kernelspec.
            require: The lowest isolation that generated code may run in.
            output_limits: How much output is kept.
            host: Who starts kernels; this process by default.
            start_options: Handed to the host, and by it to the kernel's provisioner, beside
                ``require``.
            ready_seconds: How long a kernel may take to come up.
        """
        self.notebook = os.path.abspath(notebook)
        self._kernel_name = kernel_name
        self._require: SandboxLevel = require
        self._limits = output_limits or OutputLimits()
        self.foreign = ForeignRuns(self._limits)
        self._host: KernelHost = host or LocalHost()
        self._options = {"require": require, **(start_options or {})}
        self._ready_seconds = ready_seconds
        self._lock = asyncio.Lock()
        self._km: Any = None
        self._channels: Channels | None = None
        self._facts: KernelFacts | None = None
        self._pid: object = None
        self._recovery: asyncio.Task[None] | None = None
        self._running = False
        self._wish: Literal["", "interrupt", "restart", "stop"] = ""
        self._made_folder = False
        self._launches = 0

    @property
    def manager(self) -> Any:
        """The kernel's manager, or ``None`` while there is no kernel."""
        return self._km

    @property
    def output_folder(self) -> Path:
        """Where the code's files go: ``<notebook stem>_files/`` beside the notebook."""
        path = Path(self.notebook)
        return path.with_name(f"{path.stem}_files")

    # --- the port ----------------------------------------------------------------------------

    async def start(self) -> KernelFacts:
        """Start and probe the kernel; returns at once where it runs already."""
        async with self._lock:
            with contextlib.suppress(AnalystError):
                await self._recovered()
            if self._facts is not None:
                return self._facts
            began = time.monotonic()
            self._make_folders()
            try:
                self._km = await self._host.start(
                    self._kernel_name,
                    cwd=os.path.dirname(self.notebook),
                    env=kernel_environment(self.notebook),
                    **self._options,
                )
                return await self._open(began)
            except BaseException:
                await finish_despite_cancel(self._dispose())
                raise

    async def execute(
        self, code: str, *, timeout: float, on_change: Callable[[OutputChange], None] | None = None
    ) -> Execution:
        """Run one cell to its end; a second one waits for the first."""
        async with self._lock:
            await self._recovered()
            if self._channels is None or self._facts is None:
                raise KernelError("There is no running kernel.", "Start it first.")
            run = CellRun(self._limits, on_change)
            if not await self._still_ours():
                what = "The kernel had ended before this cell, which did not run."
                return await self._died(run, what)
            self._running, self._wish = True, ""
            try:
                self._channels.send(code, run, silent=False, expressions=EXPRESSIONS)
                try:
                    execution = await self._attend(code, run, timeout)
                except asyncio.CancelledError:
                    await finish_despite_cancel(self._abandon(run))
                    raise
            finally:
                self._running = False
                if self._channels is not None:
                    self._channels.forget(run)
            run.check_receiver()
            return execution

    async def admit(self, paths: Sequence[str]) -> bool:
        """Let the living kernel read more paths; called after the user granted them.

        Returns:
            False where only a new kernel would see them.
        """
        provisioner = getattr(self._km, "provisioner", None)
        if self._facts is None or getattr(provisioner, "sandbox_report", None) is None:
            return True  # no kernel yet, or one that is not confined
        widen = getattr(provisioner, "grant", None)
        if widen is None:
            return False
        try:
            await widen(list(paths))
        except Exception:  # noqa: BLE001 - whatever it was, a new kernel reads the grants afresh
            _log.info("The kernel could not be given %s while it runs", paths, exc_info=True)
            return False
        return True

    def outdated(self) -> bool:
        """Say whether a granted file was replaced and only a new kernel would see it."""
        look = getattr(getattr(self._km, "provisioner", None), "stale_grants", None)
        return self._facts is not None and look is not None and bool(look())

    async def interrupt(self) -> None:
        """Interrupt the running cell; harmless when idle or stopped."""
        if self._km is None or self._recovery is not None:
            return
        if self._running:
            self._wish = "interrupt"
        await self._interrupt()

    async def restart(self) -> KernelFacts:
        """Give an empty kernel, also while a cell runs (which then ends as cancelled)."""
        before = self._launches
        if self._running:
            self._wish = "restart"
            await self._kill()
        async with self._lock:
            with contextlib.suppress(AnalystError):
                await self._recovered()
            if self._facts is not None and self._launches == before:
                await self._renew()
        return await self.start()

    async def stop(self) -> None:
        """Shut down and remove what the kernel left; a running cell ends as cancelled."""
        if self._running:
            self._wish = "stop"
            await self._kill()
        async with self._lock:
            recovery, self._recovery = self._recovery, None
            if recovery is not None:
                recovery.cancel()
                await asyncio.gather(recovery, return_exceptions=True)
            await finish_despite_cancel(self._dispose())

    # --- one cell ----------------------------------------------------------------------------

    async def _attend(self, code: str, run: CellRun, timeout: float) -> Execution:
        """Wait for a cell that was sent, and return what became of it."""
        verdict = await self._watch(run, timeout)
        for _ in range(_REFUSALS):
            if verdict != "done" or not run.refused or self._channels is None:
                break
            # A cell that a user ran by hand failed, and the kernel refused what was waiting.
            run.again()
            self._channels.send(code, run, silent=False, expressions=EXPRESSIONS)
            verdict = await self._watch(run, timeout)
        late = verdict == "timeout"
        if late:
            for _ in range(2):
                await self._interrupt()
                verdict = await self._watch(run, OBEY_SECONDS / 2)
                if verdict != "timeout":
                    break
        said = f"The cell ran longer than {timeout:g} s and was interrupted."
        if late and verdict == "timeout":
            await self._kill()
            said = f"The cell ran longer than {timeout:g} s, ignored the interrupt and was killed."
            return await self._died(run, said, name="Timeout", outcome="timeout")
        if verdict == "died":
            return await self._died(run, await self._death())
        seconds = time.monotonic() - run.began
        frames = await self._frames(run)
        if late:
            if run.state.error is None:
                run.add(ErrorMsg("Timeout", said, (said,)))
            return self._execution(
                run, "timeout", CellError(name="Timeout", message=said), seconds, frames
            )
        finished_error = run.finish()
        count = run.state.execution_count
        error = None
        if run.failed and run.state.error is not None:
            error = cell_error(run.state.error, execution_count=count, frames=frames)
        elif run.failed:
            error = CellError(name="Aborted", message="The kernel refused to run the cell.")
        outcome: Outcome = "error" if error else "ok"
        if error and self._wish == "interrupt" and error.name == "KeyboardInterrupt":
            outcome = "cancelled"
        return self._execution(run, outcome, error, seconds, frames, notices=finished_error.notices)

    def _execution(
        self,
        run: CellRun,
        outcome: Outcome,
        error: CellError | None,
        seconds: float,
        frames: tuple[Frame, ...] = (),
        *,
        notices: tuple[Notice, ...] = (),
        died: bool = False,
    ) -> Execution:
        finished = run.finish()
        told = "The kernel's last messages did not arrive; output may be missing."
        lost = (("output_lost", told),)
        whole = run.done.done() or died
        return Execution(
            outcome=outcome,
            outputs=finished.outputs,
            error=error,
            seconds=seconds,
            execution_count=run.state.execution_count,
            frames=frames,
            notices=(*(notices or finished.notices), *(() if whole else lost)),
            kernel_died=died,
        )

    async def _watch(
        self, run: CellRun, seconds: float, quiet: float = _QUIET, late: float = _LATE
    ) -> _Verdict:
        """Wait until the cell is over, the kernel is dead, or ``seconds`` are over.

        Half of its end is an end too, after so many seconds of silence: ``quiet`` where the reply
        is there (under a flood the kernel may drop what it publishes last), ``late`` where it said
        that it is idle (a reply is not dropped, but comes late where the machine is slow).
        """
        looked = time.monotonic()
        until, silent = looked + seconds, 0.0
        while True:
            left = until - time.monotonic()
            await asyncio.wait({run.done}, timeout=max(0.0, min(_POLL, left)))
            if run.done.done():
                return "done"
            # A loop that was held up has heard nothing, which is not the kernel's silence.
            before, looked = looked, time.monotonic()
            silent = 0.0 if run.heard >= before else silent + min(looked - before, 2 * _POLL)
            if not await self._alive():
                return "died"
            if (run.reply is not None and silent > quiet) or (run.idle and silent > late):
                return "done"
            if left <= 0:
                return "timeout"

    async def _frames(self, run: CellRun) -> tuple[Frame, ...]:
        """Return the variables; a failed cell's request did not ask for them, so ask now."""
        answer = _expressions(run.reply)
        frames = read_frames(answer)
        if frames is not None or self._channels is None:
            return frames or ()
        extra = CellRun(self._limits)
        self._channels.send("", extra, silent=True, expressions=EXPRESSIONS)
        await self._watch(extra, 2.0, quiet=0.2)
        self._channels.forget(extra)
        return read_frames(_expressions(extra.reply)) or ()

    async def _abandon(self, run: CellRun) -> None:
        """Bring the kernel back to idle after its caller was cancelled, within a second."""
        if self._recovery is not None:
            return
        until = time.monotonic() + CANCEL_SECONDS
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._interrupt(), 0.2)
            verdict = await self._watch(run, min(0.3, left), quiet=0.15, late=0.15)
            if verdict == "done":
                return
            if verdict == "died":
                break
        self._recovery = asyncio.create_task(self._recover())

    # --- life and death ----------------------------------------------------------------------

    async def _open(self, began: float) -> KernelFacts:
        """Connect to a started kernel, judge its isolation, set it up."""
        deadline = time.monotonic() + self._ready_seconds
        channels = self._channels = Channels(self._km, self.foreign)
        try:
            await channels.open(deadline)
        except KernelError as error:
            words = self._host.last_words(self._km)
            what = f"{error.what} It last said: {words[-800:]}" if words else error.what
            raise KernelError(what, error.remedy) from error
        report = report_of(self._km.provisioner)
        check_isolation(report, self._require)
        run = CellRun(self._limits)
        code = startup_code(str(self.output_folder))
        channels.send(code, run, silent=True, expressions=FACTS)
        verdict = await self._watch(run, max(1.0, deadline - time.monotonic()))
        channels.forget(run)
        answer = read_facts(_expressions(run.reply))
        if verdict != "done" or answer is None:
            run.finish()
            failure = run.state.error
            told = f"{failure.ename}: {failure.evalue}" if failure is not None else ""
            why = told or why_no_facts(run.reply, verdict)
            what = f"The kernel could not be set up ({why[:500].rstrip('.')})."
            raise KernelError(what, "Run `analyst doctor`.")
        self._launches += 1
        self._pid = getattr(self._km.provisioner, "pid", None)
        self._facts = KernelFacts(
            python=answer.python,
            versions=answer.versions,
            sandbox=report,
            ready_ms=(time.monotonic() - began) * 1000,
            output_dir=answer.output_dir,
        )
        return self._facts

    async def _relaunch(self) -> KernelFacts:
        """Kill what is there, start the kernel again, empty."""
        began = time.monotonic()
        channels, self._channels, self._facts = self._channels, None, None
        if channels is not None:
            await channels.close()
        await self._host.restart(self._km)
        return await self._open(began)

    async def _renew(self) -> None:
        """Relaunch; when the caller is cancelled, that goes on in the background."""
        recovery = self._recovery = asyncio.create_task(self._recover())
        try:
            await asyncio.shield(recovery)
        finally:
            if recovery.done():
                self._recovery = None

    async def _recover(self) -> None:
        """Relaunch; where that fails, nothing is left running and the next start begins anew."""
        try:
            await self._relaunch()
        except BaseException as error:
            await finish_despite_cancel(self._dispose())
            if isinstance(error, asyncio.CancelledError | AnalystError):
                raise
            what = f"The kernel died and could not be started again: {error}"
            raise KernelError(what, "Run `analyst doctor`.") from error

    async def _recovered(self) -> None:
        """Wait for a recovery that runs in the background; raises what it failed with."""
        recovery = self._recovery
        if recovery is not None:
            await asyncio.wait({recovery})
            self._recovery = None
            recovery.result()

    async def _died(
        self, run: CellRun, what: str, *, name: str = "KernelDied", outcome: Outcome = "error"
    ) -> Execution:
        """Start an empty kernel in place of a dead one and tell the cell's end."""
        seconds = time.monotonic() - run.began
        if self._wish in ("restart", "stop"):
            done = "restarted" if self._wish == "restart" else "stopped"
            what, outcome = f"The kernel was {done} while the cell ran.", "cancelled"
        if self._wish != "stop":
            await self._renew()
        message = f"{what} {GONE}" if self._wish != "stop" else what
        run.add(ErrorMsg(name, message, (message,)))
        return self._execution(
            run, outcome, CellError(name=name, message=message), seconds, died=True
        )

    async def _death(self) -> str:
        """Say what the kernel died of; its last messages get a moment to arrive."""
        await asyncio.sleep(0.05)
        status = None
        with contextlib.suppress(Exception):
            status = await self._km.provisioner.poll()
        return reason_of(self._km.provisioner, status)

    async def _dispose(self) -> None:
        """Let go of everything; harmless when there is nothing."""
        channels, self._channels = self._channels, None
        km, self._km, self._facts = self._km, None, None
        if channels is not None:
            await channels.close()
        try:
            if km is not None:
                await self._host.shutdown(km)
        finally:
            if self._made_folder:
                self._made_folder = False
                # Only where it is still empty.
                with contextlib.suppress(OSError):
                    self.output_folder.rmdir()

    async def _alive(self) -> bool:
        return self._km is not None and bool(await self._km.is_alive())

    async def _still_ours(self) -> bool:
        """Whether the kernel is the process that was set up, not one that replaced it."""
        if not await self._alive():
            return False
        return bool(getattr(self._km.provisioner, "pid", None) == self._pid)

    async def _interrupt(self) -> None:
        # The kernel may end between the look and the signal.
        with contextlib.suppress(RuntimeError, OSError):
            if await self._alive():
                await self._km.interrupt_kernel()

    async def _kill(self) -> None:
        provisioner = getattr(self._km, "provisioner", None)
        if provisioner is not None:
            with contextlib.suppress(RuntimeError, OSError):
                await provisioner.kill(restart=True)

    def _make_folders(self) -> None:
        folder = Path(self.notebook).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KernelError(
                f"The notebook's folder {folder} cannot be made: {error.strerror}.",
                "Choose a folder that you can write to.",
            ) from error
        # Made before the start so that a sandbox can let it in; a failing write names it later.
        with contextlib.suppress(OSError):
            self.output_folder.mkdir()
            self._made_folder = True


def _expressions(reply: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (reply or {}).get("user_expressions")
    return found if isinstance(found, Mapping) else {}

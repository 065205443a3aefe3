"""The kernel of one analysis over all its processes: launched, replaced after a crash, removed.

It runs no cells of the user's; its one request sets a fresh kernel up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.ports import KernelFacts
from analyst_kernel.kernel.channels import Channels
from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.diagnosis import check_isolation, reason_of, report_of
from analyst_kernel.kernel.execution import watch
from analyst_kernel.kernel.manager import KernelHost, is_alive, kernel_environment
from analyst_kernel.kernel.other_clients import OtherClientRuns
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.kernel.startup import FACTS, read_facts, startup_code, why_no_facts
from analyst_kernel.protocol.errors import AnalystError, KernelError
from analyst_kernel.protocol.sandbox import SandboxLevel


@dataclass(eq=False)
class ManagedKernel:
    """One analysis's kernel, whichever process it is at the moment.

    Called by ``KernelSession`` alone, which lets only one of these calls run at a time.

    Attributes:
        km: The kernel's manager, or None while there is no kernel.
        channels: The sockets to it, or None while they are not open.
        facts: What the kernel reported when it was set up, or None before that.
        launches: How many kernels were set up.
    """

    notebook: str
    kernel_name: str
    require: SandboxLevel
    limits: OutputLimits
    host: KernelHost
    options: Mapping[str, Any]
    ready_seconds: float
    km: Any = None
    channels: Channels | None = None
    facts: KernelFacts | None = None
    launches: int = 0
    _pid: object = None
    _replacement: asyncio.Task[None] | None = None
    _made_folder: bool = False

    def __post_init__(self) -> None:
        self.other_clients = OtherClientRuns(self.limits)

    @property
    def output_folder(self) -> Path:
        """Where the code's files go: ``<notebook stem>_files/`` beside the notebook."""
        path = Path(self.notebook)
        return path.with_name(f"{path.stem}_files")

    async def launch(self) -> KernelFacts:
        """Start the first kernel and set it up; if that fails, nothing is left running."""
        began = time.monotonic()
        self._make_folders()
        try:
            self.km = await self.host.start(
                self.kernel_name,
                cwd=os.path.dirname(self.notebook),
                env=kernel_environment(self.notebook),
                **self.options,
            )
            return await self._set_up(began)
        except BaseException:
            await finish_despite_cancel(self.dispose())
            raise

    async def is_same_process(self) -> bool:
        """Return whether the kernel runs and is the process that was set up.

        A client of the server may have restarted it, which leaves a kernel without our set-up.
        """
        if not await is_alive(self.km):
            return False
        return bool(getattr(self.km.provisioner, "pid", None) == self._pid)

    async def cause_of_death(self) -> str:
        """Return a sentence on what the kernel died of; its last messages get time to arrive."""
        await asyncio.sleep(0.05)
        status = None
        with contextlib.suppress(Exception):
            status = await self.km.provisioner.poll()
        return reason_of(self.km.provisioner, status)

    # --- replacing a kernel ------------------------------------------------------------------

    @property
    def replacing(self) -> bool:
        """Return whether a replacement runs, or failed with an error that was not raised yet."""
        return self._replacement is not None

    def replace_soon(self, *, unless: Coroutine[Any, Any, bool]) -> None:
        """Replace the kernel in the background, unless that returns true; ``replaced`` waits."""

        async def soon() -> None:
            if not await unless:
                await self._replace()

        self._replacement = asyncio.create_task(soon())

    async def replace(self) -> None:
        """Replace the kernel; if the caller is cancelled, that goes on in the background."""
        replacement = self._replacement = asyncio.create_task(self._replace())
        try:
            # Shielded, because a relaunch that is cut off would leave the analysis without a
            # kernel. A cancelled caller leaves at once, and whoever comes next waits in
            # ``replaced``. The task is therefore kept until its result was read.
            await asyncio.shield(replacement)
        finally:
            if replacement.done():
                self._replacement = None

    async def replaced(self) -> None:
        """Wait for a replacement that runs in the background; raise what it failed with."""
        replacement = self._replacement
        if replacement is not None:
            await asyncio.wait({replacement})
            self._replacement = None
            replacement.result()

    async def cancel_replacement(self) -> None:
        """Cancel a replacement that runs in the background. Idempotent."""
        replacement, self._replacement = self._replacement, None
        if replacement is not None:
            replacement.cancel()
            await asyncio.gather(replacement, return_exceptions=True)

    async def _replace(self) -> None:
        """Kill the kernel and start an empty one; if that fails, nothing is left running."""
        began = time.monotonic()
        try:
            channels, self.channels, self.facts = self.channels, None, None
            if channels is not None:
                await channels.close()
            await self.host.restart(self.km)
            await self._set_up(began)
        except BaseException as error:
            await finish_despite_cancel(self.dispose())
            if isinstance(error, asyncio.CancelledError | AnalystError):
                raise
            what = f"The kernel died and could not be started again: {error}"
            raise KernelError(what, "Run `analyst doctor`.") from error

    # --- setting one up, removing it ---------------------------------------------------------

    async def _set_up(self, began: float) -> KernelFacts:
        """Connect to a started kernel, check its isolation, run the set-up code."""
        deadline = time.monotonic() + self.ready_seconds
        channels = self.channels = Channels(self.km, self.other_clients)
        try:
            await channels.open(deadline)
        except KernelError as error:
            words = self.host.last_words(self.km)
            what = f"{error.what} It last said: {words[-800:]}" if words else error.what
            raise KernelError(what, error.remedy) from error
        report = report_of(self.km.provisioner)
        check_isolation(report, self.require)
        run = CellRun(self.limits)
        code = startup_code(str(self.output_folder))
        channels.send(code, run, silent=True, expressions=FACTS)
        verdict = await watch(run, self.km, max(1.0, deadline - time.monotonic()))
        channels.forget(run)
        answer = read_facts(run.expressions)
        if verdict != "done" or answer is None:
            run.finish()
            failure = run.state.error
            raised = f"{failure.ename}: {failure.evalue}" if failure is not None else ""
            why = raised or why_no_facts(run.reply, verdict)
            what = f"The kernel could not be set up ({why[:500].rstrip('.')})."
            raise KernelError(what, "Run `analyst doctor`.")
        self.launches += 1
        self._pid = getattr(self.km.provisioner, "pid", None)
        self.facts = KernelFacts(
            python=answer.python,
            versions=answer.versions,
            sandbox=report,
            ready_ms=(time.monotonic() - began) * 1000,
            output_dir=answer.output_dir,
        )
        return self.facts

    async def dispose(self) -> None:
        """Shut the kernel down and remove what it left. Idempotent."""
        channels, self.channels = self.channels, None
        km, self.km, self.facts = self.km, None, None
        if channels is not None:
            await channels.close()
        try:
            if km is not None:
                await self.host.shutdown(km)
        finally:
            if self._made_folder:
                self._made_folder = False
                with contextlib.suppress(OSError):  # removed only if it is still empty
                    self.output_folder.rmdir()

    def _make_folders(self) -> None:
        folder = Path(self.notebook).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KernelError(
                f"The notebook's folder {folder} cannot be made: {error.strerror}.",
                "Choose a folder that you can write to.",
            ) from error
        # Made before the start so that a sandbox can show it; a failing write reports it later.
        with contextlib.suppress(OSError):
            self.output_folder.mkdir()
            self._made_folder = True

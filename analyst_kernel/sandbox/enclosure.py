"""One enclosed process, whatever runs in it: started, judged, limited, watched and ended.

The provisioner runs a kernel in one, a reader runs the parsing of a user's file in one. What the
process may reach is decided by them, and how it is enclosed by a backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from analyst_kernel.protocol.errors import DataReplaced, SandboxError
from analyst_kernel.sandbox import report
from analyst_kernel.sandbox.backends.base import Launch, Process
from analyst_kernel.sandbox.backends.select import Prepare
from analyst_kernel.sandbox.linux import cgroup as control_groups
from analyst_kernel.sandbox.linux import landlock as landlock_layer
from analyst_kernel.sandbox.policy import SandboxPolicy
from analyst_kernel.sandbox.settings import Isolation
from analyst_kernel.sandbox.shared import shared_resources
from analyst_kernel.sandbox.watchdog import WatchedKernel

if TYPE_CHECKING:
    from analyst_kernel.protocol.sandbox import SandboxReport

_CLOSE_WAIT = 5.0  # seconds for a killed process to be gone


class Enclosure:
    """Holds one process from its start to its end; a restart needs another enclosure.

    Attributes:
        process: What runs, or None before the start and after the end.
        sandbox_report: What was probed, or None before the start.
    """

    def __init__(
        self, isolation: Isolation, what: str, died: Callable[[str], None] | None = None
    ) -> None:
        """Prepare to start ``what`` (a word for error messages).

        ``died`` is called once if the process ends without being asked to, with the reason.
        """
        self.process: Process | None = None
        self.sandbox_report: SandboxReport | None = None
        self._isolation = isolation
        self._what = what
        self._died = died
        self._watched: WatchedKernel | None = None
        self._group: control_groups.Cgroup | None = None
        self._ending = False

    async def start(
        self, prepare: Prepare, folders: Sequence[tuple[str, int]] = (), notes: Sequence[str] = ()
    ) -> Launch:
        """Start the process enclosed, probed and released; return how it was launched.

        Args:
            prepare: Makes the launch for one backend.
            folders: What the process can fill beside its output folder, with the most bytes of
                each.
            notes: For the report, behind those about the choice of the backend.

        Raises:
            SandboxError: The required level is not available, or the probe found a way out that
                this backend promised to close. Nothing generated ran.
            LaunchFailed: The process did not start.
        """
        own = self._isolation
        selector = shared_resources().selector(own.form, own.bubblewrap, own.landlock)
        try:
            started, launch = await selector.launch(prepare, own.require)
            self.process = started
            self._limit(started, launch)
            known = [*selector.notes(launch.policy.backend), *getattr(started, "notes", ())]
            self._judge(started, launch.policy, [*known, *notes])
            await started.release()
        except BaseException:
            await self.close()
            raise
        self._watch(started, launch.policy, folders)
        return launch

    def _judge(self, started: Process, policy: SandboxPolicy, notes: Sequence[str]) -> None:
        """Write the report; raise when a promise is broken."""
        backend, abi = policy.backend, landlock_layer.abi()
        results = report.read_results(started.results, backend, abi)
        broken = report.breaches(results)
        if broken:
            found = "; ".join(f"{result.name}: {result.detail}" for result in broken)
            if [result.name for result in broken] == ["granted-data"]:
                raise DataReplaced(
                    f"Attached data was replaced while the {self._what} started: "
                    f"{broken[0].detail}.",
                    "No code ran. Try again.",
                )
            raise SandboxError(
                f"The {self._what}'s sandbox ({backend}) does not hold: {found}.",
                f"The {self._what} was ended before any code ran; please report this.",
            )
        if backend in ("bubblewrap", "zygote") and not self._isolation.landlock:
            notes = (*notes, "Landlock was switched off by configuration.")
        self.sandbox_report = report.build(
            backend,
            results,
            abi=abi,
            memory_bytes=policy.limits.memory_bytes,
            cgroup=self._group is not None,
            notes=notes,
            machine_bytes=_machine_bytes(),
        )

    def _limit(self, started: Process, launch: Launch) -> None:
        """Put the waiting process into a control group where one can be made."""
        linux = sys.platform.startswith("linux")
        if not self._isolation.cgroup or launch.policy.backend == "none" or not linux:
            return
        self._group = getattr(started, "group", None)
        if self._group is not None:
            return
        self._group = group = control_groups.create(launch.policy.limits)
        if group is None:
            return
        import psutil

        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(started.pid).children(recursive=True):
                with contextlib.suppress(OSError):
                    group.add(process.pid)

    def _watch(
        self, started: Process, policy: SandboxPolicy, folders: Sequence[tuple[str, int]]
    ) -> None:
        if policy.backend == "none":
            return
        self._watched = WatchedKernel(
            pid=started.pid,
            limits=policy.limits,
            end=self.end_for,
            alive=lambda: started.poll() is None,
            folders=((policy.output_dir, policy.limits.output_bytes), *folders),
        )
        shared_resources().watchdog.add(self._watched)

    def end_for(self, reason: str) -> None:
        """Kill the process and record why, e.g. ``time`` for a cell that ignores interrupts."""
        self._note(reason)
        self.kill()

    def expect_end(self) -> None:
        """Note that the process was asked to leave, so that its end is no crash."""
        self._ending = True

    def kill(self) -> None:
        """End the process and everything it started. Idempotent."""
        self._ending = True
        if self.process is not None:
            self.process.kill()

    def poll(self) -> int | None:
        """Return None while the process runs, else its exit code (0 if there is none)."""
        if self.process is None:
            return 0
        code = self.process.poll()
        if code is not None:
            self._note_exit(code)
        return code

    async def wait(self) -> int:
        """Wait for the end of the process and release what belonged to it; return its exit code."""
        if self.process is None:
            return 0
        code = await self.process.wait()
        self._note_exit(code)
        self._forget()
        return code

    async def close(self) -> None:
        """End the process and leave nothing of it behind. Idempotent."""
        if self.process is None:
            return
        self.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _CLOSE_WAIT)
        self._forget()

    def _note_exit(self, code: int) -> None:
        """Record why a process ended that was not asked to."""
        if self._ending:
            return
        if self._group is not None and self._group.out_of_memory():
            self._note("memory")
        else:
            self._note("exit" if code == 0 else "crash")

    def _note(self, reason: str) -> None:
        self._ending = True
        if self._died is not None:
            self._died(reason)

    def _forget(self) -> None:
        """Release what belonged to a process that ended."""
        if self._watched is not None:
            shared_resources().watchdog.remove(self._watched)
            self._watched = None
        if self._group is not None:
            self._group.kill()
            _remove_soon(self._group)
            self._group = None
        if self.process is not None:
            self.process.close()
            self.process = None


def _remove_soon(group: control_groups.Cgroup) -> None:
    """Remove a group now, or as soon as what was killed in it is gone."""
    if group.remove():
        return

    def retry(left: int) -> None:
        if not group.remove() and left:
            timer = threading.Timer(0.1, retry, (left - 1,))
            timer.daemon = True
            timer.start()

    retry(50)


def _machine_bytes() -> int:
    """Return the machine's memory, bytes; 0 where the system does not say."""
    try:
        return int(os.sysconf("SC_PAGE_SIZE")) * int(os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return 0

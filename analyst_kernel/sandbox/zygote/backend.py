"""The backends that fork kernels from a prepared process, with namespaces of their own or without.

Whatever goes wrong here sends the launch to the next backend, with the reason as a note.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import threading

from analyst_kernel.sandbox.backends.base import BackendSkipped, BackendUnavailable, Launch
from analyst_kernel.sandbox.backends.exec import ALLOW, INSTALL, namespaces_refused
from analyst_kernel.sandbox.linux import landlock, seccomp
from analyst_kernel.sandbox.policy import BackendName
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.manager import (
    ZygoteCannotServe,
    ZygoteManager,
    ZygoteUnavailable,
    zygote_manager,
)

SHARED = (
    "Kernels are forked inside one bubblewrap that they share; from each other they are kept by "
    "Landlock and seccomp. Require the level 'isolated' for a bubblewrap per kernel."
)
BARE = "Kernels are forked from one prepared process and enclosed by Landlock and seccomp alone."


class ZygoteBackend:
    """Starts kernels by fork, each in namespaces of its own; ``bwrap`` is empty for never.

    Attributes:
        broken: Why it does not work on this machine, once that was found.
    """

    name: BackendName = "zygote"

    def __init__(self, bwrap: str = "bwrap") -> None:
        self._bwrap = bwrap
        self._ever = False
        self.broken = ""

    def manager(self, python: str) -> ZygoteManager:
        """Return the zygote of this server for ``python``; raises :class:`BackendUnavailable`."""
        if not sys.platform.startswith("linux"):
            raise BackendUnavailable("Processes are prepared ahead on Linux only.")
        program = shutil.which(self._bwrap) if self._bwrap else None
        if program is None:
            self.broken = "bubblewrap is not installed"
            raise BackendUnavailable("bubblewrap is not installed.", INSTALL)
        if not seccomp.available():
            raise BackendUnavailable("There is no seccomp filter for this processor.")
        return zygote_manager(python, program)

    async def launch(self, launch: Launch) -> ZygoteKernel:
        """Start a kernel and let it probe itself (see :class:`~..backends.Backend`).

        A reader is forked where a zygote is up; to boot one for it would take longer than an exec.
        """
        manager = self.manager(launch.python)
        if launch.serves and not manager.running():
            raise BackendSkipped("Nothing is prepared to fork a reader from.")
        if launch.policy.landlock and landlock.abi() < 1:
            raise BackendUnavailable("This kernel has no Landlock.")
        try:
            started = await start(manager, launch)
        except ZygoteUnavailable as error:
            reason = f"No process can be prepared to fork kernels from: {error}."
            if self._ever:
                raise BackendSkipped(reason) from error
            self.broken = reason
            refused = await asyncio.to_thread(namespaces_refused, self._bwrap)
            if refused:
                reason = f"bubblewrap cannot make namespaces here: {refused}"
            raise BackendUnavailable(reason, ALLOW if refused else "") from error
        except ZygoteCannotServe as error:
            reason = f"This kernel was not forked from a prepared process: {error}."
            raise BackendSkipped(reason) from error
        self._ever = True
        return started


class BareZygoteBackend:
    """Starts kernels by fork where namespaces of their own cannot be made: Landlock and seccomp.

    Only stands in where the zygote proper is broken for good, so that a passing failure there goes
    to a backend of the same strength. Inside a bubblewrap without capabilities if there is one.
    """

    name: BackendName = "landlock"

    def __init__(self, above: ZygoteBackend, bwrap: str) -> None:
        self._above = above
        found = shutil.which(bwrap) if bwrap else None
        self._programs = [found, ""] if found else [""]
        self._ever = False

    async def launch(self, launch: Launch) -> ZygoteKernel:
        """Start a kernel and let it probe itself (see :class:`~..backends.Backend`)."""
        if not self._above.broken or landlock.abi() < 1 or not seccomp.available():
            raise BackendSkipped("Kernels are not forked without namespaces of their own here.")
        while self._programs:
            program = self._programs[0]
            manager = zygote_manager(launch.python, program, bare=True)
            if launch.serves and not manager.running():
                raise BackendSkipped("Nothing is prepared to fork a reader from.")
            try:
                started = await start(manager, launch)
            except ZygoteUnavailable:
                if self._ever:
                    break
                self._programs.pop(0)
            except ZygoteCannotServe as error:
                raise BackendSkipped(f"This kernel was not forked: {error}.") from error
            else:
                self._ever = True
                started.notes = (SHARED if program else BARE,)
                return started
        raise BackendSkipped("No process can be prepared to fork kernels from.")


async def start(manager: ZygoteManager, launch: Launch) -> ZygoteKernel:
    """Start a kernel off the loop; if the client is cancelled meanwhile, the kernel is ended."""
    starting = asyncio.get_running_loop().run_in_executor(None, manager.start, launch)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_end_unwanted)
        raise


def warm_up(python: str, bwrap: str) -> None:
    """Boot the zygote in the background; what goes wrong is reason by the first launch."""
    program = shutil.which(bwrap) if bwrap else None
    if program is None or not sys.platform.startswith("linux"):
        return
    manager = zygote_manager(python, program)

    def boot() -> None:
        # ``ZygoteCannotServe``, or a process that ends meanwhile and takes no more threads.
        with contextlib.suppress(RuntimeError):
            manager.client()

    threading.Thread(target=boot, name="analyst-warm-up", daemon=True).start()


def _end_unwanted(starting: asyncio.Future[ZygoteKernel]) -> None:
    """End a kernel that was started after its client had left."""
    if not starting.cancelled() and starting.exception() is None:
        starting.result().kill()
        starting.result().close()

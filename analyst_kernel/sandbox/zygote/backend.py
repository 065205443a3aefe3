"""The forms that fork kernels from a prepared process, with namespaces of their own or without.

Whatever goes wrong on this way sends the launch to the next form, with the reason as a note.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import threading

from analyst_kernel.sandbox.backends.base import FormSkipped, FormUnavailable, Launch
from analyst_kernel.sandbox.backends.exec import ALLOW, INSTALL, namespaces_refused
from analyst_kernel.sandbox.linux import landlock, seccomp
from analyst_kernel.sandbox.policy import FormName
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from analyst_kernel.sandbox.zygote.manager import NotHere, NoZygote, ZygoteHost, zygote_host

SHARED = (
    "Kernels are forked inside one bubblewrap that they share; from each other they are kept by "
    "Landlock and seccomp. Require the level 'isolated' for a bubblewrap per kernel."
)
BARE = "Kernels are forked from one prepared process and enclosed by Landlock and seccomp alone."


class ZygoteForm:
    """Start kernels by fork, each in namespaces of its own.

    Attributes:
        broken: Why it does not work on this machine, once that was found.
    """

    def __init__(self, bwrap: str = "bwrap") -> None:
        """Use this bubblewrap; empty for never."""
        self._bwrap = bwrap
        self._ever = False
        self.broken = ""

    @property
    def name(self) -> FormName:
        """Its name in policies and reports."""
        return "zygote"

    def host(self, python: str) -> ZygoteHost:
        """The zygote of this server for ``python``; raises :class:`FormUnavailable`."""
        if not sys.platform.startswith("linux"):
            raise FormUnavailable("Processes are prepared ahead on Linux only.")
        program = shutil.which(self._bwrap) if self._bwrap else None
        if program is None:
            self.broken = "bubblewrap is not installed"
            raise FormUnavailable("bubblewrap is not installed.", INSTALL)
        if not seccomp.available():
            raise FormUnavailable("There is no seccomp filter for this processor.")
        return zygote_host(python, program)

    async def launch(self, launch: Launch) -> ZygoteKernel:
        """Start a kernel and let it probe itself (see :class:`~..forms.Form`)."""
        host = self.host(launch.python)
        if launch.policy.landlock and landlock.abi() < 1:
            raise FormUnavailable("This kernel has no Landlock.")
        try:
            started = await start(host, launch)
        except NoZygote as error:
            said = f"No process can be prepared to fork kernels from: {error}."
            if self._ever:
                raise FormSkipped(said) from error
            self.broken = said
            refused = await asyncio.to_thread(namespaces_refused, self._bwrap)
            if refused:
                said = f"bubblewrap cannot make namespaces here: {refused}"
            raise FormUnavailable(said, ALLOW if refused else "") from error
        except NotHere as error:
            said = f"This kernel was not forked from a prepared process: {error}."
            raise FormSkipped(said) from error
        self._ever = True
        return started


class BareForm:
    """Start kernels by fork where namespaces of their own cannot be made: Landlock and seccomp.

    Only stands in where the zygote proper is broken for good, so that a passing failure there goes
    to a form of the same strength. Inside a bubblewrap without capabilities if there is one.
    """

    def __init__(self, above: ZygoteForm, bwrap: str) -> None:
        """Stand in for ``above``."""
        self._above = above
        found = shutil.which(bwrap) if bwrap else None
        self._programs = [found, ""] if found else [""]
        self._ever = False

    @property
    def name(self) -> FormName:
        """Its name in policies and reports."""
        return "landlock"

    async def launch(self, launch: Launch) -> ZygoteKernel:
        """Start a kernel and let it probe itself (see :class:`~..forms.Form`)."""
        if not self._above.broken or landlock.abi() < 1 or not seccomp.available():
            raise FormSkipped("Kernels are not forked without namespaces of their own here.")
        while self._programs:
            program = self._programs[0]
            try:
                started = await start(zygote_host(launch.python, program, bare=True), launch)
            except NoZygote:
                if self._ever:
                    break
                self._programs.pop(0)
            except NotHere as error:
                raise FormSkipped(f"This kernel was not forked: {error}.") from error
            else:
                self._ever = True
                started.notes = (SHARED if program else BARE,)
                return started
        raise FormSkipped("No process can be prepared to fork kernels from.")


async def start(host: ZygoteHost, launch: Launch) -> ZygoteKernel:
    """Start a kernel off the loop; one that its client no longer wants is ended when it comes."""
    starting = asyncio.get_running_loop().run_in_executor(None, host.start, launch)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_end_unwanted)
        raise


def warm_up(python: str, bwrap: str) -> None:
    """Boot the zygote in the background; what goes wrong is said by the first launch."""
    program = shutil.which(bwrap) if bwrap else None
    if program is None or not sys.platform.startswith("linux"):
        return
    host = zygote_host(python, program)

    def boot() -> None:
        # ``NotHere``, or a process that ends meanwhile and takes no more threads.
        with contextlib.suppress(RuntimeError):
            host.rooms()

    threading.Thread(target=boot, name="analyst-warm-up", daemon=True).start()


def _end_unwanted(starting: asyncio.Future[ZygoteKernel]) -> None:
    """End a kernel that came after its client had gone."""
    if not starting.cancelled() and starting.exception() is None:
        starting.result().kill()
        starting.result().close()

"""The form ``zygote``: kernels forked from a prepared process, each in namespaces of its own.

Whatever goes wrong on this way sends the launch to the next form, with the reason as a note.
"""

from __future__ import annotations

import asyncio
import shutil
import sys

from analyst_kernel.sandbox import landlock, seccomp
from analyst_kernel.sandbox.exec_form import INSTALL
from analyst_kernel.sandbox.forms import FormSkipped, FormUnavailable, Launch
from analyst_kernel.sandbox.policy import FormName
from analyst_kernel.sandbox.zygote.host import NotHere, NoZygote, ZygoteHost, zygote_host
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel


class ZygoteForm:
    """Start kernels by fork."""

    def __init__(self, bwrap: str = "bwrap") -> None:
        """Use this bubblewrap; empty for never."""
        self._bwrap = bwrap
        self._ever = False

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
            raise FormUnavailable("bubblewrap is not installed.", INSTALL)
        if not seccomp.available():
            raise FormUnavailable("There is no seccomp filter for this processor.")
        return zygote_host(python, program)

    async def launch(self, launch: Launch) -> ZygoteKernel:
        """Start a kernel and let it probe itself (see :class:`~..forms.Form`)."""
        host = self.host(launch.python)
        if launch.policy.landlock and landlock.abi() < 1:
            raise FormUnavailable("This kernel has no Landlock.")
        starting = asyncio.get_running_loop().run_in_executor(None, host.start, launch)
        try:
            started = await asyncio.shield(starting)
        except NoZygote as error:
            said = f"No process can be prepared to fork kernels from: {error}."
            if self._ever:
                raise FormSkipped(said) from error
            raise FormUnavailable(said) from error
        except NotHere as error:
            said = f"This kernel was not forked from a prepared process: {error}."
            raise FormSkipped(said) from error
        except asyncio.CancelledError:
            starting.add_done_callback(_end_unwanted)
            raise
        self._ever = True
        return started


def _end_unwanted(starting: asyncio.Future[ZygoteKernel]) -> None:
    """End a kernel that came after its client had gone."""
    if not starting.cancelled() and starting.exception() is None:
        starting.result().kill()
        starting.result().close()

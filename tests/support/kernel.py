"""A real host whose kernels a test can look at."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import psutil

from analyst_kernel.kernel.manager import LocalHost
from analyst_kernel.protocol.sandbox import SandboxReport


def plain_kernels() -> set[psutil.Process]:
    """Return the plain kernels below this process, and what it started and has not waited for."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        # Others come and go meanwhile, and what has ended has no command line to tell it by.
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                if "ipykernel_launcher" in " ".join(child.cmdline()):
                    found.add(child)
            except psutil.ZombieProcess:
                if child.ppid() == os.getpid():
                    found.add(child)
    return found


class Watched(LocalHost):
    """A real host that remembers its managers, and may claim an isolation."""

    def __init__(self, report: SandboxReport | None = None) -> None:
        super().__init__()
        self.managers: list[Any] = []
        self.report = report

    async def start(
        self, kernel_name: str, *, cwd: str, env: dict[str, str], **options: Any
    ) -> Any:
        km = await super().start(kernel_name, cwd=cwd, env=env, **options)
        if self.report is not None:
            km.provisioner.sandbox_report = self.report
        self.managers.append(km)
        return km

"""A real host whose kernels a test can look at."""

from __future__ import annotations

from typing import Any

from analyst_kernel.kernel.manager import LocalHost
from analyst_kernel.protocol.sandbox import SandboxReport


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

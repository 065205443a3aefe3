"""How an analysis is to run."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyst_kernel.protocol.records import Limits
from analyst_kernel.protocol.sandbox import SandboxLevel

DEFAULT_SANDBOX: SandboxLevel = "restricted"
SANDBOXED = "analyst"
"""The kernelspec whose kernels are the sandbox."""


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """How an analysis is to run.

    Attributes:
        model: ``provider:name``, or None for the default.
        sandbox: The level of isolation below which nothing runs.
        kernel_name: Kernelspec to start.
        start_options: Passed to the kernel's provisioner (memory and process limits...).
    """

    model: str | None = None
    sandbox: SandboxLevel = DEFAULT_SANDBOX
    limits: Limits = field(default_factory=Limits)
    approve: bool = False
    kernel_name: str = SANDBOXED
    start_options: dict[str, object] = field(default_factory=dict)

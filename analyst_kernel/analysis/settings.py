"""How an analysis is to run: what those who open one decide."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.protocol.records import Limits, PrivacyMode
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
        privacy: What the model may see; None for what the analysis used last.
        instructions: Files with rules that the user named, which hold for every question.
        own_instructions: Whether the user's and the project's files with rules are looked for.
        least_privacy: The least strict mode that is allowed; empty for what the environment says.
        packages: Whether packages may be fetched, from where, and which.
        start_options: Passed to the kernel's provisioner (memory and process limits...).
    """

    model: str | None = None
    sandbox: SandboxLevel = DEFAULT_SANDBOX
    limits: Limits = field(default_factory=Limits)
    approve: bool = False
    kernel_name: str = SANDBOXED
    privacy: PrivacyMode | None = None
    least_privacy: str = ""
    instructions: tuple[str, ...] = ()
    own_instructions: bool = True
    packages: PackagePolicy = field(default_factory=PackagePolicy)
    start_options: dict[str, object] = field(default_factory=dict)

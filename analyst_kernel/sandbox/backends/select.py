"""The choice of a backend: the strongest one that works on this machine, found by launching it.

What failed is kept for this server with its reason. It becomes a note on every report below that
backend, and part of the error when the required level is out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from analyst_kernel.protocol.errors import SandboxError
from analyst_kernel.protocol.levels import SandboxLevel, meets
from analyst_kernel.sandbox.backends.base import (
    Backend,
    BackendSkipped,
    BackendUnavailable,
    Launch,
    Process,
)
from analyst_kernel.sandbox.policy import BACKENDS, BackendName
from analyst_kernel.sandbox.report import level_of

Prepare = Callable[[BackendName], Launch]
"""Makes the launch for one backend; called for each that is tried."""


@dataclass
class BackendSelector:
    """The backends of one configuration.

    Attributes:
        backends: Those that may be used, strongest first.
        broken: What was found when a backend was tried and did not work on this machine.
        skipped: Why a backend that works here did not serve the last launch.
    """

    backends: Sequence[Backend]
    broken: dict[BackendName, BackendUnavailable] = field(default_factory=dict)
    skipped: dict[BackendName, BackendSkipped] = field(default_factory=dict)

    async def launch(self, prepare: Prepare, required: SandboxLevel) -> tuple[Process, Launch]:
        """Start a kernel in the strongest backend that works and is strong enough.

        Raises:
            SandboxError: None is; nothing ran.
            LaunchFailed: The backend works here, but this kernel did not start.
        """
        for backend in self.backends:
            if backend.name in self.broken or not meets(level_of(backend.name), required):
                continue
            launch = prepare(backend.name)
            try:
                started = await backend.launch(launch)
            except BackendUnavailable as reason:
                self.broken[backend.name] = reason
            except BackendSkipped as reason:
                self.skipped[backend.name] = reason
            else:
                self.skipped.pop(backend.name, None)
                return started, launch
        raise SandboxError(
            f"This machine offers no sandbox of level {required!r}.", self._remedy(required)
        )

    def notes(self, used: BackendName) -> tuple[str, ...]:
        """Return why nothing stronger than ``used`` was taken, with the remedies."""
        stronger = BACKENDS[: BACKENDS.index(used)]
        reasons = {**self.skipped, **self.broken}
        return tuple(str(reasons[name]) for name in stronger if name in reasons)

    def _remedy(self, required: SandboxLevel) -> str:
        """Return what stood in the way, and how to go on."""
        reasons = {**self.skipped, **self.broken}
        found = [str(reason) for name, reason in reasons.items() if meets(level_of(name), required)]
        if not found:
            reached = ((backend.name, level_of(backend.name)) for backend in self.backends)
            found = [f"The form {name!r} reaches only {level!r}." for name, level in reached]
        lower = "If you trust the code, lower the required level: --sandbox or ANALYST_SANDBOX."
        return " ".join([*dict.fromkeys(found), lower])

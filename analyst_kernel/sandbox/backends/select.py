"""Which construction a kernel gets: the strongest one that works here, found by launching it.

What failed is remembered for this server with its reason, becomes a note on every report below it,
and is told with its remedy when the required level is out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from analyst_kernel.protocol.sandbox import SandboxLevel, meets
from analyst_kernel.sandbox.backends.base import (
    Form,
    FormSkipped,
    FormUnavailable,
    Launch,
    Process,
    SandboxUnavailable,
)
from analyst_kernel.sandbox.policy import FORMS, FormName
from analyst_kernel.sandbox.report import level_of

Prepare = Callable[[FormName], Launch]
"""Makes the launch for one form; called for each that is tried."""


@dataclass
class Ladder:
    """The forms of one configuration, strongest first.

    Attributes:
        forms: Those that may be used.
        broken: What was found when a form was tried and did not work here.
        skipped: Why a form that works here did not serve the last launch.
    """

    forms: Sequence[Form]
    broken: dict[FormName, FormUnavailable] = field(default_factory=dict)
    skipped: dict[FormName, FormSkipped] = field(default_factory=dict)

    async def launch(self, prepare: Prepare, required: SandboxLevel) -> tuple[Process, Launch]:
        """Start a kernel in the strongest form that works and is strong enough.

        Raises:
            SandboxUnavailable: None is; nothing ran.
            LaunchFailed: The form works here, but this kernel did not start.
        """
        for form in self.forms:
            if form.name in self.broken or not meets(level_of(form.name), required):
                continue
            launch = prepare(form.name)
            try:
                started = await form.launch(launch)
            except FormUnavailable as reason:
                self.broken[form.name] = reason
            except FormSkipped as reason:
                self.skipped[form.name] = reason
            else:
                self.skipped.pop(form.name, None)
                return started, launch
        raise SandboxUnavailable(
            f"This machine offers no sandbox of level {required!r}.", self._remedy(required)
        )

    def notes(self, used: FormName) -> tuple[str, ...]:
        """Why nothing stronger than ``used`` was taken, with the remedies."""
        stronger = FORMS[: FORMS.index(used)]
        reasons = {**self.skipped, **self.broken}
        return tuple(str(reasons[name]) for name in stronger if name in reasons)

    def _remedy(self, required: SandboxLevel) -> str:
        """What stood in the way, and how to go on."""
        reasons = {**self.skipped, **self.broken}
        found = [str(reason) for name, reason in reasons.items() if meets(level_of(name), required)]
        if not found:
            reached = ((form.name, level_of(form.name)) for form in self.forms)
            found = [f"The form {name!r} reaches only {level!r}." for name, level in reached]
        lower = "If you trust the code, lower the required level: --sandbox or ANALYST_SANDBOX."
        return " ".join([*dict.fromkeys(found), lower])

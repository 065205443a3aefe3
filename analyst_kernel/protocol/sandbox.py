"""What was found when a kernel's isolation was tried from inside."""

from __future__ import annotations

from typing import Literal

from analyst_kernel.protocol.base import Record

SandboxLevel = Literal["isolated", "restricted", "limits", "none"]

LEVELS: tuple[SandboxLevel, ...] = ("none", "limits", "restricted", "isolated")
"""From no isolation to the strongest."""


class ProbeResult(Record):
    """One thing that the probe tried inside the kernel.

    Attributes:
        name: What was tried, e.g. ``tcp``, ``host-home``, ``signal-parent``.
        closed: Whether the attempt failed, as it should.
        expected: Whether this level promises that it fails.
        detail: What was observed.
    """

    name: str
    closed: bool
    expected: bool
    detail: str = ""


class SandboxReport(Record):
    """The isolation of one kernel, as probed.

    Attributes:
        level: What the results amount to.
        form: Which construction started it (``zygote``, ``bubblewrap``, ``landlock``...).
        sentence: What to tell the user, exactly.
        memory: How the memory limit is enforced, e.g. ``2 GiB per process, checked every 0.5 s``.
        probes: Each attempt.
        notes: What was missing on this machine for a higher level, and the remedy.
    """

    level: SandboxLevel
    form: str
    sentence: str
    memory: str = ""
    probes: tuple[ProbeResult, ...] = ()
    notes: tuple[str, ...] = ()


def meets(level: SandboxLevel, required: SandboxLevel) -> bool:
    """Say whether ``level`` is at least ``required``."""
    return LEVELS.index(level) >= LEVELS.index(required)

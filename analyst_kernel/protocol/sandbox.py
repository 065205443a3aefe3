"""The isolation of a kernel, as probed from inside."""

from __future__ import annotations

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.levels import LEVELS, SandboxLevel, meets

__all__ = ["LEVELS", "ProbeResult", "SandboxLevel", "SandboxReport", "meets"]


class ProbeResult(Record):
    """One attempt of the probe inside the kernel.

    Attributes:
        name: What was tried, e.g. ``tcp``, ``host-home``, ``signal-parent``.
        closed: Whether the attempt failed, as it should.
        expected: Whether this level promises that the attempt fails.
        detail: What was observed.
    """

    name: str
    closed: bool
    expected: bool
    detail: str = ""


class SandboxReport(Record):
    """The isolation of one kernel, as probed.

    Attributes:
        level: The level that the results add up to.
        form: The backend that started the kernel (``zygote``, ``bubblewrap``, ``landlock``...).
        sentence: The exact sentence for the user.
        memory: How the memory limit is enforced, e.g. ``2 GiB per process, checked every 0.5 s``.
        memory_bytes: The memory that there is, by that limit or by the machine; 0 if not known.
        probes: Each attempt.
        notes: What this machine lacks for a higher level, and the remedy.
    """

    level: SandboxLevel
    form: str
    sentence: str
    memory: str = ""
    memory_bytes: int = 0
    probes: tuple[ProbeResult, ...] = ()
    notes: tuple[str, ...] = ()

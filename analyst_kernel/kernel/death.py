"""Sentences about a kernel that is gone, and about how isolated a kernel is."""

from __future__ import annotations

import signal
from typing import Any

from analyst_kernel.agent.errors import SandboxError
from analyst_kernel.protocol.sandbox import SandboxLevel, SandboxReport, meets

NOT_ISOLATED = (
    "Not isolated. Generated code has your permissions on this computer, including your files and "
    "the network."
)
_REASONS = {
    "memory": "The kernel needed more memory than its limit allows and was ended.",
    "processes": "The kernel started more processes than its limit allows and was ended.",
    "disk": "The kernel wrote more to disk than its limit allows and was ended.",
    "time": "The kernel ran longer than its limit allows and was ended.",
}
GONE = "Its variables are gone; a new, empty kernel was started."


def reason_of(provisioner: Any, status: int | None) -> str:
    """Say in one sentence what a kernel died of.

    Args:
        provisioner: The kernel's provisioner; its ``death_reason`` wins where it says more than
            that the kernel crashed. It is one of the codes here, or a sentence.
        status: The exit status as ``poll`` gave it: negative for a signal, ``None`` if unknown.
    """
    told = getattr(provisioner, "death_reason", None)
    if isinstance(told, str) and told.strip() not in ("", "crash"):
        return _REASONS.get(told.strip(), told.strip()[:500])
    if status is None or status == 0:
        return "The kernel ended."
    if status > 0:
        return f"The kernel ended itself with exit code {status}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        return "The kernel was killed (SIGKILL); most often the memory had run out."
    if name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"):
        return f"The kernel crashed inside a library ({name})."
    return f"The kernel was ended by {name}."


def report_of(provisioner: Any) -> SandboxReport:
    """Return the isolation that the provisioner probed; a plain kernel has none."""
    report = getattr(provisioner, "sandbox_report", None)
    if isinstance(report, SandboxReport):
        return report
    return SandboxReport(level="none", form="plain", sentence=NOT_ISOLATED)


def check_isolation(report: SandboxReport, required: SandboxLevel) -> None:
    """Raise ``SandboxError`` where a kernel is less isolated than required."""
    if meets(report.level, required):
        return
    notes = f" ({'; '.join(report.notes[:3])})" if report.notes else ""
    raise SandboxError(
        f"This machine offers the isolation level {report.level!r}, and {required!r} is required; "
        f"no code ran{notes}.",
        f"Run `analyst doctor` to see what is missing, or accept the risk with --sandbox "
        f"{report.level}.",
    )

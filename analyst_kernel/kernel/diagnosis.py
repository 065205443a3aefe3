"""Sentences about a kernel that is gone, and about how isolated a kernel is."""

from __future__ import annotations

import re
import signal
from typing import Any

from analyst_kernel.protocol.errors import SandboxError
from analyst_kernel.protocol.outputs import CellError, ErrorOutput
from analyst_kernel.protocol.sandbox import SandboxLevel, SandboxReport, meets

NOT_ISOLATED = (
    "Not isolated. Generated code has your permissions on this computer, including your files and "
    "the network."
)
_REASONS = {
    "memory": "The kernel needed more memory than its limit allows and was ended.",
    "processes": "The kernel started more processes than its limit allows and was ended.",
    "processor": "The kernel computed for longer than its limit allows and was ended.",
    "disk": "The kernel wrote more to disk than its limit allows and was ended.",
    "time": "The kernel ran longer than its limit allows and was ended.",
}
GONE = "Its variables are gone; a new, empty kernel was started."


def reason_of(provisioner: Any, status: int | None) -> str:
    """Return one sentence on what a kernel died of.

    Args:
        provisioner: The kernel's provisioner; its ``death_reason`` is used if it holds more than
            that the kernel crashed. It is one of the codes here, or a sentence.
        status: The exit status as ``poll`` returned it: negative for a signal, None if unknown.
    """
    reason = getattr(provisioner, "death_reason", None)
    if isinstance(reason, str) and reason.strip() not in ("", "crash"):
        return _REASONS.get(reason.strip(), reason.strip()[:500])
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
    """Raise ``SandboxError`` if a kernel is less isolated than required."""
    if meets(report.level, required):
        return
    notes = f" ({'; '.join(report.notes[:3])})" if report.notes else ""
    raise SandboxError(
        f"This machine offers the isolation level {report.level!r}, and {required!r} is required; "
        f"no code ran{notes}.",
        f"Run `analyst doctor` to see what is missing, or accept the risk with --sandbox "
        f"{report.level}.",
    )


_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELL_LINE = re.compile(r"Cell In ?\[(\d+)\], line (\d+)")
_MODULE = re.compile(r"No module named '([^']{1,200})'")


def cell_error(error: ErrorOutput, *, execution_count: int | None) -> CellError:
    """Return what went wrong, with the cell's line, and a hint where the kernel's limits did it."""
    return CellError(
        name=error.ename,
        message=error.evalue,
        line=_line(error, execution_count),
        hint=_hint(error),
    )


def _line(error: ErrorOutput, execution_count: int | None) -> int | None:
    line = None
    for found in _CELL_LINE.finditer(_ANSI.sub("", "\n".join(error.traceback))):
        if execution_count is None or int(found[1]) == execution_count:
            line = int(found[2])
    return line


def _hint(error: ErrorOutput) -> str:
    if error.ename == "ModuleNotFoundError" and (found := _MODULE.search(error.evalue)):
        return f"{found[1]} is not installed in this kernel, and no cell can install it."
    if error.ename == "StdinNotImplementedError":
        return "A cell cannot ask for input here; write the value into the code."
    return ""

"""From a probe's results to what the user is told: level, sentence, memory line, notes.

Pure. Also decides the one thing that matters: whether something is open that this form promised to
close (``breaches``), after which the kernel must not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from analyst_kernel.protocol.sandbox import ProbeResult, SandboxLevel, SandboxReport
from analyst_kernel.sandbox.inside.probe import ATTEMPTS
from analyst_kernel.sandbox.policy import GIB, MIB, FormName

ISOLATED = (
    "Code runs in its own process, file and network namespace. No network. "
    "Can read the files you attached, write only to the workspace."
)
RESTRICTED = (
    "Namespaces are blocked on this machine (typical in containers). Network and files outside the "
    "workspace are blocked by the kernel (Landlock, seccomp). "
    "File names and sizes elsewhere may be visible."
)
LIMITS = (
    "Not isolated. Generated code has your permissions on this computer, including your files and "
    "the network. Memory and time are limited."
)
NONE = (
    "Not isolated and not limited. Generated code has your permissions on this computer, including "
    "your files and the network."
)
SCOPES_MISSING = "signals to your other processes are not blocked (Landlock ABI {abi})."


def level_of(form: FormName) -> SandboxLevel:
    """What a form promises."""
    match form:
        case "zygote" | "bubblewrap":
            return "isolated"
        case "landlock":
            return "restricted"
        case "limits":
            return "limits"
        case "none":
            return "none"
        case _:
            assert_never(form)


def expected_closed(form: FormName, abi: int) -> frozenset[str]:
    """Names of the attempts that must fail in this form, with Landlock version ``abi``."""
    match form:
        case "zygote" | "bubblewrap":
            return frozenset(ATTEMPTS)
        case "landlock":
            # Signals to processes outside are scoped since ABI 6 only.
            return frozenset(ATTEMPTS) - (frozenset() if abi >= 6 else {"signal-parent"})
        case "limits" | "none":
            return frozenset({"environment"})
        case _:
            assert_never(form)


def read_results(raw: Any, form: FormName, abi: int) -> tuple[ProbeResult, ...]:
    """Check what came out of the kernel; an attempt that is missing or malformed counts as open."""
    told: dict[str, Mapping[str, Any]] = {}
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        for item in raw:
            if isinstance(item, Mapping) and isinstance(item.get("name"), str):
                told[item["name"]] = item
    expected = expected_closed(form, abi)
    return tuple(
        ProbeResult(
            name=name,
            closed=told.get(name, {}).get("closed") is True,
            expected=name in expected,
            detail=str(told.get(name, {}).get("detail", "not reported"))[:300],
        )
        for name in ATTEMPTS
    )


def breaches(results: Sequence[ProbeResult]) -> tuple[ProbeResult, ...]:
    """Those that are open although this form promised to close them."""
    return tuple(result for result in results if result.expected and not result.closed)


def sentence(form: FormName, abi: int) -> str:
    """What the badge says of a kernel that kept its form's promises."""
    match level_of(form):
        case "isolated":
            return ISOLATED
        case "restricted":
            missing = "" if abi >= 6 else " Also, " + SCOPES_MISSING.format(abi=abi)
            return RESTRICTED + missing
        case "limits":
            return LIMITS
        case "none":
            return NONE
        case other:
            assert_never(other)


def amount(size: int) -> str:
    """Bytes for a user: ``2 GiB``, ``512 MiB``."""
    return f"{size / GIB:g} GiB" if size >= GIB and size % (GIB // 4) == 0 else f"{size // MIB} MiB"


def memory_line(form: FormName, memory_bytes: int, cgroup: bool) -> str:
    """How the memory limit is enforced; always names the mechanism."""
    if form == "none":
        return "not enforced"
    if cgroup:
        return f"hard limit {amount(memory_bytes)} (cgroup)"
    return f"{amount(memory_bytes)} per process, checked every 0.5 s"


def build(
    form: FormName,
    results: Sequence[ProbeResult],
    *,
    abi: int,
    memory_bytes: int,
    cgroup: bool,
    notes: Sequence[str] = (),
) -> SandboxReport:
    """The report of one kernel whose results hold no breach."""
    return SandboxReport(
        level=level_of(form),
        form=form,
        sentence=sentence(form, abi),
        memory=memory_line(form, memory_bytes, cgroup),
        probes=tuple(results),
        notes=tuple(notes),
    )

"""From a probe's results to what the user sees: level, sentence, memory line, notes.

Pure. It also decides whether something is open that this backend promised to close (``breaches``),
in which case the kernel must not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, assert_never

from analyst_kernel.protocol.levels import SandboxLevel
from analyst_kernel.sandbox.inside.probe import ATTEMPTS
from analyst_kernel.sandbox.policy import GIB, MIB, BackendName

if TYPE_CHECKING:
    from analyst_kernel.protocol.sandbox import ProbeResult, SandboxReport

ISOLATED = (
    "Code runs in its own process, file and network namespace. No network. "
    "Can read the files you attached, write only to the workspace."
)
RESTRICTED = (
    "Namespaces are blocked on this machine (typical in containers). Network and files outside the "
    "workspace are blocked by the kernel (Landlock, seccomp). "
    "Names, sizes and times of files elsewhere may be visible. Permissions, owners and times of "
    "files cannot be changed: such calls do nothing."
)
LIMITS = (
    "Not isolated. Generated code has your permissions on this computer, including your files and "
    "the network. Memory and time are limited."
)
NONE = (
    "Not isolated and not limited. Generated code has your permissions on this computer, including "
    "your files and the network."
)


def level_of(backend: BackendName) -> SandboxLevel:
    """Return what a backend promises."""
    match backend:
        case "zygote" | "bubblewrap":
            return "isolated"
        case "landlock":
            return "restricted"
        case "limits":
            return "limits"
        case "none":
            return "none"
        case _:
            assert_never(backend)


def expected_closed(backend: BackendName, abi: int) -> frozenset[str]:
    """Return the attempts that must fail in this backend, with Landlock version ``abi``."""
    match backend:
        case "zygote" | "bubblewrap":
            return frozenset(ATTEMPTS)
        case "landlock":
            # Signals to processes outside are scoped since ABI 6 only.
            return frozenset(ATTEMPTS) - (frozenset() if abi >= 6 else {"signal-parent"})
        case "limits" | "none":
            return frozenset({"environment"})
        case _:
            assert_never(backend)


def read_results(raw: Any, backend: BackendName, abi: int) -> tuple[ProbeResult, ...]:
    """Check what came out of the kernel; an attempt that is missing or malformed counts as open."""
    from analyst_kernel.protocol.sandbox import ProbeResult

    reported: dict[str, Mapping[str, Any]] = {}
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        for item in raw:
            if isinstance(item, Mapping) and isinstance(item.get("name"), str):
                reported[item["name"]] = item
    expected = expected_closed(backend, abi)
    return tuple(
        ProbeResult(
            name=name,
            closed=reported.get(name, {}).get("closed") is True,
            expected=name in expected,
            detail=str(reported.get(name, {}).get("detail", "not reported"))[:300],
        )
        for name in ATTEMPTS
    )


def breaches(results: Sequence[ProbeResult]) -> tuple[ProbeResult, ...]:
    """Those that are open although this backend promised to close them."""
    return tuple(result for result in results if result.expected and not result.closed)


def sentence(backend: BackendName, abi: int) -> str:
    """Return the badge's text for a kernel that kept its backend's promises."""
    match level_of(backend):
        case "isolated":
            return ISOLATED
        case "restricted":
            if abi >= 6:
                return RESTRICTED
            missing = f"signals to your other processes are not blocked (Landlock ABI {abi})."
            return f"{RESTRICTED} Also, {missing}"
        case "limits":
            return LIMITS
        case "none":
            return NONE
        case other:
            assert_never(other)


def amount(size: int) -> str:
    """Return bytes for a user: ``2 GiB``, ``512 MiB``."""
    return f"{size / GIB:g} GiB" if size >= GIB and size % (GIB // 4) == 0 else f"{size // MIB} MiB"


def memory_line(backend: BackendName, memory_bytes: int, cgroup: bool) -> str:
    """Return how the memory limit is enforced; always names the mechanism."""
    if backend == "none":
        return "not enforced"
    if cgroup:
        return f"hard limit {amount(memory_bytes)} (cgroup)"
    return f"{amount(memory_bytes)} per process, checked every 0.5 s"


def build(
    backend: BackendName,
    results: Sequence[ProbeResult],
    *,
    abi: int,
    memory_bytes: int,
    cgroup: bool,
    notes: Sequence[str] = (),
    machine_bytes: int = 0,
) -> SandboxReport:
    """Return the report of one kernel whose results hold no breach.

    ``machine_bytes`` is the memory of the machine, or 0 if it is not known.
    """
    from analyst_kernel.protocol.sandbox import SandboxReport

    return SandboxReport(
        level=level_of(backend),
        form=backend,
        sentence=sentence(backend, abi),
        memory=memory_line(backend, memory_bytes, cgroup),
        memory_bytes=_least(0 if backend == "none" else memory_bytes, machine_bytes),
        probes=tuple(results),
        notes=tuple(notes),
    )


def _least(*limits: int) -> int:
    """Return the smallest of the limits that there are; 0 without any."""
    return min((limit for limit in limits if limit), default=0)

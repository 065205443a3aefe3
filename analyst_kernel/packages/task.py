"""What the process that fetches is told, and what it answers; JSON on a line. Stdlib only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s'\"]*@")


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """What fetching may take.

    Attributes:
        find_seconds: To resolve a package.
        fetch_seconds: To fetch its wheels.
        wheel_bytes: Of one downloaded file.
        wheels: That one package may bring.
        unpacked_bytes: Of one wheel, unpacked.
        entries: Of one wheel.
    """

    find_seconds: float = 90.0
    fetch_seconds: float = 600.0
    wheel_bytes: int = 1 << 30
    wheels: int = 60
    unpacked_bytes: int = 2 << 30
    entries: int = 50_000


@dataclass(frozen=True, slots=True)
class PackageTask:
    """One order.

    Attributes:
        do: ``find`` resolves the first of ``wanted``; ``fetch`` brings ``wheels`` into ``store``.
        python: The kernel's interpreter; never a path that a kernel named.
        wanted: The name, and maybe a version, as ``name`` or ``name==version``.
        held: ``name==version`` of packages that were fetched for this analysis before.
        wheels: ``name``, ``version`` and ``sha256`` of each.
        indexes: Addresses of the administrator's; empty for what pip is configured with.
        scratch: An empty folder for this task alone.
    """

    do: Literal["find", "fetch"]
    python: str
    scratch: str
    wanted: str = ""
    held: tuple[str, ...] = ()
    wheels: tuple[dict[str, Any], ...] = ()
    indexes: tuple[str, ...] = ()
    store: str = ""
    limits: PackageLimits = field(default_factory=PackageLimits)


def without_credentials(text: str) -> str:
    """Return a text in which no address holds a user or a password."""
    return _CREDENTIALS.sub("", text)

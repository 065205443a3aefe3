"""The values of the user's settings for kernels and readers: levels, forms, sizes, switches.

They come from traits (``config``) or from environment variables; here they are read and checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from analyst_kernel.protocol.errors import PolicyError
from analyst_kernel.protocol.levels import SandboxLevel
from analyst_kernel.sandbox.policy import BACKENDS, BackendName, ResourceLimits

LEVELS: tuple[SandboxLevel, ...] = get_args(SandboxLevel)

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(value: int | str) -> int:
    """Read ``512M``, ``2 GiB`` or a number of bytes; raises :class:`PolicyError`."""
    if isinstance(value, int):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", value, re.IGNORECASE)
    if found is None:
        raise PolicyError(f"not a size: {value!r} (write 512M or 2 GiB)")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def switch(value: str) -> bool:
    """Read ``on``/``off``, ``1``/``0``, ``true``/``false``, ``yes``/``no``."""
    low = value.strip().lower()
    if low in ("1", "on", "true", "yes"):
        return True
    if low in ("0", "off", "false", "no", ""):
        return False
    raise PolicyError(f"not a switch: {value!r} (write on or off)")


def level(value: Any) -> SandboxLevel:
    """Check the name of a level."""
    for known in LEVELS:
        if value == known:
            return known
    raise PolicyError(f"no such sandbox level: {value!r} (one of {', '.join(LEVELS)})")


def form(value: Any) -> BackendName | None:
    """Check the name of a backend; empty or ``auto`` means the strongest that works."""
    if value in (None, "", "auto"):
        return None
    for known in BACKENDS:
        if value == known:
            return known
    raise PolicyError(f"no such sandbox form: {value!r} (one of {', '.join(BACKENDS)})")


def limits(*sources: Mapping[str, Any] | None) -> ResourceLimits:
    """Merge limits, later sources first; sizes may be written with a unit.

    Raises:
        PolicyError: An unknown name, or a value with which no kernel could run.
    """
    known = {item.name for item in fields(ResourceLimits)}
    merged: dict[str, int] = {}
    for source in sources:
        for name, value in (source or {}).items():
            if name not in known:
                raise PolicyError(f"no such limit: {name!r} (one of {', '.join(sorted(known))})")
            if value is not None:
                merged[name] = size(value)
    return ResourceLimits(**merged)


def setting(name: str, otherwise: Any) -> Any:
    """Return the environment variable ``ANALYST_<name>``, or ``otherwise`` if it holds nothing."""
    return os.environ.get(f"ANALYST_{name}") or otherwise


@dataclass(frozen=True)
class Isolation:
    """How strongly a process must be enclosed, and by which means.

    Attributes:
        require: The lowest acceptable level.
        form: The construction to use; None for the strongest that works.
        bubblewrap: The program; empty to use none.
        landlock: Whether Landlock is one of the layers.
        cgroup: Whether to use control groups where possible.
    """

    require: SandboxLevel = "restricted"
    form: BackendName | None = None
    bubblewrap: str = "bwrap"
    landlock: bool = True
    cgroup: bool = True

    @classmethod
    def from_environment(cls) -> Isolation:
        """Return what the environment variables say; raises :class:`PolicyError`."""
        return cls(
            level(setting("SANDBOX", "restricted")),
            form(setting("SANDBOX_FORM", "")),
            os.environ.get("ANALYST_BUBBLEWRAP", "bwrap"),
            switch(setting("LANDLOCK", "on")),
            switch(setting("CGROUP", "on")),
        )

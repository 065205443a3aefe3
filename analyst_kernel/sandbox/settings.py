"""What the user set for their sandboxes: sizes and names read from environment variables.

Only the server's own environment and configuration count; nothing that a notebook, a client's
request or a model says comes this way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from analyst_kernel.protocol.sandbox import SandboxLevel
from analyst_kernel.sandbox.policy import FORMS, FormName, PolicyError, ResourceLimits

LEVELS: tuple[SandboxLevel, ...] = get_args(SandboxLevel)

VARIABLES = {
    "require": "ANALYST_SANDBOX",
    "form": "ANALYST_SANDBOX_FORM",
    "memory_bytes": "ANALYST_MEMORY",
    "processes": "ANALYST_PROCESSES",
    "tmp_bytes": "ANALYST_TMP",
    "file_bytes": "ANALYST_FILE_SIZE",
    "open_files": "ANALYST_OPEN_FILES",
    "output_bytes": "ANALYST_OUTPUT_SIZE",
    "cpus": "ANALYST_CPUS",
    "landlock": "ANALYST_LANDLOCK",
    "cgroup": "ANALYST_CGROUP",
    "bubblewrap": "ANALYST_BUBBLEWRAP",
    "start_timeout": "ANALYST_START_TIMEOUT",
}
"""Setting to environment variable; see :class:`~.provisioner.AnalystProvisioner` for meanings."""

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


def form(value: Any) -> FormName | None:
    """Check the name of a form; empty or ``auto`` is the strongest that works."""
    if value in (None, "", "auto"):
        return None
    for known in FORMS:
        if value == known:
            return known
    raise PolicyError(f"no such sandbox form: {value!r} (one of {', '.join(FORMS)})")


def limits(*sources: Mapping[str, Any] | None) -> ResourceLimits:
    """Merge limits, later sources first; sizes may be written with a unit.

    Raises:
        PolicyError: An unknown name, or a value that no kernel could live with.
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


def variable(setting: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The environment variable of a setting, or ``None`` where it is not set."""
    return (os.environ if environment is None else environment).get(VARIABLES[setting])

"""The user's settings for kernels: traits for ``jupyter_*_config.py``, with environment variables.

``c.AnalystProvisioner.memory = "4 GiB"`` wins over ``ANALYST_MEMORY=4G``, which wins over the
default. Nothing in a notebook or a request is read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, Float, Integer, Unicode, Union, default

from analyst_kernel.protocol.errors import PolicyError
from analyst_kernel.protocol.sandbox import SandboxLevel
from analyst_kernel.sandbox.policy import BACKENDS, BackendName, ResourceLimits


class SettingsProvisioner(LocalProvisioner):
    """A local provisioner with the user's settings."""

    require = Unicode(
        config=True, help="Lowest acceptable level: isolated, restricted, limits or none."
    )
    form = Unicode(config=True, help="Construction to use; empty: the strongest that works.")
    memory = Union([Integer(), Unicode()], config=True, help="Memory of a kernel, e.g. 2 GiB.")
    processes = Integer(config=True, help="Processes and threads of a kernel.")
    tmp = Union([Integer(), Unicode()], config=True, help="Room in /tmp and in /dev/shm.")
    file_size = Union([Integer(), Unicode()], config=True, help="Largest single file.")
    open_files = Integer(config=True, help="Open files per process.")
    output_size = Union([Integer(), Unicode()], config=True, help="Room in OUTPUT_DIR.")
    cpus = Integer(config=True, help="CPU cores for libraries; 0: all.")
    landlock = Bool(config=True, help="Whether Landlock is one of the layers.")
    cgroup = Bool(config=True, help="Whether to use control groups where possible.")
    bubblewrap = Unicode(config=True, help="The bubblewrap program; empty: do not use it.")
    start_timeout = Float(config=True, help="Seconds until a starting kernel must answer.")

    # The environment is read when a provisioner is made, not when this module is imported.
    _require = default("require")(lambda _: _set("SANDBOX", "restricted"))
    _form = default("form")(lambda _: _set("SANDBOX_FORM", ""))
    _memory = default("memory")(lambda _: _set("MEMORY", ResourceLimits.memory_bytes))
    _processes = default("processes")(lambda _: int(_set("PROCESSES", ResourceLimits.processes)))
    _tmp = default("tmp")(lambda _: _set("TMP", ResourceLimits.tmp_bytes))
    _file = default("file_size")(lambda _: _set("FILE_SIZE", ResourceLimits.file_bytes))
    _open = default("open_files")(lambda _: int(_set("OPEN_FILES", ResourceLimits.open_files)))
    _output = default("output_size")(lambda _: _set("OUTPUT_SIZE", ResourceLimits.output_bytes))
    _cpus = default("cpus")(lambda _: int(_set("CPUS", ResourceLimits.cpus)))
    _landlock = default("landlock")(lambda _: switch(_set("LANDLOCK", "on")))
    _cgroup = default("cgroup")(lambda _: switch(_set("CGROUP", "on")))
    # Set but empty means: use none.
    _bubblewrap = default("bubblewrap")(lambda _: os.environ.get("ANALYST_BUBBLEWRAP", "bwrap"))
    _start_timeout = default("start_timeout")(lambda _: float(_set("START_TIMEOUT", 60.0)))

    def configured_limits(self) -> dict[str, int | str]:
        """Return what configuration and environment say, by the names of ``ResourceLimits``."""
        return {
            "memory_bytes": self.memory,
            "processes": self.processes,
            "tmp_bytes": self.tmp,
            "file_bytes": self.file_size,
            "open_files": self.open_files,
            "output_bytes": self.output_size,
            "cpus": self.cpus,
        }


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


def _set(name: str, otherwise: Any) -> Any:
    """Return the environment variable ``ANALYST_<name>``, or ``otherwise`` if it holds nothing."""
    return os.environ.get(f"ANALYST_{name}") or otherwise

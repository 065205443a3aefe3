"""The user's settings for kernels: traits for ``jupyter_*_config.py``, with environment variables.

``c.AnalystProvisioner.memory = "4 GiB"`` wins over ``ANALYST_MEMORY=4G``, which wins over the
default. Nothing in a notebook or a request is read here.
"""

from __future__ import annotations

import os

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, Float, Integer, Unicode, Union, default

from analyst_kernel.sandbox.policy import ResourceLimits
from analyst_kernel.sandbox.settings import Isolation, form, level, setting, switch


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
    nameless_grants = Unicode(
        config=True,
        help="What a kernel without its notebook's name may read: files and folders, with "
        f"{os.pathsep!r} between them.",
    )
    start_timeout = Float(config=True, help="Seconds until a starting kernel must answer.")

    # The environment is read when a provisioner is made, not when this module is imported.
    _require = default("require")(lambda _: setting("SANDBOX", "restricted"))
    _form = default("form")(lambda _: setting("SANDBOX_FORM", ""))
    _memory = default("memory")(lambda _: setting("MEMORY", ResourceLimits.memory_bytes))
    _processes = default("processes")(lambda _: int(setting("PROCESSES", ResourceLimits.processes)))
    _tmp = default("tmp")(lambda _: setting("TMP", ResourceLimits.tmp_bytes))
    _file = default("file_size")(lambda _: setting("FILE_SIZE", ResourceLimits.file_bytes))
    _open = default("open_files")(lambda _: int(setting("OPEN_FILES", ResourceLimits.open_files)))
    _output = default("output_size")(lambda _: setting("OUTPUT_SIZE", ResourceLimits.output_bytes))
    _cpus = default("cpus")(lambda _: int(setting("CPUS", ResourceLimits.cpus)))
    _landlock = default("landlock")(lambda _: switch(setting("LANDLOCK", "on")))
    _cgroup = default("cgroup")(lambda _: switch(setting("CGROUP", "on")))
    # Set but empty means: use none.
    _bubblewrap = default("bubblewrap")(lambda _: os.environ.get("ANALYST_BUBBLEWRAP", "bwrap"))
    _nameless = default("nameless_grants")(lambda _: setting("GRANTS", ""))
    _start_timeout = default("start_timeout")(lambda _: float(setting("START_TIMEOUT", 60.0)))

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

    def isolation(self) -> Isolation:
        """Return what it says of isolation, checked; raises ``PolicyError``."""
        return Isolation(
            level(self.require), form(self.form), self.bubblewrap, self.landlock, self.cgroup
        )

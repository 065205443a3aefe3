"""The user's settings for kernels: traits for ``jupyter_*_config.py``, with environment variables.

``c.AnalystProvisioner.memory = "4 GiB"`` wins over ``ANALYST_MEMORY=4G``, which wins over the
default (variables: ``settings.VARIABLES``). Nothing that a notebook or a request says is read here.
"""

from __future__ import annotations

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, Float, Integer, Unicode, Union, default

from analyst_kernel.sandbox import settings
from analyst_kernel.sandbox.policy import ResourceLimits


class ConfiguredProvisioner(LocalProvisioner):
    """A local provisioner that knows what the user set."""

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

    @default("require")
    def _default_require(self) -> str:
        return settings.variable("require") or "restricted"

    @default("form")
    def _default_form(self) -> str:
        return settings.variable("form") or ""

    @default("memory")
    def _default_memory(self) -> int | str:
        return settings.variable("memory_bytes") or ResourceLimits.memory_bytes

    @default("processes")
    def _default_processes(self) -> int:
        return int(settings.variable("processes") or ResourceLimits.processes)

    @default("tmp")
    def _default_tmp(self) -> int | str:
        return settings.variable("tmp_bytes") or ResourceLimits.tmp_bytes

    @default("file_size")
    def _default_file_size(self) -> int | str:
        return settings.variable("file_bytes") or ResourceLimits.file_bytes

    @default("open_files")
    def _default_open_files(self) -> int:
        return int(settings.variable("open_files") or ResourceLimits.open_files)

    @default("output_size")
    def _default_output_size(self) -> int | str:
        return settings.variable("output_bytes") or ResourceLimits.output_bytes

    @default("cpus")
    def _default_cpus(self) -> int:
        return int(settings.variable("cpus") or ResourceLimits.cpus)

    @default("landlock")
    def _default_landlock(self) -> bool:
        return settings.switch(settings.variable("landlock") or "on")

    @default("cgroup")
    def _default_cgroup(self) -> bool:
        return settings.switch(settings.variable("cgroup") or "on")

    @default("bubblewrap")
    def _default_bubblewrap(self) -> str:
        found = settings.variable("bubblewrap")
        return "bwrap" if found is None else found

    @default("start_timeout")
    def _default_start_timeout(self) -> float:
        return float(settings.variable("start_timeout") or 60.0)

    def configured_limits(self) -> dict[str, int | str]:
        """What configuration and environment say, by the names of ``ResourceLimits``."""
        return {
            "memory_bytes": self.memory,
            "processes": self.processes,
            "tmp_bytes": self.tmp,
            "file_bytes": self.file_size,
            "open_files": self.open_files,
            "output_bytes": self.output_size,
            "cpus": self.cpus,
        }

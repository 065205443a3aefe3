"""What all kernels of one server share: the runtime folder, canaries, watchdog and backends.

Made with the first kernel, removed when the interpreter ends.
"""

from __future__ import annotations

import atexit
import os

from analyst_kernel.sandbox.backends.base import Backend
from analyst_kernel.sandbox.backends.exec import ExecBackend
from analyst_kernel.sandbox.backends.select import BackendSelector
from analyst_kernel.sandbox.backends.tcp import TcpBackend
from analyst_kernel.sandbox.canaries import Canaries
from analyst_kernel.sandbox.policy import BACKENDS, BackendName
from analyst_kernel.sandbox.runtime import once_per_process, runtime_folder
from analyst_kernel.sandbox.watchdog import Watchdog
from analyst_kernel.sandbox.zygote.backend import BareZygoteBackend, ZygoteBackend


class SharedResources:
    """The share of one server process."""

    def __init__(self) -> None:
        self.runtime = runtime_folder()
        self.canaries = Canaries(self.runtime.path)
        self.watchdog = Watchdog()
        self._selectors: dict[tuple[BackendName | None, str, bool], BackendSelector] = {}

    def selector(
        self, pinned: BackendName | None, bubblewrap: str, landlock: bool
    ) -> BackendSelector:
        """Return the selector of one configuration, which keeps what it found by trying."""
        key = (pinned, bubblewrap, landlock)
        if key not in self._selectors:
            names: list[BackendName] = [pinned] if pinned else list(BACKENDS[:-1])
            if not landlock and "landlock" in names:
                names.remove("landlock")
            self._selectors[key] = BackendSelector(_backends(names, bubblewrap))
        return self._selectors[key]


def _backends(names: list[BackendName], bubblewrap: str) -> list[Backend]:
    """Return the backends of these names, in this order, that exist on this platform."""
    if os.name != "posix":
        return [TcpBackend()] if "limits" in names else []
    made: list[Backend] = []
    for name in names:
        if name != "zygote":
            made.append(ExecBackend(name, bwrap=bubblewrap))
            continue
        zygote = ZygoteBackend(bubblewrap)
        made.append(zygote)
        if "landlock" in names:
            made.append(BareZygoteBackend(zygote, bubblewrap))
    return made


@once_per_process
def shared_resources() -> SharedResources:
    """Return the share of this process."""
    made = SharedResources()
    process = os.getpid()
    # A forked child runs what its parent registered, but the files are not its own.
    atexit.register(lambda: made.canaries.close() if os.getpid() == process else None)
    return made

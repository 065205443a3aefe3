"""What all kernels of one server share: the runtime folder, canaries, watchdog and ladders.

Made with the first kernel, removed when the interpreter ends.
"""

from __future__ import annotations

import atexit
import os
import threading

from analyst_kernel.sandbox.backends.base import Form
from analyst_kernel.sandbox.backends.exec import ExecForm
from analyst_kernel.sandbox.backends.select import Ladder
from analyst_kernel.sandbox.backends.tcp import TcpForm
from analyst_kernel.sandbox.canaries import Canaries
from analyst_kernel.sandbox.policy import FORMS, FormName
from analyst_kernel.sandbox.runtime import RuntimeFolder
from analyst_kernel.sandbox.watchdog import Watchdog
from analyst_kernel.sandbox.zygote.backend import BareForm, ZygoteForm

_lock = threading.Lock()
_hosts: dict[int, Host] = {}


class Host:
    """One server's share."""

    def __init__(self) -> None:
        """Make the folder and open the canaries."""
        self.runtime = RuntimeFolder()
        self.canaries = Canaries(self.runtime.path)
        self.watchdog = Watchdog()
        self._ladders: dict[tuple[FormName | None, str, bool], Ladder] = {}

    def ladder(self, pinned: FormName | None, bubblewrap: str, landlock: bool) -> Ladder:
        """The ladder of one configuration; what was found by trying stays in it."""
        key = (pinned, bubblewrap, landlock)
        if key not in self._ladders:
            names: list[FormName] = [pinned] if pinned else list(FORMS[:-1])
            if not landlock and "landlock" in names:
                names.remove("landlock")
            self._ladders[key] = Ladder(forms(names, bubblewrap))
        return self._ladders[key]

    def close(self) -> None:
        """Remove everything."""
        self.canaries.close()
        self.runtime.remove()


def forms(names: list[FormName], bubblewrap: str) -> list[Form]:
    """The forms of these names, in this order, that exist here."""
    if os.name != "posix":
        return [TcpForm()] if "limits" in names else []
    made: list[Form] = []
    for name in names:
        if name != "zygote":
            made.append(ExecForm(name, bwrap=bubblewrap))
            continue
        zygote = ZygoteForm(bubblewrap)
        made.append(zygote)
        if "landlock" in names:
            made.append(BareForm(zygote, bubblewrap))
    return made


def host() -> Host:
    """This process's host (a forked child gets its own)."""
    with _lock:
        found = _hosts.get(os.getpid())
        if found is None:
            _hosts.clear()
            found = _hosts[os.getpid()] = Host()
            atexit.register(_close, os.getpid())
        return found


def _close(pid: int) -> None:
    if pid == os.getpid() and pid in _hosts:
        _hosts.pop(pid).close()

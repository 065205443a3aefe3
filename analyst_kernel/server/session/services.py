"""What all analyses of a server share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analyst_kernel.grants import GrantStore
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.sandbox import SandboxReport
from analyst_kernel.protocol.socket import AnalysisSummary
from analyst_kernel.server.credentials import Keys
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.journal import Journal
from analyst_kernel.server.kernels import ServerHost
from analyst_kernel.server.models import ModelChoice
from analyst_kernel.server.paths import Places
from analyst_kernel.server.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class JupyterManagers:
    """The parts of the Jupyter server that analyses use.

    Attributes:
        kernels, sessions, contents: Its managers.
        settings: The settings of its web application, in which other extensions are found.
        events: Its event logger, which emits renames of files.
    """

    kernels: Any
    sessions: Any
    contents: Any
    settings: Mapping[str, Any]
    events: Any


@dataclass(slots=True)
class ServerServices:
    """Made once per server.

    Attributes:
        announce: Called with the summary of an analysis when it changed in the list.
        deliver: Called with the events of an analysis after they were journalled.
        newest_report: The isolation of the kernel that was started last.
    """

    settings: ServerSettings
    places: Places
    journal: Journal
    keys: Keys
    models: ModelChoice
    grants: GrantStore
    jupyter: JupyterManagers
    announce: Callable[[AnalysisSummary], None] = lambda _: None
    deliver: Callable[[AnalysisId, Sequence[EncodedEvent]], None] = lambda _id, _events: None
    newest_report: SandboxReport | None = None

    def host(self, notebook: Callable[[], str | None] | None = None) -> ServerHost:
        """Return a host for one kernel; see :class:`ServerHost`."""
        return ServerHost(self.jupyter.kernels, self.jupyter.sessions, notebook)

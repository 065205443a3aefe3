"""What all analyses of a server share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyst_kernel.grants import GrantStore
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.sandbox import SandboxReport
from analyst_kernel.server.credentials import Keys
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.journal import Journal
from analyst_kernel.server.models import ModelChoice
from analyst_kernel.server.paths import Places
from analyst_kernel.server.settings import ServerSettings

if TYPE_CHECKING:
    from analyst_kernel.server.session.session import AnalysisSession


@dataclass(slots=True)
class ServerServices:
    """Made once per server.

    Attributes:
        settings, places, journal, keys, models, grants: One of each.
        kernels, sessions, contents: The Jupyter server's managers.
        server_settings: Its web application's settings, where other extensions are found.
        announce: Told of an analysis whose line in the list changed.
        deliver: Gets what happened in an analysis, once it is journalled.
        newest_report: Isolation of the kernel that was started last.
    """

    settings: ServerSettings
    places: Places
    journal: Journal
    keys: Keys
    models: ModelChoice
    grants: GrantStore
    kernels: Any
    sessions: Any
    contents: Any
    server_settings: Mapping[str, Any]
    announce: Callable[[AnalysisSession], None]
    deliver: Callable[[AnalysisId, Sequence[EncodedEvent]], None]
    newest_report: SandboxReport | None = None

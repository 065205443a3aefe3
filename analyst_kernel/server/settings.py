"""The settings of the administrator and the user for this server, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analyst_kernel.protocol.records import ApprovalMode, Limits
from analyst_kernel.protocol.sandbox import SandboxLevel


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """See the traits of the same names in :mod:`analyst_kernel.server.extension`.

    Attributes:
        root: Absolute folder that the file browser shows; empty if it shows no local folder.
        data: The user's folder with the journal and the keys.
        locked: The values of the settings that the administrator fixed.
    """

    root: str
    data: Path
    journal: Path
    default_model: str = ""
    sandbox: SandboxLevel = "restricted"
    kernel_name: str = "analyst"
    kernel_limits: Mapping[str, int | str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    idle_seconds: float = 900.0
    idle_check_seconds: float = 60.0
    grace_seconds: float = 600.0
    reconnect_seconds: float = 5.0
    locked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def locked_approval(self) -> ApprovalMode | None:
        """The approval mode that the administrator fixed."""
        mode = self.locked.get("approval")
        return mode if mode in ("automatic", "cells", "plan") else None

"""The settings of this server as plain values, and the paths below the folder that it shows."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analyst_kernel.analysis.privacy import LEAST, least_mode
from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.protocol.records import ApprovalMode, Limits
from analyst_kernel.protocol.sandbox import SandboxLevel


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """See the traits of the same names in :mod:`analyst_kernel.server.extension`.

    Attributes:
        root: Absolute folder that the file browser shows; empty if it shows no local folder.
        data: The user's folder with the journal and the keys.
        key_files: By provider, the file that holds its key.
        provider_urls: By provider, the address that this key is for, or of a server without one.
        packages: From where packages may be fetched, if at all.
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
    key_files: Mapping[str, str] = field(default_factory=dict)
    provider_urls: Mapping[str, str] = field(default_factory=dict)
    locked: Mapping[str, Any] = field(default_factory=dict)
    packages: PackagePolicy = field(default_factory=PackagePolicy)

    @property
    def keys_locked(self) -> bool:
        """Return whether users may store no keys."""
        return bool(self.locked.get("keys"))

    @property
    def allowed_providers(self) -> frozenset[str] | None:
        """The only providers of AI models that may be used; None for all."""
        names = self.locked.get("providers")
        if isinstance(names, str):
            names = [names]
        return None if names is None else frozenset(str(name) for name in names)

    @property
    def locked_approval(self) -> ApprovalMode | None:
        """The approval mode that the administrator fixed."""
        mode = self.locked.get("approval")
        return mode if mode in ("automatic", "cells", "plan") else None

    @property
    def least_privacy(self) -> str:
        """The least strict privacy mode that the administrator allows; empty for any."""
        return least_mode(str(self.locked.get("privacy") or ""), os.environ.get(LEAST, ""))

    @property
    def shown_locks(self) -> dict[str, Any]:
        """The settings that a user cannot change freely, with their values."""
        least = self.least_privacy
        return {**self.locked, "privacy": least} if least else dict(self.locked)


_DRIVE = re.compile(r"^[A-Za-z][A-Za-z0-9_-]+:(?!//)")
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Places:
    """Converts between the paths of the file browser and those of this computer."""

    def __init__(self, root: str) -> None:
        """Use the absolute root folder; empty if the file browser shows no local folder."""
        self.root = os.path.realpath(root) if root else ""

    def absolute(self, path: str) -> str:
        """Return the absolute path here for a path from the browser.

        A path below the root folder has priority over an absolute one that the user typed. A
        remote address stays as it is.
        """
        if _REMOTE.match(path):
            return path
        expanded = os.path.expanduser(path)
        local = _DRIVE.sub("", expanded) if os.name == "posix" else expanded
        if self.root:
            below = os.path.normpath(os.path.join(self.root, local.lstrip("/")))
            if not os.path.isabs(local) or (os.path.exists(below) and not os.path.exists(local)):
                return below
        return os.path.abspath(local)

    def served(self, path: str) -> str | None:
        """Return the file browser's path of a file here, or None if it is outside its root."""
        if not self.root or not path:
            return None
        folder = os.path.realpath(os.path.dirname(path))
        real = os.path.join(folder, os.path.basename(path))
        try:
            below = os.path.relpath(real, self.root)
        except ValueError:  # another drive
            return None
        if below == ".." or below.startswith(f"..{os.sep}"):
            return None
        return Path(below).as_posix()

    def folder(self, path: str | None) -> str:
        """Return the existing folder for a path from the browser, else the root folder."""
        if path:
            wanted = self.absolute(path)
            if os.path.isdir(wanted):
                return wanted
        return self.root or os.getcwd()

"""Converts between the paths of the file browser and those of this computer."""

from __future__ import annotations

import os
import re
from pathlib import Path

_DRIVE = re.compile(r"^[A-Za-z][A-Za-z0-9_-]+:(?!//)")
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Places:
    """Converts paths by the server's root folder."""

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

"""What stays invisible inside a granted folder: hidden files, keys, sockets (stdlib only).

A folder is granted for its data. Names that begin with a dot, private keys and anything that is
neither file nor folder are left out unless they were granted by name.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Sequence

from analyst_kernel.sandbox.policy import within

KEYS = (
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks",
    "*.keystore", "*.kdbx", "*.ppk", "credentials", "credentials.json", "service-account*.json",
)  # fmt: skip
"""Patterns of file names that hold keys (compared in lower case)."""

DATA_DESPITE_DOT = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
"""Hidden names that are part of a data format."""

MOST = 200_000
"""Entries that are looked at in one granted folder; a larger one is reported as such."""


def is_hidden_name(name: str) -> bool:
    """Return whether an entry of this name stays invisible."""
    if name.startswith("."):
        return name not in DATA_DESPITE_DOT
    low = name.lower()
    return any(fnmatch.fnmatchcase(low, pattern) for pattern in KEYS)


def find_hidden(folder: str, granted: Sequence[str] = (), most: int = MOST) -> list[str]:
    """Return paths below ``folder`` that must stay invisible, outermost ones only.

    Args:
        folder: A granted path; a file has nothing hidden.
        granted: Paths granted by name; they, and folders on the way to them, are not hidden.
        most: Entries to look at.

    Raises:
        OverflowError: The folder holds more entries than ``most``.
    """
    found: list[str] = []
    seen = 0
    pending = [folder] if _is_folder(folder) else []
    while pending:
        here = pending.pop()
        try:
            entries = list(os.scandir(here))
        except OSError:
            continue  # unreadable for the user, hence for the kernel
        seen += len(entries)
        if seen > most:
            raise OverflowError(f"{folder} holds more than {most} entries")
        for entry in entries:
            leads = any(within(path, entry.path) for path in granted)
            is_folder = entry.is_dir(follow_symlinks=False)
            ordinary = is_folder or entry.is_file(follow_symlinks=False) or entry.is_symlink()
            if not leads and (is_hidden_name(entry.name) or not ordinary):
                if not entry.is_symlink():
                    found.append(entry.path)
            elif is_folder and entry.path not in granted:
                pending.append(entry.path)
    return sorted(found)


def _is_folder(path: str) -> bool:
    """Return whether a folder stands there, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def explode(folder: str, hidden: Sequence[str]) -> tuple[list[str], list[str]]:
    """Cover ``folder`` by rules that leave ``hidden`` out, for a backend that cannot mask.

    Returns:
        ``(readable, listed)``: paths to read as a whole, and folders whose names may be listed.
        Files made later directly in a listed folder stay unreadable until the next start.
    """
    below = [path for path in hidden if within(path, folder)]
    if folder in below:
        return [], []
    if not below:
        return [folder], []
    readable: list[str] = []
    listed = [folder]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return [], []
    for entry in entries:
        if entry.is_symlink():
            continue  # a link grants nothing; its target is either covered or not
        more, names = explode(entry.path, below)
        readable += more
        listed += names
    return readable, listed

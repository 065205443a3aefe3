"""The repository as the contract tests see it: its root, and the files that git has."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GENERATED = frozenset({"labextension/src/protocol/generated.ts"})
"""Files that a program writes; nobody reads them for pleasure."""


@cache
def files() -> tuple[str, ...]:
    """Return the path, relative to the root, of every file that git tracks or would add."""
    listing = subprocess.run(
        # A clone may belong to another user than the one who runs its tests.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = sorted(name for name in listing.split("\0") if name)
    return tuple(name for name in names if (ROOT / name).is_file())


def sources(*suffixes: str, under: str = "") -> tuple[str, ...]:
    """Return the files with one of ``suffixes`` below the folder ``under``, but generated ones."""
    return tuple(
        name
        for name in files()
        if name.endswith(suffixes) and name.startswith(under) and name not in GENERATED
    )


def text(name: str) -> str:
    """Return the content of one file; bytes that are no text are replaced."""
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")

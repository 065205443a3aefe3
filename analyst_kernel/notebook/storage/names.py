"""Names of notebook files: from a question to a file name, and to a free one."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from analyst_kernel._text import fault_of_path
from analyst_kernel.protocol.errors import NotebookError

_LONGEST = 60


def default_path(question: str, folder: str | os.PathLike[str] = ".") -> Path:
    """Return ``folder/how-did-average-city-mileage-change.ipynb`` for a question, free or not."""
    plain = unicodedata.normalize("NFKC", question).lower()
    first = re.split(r"[?!\n]|\.(?:\s|$)", plain.strip(), maxsplit=1)[0]
    words = re.findall(r"[^\W_]+", first.replace("'", "").replace("\u2019", ""))
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word
        if len(longer.encode()) > _LONGEST:
            break
        slug = longer
    return Path(folder) / f"{slug or 'analysis'}.ipynb"


def free_path(path: str | os.PathLike[str]) -> Path:
    """Return the first of :func:`free_paths`."""
    return next(free_paths(path))


def free_paths(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield those of ``path``, ``path-1``, ``path-2``... that are free when they are yielded."""
    wanted = notebook_path(path)
    numbered = (wanted.with_name(f"{wanted.stem}-{n}{wanted.suffix}") for n in itertools.count(1))
    for candidate in itertools.chain([wanted], numbered):
        if not os.path.lexists(candidate):
            yield candidate


def notebook_path(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` as an absolute path ending in ``.ipynb``, links kept.

    Raises:
        NotebookError: It has another ending, is a folder, or cannot be stored as a text.
    """
    fault = fault_of_path(os.fspath(path))
    if fault:
        what = f"The notebook's name {os.fspath(path)!r} {fault}, so it cannot be used."
        raise NotebookError(what, "Rename it, or name another one. Nothing was changed.")
    wanted = Path(os.path.abspath(Path(path).expanduser()))
    if os.path.isdir(wanted):  # Path.is_dir raises for a name that is too long
        what = f"{wanted} is a folder, not a notebook."
        raise NotebookError(what, "Name a file ending in .ipynb.")
    if wanted.suffix == "":
        return wanted.with_name(f"{wanted.name}.ipynb")
    if wanted.suffix.lower() != ".ipynb":
        what = f"{wanted.name} is not a notebook name: it does not end in .ipynb."
        raise NotebookError(what, f"Use {wanted.stem}.ipynb instead.")
    return wanted

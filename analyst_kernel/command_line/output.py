"""The files that commands write: none ever takes the place of a file that is not an export of ours.

An export holds a mark with the digest of the rest of its text. Only a file whose mark fits is
replaced, so an export that was edited or run since is the user's work, and stays.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Literal

from analyst_kernel.notebook.document.serialize import Renderer, parse
from analyst_kernel.notebook.storage import files
from analyst_kernel.protocol.errors import InputError

_MARK = re.compile(rb"analyst-export:([0-9a-f]{64})")
_END = 1 << 20
"""Bytes at each end of a file, where the mark stands."""
_BLANK = b"analyst-export:" + b"0" * 64


def marked(text: str, form: Literal["ipynb", "html", "py"]) -> str:
    """Return an export's text with the mark by which a later export knows it again."""
    blank = _BLANK.decode()
    match form:
        case "py":
            text = f"# {blank}\n\n{text}"
        case "html":
            meta = f'<head><meta name="generator" content="{blank}">'
            text = text.replace("<head>", meta, 1)
        case "ipynb":
            document = parse(text, "the export")
            metadata = {**document["metadata"], "exported": blank}
            text = Renderer().render({**document, "metadata": metadata})
    content = text.encode("utf-8", "replace")
    digest = hashlib.sha256(content).hexdigest()
    # Cells can hold the same words, before the mark of a notebook and after that of a page.
    place = content.rfind(_BLANK) if form == "ipynb" else content.find(_BLANK)
    whole = content[:place] + f"analyst-export:{digest}".encode() + content[place + len(_BLANK) :]
    return whole.decode()


def is_unchanged_export(path: Path) -> bool:
    """Return whether a file is an export of ours that nobody changed since."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        ends = file.read(_END)
        file.seek(max(0, size - _END))
        if not _MARK.search(ends) and not _MARK.search(file.read(_END)):
            return False  # most files, large data too, are not read as a whole
        file.seek(0)
        content = file.read()
    found = list(_MARK.finditer(content))
    for mark in (*found[:1], *found[-1:]):
        blank = content[: mark.start()] + _BLANK + content[mark.end() :]
        if hashlib.sha256(blank).hexdigest().encode() == mark[1]:
            return True
    return False


class OutputFile:
    """A file that a command will write, checked before the work for it begins."""

    def __init__(self, name: str, *, source: Path, force: bool) -> None:
        """Check that ``name`` may be written.

        Args:
            name: As the user typed it.
            source: The notebook that is read, which the output never replaces.
            force: Whether a file that is not an export may be replaced.

        Raises:
            InputError: It may not, or cannot.
        """
        self.path = Path(os.path.abspath(Path(name).expanduser()))
        self._file = Path(os.path.realpath(self.path))
        self._source = source
        self._force = force
        self._check()

    def write(self, text: str) -> None:
        """Write the file in full or not at all, after checking it again.

        Raises:
            InputError: It may not, or cannot, be written; what was there is untouched.
        """
        stamp = self._check()
        try:
            if stamp is None:
                files.create(self._file, text)
            else:
                files.replace(self._file, text, stamp)
        except (FileExistsError, files.FileChanged) as error:
            raise InputError(
                f"{self.path} was changed by another program just now, so it was not written.",
                "Export again, or choose another name with -o.",
            ) from error

    def _check(self) -> files.FileStamp | None:
        """Return the stamp of the file to replace, None if the name is free."""
        path = self.path
        if os.path.islink(path) and not os.path.exists(path):
            raise InputError(
                f"{path} is a link to something that does not exist; nothing was written.",
                "Remove the link, or choose another name with -o.",
            )
        try:
            facts = path.stat()
        except FileNotFoundError as error:
            if not os.path.exists(path.parent):
                raise InputError(
                    f"The folder {path.parent} does not exist, so {path.name} cannot be written.",
                    "Create the folder, or choose another place with -o.",
                ) from error
            return None
        except OSError as error:
            raise _unusable(path, error) from error
        if stat.S_ISDIR(facts.st_mode):
            raise InputError(f"{path} is a folder; nothing was written.", "Name a file with -o.")
        if not stat.S_ISREG(facts.st_mode):
            raise InputError(
                f"{path} is not a regular file; nothing was written.",
                "Name a file with -o, or write to standard output with -o -.",
            )
        if os.path.exists(self._source) and path.samefile(self._source):
            raise InputError(
                "The export would overwrite the analysis itself; nothing was written.",
                "Choose another name with -o.",
            )
        if self._force:
            return files.stamp_of(self._file)
        try:
            stamp = files.stamp_of(self._file)
            known = is_unchanged_export(self._file)
        except OSError as error:
            raise _unusable(path, error) from error
        if not known:
            raise InputError(
                f"{path} exists and is not an export of this command, or was changed since; it was "
                "left as it is.",
                "Choose another name with -o, or replace it with --force.",
            )
        return stamp


def _unusable(path: Path, error: OSError) -> InputError:
    reason = (error.strerror or type(error).__name__).lower()
    return InputError(
        f"{path} cannot be written ({reason}); nothing was changed.",
        "Choose another place with -o.",
    )

"""Add to the error of a refused path what may be written and read.

Installed in the kernel's shell at its start. It changes only the words of an exception that
reached the top of a cell, never its type, and never whether it is raised.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from types import TracebackType
from typing import Any

_FILE_PHRASES = ("Read-only file system", "Permission denied", "non-existent directory")
_NETWORK_PHRASES = ("Operation not permitted", "name resolution", "Network is unreachable")
_FILE_CODES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)


def hint_for(error: BaseException, output_dir: str) -> str:
    """Return the sentence to add to ``error``; empty if it is about something else."""
    text = str(error)
    code = error.errno if isinstance(error, OSError) else None
    named = isinstance(error, OSError) and error.filename is not None
    if (code in _FILE_CODES and named) or any(phrase in text for phrase in _FILE_PHRASES):
        name = os.path.basename(output_dir)
        if not os.environ.get("JPY_SESSION_NAME", "").endswith(".ipynb"):
            return (
                "the sandbox shows no attached data to a kernel without its notebook's name; set "
                "JPY_SESSION_NAME=NOTEBOOK.ipynb or ANALYST_GRANTS=PATH where you start it, or use "
                f"`analyst verify`; only OUTPUT_DIR ({name}/) is writable"
            )
        return f"the sandbox shows only attached data; only OUTPUT_DIR ({name}/) is writable"
    if code == errno.EPERM or any(phrase in text for phrase in _NETWORK_PHRASES):
        return "the sandbox has no network and refuses calls that lead out of it"
    return ""


def add_hint(error: BaseException, output_dir: str) -> None:
    """Put the hint into the exception's own message, once."""
    hint = hint_for(error, output_dir)
    if not hint or "the sandbox" in str(error):
        return
    if isinstance(error, OSError) and error.strerror is not None:
        error.strerror = f"{error.strerror} ({hint})"
    elif error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} ({hint})", *error.args[1:])


def install(shell: Any, output_dir: str) -> None:
    """Make ``shell`` (IPython's) pass every error of a cell through :func:`add_hint`."""
    show = shell.showtraceback

    def shown(
        exc_tuple: tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
        *args: Any,
        **keywords: Any,
    ) -> None:
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        seen: set[int] = set()
        # An error's own code must not keep it from being shown.
        with contextlib.suppress(BaseException):
            while error is not None and id(error) not in seen:
                seen.add(id(error))
                add_hint(error, output_dir)
                error = error.__cause__ or error.__context__
        show(exc_tuple, *args, **keywords)

    shell.showtraceback = shown

"""A command's standard streams and signals, whatever it is started with.

A closed stream becomes the null device: else the next file that is opened, a notebook or a
database, would get its number, and whatever a library prints there would be written into it. A
character that a stream cannot show is written as its escape, which JSON reads back.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

EXIT_CANCELLED = 130
_ESCAPE = "analyst-escape"
_OUT_OF_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def prepare() -> None:
    """Make the three standard streams usable; changes nothing that works."""
    _open_closed_ones()
    codecs.register_error(_ESCAPE, _escaped)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for as long as the process
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - likewise, for all of it
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_ESCAPE)


def discard_stdout() -> None:
    """Discard further output to stdout, because nobody can read it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def end_at_once_on_interrupt(code: int = EXIT_CANCELLED) -> None:
    """Let Ctrl-C end the command without a traceback, where no work of the user's is under way.

    Changes nothing in a program that imports the commands.
    """
    if not os.path.basename(sys.argv[0]).startswith("analyst"):
        return
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: FrameType | None) -> NoReturn:
        if code == EXIT_CANCELLED:
            with contextlib.suppress(OSError):
                os.write(2, b"Cancelled.\n")
        os._exit(code)

    # A shell that starts a command in the background has it ignore Ctrl-C; that stays.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, end)


def system_failure(error: OSError) -> str:
    """Return the sentences about a refusal of the system: what it means and what to do."""
    reason = (error.strerror or type(error).__name__).lower()
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    what = f"The system refused: {reason}{where}."
    if error.errno in _OUT_OF_ROOM:
        remedy = "Make room on the disk that the command writes to, then run it again."
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        remedy = "Raise the limit of open files (ulimit -n 1024), then run it again."
    elif error.errno in (errno.EAGAIN, errno.ENOMEM):
        remedy = "Close other programs, or raise the limits of this shell (ulimit -a)."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "Check the permissions of that place, or choose another one."
    else:
        remedy = "Check that place, then run it again."
    return f"{what} What was saved before is intact. {remedy}"


def _open_closed_ones() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""Return ``\uXXXX`` for what cannot be encoded, in two halves where JSON needs them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end

"""Marks what this user's analyses keep in a notebook, so that a stranger's text is told from it.

The mark is made with a key in the user's Jupyter data folder, which no notebook and no sandbox
holds. It vouches for the text alone: it stays valid in a branch and in a copy of the notebook.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

_BYTES = 32


class UserWords:
    """Implements :class:`analyst_kernel.notebook.storage.port.WordsOfUser`.

    Without a key that can be read or made, nothing is marked, so that all is a claim later.
    """

    def __init__(self, folder: Path) -> None:
        """Use the key in ``folder``, which is made when it is first needed."""
        self._path = folder / "ledger.key"
        self._key: bytes | None = None

    def mark(self, text: str) -> str:
        """Return the mark of a text; empty if there can be no key."""
        key = self._found() or self._made()
        return _signed(key, text) if key is not None else ""

    def is_own(self, text: str, mark: str) -> bool:
        """Return whether the mark was made here for exactly this text."""
        key = self._found() if mark else None
        return key is not None and hmac.compare_digest(_signed(key, text), mark)

    def _found(self) -> bytes | None:
        if self._key is None:
            with suppress(OSError):
                content = self._path.read_bytes()
                self._key = content if len(content) == _BYTES else None
        return self._key

    def _made(self) -> bytes | None:
        """Make the key in one step, so that two processes that both try end with the same one."""
        new = self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}.tmp")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
            with suppress(FileExistsError):
                os.link(new, self._path)
        except OSError:
            return None
        finally:
            with suppress(OSError):
                new.unlink()
        return self._found()


def _signed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]

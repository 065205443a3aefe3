"""Keeps an analysis's privacy mode, its tokens and the log of what was sent, for its user alone.

All of it stands in the user's Jupyter data folder, beside the journal, and never in a notebook.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from analyst_kernel.agent.privacy.tokens import TokenTable
from analyst_kernel.agent.privacy.wall import Wall
from analyst_kernel.protocol.errors import InputError, ModelError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import PrivacyMode

MODES: tuple[PrivacyMode, ...] = get_args(PrivacyMode)
"""From the least strict to the strictest."""

LEAST = "ANALYST_KERNEL_PRIVACY"
"""Environment variable: the least strict mode that an analysis may use."""

LOG_BYTES = 64 << 20
"""The log of an analysis begins anew at half of this, and one older part is kept."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as it left: when, to which address, and its body."""

    time: str
    address: str
    body: bytes


class PrivacyStore:
    """The files of one analysis."""

    def __init__(self, folder: Path, analysis: AnalysisId) -> None:
        """Use the folder of the journal and the grants; nothing is made yet."""
        name = str(analysis)
        if not _ID.fullmatch(name):  # a notebook says it, which anybody may have written
            name = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
        self._table = folder / "privacy" / f"{name}.jsonl"
        self._log = folder / "sent" / f"{name}.log"

    def mode(self) -> PrivacyMode | None:
        """Return the mode that the analysis used last, None if it has used none."""
        modes = [text for kind, text in self._entries() if kind == "mode"]
        return next((mode for mode in MODES if modes and mode == modes[-1]), None)

    def wall(self, mode: PrivacyMode) -> Wall:
        """Return the wall of the analysis, with its tokens of earlier, and keep the mode."""
        table = TokenTable(note=self._note)
        table.load(self._entries())
        if self.mode() != mode and (mode != "full" or self._table.exists()):
            self._note("mode", mode)
        return Wall(mode, table)

    def follow(self, parent: PrivacyStore) -> None:
        """Begin a branch with the mode and the tokens of its parent."""
        for kind, text in parent._entries():
            self._note(kind, text)

    def log(self, address: str, body: bytes) -> None:
        """Keep a request that is being sent. A full disk stops no question."""
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = json.dumps({"time": when, "address": address, "bytes": len(body)})
        with suppress(OSError):
            if self._log.exists() and self._log.stat().st_size + len(body) > LOG_BYTES // 2:
                os.replace(self._log, self._older)
            _append(self._log, head.encode() + b"\n" + body + b"\n")

    def requests(self) -> Iterator[SentRequest]:
        """Yield the requests that are kept, oldest first."""
        for path in (self._older, self._log):
            if path.exists():
                with path.open("rb") as file:
                    while line := file.readline():
                        head = json.loads(line)
                        body = file.read(head["bytes"])
                        file.read(1)
                        yield SentRequest(head["time"], head["address"], body)

    @property
    def has_log(self) -> bool:
        """Return whether something that was sent is kept."""
        return self._log.exists()

    @property
    def _older(self) -> Path:
        return self._log.with_suffix(".old.log")

    def _entries(self) -> Iterator[tuple[str, str]]:
        try:
            lines = self._table.read_text(encoding="utf-8").split("\n")
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError) as error:
            raise InputError(
                f"The privacy tokens of this analysis cannot be read: {error}.",
                f"Nothing is sent. Make {self._table} readable, or remove it to begin anew.",
            ) from None
        for line in lines:
            with suppress(ValueError):
                kind, text = json.loads(line)
                yield str(kind), str(text)

    def _note(self, kind: str, text: str) -> None:
        try:
            # A line break first: what a crash cut off before it must not take this line with it.
            _append(self._table, b"\n" + json.dumps([kind, text]).encode() + b"\n")
        except OSError as error:
            raise ModelError(
                f"The privacy tokens of this analysis cannot be saved: {error.strerror}.",
                "Nothing more is sent. Make room or rights for Jupyter's data folder, then ask "
                "again.",
                fault="malformed",
                retryable=False,
            ) from None


def chosen_mode(wanted: PrivacyMode | None, kept: PrivacyMode | None, least: str) -> PrivacyMode:
    """Return the mode of an analysis: as wanted, else as kept, and at least ``least``.

    Raises:
        InputError: A less strict mode was asked for than the administrator allows.
    """
    least = least or "full"
    if least not in MODES:
        raise InputError(
            f"The administrator's least privacy mode {least!r} is none, so nothing is sent.",
            f"It must be one of: {', '.join(MODES)}.",
        )
    floor = MODES.index(least)
    if wanted is not None and MODES.index(wanted) < floor:
        raise InputError(
            f"The privacy mode {wanted!r} is not allowed here: {least!r} is the least strict one.",
            f"Ask without --privacy, or with --privacy {least}.",
        )
    return MODES[max(floor, MODES.index(wanted or kept or "full"))]


def _append(path: Path, content: bytes) -> None:
    """Append to a file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(content)

"""Keeps an analysis's privacy mode, its tokens and the log of what was sent, for its user alone.

All of it stands in the user's Jupyter data folder, beside the journal, and never in a notebook.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from analyst_kernel.agent.privacy.tokens import TokenTable
from analyst_kernel.agent.privacy.wall import MODES, Wall
from analyst_kernel.protocol.errors import InputError, ModelError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import PrivacyMode

LEAST = "ANALYST_KERNEL_PRIVACY"
"""Environment variable: the least strict mode that an analysis may use."""

LOG_BYTES = 64 << 20
"""The log of an analysis begins anew at half of this, and one older part is kept."""

_MODE_NAMES: tuple[str, ...] = MODES
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as it left: when, to which address, its body, and in which mode it was made."""

    time: str
    address: str
    body: bytes
    privacy: PrivacyMode = "full"

    def facts(self) -> dict[str, str | int]:
        """Return what a list shows of it."""
        return {
            "time": self.time,
            "address": self.address,
            "bytes": len(self.body),
            "privacy": self.privacy,
        }


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
        modes = [text for kind, text in self._entries(only="mode") if kind == "mode"]
        return next((mode for mode in MODES if modes and mode == modes[-1]), None)

    def wall(self, mode: PrivacyMode) -> Wall:
        """Return the wall of the analysis, with its tokens of earlier, and keep the mode."""
        table = TokenTable(note=self._note)
        table.load(self._entries())
        self.choose(mode)
        wall = Wall(mode, table)
        wall.sent_in |= self.sent_in()
        return wall

    def choose(self, mode: PrivacyMode) -> None:
        """Keep a mode for the questions to come."""
        if self.mode() != mode and (mode != "full" or self._table.exists()):
            self._note("mode", mode)

    def follow(self, parent: PrivacyStore) -> None:
        """Begin a branch with the mode and the tokens of its parent."""
        for kind, text in parent._entries():
            self._note(kind, text)

    def log(self, address: str, body: bytes, privacy: PrivacyMode = "full") -> None:
        """Keep a request that is being sent. A full disk stops no question."""
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        facts = {"time": when, "address": address, "bytes": len(body), "privacy": privacy}
        head = json.dumps(facts)
        with suppress(OSError):
            if self._log.exists() and self._log.stat().st_size + len(body) > LOG_BYTES // 2:
                os.replace(self._log, self._older)
            _append(self._log, head.encode() + b"\n" + body + b"\n")

    def requests(self) -> Iterator[SentRequest]:
        """Yield the requests that are kept, oldest first."""
        for head, file in self._heads():
            body = file.read(head["bytes"])
            file.read(1)
            yield SentRequest(head["time"], head["address"], body, head.get("privacy", "full"))

    def sent_in(self) -> frozenset[PrivacyMode]:
        """Return the modes of the requests that are kept."""
        return frozenset(self.counts())

    def counts(self) -> Counter[PrivacyMode]:
        """Return how many of the requests that are kept were made in each mode."""
        found: Counter[PrivacyMode] = Counter()
        for head, file in self._heads():
            file.seek(head["bytes"] + 1, os.SEEK_CUR)
            found[head.get("privacy", "full")] += 1
        return found

    def remove(self) -> None:
        """Remove all that is kept: the mode, the tokens, the log."""
        for path in (self._table, self._log, self._older):
            path.unlink(missing_ok=True)

    def _heads(self) -> Iterator[tuple[dict[str, Any], BinaryIO]]:
        """Yield what is noted of each request; the file stands at its body then."""
        for path in (self._older, self._log):
            with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
                while line := file.readline():
                    yield json.loads(line), file

    @property
    def has_log(self) -> bool:
        """Return whether something that was sent is kept."""
        return self._log.exists()

    @property
    def _older(self) -> Path:
        return self._log.with_suffix(".old.log")

    def search(self, text: str) -> Iterator[tuple[int, SentRequest]]:
        """Yield the requests that hold a text, as it is or as JSON writes it, with their numbers.

        Numbers count from 1, the oldest that is kept first. An empty text is in each.
        """
        forms = {text, *(json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (True, False))}
        wanted = {form.encode("utf-8", "replace") for form in forms}
        for number, request in enumerate(self.requests(), start=1):
            if any(form in request.body for form in wanted):
                yield number, request

    def archive(self) -> bytes:
        """Return a ZIP file with each body as it was sent, and the list of them."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
            lines = []
            for number, request in enumerate(self.requests(), start=1):
                name = f"{number:04d}.json"
                lines.append(json.dumps({"file": name, **request.facts()}))
                file.writestr(name, request.body)
            file.writestr("requests.jsonl", "".join(f"{line}\n" for line in lines))
        return content.getvalue()

    def _entries(self, only: str = "") -> Iterator[tuple[str, str]]:
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
            if only and not line.startswith(f'["{only}"'):
                continue
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


class PrivacySwitch:
    """The mode of one analysis: the user's choice, which never gets below the administrator's.

    A stricter mode holds at once, also for a run at work; a less strict one from the next question
    on.
    """

    def __init__(self, store: PrivacyStore, least: str, wall: Wall | None = None) -> None:
        """Use what ``store`` keeps; ``wall`` is that of the opened analysis."""
        self._store = store
        self._least = least
        self._wall = wall

    @property
    def wall(self) -> Wall:
        """The wall of the opened analysis."""
        assert self._wall is not None
        return self._wall

    @property
    def mode(self) -> PrivacyMode:
        """The mode of the next question. Raises ``InputError``."""
        return chosen_mode(None, self._store.mode(), self._least)

    def choose(self, mode: PrivacyMode, *, confirmed: bool) -> str:
        """Keep another mode; return what that means for the analysis, empty if nothing changed.

        Raises:
            InputError: It is less strict than the administrator's or, without ``confirmed``, than
                the present one. Nothing was changed.
            ModelError: It cannot be kept.
        """
        before, after = self.mode, chosen_mode(mode, None, self._least)
        if after == before:
            return ""
        stricter = MODES.index(after) > MODES.index(before)
        if not stricter and not confirmed:
            raise InputError(
                f"The privacy mode {after!r} shows a model more of the data than {before!r} does. "
                "Nothing was changed.",
                "Confirm that this is meant.",
            )
        self._store.choose(after)
        if stricter and self._wall is not None and MODES.index(after) > self._rank():
            self._wall.change(after)
        if stricter:
            return f"{_FROM_NOW[after]} {self._sent_before(after)}".strip()
        return f"From the next question on: {_SHOWN[after]}"

    def catch_up(self) -> None:
        """Have the wall take the mode that was chosen last, here or by another process."""
        if self._wall is not None:
            self._wall.change(self.mode)

    def _rank(self) -> int:
        return MODES.index(self._wall.mode) if self._wall is not None else 0

    def _sent_before(self, mode: PrivacyMode) -> str:
        counts = self._store.counts()
        count = sum(counts[less] for less in MODES[: MODES.index(mode)])
        if not count:
            return ""
        requests = "1 request" if count == 1 else f"{count:,} requests"
        return (
            f"What was sent before cannot be taken back: {requests} of this analysis, listed "
            "under what was sent. Values in them are not sent again."
        )


_FROM_NOW: dict[PrivacyMode, str] = {
    "full": "",
    "no-values": "From now on no value of the data is sent to the model.",
    "schema-only": "From now on the model is sent names, types and sizes, and no result.",
}
_SHOWN: dict[PrivacyMode, str] = {
    "full": "the model is sent what code shows of the data, its values included.",
    "no-values": "the model is sent names, types and statistics, and values as tokens.",
    "schema-only": "",
}


def least_mode(*said: str) -> str:
    """Return the strictest of the administrator's least modes; one that is none is returned first.

    Each comes from a place of its own: the server's settings, the environment.
    """
    given = [mode for mode in said if mode]
    unknown = [mode for mode in given if mode not in MODES]
    return next(iter(unknown), None) or max(given, key=_MODE_NAMES.index, default="")


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
            f"Choose {least!r} or a stricter one.",
        )
    return MODES[max(floor, MODES.index(wanted or kept or "full"))]


def _append(path: Path, content: bytes) -> None:
    """Append to a file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(content)

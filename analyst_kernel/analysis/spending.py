"""Keeps what questions used: of each analysis, and of each of the user's days.

One line of JSON for each call to a model, appended to a file of the analysis and to one of the day,
in the user's Jupyter data folder. Appending needs no other line to be sound, so processes may do it
at once, and a line that a crash cut off, or that a disk garbled, costs only itself. A day is a day
of the local calendar.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from analyst_kernel.agent.budget import add_usage, dollars
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import Limits, Usage

FOLDER = "spending"

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LIMIT = "day-limit.json"
_LARGEST = 64 << 20
_MOST_TOKENS = 1 << 53
_MOST_DOLLARS = 1e9


@dataclass(slots=True)
class _UsageFile:
    """A file of calls, of which only what is new is read.

    Attributes:
        damaged: Lines that could not be read.
        problem: Why the file could not be read or written, at the last try; else empty.
    """

    path: Path
    total: Usage = field(default_factory=Usage)
    damaged: int = 0
    problem: str = ""
    _read: int = 0
    _unwritten: Usage = field(default_factory=Usage)

    def sum(self) -> Usage:
        """Return the sum of all calls, also of those that could not be written."""
        try:
            self._catch_up()
            if self._unwritten == Usage():
                self.problem = ""
        except OSError as error:
            self.problem = f"{self.path} cannot be read ({error.strerror})"
        found = add_usage(self.total, self._unwritten)
        if (self.damaged or self.problem) and found.cost_usd is not None:
            found = found.model_copy(update={"cost_usd": None, "partial_usd": found.cost_usd})
        return found

    def append(self, line: bytes, usage: Usage) -> None:
        """Add a call; one that cannot be written is counted as long as this process lives."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            handle = os.open(self.path, flags, 0o600)
            try:
                # A line break first: what a crash cut off before it must not take this along. In
                # one write, which another process's cannot come into.
                os.write(handle, b"\n" + line + b"\n")
            finally:
                os.close(handle)
        except OSError as error:
            self.problem = f"{self.path} cannot be written ({error.strerror})"
            self._unwritten = add_usage(self._unwritten, usage)

    def _catch_up(self) -> None:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        if size < self._read:  # begun anew
            self.total, self.damaged, self._read = Usage(), 0, 0
        if size == self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read(_LARGEST)
        end = new.rfind(b"\n") + 1  # the rest is being written, or was cut off by a crash
        if len(new) == _LARGEST and not end:
            self.damaged += 1
            end = len(new)
        self._read += end
        for line in new[:end].split(b"\n"):
            if line.strip():
                self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            usage = Usage.model_validate(json.loads(line)["usage"])
        except (ValueError, TypeError, KeyError, RecursionError, ValidationError):
            self.damaged += 1
            return
        if _is_sound(usage):
            self.total = add_usage(self.total, usage)
        else:
            self.damaged += 1


class SpendingStore:
    """What one analysis and the user's day used; implements :class:`Spending`."""

    def __init__(
        self,
        folder: Path,
        analysis: AnalysisId | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Use the folder of the journal and the grants; nothing is read or made yet.

        Without an analysis only the day is counted. ``now`` is the local time.
        """
        self._folder = folder / FOLDER
        self._now = now
        name = str(analysis or "none")
        if not _ID.fullmatch(name):  # a notebook says it, which anybody may have written
            name = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
        self._name = str(analysis or "")
        self._analysis = _UsageFile(self._folder / "analyses" / f"{name}.jsonl")
        self._day = _UsageFile(self._path_of(self.day()))

    def add(self, usage: Usage, *, model: str) -> None:
        """Count one call, in both files; one that cannot be written is counted in memory."""
        at = self._now().astimezone().isoformat(timespec="seconds")
        kept = {"at": at, "analysis": self._name, "model": model, "usage": usage.model_dump()}
        line = json.dumps(kept).encode()
        self._analysis.append(line, usage)
        self._today().append(line, usage)

    def of_analysis(self) -> Usage:
        """Return what the analysis used so far, in earlier sessions too."""
        return self._analysis.sum()

    def of_day(self) -> Usage:
        """Return what all analyses used today."""
        return self._today().sum()

    def day(self) -> str:
        """Return today's date by the local calendar."""
        return self._now().date().isoformat()

    @property
    def problem(self) -> str:
        """A sentence for the user if the sums are too small; else empty."""
        for file in (self._today(), self._analysis):
            file.sum()
            if file.problem:
                return f"What questions cost is not counted in full: {file.problem}."
            if file.damaged:
                lines = f"{file.damaged} line{'s' if file.damaged > 1 else ''}"
                return (
                    f"What questions cost is not counted in full: {lines} of {file.path} cannot "
                    "be read. The others are counted; remove the file to begin anew."
                )
        return ""

    def _today(self) -> _UsageFile:
        path = self._path_of(self.day())
        if path != self._day.path:
            self._day = _UsageFile(path)
        return self._day

    def _path_of(self, day: str) -> Path:
        return self._folder / "days" / f"{day}.jsonl"

    # --- the user's own limit for each day -------------------------------------------------------

    def day_limit(self) -> float | None:
        """Return how many US dollars the user allows for each day; None without a limit.

        Raises:
            InputError: The file that says so cannot be read; what it allows is not known.
        """
        path = self._folder / _LIMIT
        try:
            limit = Limits.model_validate_json(path.read_bytes()[:10_000])
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise InputError(
                f"Your cost limit for each day cannot be read ({why}); nothing was sent.",
                f"Set it again, or remove {path} if you want none.",
            ) from None
        return limit.day_usd

    def keep_day_limit(self, amount: float | None) -> None:
        """Keep the user's limit for each day, for all analyses; None for no limit.

        Raises:
            InputError: It cannot be kept.
        """
        path = self._folder / _LIMIT
        try:
            if amount is None:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f"{_LIMIT}.{os.getpid()}")
            try:
                fresh.write_text(json.dumps({"day_usd": amount}), encoding="utf-8")
                os.replace(fresh, path)
            finally:
                with suppress(OSError):
                    fresh.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"Your limit of {dollars(amount or 0)} for each day cannot be kept: "
                f"{error.strerror}.",
                f"Make {path.parent} writable.",
            ) from None


def _is_sound(usage: Usage) -> bool:
    counts = (
        usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens,
        usage.calls, usage.failed_calls,
    )  # fmt: skip
    sound = all(0 <= count < _MOST_TOKENS for count in counts)
    return sound and 0 <= usage.known_usd < _MOST_DOLLARS

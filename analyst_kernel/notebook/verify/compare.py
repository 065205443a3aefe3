"""Compares a cell's outputs with those of an earlier run, without what differs in every run. Pure.

Addresses, object ids, process ids, temporary paths, timings and the present time are volatile,
numbers of the data are not. stderr holds warnings and progress, so it is not compared.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias

from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)

_VOLATILE: Final = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "<address>"),
    (re.compile(r"\bid=\d{9,}"), "id=<id>"),
    (re.compile(r"ipykernel_\d+/\d+\.py"), "<cell>"),
    (re.compile(r"(?:/private)?/(?:tmp|var/folders|var/tmp)/[^\s'\"<>:,;)\]]+"), "<temporary>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\bT_[0-9a-f]{5}(?=\b|_)"), "T_<style>"),
    (re.compile(r"^(?:CPU times|Wall time):.*$", re.MULTILINE), "<time>"),
    (re.compile(r"^.*per loop \(mean.*$", re.MULTILINE), "<time>"),
    (
        re.compile(
            r"\b(in|took|elapsed:?|after)(\s+)\d+(?:\.\d+)?\s*(?:ns|us|µs|ms|s|sec|secs|seconds?)\b",
            re.IGNORECASE,
        ),
        r"\1\2<time>",
    ),
)
_BAR = re.compile(r"[0-9]%\|")
_MOMENT = re.compile(
    r"\b(\d{4})-(\d\d)-(\d\d)(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)
_PICTURES: Final[tuple[str, ...]] = ("image/png", "image/jpeg")
_PREFERRED: Final[tuple[str, ...]] = ("text/plain", "text/html", "text/markdown", "text/latex")
_CLOSE = 1e-9
_LARGEST_DIFF = 600
_MOST_LINES = 2000


Pictures: TypeAlias = Callable[[str, str], str]
"""Returns what differs between two base64 pictures that are not the same text."""


def undecoded(_old: str, _new: str) -> str:
    """Return what can be said of two other pictures without reading them."""
    return "another picture now"


def difference(
    saved: Sequence[Output],
    again: Sequence[Output],
    *,
    since: date | None = None,
    pictures: Pictures = undecoded,
) -> str:
    """Return a short text of what differs; empty if the outputs are the same.

    Args:
        saved: The outputs of the earlier run.
        again: Those of the later one.
        since: The first day on which the notebook may have printed the time of its run.
        pictures: Compares pictures. What strangers made is not decoded here.
    """
    left, right = _merged(saved), _merged(again)
    if len(left) != len(right):
        return f"{_count(len(left))} before, {_count(len(right))} now"
    for number, (old, new) in enumerate(zip(left, right, strict=True), start=1):
        if found := _one(old, new, since, pictures):
            return found if len(left) == 1 else f"output {number}: {found}"
    return ""


def normalised(text: str) -> str:
    """Return text with placeholders for what differs in every run."""
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    return "\n".join(_without_progress(line).rstrip() for line in text.rstrip().split("\n"))


def _without_progress(line: str) -> str:
    """Return a line without a progress bar: ``45%|####    | 9/20 [00:01<00:01]``."""
    bar = _BAR.search(line)
    at = line.find(" [", bar.end()) if bar else -1
    while bar and at >= 0:
        start = (
            max(line.rfind(" ", bar.end(), at), line.rfind("\t", bar.end(), at), bar.end() - 1) + 1
        )
        word, gap = line[start:at], start
        while gap > bar.end() and line[gap - 1] == " ":
            gap -= 1
        behind = gap > bar.end() and line[gap - 1] == "|" and "/" in word[1:-1]
        if behind or ("|" in word and "/" in word[word.index("|") + 2 : -1]):
            end = line.find("]", at + 2)
            return f"<progress>{line[end + 1 :]}" if end >= 0 else line
        at = line.find(" [", at + 1)
    return line


def _merged(outputs: Sequence[Output]) -> list[Output]:
    """Join what was written to stdout between two displays; leave stderr out."""
    merged: list[Output] = []
    for output in outputs:
        match output:
            case StreamOutput(name="stderr"):
                continue
            case StreamOutput() if merged and isinstance(merged[-1], StreamOutput):
                merged[-1] = StreamOutput(name="stdout", text=merged[-1].text + output.text)
            case _:
                merged.append(output)
    return merged


def _one(old: Output, new: Output, since: date | None, pictures: Pictures) -> str:
    match old, new:
        case StreamOutput(), StreamOutput():
            return _text(old.text, new.text, since)
        case ((DisplayOutput() | ResultOutput()), (DisplayOutput() | ResultOutput())):
            return _bundles(old.data, new.data, since, pictures)
        case ErrorOutput(), ErrorOutput():
            return "" if old.ename == new.ename else f"{old.ename} before, {new.ename} now"
        case _:
            return f"{old.output_type} before, {new.output_type} now"


def _bundles(
    old: dict[str, Any], new: dict[str, Any], since: date | None, pictures: Pictures
) -> str:
    """Compare the MIME types that both have."""
    for mime in (mime for mime in _PICTURES if mime in old):
        if mime not in new:
            return "no picture now"
        left, right = str(old[mime]), str(new[mime])
        if left != right and (found := pictures(left, right)):
            return found
    for mime in sorted(old.keys() & new.keys(), key=_rank):
        if mime in _PICTURES or mime == "image/svg+xml":
            continue
        if found := _values(old[mime], new[mime], since):
            return found
    return "" if old.keys() & new.keys() else "another kind of output now"


def _values(old: Any, new: Any, since: date | None) -> str:
    if isinstance(old, str) and isinstance(new, str):
        return _text(old, new, since)
    if _same_json(old, new):
        return ""
    return _text(json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), since)


def _same_json(old: Any, new: Any) -> bool:
    match old, new:
        case dict(), dict():
            return old.keys() == new.keys() and all(_same_json(old[k], new[k]) for k in old)
        case list(), list():
            return len(old) == len(new) and all(map(_same_json, old, new))
        case (bool(), _) | (_, bool()):
            return old is new
        case ((int() | float()), (int() | float())):
            return math.isclose(old, new, rel_tol=_CLOSE, abs_tol=1e-12)
        case str(), str():
            return normalised(old) == normalised(new)
        case _:
            return bool(old == new)


def _text(old: str, new: str, since: date | None) -> str:
    if old == new:
        return ""
    left, right = normalised(old), normalised(new)
    if left == right:
        return ""
    today = datetime.now(UTC).date()
    near = (today - timedelta(days=1), today + timedelta(days=1))
    right = _without_moments(right, near)
    left = _without_moments(left, (since - timedelta(days=1), near[1]) if since else near)
    if left == right:
        return ""
    shown = _shown(left.split("\n"), right.split("\n"))
    if len(shown) > _LARGEST_DIFF:
        shown = f"{shown[:_LARGEST_DIFF]}\n... ({len(shown) - _LARGEST_DIFF} characters more)"
    return shown


def _shown(left: list[str], right: list[str]) -> str:
    """Return the lines that differ; of long texts those around the first difference."""
    if max(len(left), len(right)) > _MOST_LINES:
        pairs = enumerate(zip(left, right, strict=False))
        shorter = min(len(left), len(right))
        first = next((n for n, (old, new) in pairs if old != new), shorter)
        left, right = (lines[first : first + _MOST_LINES // 10] for lines in (left, right))
    left, right = ([line[:_LARGEST_DIFF] for line in lines] for lines in (left, right))
    lines = difflib.unified_diff(left, right, n=0, lineterm="")
    shown = "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return shown or "differs only beyond what is shown here"


def _without_moments(text: str, days: tuple[date, date]) -> str:
    """Return text with a placeholder for times within ``days``, which are times of the run."""

    def name(match: re.Match[str]) -> str:
        try:
            day = date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            return match[0]
        return "<now>" if days[0] <= day <= days[1] else match[0]

    return _MOMENT.sub(name, text)


def _rank(mime: str) -> tuple[int, str]:
    return (_PREFERRED.index(mime) if mime in _PREFERRED else len(_PREFERRED), mime)


def _count(number: int) -> str:
    return "1 output" if number == 1 else f"{number} outputs"

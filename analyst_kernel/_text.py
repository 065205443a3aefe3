"""Operations on text that every layer needs in the same way.

Texts come from kernels and models, so the time of each operation grows in proportion to the text.
"""

from __future__ import annotations

import difflib
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import PurePath

_CONTAINED = 0.75
_COMPARED = 100
"""Characters of a name that are compared: the time grows with the square of the length."""
_SCORED = 200
"""Names that are compared letter by letter, the most promising ones."""
_TITLE_LENGTH = 80

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # of the cursor, the screen, the colours
    # Of the clipboard, the title, the device: up to their end, or to the end of the line.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,40}m")
_COLOUR_PARTS = re.compile(r"(\x1b\[[0-9;]{0,40}m)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def nearest(
    wanted: str, names: Iterable[str], count: int = 3, *, cutoff: float = 0.6
) -> tuple[str, ...]:
    """Return the names most like ``wanted``, best first.

    Letter case and surrounding blanks don't count. A name that contains the other one is near, even
    if it is much longer. The name ``wanted`` itself is never returned.

    Args:
        wanted: The name that was not found.
        names: The names that exist.
        count: The most names to return.
        cutoff: The least likeness, from 0 to 1; higher where the name is used and not only shown.
    """
    key = wanted.casefold().strip()
    matcher = difflib.SequenceMatcher(None, key[:_COMPARED], "")
    likely: list[tuple[float, int, float, str]] = []
    for number, name in enumerate(dict.fromkeys(names)):
        other = name.casefold().strip()
        matcher.set_seq2(other[:_COMPARED])
        contained = len(key) > 2 and len(other) > 2 and (key in other or other in key)
        least = _CONTAINED if contained else 0.0
        most = matcher.real_quick_ratio()
        if max(most, least) >= cutoff:
            most = matcher.quick_ratio()
        if max(most, least) >= cutoff:
            likely.append((-max(most, least), number, least, name))
    scored: list[tuple[float, str]] = []
    for _, _, least, name in sorted(sorted(likely)[:_SCORED], key=lambda found: found[1]):
        matcher.set_seq2(name.casefold().strip()[:_COMPARED])
        scored.append((max(matcher.ratio(), least), name))
    scored.sort(key=lambda found: -found[0])
    return tuple(name for value, name in scored if value >= cutoff and name != wanted)[:count]


def shorten(text: str, limit: int) -> str:
    """Return a text of at most ``limit`` characters; a longer one ends in an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str, *, colours: bool = False) -> str:
    """Return text that a terminal only shows: no control sequence, no sign that turns the order.

    Of what moves the cursor, line ends and tabs stay. ``colours`` keeps sequences that only set
    colours.
    """
    if text.isprintable():
        return text
    text = _SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not colours:
        return _CONTROLS.sub("", _SEQUENCES.sub("", text))
    kept = _SEQUENCES.sub(lambda m: m[0] if _COLOUR.fullmatch(m[0]) else "", text)
    return "".join(
        part if _COLOUR.fullmatch(part) else _CONTROLS.sub("", part)
        for part in _COLOUR_PARTS.split(kept)
    )


def with_visible_controls(text: str) -> str:
    """Return text in which signs that are not seen, or turn the order, are written as escapes.

    Line ends and tabs stay. JSON stays the same JSON.
    """
    return _UNSEEN.sub(_escape, text)


def _escape(sign: re.Match[str]) -> str:
    units = sign[0].encode("utf-16-be")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs)


def enclosed(
    text: str, opening: re.Pattern[str], closing: re.Pattern[str], stop: str = "\n"
) -> Iterator[tuple[int, int, int]]:
    """Yield start, start of the content and end of each stretch from an opening to a closing.

    ``closing`` matches the end or ``stop``, before which a stretch must end. A regular expression
    for the whole stretch would scan the rest of the text once per opening that is never closed.
    """
    at = 0
    while found := opening.search(text, at):
        end = closing.search(text, found.end())
        if end is None:
            return
        if end[0] == stop:
            at = end.end()
            continue
        yield found.start(), found.end(), end.end()
        at = end.end()


class LookAhead:
    """Finds the next match of one pattern in one text; places are asked for in rising order."""

    def __init__(self, text: str, pattern: str) -> None:
        self._text = text
        self._pattern = re.compile(pattern)
        self._next = -1

    def next(self, at: int) -> int:
        """Return where the first match from ``at`` on begins; the text's length if nowhere."""
        if at > self._next:
            found = self._pattern.search(self._text, at)
            self._next = found.start() if found else len(self._text)
        return self._next


class Spans:
    """Stretches of a text, to look up whether another one overlaps any of them."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            elif start < end:
                self._starts.append(start)
                self._ends.append(end)

    def overlap(self, start: int, end: int) -> bool:
        """Return whether any character between ``start`` and ``end`` is covered."""
        at = bisect_right(self._ends, start)
        return at < len(self._starts) and self._starts[at] < end


def title_from_question(question: str) -> str:
    """Return a question as a title of about 80 characters, cut between words."""
    title = " ".join(question.split())
    if len(title) > _TITLE_LENGTH:
        title = title[:_TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(",.;:") + " …"
    return title


def relative_path(path: str, folder: str) -> str:
    """Return a path relative to a folder, with forward slashes; absolute if the drives differ.

    A name such as ``~x`` or ``file:x`` gets ``./`` before it, so that it stays the name of a file.
    """
    try:
        short = PurePath(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return PurePath(path).as_posix()
    has_meaning = short.startswith("~") or ":" in short.partition("/")[0]
    return f"./{short}" if has_meaning else short


def fault_of_path(path: str) -> str:
    """Return what keeps a path from being used, as the end of a sentence, or an empty text.

    It is written into notebooks, a database and the settings of a sandbox, one path a line.
    """
    if not path:
        return "is empty"
    if "\0" in path or len(path.splitlines()) > 1 or path.splitlines()[0] != path:
        return "holds a line break"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return ""

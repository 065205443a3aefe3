"""A stream's text as a notebook shows it, kept within a cap while it arrives.

Newline, carriage return and backspace move a cursor as on a terminal. Any chunking of the same
characters gives the same text. Independent of messages and outputs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

LINE_CHARS = 10_000
"""A line this long is closed as if a soft break stood there, so that it cannot grow for ever."""

_MOVES = re.compile(r"([\r\n\b])")


@dataclass(frozen=True, slots=True)
class TextBuffer:
    """Head and tail of a text, and the line under the cursor.

    Attributes:
        limit: Characters to keep, half head, half tail.
        head: The first closed characters, at most ``limit // 2``.
        tail: The last closed characters after the head.
        chars: All closed characters so far.
        lines: All closed newlines so far.
        line: The line under the cursor.
        column: The cursor in it.
    """

    limit: int
    head: str = ""
    tail: str = ""
    chars: int = 0
    lines: int = 0
    line: str = ""
    column: int = 0

    @property
    def cut(self) -> bool:
        """Return whether characters were left out."""
        return self.chars + len(self.line) > self.limit

    def feed(self, text: str) -> tuple[TextBuffer, bool]:
        """Return the buffer after ``text``, and whether ``text`` was simply appended to it."""
        text = text.replace("\r\n", "\n")
        plain = self.column == len(self.line) and "\r" not in text and "\b" not in text
        if plain:
            whole = self.line + text
            end = whole.rfind("\n") + 1
            end += (len(whole) - end) // LINE_CHARS * LINE_CHARS
            line = whole[end:]
            return self._close(whole[:end], line, len(line)), True
        closed: list[str] = []
        line, column = self.line, self.column
        for token in _MOVES.split(text):
            if token == "\n":
                closed.append(line + "\n")
                line, column = "", 0
            elif token == "\r":
                column = 0
            elif token == "\b":
                column = max(0, column - 1)
            else:
                rest = token
                while rest:
                    piece, rest = rest[: LINE_CHARS - column], rest[LINE_CHARS - column :]
                    line = line[:column] + piece + line[column + len(piece) :]
                    column += len(piece)
                    if column == LINE_CHARS:
                        closed.append(line)
                        line, column = "", 0
        return self._close("".join(closed), line, column), False

    def skip(self, lines: int, chars: int) -> TextBuffer:
        """Return the buffer of a text that is cut already, after so much that never came."""
        whole = self._close(self.line, "", 0)
        return replace(whole, lines=whole.lines + lines, chars=whole.chars + chars)

    def _close(self, text: str, line: str, column: int) -> TextBuffer:
        if not text:
            return replace(self, line=line, column=column)
        half = self.limit // 2
        space = half - len(self.head)
        rest = text[space:]
        keep = self.limit - half
        tail = rest[-keep:] if len(rest) >= keep else (self.tail + rest)[-keep:]
        return TextBuffer(
            limit=self.limit,
            head=self.head + text[:space] if space else self.head,
            tail=tail if rest else self.tail,
            chars=self.chars + len(text),
            lines=self.lines + text.count("\n"),
            line=line,
            column=column,
        )

    def render(self) -> tuple[str, str]:
        """Return the text to show, and what was left out (``1,204 lines``; empty if nothing)."""
        whole = self._close(self.line, "", 0)
        if whole.chars <= len(whole.head) + len(whole.tail):
            return whole.head + whole.tail, ""
        head = whole.head[: whole.head.rfind("\n") + 1] or whole.head
        tail = whole.tail[whole.tail.find("\n") + 1 :] or whole.tail
        lines = whole.lines - head.count("\n") - tail.count("\n")
        chars = whole.chars - len(head) - len(tail)
        gone = f"{lines:,} lines" if lines > 1 else f"{chars:,} characters"
        gap = "" if not head or head.endswith("\n") else "\n"
        return f"{head}{gap}… {gone} omitted …\n{tail}", gone


def cut_text(text: str, limit: int) -> tuple[str, str]:
    """Cut a finished text to head and tail; return the text and what was left out."""
    if len(text) <= limit:
        return text, ""
    half = limit // 2
    return TextBuffer(
        limit=limit,
        head=text[:half],
        tail=text[half:][-(limit - half) :],
        chars=len(text),
        lines=text.count("\n"),
    ).render()

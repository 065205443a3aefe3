"""Runs inside the kernel: a flood of prints ends there, not in the memory of those who read it.

Of what one cell prints, the first ``HEAD`` characters go out as they come. Of the rest the last
``TAIL`` are kept and go out when the cell ends, after a line with how much lies between; its
message carries the numbers, for a reader that counts. Standard library only; never imported here.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

HEAD = 4_000_000
"""Characters of a stream that one cell may publish before its output is cut."""

TAIL = 200_000
"""Characters of the end that are kept."""

PER_SECOND = 1_000_000
"""Characters that a second gives back when the output is cleared: animations may go on for ever."""

OMITTED = "analyst_kernel_omitted"
"""The metadata of the message about what is missing: ``{"lines": int, "chars": int}``."""


class StreamMeter:
    """Counts what is written to one of ipykernel's streams, and holds back the excess.

    It takes the place of the stream's ``write``.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._write: Callable[[str], Any] = stream.write
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._clear()
        stream.write = self.write

    def _clear(self) -> None:
        self._sent = 0
        self._kept: list[str] = []
        self._held = 0
        self._lines = 0
        self._chars = 0
        self._since = time.monotonic()

    def write(self, text: str) -> Any:
        """Publish ``text``, or hold it back."""
        # A forked process of the user's has its own way out, and no end of a cell.
        if os.getpid() != self._pid or type(text) is not str:
            return self._write(text)
        with self._lock:
            space = HEAD - self._sent
            if len(text) <= space:
                self._sent += len(text)
                return self._write(text)
            if space:
                self._sent = HEAD
                self._write(text[:space])
            self._hold(text[space:])
        return len(text)

    def _hold(self, text: str) -> None:
        self._kept.append(text)
        self._held += len(text)
        if self._held > 2 * TAIL:
            whole = "".join(self._kept)
            gone, tail = whole[:-TAIL], whole[-TAIL:]
            self._lines += gone.count("\n")
            self._chars += len(gone)
            self._kept, self._held = [tail], len(tail)

    def begin(self) -> None:
        """Begin a cell: what is still held belongs to the one before."""
        with self._lock:
            self.release()
            self._clear()
            self._pid = os.getpid()

    def cleared(self) -> None:
        """Take note that what was published is going to be cleared."""
        with self._lock:
            self.release()
            now = time.monotonic()
            back = int((now - self._since) * PER_SECOND)
            self._sent, self._since = max(0, self._sent - back), now

    def release(self) -> None:
        """Publish what is held, after a line on what is missing before it."""
        with self._lock:
            kept, lines, chars = "".join(self._kept), self._lines, self._chars
            self._kept, self._held, self._lines, self._chars = [], 0, 0, 0
            if chars:
                self._report(lines, chars)
            if kept:
                self._write(kept)

    def _report(self, lines: int, chars: int) -> None:
        gone = f"{lines:,} lines" if lines > 1 else f"{chars:,} characters"
        line = f"\n… {gone} omitted …\n"
        stream = self.stream
        try:
            stream.flush()
            message = stream.session.msg(
                "stream",
                {"name": stream.name, "text": line},
                parent=stream.parent_header,
                metadata={OMITTED: {"lines": lines, "chars": chars}},
            )
            stream.session.send(stream.pub_thread, message, ident=stream.topic)
        except Exception:  # noqa: BLE001 - a different ipykernel; the line is written in any case
            self._write(line)

    def remove(self) -> None:
        """Give the stream its own ``write`` back."""
        self.release()
        if self.stream.__dict__.get("write") == self.write:
            del self.stream.write


_meters: dict[str, StreamMeter] = {}
_taken_back: list[Callable[[], None]] = []


def install(shell: Any) -> None:
    """StreamMeter the streams of each cell that ``shell`` (IPython's) runs."""

    def begin() -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            meter = _meters.get(name)
            if meter is None or meter.stream is not stream:
                if not hasattr(stream, "pub_thread"):
                    continue  # not ipykernel's: the user redirected it
                meter = _meters[name] = StreamMeter(stream)
            meter.begin()

    def end() -> None:
        for meter in _meters.values():
            meter.release()

    show = shell.showtraceback

    def shown(*arguments: Any, **keywords: Any) -> Any:
        end()  # what was printed before the error stands before it
        return show(*arguments, **keywords)

    publisher = shell.display_pub
    clear = publisher.clear_output

    def cleared(*arguments: Any, **keywords: Any) -> Any:
        for meter in _meters.values():
            meter.cleared()
        return clear(*arguments, **keywords)

    shell.showtraceback = shown
    publisher.clear_output = cleared
    shell.events.register("pre_execute", begin)
    shell.events.register("post_execute", end)

    def withdraw() -> None:
        shell.events.unregister("pre_execute", begin)
        shell.events.unregister("post_execute", end)
        if shell.showtraceback is shown:
            shell.showtraceback = show
        if publisher.clear_output is cleared:
            publisher.clear_output = clear
        for meter in _meters.values():
            meter.remove()
        _meters.clear()

    _taken_back.append(withdraw)


def retire() -> None:
    """Take everything back."""
    while _taken_back:
        _taken_back.pop()()

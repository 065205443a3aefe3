"""Runs inside the kernel: a flood of prints ends there, not in the memory of those who read it.

Of what one cell prints, the first ``HEAD`` characters go out as they come. Of the rest the last
``TAIL`` are kept and go out when the cell ends, after a line with how much lies between; its
message carries the numbers, for a reader that counts. What a forked process prints goes to the
kernel's process over a pair of sockets, because ipykernel needs a network for that. Standard
library only; never imported here.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import select
import socket
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

PACKET = 16_000
"""Characters that a forked process hands over at once; no system limits a packet to so few."""

OMITTED = "analyst_kernel_omitted"
"""The metadata of the message about what is missing: ``{"lines": int, "chars": int}``."""


class Relay:
    """Takes what forked processes print, and publishes it as the kernel's own output.

    ipykernel has a TCP connection for this, which a sandbox refuses. A forked process inherits one
    end of a pair of sockets that keeps packets whole, so lines of several do not mix.
    """

    def __init__(self) -> None:
        self.owner = self._pid = os.getpid()
        self._streams: dict[str, Any] = {}
        self._in, self._out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reading = threading.Lock()
        self._begun: dict[str, str] = {}
        threading.Thread(target=self._read, name="analyst-relay", daemon=True).start()

    def _read(self) -> None:
        ready = select.poll()
        ready.register(self._in, select.POLLIN)
        while self._out.fileno() >= 0:
            ready.poll()
            self.drain()
        self._in.close()

    def drain(self) -> None:
        """Publish what has arrived; a process that goes on printing does not hold up the caller."""
        with self._reading:
            for _ in range(1000):
                try:
                    packet = self._in.recv(5 * PACKET, socket.MSG_DONTWAIT)
                except OSError:
                    return
                if not packet:
                    return  # closed
                name, _, text = packet.decode().partition(":")
                # Without the context of this thread, which is that of the cell that began it.
                with contextlib.suppress(Exception):  # a cell may have changed the stream
                    contextvars.Context().run(self._streams[name].write, text)

    def attach(self, stream: Any) -> None:
        """Let forked processes write and flush ``stream`` this way."""
        kind, name = type(stream), stream.name

        def write(text: str) -> Any:
            if os.getpid() == self.owner or type(text) is not str:
                return kind.write(stream, text)
            self._write(name, text)
            return len(text)

        def flush() -> None:
            # What is buffered in a forked process is its parent's.
            if os.getpid() == self.owner:
                kind.flush(stream)
            else:
                self._send(name, self._begun.pop(name, ""))

        stream.write, stream.flush = write, flush
        self._streams[name] = stream

    def _write(self, name: str, text: str) -> None:
        """Hand whole lines over, and keep what began a line until it ends."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._begun.clear()
            self._in.close()  # or it would wait here for ever when the kernel is gone
        whole = self._begun.get(name, "") + text
        end = whole.rfind("\n") + 1 or (len(whole) if len(whole) > PACKET else 0)
        self._begun[name] = whole[end:]
        self._send(name, whole[:end])

    def _send(self, name: str, text: str) -> None:
        for start in range(0, len(text), PACKET):
            packet = f"{name}:{text[start : start + PACKET]}".encode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):  # the kernel is gone
                self._out.sendall(packet)

    def close(self) -> None:
        """End the thread that reads."""
        self._out.close()


class StreamMeter:
    """Counts what is written to one of ipykernel's streams, and holds back the excess.

    While a cell runs it takes the place of the stream's ``write``, above what IPython puts there
    for each cell, which keeps every character.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._write: Callable[[str], Any] = stream.write
        self._cells = 0
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._clear()

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
        if not text.isascii():
            # What no encoding has would be an error long after the cell's print.
            text = text.encode("utf-8", "backslashreplace").decode()
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
        """Begin a cell, or one that a cell runs, which counts as a part of it."""
        with self._lock:
            self._cells += 1
            if self._cells > 1:
                return
            self._clear()
            self._pid = os.getpid()
            self._write, self.stream.write = self.stream.write, self.write

    def end(self) -> None:
        """End a cell: publish what is held, and give the stream its own ``write`` back."""
        with self._lock:
            self.release()
            self._cells = max(0, self._cells - 1)
            if not self._cells:
                self.remove()

    def remove(self) -> None:
        """Give the stream its own ``write`` back."""
        if self.stream.write == self.write:
            self.stream.write = self._write

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


_meters: dict[str, StreamMeter] = {}
_relays: list[Relay] = []


def relay_forked_processes() -> None:
    """Publish what forked processes print, where ipykernel found no way for it; may come again."""
    if not hasattr(socket, "SOCK_SEQPACKET") or (_relays and _relays[0].owner == os.getpid()):
        return
    streams = [getattr(sys, name) for name in ("stdout", "stderr")]
    if all(getattr(getattr(s, "pub_thread", None), "_pipe_flag", None) is False for s in streams):
        with contextlib.suppress(OSError):
            _relays[:] = [Relay()]
            for stream in streams:
                _relays[0].attach(stream)


def install(shell: Any) -> Callable[[], None]:
    """Meter the streams of each cell that IPython's ``shell`` runs; return what takes that back."""

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
        for relay in _relays:
            relay.drain()
        for meter in _meters.values():
            meter.end()

    show = shell.showtraceback

    def shown(*arguments: Any, **keywords: Any) -> Any:
        for meter in _meters.values():
            meter.release()  # what was printed before the error stands before it
        return show(*arguments, **keywords)

    publisher = shell.display_pub
    clear = publisher.clear_output

    def cleared(*arguments: Any, **keywords: Any) -> Any:
        for meter in _meters.values():
            meter.cleared()
        return clear(*arguments, **keywords)

    relay_forked_processes()
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
        for relay in _relays:
            relay.close()
        _relays.clear()

    return withdraw

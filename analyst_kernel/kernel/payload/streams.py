"""Runs inside the kernel: a flood of prints ends there, not in the memory of those who read it.

Of what one cell prints, the first ``HEAD`` characters go out as they come. Of the rest the last
``TAIL`` are kept and go out when the cell ends, after a line with how much lies between; its
message carries the numbers, for a reader that counts. What other processes print while a cell runs
is read before it ends, so that it stands under the cell that started them. Standard library only;
never imported here.
"""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

HEAD = 4_000_000
"""Characters of a stream that one cell may publish before its output is cut."""

TAIL = 200_000
"""Characters of the end that are kept."""

PER_SECOND = 1_000_000
"""Characters that a second gives back when the output is cleared: animations may go on for ever."""

PACKET = 16_000
"""Characters that a forked process hands over at once; no system limits a packet to so few."""

BLOCK = 1 << 16
"""Bytes that are read at once of what a program prints."""

OMITTED = "analyst_kernel_omitted"
"""The metadata of the message about what is missing: ``{"lines": int, "chars": int}``."""


class Pipe:
    """What is written to descriptor 1 or 2 of the kernel: by programs, by libraries in C.

    ipykernel reads it in a thread that nobody can wait for, so a cell may end before what its
    programs printed was published: it would be lost, or stand under the next cell. This takes the
    thread's place, and is read by whoever needs to know that nothing is left.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.ended = False
        self._state = state = vars(stream)
        self.fd: int = state["_fid"]
        self._log: int = state["_original_stdstream_copy"]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        state["_should_watch"] = False
        os.write(state["_original_stdstream_fd"], b"\0")  # wakes the thread, which drops it
        stream.watch_fd_thread.join()
        os.set_blocking(self.fd, False)

    def read(self) -> str | None:
        """Return what arrived, or None if nothing did; ``ended`` is when nobody writes any more."""
        try:
            block = os.read(self.fd, BLOCK)
        except BlockingIOError:
            return None
        except OSError:
            block = b""
        self.ended = not block
        with contextlib.suppress(OSError):
            os.write(self._log, block)
        return self._decoder.decode(block, final=self.ended)

    def give_back(self) -> None:
        """Let ipykernel read again."""
        with contextlib.suppress(OSError):
            os.set_blocking(self.fd, True)
        self._state["_should_watch"] = True
        watch = self.stream._watch_pipe_fd  # noqa: SLF001 - what its own thread runs
        self.stream.watch_fd_thread = threading.Thread(target=watch, daemon=True)
        self.stream.watch_fd_thread.start()


class Relay:
    """Takes what other processes print, and publishes it as the kernel's own output.

    For forked processes ipykernel has a TCP connection, which a sandbox refuses and no cell waits
    for. A forked process inherits one end of a pair of sockets that keeps packets whole, so lines
    of several do not mix. Started programs write to a :class:`Pipe`.
    """

    def __init__(self, streams: Sequence[Any]) -> None:
        self.owner = self._pid = os.getpid()
        self._streams: dict[str, Any] = {}
        self._in, self._out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reading = threading.Lock()
        self._begun: dict[str, str] = {}
        self._ready = select.poll()
        self._ready.register(self._in, select.POLLIN)
        self._pipes: dict[int, Pipe] = {}
        for stream in streams:
            self._attach(stream)
            if getattr(stream, "_should_watch", False):
                pipe = Pipe(stream)
                self._pipes[pipe.fd] = pipe
                self._ready.register(pipe.fd, select.POLLIN)
        threading.Thread(target=self._read, name="analyst-relay", daemon=True).start()

    def _read(self) -> None:
        while self._out.fileno() >= 0:
            self._ready.poll()
            self.drain()
        self._in.close()

    def drain(self) -> None:
        """Publish what has arrived; a process that goes on printing does not hold up the caller."""
        with self._reading:
            for _ in range(1000):
                if not self._take_packet():
                    break
            for pipe in list(self._pipes.values()):
                for _ in range(1000):
                    if not self._take_block(pipe):
                        break

    def _take_packet(self) -> bool:
        try:
            packet = self._in.recv(5 * PACKET, socket.MSG_DONTWAIT)
        except OSError:
            return False
        if packet:  # else it is closed
            name, _, text = packet.decode().partition(":")
            self._publish(self._streams[name], text)
        return bool(packet)

    def _take_block(self, pipe: Pipe) -> bool:
        text = pipe.read()
        if text:
            self._publish(pipe.stream, text)
        if pipe.ended:
            self._ready.unregister(pipe.fd)
            del self._pipes[pipe.fd]
        return text is not None and not pipe.ended

    def _publish(self, stream: Any, text: str) -> None:
        # Without the context of this thread, which is that of the cell that began it.
        with contextlib.suppress(Exception):  # a cell may have changed the stream
            contextvars.Context().run(stream.write, text)

    def _attach(self, stream: Any) -> None:
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
        """End the thread that reads, and leave the streams to ipykernel."""
        with self._reading:
            self._out.close()
            for pipe in self._pipes.values():
                self._ready.unregister(pipe.fd)
                pipe.give_back()
            self._pipes.clear()
        for stream in self._streams.values():
            for name in ("write", "flush"):
                vars(stream).pop(name, None)


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


def relay_other_processes() -> None:
    """Publish what other processes print before their cell ends; may be called again."""
    if not hasattr(socket, "SOCK_SEQPACKET") or (_relays and _relays[0].owner == os.getpid()):
        return
    streams = [getattr(sys, name) for name in ("stdout", "stderr")]
    if all(hasattr(stream, "pub_thread") for stream in streams):
        with contextlib.suppress(OSError):
            _relays[:] = [Relay(streams)]


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

    relay_other_processes()
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

"""The one connection between a server and a kernel that is about to start: lines of JSON.

What arrives from the kernel's side is untrusted; it is bounded in size and time. Closed before any
generated code runs. Stdlib only, because both ends use it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

MOST = 1 << 20
"""Bytes of the longest message."""


class ChannelClosed(ConnectionError):
    """The other end is gone, too slow, or sent something that is not a message."""


class Channel:
    """One end of a stream socket, which it owns."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; raises :class:`ChannelClosed`."""
        try:
            self._end.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def receive(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait at most ``timeout`` seconds for one message; raises :class:`ChannelClosed`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._rest:
            if len(self._rest) > MOST:
                raise ChannelClosed("a message was too long")
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise ChannelClosed(f"no answer within {timeout:g} s")
            try:
                self._end.settimeout(left)
                block = self._end.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from error
            if not block:
                raise ChannelClosed("the other end closed the connection")
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ChannelClosed("not a message") from error
        if not isinstance(message, dict):
            raise ChannelClosed("not a message")
        return message

    def detach(self) -> socket.socket:
        """Give the socket to the caller, who closes it; raise :class:`ChannelClosed` if bytes wait.

        The other end has nothing to say before it was asked.
        """
        if self._rest:
            raise ChannelClosed("more came than was asked for")
        self._end.settimeout(None)
        return self._end

    def close(self) -> None:
        """Close this end, waking whoever waits on it. Idempotent."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

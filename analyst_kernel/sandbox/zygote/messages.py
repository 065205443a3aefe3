"""Records between the server and the processes of the sandbox: JSON, with descriptors beside it.

One record per packet of a SEQPACKET socket, so that nothing can be cut or joined. What comes out of
a sandbox is untrusted: bounded in size and time, and always a JSON object. Stdlib only.
"""

from __future__ import annotations

import array
import contextlib
import json
import math
import os
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

MOST = 180_000
"""Bytes of the longest record; more does not fit into a socket's default buffer."""

MOST_DESCRIPTORS = 4


class ConnectionBroken(ConnectionError):
    """The other end is gone, too slow, or sent something that is not a record."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(
    end: socket.socket,
    record: dict[str, Any],
    descriptors: Sequence[int] = (),
    timeout: float | None = 30.0,
) -> None:
    """Send one record; raises :class:`ConnectionBroken`."""
    data = json.dumps(record, separators=(",", ":")).encode()
    if len(data) > MOST:
        raise ConnectionBroken(f"a record of {len(data)} bytes is too long")
    rights = []
    if descriptors:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    deadline = time.monotonic() + (math.inf if timeout is None else timeout)
    while True:
        try:
            end.sendmsg([data], rights, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            return
        except BlockingIOError:
            _await(end, select.POLLOUT, deadline)
        except OSError as error:
            raise ConnectionBroken(str(error)) from error


def receive(end: socket.socket, timeout: float | None = None) -> tuple[dict[str, Any], list[int]]:
    """Wait at most ``timeout`` seconds for one record and its descriptors, which the caller owns.

    Raises:
        ConnectionBroken: Nothing came, or no record.
    """
    deadline = time.monotonic() + (math.inf if timeout is None else timeout)
    ancillary = socket.CMSG_SPACE(4 * MOST_DESCRIPTORS)
    flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
    while True:
        try:
            data, rights, received, _address = end.recvmsg(MOST + 1, ancillary, flags)
            break
        except BlockingIOError:
            _await(end, select.POLLIN, deadline)
        except OSError as error:
            raise ConnectionBroken(str(error)) from error
    descriptors = _descriptors(rights)
    whole = not received & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
    try:
        record = json.loads(data) if whole and data else None
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict):
        return record, descriptors
    close_all(descriptors)
    if not data and not descriptors:
        raise ConnectionBroken("the other end closed the connection")
    raise ConnectionBroken("not a record" if whole else "a record was too long")


def _await(end: socket.socket, event: int, deadline: float) -> None:
    """Wait until ``end`` is ready; never by its own blocking mode, which forked processes share."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise ConnectionBroken("no answer in time")
    poll = select.poll()
    poll.register(end, event)
    try:
        poll.poll(None if left == math.inf else left * 1000)
    except OSError as error:
        raise ConnectionBroken(str(error)) from error


def _descriptors(rights: Sequence[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors. Idempotent."""
    for fd in descriptors:
        with contextlib.suppress(OSError):
            os.close(fd)

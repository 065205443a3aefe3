"""What processes hold outside their memory: data in sockets and pipes, and files without a name.

Neither is in a process's resident memory or in a folder's listing. Looked up in /proc and, through
copies of the descriptors, in the objects themselves; where a copy is refused, an object counts for
the most that it may hold.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import socket
import stat
import struct
from collections.abc import Iterable, Iterator

_PIDFD_GETFD = 438  # on every architecture
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("9I")
_FIONREAD, _F_GETPIPE_SZ = 0x541B, 1032
_PIPE = 65_536  # bytes of a pipe that nobody made larger
_SMALLEST_BUFFER = 212_992
_DELETED = " (deleted)"
_HUNG_UP = select.POLLHUP | getattr(select, "POLLRDHUP", 0) if hasattr(select, "poll") else 0


def parked_memory(pids: Iterable[int]) -> Iterator[int]:
    """Yield the bytes that wait in each socket and pipe of these processes, shared ones once."""
    most = _largest_buffer()
    seen: set[str] = set()
    for pid in pids:
        with contextlib.suppress(OSError), _Looked(pid) as process:
            for number, link in process.descriptors():
                if link in seen or not link.startswith(("socket:", "pipe:")):
                    continue
                seen.add(link)
                yield process.waiting(number, link.startswith("pipe:"), most)


def unnamed_bytes(pids: Iterable[int], folder: str) -> Iterator[int]:
    """Yield what each file takes that was removed from ``folder`` and that a process still uses."""
    inside = folder.rstrip("/") + "/"
    seen: set[tuple[int, int]] = set()
    for pid in pids:
        with contextlib.suppress(OSError), _Looked(pid) as process:
            for path, device, inode, size in process.unnamed():
                ours = not path or path.startswith(inside)
                if ours and (device, inode) not in seen:
                    seen.add((device, inode))
                    yield size


def _largest_buffer() -> int:
    """Return the most bytes that one socket may have sent and not delivered."""
    try:
        with open("/proc/sys/net/core/wmem_max", encoding="ascii") as most:
            # The system doubles what a process wants, for what it adds to each message itself.
            return 2 * max(_SMALLEST_BUFFER, int(most.read()))
    except (OSError, ValueError):
        return 2 * _SMALLEST_BUFFER


class _Looked:
    """One process whose descriptors are looked through."""

    def __init__(self, pid: int) -> None:
        self._proc = f"/proc/{pid}"
        self._pidfd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1

    def __enter__(self) -> _Looked:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def descriptors(self) -> Iterator[tuple[int, str]]:
        """Yield each descriptor with what it leads to; nothing for a path that is too long."""
        with os.scandir(f"{self._proc}/fd") as entries:
            for entry in entries:
                try:
                    yield int(entry.name), os.readlink(entry.path)
                except OSError as error:
                    if error.errno == errno.ENAMETOOLONG:
                        yield int(entry.name), ""

    def waiting(self, number: int, is_pipe: bool, most: int) -> int:
        """Return the bytes that wait in a pipe or a socket; ``most`` where nobody can say."""
        try:
            copy = _copied(self._pidfd, number)
        except OSError as error:
            if error.errno in (errno.EBADF, errno.ESRCH):
                return 0  # it was closed meanwhile
            return _PIPE if is_pipe else most
        try:
            return _in_pipe(copy) if is_pipe else self._in_socket(copy, number, most)
        except OSError:
            return 0
        finally:
            os.close(copy)

    def _in_socket(self, copy: int, number: int, most: int) -> int:
        """Return what a socket sent and received and nobody took; the sender has it if it lives."""
        with socket.socket(fileno=os.dup(copy)) as end:
            got, _, sent, _, _, _, options, backlog, _ = _MEMINFO.unpack(
                end.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            )
        total = int(got + sent + options + backlog)
        if not _readable_bytes(copy):
            return total
        if _hung_up(copy):
            total += most  # of a sender that is gone, whose account cannot be seen any more
        return total + self._in_flight(number) * most

    def _in_flight(self, number: int) -> int:
        """Return how many descriptors were sent to a socket and not received."""
        with (
            contextlib.suppress(OSError, ValueError),
            open(f"{self._proc}/fdinfo/{number}", encoding="ascii", errors="replace") as lines,
        ):
            for line in lines:
                if line.startswith("scm_fds:"):
                    return int(line.partition(":")[2])
        return 0

    def unnamed(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield path, device, inode and bytes of each open or mapped file that has no name."""
        for number, link in self.descriptors():
            if link and not link.endswith(_DELETED):
                continue
            with contextlib.suppress(OSError):
                state = os.stat(f"{self._proc}/fd/{number}")
                if stat.S_ISREG(state.st_mode) and state.st_nlink == 0:
                    yield link, state.st_dev, state.st_ino, state.st_blocks * 512
        with open(f"{self._proc}/maps", encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                if not line.endswith(_DELETED + "\n"):
                    continue
                place, _, _, device, inode, path = line.rstrip("\n").split(None, 5)
                begin, end = (int(part, 16) for part in place.split("-"))
                major, minor = (int(part, 16) for part in device.split(":"))
                yield path, os.makedev(major, minor), int(inode), end - begin


def _copied(pidfd: int, number: int) -> int:
    """Return a descriptor of ours for what another process has open."""
    libc = ctypes.CDLL(None, use_errno=True)
    copy = int(libc.syscall(ctypes.c_long(_PIDFD_GETFD), pidfd, number, 0))
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return copy


def _readable_bytes(fd: int) -> int:
    import fcntl  # not everywhere, and this module is imported everywhere

    return int(struct.unpack("i", fcntl.ioctl(fd, _FIONREAD, struct.pack("i", 0)))[0])


def _in_pipe(fd: int) -> int:
    """Return the size of a pipe that holds something: each write may take a page of its own."""
    import fcntl

    return fcntl.fcntl(fd, _F_GETPIPE_SZ) if _readable_bytes(fd) else 0


def _hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, _HUNG_UP)
    return bool(poll.poll(0))

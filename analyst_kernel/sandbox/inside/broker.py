"""Lets the processes of one kernel connect to sockets of their own, and to no others.

A filter sees no address, so connect(2) waits in the kernel until a process outside the filter, the
broker, has read the address and decided (seccomp's user notifications). It makes a connection
itself, on the caller's socket and to an address that it has copied, so that nothing can be swapped
in between. A socket is a kernel's own if it lies in its private folder for temporary files; what
data folders and the host's file system hold, abstract names and every network stay closed.
``multiprocessing`` needs this for managers and for the start method forkserver.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import stat
import struct
import threading
from dataclasses import dataclass

from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.linux import privileges, seccomp
from analyst_kernel.sandbox.linux.syscall_numbers import machine, number

_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_SHORT = struct.pack("@ll", 0, 1)  # the least that a full queue makes connect(2) wait
_LONGEST = 110  # bytes of a sockaddr_un
_WAITING = 64
_AGAIN = 10  # milliseconds


@dataclass
class _Request:
    """A connect(2) that waits.

    Attributes:
        id: The kernel's number of it.
        caller: The socket of the process that called.
        target: An ``O_PATH`` descriptor of the socket to reach.
    """

    id: int
    caller: socket.socket
    target: int

    def close(self) -> None:
        self.caller.close()
        os.close(self.target)


class Broker:
    """Answers every connect(2) behind a listener, in a thread, until the processes are gone.

    Args:
        path: The folder whose sockets may be reached, as the processes name it; it is made where
            it is missing, and opened before any of them can put something else there.

    Attributes:
        folder: Its descriptor.
    """

    def __init__(self, path: str) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.folder = os.open(path, flags)
        self._path = path
        self._listener = -1
        self._waiting: list[_Request] = []

    def begin(self, listener: int) -> None:
        """Answer what comes from ``listener`` from now on."""
        self._listener = listener
        # A signal that this thread took would not wake the one that waits for the kernel's end.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        threading.Thread(target=self._serve, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _serve(self) -> None:
        ready = select.poll()
        ready.register(self._listener, select.POLLIN)
        while True:
            events = ready.poll(_AGAIN if self._waiting else None)
            if any(event & ~select.POLLIN for _, event in events):
                break  # nobody is left behind the filter
            if events:
                self._take()
            for request in list(self._waiting):
                if not self._try(request):
                    continue
                self._waiting.remove(request)
                request.close()
        os.close(self._listener)

    def _take(self) -> None:
        """Take one request and answer it, or keep it until its target has room."""
        found = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, found)
        except OSError:
            return  # the caller was killed meanwhile
        request_id, task, _flags, _nr, _arch, _ip, fd, address, size, *_ = _NOTIFICATION.unpack(
            found
        )
        try:
            request = self._request(request_id, task, fd & 0xFFFFFFFF, address, size & 0xFFFFFFFF)
        except OSError as error:
            self._answer(request_id, error.errno or errno.EPERM)
            return
        if self._try(request):
            request.close()
        elif len(self._waiting) < _WAITING:
            self._waiting.append(request)
        else:
            self._answer(request_id, errno.EAGAIN)
            request.close()

    def _request(self, request_id: int, task: int, fd: int, address: int, size: int) -> _Request:
        """Return what a task wants, if it may have it; raises ``OSError``."""
        path = self._address(task, address, size)
        with ns.owned(_descriptor_of(task, fd)) as copy:
            caller = socket.socket(fileno=os.dup(copy))
        try:
            return _Request(request_id, caller, self._target(request_id, caller, path))
        except OSError:
            caller.close()
            raise

    def _target(self, request_id: int, caller: socket.socket, path: str) -> int:
        """Open the socket that a caller may have; raises ``OSError``."""
        # Whoever the number belongs to now, the caller still waits: it was the caller's.
        if not self._is_valid(request_id):
            raise OSError(errno.EINTR, "the caller is gone")
        kind = caller.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        if caller.family != socket.AF_UNIX or kind == socket.SOCK_DGRAM:
            raise OSError(errno.EPERM, "not a local stream")
        try:
            target = ns.open_beneath(self.folder, path, same_mount=True)
        except OSError as error:
            outside = error.errno in (errno.EXDEV, errno.ELOOP)
            raise OSError(errno.EPERM, "leads elsewhere") if outside else error from error
        if not stat.S_ISSOCK(os.fstat(target).st_mode):
            os.close(target)
            raise OSError(errno.ECONNREFUSED, "not a socket")
        return target

    def _address(self, task: int, address: int, size: int) -> str:
        """Return a path below the folder, read from the memory of a task; raises ``OSError``."""
        if not 3 <= size <= _LONGEST:
            raise OSError(errno.EPERM, "no address of a named socket")
        with open(f"/proc/{task}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            raw = memory.read(size)
        family, name = struct.unpack("=H", raw[:2])[0], os.fsdecode(raw[2:].split(b"\0")[0])
        if family != socket.AF_UNIX or not name:
            raise OSError(errno.EPERM, "no address of a named socket")
        if not os.path.isabs(name):
            name = os.path.join(os.readlink(f"/proc/{task}/cwd"), name)
        name = os.path.normpath(name)
        if not name.startswith(f"{self._path}/"):
            raise OSError(errno.EPERM, "not in the folder for temporary files")
        return name[len(self._path) + 1 :]

    def _try(self, request: _Request) -> bool:
        """Connect, and answer; return whether that was the end of it."""
        if not self._is_valid(request.id):
            return True
        caller = request.caller
        limit = caller.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, len(_SHORT))
        blocking = os.get_blocking(caller.fileno())
        if blocking:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SHORT)
        try:
            # By descriptor: the very socket that was looked at.
            caller.connect(f"/proc/self/fd/{request.target}")
            code = 0
        except OSError as error:
            code = error.errno or errno.EPERM
        finally:
            if blocking:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        if code == errno.EAGAIN and blocking:
            return False
        self._answer(request.id, code)
        return True

    def _is_valid(self, request_id: int) -> bool:
        try:
            fcntl.ioctl(self._listener, _IS_VALID, struct.pack("=Q", request_id))
        except OSError:
            return False
        return True

    def _answer(self, request_id: int, code: int) -> None:
        with contextlib.suppress(OSError):  # the caller is gone
            fcntl.ioctl(self._listener, _SEND, _RESPONSE.pack(request_id, 0, -code, 0))


def _descriptor_of(task: int, fd: int) -> int:
    """Return a copy of a descriptor of the process of a task; raises ``OSError``."""
    with open(f"/proc/{task}/status", encoding="ascii", errors="replace") as source:
        process = next(int(line.split()[1]) for line in source if line.startswith("Tgid:"))
    call = number("pidfd_getfd", machine())
    with ns.owned(os.pidfd_open(process)) as handle:
        copy: int = privileges.libc.syscall(call, handle, fd, 0)
    if copy < 0:
        raise privileges.fail("pidfd_getfd")
    return copy


class Handover:
    """The way of the listener from the process behind the filter to the broker.

    Made before the fork. The child calls :meth:`install`, the parent :meth:`receive`.

    Attributes:
        descriptors: Those of both ends.
    """

    def __init__(self) -> None:
        self._parent, self._child = socket.socketpair()
        self.descriptors = (self._parent.fileno(), self._child.fileno())

    def install(self, *, guard_metadata: bool, held: bool = True) -> None:
        """In the child: put the filter on, ``held`` by the parent if it can be.

        Raises:
            OSError: There is no filter on this process.
        """
        self._parent.close()
        try:
            listener = seccomp.install_held(guard_metadata=guard_metadata) if held else -1
        except OSError:
            listener = -1
        if listener < 0:
            self._child.close()
            seccomp.install(guard_metadata=guard_metadata)
            return
        with ns.owned(listener), self._child:
            socket.send_fds(self._child, [b"x"], [listener])

    def receive(self) -> int | None:
        """In the parent: return the listener; None if the child could not make one."""
        self._child.close()
        with self._parent:
            try:
                _, found, _, _ = socket.recv_fds(self._parent, 1, 1)
            except OSError:
                return None
        return found[0] if found else None

"""A seccomp filter for a kernel: everything it needs is allowed, ways out are refused.

A refused call fails with EPERM (ENOSYS where libraries then take another way); calls of a
foreign architecture (int 0x80, x32) all fail. Binds the calling thread and its later children.
Stdlib only; Linux on x86-64 and arm64.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Literal

from analyst_kernel.sandbox.linux import privileges
from analyst_kernel.sandbox.linux.syscall_numbers import AUDIT_ARCH, X32_BIT, machine, number

Instruction = tuple[int, int, int, int]
"""``(code, jump if true, jump if false, k)`` of one classic BPF instruction."""

Sockets = Literal["closed", "held", "broker"]
"""What connect(2) does: it is refused, or it waits for the verdict of a process with the listener
(see :func:`install_held`), or this is that process, which may take the caller's descriptor too."""

REFUSED = (
    "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "connect",
    "create_module", "delete_module", "fanotify_init", "fanotify_mark", "finit_module", "fsconfig",
    "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register",
    "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
    "listmount", "lookup_dcookie", "memfd_secret", "migrate_pages", "modify_ldt", "mount",
    "mount_setattr", "move_mount", "move_pages", "mq_getsetattr", "mq_notify", "mq_open",
    "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
    "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "open_tree_attr",
    "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "process_mrelease",
    "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot",
    "request_key", "semctl", "semget", "semop", "semtimedop", "setdomainname", "sethostname",
    "setns", "settimeofday", "shmat", "shmctl", "shmdt", "shmget", "statmount", "swapoff",
    "swapon", "syslog", "umount2", "unshare", "uselib", "userfaultfd", "vhangup",
)  # fmt: skip
"""Fail with EPERM whatever their arguments."""

ABSENT = ("clone3", "memfd_create")
"""Fail with ENOSYS: libraries fall back. clone3 hides its flags from a filter; memory behind a
memfd belongs to no process that a watchdog could see."""

ATTRIBUTES = (
    "file_setattr", "fremovexattr", "fsetxattr", "lremovexattr", "lsetxattr", "removexattr",
    "removexattrat", "setxattr", "setxattrat",
)  # fmt: skip
"""Attributes of files. With ``guard_metadata`` they fail with ENOTSUP, as where a file system has
none; cp takes no other error."""

OWNERS_AND_MODES = (
    "chmod", "chown", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "lchown",
)  # fmt: skip
"""Owners and permissions of files. With ``guard_metadata`` they do nothing and report success:
libraries and tools (``shutil.copy``, tar, and as root cp) set them on what they have just
written, and give up on an error."""

_LD_ABS, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ENOTSUP = _ERRNO | errno.ENOTSUP
_NOTHING = _ERRNO | 0  # the call is not made, and returns 0
_EPERM, _ENOSYS = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
_USER_NOTIF = 0x7FC00000
_BROKERS = ("connect", "pidfd_getfd")
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
_AF_UNIX, _AF_NETLINK, _NETLINK_ROUTE = 1, 16, 0
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 5, 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# FS_IOC_SETFLAGS, its 32-bit form, FS_IOC_SETVERSION and FS_IOC_FSSETXATTR: an open file of the
# user's is enough for them, even one that is open for reading only.
_SET_ATTRIBUTES = (0x40086602, 0x40046602, 0x40087602, 0x401C5820)
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 3, 1 << 5


def _load_arg(index: int) -> Instruction:
    """Load the low 32 bits of argument ``index``; all arguments looked at are C ints."""
    return (_LD_ABS, 0, 0, 16 + 8 * index)


def _only_zero(*checks: tuple[int, int]) -> list[Instruction]:
    """Allow only when each ``(argument, value)`` holds, else EPERM."""
    body: list[Instruction] = []
    for index, value in checks:
        body += [_load_arg(index), (_JEQ, 1, 0, value), (_RET, 0, 0, _EPERM)]
    return [*body, (_RET, 0, 0, _ALLOW)]


_STREAMS_ONLY: list[Instruction] = [
    # Datagram sockets can reach a named socket of the host without connect(2).
    _load_arg(1),
    (_AND, 0, 0, _SOCK_TYPE_MASK),
    (_JEQ, 2, 0, _SOCK_STREAM),
    (_JEQ, 1, 0, _SOCK_SEQPACKET),
    (_RET, 0, 0, _EPERM),
    (_RET, 0, 0, _ALLOW),
]

_SETS_NO_ATTRIBUTES: list[Instruction] = [
    _load_arg(1),
    *(
        instruction
        for request in _SET_ATTRIBUTES
        for instruction in ((_JEQ, 0, 1, request), (_RET, 0, 0, _EPERM))
    ),
]


def _if_null(index: int, skip: int) -> list[Instruction]:
    """Go on if a pointer is null, else skip so many instructions."""
    low, high = 16 + 8 * index, 20 + 8 * index
    test = (_JEQ, 0, skip + 2, 0), (_JEQ, 0, skip, 0)
    return [(_LD_ABS, 0, 0, low), test[0], (_LD_ABS, 0, 0, high), test[1]]


_TIMES_OF_PATH = [*_if_null(1, 1), (_RET, 0, 0, _EPERM), (_RET, 0, 0, _NOTHING)]
_TIMES_BELOW = [*_if_null(2, 4), *_if_null(1, 1), (_RET, 0, 0, _NOTHING), (_RET, 0, 0, _EPERM)]
TIMES: dict[str, list[Instruction]] = {
    "futimesat": _TIMES_BELOW,
    "utime": _TIMES_OF_PATH,
    "utimensat": _TIMES_BELOW,
    "utimes": _TIMES_OF_PATH,
}
"""Times of files. With ``guard_metadata`` they do nothing and report success, too; but no times for
a path, which means "now", fail with EPERM: ``Path.touch`` takes success for the sign that the file
exists."""

BY_ARGUMENT: dict[str, list[Instruction]] = {
    "clone": [
        _load_arg(0),
        (_JSET, 0, 1, _NEW_NAMESPACES),
        (_RET, 0, 0, _EPERM),
        (_RET, 0, 0, _ALLOW),
    ],
    # libzmq lists network interfaces over netlink and aborts the process when it cannot.
    "socket": [
        _load_arg(0),
        (_JEQ, 4, 0, _AF_UNIX),
        (_JEQ, 0, 2, _AF_NETLINK),
        _load_arg(2),
        (_JEQ, 7, 0, _NETLINK_ROUTE),
        (_RET, 0, 0, _EPERM),
        *_STREAMS_ONLY,
        (_RET, 0, 0, _ALLOW),
    ],
    "socketpair": [_load_arg(0), (_JEQ, 1, 0, _AF_UNIX), (_RET, 0, 0, _EPERM), *_STREAMS_ONLY],
    # Only about the caller itself: a sibling of the same user could be starved or ended by these.
    "prlimit64": _only_zero((0, 0)),
    "setpriority": _only_zero((0, 0), (1, 0)),
    "ioprio_set": _only_zero((0, 1), (1, 0)),
    "ioctl": [
        _load_arg(1),
        (_JEQ, 1, 0, _TIOCSTI),
        (_JEQ, 0, 1, _TIOCLINUX),
        (_RET, 0, 0, _EPERM),
        (_RET, 0, 0, _ALLOW),
    ],
}
"""Decided by their arguments; each body ends in a return."""


def program(
    arch: str, *, guard_metadata: bool = False, sockets: Sockets = "closed"
) -> list[Instruction]:
    """Return the whole filter for ``arch`` (``x86_64`` or ``aarch64``).

    With ``guard_metadata`` nobody's permissions, owners, times and attributes are changed: for a
    kernel without mounts of its own, because Landlock does not govern them and a filter sees no
    paths.
    """
    code: list[Instruction] = [
        (_LD_ABS, 0, 0, 4),
        (_JEQ, 1, 0, AUDIT_ARCH[arch]),
        (_RET, 0, 0, _EPERM),
        (_LD_ABS, 0, 0, 0),
    ]
    if arch == "x86_64":
        code += [(_JGE, 0, 1, X32_BIT), (_RET, 0, 0, _EPERM)]
    bodies = dict(BY_ARGUMENT)
    if guard_metadata:
        bodies |= TIMES | {"ioctl": [*_SETS_NO_ATTRIBUTES, *BY_ARGUMENT["ioctl"]]}
    for name, body in bodies.items():
        nr = number(name, arch)
        if nr is not None:
            code += [(_JEQ, 0, len(body), nr), *body]
    flat = [(REFUSED, _EPERM), (ABSENT, _ENOSYS)]
    if sockets == "broker":
        flat[0] = (tuple(name for name in REFUSED if name not in _BROKERS), _EPERM)
    elif sockets == "held":
        flat.insert(0, (("connect",), _USER_NOTIF))
    if guard_metadata:
        flat += [(ATTRIBUTES, _ENOTSUP), (OWNERS_AND_MODES, _NOTHING)]
    for names, verdict in flat:
        for name in names:
            nr = number(name, arch)
            if nr is not None:
                code += [(_JEQ, 0, 1, nr), (_RET, 0, 0, verdict)]
    return [*code, (_RET, 0, 0, _ALLOW)]


def packed(arch: str, *, guard_metadata: bool = False, sockets: Sockets = "closed") -> bytes:
    """:func:`program` as the kernel reads it (``struct sock_filter[]``)."""
    code = program(arch, guard_metadata=guard_metadata, sockets=sockets)
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def available() -> bool:
    """Return whether a filter exists for this machine (not whether the kernel takes it)."""
    return machine() != ""


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(*, guard_metadata: bool = False, sockets: Sockets = "closed") -> None:
    """Set no_new_privs and put the filter on the calling thread; raises ``OSError``.

    For ``guard_metadata`` see :func:`program`.
    """
    argument, _kept = _prepared(guard_metadata, sockets)
    privileges.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(argument))


def install_held(*, guard_metadata: bool = False) -> int:
    """Like :func:`install`, but connect(2) waits; return the listener that decides each.

    Raises:
        OSError: This kernel has no such filters, or an outer filter has the only listener that
            there can be. Nothing was installed.
    """
    argument, _kept = _prepared(guard_metadata, "held")
    number_ = ctypes.c_long(_SECCOMP[machine()])
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):  # the former since Linux 5.19
        listener: int = privileges.libc.syscall(
            number_, ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(flags), ctypes.byref(argument)
        )
        if listener >= 0:
            return listener
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise privileges.fail("seccomp")


def _prepared(guard_metadata: bool, sockets: Sockets) -> tuple[_FilterProgram, object]:
    """Set no_new_privs; return the filter and the memory that it points into."""
    arch = machine()
    if not arch:
        raise OSError(errno.ENOSYS, "no seccomp filter for this architecture")
    privileges.no_new_privileges()
    code = packed(arch, guard_metadata=guard_metadata, sockets=sockets)
    buffer = ctypes.create_string_buffer(code, len(code))
    return _FilterProgram(len(code) // 8, ctypes.addressof(buffer)), buffer

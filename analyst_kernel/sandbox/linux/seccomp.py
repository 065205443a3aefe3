"""A seccomp filter for a kernel: everything it needs is allowed, ways out are refused.

A refused call fails with EPERM (or ENOSYS where libraries then take another way); calls of a
foreign architecture (int 0x80, x32) all fail. Binds the calling thread and its later children.
Stdlib only; Linux on x86-64 and arm64.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from analyst_kernel.sandbox.linux import privileges
from analyst_kernel.sandbox.linux.syscall_numbers import AUDIT_ARCH, X32_BIT, machine, number

Instruction = tuple[int, int, int, int]
"""``(code, jump if true, jump if false, k)`` of one classic BPF instruction."""

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

_LD_ABS, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
_AF_UNIX, _AF_NETLINK, _NETLINK_ROUTE = 1, 16, 0
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 5, 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2


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


def program(arch: str) -> list[Instruction]:
    """Return the whole filter for ``arch`` (``x86_64`` or ``aarch64``)."""
    code: list[Instruction] = [
        (_LD_ABS, 0, 0, 4),
        (_JEQ, 1, 0, AUDIT_ARCH[arch]),
        (_RET, 0, 0, _EPERM),
        (_LD_ABS, 0, 0, 0),
    ]
    if arch == "x86_64":
        code += [(_JGE, 0, 1, X32_BIT), (_RET, 0, 0, _EPERM)]
    for name, body in BY_ARGUMENT.items():
        nr = number(name, arch)
        if nr is not None:
            code += [(_JEQ, 0, len(body), nr), *body]
    for names, verdict in ((REFUSED, _EPERM), (ABSENT, _ENOSYS)):
        for name in names:
            nr = number(name, arch)
            if nr is not None:
                code += [(_JEQ, 0, 1, nr), (_RET, 0, 0, verdict)]
    return [*code, (_RET, 0, 0, _ALLOW)]


def packed(arch: str) -> bytes:
    """:func:`program` as the kernel reads it (``struct sock_filter[]``)."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program(arch))


def available() -> bool:
    """Return whether a filter exists for this machine (not whether the kernel takes it)."""
    return machine() != ""


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install() -> None:
    """Set no_new_privs and put the filter on the calling thread; raises ``OSError``."""
    arch = machine()
    if not arch:
        raise OSError(errno.ENOSYS, "no seccomp filter for this architecture")
    privileges.no_new_privileges()
    code = packed(arch)
    buffer = ctypes.create_string_buffer(code, len(code))
    argument = _FilterProgram(len(code) // 8, ctypes.addressof(buffer))
    privileges.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(argument))

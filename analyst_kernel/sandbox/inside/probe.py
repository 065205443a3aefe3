"""Try the ways out, from inside a kernel process, before any generated code runs there.

Runs inside the sandbox, stdlib only, in about a millisecond. It reports what it observed; what had
to be closed is decided outside (``report``), because nothing in here can be trusted to judge.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterable
from typing import Any

Result = dict[str, Any]
"""``{"name": str, "closed": bool, "detail": str}``."""

Attempt = tuple[bool, str]
"""Whether the way was closed, and what was observed."""


def run(plan: dict[str, Any]) -> list[Result]:
    """Try everything in order; an attempt that fails in an unforeseen way counts as open.

    Args:
        plan: Made by ``Canaries.plan_for``: canaries, paths and process ids to try.
    """
    results: list[Result] = []
    for name, attempt in ATTEMPTS.items():
        try:
            closed, detail = attempt(plan)
        except OSError as error:
            closed, detail = error.errno in _REFUSALS, _words(error)
        except Exception as error:  # noqa: BLE001 - an unknown outcome does not count as closed
            closed, detail = False, f"not tried: {type(error).__name__}: {error}"
        results.append({"name": name, "closed": closed, "detail": detail[:300]})
    return results


_REFUSALS = {
    errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ESRCH,
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT,
    errno.ECONNREFUSED, errno.ENXIO, errno.ENODEV, errno.ENOSPC, errno.ELOOP,
}  # fmt: skip


def _words(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "?") + ": " + (error.strerror or str(error))


def _call(name: str, *arguments: int) -> int:
    """Make a raw system call; return its errno, or 0 when it succeeded."""
    from analyst_kernel.sandbox.linux.syscall_numbers import machine, number

    arch = machine()
    nr = number(name, arch) if arch else None
    if nr is None:
        return errno.ENOSYS
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(nr), *(ctypes.c_long(value) for value in arguments))
    return ctypes.get_errno() if result == -1 else 0


def _refused_call(name: str, *arguments: int) -> Attempt:
    code = _call(name, *arguments)
    word = errno.errorcode.get(code, str(code))
    return code in (errno.EPERM, errno.ENOSYS, errno.EACCES), f"{name}: {word if code else 'done'}"


def _first_open(paths: Iterable[str], flags: int) -> str:
    """Return the first path that can be opened; empty if none can."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.close(os.open(path, flags | os.O_CLOEXEC))
            return path
    return ""


def _all(attempts: Iterable[Attempt]) -> Attempt:
    """Return the first attempt that was not closed, else the last one."""
    last: Attempt = (True, "")
    for last in attempts:
        if not last[0]:
            break
    return last


def _connect(address: str, what: str) -> Attempt:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # a full queue answers EAGAIN, which says that it was reached
        client.connect(address)
    return False, f"connected to {what}"


def _tcp(plan: dict[str, Any]) -> Attempt:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(2.0)
        client.connect(("127.0.0.1", int(plan["tcp_port"])))
    return False, "connected to a port of this machine"


def _udp(_plan: dict[str, Any]) -> Attempt:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"probe", ("192.0.2.1", 9))
    return False, "a packet left for another machine"


def _dns(plan: dict[str, Any]) -> Attempt:
    query = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07invalid\0\0\x01\0\x01"
    seen = ""
    for server in plan["dns_servers"]:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.sendto(query, (server, 53))
            return False, "a query left for a name server"
        except OSError as error:
            seen = _words(error)
    for path in ("/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"):
        try:
            return _connect(path, path)
        except OSError as error:
            seen = seen or _words(error)
    return True, seen


def _allowed(path: str, plan: dict[str, Any]) -> bool:
    """Return whether ``path`` is shown on purpose, or is a folder on the way to what is."""
    for shown in plan["allowed"]:
        if path == shown or path.startswith(shown + "/") or shown.startswith(path + "/"):
            return True
    return False


def _unexpected(folder: str, plan: dict[str, Any]) -> Attempt:
    """Closed when ``folder`` shows nothing but what leads to granted paths."""
    if any(folder == shown or folder.startswith(shown + "/") for shown in plan["allowed"]):
        return True, f"{folder} itself was granted"
    try:
        names = os.listdir(folder)
    except OSError as error:
        return error.errno in _REFUSALS, _words(error)
    for name in names:
        path = folder.rstrip("/") + "/" + name
        # Looking at a folder or opening a file; never through a link.
        if not _allowed(path, plan) and _first_open([path], os.O_NONBLOCK | os.O_NOFOLLOW):
            return False, f"{path} can be opened"
    return True, "shows only what was granted" if names else "empty"


def _host_files(plan: dict[str, Any]) -> Attempt:
    path = _first_open(plan["canary_files"], os.O_RDONLY)
    if path:
        return False, f"{path} can be read"
    return True, f"none of {len(plan['canary_files'])} files of the host"


def _write_outside(plan: dict[str, Any]) -> Attempt:
    seen = ""
    for folder in plan["outside"]:
        path = f"{folder.rstrip('/')}/.analyst-probe-{os.getpid()}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            seen = seen or _words(error)
            continue
        os.unlink(path)
        return False, f"a file could be made in {folder}"
    return True, seen


def _environ_of(pid: int, plan: dict[str, Any]) -> Attempt:
    try:
        with open(f"/proc/{pid}/environ", "rb") as source:
            raw = source.read()
    except OSError as error:
        return error.errno in _REFUSALS, _words(error)
    allowed = set(plan["environment"])
    for entry in raw.split(b"\0"):
        name = entry.split(b"=", 1)[0].decode(errors="replace")
        if name and name not in allowed:
            return False, f"{name} of process {pid} can be read"
    return True, "only the kernel's own scrubbed environment"


def _own_environment(plan: dict[str, Any]) -> Attempt:
    extra = sorted(set(os.environ) - set(plan["environment"]) - {"LC_CTYPE"})
    return not extra, "scrubbed" if not extra else f"holds {', '.join(extra)}"


def _unix_datagram(plan: dict[str, Any]) -> Attempt:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.sendto(b"probe", plan["unix_datagram"])
    return False, "sent to a socket of the host"


def _abstract_socket(plan: dict[str, Any]) -> Attempt:
    if not sys.platform.startswith("linux"):
        return True, "this system has none"
    return _connect("\0" + plan["abstract_socket"], "an abstract socket of the host")


def _elsewhere(plan: dict[str, Any]) -> bool:
    """Return whether this process sits in a different pid namespace than the server."""
    try:
        return os.readlink("/proc/self/ns/pid") != str(plan["pid_namespace"])
    except OSError:
        return False


def _signal_parent(plan: dict[str, Any]) -> Attempt:
    if _elsewhere(plan):
        return True, "the server is in another process namespace"
    os.kill(int(plan["server_pid"]), 0)
    return False, "the server can be signalled"


def _ptrace_parent(plan: dict[str, Any]) -> Attempt:
    seize, no_pid = 0x4206, 0x3FFFFFFF
    closed, detail = _refused_call("ptrace", seize, no_pid, 0, 0)
    if _elsewhere(plan):
        return True, detail + "; the server is in another process namespace"
    try:
        os.close(os.open(f"/proc/{plan['server_pid']}/mem", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return closed, f"{detail}; {_words(error)}"
    return False, "the server's memory can be read"


def _limits_of_others(plan: dict[str, Any]) -> Attempt:
    if _elsewhere(plan):
        return True, "the server is in another process namespace"
    return _refused_call("prlimit64", int(plan["server_pid"]), 7, 0, 0)


def _namespaces(_plan: dict[str, Any]) -> Attempt:
    # The last bit is no flag of unshare(2): a reachable call answers EINVAL and changes nothing.
    closed, detail = _refused_call("unshare", 0x10000000 | 0x1)
    if closed:
        return True, detail
    child = os.fork()
    if child == 0:
        os._exit(0 if _call("unshare", 0x10000000) == 0 else 1)
    _pid, status = os.waitpid(child, 0)
    return status != 0, "a new user namespace could be made" if status == 0 else "refused"


def _device_nodes(plan: dict[str, Any]) -> Attempt:
    path = _first_open(plan["devices"], os.O_RDONLY | os.O_NONBLOCK)
    if path:
        return False, f"{path} can be opened"
    path = f"{plan['scratch']}/.analyst-node-{os.getpid()}"
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    os.unlink(path)
    return False, "a device node could be made"


def _sysctl(_plan: dict[str, Any]) -> Attempt:
    path = _first_open(("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"), os.O_WRONLY)
    return not path, f"{path} can be opened for writing" if path else "read-only"


def _proc_files(_plan: dict[str, Any]) -> Attempt:
    for path in ("/proc/keys", "/proc/timer_list", "/proc/slabinfo", "/proc/kcore", "/proc/kmsg"):
        try:
            with open(path, "rb") as source:
                if source.read(1):
                    return False, f"{path} can be read"
        except OSError:
            continue
    return True, "hidden"


def _shared_memory(plan: dict[str, Any]) -> Attempt:
    folder = "/dev/shm"  # noqa: S108 - looked at, not relied on
    path = f"{folder}/.analyst-probe-{os.getpid()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.close(fd)
    os.unlink(path)
    status = os.statvfs(folder)
    size = status.f_blocks * status.f_frsize
    return size <= int(plan["shm_bytes"]), f"{size // (1024 * 1024)} MiB of /dev/shm"


def _foreign_syscalls(plan: dict[str, Any]) -> Attempt:
    from analyst_kernel.sandbox.linux.foreign_abi import call_getpid_i386, call_getpid_x32

    if not plan["foreign"]:
        return True, "this machine has no 32-bit system calls"
    for what, result in (("int 0x80", call_getpid_i386()), ("x32", call_getpid_x32())):
        if result > 0:
            return False, f"{what} answered"
    return True, "refused"


def _capabilities(_plan: dict[str, Any]) -> Attempt:
    with open("/proc/self/status", encoding="ascii", errors="replace") as source:
        lines = dict(line.split(":", 1) for line in source if ":" in line)
    held = [name for name in ("CapEff", "CapPrm", "CapInh") if int(lines.get(name, "0"), 16)]
    if held:
        return False, f"{held[0]} is {lines[held[0]].strip()}"
    if lines.get("NoNewPrivs", "0").strip() != "1":
        return False, "an exec could gain privileges"
    return True, "none, and none to gain"


def _metadata(plan: dict[str, Any]) -> Attempt:
    """Closed when the permissions of a file of the server stay what they are, whatever is said."""
    path = plan["canary"]
    before = stat.S_IMODE(os.lstat(path).st_mode)
    said = "it is said to be done"
    try:
        os.chmod(path, before ^ stat.S_IXUSR)
    except OSError as error:
        said = _words(error)
    if stat.S_IMODE(os.lstat(path).st_mode) == before:
        return True, f"nothing changes; {said}"
    os.chmod(path, before)
    return False, f"the permissions of {path} can be changed"


def _granted_data(plan: dict[str, Any]) -> Attempt:
    """Closed when each granted path shows the very file or folder that the server saw there."""
    for path, device, inode in plan["granted"]:
        try:
            status = os.lstat(path)
        except OSError as error:
            return False, f"{path}: {_words(error)}"
        # A number that became free may have been given to a link or a FIFO since.
        ordinary = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if not ordinary or (status.st_dev, status.st_ino) != (device, inode):
            return False, f"{path} shows something else than what was granted"
    return True, f"{len(plan['granted'])} paths, each what was granted"


ATTEMPTS: dict[str, Callable[[dict[str, Any]], Attempt]] = {
    "environment": _own_environment,
    "tcp": _tcp,
    "udp": _udp,
    "dns": _dns,
    "host-home": lambda plan: _unexpected(plan["home"], plan),
    "other-homes": lambda plan: _all(
        _unexpected(folder, plan) for folder in ("/home", "/root", "/Users")
    ),
    "host-files": _host_files,
    "write-outside": _write_outside,
    "environ-1": lambda plan: _environ_of(1, plan),
    "environ-parent": lambda plan: _all(
        _environ_of(pid, plan) for pid in {os.getppid(), int(plan["server_pid"])}
    ),
    "unix-socket": lambda plan: _connect(plan["unix_socket"], "a socket of the host"),
    "unix-datagram": _unix_datagram,
    "abstract-socket": _abstract_socket,
    "signal-parent": _signal_parent,
    "ptrace-parent": _ptrace_parent,
    "limits-of-others": _limits_of_others,
    "namespaces": _namespaces,
    "io-uring": lambda _plan: _refused_call("io_uring_setup", 1, 0),
    "kernel-keys": lambda _plan: _refused_call("keyctl", 6, -3, 0, 0, 0),
    "system-v-memory": lambda _plan: _refused_call("shmget", 0, -1, 0),
    "device-nodes": _device_nodes,
    "sysctl": _sysctl,
    "proc-files": _proc_files,
    "shared-memory": _shared_memory,
    "foreign-syscalls": _foreign_syscalls,
    "capabilities": _capabilities,
    "file-metadata": _metadata,
    "granted-data": _granted_data,
}
"""Every attempt by its name, in the order they are made."""

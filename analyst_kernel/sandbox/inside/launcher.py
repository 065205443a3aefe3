"""The innermost layer: ``script.py inside.launcher POLICY_FD -- ARGV`` gives up rights, then execs.

In this order: no_new_privs, capabilities, limits, Landlock, seccomp. Any layer of the policy that
the kernel refuses ends the launcher (exit code 77) before the command starts. Stdlib only.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from analyst_kernel.sandbox.inside.broker import Broker, Handover
from analyst_kernel.sandbox.inside.supervisor import supervise
from analyst_kernel.sandbox.linux import landlock, privileges, rlimits, seccomp
from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.policy import SandboxPolicy, within

REFUSED = 77
"""Exit code when a layer could not be put in place."""

ETC = (
    "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/mime.types",
)  # fmt: skip
"""The only parts of /etc that programs need."""

PRIVATE = ("/tmp", "/dev/shm")  # noqa: S108 - each kernel mounts its own there
"""Writable folders that belong to one kernel in the backends with mounts."""


def covers(shown: Sequence[str], links: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return folders of the private ones that only lead to ``shown`` paths and ``links``.

    They have to be read-only: what is written there would vanish.
    """
    found: set[str] = set()
    below = [path for _target, path in links if os.path.dirname(path) not in PRIVATE]
    for path in (*shown, *below):
        for private in PRIVATE:
            if path != private and within(path, private):
                first = path[len(private) + 1 :].split("/", 1)[0]
                found.add(f"{private}/{first}")
    return sorted(path for path in found if path not in shown)


_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_TERMINALS = ("/dev/tty", "/dev/ptmx", "/dev/pts")
_PROC_SHARED = (
    "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
    "/proc/filesystems", "/proc/version", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/osrelease", "/proc/sys/kernel/random",
)  # fmt: skip
_SYS_SHARED = ("/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/devices/system/node")


def apply_landlock(policy: SandboxPolicy) -> None:
    """Restrict the calling thread to the policy's paths; raises ``OSError``."""
    read: list[str] = list(ETC)
    listing: list[str] = []
    devices = list(_DEVICES)
    write = [policy.output_dir]
    sockets = [policy.runtime_dir]
    if policy.backend == "landlock":
        # The host's own tree is all there is: no private /proc, /tmp, /dev/shm or terminals.
        # An absent cgroup file is fine for libraries, a forbidden one makes some of them abort.
        read += [*_PROC_SHARED, *_SYS_SHARED, f"/proc/{os.getpid()}"]
    else:
        read += ["/proc", *_SYS_SHARED]
        devices += _TERMINALS
        listing.append(policy.workdir)  # holds only what is shown on purpose
        write += PRIVATE
        sockets += PRIVATE
    landlock.restrict(
        read,
        write,
        execute=policy.system,
        listing=listing,
        sockets=sockets,
        devices=devices,
        granted=_granted(policy),
    )


def _granted(policy: SandboxPolicy) -> Iterator[tuple[int, int]]:
    """Yield an open descriptor of each granted path, and the rights below it.

    Nothing is opened through a link, and nothing but the file or folder that the server saw: what
    stands at the path otherwise stays unreadable, and the probe reports it.
    """
    from analyst_kernel.sandbox.hidden_files import explode

    with ns.owned(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as top:
        for path, identity in zip(policy.grants, policy.identities, strict=True):
            with contextlib.suppress(OSError), ns.owned(ns.open_beneath(top, path)) as fd:
                status = os.fstat(fd)
                if (status.st_dev, status.st_ino) != identity:
                    continue
                hidden = policy.hidden if policy.backend == "landlock" else ()  # else it is masked
                # Folders that hold something hidden are opened entry by entry.
                readable, listed = explode(path, hidden)
                for found, rights in ((readable, landlock.READ), (listed, landlock.READ_DIR)):
                    for entry in found:
                        yield from _below(fd, path, entry, rights)


def _below(folder: int, path: str, entry: str, rights: int) -> Iterator[tuple[int, int]]:
    if entry == path:
        yield folder, rights
        return
    try:
        below = ns.open_beneath(folder, entry[len(path) :])
    except FileNotFoundError:
        return  # it was removed meanwhile
    with ns.owned(below) as fd:
        yield fd, rights


def enclose(policy: SandboxPolicy, handover: Handover | None = None) -> None:
    """Put every innermost layer of ``policy`` on the calling thread; raises ``OSError``.

    Memory is not limited here: the caller does it when the libraries are loaded. Only single-
    threaded processes may call this, because older threads would stay outside.
    """
    own_namespace = policy.backend in ("zygote", "bubblewrap")
    rlimits.apply(policy.limits, data=False, base_tasks=0 if own_namespace else None)
    if not policy.isolates:
        return
    privileges.no_new_privileges()
    privileges.drop_all_capabilities()
    if policy.landlock:
        apply_landlock(policy)
    bare = policy.backend == "landlock"
    if handover is None:
        seccomp.install(guard_metadata=bare)
    else:
        handover.install(guard_metadata=bare)


def enter(source: int, *, connects: bool = False) -> None:
    """Enclose this process by the policy behind a descriptor; where that fails, end it.

    With ``connects`` it may reach sockets of its own, with the help of a parent that stays outside.
    """
    try:
        with os.fdopen(source, encoding="utf-8") as stream:
            stream.seek(0)
            policy = SandboxPolicy.from_json(stream.read())
        handover = None
        if connects and policy.isolates:
            handover = _supervised(policy)
        elif policy.backend in ("landlock", "limits"):
            # No process namespace ends stray children here, so a supervisor of ours does.
            supervise()
        elif sys.platform.startswith("linux"):
            privileges.die_with_parent()
        enclose(policy, handover)
    except (OSError, ValueError) as error:
        refuse(error)


def _supervised(policy: SandboxPolicy) -> Handover:
    """Fork; return in the child. The parent answers its connect(2) until it ends."""
    first = policy.backend == "bubblewrap"
    path = PRIVATE[0] if first else os.path.join(policy.runtime_dir, "tmp")
    broker, handover = Broker(path), Handover()

    def begin() -> None:
        if first:
            # The first process of the namespace, which generated code can see.
            privileges.no_new_privileges()
            privileges.drop_all_capabilities()
            seccomp.install(sockets="broker")
            privileges.set_dumpable(False)
        listener = handover.receive()
        if listener is not None:
            broker.begin(listener)

    supervise(begin, (broker.folder, *handover.descriptors), first=first)
    os.close(broker.folder)
    return handover


def refuse(error: Exception) -> NoReturn:
    """End this process with the reason on standard error."""
    os.write(2, f"the sandbox could not be set up: {error}\n".encode())
    os._exit(REFUSED)


def main(arguments: Sequence[str]) -> None:
    """Enclose this process and become the command; return only by exiting."""
    source, _separator, *command = arguments
    enter(int(source), connects=True)
    try:
        os.execv(command[0], command)  # noqa: S606 - that is what a launcher does
    except (OSError, ValueError) as error:
        refuse(error)

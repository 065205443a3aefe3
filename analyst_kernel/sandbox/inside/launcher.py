"""The innermost layer: ``script.py inside.launcher POLICY_FD -- ARGV`` gives up rights, then execs.

In this order: no_new_privs, capabilities, limits, Landlock, seccomp. Any layer of the policy that
the kernel refuses ends the launcher (exit code 77) before the command starts. Stdlib only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from analyst_kernel.sandbox.linux import landlock, privileges, rlimits, seccomp
from analyst_kernel.sandbox.policy import SandboxPolicy

REFUSED = 77
"""Exit code when a layer could not be put in place."""

ETC = (
    "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/mime.types",
)  # fmt: skip
"""The only parts of /etc that programs need."""

PRIVATE = ("/tmp", "/dev/shm")  # noqa: S108 - each kernel mounts its own there
"""Writable folders that belong to one kernel in the backends with mounts."""

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
    if policy.backend == "landlock":
        # The host's own tree is all there is: no private /proc, /tmp, /dev/shm or terminals.
        # Folders that hold something hidden are opened entry by entry.
        from analyst_kernel.sandbox.hidden_files import explode

        for grant in policy.grants:
            readable, listed = explode(grant, policy.hidden)
            read += readable
            listing += listed
        # An absent cgroup file is fine for libraries, a forbidden one makes some of them abort.
        read += [*_PROC_SHARED, *_SYS_SHARED, f"/proc/{os.getpid()}"]
    else:
        read += [*policy.grants, "/proc", *_SYS_SHARED]
        devices += _TERMINALS
        listing.append(policy.workdir)  # holds only what is shown on purpose
        write += PRIVATE
    landlock.restrict(
        read,
        write,
        execute=policy.system,
        listing=listing,
        sockets=[policy.runtime_dir],
        devices=devices,
    )


def enclose(policy: SandboxPolicy) -> None:
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
    seccomp.install()


def main(arguments: Sequence[str]) -> None:
    """Enclose this process and become the command; return only by exiting."""
    try:
        source, _separator, *command = arguments
        with os.fdopen(int(source), encoding="utf-8") as stream:
            stream.seek(0)
            policy = SandboxPolicy.from_json(stream.read())
        if policy.backend in ("landlock", "limits"):
            # No process namespace ends stray children here, so a supervisor of ours does.
            from analyst_kernel.sandbox.inside.supervisor import supervise

            supervise()
        elif sys.platform.startswith("linux"):
            privileges.die_with_parent()
        enclose(policy)
        os.execv(command[0], command)  # noqa: S606 - that is what a launcher does
    except (OSError, ValueError) as error:
        os.write(2, f"the sandbox could not be set up: {error}\n".encode())
        os._exit(REFUSED)

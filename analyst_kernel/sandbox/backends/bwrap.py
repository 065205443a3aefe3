"""The command line of bubblewrap for one policy: a pure function, nothing is run here.

Nothing is shown that the policy does not name; every namespace is new; nothing is a mount point
inside a folder that generated code can change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from analyst_kernel.protocol.errors import PolicyError
from analyst_kernel.sandbox.inside.launcher import ETC, PRIVATE, covers
from analyst_kernel.sandbox.policy import (
    PROC_MASKED,
    PROC_MASKED_FOLDERS,
    PROC_READ_ONLY,
    SandboxPolicy,
    within,
)

NOBODY = 65534
"""The uid and gid that root appears as inside."""

NAMESPACES = (
    "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-net", "--unshare-ipc",
    "--unshare-uts", "--unshare-cgroup-try",
)  # fmt: skip


def base_argv(bwrap: str, namespaces: Sequence[str]) -> list[str]:
    """Return what every use of bubblewrap begins with; root appears as nobody inside."""
    argv = [bwrap, "--die-with-parent", "--new-session", *namespaces, "--cap-drop", "ALL"]
    if os.getuid() == 0:
        argv += ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    return argv


def bwrap_argv(
    policy: SandboxPolicy,
    command: Sequence[str],
    *,
    bwrap: str = "bwrap",
    links: Sequence[tuple[str, str]] = (),
    filter_fd: int | None = None,
    exists: Callable[[str], bool] = os.path.exists,
) -> list[str]:
    """Return the argument vector that runs ``command`` enclosed.

    Args:
        policy: What may be reached; its backend must be ``bubblewrap``.
        command: What runs inside; its first word an absolute path.
        bwrap: The program.
        links: ``(target, path)`` of top-level links to make.
        filter_fd: A descriptor with a packed seccomp program. bubblewrap's own first process inside
            gets it too, which the launcher cannot reach. Without one the command is that process.
        exists: Asked about /proc entries and /etc files.

    Raises:
        PolicyError: The policy is for a different backend, or the command is no program.
    """
    if policy.backend != "bubblewrap":
        raise PolicyError(f"bubblewrap cannot enforce the form {policy.backend!r}")
    if not command or not command[0].startswith("/"):
        raise PolicyError("the command must begin with an absolute path")
    argv = [*base_argv(bwrap, NAMESPACES), "--hostname", "analysis"]
    argv += ["--as-pid-1"] if filter_fd is None else ["--seccomp", str(filter_fd)]
    argv += _devices_and_proc(policy, exists)
    for path in ETC:
        if exists(path):
            argv += ["--ro-bind", path, path]
    shown = (*policy.grants, *policy.system, policy.output_dir, policy.runtime_dir)
    covered = covers((*shown, policy.workdir), links)
    for path in covered:
        argv += ["--size", str(1 << 20), "--tmpfs", path]
    for target, path in links:
        argv += ["--symlink", target, path]
    argv += _shown(policy)
    for path in policy.hidden:
        argv += ["--size", "4096", "--tmpfs", path] if os.path.isdir(path) else _mask(path)
        argv += ["--remount-ro", path]
    for path in (*covered, "/dev", "/"):
        argv += ["--remount-ro", path]
    return [*argv, "--chdir", policy.workdir, "--", *command]


def _mask(path: str) -> list[str]:
    return ["--ro-bind", "/dev/null", path]


def _devices_and_proc(policy: SandboxPolicy, exists: Callable[[str], bool]) -> list[str]:
    size = str(policy.limits.tmp_bytes)
    argv = ["--dev", "/dev", "--proc", "/proc"]
    for path in PRIVATE:
        argv += ["--size", size, "--perms", "1777", "--tmpfs", path]
    for path in PROC_READ_ONLY:
        if exists(path):
            argv += ["--ro-bind", path, path]
    for path in PROC_MASKED:
        if exists(path):
            argv += _mask(path)
    for path in PROC_MASKED_FOLDERS:
        if exists(path):
            argv += ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
    return argv


def _shown(policy: SandboxPolicy) -> list[str]:
    """Return binds, outer folders first, so that no parent covers a nested one."""
    binds = dict.fromkeys((*policy.system, *policy.grants), "--ro-bind")
    binds[policy.runtime_dir] = "--bind"
    binds[policy.output_dir] = "--bind"
    argv: list[str] = []
    if not any(within(policy.workdir, path) for path in binds):
        argv += ["--dir", policy.workdir]
    for path in sorted(binds, key=lambda item: (item.count("/"), item)):
        argv += [binds[path], path, path]
    return argv

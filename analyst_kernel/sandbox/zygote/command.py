"""How a zygote is started: bubblewrap's command line, its environment and its configuration.

Pure but for looking at what exists; ``manager`` runs it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict

from analyst_kernel.sandbox import environment, paths
from analyst_kernel.sandbox.backends.bwrap import base_argv
from analyst_kernel.sandbox.inside.launcher import ETC, PRIVATE
from analyst_kernel.sandbox.policy import ResourceLimits, SandboxPolicy, within
from analyst_kernel.sandbox.zygote import mounter, rootfs

NAMESPACES = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try",
)  # fmt: skip
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SYS_CHROOT")
"""Kept inside bubblewrap's user namespace alone, to make containers; no kernel has them."""

_NO_DATA = ("/proc", "/sys", "/dev", "/etc", "/boot", "/lost+found")


def tops(system: Sequence[str], root: str = "/") -> tuple[str, ...]:
    """Top-level folders that data may lie in; fixed for the life of a zygote."""
    found: list[str] = []
    for entry in os.scandir(root):
        path = f"/{entry.name}"
        ordinary = entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
        if ordinary and path not in _NO_DATA and path not in system:
            found.append(path)
    return tuple(sorted(found))


def argv(
    python: str,
    system: Sequence[str],
    links: Sequence[tuple[str, str]],
    descriptors: Sequence[int],
    *,
    bwrap: str = "bwrap",
) -> list[str]:
    """Return the whole command line.

    Args:
        python: The interpreter of the kernels.
        system: Real paths of it and its libraries.
        links: ``(target, path)`` of top-level links.
        descriptors: The zygote's and the mounter's ends.
        bwrap: The program.
    """
    line = [*base_argv(bwrap, NAMESPACES), "--hostname", "analysis"]
    for capability in CAPABILITIES:
        line += ["--cap-add", capability]
    line += ["--dev", "/dev", "--proc", "/proc"]
    size = str(ResourceLimits().tmp_bytes)
    for path in PRIVATE:
        line += ["--size", size, "--perms", "1777", "--tmpfs", path]
    for target, path in links:
        line += ["--symlink", target, path]
    for path in (*(path for path in ETC if os.path.exists(path)), *system):
        line += ["--ro-bind", path, path]
    line += ["--dir", rootfs.STAGE, "--bind", "/", mounter.HOST, "--chdir", "/"]
    return [*line, "--", *_zygote(python, _config(system, links), descriptors)]


def bare_argv(python: str, descriptor: int, *, bwrap: str = "") -> list[str]:
    """Return the command line of a zygote whose kernels are enclosed by Landlock and seccomp alone.

    ``bwrap`` is put around all of them, without capabilities; empty for none.
    """
    line: list[str] = []
    if bwrap:
        line += base_argv(bwrap, NAMESPACES)
        line += ["--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--chdir", "/", "--"]
    return [*line, *_zygote(python, "{}", [descriptor])]


def _zygote(python: str, config: str, descriptors: Sequence[int]) -> list[str]:
    script = os.path.join(paths.own_folder(), "script.py")
    return [python, "-P", script, "zygote.main", config, *map(str, descriptors)]


def _config(system: Sequence[str], links: Sequence[tuple[str, str]]) -> str:
    plan = rootfs.RootfsPlan(system, links, tops(system), ResourceLimits.tmp_bytes)
    return json.dumps({"container": asdict(plan)}, separators=(",", ":"))


def zygote_environment(
    python: str, system: Sequence[str], scratch: str | None = None
) -> dict[str, str]:
    """Return the zygote's whole environment: that of a kernel, without anything of the user's.

    The first process of every container keeps it where a kernel might look. ``scratch`` is a folder
    for what it writes, where it has no private /tmp.
    """
    policy = SandboxPolicy(
        workdir="/",
        output_dir="/tmp/.output",  # noqa: S108 - names nothing, and never exists
        grants=(),
        runtime_dir=scratch or "/tmp/.runtime",  # noqa: S108 - never exists either
        system=tuple(system),
        limits=ResourceLimits(cpus=1),
        backend="landlock" if scratch else "zygote",
    )
    made = environment.scrubbed({}, policy, python)
    # A prepared process has one thread; its kernels get theirs back.
    return made | {"ARROW_DEFAULT_MEMORY_POOL": "system"}


def reachable(path: str, known: Sequence[str]) -> bool:
    """Return whether a zygote with these top-level folders can show ``path``."""
    return any(within(path, top) for top in known)

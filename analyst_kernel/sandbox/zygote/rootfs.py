"""Build the private root of one kernel: system, devices, /proc, /tmp, and no user's files.

Runs once per kernel, in new namespaces, before anything of the user's is shown. The data comes
later, through ``mounter``. Stdlib only.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from analyst_kernel.sandbox.inside.launcher import ETC, PRIVATE, covers
from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.policy import PROC_MASKED, PROC_MASKED_FOLDERS, PROC_READ_ONLY

STAGE = "/.rootfs"
"""An empty folder of the zygote's root, on which a new root is put together."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_SAFE = ns.MS_NOSUID | ns.MS_NODEV
_READ_ONLY = ns.MS_REMOUNT | ns.MS_BIND | ns.MS_RDONLY | _SAFE


@dataclass(frozen=True)
class RootfsPlan:
    """What every container of one zygote holds.

    Its ``links`` are pairs ``(target, path)``; data may be mounted below ``tops`` later.
    """

    system: Sequence[str]
    links: Sequence[Sequence[str]]
    tops: Sequence[str]
    tmp_bytes: int

    def covers(self) -> list[str]:
        """Return folders of the private /tmp that only lead to the system: they are read-only."""
        return covers(self.system, self.links)


def build(plan: RootfsPlan, *, zygote: bool = False) -> None:
    """Put the caller, in a fresh mount namespace, into a root of its own; raises ``OSError``.

    Args:
        plan: What it holds.
        zygote: Whether containers are to be built from here.
    """
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
    ns.mount("tmpfs", STAGE, "tmpfs", _SAFE, "size=1m,mode=755")
    for name in plan.tops:
        os.makedirs(STAGE + name, exist_ok=True)
    for path in ("/dev", "/proc", *PRIVATE):
        os.makedirs(STAGE + path, exist_ok=True)
    if zygote:
        os.mkdir(STAGE + STAGE)
    _devices(plan.tmp_bytes)
    _proc()
    size = f"size={plan.tmp_bytes},mode=1777"
    ns.mount("tmpfs", f"{STAGE}/tmp", "tmpfs", _SAFE, size)  # noqa: S108 - the container's own
    covered = plan.covers()
    for path in covered:
        os.mkdir(STAGE + path)
        ns.mount("tmpfs", STAGE + path, "tmpfs", _SAFE, "size=1m,mode=755")
    for target, path in plan.links:
        os.makedirs(os.path.dirname(STAGE + path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(target, STAGE + path)
    for path in (*plan.system, *(path for path in ETC if os.path.exists(path))):
        _bind(path, STAGE + path)
    for path in covered:
        ns.mount(None, STAGE + path, None, _READ_ONLY)
    ns.mount(None, STAGE, None, _READ_ONLY)
    ns.pivot_into(STAGE)


def _bind(source: str, target: str) -> None:
    """Show ``source``, which is read-only already, at ``target``."""
    _mount_point(target, folder=os.path.isdir(source))
    ns.mount(source, target, None, ns.MS_BIND | ns.MS_REC)


def _mount_point(path: str, *, folder: bool) -> None:
    os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
    if not folder:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))


def _devices(tmp_bytes: int) -> None:
    dev = f"{STAGE}/dev"
    ns.mount("tmpfs", dev, "tmpfs", ns.MS_NOSUID, "size=64k,mode=755")
    for name in DEVICES:
        _mount_point(f"{dev}/{name}", folder=False)
        ns.mount(f"/dev/{name}", f"{dev}/{name}", None, ns.MS_BIND)
    for name in ("pts", "shm"):
        os.mkdir(f"{dev}/{name}", 0o755)
    terminals = "newinstance,ptmxmode=0666,mode=620"
    ns.mount("devpts", f"{dev}/pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC, terminals)
    ns.mount("tmpfs", f"{dev}/shm", "tmpfs", _SAFE, f"size={tmp_bytes},mode=1777")
    for target, name in (
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ):
        os.symlink(target, f"{dev}/{name}")
    ns.mount(None, dev, None, ns.MS_REMOUNT | ns.MS_BIND | ns.MS_RDONLY | ns.MS_NOSUID)


def _proc() -> None:
    ns.mount("proc", f"{STAGE}/proc", "proc", _SAFE | ns.MS_NOEXEC)
    for path in PROC_READ_ONLY:
        if os.path.exists(STAGE + path):
            ns.mount(STAGE + path, STAGE + path, None, ns.MS_BIND)
            ns.mount(None, STAGE + path, None, _READ_ONLY | ns.MS_NOEXEC)
    for path in PROC_MASKED:
        if os.path.exists(STAGE + path):
            ns.mount(f"{STAGE}/dev/null", STAGE + path, None, ns.MS_BIND)
    for path in PROC_MASKED_FOLDERS:
        if os.path.exists(STAGE + path):
            ns.mount("tmpfs", STAGE + path, "tmpfs", _SAFE | ns.MS_RDONLY, "size=4k")


def resize(tmp_bytes: int) -> None:
    """Resize /tmp and /dev/shm of the caller's mount namespace."""
    for path in PRIVATE:
        ns.mount(None, path, None, ns.MS_REMOUNT | _SAFE, f"size={tmp_bytes}")

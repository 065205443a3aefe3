"""The one process of the sandbox that sees the host's files: it shows granted ones to containers.

Forked before any library is loaded, single-threaded, and the only holder of the host's tree; the
zygote and the kernels never have it. It takes orders from the server alone. Stdlib only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel.sandbox.inside.launcher import PRIVATE
from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.zygote import messages, rootfs

HOST = "/.host"
"""Where bubblewrap shows the host's tree to this process."""

_SAFE = ns.ATTR_NOSUID | ns.ATTR_NODEV
_COVER_BYTES = 1 << 20


@dataclass
class ContainerMounts:
    """A kernel's mount namespace.

    Attributes:
        fd: The namespace.
        own: Devices of the file systems that belong to the container and may get mount points.
        copies: Of mounts that are no longer needed; see :meth:`release`.
    """

    fd: int
    own: set[int] = field(default_factory=set)
    copies: list[int] = field(default_factory=list)

    def release(self) -> None:
        """Close the copies: the system ends each after a wait of its own, up to milliseconds."""
        messages.close_all(self.copies)
        self.copies.clear()


class Mounter:
    """Answers the server's orders, one at a time."""

    def __init__(self, end: socket.socket, covers: Sequence[str] = ()) -> None:
        self._end = end
        self._own = ("/", *PRIVATE, *covers)
        self._own_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._host = os.open(HOST, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._client: dict[int, ContainerMounts] = {}

    def serve(self) -> None:
        """Carry orders out until the server closes its end."""
        while True:
            try:
                order, fds = messages.receive(self._end)
            except messages.ConnectionBroken:
                return
            answer: dict[str, Any] = {"id": order.get("id")}
            try:
                self._handle(order, fds)
            except (OSError, KeyError, TypeError, ValueError) as error:
                answer["error"] = str(error) or type(error).__name__
            finally:
                messages.close_all(fds)
            messages.send(self._end, answer)
            for held in self._client.values():
                held.release()

    def _handle(self, order: dict[str, Any], fds: list[int]) -> None:
        number = int(order["container"])
        match order["do"]:
            case "adopt":
                self._client[number] = ContainerMounts(os.dup(fds[0]))
            case "show":
                self._show(self._client[number], order)
            case "renew":
                self._renew(self._client[number], str(order["path"]), order["identity"])
            case "forget":
                found = self._client.pop(number, None)
                if found is not None:
                    os.close(found.fd)
                    found.release()
            case other:
                raise ValueError(f"unknown order {other!r}")

    # --- showing ----------------------------------------------------------------------------------

    def _tree(self, path: str, *, writable: bool, identity: Any = None) -> tuple[int, bool]:
        """Return a detached copy of a path of the host's, and whether it is a folder.

        With an ``identity``, the device and inode that the server saw, nothing else is taken.
        """
        with ns.owned(ns.open_beneath(self._host, path)) as fd:
            status = os.fstat(fd)
            mode = status.st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise OSError(f"{path} is neither a file nor a folder")
            if identity is not None and [status.st_dev, status.st_ino] != list(identity):
                raise OSError(f"{path} was replaced while it was being shown")
            tree = ns.clone_tree(fd)
        try:
            ns.set_attributes(tree, add=_SAFE | (0 if writable else ns.ATTR_RDONLY))
        except OSError:
            os.close(tree)
            raise
        return tree, stat.S_ISDIR(mode)

    def _show(self, inside: ContainerMounts, order: dict[str, Any]) -> None:
        """Mount ``order["paths"]`` (outer ones first), then mask.

        Each is ``[path, writable, identity or None]``.
        """
        with contextlib.ExitStack() as stack:
            trees: list[tuple[str, int, bool]] = []
            for path, writable, identity in order.get("paths", ()):
                tree, folder = self._tree(path, writable=bool(writable), identity=identity)
                stack.callback(os.close, tree)
                trees.append((path, tree, folder))
            with self._entered(inside):
                if not inside.own:
                    inside.own = {os.stat(path).st_dev for path in self._own}
                if "tmp_bytes" in order:
                    rootfs.resize(int(order["tmp_bytes"]))
                for path in order.get("folders", ()):
                    os.close(_point(inside, path, folder=True, cover=True))
                for path, tree, folder in trees:
                    with ns.owned(_point(inside, path, folder=folder)) as target:
                        ns.attach(tree, target)
                for path in order.get("hidden", ()):
                    self._mask(path)

    @contextlib.contextmanager
    def _entered(self, inside: ContainerMounts) -> Iterator[None]:
        """Be in the container's mount namespace for a block."""
        ns.setns(inside.fd, ns.NEWNS)
        try:
            yield
        finally:
            ns.setns(self._own_mounts, ns.NEWNS)

    def _mask(self, path: str) -> None:
        """Cover one entry with nothing; one that is gone needs none."""
        try:
            target = _open_plain(path)
        except FileNotFoundError:
            return
        with ns.owned(target):
            if stat.S_ISDIR(os.fstat(target).st_mode):
                tree, flags = ns.new_tmpfs(4096), _SAFE
            else:
                with ns.owned(os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)) as null:
                    tree, flags = ns.clone_tree(null), ns.ATTR_NOSUID
            with ns.owned(tree):
                ns.set_attributes(tree, add=flags | ns.ATTR_RDONLY)
                ns.attach(tree, target)

    def _renew(self, inside: ContainerMounts, path: str, identity: Any) -> None:
        """Show the file that stands at ``path`` now in place of the one that was shown."""
        tree, folder = self._tree(path, writable=False, identity=identity)
        with ns.owned(tree):
            if folder:
                raise OSError(f"{path} became a folder")
            with self._entered(inside), ns.owned(_open_plain(path)) as target:
                try:
                    ns.attach(tree, target, beneath=True)
                except OSError:  # before Linux 6.5: a moment without the file
                    ns.unmount(path)
                    ns.attach(tree, target)
                else:
                    ns.unmount(path)


def _open_plain(path: str) -> int:
    """Open ``path`` in the present root through no link."""
    with ns.owned(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as root:
        return ns.open_beneath(root, path)


def _point(inside: ContainerMounts, path: str, *, folder: bool, cover: bool = False) -> int:
    """Open a mount point in the container, made where it is missing; ``O_PATH``.

    With ``cover`` nothing is going to be mounted on it, so it is made read-only itself. Every step
    goes through descriptors and no link: generated code may be changing /tmp meanwhile.
    """
    parts = path.strip("/").split("/")
    here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for depth, name in enumerate(parts):
        last = depth == len(parts) - 1
        as_folder = folder or not last
        try:
            following = _step(here, name)
        except FileNotFoundError:
            try:
                _make(inside, here, name, folder=as_folder)
                following = _step(here, name)
                if (cover or not last) and _is_writable(here, f"/{'/'.join(parts[:depth])}"):
                    following = _cover(inside, here, name, following)
            except OSError:
                os.close(here)
                raise
        os.close(here)
        here = following
        mode = os.fstat(here).st_mode
        # A character device is a mask of ours: no kernel can make one.
        if not (stat.S_ISDIR(mode) if as_folder else stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
            os.close(here)
            raise OSError(f"something else stands in the way of {path}")
    return here


def _is_writable(here: int, path: str) -> bool:
    """Return whether the kernel may write in this folder of a container (its /tmp, say)."""
    private = any(path == top or path.startswith(f"{top}/") for top in PRIVATE)
    return private and not os.fstatvfs(here).f_flag & os.ST_RDONLY


def _step(here: int, name: str) -> int:
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)


def _make(inside: ContainerMounts, here: int, name: str, *, folder: bool) -> None:
    """Make one entry through a writable copy of the mount, which stays read-only for the kernel."""
    if os.fstat(here).st_dev not in inside.own:
        raise OSError(f"{name} does not exist there")
    copy = ns.clone_tree(here, recursive=False)
    inside.copies.append(copy)
    ns.set_attributes(copy, clear=ns.ATTR_RDONLY, recursive=False)
    if folder:
        os.mkdir(name, 0o755, dir_fd=copy)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o444, dir_fd=copy))


def _cover(inside: ContainerMounts, here: int, name: str, made: int) -> int:
    """Make a folder of /tmp read-only that only leads to data: writes to it would vanish."""
    with ns.owned(made), ns.owned(ns.new_tmpfs(_COVER_BYTES)) as tree:
        inside.own.add(os.fstat(tree).st_dev)
        ns.set_attributes(tree, add=_SAFE | ns.ATTR_RDONLY)
        ns.attach(tree, made)
    return _step(here, name)

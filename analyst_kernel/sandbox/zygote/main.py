"""The zygote: ``script.py zygote.main CONFIG ZYGOTE_FD [MOUNTER_FD]``.

Splits off the mounter, loads the libraries, then makes one container per order of the server.
Without a mounter its containers are bare: no namespaces, Landlock and seccomp alone. It runs
nothing generated.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Sequence
from typing import Any

from analyst_kernel.sandbox.inside.entry import served
from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.linux import privileges
from analyst_kernel.sandbox.zygote import messages, mounter, rootfs

FAILED = 78
"""Exit code when the zygote could not be set up; the reason is on standard error."""

_READER_WAIT = 30.0  # seconds for the container of a reader


class Zygote:
    """Serves the server over one socket; its children are the first processes of containers.

    Readers are forked from a second one, which it forks when the first reader is asked for.
    """

    def __init__(self, end: socket.socket, plan: rootfs.RootfsPlan | None) -> None:
        from analyst_kernel.sandbox.zygote import child, init, preload

        self._end = end
        self._init = init
        self._settle = preload.settle
        self._plan = plan
        self._loaded = ""
        self._readers: socket.socket | None = None
        self._pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        os.makedirs(os.environ["HOME"], exist_ok=True)
        loaded = preload.load()
        self._app = preload.build_app(child.app_class())
        child.prepare_shared(self._app.shell)
        preload.settle()
        signal.signal(signal.SIGCHLD, _reap)
        messages.send(end, {"ready": loaded})

    def serve(self) -> None:
        """Make containers until the server closes its end."""
        with contextlib.suppress(messages.ConnectionBroken):
            while True:
                order, fds = messages.receive(self._end)
                answer: dict[str, Any] = {"id": order.get("id")}
                given: list[int] = []
                try:
                    if order.get("serves", "") == self._loaded:
                        given = [self._container(fds[0])]
                    else:
                        answer, given = self._made_for_reader(order, fds)
                except (OSError, IndexError) as error:
                    answer["error"] = str(error)
                finally:
                    messages.close_all(fds)
                try:
                    messages.send(self._end, answer, given)
                finally:
                    messages.close_all(given)

    def _made_for_reader(
        self, order: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Let the zygote of readers make a container; return its answer."""
        if self._readers is None:
            self._readers = self._split_off(order["serves"], fds)
        try:
            messages.send(self._readers, order, fds)
            return messages.receive(self._readers, _READER_WAIT)
        except messages.ConnectionBroken as error:
            self._readers.close()
            self._readers = None  # the next one gets a new one
            raise OSError(f"no reader can be forked: {error}") from error

    def _split_off(self, serves: str, foreign: Sequence[int]) -> socket.socket:
        """Fork a zygote that has loaded what a reader serves too; return the way to it.

        Loading it takes longer than reading a file. Kernels are not forked from it: what they find
        loaded is to be the same whether a file was read before them or not. ``foreign`` are
        descriptors of this moment, whose other ends are to see when a container ends.
        """
        ours, theirs = messages.pair()
        own = os.getpid()
        if os.fork():
            theirs.close()
            return ours
        try:
            privileges.die_with_parent(own)
            ours.close()
            self._end.close()
            messages.close_all(foreign)
            self._end, self._loaded = theirs, serves
            with contextlib.suppress(ImportError):  # a reader says it where its server hears it
                served(serves)
            self._settle()
            self.serve()
        finally:
            os._exit(0)

    def _container(self, channel: int) -> int:
        """Fork the first process of a container; return its pidfd."""
        if self._plan is not None:
            ns.unshare(ns.NEWPID)
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            pid = os.fork()
            if pid == 0:
                self._init.run(socket.socket(fileno=channel), self._plan, self._app, self._leave)
            return os.pidfd_open(pid)
        finally:
            if self._plan is not None:
                ns.setns(self._pid_namespace, ns.NEWPID)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def _leave(self) -> None:
        """In a child: close what belongs to the zygote."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self._end.close()
        if self._readers is not None:
            self._readers.close()
        os.close(self._pid_namespace)


def _reap(_signum: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _split(zygote: socket.socket, mounter_end: socket.socket, plan: rootfs.RootfsPlan) -> None:
    """Make the namespaces that containers are made from, and the mounter; return in the zygote."""
    ns.unshare(ns.NEWPID | ns.NEWNS)
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_SLAVE)
    first = os.fork()
    if first:
        zygote.close()
        mounter_end.close()
        _pid, status = os.waitpid(first, 0)
        os._exit(max(os.waitstatus_to_exitcode(status), 0))
    privileges.die_with_parent()
    if os.fork() == 0:
        zygote.close()
        privileges.die_with_parent()
        mounter.Mounter(mounter_end, plan.covers()).serve()
        os._exit(0)
    mounter_end.close()
    # A root of its own, because what bubblewrap mounted cannot be taken away one by one.
    ns.unshare(ns.NEWNS)
    rootfs.build(plan, zygote=True)


def main(arguments: Sequence[str]) -> None:
    """Run the zygote; return only by exiting."""
    try:
        config = json.loads(arguments[0])
        zygote, *mounter_end = (socket.socket(fileno=int(fd)) for fd in arguments[1:3])
        plan = None
        if mounter_end:
            plan = rootfs.RootfsPlan(**config["container"])
            _split(zygote, mounter_end[0], plan)
        else:
            privileges.die_with_parent()
        Zygote(zygote, plan).serve()
    except Exception as error:  # noqa: BLE001 - whatever it is, the server must get it
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(FAILED)
    os._exit(0)

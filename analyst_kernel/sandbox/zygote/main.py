"""The zygote: ``python -P main.py CONFIG ZYGOTE_FD [MOUNTER_FD]``.

Splits off the mounter, loads the libraries, then makes one room per order of the server. Without a
mounter its rooms are bare: no namespaces, Landlock and seccomp alone. It runs nothing generated.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import types
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    _zygote = os.path.dirname(os.path.abspath(__file__))
    _sandbox = os.path.dirname(_zygote)
    _names = ("analyst_kernel", "analyst_kernel.sandbox", "analyst_kernel.sandbox.zygote")
    for _name, _path in zip(_names, (os.path.dirname(_sandbox), _sandbox, _zygote), strict=True):
        _module = types.ModuleType(_name)
        _module.__path__ = [_path]
        sys.modules[_name] = _module

from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.linux import privileges
from analyst_kernel.sandbox.zygote import messages, mounter, rootfs

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 78
"""Exit code when the zygote could not be set up; the reason is on standard error."""


class Zygote:
    """Obeys the server over one socket; its children are the first processes of rooms."""

    def __init__(self, end: socket.socket, plan: rootfs.Plan | None) -> None:
        """Load everything and report."""
        from analyst_kernel.sandbox.zygote import child, init, preload

        self._end = end
        self._init = init
        self._plan = plan
        self._pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        os.makedirs(os.environ["HOME"], exist_ok=True)
        loaded = preload.load()
        self._app = preload.build_app(child.app_class())
        child.look_up(self._app.shell)
        preload.settle()
        signal.signal(signal.SIGCHLD, _reap)
        messages.send(end, {"ready": loaded})

    def serve(self) -> None:
        """Make rooms until the server closes its end."""
        while True:
            try:
                order, fds = messages.receive(self._end)
            except messages.Broken:
                return
            answer: dict[str, Any] = {"id": order.get("id")}
            given: list[int] = []
            try:
                given = [self._room(fds[0])]
            except (OSError, IndexError) as error:
                answer["error"] = str(error)
            finally:
                messages.close_all(fds)
            try:
                messages.send(self._end, answer, given)
            except messages.Broken:
                return
            finally:
                messages.close_all(given)

    def _room(self, channel: int) -> int:
        """Fork the first process of a room; returns its pidfd."""
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
        """In a child: let go of what is the zygote's."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self._end.close()
        os.close(self._pid_namespace)


def _reap(_signum: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _split(zygote: socket.socket, mounter_end: socket.socket, plan: rootfs.Plan) -> None:
    """Make the namespaces that rooms are made from, and the mounter; returns in the zygote."""
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
        mounter.serve(mounter_end)
        os._exit(0)
    mounter_end.close()
    # A root of its own, because what bubblewrap mounted cannot be taken away one by one.
    ns.unshare(ns.NEWNS)
    rootfs.build(plan, zygote=True)


def main(arguments: Sequence[str]) -> None:
    """Run the zygote; returns only by exiting."""
    try:
        config = json.loads(arguments[0])
        zygote, *mounter_end = (socket.socket(fileno=int(fd)) for fd in arguments[1:3])
        plan = None
        if mounter_end:
            plan = rootfs.Plan.from_record(config["room"])
            _split(zygote, mounter_end[0], plan)
        else:
            privileges.die_with_parent()
        Zygote(zygote, plan).serve()
    except Exception as error:  # noqa: BLE001 - whatever it is, the server must hear of it
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(FAILED)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

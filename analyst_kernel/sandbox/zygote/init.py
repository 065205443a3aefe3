"""The first process of a container: builds it, starts the kernel in it, reaps, ends everything.

Its end is the end of every process of the analysis, because it is the first of a process
namespace. It runs nothing generated.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from analyst_kernel.sandbox.inside import supervisor
from analyst_kernel.sandbox.inside.broker import Broker, Handover
from analyst_kernel.sandbox.linux import namespaces as ns
from analyst_kernel.sandbox.linux import privileges, seccomp
from analyst_kernel.sandbox.policy import SandboxPolicy
from analyst_kernel.sandbox.zygote import child, messages, rootfs


def run(
    channel: socket.socket, plan: rootfs.RootfsPlan | None, app: Any, leave: Callable[[], None]
) -> NoReturn:
    """Act as the first process of a new container, right after the zygote forked.

    Args:
        channel: To the server; the kernel uses it too until it is released.
        plan: What the container holds; None for a bare one.
        app: The zygote's application, which the kernel becomes.
        leave: Closes what is the zygote's.
    """
    code = 1
    try:
        leave()
        if plan is None:
            _enter_bare(channel)
        else:
            _enter(channel, plan)
        order, given = messages.receive(channel)
        own = os.getpid()
        broker = _broker(order, bare=plan is None)
        handover = Handover()
        kernel = os.fork()
        if kernel == 0:
            if plan is None:
                privileges.die_with_parent(own)
            held = broker is not None
            _kernel(channel, order, given, app, handover, bare=plan is None, held=held)
        messages.close_all(given)
        listener = handover.receive()
        if broker is not None and listener is not None:
            broker.begin(listener)
        code = _watch(kernel, bare=plan is None)
        messages.send(channel, {"exited": code}, timeout=1.0)
    except messages.ConnectionBroken:
        pass  # the server closed this container's channel
    except BaseException:  # noqa: BLE001 - a container that failed must report it and end
        _report_failure(channel)
    finally:
        os._exit(min(max(code, 0), 255))


def _enter(channel: socket.socket, plan: rootfs.RootfsPlan) -> None:
    """Make the container, hand its mount namespace to the server, and give up every right."""
    ns.unshare(ns.NEWNS | ns.NEWIPC | ns.NEWNET)
    rootfs.build(plan)
    _detach_streams()
    mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    # A namespace of its own counts the processes of one kernel against its own limit.
    ns.new_user_namespace()
    _give_up_rights(bare=False)
    messages.send(channel, {"container": True}, [mounts])
    os.close(mounts)


def _enter_bare(channel: socket.socket) -> None:
    """Without namespaces: adopt what the kernel starts, and give up every right."""
    os.setsid()
    privileges.become_subreaper()
    # Catchable, so that the descendants can be ended first; the zygote's death sends it.
    privileges.die_with_parent(signum=signal.SIGTERM)
    _detach_streams()
    _give_up_rights(bare=True)
    messages.send(channel, {"container": True})


def _give_up_rights(*, bare: bool) -> None:
    privileges.no_new_privileges()
    privileges.drop_all_capabilities()
    seccomp.install(guard_metadata=bare, sockets="broker")
    privileges.set_dumpable(False)


def _broker(order: dict[str, Any], *, bare: bool) -> Broker | None:
    """Return what lets a kernel connect to its own sockets; a reader has none."""
    if "serve" in order:
        return None
    path = "/tmp"  # noqa: S108 - the container's own
    if bare:
        path = os.path.join(SandboxPolicy.from_json(order["policy"]["whole"]).runtime_dir, "tmp")
    return Broker(path)


def _detach_streams() -> None:
    nowhere = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)


def _kernel(
    channel: socket.socket,
    order: dict[str, Any],
    given: list[int],
    app: Any,
    handover: Handover,
    *,
    bare: bool,
    held: bool,
) -> NoReturn:
    """Run the kernel; return only by exiting."""
    code = 1
    try:
        handover.install(guard_metadata=bare, held=held)
        privileges.set_dumpable(True)
        if "serve" in order:
            code = child.serve(channel, order, socket.socket(fileno=given[0]))
        else:
            code = child.run(channel, order, app)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except messages.ConnectionBroken:
        pass  # the server gave up on this kernel
    except BaseException:  # noqa: BLE001 - a kernel that cannot start must report it and end
        _report_failure(channel)
    finally:
        os._exit(code)


def _report_failure(channel: socket.socket) -> None:
    with contextlib.suppress(messages.ConnectionBroken):
        messages.send(channel, {"failed": traceback.format_exc()[-4000:]}, timeout=1.0)


def _watch(kernel: int, *, bare: bool) -> int:
    """Reap orphans until the kernel ends; return its exit code, negative for a signal."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    if bare:
        supervisor.kill_on_sigterm(kernel)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == kernel:
            if bare:
                supervisor.end_descendants()
            return os.waitstatus_to_exitcode(status)

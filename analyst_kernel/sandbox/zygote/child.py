"""From a fork of the zygote to a running kernel: enclose, probe, bind, wait for the verdict, serve.

Two ways with the same parts: a kernel whose data is known when it is forked, and a spare, which is
bound ahead and takes its data and identity later. Nothing generated runs before the verdict.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from analyst_kernel.sandbox.inside import launcher, probe
from analyst_kernel.sandbox.inside.entry import (
    make_home,
    run_startup,
    serve_requests,
    served,
    set_up_shell,
    unload_package,
)
from analyst_kernel.sandbox.inside.launcher import ETC, PRIVATE
from analyst_kernel.sandbox.linux import foreign_abi, landlock, rlimits, seccomp
from analyst_kernel.sandbox.policy import ResourceLimits, SandboxPolicy
from analyst_kernel.sandbox.zygote import messages, preload, prewarm, rootfs

_CLOSE_WAIT = 0.2  # seconds to send the last messages
_REPLY_WAIT = 60.0  # seconds for the server's next word


def app_class() -> Any:
    """Return the application of forked kernels; a function, because the import is heavy."""
    from ipykernel.kernelapp import IPKernelApp

    class ForkedKernelApp(IPKernelApp):
        """Takes its connection from the server."""

        def get_ready(self) -> None:
            """Register the handlers, before any client is given the sockets.

            Registering and receiving at once is a race over the socket, which loses requests.
            """
            from tornado.ioloop import IOLoop

            self.kernel.start()
            self.io_loop = IOLoop.current()

        def serve_until(self, end: socket.socket) -> None:
            """Answer requests until something can be read from ``end``."""
            loop = self.io_loop
            loop.add_handler(end.fileno(), lambda *_: loop.stop(), loop.READ)
            loop.start()
            loop.remove_handler(end.fileno())

        def serve(self) -> None:
            """Answer requests; return when the kernel was shut down, never by an interrupt."""
            serve_requests(self.io_loop)

        def cleanup_connection_file(self) -> None:
            """Do nothing: there is no file."""

    return ForkedKernelApp


def prepare_shared(shell: Any) -> None:
    """In the zygote: do once what every kernel would have to."""
    run_startup(shell)
    preload.libraries()
    _launcher()
    seccomp.available()
    foreign_abi.call_getpid_x32()


def run(channel: socket.socket, order: dict[str, Any], app: Any) -> int:
    """Run a kernel as ``order`` describes; return its exit code.

    Args:
        channel: To the server, closed before anything generated runs.
        order: ``policy``, and either ``take`` (all at once) or ``spare`` (a connection to bind).
        app: The application that the zygote prepared.

    Raises:
        messages.ConnectionBroken: The server is gone.
        OSError: A layer of the sandbox was refused.
    """
    policy = order["policy"]
    whole = "whole" in policy
    _restrict(policy, spare="spare" in order)
    spare = order.get("spare")
    if spare is not None:
        taken = _wait_as_spare(channel, spare, app)
    else:
        taken = order["take"]
        _take_identity(taken)
        _seed()
    results = probe.run(taken["plan"])
    if spare is not None:
        # Theirs before the sockets are: a request that comes at once is not to be refused.
        app.session.key = taken["connection"]["key"].encode()
    else:
        _bind(app, taken["connection"])
        app.get_ready()
    _set_up_shell(app, taken["output_dir"])
    preload.use(int(taken["environment"].get("OPENBLAS_NUM_THREADS", "1")))
    # Counted from here on: the interpreter, its libraries and thread stacks are not the quota.
    rlimits.apply(ResourceLimits(**taken["limits"]), base_tasks=None if whole else 0)
    messages.send(channel, {"built": True, "results": results})
    unload_package()
    if messages.receive(channel, _REPLY_WAIT)[0].get("go") is not True:
        return 0
    channel.close()
    app.serve()
    _finish(app)
    return 0


def serve(channel: socket.socket, order: dict[str, Any], end: socket.socket) -> int:
    """Run a reader as ``order`` describes, which serves over ``end``; return its exit code.

    Raises:
        messages.ConnectionBroken: The server is gone.
        OSError: A layer of the sandbox was refused.
    """
    policy, taken = order["policy"], order["serve"]
    _restrict(policy, spare=False)
    _take_identity(taken)
    _seed()
    results = probe.run(taken["plan"])
    base_tasks = None if "whole" in policy else 0
    messages.send(channel, {"built": True, "results": results})
    answer = served(taken["serves"])  # our own code, loaded while the results are judged
    if messages.receive(channel, _REPLY_WAIT)[0].get("go") is not True:
        return 0
    channel.close()
    # Counted from here on: the interpreter and its libraries are not the quota.
    rlimits.apply(ResourceLimits(**taken["limits"]), base_tasks=base_tasks)
    answer(end, taken["output_dir"])
    return 0


def _restrict(policy: dict[str, Any], *, spare: bool) -> None:
    """Restrict the paths of this process, all at once or for data that comes later."""
    if "whole" in policy:
        launcher.apply_landlock(SandboxPolicy.from_json(policy["whole"]))
    else:
        _enclose(policy, spare=spare)


def _wait_as_spare(channel: socket.socket, bound: dict[str, Any], app: Any) -> dict[str, Any]:
    """Bind under a name and a key that only the server has, prewarm, and wait to be taken."""
    os.chdir("/")
    make_home()
    _seed()
    _bind(app, bound)
    app.get_ready()
    prewarm.prewarm_spare(app)
    messages.send(channel, {"bound": True})
    app.serve_until(channel)
    taken, _fds = messages.receive(channel)
    _take_identity(taken)
    return taken


def _finish(app: Any) -> None:
    """Run what was registered for the end, and send what is left; never for long."""
    atexit._run_exitfuncs()  # noqa: SLF001 - the only way to run them without ending here
    closing = threading.Thread(target=app.close, daemon=True)
    closing.start()
    closing.join(_CLOSE_WAIT)


def _enclose(policy: dict[str, Any], *, spare: bool) -> None:
    """Restrict the paths of this process, which still has a single thread.

    Data may be added later, so reading is allowed wherever data can be mounted: what is not mounted
    does not exist here. A spare does not know its output folder yet, so for it writing rests on
    which mounts are writable.
    """
    if not policy["landlock"]:
        return
    tops: Sequence[str] = policy["tops"]
    writable = [policy["output_dir"]] if not spare else tops
    landlock.restrict(
        ["/proc", *ETC, *tops],
        [*writable, *PRIVATE],
        execute=policy["system"],
        listing=["/"],
        sockets=[policy["runtime_dir"], *PRIVATE],
        devices=[f"/dev/{name}" for name in rootfs.DEVICES] + ["/dev/ptmx", "/dev/pts"],
    )


def _take_identity(take: dict[str, Any]) -> None:
    """Take the environment and working folder of this one kernel."""
    os.environ.clear()
    os.environ.update(take["environment"])
    time.tzset()
    os.chdir(take["workdir"])
    make_home()


def _seed() -> None:
    """Give this kernel random numbers of its own."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _bind(app: Any, connection: dict[str, Any]) -> None:
    """Open the kernel's sockets and make the kernel object around the shell that exists."""
    from ipykernel.ipkernel import IPythonKernel
    from jupyter_client.session import Session

    asyncio.set_event_loop(asyncio.new_event_loop())
    # A session refuses to send from any process but the one that made it.
    app.session = Session(parent=app, username="username")
    app.load_connection_info(connection)
    app.init_sockets()
    atexit.unregister(app.close)
    app.init_heartbeat()
    app.init_io()
    app.init_signal()
    shell = app.kernel_class.shell_class.default_value.instance()
    IPythonKernel.clear_instance()
    app.init_kernel()
    app.kernel.debugpy_stream = None
    shell.parent = app.kernel
    shell.kernel = app.kernel
    app.init_path()
    app.init_shell()
    app.init_gui_pylab()
    app.init_extensions()
    app.init_code()
    sys.stdout.flush()
    sys.stderr.flush()


def _set_up_shell(app: Any, output_dir: str) -> None:
    app.shell.init_environment()
    app.shell.user_ns.pop("__session__", None)
    if os.environ.get("JPY_SESSION_NAME"):
        app.shell.user_ns["__session__"] = os.environ["JPY_SESSION_NAME"]
    set_up_shell(app.shell, output_dir)
    sys.argv = [_launcher()]


@functools.cache
def _launcher() -> str:
    """Return what the first argument of a kernel is when it was started the ordinary way."""
    found = find_spec("ipykernel_launcher")
    return found.origin if found and found.origin else "ipykernel_launcher"

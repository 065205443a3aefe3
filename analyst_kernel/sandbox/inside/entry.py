"""A kernel's first steps inside its enclosure: run the probe, wait for the verdict, start.

Run as ``script.py inside.entry FD`` by the launcher. Nothing of the user's and nothing generated
runs before the server has read the probe's results and let the kernel go.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from analyst_kernel.sandbox.inside import path_errors, probe
from analyst_kernel.sandbox.inside.channel import Channel
from analyst_kernel.sandbox.linux import rlimits
from analyst_kernel.sandbox.policy import ResourceLimits

TOKEN = "ANALYST_READER_TOKEN"
"""What a reader sends first over TCP, so that no other program can speak for it."""


def main(arguments: list[str]) -> None:
    """Answer the server over the given descriptor, then run the kernel until it is shut down."""
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    channel.send({"pid": os.getpid()})
    order = channel.receive(timeout=60)
    channel.send({"results": probe.run(order["plan"])})
    if channel.receive(timeout=60).get("go") is not True:
        return
    make_home()
    app = kernel_app(order["connection"], order["output_dir"], encloses=order["encloses"])
    if order["limits"] is not None:
        # Counted from here on: the interpreter, its libraries and thread stacks are not the quota.
        rlimits.apply(ResourceLimits(**order["limits"]), base_tasks=order["base_tasks"])
    channel.send({"ready": True})
    channel.close()
    unload_package()
    app.start()


def make_home() -> None:
    """Make the folders that the environment names."""
    for folder in (os.environ.get("TMPDIR"), os.environ.get("HOME")):
        if folder:
            with contextlib.suppress(OSError):
                os.makedirs(folder, mode=0o700, exist_ok=True)


def served(module: str) -> Callable[[socket.socket, str], None]:
    """Return ``serve`` of a module of this package, for a socket and a folder of its own."""
    found: Any = import_module(f"analyst_kernel.{module}").serve
    return found  # type: ignore[no-any-return] # what the caller named takes these


def kernel_app(connection: dict[str, Any], output_dir: str, *, encloses: bool) -> Any:
    """Build ipykernel's application from connection info, without a connection file."""
    from typing import cast

    from ipykernel.kernelapp import IPKernelApp
    from jupyter_client.connect import KernelConnectionInfo

    class SandboxedKernelApp(IPKernelApp):
        """Takes its connection from the order; writes and removes no file."""

        def init_connection_file(self) -> None:
            self.load_connection_info(cast(KernelConnectionInfo, connection))

        def nothing(self, **_kwargs: Any) -> None:
            """There is no file, and the sandbox ends with its server by other means."""

        write_connection_file = cleanup_connection_file = nothing
        log_connection_info = init_poller = nothing

        def start(self) -> None:
            """Answer requests; return when the kernel was shut down, never by an interrupt."""
            self.kernel.start()
            self.io_loop = self.kernel.io_loop
            serve_requests(self.io_loop)

    app: Any = SandboxedKernelApp.instance()
    app.initialize(["--HistoryManager.enabled=False", "--HistoryManager.hist_file=:memory:"])
    set_up_shell(app.shell, output_dir, encloses=encloses)
    return app


def serve_requests(loop: Any) -> None:
    """Run a kernel's event loop until it is stopped.

    An interrupt that reaches the loop itself, from a task that a cell left behind, goes no further:
    it would end the kernel and lose its variables.
    """
    while True:
        try:
            loop.start()
        except KeyboardInterrupt:
            continue
        return


def set_up_shell(shell: Any, output_dir: str, *, encloses: bool = True) -> None:
    """Give the shell ``OUTPUT_DIR``, the hints, and a ``!`` that works without terminals.

    Args:
        shell: IPython's.
        output_dir: Absolute.
        encloses: Whether paths are refused at all; only then a hint would be true.
    """
    import pathlib

    shell.user_ns["OUTPUT_DIR"] = pathlib.Path(output_dir)
    shell.user_ns_hidden["OUTPUT_DIR"] = shell.user_ns["OUTPUT_DIR"]
    if encloses:
        path_errors.install(shell, output_dir)
    if not _opens("/dev/ptmx"):
        shell.system = lambda command: system_by_pipe(shell, command)
    run_startup(shell)


def run_startup(shell: Any) -> None:
    """Set ``shell`` up as the kernelspec's ``--ext`` would: pictures, typed charts, ``OUTPUT_DIR``.

    A kernel whose sandbox does not show the package starts without; a zygote may call it early.
    """
    import runpy

    known = sys.modules.get("_analyst_setup")
    if known is not None and "OUTPUT_DIR" in shell.user_ns:
        # Forked from a process that did the rest.
        known.__dict__["set_output_dir"](shell, os.fspath(shell.user_ns["OUTPUT_DIR"]))
        return
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    extension = os.path.join(package, "kernel", "payload", "extension.py")
    if os.path.isfile(extension):
        runpy.run_path(extension)["load_ipython_extension"](shell)


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def system_by_pipe(shell: Any, command: str) -> None:
    """Run ``!command`` over a pipe and print what it prints; for kernels without terminals."""
    import subprocess

    line = shell.var_expand(command, depth=1)
    with subprocess.Popen(
        ["/bin/sh", "-c", line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            sys.stdout.write(text)
    shell.user_ns["_exit_code"] = process.returncode


def unload_package() -> None:
    """Unload our modules, so that an installed package of this name can be imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == "analyst_kernel"]:
        del sys.modules[name]

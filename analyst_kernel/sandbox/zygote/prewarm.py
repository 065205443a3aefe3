"""What a spare does once before it is taken, so that a kernel's first cell is not slow.

A forked process shares its memory until it writes to it, so whatever a kernel does first costs page
faults at every step. A spare has time to do all of it ahead: it tries the probe's attempts and
enters its folders (:func:`prewarm_spare`), and answers requests of the server
(:func:`prewarm_from_server`). It holds no user's data yet, and nothing of this is judged: the probe
that counts comes with the data.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any

from analyst_kernel.sandbox.inside import probe
from analyst_kernel.sandbox.inside.entry import run_startup
from analyst_kernel.sandbox.linux import rlimits
from analyst_kernel.sandbox.zygote import preload

_NOWHERE = "/nowhere"

_PLAN: dict[str, Any] = {
    "tcp_port": 9, "unix_socket": _NOWHERE, "unix_datagram": _NOWHERE, "abstract_socket": "nowhere",
    "dns_servers": ["192.0.2.53"], "home": _NOWHERE, "allowed": [], "canary_files": [_NOWHERE],
    "outside": [_NOWHERE, "/"], "server_pid": 1, "pid_namespace": "", "environment": [],
    "devices": [_NOWHERE], "scratch": _NOWHERE, "shm_bytes": 0, "foreign": True,
}  # fmt: skip
"""A probe's plan that names nothing of this machine."""

_REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("kernel_info_request", {}),
    ("execute_request", {"code": "", "silent": True, "store_history": False}),
    ("kernel_info_request", {}),
)


def prewarm_spare(app: Any) -> None:
    """In the spare: do what a kernel does between being taken and saying that it is built."""
    # What fails here fails again when it counts, and is reported then.
    with contextlib.suppress(Exception):
        probe.run(_PLAN)
        rlimits.data_bytes()
        preload.use(os.cpu_count() or 1)
        known = dict(os.environ)
        os.environ.clear()
        os.environ.update(known)
        app.shell.init_environment()
        run_startup(app.shell)
    with contextlib.suppress(Exception):
        thread = app.iopub_thread
        thread.io_loop.add_callback(thread._handle_subscription, [b"\x01"])  # noqa: SLF001 - as by a subscriber


def prewarm_from_server(connection: Mapping[str, Any], timeout: float) -> bool:
    """In the server: send a spare what every client sends; return whether it answered.

    Args:
        connection: What the spare is bound to, with the key that only this server has.
        timeout: Seconds for all answers together.
    """
    import zmq
    from jupyter_client.session import Session

    deadline = time.monotonic() + timeout
    session = Session(key=connection["key"].encode())
    with zmq.Context() as context, context.socket(zmq.DEALER) as shell:
        shell.linger = 0
        shell.connect(f"ipc://{connection['ip']}-{connection['shell_port']}")
        for kind, content in _REQUESTS:
            sent = session.send(shell, kind, content)
            while True:
                left = deadline - time.monotonic()
                if left <= 0 or not shell.poll(int(left * 1000) + 1):
                    return False
                _identities, reply = session.recv(shell)
                if sent and reply and reply["parent_header"].get("msg_id") == sent["msg_id"]:
                    break
    return True

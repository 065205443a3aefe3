"""A reader's first steps inside its enclosure: run the probe, wait for the verdict, serve.

Run as ``script.py inside.reader POLICY_FD CHANNEL_FD``; it encloses itself, since a second start of
the interpreter would take longer than everything else here. What is served is named by the order;
of the user's files nothing is read before the server has judged the probe and let the reader go.

Where nothing can be enclosed and no descriptor passed on (Windows), it is run as ``script.py
inside.reader tcp PORT SERVES FOLDER`` and connects to that port of its server.
"""

from __future__ import annotations

import gc
import os
import socket

from analyst_kernel.sandbox.inside import launcher, probe
from analyst_kernel.sandbox.inside.channel import Channel
from analyst_kernel.sandbox.inside.entry import TOKEN, make_home, served
from analyst_kernel.sandbox.linux import rlimits
from analyst_kernel.sandbox.policy import ResourceLimits


def main(arguments: list[str]) -> None:
    """Enclose this process, then answer the server until it closes its end."""
    if arguments[0] == "tcp":
        _, port, serves, folder = arguments
        _over_tcp(int(port), serves, folder)
        return
    policy, end = map(int, arguments)
    launcher.enter(policy)
    gc.disable()
    channel = Channel(socket.socket(fileno=end))
    channel.send({"pid": os.getpid()})
    order = channel.receive(timeout=60)
    channel.send({"results": probe.run(order["plan"])})
    serve = served(order["serves"])  # our own code, loaded while the results are judged
    if channel.receive(timeout=60).get("go") is not True:
        return
    make_home()
    gc.freeze()
    gc.enable()
    if order["limits"] is not None:
        # Counted from here on: the interpreter and its libraries are not the quota.
        rlimits.apply(ResourceLimits(**order["limits"]), base_tasks=order["base_tasks"])
    channel.send({"ready": True})
    serve(channel.detach(), order["output_dir"])


def _over_tcp(port: int, serves: str, folder: str) -> None:
    end = socket.create_connection(("127.0.0.1", port), timeout=60)
    end.settimeout(None)
    end.sendall(os.environ.pop(TOKEN).encode())
    make_home()
    served(serves)(end, folder)

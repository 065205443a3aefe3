"""Targets on the host for the probe to try: sockets that listen, files that can be read.

None of them answers. A kernel that reaches one is not enclosed. One set serves all
kernels of a server.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from typing import Any

from analyst_kernel.sandbox.linux import foreign_abi
from analyst_kernel.sandbox.policy import SandboxPolicy, within

_HOST_FILES = ("/etc/passwd", "/etc/hostname", "/etc/machine-id", "/etc/shadow")
_DEVICES = ("/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/loop-control")


class Canaries:
    """Listening sockets and a readable file in ``folder``, a private one of the server's."""

    def __init__(self, folder: str) -> None:
        self._sockets: list[socket.socket] = []
        self.tcp_port = self._listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.unix_socket = os.path.join(folder, "canary")
        self.unix_datagram = os.path.join(folder, "canary-d")
        if os.name == "posix":
            self._listen(socket.AF_UNIX, self.unix_socket)
            self._keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), self.unix_datagram)
        self.abstract_socket = f"analyst-kernel-{secrets.token_hex(8)}"
        if sys.platform.startswith("linux"):
            self._listen(socket.AF_UNIX, "\0" + self.abstract_socket)
        self.file = os.path.join(folder, "canary.txt")
        with open(self.file, "w", encoding="ascii") as stream:
            stream.write("a kernel that reads this is not enclosed\n")

    def _listen(self, family: socket.AddressFamily, address: Any) -> socket.socket:
        server = self._keep(socket.socket(family, socket.SOCK_STREAM), address)
        server.listen(64)
        return server

    def _keep(self, server: socket.socket, address: Any) -> socket.socket:
        self._sockets.append(server)
        server.setblocking(False)
        server.bind(address)
        return server

    def _forget_probes(self) -> None:
        """Empty the queues: what is never taken would fill them, and a probe is to reach a target.

        Linux holds no more than ten datagrams that nobody reads.
        """
        for server in self._sockets:
            with contextlib.suppress(OSError):
                while True:
                    if server.type == socket.SOCK_STREAM:
                        server.accept()[0].close()
                    else:
                        server.recv(16)

    def close(self) -> None:
        """Close the sockets and remove the files."""
        for server in self._sockets:
            server.close()
        self._sockets.clear()
        for path in (self.unix_socket, self.unix_datagram, self.file):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def plan_for(self, policy: SandboxPolicy, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return what the probe of one kernel has to try, as JSON (see ``probe``)."""
        self._forget_probes()
        shown = (*policy.system, *policy.grants, policy.output_dir, policy.runtime_dir)
        leading = (*shown, *(path for _target, path in policy.links))
        outside = [policy.workdir, os.path.expanduser("~"), "/", "/usr", "/etc"]
        outside.append("/var/tmp")  # noqa: S108 - to be refused there
        outside += [path for path in policy.grants if os.path.isdir(path)]
        if policy.backend == "landlock":
            outside += ["/tmp", "/dev/shm"]  # noqa: S108 - to be refused there
        return {
            "tcp_port": self.tcp_port,
            "unix_socket": self.unix_socket,
            "unix_datagram": self.unix_datagram,
            "abstract_socket": self.abstract_socket,
            "dns_servers": name_servers(),
            "home": os.path.realpath(os.path.expanduser("~")),
            "allowed": list(leading),
            "granted": [
                (path, *identity)
                for path, identity in zip(policy.grants, policy.identities, strict=True)
            ],
            "canary": self.file,
            "canary_files": [
                path
                for path in (self.file, *_HOST_FILES)
                if os.access(path, os.R_OK) and not any(within(path, item) for item in shown)
            ],
            "outside": list(dict.fromkeys(path for path in outside if _is_outside(path, policy))),
            "server_pid": os.getpid(),
            "pid_namespace": _pid_namespace(),
            "environment": sorted(environment),
            "devices": [path for path in (*_DEVICES, *_disks()) if os.path.exists(path)],
            "scratch": policy.output_dir,
            "shm_bytes": policy.limits.tmp_bytes,
            "foreign": foreign_abi.exists(),
        }


def _is_outside(path: str, policy: SandboxPolicy) -> bool:
    """Return whether a write directly in ``path`` must fail."""
    if any(within(path, own) for own in (policy.output_dir, policy.runtime_dir)):
        return False
    private = ("/tmp", "/dev/shm")  # noqa: S108 - mounted for the kernel alone
    return policy.backend == "landlock" or path not in private


def name_servers() -> list[str]:
    """Return addresses of this machine's name servers, or one from the range for examples."""
    found: list[str] = []
    with contextlib.suppress(OSError), open("/etc/resolv.conf", encoding="utf-8") as stream:
        for line in stream:
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                found.append(words[1].split("%")[0])
    return found[:3] or ["192.0.2.53"]


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _disks() -> list[str]:
    try:
        return [f"/dev/{name}" for name in os.listdir("/sys/block") if not name.startswith("ram")]
    except OSError:
        return []

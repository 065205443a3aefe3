"""A local package index: the simple API (PEP 503 and 691) over HTTP, honest or not, and wheels."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_CHUNK = b"\0" * 65536


def wheel_bytes(
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    *,
    requires: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
) -> bytes:
    """Return a wheel: a zip of ``files`` with its metadata; ``links`` are stored as symlinks."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        for path, target in (links or {}).items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, target)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return packed.getvalue()


@dataclass
class IndexFile:
    """A file of the index; ``mode`` is how it misbehaves.

    Attributes:
        mode: ``honest``, ``wrong-hash`` (another content than announced), ``endless``, ``slow``
            (never ends), or the address of another index to which it redirects.
    """

    name: str
    content: bytes
    mode: str = "honest"

    @property
    def sha256(self) -> str:
        """The hash that the index announces."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class PackageIndex:
    """A running index.

    Attributes:
        port: Where it listens.
        files: By project, normalised.
        requests: ``METHOD path`` of each request, in order.
        authorizations: The credentials of each request, decoded; empty where it had none.
        login: ``user:password`` that each request needs; empty for none.
        stop: Set when it is closed, so that no answer goes on.
    """

    port: int = 0
    files: dict[str, list[IndexFile]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    login: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The address to name; holds no credentials."""
        return f"http://127.0.0.1:{self.port}/simple"

    def add(
        self,
        name: str,
        version: str,
        files: Mapping[str, str | bytes],
        *,
        mode: str = "honest",
        tag: str = "py3-none-any",
        **more: Any,
    ) -> IndexFile:
        """Offer a wheel."""
        content = wheel_bytes(name, version, files, **more)
        made = IndexFile(f"{name.replace('-', '_')}-{version}-{tag}.whl", content, mode)
        self.files.setdefault(name.lower().replace("_", "-"), []).append(made)
        return made

    def add_source(self, name: str, version: str) -> None:
        """Offer a source archive alone; building it would leave a trace, which nothing may."""
        content = b"no archive, for nobody is to open it"
        self.files.setdefault(name, []).append(IndexFile(f"{name}-{version}.tar.gz", content))

    def file(self, name: str) -> IndexFile | None:
        """Return a file by its name."""
        return next((f for listed in self.files.values() for f in listed if f.name == name), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: ClassVar[PackageIndex]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer a page of the simple API, or a file."""
        index = self.index
        index.requests.append(f"{self.command} {self.path}")
        given = self.headers.get("Authorization", "")
        said = base64.b64decode(given.removeprefix("Basic ")).decode() if given else ""
        index.authorizations.append(said)
        if index.login and said != index.login:
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        parts = self.path.strip("/").split("/")
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in index.files:
            self._page(parts[1], index.files[parts[1]])
        elif parts[0] == "files" and (found := index.file(parts[-1])) is not None:
            self._file(found)
        else:
            self._send(404, b"nothing here")

    def _page(self, name: str, files: list[IndexFile]) -> None:
        if "vnd.pypi.simple.v1+json" in self.headers.get("Accept", ""):
            listed = [
                {"filename": f.name, "url": f"/files/{f.name}", "hashes": {"sha256": f.sha256}}
                for f in files
            ]
            body = {"meta": {"api-version": "1.0"}, "name": name, "files": listed}
            kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
            self._send(200, json.dumps(body).encode(), kind)
            return
        rows = "".join(f'<a href="/files/{f.name}#sha256={f.sha256}">{f.name}</a>' for f in files)
        self._send(200, rows.encode(), {"Content-Type": "text/html"})

    def _file(self, found: IndexFile) -> None:
        if found.mode.startswith("http"):
            self._send(302, b"", {"Location": f"{found.mode}/{found.name}"})
            return
        if self.command == "HEAD" or found.mode in ("honest", "wrong-hash"):
            content = found.content
            if found.mode == "wrong-hash":
                content = wheel_bytes("other", "1.0", {"other.py": "print('not what was said')"})
            self._send(200, content)
            return
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.index.stop.is_set():
                if found.mode == "slow":
                    self.index.stop.wait()
                else:
                    self.wfile.write(_CHUNK)
        except OSError:
            pass  # whoever asked had enough

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def package_index() -> Iterator[PackageIndex]:
    """Run an index on this machine for a block."""
    index = PackageIndex()
    handler = type("IndexHandler", (_Handler,), {"index": index})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    index.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()

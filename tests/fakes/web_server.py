"""A web server on loopback that does, at each path, what a test says: it may misbehave."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; an answer uses :meth:`reply`, or writes to it as it likes."""

    protocol_version = "HTTP/1.1"
    server: WebServerAtWork

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""

    def _any(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, self.path, self.headers.get("Range", "")))
        self.close_connection = True
        answers = self.server.answers
        with contextlib.suppress(OSError):
            (answers.get(path) or answers.get("") or missing)(self)

    do_GET = do_HEAD = _any  # noqa: N815 - the base class's names

    def reply(
        self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str
    ) -> None:
        """Send an answer; ``length`` may lie about the body's, and -1 leaves it out."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length != -1:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def start(self) -> int:
        """Return the first byte that is asked for."""
        asked = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        return int(asked or 0)

    def hang(self) -> None:
        """Send nothing until the server ends or the client leaves."""
        self.server.over.wait()


class WebServerAtWork(ThreadingHTTPServer):
    """The running server: what it answers at each path, and what it was asked.

    Attributes:
        answers: Path to answer; the one of the empty path is for all others.
        requests: Method, target and ``Range`` of each request.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.over = threading.Event()

    @property
    def place(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients leave when they like."""


@contextlib.contextmanager
def web_server(certificate: Path | None = None) -> Iterator[WebServerAtWork]:
    """Run a server, with TLS if a certificate (with its key) is given."""
    server = WebServerAtWork()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def missing(request: Request) -> None:
    """Answer that nothing is there."""
    request.reply(404, b"nothing here")


def whole(body: bytes, etag: str = '"v1"', **headers: str) -> Answer:
    """Return the answer of a good server: it knows ranges and says which version it is."""

    def answer(request: Request) -> None:
        start = request.start()
        known: Any = {"ETag": etag, "Content_Type": "text/csv", **headers}
        if start:
            place = f"bytes {start}-{len(body) - 1}/{len(body)}"
            request.reply(206, body[start:], Content_Range=place, **known)
        else:
            request.reply(200, body, **known)

    return answer

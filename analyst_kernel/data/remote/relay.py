"""Keeps a client on the one host that the user named, where the connection is plain http.

obstore follows redirects and cannot be asked not to. By https it follows to https alone, which no
metadata service speaks. A store of one's own at an ``http://`` endpoint could lead it anywhere,
such as to the service that hands out a machine's credentials: its requests go through this proxy,
which passes them on to that endpoint and to nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_LARGEST_HEAD = 64 << 10
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_GONE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CHUNK = 1 << 18
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass
class OneHostProxy:
    """A proxy on this machine: which host it reaches, and its own URL.

    Attributes:
        failure: Why the last request was not passed on, as a clause; empty if it was.
    """

    host: str
    port: int
    url: str = ""
    failure: str = ""


@contextlib.asynccontextmanager
async def one_host_proxy(endpoint: str) -> AsyncIterator[OneHostProxy]:
    """Run a proxy that reaches the host of ``endpoint`` alone."""
    parts = urlsplit(endpoint)
    proxy = OneHostProxy(parts.hostname or "", parts.port or 80)
    at_work: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        try:
            with contextlib.suppress(*_BROKEN):
                await _pass_on(reader, writer, proxy)
        except asyncio.CancelledError:
            pass  # the proxy ends
        finally:
            at_work.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_LARGEST_HEAD)
    try:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
    finally:
        server.close()
        ending = list(at_work)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: OneHostProxy
) -> None:
    """Answer one request (reading sends no body) with what the host answers, or refuse it."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, _, rest = head.partition(b"\r\n")
    method, _, target = first.decode("latin-1").rpartition(" ")[0].partition(" ")
    parts = urlsplit(target)
    try:
        place = (parts.scheme, parts.hostname, parts.port or 80)
        same = place == ("http", proxy.host, proxy.port)
    except ValueError:
        same = False
    if not same or method not in ("GET", "HEAD"):
        proxy.failure = "it leads to another host, which is not followed"
        writer.write(_REFUSED)
        await writer.drain()
        return
    try:
        store_reader, store_writer = await asyncio.open_connection(proxy.host, proxy.port)
    except OSError as error:
        unknown = isinstance(error, socket.gaierror)
        proxy.failure = "its name is not known" if unknown else "the connection was refused"
        writer.write(_GONE)
        await writer.drain()
        return
    proxy.failure = ""
    try:
        path = target.partition("://")[2].partition("/")[2]
        kept = [line for line in rest.split(b"\r\n") if not _is_hop(line)]
        lines = [f"{method} /{path} HTTP/1.1".encode("latin-1"), b"Connection: close", *kept]
        store_writer.write(b"\r\n".join(lines))
        while chunk := await store_reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    finally:
        store_writer.close()


def _is_hop(line: bytes) -> bool:
    return line.partition(b":")[0].strip().lower() in (b"connection", b"proxy-connection")

"""What was sent, byte for byte: each wire reports its requests, each analysis keeps its own.

A wire calls :func:`report_request` from its HTTP client, behind every layer that could change the
body. Whose request it is follows from the task that sends it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from analyst_kernel.protocol.records import PrivacyMode

Sent = Callable[[str, bytes], None]
"""Takes the address (scheme, host, port and path) and the body of a request; never raises."""

KeepSent = Callable[[str, bytes, PrivacyMode], None]
"""Takes the same, and the privacy mode in which the request was made; never raises."""

_LISTENER: ContextVar[Sent | None] = ContextVar("analyst_kernel_sent", default=None)


def listen(listener: Sent | None) -> None:
    """Have the requests that this task sends from now on go to ``listener``."""
    _LISTENER.set(listener)


async def report_request(request: Any) -> None:
    """Report a request of an HTTP client (of the httpx family) as one of its request hooks.

    Headers, user names and queries are left out: keys travel there.
    """
    listener = _LISTENER.get()
    if listener is None or request.method != "POST":
        return
    url = request.url
    port = f":{url.port}" if url.port else ""
    listener(f"{url.scheme}://{url.host}{port}{url.path}", await request.aread())

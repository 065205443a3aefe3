"""Builds the SDK's client, which is imported late and guarded.

Importing the SDK takes over a second, so it happens in a thread, on first use. The client never
retries (the core does, visibly). What the SDK reads from the environment by itself is removed
before a request is sent to another host.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from analyst_kernel.models.wire.connection import (
    NO_KEY,
    Connection,
    header_names,
    http_client,
    keep_from_logs,
)

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic


def build_client(connection: Connection, *, silence: float) -> AsyncAnthropic:
    """Import the SDK and return a client; blocks for seconds, so call it in a thread.

    The socket times out after ``silence`` seconds without a byte.
    """
    import anthropic

    http = http_client(
        connection,
        silence=silence,
        proxied=anthropic.DefaultAsyncHttpxClient,
        guard=None if connection.ambient else _guard(connection),
    )
    client = anthropic.AsyncAnthropic(
        api_key=connection.api_key,
        auth_token=connection.auth_token if connection.api_key is None else None,
        base_url=connection.base_url,
        max_retries=0,
        timeout=http.timeout,
        http_client=http,
    )
    # The resource's module is loaded on first access: here in the thread, not on the event loop.
    _ = client.messages
    keep_from_logs(connection.secrets, "anthropic")
    return client


def _guard(connection: Connection) -> Any:
    """Return a request hook that removes ``ANTHROPIC_CUSTOM_HEADERS`` and sets the credential."""
    foreign = header_names(os.environ.get("ANTHROPIC_CUSTOM_HEADERS", ""))
    credential = connection.api_key or connection.auth_token or NO_KEY
    own = {
        "authorization": f"Bearer {credential}",
        "content-type": "application/json",
        "accept": "application/json",
        "anthropic-version": "2023-06-01",
    }

    async def guard(request: httpx2.Request) -> None:
        for name in foreign | {"authorization", "x-api-key"}:
            if name in request.headers:
                del request.headers[name]
        for name, value in own.items():
            request.headers.setdefault(name, value)

    return guard

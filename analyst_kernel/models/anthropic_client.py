"""Builds the SDK's client, which is imported late and guarded.

Importing the SDK takes over a second, so it happens in a thread, on first use. The client never
retries (the core does, visibly), never follows a redirect, and never sends a credential of one
provider to the host of another: what the SDK reads from the environment by itself is removed before
a request is sent.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

NO_KEY = "not-needed"
"""Sent to servers that need no key; without any key the SDK would look for Anthropic's."""

_FRAMING = {"host", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where requests go and with which credential; its repr contains no secret.

    Attributes:
        base_url: The server's address without ``/v1``; None for the SDK's default, or the address
            of the user's profile.
        auth_token: The provider's bearer token, if there is no key.
        ambient: Whether the SDK looks for Anthropic's credentials by itself (profiles, workload
            identity, custom headers). Only true for Anthropic's own provider.
    """

    base_url: str | None
    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    ambient: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be shown; the dummy key is not one of them."""
        known = (self.api_key, self.auth_token)
        return tuple(secret for secret in known if secret and secret != NO_KEY)

    @property
    def host(self) -> str:
        """Scheme, host and port, without user, password, path or query."""
        parts = urlsplit(self.base_url or "https://api.anthropic.com")
        name = parts.hostname or ""
        try:
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            port = ""
        return f"{parts.scheme}://{name}{port}"

    @property
    def is_local(self) -> bool:
        """Return whether the server is on this machine; no proxy is used then."""
        name = urlsplit(self.base_url or "").hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")


def build_client(connection: Connection, *, silence: float) -> AsyncAnthropic:
    """Import the SDK and return a client; blocks for seconds, so call it in a thread.

    The socket times out after ``silence`` seconds without a byte.
    """
    import anthropic
    import httpx2

    timeout = httpx2.Timeout(silence, connect=15.0)
    options: dict[str, Any] = {"follow_redirects": False, "timeout": timeout}
    if not connection.ambient:
        options["event_hooks"] = {"request": [_guard(connection)]}
    if connection.is_local:
        http = httpx2.AsyncClient(trust_env=False, **options)
    else:
        http = anthropic.DefaultAsyncHttpxClient(**options)
    client = anthropic.AsyncAnthropic(
        api_key=connection.api_key,
        auth_token=connection.auth_token if connection.api_key is None else None,
        base_url=connection.base_url,
        max_retries=0,
        timeout=timeout,
        http_client=http,
    )
    # The resource's module is loaded on first access: here in the thread, not on the event loop.
    _ = client.messages
    return client


def _guard(connection: Connection) -> Any:
    """Return a request hook that removes ``ANTHROPIC_CUSTOM_HEADERS`` and sets the credential."""
    foreign = {
        line.partition(":")[0].strip().lower()
        for line in os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
        if ":" in line
    } - _FRAMING
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

"""The SDK's client, built late and guarded.

Importing the SDK takes over a second, so it happens in a thread, on first use. The client never
retries (the core does, visibly), never follows a redirect, and sends no credential of one provider
to another one's host: what the SDK reads from the environment by itself is removed before sending.
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
"""Sent to servers that want no key: an absent one would let the SDK look for Anthropic's."""

_FRAMING = {"host", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where requests go and with which credential; its repr shows no secret.

    Attributes:
        base_url: The server's address without ``/v1``; ``None`` lets the SDK take its own default,
            or the one of the user's profile.
        api_key: The provider's own key.
        auth_token: The provider's own bearer token, where there is no key.
        ambient: Let the SDK find Anthropic's credentials by itself (profiles, workload identity,
            custom headers). Only ever true for Anthropic's own provider.
    """

    base_url: str | None
    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    ambient: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be shown; the dummy key is none."""
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
        """Whether the server is on this machine; no proxy is used then."""
        name = urlsplit(self.base_url or "").hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")


def build_client(connection: Connection, *, silence: float) -> AsyncAnthropic:
    """Import the SDK and make a client; blocks for seconds, so call it in a thread.

    Args:
        connection: Where to, and as whom.
        silence: Seconds without a byte after which the socket gives up.
    """
    import anthropic
    import httpx2

    timeout = httpx2.Timeout(silence, connect=15.0)
    hooks: dict[str, list[Any]] = {}
    if not connection.ambient:
        hooks["request"] = [_guard(connection)]
    http: httpx2.AsyncClient
    if connection.is_local:
        http = httpx2.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=timeout, event_hooks=hooks
        )
    else:
        http = anthropic.DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=timeout, event_hooks=hooks
        )
    client = anthropic.AsyncAnthropic(
        api_key=connection.api_key,
        auth_token=connection.auth_token if connection.api_key is None else None,
        base_url=connection.base_url,
        max_retries=0,
        timeout=timeout,
        http_client=http,
    )
    # The resource's module is loaded on first touch: here, not on the event loop.
    _ = client.messages
    return client


def _guard(connection: Connection) -> Any:
    """Make a request hook that undoes ``ANTHROPIC_CUSTOM_HEADERS`` and fixes the credential."""
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

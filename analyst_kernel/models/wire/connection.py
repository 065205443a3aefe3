"""Where a model's requests go and with which key; the HTTP client that all wires use.

A client never follows a redirect, asks no proxy for a server of this machine, and lets no key of
one provider out to the host of another.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from analyst_kernel.agent.privacy.sent import report_request
from analyst_kernel.models.wire.faults import quotes_secret, redact

if TYPE_CHECKING:
    import httpx2

NO_KEY = "not-needed"
"""Sent to servers that need no key; without any key an SDK would look for its own provider's."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where requests go and with which credential; its repr contains no secret.

    Attributes:
        base_url: The server's address as the SDK wants it; None for Anthropic's, or the address of
            the user's profile.
        auth_token: The provider's bearer token, if there is no key.
        ambient: Whether what the SDK finds in the environment by itself (profiles, organisation,
            custom headers) may go along. Only true for the host of the SDK's own provider.
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


def http_client(
    connection: Connection,
    *,
    silence: float,
    proxied: Callable[..., httpx2.AsyncClient],
    guard: Callable[[httpx2.Request], Awaitable[None]] | None = None,
) -> httpx2.AsyncClient:
    """Return the HTTP client of an SDK.

    Args:
        connection: Where it goes.
        silence: Seconds without a byte after which the socket times out.
        proxied: The SDK's own client, which knows the user's proxy; not used on this machine.
        guard: Looks at each request before it is sent.
    """
    import httpx2

    options: dict[str, Any] = {
        "follow_redirects": False,
        "timeout": httpx2.Timeout(silence, connect=15.0),
    }
    # What was sent is reported last, behind everything that could change or refuse a request.
    guards = [] if guard is None else [guard]
    options["event_hooks"] = {"request": [*guards, report_request]}
    if connection.is_local:
        return httpx2.AsyncClient(trust_env=False, **options)
    return proxied(**options)


def header_names(lines: str) -> set[str]:
    """Return the names of an SDK's ``..._CUSTOM_HEADERS``, but for those that frame a request."""
    names = {line.partition(":")[0].strip().lower() for line in lines.split("\n") if ":" in line}
    return names - {"host", "content-length", "transfer-encoding", "connection"}


class _SecretFilter(logging.Filter):
    """Takes secrets out of the records of the SDK, which may log what a server answers."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record that quotes a secret; every record is kept."""
        text = record.getMessage()
        shown = redact(text, self.secrets)
        if shown != text:
            record.msg, record.args = shown, ()
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if quotes_secret(error, self.secrets):
            record.exc_info, record.exc_text = None, None
        return True


_SECRETS = _SecretFilter()


def keep_from_logs(secrets: Collection[str], *libraries: str) -> None:
    """Make the loggers of ``libraries`` and of HTTP, which are loaded by now, leave secrets out.

    A filter works only on the logger that a record is made with, so each of them gets it.
    """
    _SECRETS.secrets.update(secrets)
    for name in tuple(logging.root.manager.loggerDict):
        if name.partition(".")[0] in (*libraries, "httpx2", "httpcore2"):
            logging.getLogger(name).addFilter(_SECRETS)

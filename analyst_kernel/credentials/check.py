"""Asks a provider, in one cheap request to one host, whether it takes a key."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from analyst_kernel.credentials.entries import shown_host
from analyst_kernel.credentials.store import Keys, Proposal
from analyst_kernel.models.wire.connection import Connection, keep_from_logs

if TYPE_CHECKING:
    from analyst_kernel.providers import ProviderSettings

Verdict = Literal["accepted", "refused", "unreachable", "elsewhere", "unchecked"]
"""``elsewhere``: the address is probably wrong. ``unchecked``: nothing is known."""

_SECONDS = 15.0
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a key that is to be stored; it holds no secret.

    Attributes:
        saved: Whether it is stored.
        what: What was found, one sentence.
        remedy: What to do about it; may be empty.
    """

    verdict: Verdict
    what: str
    remedy: str = ""
    saved: bool = False


async def save_key(
    keys: Keys, provider: str, key: str, url: str = "", *, anyway: bool = False
) -> Checked:
    """Check a key with its provider and store it; if it was not accepted, only ``anyway``.

    With ``anyway`` nothing is asked.

    Raises:
        InputError: It cannot be a key of that provider, or would have no effect.
        KeyStoreError: It cannot be stored.
    """
    proposal = await asyncio.to_thread(keys.propose, provider, key, url)
    checked = Checked("unchecked", "It was not checked.") if anyway else await check(proposal)
    if not anyway and checked.verdict != "accepted":
        return checked
    await asyncio.to_thread(keys.keep, proposal)
    return Checked(checked.verdict, checked.what, checked.remedy, saved=True)


async def check(proposal: Proposal) -> Checked:
    """Ask the host that a key is for, and no other; a redirect is not followed."""
    settings, entry = proposal.settings, proposal.entry
    host = shown_host(entry.url or "")
    if not settings.check_path:
        return Checked(
            "unchecked",
            f"A key of {proposal.provider} cannot be checked without asking a question.",
            "Save it anyway, and ask one.",
        )
    connection = Connection(entry.url, api_key=entry.key or None)
    try:
        async with asyncio.timeout(_SECONDS):
            status, body = await _ask(check_url(settings, entry.url or ""), settings, connection)
    except Exception as error:  # noqa: BLE001 - whatever it is, it may quote the request
        return _unreachable(error, host)
    return _judge(status, body, host, entry.key)


def check_url(settings: ProviderSettings, url: str) -> str:
    """Return the address that is asked; what path and ``check_path`` have in common counts once."""
    base = url.rstrip("/")
    if not urlsplit(base).path.strip("/"):
        base += settings.usual_path
    parts = settings.check_path.strip("/").split("/")
    path = urlsplit(base).path.strip("/").split("/")
    shared = next((n for n in range(len(parts), 0, -1) if path[-n:] == parts[:n]), 0)
    return "/".join([base, *parts[shared:]])


async def _ask(url: str, settings: ProviderSettings, connection: Connection) -> tuple[int, bytes]:
    for library in ("httpcore2", "httpx2"):
        await asyncio.to_thread(import_module, library)
    import httpx2

    keep_from_logs(connection.secrets)
    headers = {"accept": "application/json", **dict(settings.check_headers)}
    if connection.api_key:
        bearer = "Bearer " if settings.key_header == "authorization" else ""
        headers[settings.key_header] = f"{bearer}{connection.api_key}"
    # No proxy for a server of this machine.
    client = httpx2.AsyncClient(
        trust_env=not connection.is_local, follow_redirects=False, timeout=_SECONDS
    )
    async with client, client.stream("GET", url, headers=headers) as response:
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                break
        return response.status_code, body


def _judge(status: int, body: bytes, host: str, key: str) -> Checked:
    if 200 <= status < 300:
        if _is_json(body):
            return Checked("accepted", f"{host} accepted it.")
        return Checked(
            "elsewhere",
            f"{host} answered with a page instead of data, as a web site or a proxy does.",
            "Check the address, usually something that ends with /v1.",
        )
    if status == 401 or (status == 400 and b"API_KEY_INVALID" in body):
        if not key:
            return Checked("refused", f"{host} wants a key.", "Add the one for that server.")
        return Checked(
            "refused", f"{host} refuses this key.", "Check that it was copied whole and is active."
        )
    if status == 403:
        return Checked(
            "unchecked",
            f"{host} does not let this key list models.",
            "It may be wrong, or meant for questions alone: save it anyway if you know that.",
        )
    if 300 <= status < 400:
        return Checked(
            "elsewhere",
            f"{host} redirects to another address, where the key does not follow.",
            "Give the address that the provider's manual names.",
        )
    if status in (404, 405):
        return Checked(
            "elsewhere",
            f"There is a server at {host}, but nothing that lists models at this address.",
            "Check the address, usually something that ends with /v1.",
        )
    return Checked(
        "unchecked",
        f"{host} could not check it now (status {status}).",
        "Try again later, or save it anyway.",
    )


def _is_json(body: bytes) -> bool:
    if len(body) > _MOST_BYTES:
        return body.lstrip()[:1] in (b"{", b"[")
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False


def _unreachable(error: Exception, host: str) -> Checked:
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        what = f"{host} does not answer."
    elif any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return Checked(
            "unreachable",
            f"The certificate of {host} is not trusted here, or it speaks no https.",
            "Check the address; the key was not sent.",
        )
    else:
        what = f"No server can be reached at {host}."
    remedy = "Check the address and the network, or save it anyway and try later."
    return Checked("unreachable", what, remedy)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

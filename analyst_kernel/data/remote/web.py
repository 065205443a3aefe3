"""Files of web servers, fetched so that an address cannot lead to a machine that nobody named.

A name is looked up here, every address that it has is checked, and the connection goes to a checked
one: nothing can be looked up otherwise in between. A host inside (private or this machine) is read
only where the user typed it; a redirect never leads to one, nor to plain http. Addresses from which
clouds hand out credentials are never read.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from analyst_kernel.data.remote.address import Address, is_loopback
from analyst_kernel.data.remote.credentials import ANONYMOUS, Access
from analyst_kernel.data.remote.objects import (
    CHUNK,
    Interrupted,
    RangeIgnored,
    RemoteObject,
    Timeouts,
    changed,
)
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import httpx2

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
                 "192.0.0.192", "fd20:ce::254")
)  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def real_ip(text: str) -> _IP:
    """Return an IP address, the one inside if it is an IPv4 address written as another."""
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found.sixtofour is not None:
            return found.sixtofour
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found


def fault_of_ip(found: _IP, *, typed: bool) -> str:
    """Return why an address is not connected to, as a clause; empty if it may be.

    ``typed`` says that the user named the host themselves.
    """
    if found in _METADATA or found.is_link_local:
        return "gives out the credentials of machines, or belongs to the local link"
    if found.is_multicast or found.is_unspecified:
        return "is no address of one machine"
    if not found.is_global and not typed:
        return "is a private address"
    return ""


class WebServer:
    """Reads files of one web server, and of those that it redirects to."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.access = Access(ANONYMOUS)
        self._timeouts = timeouts

    async def find(self, address: Address, most: int) -> list[RemoteObject]:
        """Return the one file of an address, as the server describes it.

        Raises:
            DataError: It is not there, may not be read or reached, or is a web page.
        """
        try:
            async with self._asked(address, {}) as response:
                return [RemoteObject(address, _size(response), _etag(response))]
        except Interrupted as error:
            raise DataError(
                f"{address.text} could not be read: {error}.", "Attach it again later."
            ) from error

    async def read(self, item: RemoteObject, start: int) -> AsyncIterator[bytes]:
        """Yield a file's bytes from ``start`` on; raises as ``ObjectStore.read``."""
        headers: dict[str, str] = {}
        if start:
            headers["Range"] = f"bytes={start}-"
            if item.etag.startswith('"'):
                headers["If-Range"] = item.etag
        async with self._asked(item.address, headers) as response:
            if item.etag and _etag(response) != item.etag:
                raise changed(item.address)
            if start:
                placed = response.headers.get("content-range", "")
                if response.status_code != 206 or not placed.startswith(f"bytes {start}-"):
                    raise RangeIgnored
            elif item.size is not None and _size(response) != item.size:
                raise changed(item.address)
            async for chunk in _faults(response.aiter_bytes(CHUNK), self._timeouts):
                yield chunk

    @asynccontextmanager
    async def _asked(
        self, address: Address, headers: dict[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """Ask for a file, follow checked redirects, and yield the answer that has it."""
        import httpx2

        limits = httpx2.Timeout(self._timeouts.stall, connect=self._timeouts.connect)
        # Proxies are not used: they would look names up themselves.
        secure = await asyncio.to_thread(_authorities)
        async with httpx2.AsyncClient(timeout=limits, trust_env=False, verify=secure) as client:
            url, typed = address.text, True
            for _ in range(_MOST_REDIRECTS + 1):
                response = await self._sent(client, url, headers, typed=typed, address=address)
                try:
                    if response.status_code not in _REDIRECTS:
                        _check(response, address)
                        yield response
                        return
                    target = urljoin(url, response.headers.get("location", ""))
                finally:
                    await response.aclose()
                url, typed = _followed(address, target)
        raise DataError(
            f"{address.text} is redirected more than {_MOST_REDIRECTS} times.",
            "Name the address at its end.",
        )

    async def _sent(
        self,
        client: httpx2.AsyncClient,
        url: str,
        headers: dict[str, str],
        *,
        typed: bool,
        address: Address,
    ) -> httpx2.Response:
        import httpx2

        parts = httpx2.URL(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        ips = await self._looked_up(parts.host, port, typed=typed, address=address)
        sent = {
            "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "analyst-kernel",
            "Host": parts.netloc.decode(), **headers,
        }  # fmt: skip
        failed = "the connection failed"
        for ip in ips:
            request = client.build_request(
                "GET", parts.copy_with(host=ip), headers=sent,
                extensions={"sni_hostname": parts.host},
            )  # fmt: skip
            try:
                return await client.send(request, stream=True)
            except httpx2.ConnectTimeout:
                failed = "it did not answer in time"
            except httpx2.ConnectError as error:
                failed = "the connection was refused"
                if "certificate" in str(error).lower():
                    failed = "its certificate is not valid"
            except httpx2.TimeoutException as error:
                stalled = f"nothing came for {self._timeouts.stall:g} s"
                raise Interrupted(stalled) from error
            except (httpx2.HTTPError, ValueError) as error:
                raise Interrupted("the server ended the connection or broke its rules") from error
        raise DataError(
            f"{parts.host} could not be reached for {address.text}: {failed}.",
            "Check the network and the address, then attach it again.",
        )

    async def _looked_up(self, host: str, port: int, *, typed: bool, address: Address) -> list[str]:
        """Return the IP addresses of a host, all of which may be connected to."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeouts.connect):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise DataError(
                f"{address.text} could not be reached: the name {host} is not known.",
                "Check its spelling and the network.",
            ) from error
        ips = list(dict.fromkeys(str(one[4][0]) for one in found))
        for ip in ips:
            fault = fault_of_ip(real_ip(ip), typed=typed)
            if fault:
                where = "leads" if typed else "is redirected"
                raise DataError(
                    f"{address.text} {where} to {host} ({ip}), which {fault}. It was not read.",
                    "Data is fetched from public servers, and from private ones that you name.",
                )
        return ips


def _authorities() -> ssl.SSLContext:
    """Return what certificates are checked by: the system's authorities, and certifi's."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _followed(address: Address, target: str) -> tuple[str, bool]:
    """Return where a redirect leads, and whether the user named that host."""
    parts = urlsplit(target)
    host = parts.hostname or ""
    try:
        same = parts.netloc == address.bucket
        secure = parts.scheme == "https" or (
            parts.scheme == "http" and same and is_loopback(host) and
            address.text.startswith("http://")
        )  # fmt: skip
    except ValueError:
        secure = False
    if not secure or not host or parts.username or parts.password:
        raise DataError(
            f"{address.text} is redirected to an address that is not https, so it was not read.",
            "Name the address at its end, or download the file and attach it.",
        )
    return target, same


def _check(response: httpx2.Response, address: Address) -> None:
    status = response.status_code
    if status in (200, 206):
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html" and not address.name.lower().endswith((".html", ".htm")):
            raise DataError(
                f"{address.text} answered with a web page, not with data: perhaps a page to sign "
                "in.",
                "Name the file's own address, or download it and attach it.",
            )
        return
    match status:
        case 401 | 403:
            raise DataError(
                f"{address.text} may not be read without signing in ({status}).",
                "Download the file and attach it.",
            )
        case 404 | 410:
            raise DataError(f"There is no file {address.text} ({status}).", "Check the address.")
        case 416:
            raise changed(address)
        case 408 | 429 | 500 | 502 | 503 | 504:
            raise Interrupted(f"the server answered with the status {status}")
        case _:
            raise DataError(
                f"The server answered {address.text} with the status {status}.", "Try again later."
            )


async def _faults(chunks: AsyncIterator[bytes], timeouts: Timeouts) -> AsyncIterator[bytes]:
    import httpx2

    try:
        async for chunk in chunks:
            yield chunk
    except httpx2.TimeoutException as error:
        raise Interrupted(f"nothing came for {timeouts.stall:g} s") from error
    except httpx2.HTTPError as error:
        raise Interrupted("the connection ended too early") from error


def _size(response: httpx2.Response) -> int | None:
    length = response.headers.get("content-length", "")
    packed = response.headers.get("content-encoding", "identity").lower() != "identity"
    return int(length) if length.isdecimal() and not packed else None


def _etag(response: httpx2.Response) -> str:
    """Return what names this version; weak where the server has only a date."""
    tag = response.headers.get("etag", "").strip()
    return str(tag or response.headers.get("last-modified", "").strip())

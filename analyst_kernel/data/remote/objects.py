"""Objects of S3, Google Cloud Storage and Azure: listed, and read from any byte on.

What a store or its client says is never quoted: it may hold a signed address. From it come a status
and a code, and the sentences are ours.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from analyst_kernel.data.remote.address import Address
from analyst_kernel.data.remote.credentials import ANONYMOUS, EXTRA, Access, access_to
from analyst_kernel.data.remote.relay import OneHostProxy, one_host_proxy
from analyst_kernel.protocol.errors import DataError

CHUNK = 1 << 20
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_KEYS = ("SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthenticationFailed", "InvalidToken")
_OLD = ("ExpiredToken", "RequestTimeTooSkewed", "TokenRefreshRequired")


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object as it was when it was listed.

    Attributes:
        size: Bytes; None if a web server did not say.
        etag: What the store calls this version; empty if it does not.
    """

    address: Address
    size: int | None
    etag: str


class Interrupted(Exception):
    """An object did not come to its end, for a reason that may pass: a clause for the user."""


class RangeIgnored(Exception):
    """The server sends the object from its start only."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds, for a connection and for the next bytes."""

    connect: float = 10.0
    stall: float = 60.0


class ObjectStore:
    """One bucket, as one user may read it."""

    def __init__(
        self, access: Access, store: Any, timeouts: Timeouts, proxy: OneHostProxy | None
    ) -> None:
        self.access = access
        self._store = store
        self._timeouts = timeouts
        self._proxy = proxy

    @classmethod
    @asynccontextmanager
    async def open(
        cls, address: Address, env: Mapping[str, str], timeouts: Timeouts
    ) -> AsyncIterator[ObjectStore]:
        """Yield the bucket of an address; nothing is asked yet.

        Raises:
            DataError: The client is not installed, or credentials or an endpoint cannot be used.
        """
        try:
            import obstore.store  # noqa: F401 - the rest goes on only if it can be imported
        except ImportError as error:
            raise DataError(
                f"To read {address.text}, the package obstore is needed.", f"Run: {EXTRA}"
            ) from error
        access = await asyncio.to_thread(access_to, address, env)
        async with AsyncExitStack() as stack:
            proxy = None
            if access.endpoint.startswith("http://"):
                proxy = await stack.enter_async_context(one_host_proxy(access.endpoint))
            yield cls(access, _opened(address, access, timeouts, proxy), timeouts, proxy)

    async def find(self, address: Address, most: int) -> list[RemoteObject]:
        """Return the object of an address, or those below it, at most ``most`` plus one.

        Raises:
            DataError: It is not there, may not be read, or the store cannot be reached.
        """
        import obstore

        try:
            if not address.is_folder:
                try:
                    head = await obstore.head_async(self._store, address.key)
                except Exception as error:
                    if _status(error) in (400, 403):  # a HEAD has no body that says why
                        await obstore.get_range_async(self._store, address.key, start=0, length=1)
                    raise
                return [RemoteObject(address, head["size"], head["e_tag"] or "")]
            found: list[RemoteObject] = []
            async for batch in obstore.list(self._store, prefix=address.key or None):
                for item in batch:
                    # A prefix is a folder to the client, which leaves out the slash.
                    if item["path"].startswith(address.key) and item["size"]:
                        of = Address(address.service, address.bucket, item["path"],
                                     address.account, address.of(item["path"]))  # fmt: skip
                        found.append(RemoteObject(of, item["size"], item["e_tag"] or ""))
                if len(found) > most:
                    break
        except Exception as error:
            raise self.explained(error, address) from error
        return sorted(found, key=lambda one: one.address.key)

    async def read(self, item: RemoteObject, start: int) -> AsyncIterator[bytes]:
        """Yield an object's bytes from ``start`` on.

        Raises:
            DataError: It changed since it was listed, or may not be read.
            Interrupted: It did not come to its end.
            RangeIgnored: ``start`` is not 0, and the server sends the whole.
        """
        import obstore

        options: Any = {"if_match": item.etag} if item.etag else {}
        if start:
            options["range"] = {"offset": start}
        try:
            got = await asyncio.wait_for(
                obstore.get_async(self._store, item.address.key, options=options),
                self._timeouts.stall * 3,
            )
            # A store may not know If-Match.
            _check(item, got.meta)
            stream = aiter(got.stream(min_chunk_size=CHUNK))
            while True:
                try:
                    chunk = await asyncio.wait_for(anext(stream), self._timeouts.stall)
                except StopAsyncIteration:
                    return
                yield bytes(chunk)
        except TimeoutError as error:
            raise Interrupted(f"nothing came for {self._timeouts.stall:g} s") from error
        except (DataError, Interrupted):
            raise
        except Exception as error:
            kind = type(error).__name__
            if kind == "PreconditionError":
                raise changed(item.address) from error
            if start and "range" in str(error).lower() and not _STATUS.search(str(error)):
                raise RangeIgnored from error
            if kind == "GenericError" and _status(error) in (0, 408, 429, 500, 502, 503, 504):
                raise Interrupted(_reach(error)) from error
            raise self.explained(error, item.address) from error

    def explained(self, error: Exception, address: Address) -> DataError:
        """Return what a client's error means, in words of ours."""
        if isinstance(error, DataError):
            return error
        text, kind = str(error), type(error).__name__
        status, found = _status(error), _CODE.search(text)
        code = found[1] if found else ""
        source, where = self.access.source, _at(self.access)
        if self._proxy is not None and self._proxy.failure:
            return _unreached(address, where, self._proxy.failure)
        if code in _OLD:
            return DataError(
                f"The credentials of the source {source!r} have expired{where}.",
                "Sign in again (or set the clock), then attach it again.",
            )
        if code in _KEYS or status == 401:
            return DataError(
                f"The store does not accept the credentials of the source {source!r}{where}.",
                "Check that they are complete and belong to this store.",
            )
        if kind == "NotFoundError" or isinstance(error, FileNotFoundError) or status == 404:
            what = "bucket" if code == "NoSuchBucket" or address.is_folder else "object"
            return DataError(
                f"There is no {what} {address.text}{where}.",
                "Check the spelling; capitals count, and * stands for nothing. "
                "End a folder with a slash.",
            )
        if kind in ("PermissionDeniedError", "UnauthenticatedError") or status == 403:
            if source == ANONYMOUS:
                return DataError(
                    f"No credentials were found, and {address.text} is not public{where}.",
                    "Set them in the environment or a profile, as for the store's own tools.",
                )
            right = "list" if address.is_folder else "read"
            return DataError(
                f"The credentials of the source {source!r} may not {right} {address.text}{where} "
                "(403).",
                "Name a folder or object that they may read, or choose others."
                + (" Note that * stands for nothing." if "*" in address.key else ""),
            )
        if status in (301, 307, 400) and address.service == "s3" and not self.access.endpoint:
            return DataError(
                f"The bucket of {address.text} is in another region than the one asked.",
                "Set AWS_REGION to the bucket's region.",
            )
        if status:
            return DataError(
                f"The store answered {address.text} with the status {status}{where}.",
                "Try again later.",
            )
        return _unreached(address, where, _reach(error))


def _unreached(address: Address, where: str, why: str) -> DataError:
    return DataError(
        f"{address.text} could not be reached{where}: {why}.",
        "Check the network and the endpoint, then attach it again.",
    )


def _opened(
    address: Address, access: Access, timeouts: Timeouts, proxy: OneHostProxy | None
) -> Any:
    """Return the client's store; ``proxy`` is the one that requests go through, if any."""
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    seconds = dt.timedelta(seconds=1)
    client: Any = {
        # In clear only where the user's own endpoint says so.
        "allow_http": proxy is not None,
        "connect_timeout": timeouts.connect * seconds,
        "read_timeout": timeouts.stall * seconds,
        "timeout": dt.timedelta(days=1),  # a large object may take long
    }
    if proxy is not None:
        client["proxy_url"] = proxy.url
    retry: Any = {"max_retries": 2, "retry_timeout": 30 * seconds}
    given: dict[str, Any] = {"client_options": client, "retry_config": retry}
    if access.provider is not None:
        given["credential_provider"] = access.provider
    options: Any = dict(access.options)
    if access.endpoint:
        options["base_url" if address.service == "gs" else "endpoint"] = access.endpoint
    makers: dict[str, Any] = {"gs": GCSStore, "az": AzureStore}
    try:
        return makers.get(address.service, S3Store)(address.bucket, config=options, **given)
    except (BaseError, ValueError, TypeError, OSError) as error:
        raise DataError(
            f"The store of {address.text} cannot be opened with the credentials of the source "
            f"{access.source!r}{_at(access)}.",
            "Check them and the endpoint.",
        ) from error


def _check(item: RemoteObject, found: Mapping[str, Any]) -> None:
    if (item.etag and found["e_tag"] != item.etag) or found["size"] != item.size:
        raise changed(item.address)


def changed(address: Address) -> DataError:
    """Return what it means that an object is another than the one listed."""
    return DataError(
        f"{address.text} changed while it was fetched, so it was not attached.",
        "Attach it again when nobody writes it.",
    )


def _at(access: Access) -> str:
    host = urlsplit(access.endpoint).netloc.rpartition("@")[2] if access.endpoint else ""
    return f" at {host}" if host else ""


def _status(error: Exception) -> int:
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def _reach(error: Exception) -> str:
    """Return why nothing came, from an error that may name addresses."""
    text = str(error).lower()
    status = _status(error)
    if status:
        return f"the server answered with the status {status}"
    for sign, words in (
        ("dns error", "its name is not known"),
        ("failed to lookup", "its name is not known"),
        ("connection refused", "the connection was refused"),
        ("certificate", "its certificate is not valid"),
        ("timed out", "it did not answer in time"),
        ("timeout", "it did not answer in time"),
        ("retrieve credentials", "the credentials' own service did not answer"),
        ("metadata", "the credentials' own service did not answer"),
        ("body", "the connection ended too early"),
    ):
        if sign in text:
            return words
    return "the connection failed"

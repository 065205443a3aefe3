"""Addresses of data that is elsewhere: ``s3://``, ``gs://``, ``az://``, ``abfs://``, ``https://``.

Pure. An address is a name, never a pattern, and never holds a secret: it is written into notebooks.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from analyst_kernel.protocol.errors import DataError

Service = Literal["s3", "gs", "az", "web"]

_SCHEME = re.compile(r"(?i)([a-z][a-z0-9+.-]{1,20})://")
_SERVICES: dict[str, Service] = {
    "s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az",
    "abfss": "az", "https": "web", "http": "web",
}  # fmt: skip
_BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,220}[A-Za-z0-9])?")
_AZURE_HOST = re.compile(r"(?i)([a-z0-9]{3,24})\.(?:dfs|blob)\.core\.windows\.net")
_HOST = re.compile(r"(?i)[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?\.?")
_SECRET = re.compile(
    r"(?i)(?:^|[-_.])(?:sig|signature|token|key|apikey|password|passwd|pwd|secret|auth|"
    r"authorization|credential|credentials|accesskeyid|googleaccessid|jwt|sas)$"
)
"""The end of a name in a query whose value lets somebody in."""

NAME_ONE = "Name an object such as s3://bucket/folder/file.csv, or a folder that ends with a slash."
_LONGEST = 1024  # bytes of a key, in all of the stores


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object, or a folder of objects, is.

    Attributes:
        service: Who is asked for it.
        bucket: Bucket, container, or ``host[:port]`` of a web server.
        key: The object's key, unescaped, without a slash in front; for the web, path and query as
            they are sent. Empty or ending with a slash: all objects below.
        account: Of an Azure address that names one; else empty.
        text: The address as notebooks hold it.
    """

    service: Service
    bucket: str
    key: str
    account: str
    text: str

    @property
    def is_folder(self) -> bool:
        """Return whether it stands for all objects below."""
        return self.service != "web" and (not self.key or self.key.endswith("/"))

    @property
    def name(self) -> str:
        """The last part: a file's name."""
        if self.service != "web":
            return self.key.rstrip("/").rpartition("/")[2]
        return unquote(urlsplit(self.text).path.rpartition("/")[2]).replace("/", "_")

    def of(self, key: str) -> str:
        """Return the address of another key in the same place."""
        return self.text[: len(self.text) - len(self.key)] + key


def scheme_of(text: str) -> str:
    """Return the scheme of a remote address in lower case; empty for a path or ``file://``."""
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    return "" if scheme == "file" else scheme


def parse_address(text: str) -> Address:
    """Return what an address names.

    Raises:
        DataError: It is no such address, or holds a secret (which is not repeated).
    """
    scheme = scheme_of(text)
    service = _SERVICES.get(scheme)
    if service is None:
        raise DataError(
            f"Data cannot be fetched by {scheme or 'this'}: only by s3, gs, az, abfs and https.",
            "Copy it to this machine first and attach the copy.",
        )
    rest = text.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority and (service != "az" or ":" in authority):
        raise DataError(
            f"The {scheme} address holds a user name or a key in front of an @. It would stand in "
            "the notebook, so nothing was fetched.",
            "Leave that out; keys come from the environment or a profile.",
        )
    if not text.isprintable():
        raise DataError(f"The {scheme} address holds characters that cannot be printed.", NAME_ONE)
    if "::" in rest[len(authority) :]:
        raise DataError(f"The {scheme} address is a chain, which is not followed.", NAME_ONE)
    return _web(scheme, rest) if service == "web" else _object(service, scheme, rest)


def _object(service: Service, scheme: str, rest: str) -> Address:
    bucket, _, key = rest.partition("/")
    account = ""
    given = f"{scheme}://{rest}"
    written = {"s3": "s3", "gs": "gs", "az": "az"}[service]
    if "@" in bucket:
        container, _, host = bucket.partition("@")
        found = _AZURE_HOST.fullmatch(host)
        if found is None:
            raise DataError(
                f"{host} is no storage account of Azure.",
                "Write abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER/FILE.",
            )
        bucket, account = container, found[1].lower()
        prefix = f"abfs://{container}@{account}.dfs.core.windows.net/"
    else:
        prefix = f"{written}://{bucket}/"
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise DataError(f"{given} names no bucket.", NAME_ONE)
    if "?" in key and _has_secret(key.partition("?")[2]):
        raise _secret(scheme)
    if len(key.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise DataError(
            f"The key in the {scheme} address is longer than {_LONGEST} bytes.", NAME_ONE
        )
    parts = key.removesuffix("/").split("/") if key else []
    if any(part in ("", ".", "..") for part in parts):
        raise DataError(f"{given} has an empty part, or one that is only dots.", NAME_ONE)
    return Address(service, bucket, key, account, prefix + key)


def _web(scheme: str, rest: str) -> Address:
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    plain = host
    if ":" not in host:
        try:
            plain = host.encode("idna").decode() if host else ""
        except UnicodeError:
            plain = ""
    if not plain or not (_is_ip(plain) or _HOST.fullmatch(plain)):
        raise DataError(f"The {scheme} address names no host.", "Check it.")
    if parts.fragment:
        raise DataError("The part of the address after # is never sent.", "Leave it out.")
    if _has_secret(parts.query):
        raise _secret(scheme)
    if scheme == "http" and not is_loopback(plain):
        raise DataError(
            "Data is not fetched by plain http: whoever is on the way could change it.",
            "Use the https address, or download the file and attach it.",
        )
    if not parts.path.strip("/") or parts.path.endswith("/"):
        raise DataError(
            f"{scheme}://{rest} names no file, and web servers have no list of files.",
            "Name the data files themselves.",
        )
    shown = f"[{plain}]" if ":" in plain else plain.lower()
    bucket = shown if port is None else f"{shown}:{port}"
    key = parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")
    return Address("web", bucket, key, "", f"{scheme}://{bucket}/{key}")


def _has_secret(query: str) -> bool:
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    return any(_SECRET.search(name) for name in names)


def _secret(scheme: str) -> DataError:
    return DataError(
        f"The {scheme} address is signed or holds a key. It would stand in the notebook, so "
        "nothing was fetched.",
        "Name the object itself (such as s3://bucket/file.csv) and keep the key in the "
        "environment or a profile, or download the file and attach it.",
    )


def is_loopback(host: str) -> bool:
    """Return whether a host, as it is written, is this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    return _is_ip(host) and ipaddress.ip_address(host).is_loopback


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

"""The user's list of connections: where a database is and which credential it takes.

The list names the source of a password and never holds one. It lies beside the other settings of
the user's, in Jupyter's data folder.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import Field, ValidationError

from analyst_kernel.connections.engines import ENGINES
from analyst_kernel.connections.passwords import (
    STORED,
    alone_with,
    forget_password,
    keep_password,
    own_folder,
    replace_file,
)
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.errors import InputError, KeyStoreError

EngineName = Literal["postgresql"]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_WITH_PASSWORD = re.compile(r"[a-z]+://[^@:/]*:[^@]*@")
_LONGEST_ADDRESS = 2_000
_PARAMETERS = frozenset(
    {
        "host", "port", "dbname", "user", "service", "sslmode", "sslrootcert", "sslcert", "sslkey",
        "sslcrl", "sslnegotiation", "channel_binding", "gssencmode", "krbsrvname", "passfile",
        "require_auth", "target_session_attrs",
    }
)  # fmt: skip
"""What an address may say besides the place; ``password`` and ``options`` are not among them."""


class ConnectionEntry(Record):
    """One database that the user named.

    Attributes:
        name: How users and models call it.
        engine: A name of ``engines.ENGINES``.
        address: A URL without a password, such as ``postgresql://reader@db.example.org/sales``.
        password_from: ``libpq`` (password file, service file, or none needed), ``stored`` (the
            keyring, or a file of the user's where there is none), ``keyring``, or ``env:`` with
            the name of an environment variable.
        max_rows: More rows than that are not fetched.
        max_megabytes: Nor more than that, as Arrow.
        max_seconds: Time that one statement may take on the server.
        ask_above_rows: A query that the server estimates to give more waits for the user; None
            for none.
        ask_above_cost: So does one that it estimates to cost more, in the server's own units.
    """

    name: str
    engine: EngineName = "postgresql"
    address: str
    password_from: str = "libpq"
    max_rows: Annotated[int, Field(ge=1, le=50_000_000)] = 2_000_000
    max_megabytes: Annotated[int, Field(ge=1, le=8_000)] = 512
    max_seconds: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    ask_above_rows: Annotated[int | None, Field(ge=0)] = None
    ask_above_cost: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None

    @property
    def variable(self) -> str:
        """The environment variable that a notebook reads the address from elsewhere."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    """Return the environment variable of a connection's address."""
    return f"{name.upper()}_DATABASE"


def checked_entry(
    name: str,
    address: str,
    *,
    password_from: str = "libpq",
    max_rows: int | None = None,
    max_megabytes: int | None = None,
    max_seconds: float | None = None,
    ask_above_rows: int | None = None,
    ask_above_cost: float | None = None,
) -> ConnectionEntry:
    """Return an entry for what the user gave.

    Raises:
        InputError: A part cannot be used; no message quotes an address, which may hold a password.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} cannot be the name of a connection.",
            "Begin with a small letter; small letters, digits and _ may follow.",
        )
    limits = {
        "max_rows": max_rows,
        "max_megabytes": max_megabytes,
        "max_seconds": max_seconds,
        "ask_above_rows": ask_above_rows,
        "ask_above_cost": ask_above_cost,
    }
    try:
        return ConnectionEntry.model_validate(
            {
                "name": name,
                "address": _checked_address(address.strip()),
                "password_from": _checked_source(password_from.strip()),
                **{key: value for key, value in limits.items() if value is not None},
            }
        )
    except ValidationError as error:
        found = error.errors()[0]
        raise InputError(
            f"{found['loc'][0]} cannot be used: {found['msg']}.", "Give another value."
        ) from None


def _checked_address(address: str) -> str:
    if len(address) > _LONGEST_ADDRESS or not address.isprintable() or " " in address:
        address = ""
    try:
        parts = urlsplit(address)
        _ = parts.port
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        if _WITH_PASSWORD.match(address):  # one with a slash in it, say
            raise _holds_password() from None
        raise InputError(
            "This is no address of a database.",
            "Give it as postgresql://user@host:5432/database.",
        ) from None
    if parts.scheme not in ("postgresql", "postgres") or parts.fragment:
        known = ", ".join(ENGINES)
        raise InputError(
            f"The address does not begin with the name of an engine that is supported ({known}).",
            "Give it as postgresql://user@host:5432/database.",
        )
    if parts.password is not None or any(key == "password" for key, _value in given):
        raise _holds_password()
    unknown = [key for key, _value in given if key not in _PARAMETERS]
    if unknown:
        raise InputError(
            f"The address sets {unknown[0][:40]!r}, which cannot be set here.",
            f"It may set {', '.join(sorted(_PARAMETERS))}.",
        )
    return address


def _holds_password() -> InputError:
    return InputError(
        "The address holds a password, and an address is shown and kept as it is.",
        "Leave it out; where the password comes from is said beside it.",
    )


def _checked_source(source: str) -> str:
    kind, _, name = source.partition(":")
    if source in ("libpq", *STORED) or (kind == "env" and _VARIABLE.fullmatch(name)):
        return source
    # Not quoted: a password may stand here by mistake.
    raise InputError(
        "This is no source of a password.",
        "Name one: stored, env:VARIABLE, keyring, or libpq (password or service file, or none).",
    )


def with_password(entry: ConnectionEntry, password: str) -> str:
    """Return the address that a driver takes, with a password and without weaker defaults.

    To another machine the connection is encrypted unless the address itself says otherwise.
    """
    parts = urlsplit(entry.address)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    place = given.get("host") or parts.hostname or ""
    if "sslmode" not in given and "service" not in given and not _is_here(place):
        given["sslmode"] = "require"
    given |= {"application_name": "analyst-kernel", "connect_timeout": "10"}
    if password:
        given["password"] = password
    # Not urlunsplit, which leaves the slashes of an address without a host out.
    query = urlencode(given, quote_via=quote)
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}"


def _is_here(host: str) -> bool:
    return host in ("", "localhost", "127.0.0.1", "::1") or host.startswith(("/", "@"))


class ConnectionList:
    """The connections of the user, by name. Blocking; call it in a thread."""

    def __init__(self, folder: Path) -> None:
        """Keep the list in ``folder``, the user's own."""
        self._path = folder / "connections.json"

    def entries(self) -> dict[str, ConnectionEntry]:
        """Return all connections by name.

        Raises:
            InputError: The list cannot be read.
        """
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            entries = [ConnectionEntry.model_validate(one) for one in found["connections"]]
            return {entry.name: _rechecked(entry) for entry in entries}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            # The content is not quoted: a password may have been written there by hand.
            raise InputError(
                f"The list of connections {self._path} cannot be read.",
                "Mend the file, or move it away and add the connections again.",
            ) from None

    def named(self, name: str) -> ConnectionEntry:
        """Return a connection.

        Raises:
            InputError: There is none of this name.
        """
        entries = self.entries()
        if name not in entries:
            known = ", ".join(entries)
            raise InputError(
                f"There is no connection {name[:60]!r}.",
                f"There is: {known}." if known else "`analyst connections add` makes one.",
            )
        return entries[name]

    def put(self, entry: ConnectionEntry) -> None:
        """Add a connection, or replace that of its name."""
        self._change(lambda entries: entries.update({entry.name: entry}))

    def add(self, entry: ConnectionEntry, password: str = "") -> None:
        """Add a connection, or replace that of its name, with the password that it stores.

        Raises:
            InputError: It stores a password and this is none, or the list cannot be used.
            KeyStoreError: The password cannot be kept; the connection was not added.
        """
        before = self.entries().get(entry.name)  # a list that cannot be read keeps its password
        if entry.password_from in STORED:
            keep_password(entry.name, password, or_file=entry.password_from == "stored")
        elif before is not None and before.password_from in STORED:
            with contextlib.suppress(KeyStoreError):
                forget_password(entry.name)
        self.put(entry)

    def remove(self, name: str) -> ConnectionEntry:
        """Remove and return a connection, and the password that is stored for it."""
        entry = self.named(name)
        if entry.password_from in STORED:
            with contextlib.suppress(KeyStoreError):
                forget_password(name)
        self._change(lambda entries: entries.pop(name, None))
        return entry

    def _change(self, change: Callable[[dict[str, ConnectionEntry]], object]) -> None:
        try:
            with alone_with(self._path):
                entries = self.entries()
                change(entries)
                rows = [entry.model_dump(mode="json") for entry in entries.values()]
                replace_file(self._path, {"version": 1, "connections": rows})
        except OSError as error:
            raise InputError(
                f"The list of connections {self._path} cannot be written: {error.strerror}.",
                "Make its folder writable, or set JUPYTER_DATA_DIR.",
            ) from None


def _rechecked(entry: ConnectionEntry) -> ConnectionEntry:
    """Check what was written by hand as what is added."""
    try:
        checked_entry(entry.name, entry.address, password_from=entry.password_from)
    except InputError as error:
        raise ValueError(error.what) from None
    return entry


def connections_of_user() -> ConnectionList:
    """Return the list in the user's Jupyter data folder."""
    return ConnectionList(own_folder())

"""What is stored for a provider, and when the provider gets it.

The environment goes first. What is stored is handed over as a whole, key and address, or not at
all: a key of the environment never meets an address that is stored, nor the other way about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from analyst_kernel.protocol.errors import InputError
from analyst_kernel.providers import Env, ProviderSettings

Source = Literal["settings", "keyring", "file"]
"""Where a key lies: named by the server's settings, in the system's keyring, in the user's file."""

SOURCES: dict[Source, str] = {
    "settings": "server settings",
    "keyring": "keyring",
    "file": "key file",
}
"""How lists name them."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_PORTS = {"http": 80, "https": 443}
_LONGEST_ADDRESS = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and the address that it was given for; its repr holds no secret.

    Attributes:
        key: Empty if only an address is stored.
        url: Its host is the only one that the key may go to. None if an earlier version stored the
            key without one.
    """

    key: str = field(repr=False)
    url: str | None
    source: Source

    @property
    def host(self) -> str:
        """The host that the key is bound to; empty for none."""
        return origin(self.url or "")


def origin(url: str) -> str:
    """Return ``scheme://host:port`` of an address; empty if programs may read it differently."""
    try:
        if len(url) > _LONGEST_ADDRESS or "\\" in url or not (url.isascii() and url.isprintable()):
            return ""
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        return ""
    host = parts.netloc.lower().removesuffix(f":{parts.port}")
    return f"{parts.scheme}://{host}:{port}" if _HOST.fullmatch(host) else ""


def shown_host(url: str) -> str:
    """Return the host of an address as a user reads it: without its scheme's usual port."""
    found = origin(url)
    return found.removesuffix(f":{_PORTS.get(found.partition('://')[0])}")


def read_address(text: str) -> str:
    """Return an address that a user gave, without its last slash.

    Raises:
        InputError: It is no web address, or holds more than scheme, host, port and path.
    """
    url = text.strip().rstrip("/")
    if not origin(url) or " " in url:
        raise InputError(
            "This is no web address.",
            "Give it as http://host:8080 or https://host/path, without user name and password.",
        )
    if "?" in url or "#" in url:
        raise InputError(
            "The address holds more than a host and a path.",
            "Leave out everything from the ? or # on; a key goes into its own field.",
        )
    return url


def is_own(settings: ProviderSettings, url: str) -> bool:
    """Return whether an address is on the provider's own host, or on that of one of its regions."""
    own, used = origin(settings.url), origin(url)
    region = used.startswith("https://") and used.endswith(own.replace("https://", "."))
    return bool(own) and (used == own or region)


def address_in_use(settings: ProviderSettings, env: Env) -> str:
    """Return where requests go if nothing is stored; empty if the user must say."""
    return _value(env, settings.url_variable).rstrip("/") or settings.url


def bound_by_default(settings: ProviderSettings, env: Env) -> str:
    """Return the address for a key that an earlier version stored without one.

    It is where that version sent the key; empty if it sent it nowhere.
    """
    used = address_in_use(settings, env)
    if settings.elsewhere_variable and not is_own(settings, used):
        return settings.url
    return used if origin(used) else ""


def key_of_environment(settings: ProviderSettings, env: Env) -> str:
    """Return the variable whose key goes before what is stored; empty for none."""
    names = [settings.key_variable, settings.elsewhere_variable]
    given = _value(env, settings.url_variable)
    if settings.elsewhere_variable and given and not is_own(settings, given):
        # The provider's own key is not sent to that address, so it is no key for it.
        names = [settings.elsewhere_variable]
    return next((name for name in names if _value(env, name)), "")


def why_unused(entry: Entry, settings: ProviderSettings, env: Env) -> str:
    """Return, in one sentence, why what is stored is not handed over; empty if it is."""
    variable = key_of_environment(settings, env)
    if variable:
        return f"{variable} is set in the environment and goes first."
    if not entry.key and settings.needs_key:
        return "There is no key with it."
    if entry.url is None or not entry.host:
        return "It is not known which host it was given for."
    used = _value(env, settings.url_variable) or entry.url
    if not settings.url_variable and origin(settings.url) != entry.host:
        return f"It was given for {shown_host(entry.url)}, where this provider sends nothing."
    if origin(used) != entry.host:
        return (
            f"It was given for {shown_host(entry.url)}, and {settings.url_variable} leads to "
            "another host."
        )
    return ""


class StoredEnv(Mapping[str, str]):
    """The environment, and what is stored for each provider; as a mapping it holds no stored key.

    Attributes:
        entries: By provider.
        problem: Why something that is stored cannot be read; empty if nothing is wrong.
    """

    def __init__(self, env: Env, entries: Mapping[str, Entry], problem: str = "") -> None:
        """Take both as they are."""
        self._env = env
        self.entries = entries
        self.problem = problem

    def of(self, provider: str, settings: ProviderSettings) -> tuple[Env, str]:
        """Return the variables for one provider, and where what was added comes from."""
        entry = self.entries.get(provider)
        if entry is None or why_unused(entry, settings, self._env):
            return self._env, ""
        own = dict(self._env)
        if entry.url and entry.url != settings.url and not _value(own, settings.url_variable):
            own[settings.url_variable] = entry.url
        # Whichever of them the provider reads, its requests go to the host of the key.
        for name in (settings.key_variable, settings.elsewhere_variable):
            if entry.key and name and not _value(own, name):
                own[name] = entry.key
        return own, SOURCES[entry.source]

    def __getitem__(self, name: str) -> str:
        return self._env[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


def _value(env: Env, name: str) -> str:
    return env.get(name, "").strip() if name else ""

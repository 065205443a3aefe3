"""Where keys lie: files that a server's settings name, the system's keyring, a file of the user."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from analyst_kernel.credentials.entries import (
    Entry,
    Source,
    StoredEnv,
    address_in_use,
    bound_by_default,
    key_of_environment,
    origin,
    read_address,
    shown_host,
    why_unused,
)
from analyst_kernel.models.registry import list_settings
from analyst_kernel.protocol.errors import InputError, KeyStoreError
from analyst_kernel.providers import Env, ProviderSettings

SERVICE = "analyst-kernel"
_LONGEST = 4_096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class NamedKey:
    """What the server's settings name for a provider.

    Attributes:
        file: The file that holds the key; empty for none.
        url: The address that the key is for; empty for the provider's own.
    """

    file: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key or an address that was found, as lists show it; it holds no secret.

    Attributes:
        source: ``environment`` goes before ``settings``, and those before what the user stored.
        host: Where the key goes; of the environment, where the provider sends requests.
        url: The address, where it was stored with the key.
        removable: Whether the user stored it here.
        unused: Why it is not used, one sentence; empty if it is.
        variable: The environment variable that holds it.
    """

    provider: str
    source: Source | Literal["environment"]
    host: str
    url: str = ""
    has_key: bool = True
    removable: bool = False
    unused: str = ""
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A key and an address that may be stored as they are; its fields are checked.

    Made by :meth:`Keys.propose`.
    """

    provider: str
    settings: ProviderSettings
    entry: Entry


class Keys:
    """Keys by provider. Blocking; call it in a thread.

    Attributes:
        locked: Whether only the environment and the server's settings count.
        version: Counts changes, so that a model with an old key can be detected.
    """

    def __init__(
        self, folder: Path, *, named: Mapping[str, NamedKey] | None = None, locked: bool = False
    ) -> None:
        """Store keys in the system's keyring, or in ``folder`` if there is none.

        ``named`` are those of the server's settings.
        """
        self._file = _File(folder / "keys.json")
        ring = None if locked else usable_keyring()
        self._ring = None if ring is None else _Ring(ring)
        self._named = dict(named or {})
        self.locked = locked
        self.version = 0
        self._newest: dict[str, Entry] | None = None

    @property
    def place(self) -> Source:
        """Where a key is stored that is added now."""
        return "file" if self._ring is None else "keyring"

    def environment(self, env: Env | None = None) -> StoredEnv:
        """Return environment variables that hand to each provider what is stored for it.

        What cannot be read is left out, and the result says so.
        """
        variables = dict(os.environ if env is None else env)
        entries, problems = self._stored()
        self._bind(entries, variables)
        named, more = self._read_named()
        entries |= named
        if entries != self._newest:
            self.version += self._newest is not None
            self._newest = entries
        return StoredEnv(variables, entries, " ".join([*problems, *more]))

    def kept(self) -> tuple[str, ...]:
        """Return the providers of which the user stored something here."""
        return tuple(sorted(self._stored()[0]))

    def states(self, env: StoredEnv) -> tuple[KeyState, ...]:
        """Return what is set for each provider, and where it comes from."""
        found: list[KeyState] = []
        for name, settings in list_settings().items():
            variable = key_of_environment(settings, env)
            entry = env.entries.get(name)
            if variable:
                host = shown_host(address_in_use(settings, env))
                found.append(KeyState(name, "environment", host, variable=variable))
            if entry is not None:
                found.append(_state(name, entry, why_unused(entry, settings, env)))
        known = {state.provider for state in found}
        gone = "The package that adds this provider is not installed."
        found += [
            _state(name, entry, gone) for name, entry in env.entries.items() if name not in known
        ]
        return tuple(found)

    def propose(self, provider: str, key: str, url: str = "") -> Proposal:
        """Return what would be stored; nothing is stored yet.

        Args:
            provider: Its name.
            key: May be empty where a server wants none.
            url: The address that the key is for; empty for the one that is in use.

        Raises:
            InputError: There is no such provider, nothing can be stored for it, this cannot be a
                key or an address, or it would have no effect.
        """
        self._refuse_locked()
        known = list_settings()
        settings = known.get(provider)
        if settings is None:
            raise InputError(
                f"Nothing can be stored for a provider {provider[:60]!r}.",
                f"Keys can be stored for {', '.join(known)}.",
            )
        if provider in self._named:
            raise InputError(
                f"The settings of this server hold the key of {provider}.",
                "Ask its administrator, or remove it from jupyter_server_config.py.",
            )
        key = _checked_key(key, settings)
        env = os.environ
        variable = key_of_environment(settings, env)
        if variable:
            raise InputError(
                f"{variable} is set in the environment and goes first, so this would not be used.",
                "Change it there, or start Jupyter without it.",
            )
        address = _checked_address(settings, url, address_in_use(settings, env))
        if settings.url_variable and env.get(settings.url_variable, "").strip():
            used = address_in_use(settings, env)
            if origin(used) != origin(address):
                raise InputError(
                    f"{settings.url_variable} leads to {shown_host(used)} and goes first, so this "
                    "would not be used.",
                    "Change it in the environment, or start Jupyter without it.",
                )
        return Proposal(provider, settings, Entry(key, address, self.place))

    def keep(self, proposal: Proposal) -> None:
        """Store a key and its address in place of those before.

        Raises:
            KeyStoreError: It cannot be stored, or what is stored cannot be read.
        """
        self._refuse_locked()
        name, entry = proposal.provider, proposal.entry
        if self._ring is not None:
            self._ring.write({**self._ring.read(), name: entry})
            # An older one in the file would come back when the keyring goes.
            self._file.remove(name)
        else:
            self._file.put(name, entry)

    def forget(self, provider: str) -> None:
        """Remove what is stored for a provider. Idempotent.

        Raises:
            InputError: The administrator decides on keys.
            KeyStoreError: What is stored cannot be read or written.
        """
        self._refuse_locked()
        self._file.remove(provider)
        if self._ring is not None:
            kept = self._ring.read()
            if kept.pop(provider, None) is not None:
                self._ring.write(kept)

    def _refuse_locked(self) -> None:
        if self.locked:
            raise InputError(
                "The administrator of this server decides which keys there are.",
                "They cannot be changed here.",
            )

    def _stored(self) -> tuple[dict[str, Entry], list[str]]:
        """Read what the user stored, and why something could not be read."""
        found: dict[str, Entry] = {}
        problems: list[str] = []
        for place in () if self.locked else (self._file, self._ring):
            if place is not None:
                try:
                    found |= place.read()
                except KeyStoreError as error:
                    problems.append(str(error))
        return found, problems

    def _bind(self, entries: dict[str, Entry], env: Env) -> None:
        """Bind keys of earlier versions, which have no address, to where they are sent now."""
        free = [name for name, entry in entries.items() if entry.url is None]
        if not free:
            return
        known = list_settings()
        for name in free:
            address = bound_by_default(known[name], env) if name in known else ""
            if address:
                entry = entries[name]
                entries[name] = Entry(entry.key, address, entry.source)
                with contextlib.suppress(KeyStoreError):  # bound in memory at least
                    if entry.source == "file":
                        self._file.put(name, entries[name])
                    elif self._ring is not None:
                        self._ring.write({**self._ring.read(), name: entries[name]})

    def _read_named(self) -> tuple[dict[str, Entry], list[str]]:
        known = list_settings() if self._named else {}
        found: dict[str, Entry] = {}
        problems: list[str] = []
        for name, given in self._named.items():
            # Neither the path nor the file is quoted: a key may stand there by mistake.
            what = f"The key that the server's settings name for {name!r} cannot be used:"
            if name not in known:
                problems.append(f"{what} there is no such provider, or it takes none.")
                continue
            try:
                key = _checked_key(_text_of(given.file) if given.file else "", known[name])
                address = _checked_address(known[name], given.url, known[name].url)
                found[name] = Entry(key, address, "settings")
            except InputError as error:
                problems.append(f"{what} {error.what}")
        return found, problems


def _state(name: str, entry: Entry, unused: str) -> KeyState:
    return KeyState(
        name,
        entry.source,
        shown_host(entry.url or ""),
        url=entry.url or "",
        has_key=bool(entry.key),
        removable=entry.source != "settings",
        unused=unused,
    )


def _checked_key(key: str, settings: ProviderSettings) -> str:
    key = key.strip()
    if not key and not settings.needs_key:
        return ""
    if not settings.key_variable:
        raise InputError("This provider takes no key.", "Give its address alone.")
    # What cannot stand in a header could not be sent, and an SDK would quote it.
    if not key or len(key) > _LONGEST or not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError("This is no key.", "Paste the key alone, without spaces.")
    return key


def _checked_address(settings: ProviderSettings, url: str, default: str) -> str:
    """Return the address to bind a key to."""
    if not url.strip():
        if not default:
            raise InputError(
                "This provider has no address of its own.", "Give the address of your server."
            )
        url = default
    address = read_address(url)
    if not settings.url_variable and origin(address) != origin(settings.url):
        raise InputError(
            f"This provider sends to {shown_host(settings.url)} alone.",
            "Leave the address out, or choose the provider of your server's protocol.",
        )
    return address if settings.url_variable else settings.url


def _text_of(path: str) -> str:
    try:
        if os.path.getsize(path) > 2 * _LONGEST:
            raise InputError("The file is too large for a key.")
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.strerror or 'It cannot be read'}.") from None
    except ValueError:
        raise InputError("The file is no text.") from None


class _File:
    """A file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Entry]:
        try:
            with self._path.open(encoding="utf-8") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS and os.name == "posix":
                    os.chmod(self._path, 0o600)
                found = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            # The error does not quote the content, which may hold a key.
            raise KeyStoreError(
                f"The kept keys in {self._path} cannot be read.", "Remove the file; add them again."
            ) from None
        return _entries(found, "file")

    def put(self, name: str, entry: Entry) -> None:
        with self._alone():
            self._write({**self.read(), name: entry})

    def remove(self, name: str) -> None:
        with self._alone():
            kept = self.read()
            if kept.pop(name, None) is not None:
                self._write(kept)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes of the user's from writing meanwhile, where the system can."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(".keys-lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise self._failure(error) from None
        try:
            with contextlib.suppress(ImportError, OSError):
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, entries: Mapping[str, Entry]) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".keys-")  # made 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(_records(entries), file)
                os.replace(name, self._path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> KeyStoreError:
        return KeyStoreError(
            f"The key cannot be kept in {self._path}: {error.strerror}.",
            "Make the folder writable, or set the provider's environment variable.",
        )


class _Ring:
    """The system's keyring; one entry holds all keys, so that they can be listed."""

    def __init__(self, ring: Any) -> None:
        self._ring = ring

    def read(self) -> dict[str, Entry]:
        try:
            found = json.loads(self._ring.get_password(SERVICE, "keys") or "{}")
        except Exception:  # noqa: BLE001 - backends raise what they like, and may quote the secret
            raise KeyStoreError("The system keyring cannot be read.", "Unlock it.") from None
        return _entries(found, "keyring")

    def write(self, entries: Mapping[str, Entry]) -> None:
        try:
            self._ring.set_password(SERVICE, "keys", json.dumps(_records(entries)))
        except Exception:  # noqa: BLE001 - backends raise what they like
            raise KeyStoreError("The system keyring cannot be written.", "Unlock it.") from None


def usable_keyring() -> Any | None:
    """Return the ``keyring`` module if it is installed and has a real backend."""
    if find_spec("keyring") is None:
        return None
    try:
        ring: Any = import_module("keyring")
        hollow: Any = (
            import_module("keyring.backends.fail").Keyring,
            import_module("keyring.backends.null").Keyring,
        )
        backend = ring.get_keyring()
        # Several backends at once are none if none of them is real.
        parts = getattr(backend, "backends", None)
        real = backend if parts is None else next(iter(parts), None)
        return None if real is None or isinstance(real, hollow) else ring
    except Exception:  # noqa: BLE001 - a broken backend cannot be used
        return None


def _entries(found: object, source: Source) -> dict[str, Entry]:
    """Read ``{provider: {"key", "url"}}``; an earlier version wrote the key in place of both."""
    entries: dict[str, Entry] = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        if isinstance(value, str) and value:
            entries[str(name)] = Entry(value, None, source)
        elif isinstance(value, dict):
            key, url = value.get("key", ""), value.get("url")
            if isinstance(key, str) and isinstance(url, str):
                entries[str(name)] = Entry(key, url, source)
    return entries


def _records(entries: Mapping[str, Entry]) -> dict[str, Any]:
    return {
        name: entry.key if entry.url is None else {"key": entry.key, "url": entry.url}
        for name, entry in entries.items()
    }


def keys_of_user() -> Keys:
    """Return the store that the user's Jupyter servers have, for programs without a server."""
    from jupyter_core.paths import jupyter_data_dir

    return Keys(Path(jupyter_data_dir()) / "analyst-kernel")

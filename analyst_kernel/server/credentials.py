"""The user's keys of model providers, stored on the server: in the system keyring, or in a file.

A key is given to its own provider's model only: not to the browser, a log, the journal, this
process's environment or a kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from analyst_kernel.protocol.errors import InputError, KeyStoreError

SERVICE = "analyst-kernel"
_LONGEST = 4_096


class Keys:
    """Keys by provider. Blocking; call it in a thread.

    Attributes:
        version: Counts changes, so that a model with an old key can be detected.
    """

    def __init__(self, folder: Path) -> None:
        """Store keys in the system's keyring, or in ``folder`` if there is none."""
        ring = _usable_keyring()
        self._vault: _File | _Ring = _File(folder / "keys.json") if ring is None else _Ring(ring)
        self.version = 0

    def environment(self) -> dict[str, str]:
        """Return environment variables with the stored keys added; variables that are set stay."""
        variables, known = dict(os.environ), _variables()
        for provider, key in self._vault.read().items():
            variable = known.get(provider, "")
            if variable and not variables.get(variable, "").strip():
                variables[variable] = key
        return variables

    def kept(self) -> tuple[str, ...]:
        """Return the providers whose keys are stored here."""
        return tuple(sorted(self._vault.read()))

    def keep(self, provider: str, key: str) -> None:
        """Store a provider's key in place of the one before.

        Raises:
            InputError: There is no such provider, it takes no key, or this cannot be a key.
        """
        key = key.strip()
        if provider not in _variables():
            raise InputError(
                "This provider takes no key.", f"Keys can be kept for {', '.join(_variables())}."
            )
        if not key or len(key) > _LONGEST or any(c.isspace() or not c.isprintable() for c in key):
            raise InputError("This is no key.", "Paste the key alone, without spaces.")
        self._vault.write({**self._vault.read(), provider: key})
        self.version += 1

    def forget(self, provider: str) -> None:
        """Remove a provider's key. Idempotent."""
        keys = self._vault.read()
        if keys.pop(provider, None) is not None:
            self._vault.write(keys)
            self.version += 1


class _File:
    """A file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            # The error does not quote the content, which may hold a key.
            raise KeyStoreError(
                f"The kept keys in {self._path} cannot be read.", "Remove the file; add them again."
            ) from None
        return _texts(found)

    def write(self, keys: dict[str, str]) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".keys-")  # made 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(keys, file)
                os.replace(name, self._path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise KeyStoreError(
                f"The key cannot be kept in {self._path}: {error.strerror}.",
                "Make the folder writable, or set the provider's environment variable.",
            ) from None


class _Ring:
    """The system's keyring; one entry holds all keys, so that they can be listed."""

    def __init__(self, ring: Any) -> None:
        self._ring = ring

    def read(self) -> dict[str, str]:
        try:
            return _texts(json.loads(self._ring.get_password(SERVICE, "keys") or "{}"))
        except Exception:  # noqa: BLE001 - backends raise what they like, and may quote the secret
            raise KeyStoreError("The system keyring cannot be read.", "Unlock it.") from None

    def write(self, keys: dict[str, str]) -> None:
        try:
            self._ring.set_password(SERVICE, "keys", json.dumps(keys))
        except Exception:  # noqa: BLE001 - backends raise what they like
            raise KeyStoreError("The system keyring cannot be written.", "Unlock it.") from None


def _usable_keyring() -> Any | None:
    """Return the ``keyring`` module if it is installed and has a real backend."""
    try:
        ring: Any = import_module("keyring")
        hollow: Any = (
            import_module("keyring.backends.fail").Keyring,
            import_module("keyring.backends.null").Keyring,
        )
        return None if isinstance(ring.get_keyring(), hollow) else ring
    except ImportError:
        return None
    except Exception:  # noqa: BLE001 - a broken backend cannot be used
        return None


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {str(k): v for k, v in found.items() if isinstance(v, str)}


def _variables() -> dict[str, str]:
    from analyst_kernel.models.anthropic_provider import KEY
    from analyst_kernel.models.compatible_providers import COMPATIBLE
    from analyst_kernel.models.gemini.provider import KEY as GEMINI_KEY
    from analyst_kernel.models.openai_providers import OPENAI_WIRES

    own = {provider.name: provider.key_variable for provider in (*COMPATIBLE, *OPENAI_WIRES)}
    known = {"anthropic": KEY, "gemini": GEMINI_KEY, **own}
    return {name: variable for name, variable in known.items() if variable}

"""Passwords of connections: the variables that hold them, the keyring, a file of the user's."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from analyst_kernel.credentials.store import SERVICE, usable_keyring
from analyst_kernel.protocol.errors import InputError, KeyStoreError

LONGEST_PASSWORD = 4_096
STORED = ("stored", "keyring")
"""The sources for which a password is kept here; ``keyring`` never becomes a file."""

PasswordPlace: TypeAlias = Literal["keyring", "file"]


def password_place() -> PasswordPlace:
    """Return where a password is kept that is stored now."""
    return "file" if usable_keyring() is None else "keyring"


def password_of(name: str, source: str, env: Mapping[str, str]) -> str:
    """Return the password of a connection; empty if the driver finds it by itself.

    Args:
        name: That of the connection.
        source: Where it says that the password comes from.
        env: Environment variables.

    Raises:
        KeyStoreError: Its source has none.
    """
    kind, _, variable = source.partition(":")
    if kind == "env":
        if not env.get(variable):
            raise KeyStoreError(
                f"{name} takes its password from the variable {variable}, which is not set.",
                "Set it where Jupyter or this command is started.",
            )
        return env[variable]
    if kind not in STORED:
        return ""
    ring = usable_keyring()
    found = None
    if ring is not None:
        with contextlib.suppress(Exception):  # backends raise what they like
            found = ring.get_password(SERVICE, f"connection:{name}")
    if not found and kind == "stored":
        found = _read(_path()).get(name)
    if not found:
        where = "the keyring, which has none for it" if kind == "keyring" else (
            "what is stored here, and nothing is"
        )  # fmt: skip
        raise KeyStoreError(
            f"{name} takes its password from {where}.",
            f"Unlock the keyring, or add {name} again with its password.",
        )
    return str(found)


def keep_password(name: str, password: str, *, or_file: bool = False) -> None:
    """Keep a password in the system's keyring.

    ``or_file`` keeps it in a file that the user alone may read, where there is no keyring.

    Raises:
        InputError: It is no password; it is not quoted.
        KeyStoreError: There is no keyring, or what should keep it refused.
    """
    ring = usable_keyring()
    if ring is None and not or_file:
        raise KeyStoreError(
            "There is no keyring on this machine, and a password of this source is not written to "
            "a file.",
            "Use --password-from stored, env:NAME or libpq, or install the extra `keyring`.",
        )
    password = password.strip("\r\n")
    if not password or len(password) > LONGEST_PASSWORD or "\0" in password:
        raise InputError("This is no password.", "Type the password alone.")
    if ring is None:
        _change(name, password)
        return
    with _readable_failure():
        ring.set_password(SERVICE, f"connection:{name}", password)
    # An older one in the file would come back when the keyring goes.
    _change(name, "")


def forget_password(name: str) -> None:
    """Remove what is stored for a connection. Idempotent.

    Raises:
        KeyStoreError: What keeps it refused.
    """
    _change(name, "")
    ring = usable_keyring()
    if ring is not None:
        with _readable_failure():
            if ring.get_password(SERVICE, f"connection:{name}") is not None:
                ring.delete_password(SERVICE, f"connection:{name}")


@contextlib.contextmanager
def _readable_failure() -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 - backends raise what they like, and may quote the secret
        raise KeyStoreError("The system keyring cannot be written.", "Unlock it.") from None


# --- the user's own files --------------------------------------------------------------------


def own_folder() -> Path:
    """Return the user's folder with the settings of this package."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "analyst-kernel"


def replace_file(path: Path, content: object) -> None:
    """Write JSON to a file that its owner alone may read, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")  # made 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Keep other processes of the user's from changing a file meanwhile, where the system can.

    Raises:
        OSError: The file's folder cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.stem}-lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _path() -> Path:
    return own_folder() / "passwords.json"


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO) and os.name == "posix":
                os.chmod(path, 0o600)
            return {str(name): str(value) for name, value in json.load(file).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError):
        # The content is not quoted.
        raise KeyStoreError(
            f"The stored passwords in {path} cannot be read.",
            "Remove the file, and add the connections again.",
        ) from None


def _change(name: str, password: str) -> None:
    path = _path()
    if not password and not path.exists():
        return

    try:
        with alone_with(path):
            rest = {key: value for key, value in _read(path).items() if key != name}
            replace_file(path, {**rest, name: password} if password else rest)
    except OSError as error:
        raise KeyStoreError(
            f"The password cannot be kept in {path}: {error.strerror}.",
            "Make its folder writable, or name an environment variable that holds it.",
        ) from None

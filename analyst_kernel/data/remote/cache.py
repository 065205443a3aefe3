"""The user's copies of remote objects: each version once, and a folder of them per grant.

``objects/`` holds contents by store, key, size and ETag; ``trees/ID/`` what one grant shows, as
hard links, with the file ``PIN`` that says which address each copy is of; ``pins/ID.json`` the same
for a tree that was removed to make room. Everything is readable by the user alone. Several
processes may use it at once. Blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analyst_kernel._trees import remove_tree
from analyst_kernel.data.remote.address import Address
from analyst_kernel.grants import default_path
from analyst_kernel.protocol.errors import DataError, InputError

PIN = "PIN"
_DATA = "data"
_ID = re.compile(r"[0-9a-f]{32}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|\ud800-\udfff]")
_LONGEST_NAME = 120  # characters, at most 4 bytes each, with room for a number
_VERSION = 1
_LARGEST_PIN = 4 << 20
_UNUSED_SECONDS = 86_400
_KEPT_FREE = 500 * 1000**2
BUDGET = "ANALYST_REMOTE_CACHE"
_BUDGET_BYTES = 20 * 1000**3
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "k": 10**3, "m": 10**6,
          "g": 10**9, "t": 10**12}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PinnedObject:
    """A copy: of what, in which version, and where it lies in the grant's folder."""

    address: str
    size: int
    etag: str
    file: str


@dataclass(frozen=True, slots=True)
class Pin:
    """What one grant of an address stands for, from when it was listed on.

    Attributes:
        id: Names exactly these objects in these versions.
        address: As the user gave it.
        source: The name of the credentials' source.
        endpoint: Of a store that is not the cloud's own; else empty.
        fetched: ISO time, UTC.
        objects: In order of their keys.
        left_out: How many objects below the address do not look like data.
    """

    id: str
    address: str
    source: str
    endpoint: str
    fetched: str
    objects: tuple[PinnedObject, ...]
    left_out: int = 0


def default_root() -> Path:
    """Return the cache's folder, beside the store of grants."""
    return default_path().parent / "remote"


def budget(env: Mapping[str, str]) -> int:
    """Return how many bytes the cache may hold; raises ``InputError``."""
    text = env.get(BUDGET, "").strip().lower()
    if not text:
        return _BUDGET_BYTES
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?b?)", text)
    if found is None:
        raise InputError(f"{BUDGET}={text!r} is no size.", "Write it such as 20GB.")
    return int(float(found[1]) * _UNITS[found[2].removeprefix("b")])


def pin_id(endpoint: str, address: str, objects: Sequence[PinnedObject]) -> str:
    """Return the id of a list of versions."""
    versions = [(one.address, one.size, one.etag) for one in objects]
    return _digest([endpoint, address, versions])


def placed(names: Sequence[str]) -> list[str]:
    """Return a path in a folder for each of the slashed names, no two of which collide."""
    files: set[str] = set()
    folders: set[str] = set()
    found: list[str] = []
    for name in names:
        *above, last = [_fit(part) for part in name.split("/")]
        stem, dot, suffix = last.partition(".")
        number = 0
        while True:
            part = f"{stem}-{number}{dot}{suffix}" if number else last
            path = "/".join([*above, part])
            parents = ["/".join(above[:n]) for n in range(1, len(above) + 1)]
            if path.lower() not in files | folders and not files & {p.lower() for p in parents}:
                break
            number += 1
            if any(parent.lower() in files for parent in parents):
                above = [f"{above[0]}-{number}", *above[1:]]
        files.add(path.lower())
        folders |= {parent.lower() for parent in parents}
        found.append(path)
    return found


def _fit(part: str) -> str:
    """Return a part of a key as a file's name that every system takes."""
    plain = _UNFIT.sub("_", part)
    if len(plain) > _LONGEST_NAME or len(plain.encode()) > 2 * _LONGEST_NAME:
        end = plain[-40:] if "." in plain[-40:] else ""
        plain = f"{plain[:20]}-{hashlib.sha256(part.encode()).hexdigest()[:12]}{end}"
    return "_" + plain if plain.startswith(".") or not plain else plain


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()[:32]


class RemoteCache:
    """The folder of copies."""

    def __init__(self, root: Path | None = None) -> None:
        """Use the user's folder; it is made when something is stored."""
        self.root = default_root() if root is None else root
        self._objects, self._trees, self._pins = (
            self.root / name for name in ("objects", "trees", "pins")
        )

    def prepare(self) -> None:
        """Make the folders; raises ``DataError``."""
        try:
            for folder in (self.root, self._objects, self._trees, self._pins):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"The folder for fetched data, {self.root}, cannot be made: {error.strerror}.",
                "Make it writable, or set JUPYTER_DATA_DIR.",
            ) from error

    # --- contents --------------------------------------------------------------------------------

    def content(self, endpoint: str, address: Address, size: int, etag: str) -> Path:
        """Return where this version of an object lies, or will."""
        return self._objects / _digest([endpoint, address.text, size, etag])

    @staticmethod
    def holds(content: Path, size: int) -> bool:
        """Return whether a version is there in full."""
        try:
            return content.stat().st_size == size
        except OSError:
            return False

    @contextlib.contextmanager
    def part(self, content: Path) -> Iterator[int | None]:
        """Open the part of an object that came so far; None if another process fetches it."""
        path = content.with_name(content.name + ".part")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            yield fd if _locked(fd) and _stands(fd, path) else None
        finally:
            os.close(fd)

    @staticmethod
    def complete(fd: int, content: Path) -> None:
        """Make a part that is whole the object."""
        os.fsync(fd)
        part = content.with_name(content.name + ".part")
        if os.name == "posix":
            os.fchmod(fd, 0o400)
        os.replace(part, content)

    # --- grants' folders -------------------------------------------------------------------------

    def tree(self, pin: str) -> Path:
        """Return the folder of a pin."""
        return self._trees / pin

    def granted(self, pin: Pin) -> Path:
        """Return what is granted for a pin: the folder of its copies, or the only one."""
        folder = self.tree(pin.id) / _DATA
        return folder if pin.address.endswith("/") else folder / pin.objects[0].file

    def address_of(self, path: str) -> str:
        """Return the address that a file in the cache is a copy of; empty for any other file."""
        pin = self.pin_at(path)
        if pin is None:
            return ""
        folder = os.path.realpath(self.tree(pin.id) / _DATA)
        known = {os.path.join(folder, one.file): one.address for one in pin.objects}
        return known.get(path, pin.address if path == folder else "")

    def show(self, pin: Pin, contents: Sequence[Path]) -> Path:
        """Make the folder of a pin from its objects' contents; return what is granted of it."""
        place = self.tree(pin.id)
        text = json.dumps({"version": _VERSION, **asdict(pin)}, indent=1)
        if not (place / PIN).exists():
            making = self._trees / f"{pin.id}.{secrets.token_hex(4)}"
            try:
                for one, content in zip(pin.objects, contents, strict=True):
                    target = making / _DATA / one.file
                    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    try:
                        os.link(content, target)
                    except OSError:  # a disk without hard links
                        shutil.copyfile(content, target)
                        target.chmod(0o400)
                (making / PIN).write_text(text, encoding="utf-8")
                with contextlib.suppress(OSError):  # another process was faster
                    os.rename(making, place)
            except OSError as error:
                raise DataError(
                    f"{pin.address} could not be stored in {self.root}: {error.strerror}.",
                    "Make room on the disk, then attach it again.",
                ) from error
            finally:
                if making.exists():
                    remove_tree(making)
        with contextlib.suppress(OSError):
            (self._pins / f"{pin.id}.json").write_text(text, encoding="utf-8")
            os.utime(place / PIN)
        return self.granted(pin)

    def pin_at(self, path: str) -> Pin | None:
        """Return the pin that a path in the cache belongs to, also if its folder was removed."""
        found = self.id_at(path)
        if not found:
            return None
        for place in (self.tree(found) / PIN, self._pins / f"{found}.json"):
            pin = _read_pin(place)
            if pin is not None and pin.id == found:
                return pin
        return None

    def id_at(self, path: str) -> str:
        """Return the id of the pin that a path in the cache belongs to; else empty."""
        top = f"{os.path.realpath(self._trees)}{os.sep}"
        if not path.startswith(top):
            return ""
        name = path[len(top) :].partition(os.sep)[0]
        return name if _ID.fullmatch(name) else ""

    def used(self, pin: str) -> None:
        """Note that a pin is in use, so that its folder stays."""
        with contextlib.suppress(OSError):
            os.utime(self.tree(pin) / PIN)

    # --- room ------------------------------------------------------------------------------------

    def make_room(self, needed: int, most: int, what: str) -> None:
        """Remove folders that were not used for a day, the oldest first, until there is room.

        Raises:
            DataError: There is not room enough all the same. Nothing in use was removed.
        """
        if needed > most:
            raise DataError(
                f"{what} has {shown_bytes(needed)}, more than the {shown_bytes(most)} that fetched "
                "data may take.",
                f"Name a smaller folder or the objects that you need, or raise {BUDGET}.",
            )
        trees = sorted(_times(self._trees), key=lambda one: one[1])
        while self.bytes_held() + needed > most or self._free() < needed + _KEPT_FREE:
            if not trees or trees[0][1] > time.time() - _UNUSED_SECONDS:
                if self._drop_unshown():
                    continue
                full = self._free() < needed + _KEPT_FREE
                reason = (
                    f"the disk of {self.root} has only {shown_bytes(self._free())} left"
                    if full
                    else f"{shown_bytes(self.bytes_held())} of {shown_bytes(most)} are in use"
                )
                raise DataError(
                    f"There is no room for the {shown_bytes(needed)} of {what}: {reason}.",
                    "Make room on the disk." if full else f"Raise {BUDGET}, or remove {self.root}.",
                )
            remove_tree(trees.pop(0)[0])
            self._drop_unshown()

    def bytes_held(self) -> int:
        """Return the size of all contents."""
        total = 0
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._objects):
                with contextlib.suppress(OSError):
                    total += entry.stat().st_size
        return total

    def _free(self) -> int:
        return shutil.disk_usage(self.root).free

    def _drop_unshown(self) -> bool:
        """Remove contents that no folder shows and that nobody fetches; return whether any was."""
        dropped = False
        for entry in list(os.scandir(self._objects)):
            with contextlib.suppress(OSError):
                status = entry.stat()
                if status.st_nlink == 1 and status.st_mtime < time.time() - _UNUSED_SECONDS:
                    os.unlink(entry.path)
                    dropped = True
        return dropped


def _times(folder: Path) -> list[tuple[Path, float]]:
    found = []
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            found.append((Path(entry.path), os.stat(os.path.join(entry.path, PIN)).st_mtime))
    return found


def _read_pin(path: Path) -> Pin | None:
    try:
        if path.stat().st_size > _LARGEST_PIN:
            return None
        held = json.loads(path.read_text(encoding="utf-8"))
        if held.pop("version") != _VERSION:
            return None
        objects = tuple(PinnedObject(**one) for one in held.pop("objects"))
        return Pin(objects=objects, **held)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _locked(fd: int) -> bool:
    """Lock a file against other processes until it is closed; return whether that worked."""
    try:
        import fcntl
    except ImportError:  # one process at a time, then
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _stands(fd: int, path: Path) -> bool:
    """Return whether the opened file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def shown_bytes(count: float) -> str:
    """Return a size for a sentence."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"

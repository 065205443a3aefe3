"""Unpacks a wheel into a folder that is then one entry of ``sys.path``; nothing of it is executed.

A wheel comes from strangers, so its archive is read as hostile. Standard library only: this runs in
the process that fetches.
"""

from __future__ import annotations

import os
import stat
import zipfile
from dataclasses import dataclass

_CHUNK = 1 << 20
_LONGEST_NAME = 240
_MODULE_ENDS = (".py", ".so", ".pyd")


class WheelRefused(Exception):
    """A wheel cannot be used; the text is a sentence's end such as ``holds a link``."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What one wheel may become.

    Attributes:
        bytes: Of all its files together.
        entries: In its archive.
    """

    bytes: int = 2 << 30
    entries: int = 50_000


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What became of a wheel.

    Attributes:
        modules: The top-level names that it brings.
        left_out: Files that are no part of a path for imports: scripts, data, ``.pth``.
    """

    bytes: int
    modules: tuple[str, ...]
    left_out: tuple[str, ...]


def unpack(wheel: str, folder: str, limits: UnpackLimits) -> Unpacked:
    """Unpack a wheel into an empty ``folder``.

    Raises:
        WheelRefused: It is no wheel, too large, or names a place outside the folder.
        OSError: The disk is full or broken.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _unpack(archive, folder, limits)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
        raise WheelRefused("is no archive that can be read") from error
    except UnicodeError as error:
        raise WheelRefused("names its files in a way that cannot be read") from error


def _unpack(archive: zipfile.ZipFile, folder: str, limits: UnpackLimits) -> Unpacked:
    entries = archive.infolist()
    if len(entries) > limits.entries:
        raise WheelRefused(f"holds {len(entries):,} files, more than {limits.entries:,}")
    seen: set[str] = set()
    modules: set[str] = set()
    left_out: list[str] = []
    total = 0
    for entry in entries:
        parts = _parts(entry)
        if entry.is_dir():
            continue
        kept = _kept(parts)
        if not kept:
            left_out.append("/".join(parts))
            continue
        place = "/".join(kept)
        # Letter case aside: two such files are one where file names have none.
        if place.casefold() in seen:
            raise WheelRefused(f"holds {place!r} twice")
        seen.add(place.casefold())
        if module := _module(kept):
            modules.add(module)
        total += _write(archive, entry, os.path.join(folder, *kept), limits.bytes - total)
    if not any(place.endswith(".dist-info/metadata") for place in seen):
        raise WheelRefused("holds no metadata, so it is no wheel")
    return Unpacked(total, tuple(sorted(modules)), tuple(left_out))


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the steps of an entry's path; raise ``WheelRefused`` if it may lead elsewhere."""
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WheelRefused(f"holds {name[:100]!r}, which is neither a file nor a folder")
    if entry.flag_bits & 0x1:
        raise WheelRefused(f"holds {name[:100]!r}, which is encrypted")
    parts = tuple(name.rstrip("/").split("/"))
    outside = (
        name.startswith("/")
        or "\\" in name
        or "\0" in name
        or entry.orig_filename != name
        or any(part in ("", ".", "..") or ":" in part for part in parts)
    )
    if outside:
        raise WheelRefused(f"names a place outside its folder ({entry.orig_filename[:100]!r})")
    if any(len(part.encode()) > _LONGEST_NAME for part in parts) or len(parts) > 60:
        raise WheelRefused(f"holds a name that is too long ({name[:100]!r})")
    return parts


def _kept(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return where an entry goes; nothing for what is not imported, or would run by itself."""
    if parts[0].endswith(".data"):
        if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
            return ()
        parts = parts[2:]
    top = parts[0].casefold()
    # Nothing of these runs at the end of a path; left out so that nothing ever does.
    runs = top.endswith(".pth") or top in ("sitecustomize.py", "usercustomize.py")
    if len(parts) == 1 and runs:
        return ()
    return parts


def _module(parts: tuple[str, ...]) -> str:
    top = parts[0]
    if len(parts) == 1:
        return top.partition(".")[0] if top.endswith(_MODULE_ENDS) else ""
    return top if top.isidentifier() else ""


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, room: int) -> int:
    """Write one file and return its size; what its entry says of it is not believed."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0)
    size = 0
    with (
        archive.open(entry) as source,
        os.fdopen(os.open(path, flags, 0o644), "wb") as target,
    ):
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > room:
                raise WheelRefused("becomes too large when it is unpacked")
            target.write(chunk)
    return size

"""Answers of readers about large files, kept so that the next command or analysis starts at once.

An answer is found by what the file is: its path, device, inode, size, times, and a digest of parts
of its bytes; and by how it was read. A file that was replaced, or written again in its place, is
another one. The folder is readable by the user alone, and bounded. Several processes may use it at
once. Blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
import zlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from analyst_kernel._version import __version__
from analyst_kernel.data.reader.opened import OpenedFile, OpenedFolder
from analyst_kernel.data.reader.wire import ReaderAnswer, ReaderRequest
from analyst_kernel.grants import default_path

SIZE = "ANALYST_PROFILE_CACHE"
"""The variable with the most megabytes that are kept; 0 keeps nothing."""

_USUAL_MEGABYTES = 200
_WORTH = 4 << 20  # bytes; a smaller file is read as fast as it is looked up
_LARGEST = 64 << 20
_PARTS, _PART = 16, 1 << 16
_SETTLED = 2 * 10**9  # nanoseconds; a later change has another time, on every file system
_WITH_LOGS = ("sqlite", "duckdb")
"""Formats of which a part may stand in another file."""
_NAME = re.compile(r"[0-9a-f]{64}")


class KeptAnswers:
    """The folder of them."""

    def __init__(self, root: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Choose the folder, by default beside the store of grants; nothing is made yet."""
        self._root = root or default_path().parent / "profiles"
        said = (os.environ if env is None else env).get(SIZE, "").strip()
        self._most = (int(said) if said.isdigit() else _USUAL_MEGABYTES) * 1000**2

    def key(self, file: OpenedFile, words: OpenedFile | None, request: ReaderRequest) -> str:
        """Return what the answer to a request is found by; empty if none is kept of this file."""
        if file.size < _WORTH or not self._most or isinstance(file, OpenedFolder):
            return ""  # to take a digest of parts of a thousand files is no quick look
        try:
            files = [_identity(one) for one in (file, words) if one is not None]
        except OSError:
            return ""
        how = {
            "versions": _versions(),
            "files": files,
            "frame": request.max_frame_bytes,
            "chosen": [one.model_dump(mode="json") for one in request.chosen],
        }
        return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> bytes | None:
        """Return a kept answer, which the caller checks, or None."""
        path = self._root / key
        try:
            packed = path.read_bytes()
            unpacker = zlib.decompressobj()
            raw = unpacker.decompress(packed, _LARGEST)
            os.utime(path)
        except (OSError, zlib.error):
            return None
        return raw if unpacker.eof else None

    def forget(self, key: str) -> None:
        """Remove an answer that is of no use."""
        with contextlib.suppress(OSError):
            (self._root / key).unlink()

    def put(self, key: str, answer: ReaderAnswer, *files: OpenedFile | None) -> None:
        """Keep an answer, unless a file of it changed meanwhile or is being written.

        A folder that cannot be written keeps nothing.
        """
        if any(one.table.format in _WITH_LOGS for one in answer.tables):
            return
        if not all(one is None or _is_settled(one) for one in files):
            return
        packed = zlib.compress(answer.model_dump_json().encode(), 1)
        part = self._root / f"part-{secrets.token_hex(8)}"
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(fd, "wb") as target:
                target.write(packed)
            part.replace(self._root / key)
            self._make_room()
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()

    def _make_room(self) -> None:
        """Remove what was not used for longest, and what a process left half written."""
        found = []
        for entry in os.scandir(self._root):
            state = entry.stat(follow_symlinks=False)
            if _NAME.fullmatch(entry.name):
                found.append((state.st_mtime_ns, state.st_size, entry.path))
            elif entry.name.startswith("part-") and time.time() - state.st_mtime > 3600:
                os.unlink(entry.path)
        held = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if held <= self._most:
                return
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                os.unlink(path)
            held -= size


def _identity(file: OpenedFile) -> list[str | int]:
    """Return what is another one after any change of a file."""
    state = os.fstat(file.fd)
    digest = hashlib.sha256()
    last = max(0, state.st_size - _PART)
    # What is held open may not be read; the path may stand for another file by now.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(file.path, flags | getattr(os, "O_BINARY", 0)), "rb") as source:
        found = os.fstat(source.fileno())
        if (found.st_dev, found.st_ino) != (state.st_dev, state.st_ino):
            raise OSError("the file was replaced")
        for part in range(_PARTS):
            source.seek(last * part // (_PARTS - 1))
            digest.update(source.read(_PART))
    return [
        file.path, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns,
        digest.hexdigest(),
    ]  # fmt: skip


def _is_settled(file: OpenedFile) -> bool:
    """Return whether a file is as it was opened, and was left alone for a while before now.

    Else a change that comes now might leave the same times.
    """
    state = os.fstat(file.fd)
    try:
        named = os.stat(file.path, follow_symlinks=False)
    except OSError:
        return False
    same = (state.st_mtime_ns, state.st_size, state.st_ino, state.st_dev) == file.stamp
    same = same and (named.st_ino, named.st_dev) == (state.st_ino, state.st_dev)
    return same and time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > _SETTLED


@cache
def _versions() -> dict[str, str]:
    """Return what a reading depends on beside the file: this package's code, and its libraries."""
    found = {"analyst-kernel": __version__}
    for name in ("pandas", "duckdb", "pyarrow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    code = Path(__file__).parent.parent
    found["code"] = str(max(path.stat().st_mtime_ns for path in code.rglob("*.py")))
    return found

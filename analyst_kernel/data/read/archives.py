"""Compressed files: gzip, bzip2, xz and zip, recognised by their first bytes, opened as streams.

Nothing is unpacked to the user's folders; a member bigger than the limit is refused.
"""

from __future__ import annotations

import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, assert_never

from analyst_kernel.data.read.options import Compression, Packing
from analyst_kernel.protocol.errors import DataError

MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_MEMBERS = 50
_BLOCK = 1 << 18
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
)
DATA_DAMAGE: tuple[type[BaseException], ...] = (
    EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError,
)  # fmt: skip
SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}


def compression_of(head: bytes) -> Compression | None:
    """Return the stream compression (not zip) whose magic number starts ``head``, if any."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def zip_members(path: str) -> tuple[zipfile.ZipInfo, ...]:
    """Return the files of a zip archive that may be data, without hidden and encrypted ones.

    Raises:
        DataError: The archive is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(
            f"{os.path.basename(path)} is not a readable zip archive: {error}.",
            "Unpack it yourself and attach the files.",
        ) from error
    return tuple(
        entry
        for entry in entries
        if not entry.is_dir()
        and not entry.flag_bits & 0x1
        and not any(part.startswith((".", "__MACOSX")) for part in entry.filename.split("/"))
    )


class _BoundedStream(io.RawIOBase):
    """Counts what is really unpacked: what an archive notes of its size may be wrong."""

    def __init__(self, source: IO[bytes], most: int, name: str) -> None:
        self._source = source
        self._most = self._left = most
        self._name = name

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``; raise ``DataError`` beyond the limit."""
        block = self._source.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise DataError(
                f"{self._name} unpacks to more than {self._most / 1e6:,.0f} MB.",
                "Unpack it yourself and attach the file.",
            )
        buffer[: len(block)] = block
        return len(block)


@contextmanager
def open_unpacked(
    path: str, packing: Packing, most: int = MAX_UNPACKED_BYTES
) -> Iterator[IO[bytes]]:
    """Open the unpacked bytes for reading.

    Raises:
        DataError: The file is damaged; while reading, too: it unpacks to more than ``most`` bytes.
    """
    import bz2
    import gzip

    name = os.path.basename(path)

    match packing.compression:
        case None:
            with open(path, "rb") as plain:
                yield plain
        case "gzip" | "bz2" | "xz":
            opener: Any = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}[packing.compression]
            with opener(path, "rb") as unpacked:
                yield io.BufferedReader(_BoundedStream(unpacked, most, name), _BLOCK)
        case "zip":
            assert packing.member is not None
            name = f"{packing.member} in {name}"
            with zipfile.ZipFile(path) as archive, archive.open(packing.member) as member:
                yield io.BufferedReader(_BoundedStream(member, most, name), _BLOCK)
        case _:
            assert_never(packing.compression)


def read_head(path: str, packing: Packing, size: int) -> tuple[bytes, bool]:
    """Return the first ``size`` unpacked bytes and whether that is all of them.

    Raises:
        DataError: The file is damaged.
    """
    try:
        with open_unpacked(path, packing) as stream:
            head = stream.read(size)
            return head, len(head) < size or not stream.read(1)
    except DATA_DAMAGE as error:
        raise damaged(path, error) from error


def unpacked_bytes(path: str, packing: Packing) -> int:
    """Return an estimate of the unpacked size in bytes, without unpacking."""
    size = os.path.getsize(path)
    match packing.compression:
        case None:
            return size
        case "gzip":
            with open(path, "rb") as file:
                file.seek(-4, os.SEEK_END)
                noted = int.from_bytes(file.read(4), "little")  # modulo 4 GB
            return max(noted, size)
        case "bz2" | "xz":
            return size * 8
        case "zip":
            with zipfile.ZipFile(path) as archive:
                return archive.getinfo(packing.member or "").file_size
        case _:
            assert_never(packing.compression)


def damaged(path: str, error: BaseException) -> DataError:
    """Return the error for a file that cannot be unpacked."""
    return DataError(
        f"{os.path.basename(path)} cannot be unpacked: {error}.",
        "The file may be cut short; get it again, or unpack it yourself and attach the result.",
    )

"""Text encodings of data files: UTF-8 with and without BOM, UTF-16, cp1252 and Latin-1.

Detection looks at bytes alone. A guess from the first bytes may fail later in the file.
"""

from __future__ import annotations

import codecs

from analyst_kernel.protocol.errors import DataError

_UNDEFINED_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")


def detect_encoding(sample: bytes, *, complete: bool) -> str | None:
    """Return the encoding of ``sample``, or ``None`` if the bytes are not text.

    Args:
        sample: The first bytes of a file.
        complete: Whether that is the whole file; otherwise a character may be cut off at its end.
    """
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\x00" in sample:
        return _utf16_without_mark(sample)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=complete)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    if sum(byte < 9 or 13 < byte < 32 for byte in sample) > len(sample) * 0.02:
        return None
    return single_byte_encoding(sample)


def single_byte_encoding(sample: bytes) -> str:
    """Return cp1252 or Latin-1 for bytes that are not UTF-8."""
    return "latin-1" if _UNDEFINED_IN_CP1252 & set(sample) else "cp1252"


def _utf16_without_mark(sample: bytes) -> str | None:
    even, odd = sample[::2], sample[1::2]
    if not odd or len(sample) < 4:
        return None
    # Western text in UTF-16 has a zero in every other byte, a binary file anywhere.
    if odd.count(0) > len(odd) * 0.7 and even.count(0) < len(even) * 0.02:
        return "utf-16-le"
    if even.count(0) > len(even) * 0.7 and odd.count(0) < len(odd) * 0.02:
        return "utf-16-be"
    return None


def decode_head(sample: bytes, encoding: str, *, complete: bool) -> str:
    """Decode the first bytes of a file; a character cut at the end is dropped.

    Raises:
        DataError: The bytes are not in that encoding.
    """
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample, final=complete)
    except UnicodeDecodeError as error:
        raise DataError(
            f"The text is not {encoding}: {error.reason} at byte {error.start}.",
            "Save the file as UTF-8 and attach it again.",
        ) from error


def not_text(short: str) -> DataError:
    """Return the error for a file whose bytes are not text."""
    return DataError(
        f"{short} is a binary file, not text with columns.",
        "Attach a CSV, Parquet, JSON, Excel, SQLite, DuckDB or Arrow file.",
    )

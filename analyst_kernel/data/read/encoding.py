"""Text encodings of data files: UTF-8 with and without BOM, UTF-16, and older ones of many scripts.

Detection looks at bytes alone. A guess from the first bytes may fail later in the file.
"""

from __future__ import annotations

import codecs
import re

from analyst_kernel.protocol.errors import DataError

_JUDGED_BYTES = 1 << 16
_LEGACY = (
    "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "cp866", "cp1253", "cp1255",
    "cp1256",
)  # fmt: skip
"""Encodings that files are still written in, beyond those of Western and Central Europe."""
_CENTRAL = re.compile(rb"(?<=[A-Za-z\x80-\xff])[\xb3\xb9\xbf\xbe\xa3\xa5\xaf\xbc\x9f](?=[A-Za-z])")
"""Letters of cp1250 (l with a stroke, a with a tail) that are signs in cp1252, within a word."""
_SYMBOLS_APART = re.compile(
    rb"(?<![A-Za-z\x80-\xff])[\xb3\xb9\xbf\xbe\xa3\xa5\xaf\xbc](?![A-Za-z])"
)
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
        wide = _utf16_without_mark(sample)
        if wide is not None or not _is_text_with_nuls(sample):
            return wide
        sample = sample.replace(b"\x00", b"")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=complete)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    if mostly_utf8(sample):
        return "utf-8"
    if sum(byte < 9 or 13 < byte < 32 for byte in sample) > len(sample) * 0.02:
        return None
    return legacy_encoding(sample)


def mostly_utf8(sample: bytes) -> bool:
    """Return whether bytes are UTF-8 with a few that are not: one damaged byte spoils no file."""
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd") - sample.count(b"\xef\xbf\xbd")
    right = sum(ord(mark) > 127 for mark in text) - text.count("\ufffd")
    return 0 < wrong * 4 <= right


def legacy_encoding(sample: bytes) -> str:
    """Return the likeliest encoding of text that is not UTF-8.

    Letters of Western and Central Europe stand alone between ASCII ones; those of other scripts
    stand in runs, and which script it is a detector says.
    """
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    text = b"\n".join(lines)[:_JUDGED_BYTES]
    runs = re.findall(rb"[\x80-\xff]+", text)
    high = sum(map(len, runs))
    controls = sum(0x81 <= byte <= 0x9F for byte in text)
    single = sum(len(run) == 1 for run in runs)
    # The first bytes of Big5 are signs in Latin encodings, and no letter stands before them.
    signs = sum(0xA0 <= byte <= 0xBF for byte in text)
    within = len(re.findall(rb"[a-z][\x80-\xff]", text))
    apart = signs * 5 > high * 2 and within * 2 < len(runs)
    if (single * 2 < len(runs) or controls * 3 > high or apart) and high >= 4:
        found = _detected(text)
        if found is not None:
            return found
    return single_byte_encoding(sample)


def _detected(text: bytes) -> str | None:
    """Return the encoding that a detector finds, out of those that are in use."""
    from charset_normalizer import from_bytes

    # A cut at the end must not rule out an encoding of two bytes.
    for cut in range(3):
        part = text[: len(text) - cut]
        matches = from_bytes(part, cp_isolation=list(_LEGACY), threshold=0.4)
        found = [match.encoding for match in matches if _is_plausible(str(match), match.encoding)]
        if found:
            return found[0]
    return None


def _is_plausible(text: str, encoding: str) -> bool:
    """Return whether a text mixes no scripts that are hardly written together."""
    letters = [mark for mark in text if ord(mark) > 127 and mark.isalpha()]
    han = sum("\u4e00" <= mark <= "\u9fff" for mark in letters)
    narrow = sum("\uff61" <= mark <= "\uff9f" for mark in letters)
    if encoding == "cp949":
        return han * 10 <= len(letters)  # Korean is hardly written with Chinese letters today
    return encoding != "cp932" or narrow * 4 <= len(letters)


def single_byte_encoding(sample: bytes) -> str:
    """Return cp1252, cp1250 or Latin-1 for bytes that are not UTF-8."""
    if len(_CENTRAL.findall(sample)) > len(_SYMBOLS_APART.findall(sample)):
        return "cp1250"
    return "latin-1" if _UNDEFINED_IN_CP1252 & set(sample) else "cp1252"


def _is_text_with_nuls(sample: bytes) -> bool:
    """Return whether bytes are lines of text in which some NULs stand."""
    rest = sample.replace(b"\x00", b"")
    controls = sum(byte < 9 or 13 < byte < 32 for byte in rest)
    return b"\n" in rest and not controls and len(rest) * 5 >= len(sample) * 4


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


def decode_head(sample: bytes, encoding: str, *, complete: bool, errors: str = "strict") -> str:
    """Decode the first bytes of a file; a character cut at the end is dropped.

    Raises:
        DataError: The bytes are not in that encoding.
    """
    try:
        return codecs.getincrementaldecoder(encoding)(errors).decode(sample, final=complete)
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

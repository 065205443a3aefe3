"""What kind of file a path is, by its first bytes first and its name second.

This chooses the reader; the layout of delimited text is found in ``sniff``.
"""

from __future__ import annotations

import os
from pathlib import PurePath

from analyst_kernel.data.read.archives import SUFFIXES, compression_of, read_head
from analyst_kernel.data.read.encoding import decode_head, detect_encoding, not_text
from analyst_kernel.data.read.names import DICTIONARY_SUFFIX
from analyst_kernel.data.read.options import Packing
from analyst_kernel.protocol.datasets import DataFormat
from analyst_kernel.protocol.errors import DataError

_BY_SUFFIX: dict[str, DataFormat] = {
    ".csv": "csv", ".txt": "csv", ".dat": "csv", ".psv": "csv", ".data": "csv",
    ".tsv": "tsv", ".tab": "tsv",
    ".parquet": "parquet", ".pq": "parquet",
    ".json": "json", ".geojson": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".xlsx": "excel", ".xlsm": "excel",
    ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".db3": "sqlite",
    ".duckdb": "duckdb", ".ddb": "duckdb",
    ".dta": "stata", ".sav": "spss", ".zsav": "spss", ".por": "spss", ".sas7bdat": "sas",
    ".xpt": "sas",
    ".feather": "arrow", ".arrow": "arrow", ".arrows": "arrow", ".ipc": "arrow",
}  # fmt: skip
_MAYBE_TEXT_ONLY = frozenset((".txt", ".dat", ".data"))
_PROSE = frozenset(
    "readme license licence copying changelog requirements authors credits todo robots".split()
)
"""Texts that lie beside data and are not data, whatever commas they hold."""
_OTHER = {
    ".xls": "Open it in a spreadsheet program and save it as .xlsx.",
    ".xlsb": "Open it in a spreadsheet program and save it as .xlsx.",
    ".ods": "Open it in a spreadsheet program and save it as .xlsx.",
    ".zst": "Unpack it with `zstd -d` and attach the result.",
    ".7z": "Unpack it and attach the result.",
    ".tar": "Unpack it and attach the result.",
    ".tgz": "Unpack it and attach the result.",
    ".pkl": "Reading pickled objects can run code; save it as Parquet where it was made.",
    ".pickle": "Reading pickled objects can run code; save it as Parquet where it was made.",
}
DOCUMENTS = frozenset((".md", ".markdown", ".rst", ".txt", ".pdf", ".docx"))
"""Texts that a model may read; ``.txt`` only where it is no table."""


def refusal_of(suffix: str) -> str:
    """Return why a file of a folder is no dataset, by its suffix."""
    return _OTHER.get(suffix, "it is not a kind of data or text that can be read here")


def suffix_of(name: str) -> str:
    """Return the data suffix of a file name in lower case, without ``.gz`` and the like."""
    path = PurePath(name.lower())
    return PurePath(path.stem).suffix if path.suffix in SUFFIXES else path.suffix


def stem_of(name: str) -> str:
    """Return the file name without its data and compression suffixes."""
    path = PurePath(name)
    return PurePath(path.stem).stem if path.suffix.lower() in SUFFIXES else path.stem


def looks_like_data(name: str) -> bool:
    """Return whether a file may be data by its name (``notes.txt`` may, ``readme.txt`` may not)."""
    if name.lower().endswith(DICTIONARY_SUFFIX):
        return False
    if is_doubtful_name(name) and stem_of(name).casefold() in _PROSE:
        return False
    return suffix_of(name) in _BY_SUFFIX or PurePath(name.lower()).suffix == ".zip"


def is_doubtful_name(name: str) -> bool:
    """Return whether a file of that name is data only if its text turns out to be a table."""
    return suffix_of(name) in _MAYBE_TEXT_ONLY


def identify(path: str, packing: Packing, name: str) -> DataFormat:
    """Return how the (unpacked) file is read.

    Args:
        path: Where the file is.
        packing: How it is compressed.
        name: The file name, or the member's name inside a zip archive.

    Raises:
        DataError: It cannot be read, such as an old workbook or an encrypted file.
    """
    short = os.path.basename(name)
    suffix = suffix_of(name)
    if suffix in DOCUMENTS and suffix != ".txt":
        raise DataError(
            f"{short} is a document, not a table.",
            "Attach the folder that it lies in, with the data: the model can then read it.",
        )
    if suffix in _OTHER:
        raise DataError(f"{short} is not a kind of file that can be read here.", _OTHER[suffix])
    head, complete = read_head(path, packing, 65536)
    if not head:
        raise DataError(f"{short} is empty (0 bytes).", "Check the export that made it.")
    by_magic = _by_magic(head)
    if by_magic is not None:
        return by_magic
    if (known := _BY_SUFFIX.get(suffix)) in ("stata", "spss", "sas"):
        return known  # its library says what is wrong with it
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(
            f"{short} is an old or password-protected Excel workbook.",
            "Open it in a spreadsheet program and save it as .xlsx without a password.",
        )
    if suffix in (".parquet", ".pq", ".xlsx", ".xlsm", ".feather", ".duckdb", ".ddb"):
        raise DataError(
            f"{short} does not hold what its name says: it is damaged or of another kind.",
            "Get the file again, or rename it after what it is.",
        )
    encoding = detect_encoding(head, complete=complete)
    if encoding is None or compression_of(head) is not None:
        raise not_text(short)
    return _text_format(
        decode_head(head, encoding, complete=complete, errors="replace"), suffix, short
    )


def _by_magic(head: bytes) -> DataFormat | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"SQLite format 3\x00"):
        return "sqlite"
    if head.startswith((b"$FL2", b"$FL3")):
        return "spss"
    if head.startswith(b"<stata_dta>"):
        return "stata"
    if head.startswith((b"HEADER RECORD*******LIB", b"\0" * 12 + b"\xc2\xea\x81\x60")):
        return "sas"
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith(b"PK\x03\x04") and (b"xl/" in head or b"[Content_Types].xml" in head):
        return "excel"
    return None


def _text_format(text: str, suffix: str, short: str) -> DataFormat:
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        raise DataError(f"{short} holds only blank lines.", "Check the export that made it.")
    known = _BY_SUFFIX.get(suffix)
    if suffix in _MAYBE_TEXT_ONLY and _is_prose(stripped):
        raise DataError(
            f"{short} is a text, not a table.",
            "Attach the folder that it lies in, with the data: the model can then read it.",
        )
    if known in ("csv", "tsv", "json", "jsonl"):
        return known
    if known is not None:
        raise DataError(
            f"{short} does not hold what its name says: it is text.",
            "Rename it after what it is, for example .csv.",
        )
    if stripped[0] in "[{":
        return "json"
    if stripped[0] == "<":
        raise DataError(
            f"{short} is a web page or XML, not a table.", "Save the table in it as CSV."
        )
    return "csv"


def _is_prose(text: str) -> bool:
    """Return whether a text is written in paragraphs: no sign divides its lines as columns would.

    Sentences without an empty line between them may be a column of texts, one a row.
    """
    every = text.rstrip().splitlines()[:400]
    lines = [line for line in every if line.strip()]
    if len(lines) < 2 or len(lines) == len(every):
        return False
    for mark in ("\t", ";", "|", ","):
        counts = [line.count(mark) for line in lines]
        usual = max(set(counts), key=counts.count)
        if usual and counts.count(usual) >= 0.6 * len(lines):
            return False
    words = [word for line in lines for word in line.split()]
    letters = sum(word.strip(".,;:!?()\"'").isalpha() for word in words)
    return len(words) >= 4 * len(lines) and letters >= 0.7 * len(words)

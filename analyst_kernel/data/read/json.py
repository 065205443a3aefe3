"""JSON and JSON Lines: which shape the records have, and how they become a frame.

The frame made here is the one that the setup cell makes; ``setup_code`` writes the same calls.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.read.archives import open_unpacked
from analyst_kernel.data.read.names import read_sql
from analyst_kernel.data.read.options import JsonReading, Packing
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_FRAME_BYTES = 32 << 20
MAX_TEXT_BYTES = 3 * MAX_FRAME_BYTES  # an archive's estimate may be that wrong


def look(path: str, packing: Packing, *, lines: bool, size: int) -> tuple[JsonReading, Any]:
    """Return the shape of a JSON file and the parsed document (``None`` if it stays on disk).

    Args:
        path: Where the file is.
        packing: How it is compressed.
        lines: Whether the name promises one document per line.
        size: Unpacked size, bytes; big files stay on disk.

    Raises:
        DataError: It is not JSON, or holds no records.
    """
    short = os.path.basename(packing.member or path)
    if size > MAX_FRAME_BYTES:
        if packing.compression not in (None, "gzip"):
            raise DataError(
                f"{short} is too big to be read from its archive.", "Unpack it and attach the file."
            )
        return JsonReading("lines" if lines else "records", None, lines, True, (), packing), None
    try:
        with open_unpacked(path, packing, MAX_TEXT_BYTES) as stream:
            text = stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{short} is not UTF-8, as JSON must be.", "Save it as UTF-8.") from error
    document, by_line = _parse(text, short, lines)
    shape, key = _shape(document, short)
    if by_line and shape == "records":
        shape = "lines"
    return JsonReading(shape, key, by_line, False, (), packing), document


def _parse(text: str, short: str, lines: bool) -> tuple[Any, bool]:
    try:
        if not lines:
            try:
                return json.loads(text), False
            except json.JSONDecodeError as error:
                if not error.msg.startswith("Extra data"):
                    raise
        records = [json.loads(line) for line in io.StringIO(text) if line.strip()]
        if lines and len(records) == 1 and isinstance(records[0], list):
            return records[0], False  # one array in a file that is named .jsonl
        return records, True
    except json.JSONDecodeError as error:
        raise DataError(
            f"{short} is not valid JSON: {error.msg} at line {error.lineno}.",
            "It may be cut short; export it again.",
        ) from error


def _shape(document: Any, short: str) -> tuple[Any, str | None]:
    match document:
        case []:
            raise DataError(f"{short} holds an empty list.", "Check the export that made it.")
        case list() if all(isinstance(record, dict) for record in document):
            nested = any(
                isinstance(value, dict) for record in document for value in record.values()
            )
            return ("nested" if nested else "records"), None
        case list():
            return "rows", None
        case {"columns": list(), "data": list()}:
            return "split", None
        case dict() if document:
            tables = [
                key
                for key, value in document.items()
                if isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            ]
            if tables:
                return "nested", max(tables, key=lambda key: len(document[key]))
            values = list(document.values())
            if all(isinstance(value, list) for value in values):
                if len({len(value) for value in values}) == 1:
                    return "columns", None
            elif all(isinstance(value, dict) for value in values):
                return "index", None
            return "nested", None
    raise DataError(
        f"{short} holds a single value, not records.", "Attach a list of objects, or JSON Lines."
    )


def frame(reading: JsonReading, document: Any) -> pd.DataFrame:
    """Build the frame of a parsed document; column names are texts."""
    import pandas as pd

    match reading.shape:
        case "lines" | "records" | "columns" | "rows":
            table = pd.DataFrame(document)
        case "nested":
            table = pd.json_normalize(document[reading.key] if reading.key else document)
        case "index":
            table = pd.DataFrame.from_dict(document, orient="index").reset_index(names="key")
        case "split":
            table = pd.DataFrame(document["data"], columns=document["columns"])
    return table.rename(columns=str)


def big_file_sql(path: str, reading: JsonReading) -> str:
    """Return the DuckDB call that reads a big JSON file at a path.

    Raises:
        DataError: DuckDB has no way to name this file.
    """
    options = [f"format = '{'newline_delimited' if reading.lines else 'auto'}'"]
    gzip = reading.packing.compression == "gzip"
    if gzip and not path.partition("?")[0].lower().endswith(".gz"):
        options.append("compression = 'gzip'")
    return read_sql("read_json", path, *options, plain=not gzip)

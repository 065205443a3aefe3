"""JSON and JSON Lines: which shape the records have, and how they become a frame.

The frame made here is the one that the setup cell makes; ``setup_code`` writes the same calls.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, assert_never

from analyst_kernel.data.read.archives import open_unpacked
from analyst_kernel.data.read.encoding import detect_encoding, not_text
from analyst_kernel.data.read.names import read_sql
from analyst_kernel.data.read.options import JsonReading, JsonShape, Packing
from analyst_kernel.data.read.sniff import is_header
from analyst_kernel.data.read.values import is_date_like, is_number_like
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_FRAME_BYTES = 32 << 20
_DEEPEST = 5
_MOST_OTHERS = 10
_EXACT = 1 << 53  # what a float holds
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
        shape: JsonShape = "lines" if lines else "records"
        return JsonReading(shape, lines=lines, on_disk=True, packing=packing), None
    with open_unpacked(path, packing, MAX_TEXT_BYTES) as stream:
        text, encoding, errors = _decoded(stream.read(), short)
    document, by_line = _parse(text, short, lines)
    reading = _shape(document, short)
    if by_line and reading.shape == "records" and not reading.path:
        reading = replace(reading, shape="lines")
    return replace(
        reading,
        lines=by_line,
        encoding=encoding,
        encoding_errors=errors,
        exact=_exact(reading, document),
        packing=packing,
    ), document


def _decoded(raw: bytes, short: str) -> tuple[str, str, Literal["strict", "replace"]]:
    encoding = detect_encoding(raw, complete=True)
    if encoding is None:
        raise not_text(short)
    if encoding == "utf-8":
        encoding = "utf-8-sig"
    try:
        return raw.decode(encoding), encoding, "strict"
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), encoding, "replace"


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


def _shape(document: Any, short: str) -> JsonReading:
    """Return how the records lie in a document.

    Raises:
        DataError: It holds none.
    """
    match document:
        case []:
            raise DataError(f"{short} holds an empty list.", "Check the export that made it.")
        case list():
            return _of_list(document, ())
        case dict() if document:
            return _of_object(document)
    raise DataError(
        f"{short} holds a single value, not records.", "Attach a list of objects, or JSON Lines."
    )


def _of_list(items: list[Any], path: tuple[str, ...]) -> JsonReading:
    if all(isinstance(record, dict) for record in items):
        nested = any(isinstance(value, dict) for record in items for value in record.values())
        return JsonReading("nested" if nested else "records", path)
    if all(isinstance(row, list) for row in items) and len(items) > 1:
        first, body = ([_text(cell) for cell in row] for row in items[:2])
        same = len({len(row) for row in items}) == 1
        texts = all(isinstance(cell, str) and cell.strip() for cell in items[0])
        rest = [[_text(cell) for cell in row] for row in items[1:200]]
        if same and texts and len(set(first)) == len(first) and body and is_header(first, rest):
            return JsonReading("headed", path)
    return JsonReading("rows", path)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _of_object(document: dict[str, Any]) -> JsonReading:
    match document:
        case {"schema": {"fields": list()}, "data": list() as data} if _are_records(data):
            return _of_list(data, ("data",))  # pandas' table schema
        case {"columns": list() as names, "data": list()} if all(
            isinstance(name, str | int | float) for name in names
        ):
            return JsonReading("split", ("data",), ("columns",))
    if apart := _names_and_rows(document):
        return apart
    values = list(document.values())
    if all(isinstance(value, list) for value in values) and len({*map(len, values)}) == 1:
        rows = [value for value in values if value and all(isinstance(v, list) for v in value)]
        if not all(_are_records(value) for value in values) and not (rows and len(values) == 1):
            return JsonReading("columns")
    if len(values) > 0 and all(isinstance(value, dict) and value for value in values):
        if not any(_lists_of_records(value, ()) for value in values):
            by_column, numbered = _is_by_column(document)
            if by_column:
                return JsonReading("frame", numbered=numbered)
            if len(values) > 1:
                return JsonReading("index")
    lists = _lists_of_records(document, ())
    if lists:
        best = max(lists, key=lambda one: lists[one])
        others = tuple(".".join(one) for one in lists if one != best)
        items: Any = document
        for key in best:
            items = items[key]
        return replace(_of_list(items, best), others=others[:_MOST_OTHERS])
    return JsonReading("nested")


def _are_records(items: Any) -> bool:
    return isinstance(items, list) and bool(items) and all(isinstance(v, dict) for v in items)


def _lists_of_records(
    document: dict[str, Any], path: tuple[str, ...]
) -> dict[tuple[str, ...], int]:
    """Return the lists of records (or of rows) in a document with their lengths."""
    found: dict[tuple[str, ...], int] = {}
    for key, value in document.items():
        here = (*path, key)
        if _are_records(value) or (
            isinstance(value, list) and len(value) > 1 and all(isinstance(v, list) for v in value)
        ):
            found[here] = len(value)
        elif isinstance(value, dict) and len(here) < _DEEPEST:
            found |= _lists_of_records(value, here)
    return found


def _names_and_rows(document: dict[str, Any], path: tuple[str, ...] = ()) -> JsonReading | None:
    """Return the reading of an object that holds the names in one list and the rows in another."""
    rows = [
        key for key, value in document.items()
        if isinstance(value, list) and value and all(isinstance(row, list) for row in value)
    ]  # fmt: skip
    for key in rows:
        width = {len(row) for row in document[key]}
        for other, names in document.items():
            if other == key or not isinstance(names, list) or {len(names)} != width:
                continue
            if all(isinstance(name, str) for name in names):
                return JsonReading("split", (*path, key), (*path, other))
            for by in ("name", "id", "label", "title", "field"):
                if all(isinstance(n, dict) and isinstance(n.get(by), str) for n in names):
                    return JsonReading("split", (*path, key), (*path, other), by)
    if len(path) < _DEEPEST:
        for key, value in document.items():
            if isinstance(value, dict) and (found := _names_and_rows(value, (*path, key))):
                return found
    return None


def _is_by_column(document: dict[str, dict[str, Any]]) -> tuple[bool, bool]:
    """Return whether an object of objects is a table by columns, and its rows are only numbered.

    A table by rows has the same fields, of several kinds, in each; one by columns has the same
    rows in each, all of the column's kind.
    """
    parts = list(document.values())
    inner = list(parts[0])
    if any(list(part) != inner for part in parts):
        return False, True
    if any(isinstance(value, dict) for part in parts for value in part.values()):
        return False, True
    numbered = inner == [str(place) for place in range(len(inner))]
    keyed = all(is_number_like(key) or is_date_like(key) for key in inner)
    outer = all(is_number_like(key) or is_date_like(key) for key in document)
    if numbered or outer:
        return numbered and not outer, True
    if keyed:
        return True, False
    kinds = [{_kind(value) for value in part.values() if value is not None} for part in parts]
    pure = all(len(kind) <= 1 for kind in kinds) and len(set.union(*kinds)) > 1
    return pure and len(inner) > 1, False


def _kind(value: Any) -> str:
    return (
        "number"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else type(value).__name__
    )


def _exact(reading: JsonReading, document: Any) -> tuple[str, ...]:
    """Return the columns of long integers with gaps: a frame would hold them as floats."""
    if reading.shape not in ("records", "lines", "nested"):
        return ()
    records = reached(document, reading.path)
    if not isinstance(records, list):
        return ()
    long = {
        key for one in records for key, value in one.items()
        if type(value) is int and abs(value) > _EXACT
    }  # fmt: skip
    return tuple(
        key
        for key in sorted(long)
        if any(one.get(key) is None for one in records)
        and all(one.get(key) is None or type(one[key]) is int for one in records)
        and all(abs(one.get(key) or 0) < 1 << 63 for one in records)
    )


def reached(document: Any, path: tuple[str, ...]) -> Any:
    """Return the part of a document that keys lead to."""
    for key in path:
        document = document[key]
    return document


def frame(reading: JsonReading, document: Any) -> pd.DataFrame:
    """Build the frame of a parsed document; column names are texts."""
    import pandas as pd

    part = reached(document, reading.path)
    match reading.shape:
        case "lines" | "records" | "columns" | "rows":
            table = pd.DataFrame(part)
        case "nested":
            table = pd.json_normalize(part)
        case "frame":
            table = pd.DataFrame(part)
            table = table.reset_index(drop=True) if reading.numbered else table.reset_index()
        case "index":
            table = pd.DataFrame.from_dict(part, orient="index").reset_index(names="key")
        case "split":
            names = reached(document, reading.names_path)
            named = [name[reading.named_by] for name in names] if reading.named_by else names
            table = pd.DataFrame(part, columns=named)
        case "headed":
            table = pd.DataFrame(part[1:], columns=part[0])
        case _:
            assert_never(reading.shape)
    for name in reading.exact:
        table[name] = pd.DataFrame(part, dtype=object)[name].astype("Int64")
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

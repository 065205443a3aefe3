"""Excel workbooks (.xlsx): their sheets, and where a sheet's table starts."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.chosen import NONE, Chosen
from analyst_kernel.data.read import values
from analyst_kernel.data.read.names import loaded_names
from analyst_kernel.data.read.options import ExcelReading
from analyst_kernel.data.read.rows.sheet import Merge, look_at_sheet
from analyst_kernel.data.read.sniff import is_header
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 100 << 20
MAX_UNPACKED_BYTES = 1 << 30
_LOOK_ROWS = 60
_MAX_LOOKED_THROUGH = 48 << 20
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_HIDDEN = re.compile(rb'<(?:\w+:)?row [^>]*hidden="(?:1|true)"')
_NO_RESULT = re.compile(
    rb'<(?:\w+:)?c r="([A-Z]+)(\d+)"[^>]*>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


@contextmanager
def _workbook(path: str) -> Iterator[Any]:
    import warnings

    import openpyxl

    with ExitStack() as held:
        try:
            # Of a path it would look at the suffix, and refuse a file that is named ``...xlsx``.
            file = held.enter_context(open(path, "rb"))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and validations, which are no data
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises whatever its zip and XML layers raise
            raise DataError(
                f"{os.path.basename(path)} cannot be opened as an Excel workbook: {error}.",
                "Open it in a spreadsheet program and save it again as .xlsx.",
            ) from error
        held.callback(book.close)
        yield book


def _unpacked_bytes(path: str) -> int:
    """Return the noted size of a workbook's parts; no more of each is ever unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return 0  # opening it says what is wrong


def sheets(path: str, *, hidden_too: bool = False) -> tuple[ExcelReading, ...]:
    """Return a reading for every visible sheet that holds a table, or for every sheet.

    Raises:
        DataError: The workbook cannot be opened, is too big, or holds nothing.
    """
    if os.path.getsize(path) > MAX_BYTES:
        raise DataError(
            f"{os.path.basename(path)} is a workbook of more than 100 MB, too big to be read.",
            "Save the sheets that you need as CSV.",
        )
    if _unpacked_bytes(path) > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{os.path.basename(path)} is a workbook that unpacks to more than 1 GB.",
            "Save the sheets that you need as CSV.",
        )
    found = []
    with _workbook(path) as book:
        hidden = []
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what the file says of them may be wrong
            if sheet.sheet_state != "visible":
                hidden.append(sheet.title)
                if not hidden_too:
                    continue
            rows = [
                ["" if cell is None else str(cell) for cell in row]
                for row in sheet.iter_rows(max_row=_LOOK_ROWS, values_only=True)
            ]
            if any(cell for row in rows for cell in row):
                found.append(_reading(sheet.title, rows))
    if not found:
        raise DataError(
            f"{os.path.basename(path)} has no sheet with values.", "Check that it was saved."
        )
    only = len(found) == 1 and len(book.sheetnames) == 1
    return tuple(replace(one, only_sheet=only, hidden_sheets=tuple(hidden)) for one in found)


def look(path: str, reading: ExcelReading) -> tuple[ExcelReading, list[int]]:
    """Return the reading of a sheet with what all its rows show, and the row of each table row.

    Very big sheets are read by their first rows alone, and no rows are known.

    Raises:
        DataError: The workbook cannot be opened.
    """
    with _workbook(path) as book:
        sheet = book[reading.sheet]
        part = _part(path, sheet)
        if part is None:
            return reading, []
        sheet.reset_dimensions()
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    while rows and all(cell is None or not str(cell).strip() for cell in rows[-1]):
        rows.pop()
    merges = [_merge(found) for found in _MERGED.findall(part)]
    reading, lines = look_at_sheet(reading, rows, merges)
    return replace(
        reading,
        hidden_rows=len(_HIDDEN.findall(part)),
        uncomputed=_uncomputed(part, reading, lines),
    ), lines


def _part(path: str, sheet: Any) -> bytes | None:
    """Return the XML of a sheet; None if it is too big to be looked through."""
    name = str(vars(sheet)["_worksheet_path"]).lstrip("/")
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > _MAX_LOOKED_THROUGH:
                return None
            with archive.open(name) as member:
                return member.read(_MAX_LOOKED_THROUGH)
    except (KeyError, zipfile.BadZipFile, OSError, NotImplementedError):
        return None


def _merge(found: tuple[bytes, bytes, bytes, bytes]) -> Merge:
    left, top, right, bottom = found
    return Merge(_place(left), int(top) - 1, _place(right), int(bottom) - 1)


def _place(letters: bytes) -> int:
    """Return the column (from 0) that letters name."""
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place - 1


def _uncomputed(
    part: bytes, reading: ExcelReading, lines: list[int]
) -> tuple[tuple[str, int], ...]:
    """Count the formulas in each column whose results no program has stored."""
    used = reading.places or range(len(reading.names))
    names = dict(zip(used, reading.names, strict=False))
    rows = set(lines)
    counts: Counter[str] = Counter()
    for letters, row in _NO_RESULT.findall(part):
        name = names.get(_place(letters))
        if name is not None and int(row) - 1 in rows:
            counts[name] += 1
    return tuple(counts.items())


def _reading(sheet: str, rows: list[list[str]]) -> ExcelReading:
    width = max(len(row) for row in rows)
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    most = max(filled)
    start = next(place for place, count in enumerate(filled) if count * 2 > most)
    body = [row for row in rows[start + 1 :] if any(row)]
    if is_header(rows[start], body):
        return ExcelReading(sheet, start)
    return ExcelReading(sheet, None, names=tuple(f"column_{n + 1}" for n in range(width)))


def as_said(reading: ExcelReading, chosen: Chosen) -> ExcelReading:
    """Return the reading of a sheet with the header where the user says that it is."""
    said = chosen.get("header")
    reading = replace(reading, chosen=chosen)
    if not said:
        return reading
    return replace(reading, header_row=None if said == NONE else int(said) - 1, names=())


def frame(path: str, reading: ExcelReading) -> pd.DataFrame:
    """Read a sheet as the setup cell does.

    Raises:
        DataError: pandas cannot read it.
    """
    import warnings

    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = pd.read_excel(path, sheet_name=reading.sheet, **pandas_options(reading))
    except Exception as error:
        raise DataError(
            f"Sheet {reading.sheet!r} of {os.path.basename(path)} cannot be read: {error}.",
            "Save the sheet as CSV.",
        ) from error
    if reading.header_row is None and not reading.names:
        table.columns = pd.Index(loaded_names([f"column_{n + 1}" for n in range(table.shape[1])]))
    for place, first, last in reading.merged:
        table.iloc[first : last + 1, place] = table.iloc[first, place]
    table = table.rename(columns=str)
    for name, whole in reading.filled:
        table[name] = table[name].ffill().astype("int64") if whole else table[name].ffill()
    return table


def pandas_options(reading: ExcelReading) -> dict[str, Any]:
    """Return the arguments of ``pd.read_excel`` for a sheet, its name aside."""
    gone = sorted({line for one in reading.left_out for line in one.lines})
    options: dict[str, Any] = {}
    if reading.start is not None:
        options |= {"header": None, "names": list(reading.names)}
        gone = sorted({*range(reading.start), *gone})
    elif reading.header_row is None:
        options["header"] = None
        if reading.names:
            options["names"] = list(reading.names)
    elif gone:
        gone = sorted({*range(reading.header_row), *gone})
    elif reading.header_row:
        options["header"] = reading.header_row
    if gone:
        options["skiprows"] = gone
    if reading.places:
        options["usecols"] = list(reading.places)
    if reading.texts:
        options["dtype"] = dict.fromkeys(reading.texts, str)
    gaps: dict[str, list[str]] = {name: [text] for name, text in reading.chosen.gaps.items()}
    if reading.kept_words:
        usual = [text for text in values.NULL_TEXTS if text not in reading.kept_words]
        options |= {"keep_default_na": False, "na_values": usual}
        if gaps:
            options["na_values"] = {n: [*usual, *gaps.get(n, ())] for n in reading.names}
    elif gaps:
        options["na_values"] = gaps
    return options

"""Excel workbooks (.xlsx): their sheets, and where a sheet's table starts."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.read.names import loaded_names
from analyst_kernel.data.read.options import ExcelReading
from analyst_kernel.data.read.sniff import is_header
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 100 << 20
MAX_UNPACKED_BYTES = 1 << 30
_LOOK_ROWS = 60


@contextmanager
def _workbook(path: str) -> Iterator[Any]:
    import warnings

    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and validations that do not matter for data
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever its zip and XML layers raise
        raise DataError(
            f"{os.path.basename(path)} cannot be opened as an Excel workbook: {error}.",
            "Open it in a spreadsheet program and save it again as .xlsx.",
        ) from error
    try:
        yield book
    finally:
        book.close()


def _unpacked_bytes(path: str) -> int:
    """Return the noted size of a workbook's parts; no more of each is ever unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return 0  # opening it says what is wrong


def sheets(path: str) -> tuple[ExcelReading, ...]:
    """Return a reading for every visible sheet that holds a table.

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
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
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
    return tuple(ExcelReading(one.sheet, one.header_row, only, one.names) for one in found)


def _reading(sheet: str, rows: list[list[str]]) -> ExcelReading:
    width = max(len(row) for row in rows)
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    most = max(filled)
    start = next(place for place, count in enumerate(filled) if count * 2 > most)
    body = [row for row in rows[start + 1 :] if any(row)]
    if is_header(rows[start], body):
        return ExcelReading(sheet, start)
    return ExcelReading(sheet, None, names=tuple(f"column_{n + 1}" for n in range(width)))


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
            table = pd.read_excel(path, sheet_name=reading.sheet, header=reading.header_row)
    except Exception as error:
        raise DataError(
            f"Sheet {reading.sheet!r} of {os.path.basename(path)} cannot be read: {error}.",
            "Save the sheet as CSV.",
        ) from error
    if reading.header_row is None:
        table.columns = pd.Index(loaded_names([f"column_{n + 1}" for n in range(table.shape[1])]))
    return table.rename(columns=str)

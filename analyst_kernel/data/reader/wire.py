"""What is said between this process and a reader: JSON, checked strictly where it arrives.

A reader has parsed a file that may be hostile, so its answer may be anything. What passes here has
the types, the bounds and the consistency that the rest of the package relies on.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from pydantic import Field, ValidationError

from analyst_kernel.data.chosen import LONGEST, Chosen
from analyst_kernel.data.dictionary import DictionaryReading
from analyst_kernel.data.profile.inspected import ColumnSketch, DeclaredKey, Inspected
from analyst_kernel.data.read.options import (
    ArrowReading,
    DelimitedReading,
    DuckdbReading,
    ExcelReading,
    FolderReading,
    JsonReading,
    Packing,
    ParquetReading,
    Reading,
    Source,
    SqliteReading,
    StatReading,
)
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.datasets import ColumnProfile, DataFormat, DatasetProfile
from analyst_kernel.protocol.errors import DataError

MAX_TABLES = 1000
MAX_SHOWN_ROWS = 100
MAX_SKETCHES = 1000
MAX_DOCUMENT = 400_000
"""Characters that are read of a document."""
_MOST = 1 << 62  # no count of anything is larger
_MARKS = 3_000_000
"""The most commas and brackets of an answer: each may become an object many times its size."""
_LONGEST_MESSAGE = 2000


class SeenFile(Record):
    """A regular file as this process found it, which the reader must find too."""

    path: str
    device: int
    inode: int


_FIELDS: dict[type[object], str] = {
    DelimitedReading: "delimited",
    JsonReading: "document",
    ExcelReading: "excel",
    SqliteReading: "sqlite",
    DuckdbReading: "duckdb",
    ParquetReading: "parquet",
    ArrowReading: "arrow",
    FolderReading: "folders",
    StatReading: "statistics",
}
_OF_FORMAT: dict[DataFormat, str] = {
    "csv": "delimited", "tsv": "delimited", "json": "document", "jsonl": "document",
    "excel": "excel", "sqlite": "sqlite", "duckdb": "duckdb", "parquet": "parquet",
    "arrow": "arrow", "stata": "statistics", "spss": "statistics", "sas": "statistics",
}  # fmt: skip


class ReadTable(Record):
    """A :class:`Source` without what the asking process knows better: path and size.

    One field holds how it is read.
    """

    format: DataFormat
    stem: str
    packing: Packing = Field(default_factory=Packing)
    table: str | None = None
    delimited: DelimitedReading | None = None
    document: JsonReading | None = None
    excel: ExcelReading | None = None
    sqlite: SqliteReading | None = None
    duckdb: DuckdbReading | None = None
    parquet: ParquetReading | None = None
    arrow: ArrowReading | None = None
    folders: FolderReading | None = None
    statistics: StatReading | None = None

    @classmethod
    def of(cls, source: Source) -> ReadTable:
        """Return the table of a source."""
        reading = {} if source.reading is None else {_FIELDS[type(source.reading)]: source.reading}
        return cls.model_validate(
            {
                "format": source.format,
                "stem": source.stem,
                "packing": source.packing,
                "table": source.table,
                **reading,
            }
        )

    def source(self, path: str, size: int) -> Source:
        """Return the source of this table in a file; raise ``ValueError`` if it is none."""
        set_fields = [name for name in _FIELDS.values() if getattr(self, name) is not None]
        in_folders = set_fields == ["folders"] and self.format in ("csv", "parquet")
        if set_fields != [_OF_FORMAT[self.format]] and not in_folders:
            raise ValueError(f"a {self.format} table is read as {set_fields}")
        reading: Reading = getattr(self, set_fields[0])
        if isinstance(reading, FolderReading):
            if not len(reading.keys) == len(reading.kinds) == len(reading.added):
                raise ValueError("folders and columns differ in number")
            if (reading.text is None) != (self.format == "parquet"):
                raise ValueError("the files are of another kind")
            if not set(reading.kinds) <= {"BIGINT", "DOUBLE", "DATE", "VARCHAR"}:
                raise ValueError("a folder gives no such type")
        text = reading.text if isinstance(reading, FolderReading) else reading
        if isinstance(text, DelimitedReading) and len(text.types) != len(text.names):
            raise ValueError("columns and types differ in number")
        return Source(path, self.format, size, self.stem, reading, self.packing, self.table)


class ChosenOfTable(Record):
    """What the user said of one table of a file; both names are None for all of the file."""

    table: str | None
    member: str | None
    chosen: Chosen


class ReaderRequest(Record):
    """What a reader is asked.

    Attributes:
        do: ``read`` its tables with their profiles, ``find`` what it holds, read a
            ``dictionary`` alone, the ``text`` of a document, or compare ``pictures``.
        files: The data file.
        dictionary: The dictionary beside it.
        max_frame_bytes: Bigger files are left on disk.
        chosen: What the user said of the tables.
        pictures: Two, as base64.
    """

    do: Literal["read", "find", "dictionary", "text", "pictures"]
    files: tuple[SeenFile, ...] = ()
    dictionary: SeenFile | None = None
    max_frame_bytes: int = 0
    chosen: tuple[ChosenOfTable, ...] = ()
    pictures: tuple[str, ...] = ()


class NotKept(Record):
    """Why a table was not read as the user said: the choice, and a sentence."""

    key: str = Field(max_length=LONGEST)
    why: str = Field(max_length=_LONGEST_MESSAGE)


class ProfiledTable(Record):
    """A table after reading, its profile, what may link it to others, and what was not kept."""

    table: ReadTable
    profile: DatasetProfile
    sketches: tuple[ColumnSketch, ...] = Field(default=(), max_length=MAX_SKETCHES)
    keys: tuple[DeclaredKey, ...] = Field(default=(), max_length=MAX_SKETCHES)
    not_kept: tuple[NotKept, ...] = Field(default=(), max_length=200)


class FoundTables(Record):
    """What is in a file: rows and columns of its only table, or the names of several."""

    format: DataFormat
    rows: int | None = None
    columns: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


class ReaderAnswer(Record):
    """What a reader answers: the part that was asked for, or what is wrong with the file."""

    what: str = Field(default="", max_length=_LONGEST_MESSAGE)
    remedy: str = Field(default="", max_length=_LONGEST_MESSAGE)
    tables: tuple[ProfiledTable, ...] = Field(default=(), max_length=MAX_TABLES)
    found: FoundTables | None = None
    dictionary: DictionaryReading | None = None
    text: str = Field(default="", max_length=MAX_DOCUMENT)
    text_cut: bool = False
    pictures: str = Field(default="", max_length=200)


class UnusableAnswer(ValueError):
    """A reader's answer is not what it should be."""


def read_answer(raw: bytes) -> ReaderAnswer:
    """Check what a reader sent.

    Raises:
        DataError: The reader says what is wrong with the file.
        UnusableAnswer: It is no answer.
    """
    if sum(raw.count(mark) for mark in (b",", b"[", b"{")) > _MARKS:
        raise UnusableAnswer("too many values")
    try:
        answer = ReaderAnswer.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise UnusableAnswer(f"{error.error_count()} faults") from error
    if answer.what:
        raise DataError(answer.what, answer.remedy)
    found = () if answer.found is None else (answer.found.rows,)
    for count in found:
        if count is not None and not 0 <= count < _MOST:
            raise UnusableAnswer("a count is impossible")
    return answer


def inspected(answer: ReaderAnswer, path: str, size: int) -> tuple[Inspected, ...]:
    """Return the tables of an answer about the file ``path``; raise :class:`UnusableAnswer`."""
    if not answer.tables:
        raise UnusableAnswer("no table")
    try:
        return tuple(_inspected(one, path, size) for one in answer.tables)
    except ValueError as error:
        raise UnusableAnswer(str(error)) from error


def _inspected(one: ProfiledTable, path: str, size: int) -> Inspected:
    source, profile = one.table.source(path, size), one.profile
    dataset = profile.dataset
    rows = dataset.rows
    if rows is None or not 0 <= rows < _MOST:
        raise ValueError("a count is impossible")
    if (dataset.format, dataset.table) != (source.format, source.table):
        raise ValueError("the profile is of another table")
    if not dataset.columns or tuple(column.name for column in profile.columns) != dataset.columns:
        raise ValueError("the profile is of other columns")
    if len(profile.head) > MAX_SHOWN_ROWS or len(profile.sample) > MAX_SHOWN_ROWS:
        raise ValueError("too many rows")
    if not 0 <= (profile.duplicate_rows or 0) <= rows:
        raise ValueError("a count is impossible")
    for column in profile.columns:
        _check_column(column, rows)
    for sketch in one.sketches:
        sketch.numbers()
    dataset = dataset.model_copy(update={"path": path, "bytes": size})
    profile = profile.model_copy(update={"dataset": dataset})
    not_kept = tuple((gone.key, gone.why) for gone in one.not_kept)
    return Inspected(source, profile, one.sketches, one.keys, not_kept)


def _check_column(column: ColumnProfile, rows: int) -> None:
    """Raise ``ValueError`` if a number of a column is impossible."""
    if column.words is not None:
        raise ValueError("words come from a dictionary alone")
    counts = [column.nulls, column.distinct, column.zeros or 0, column.negatives or 0]
    counts += [item.count for item in column.top]
    if any(not 0 <= count <= rows for count in counts):
        raise ValueError(f"a count of {column.name!r} is impossible")
    if not 0 <= (column.max_length or 0) < _MOST:
        raise ValueError(f"a length of {column.name!r} is impossible")
    for number in (
        column.minimum, column.p25, column.median, column.p75, column.maximum, column.mean,
        column.std, column.share_number, column.share_date,
    ):  # fmt: skip
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"a number of {column.name!r} is not finite")


def with_name(one: Inspected, name: str) -> Inspected:
    """Return a table under the name that its dataset gets."""
    dataset = one.profile.dataset.model_copy(update={"name": name})
    return replace(one, profile=one.profile.model_copy(update={"dataset": dataset}))

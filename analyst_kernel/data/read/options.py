"""How a file is read, as immutable values.

A reading holds all that the profile and the setup cell need to read one table in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.datasets import DataFormat, DatasetProfile

Compression: TypeAlias = Literal["gzip", "bz2", "xz", "zip"]
TypeName: TypeAlias = Literal["integer", "number", "bool", "date", "text"]
JsonShape: TypeAlias = Literal["lines", "records", "nested", "columns", "index", "split", "rows"]


@dataclass(frozen=True, slots=True)
class Packing:
    """How a file is compressed; ``member`` names the file inside a zip archive."""

    compression: Compression | None = None
    member: str | None = None
    members: int = 1


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What the values of a delimited column are.

    Attributes:
        kind: The class of values.
        date_format: strptime format if ``kind`` is ``date``.
        markers: Texts that stand for a missing value in this column, beyond the usual ones.
        forced: The column is text although pandas would read it as numbers.
        wide: Integers of 16 to 18 digits, which a float cannot hold.
    """

    kind: TypeName
    date_format: str | None = None
    markers: tuple[str, ...] = ()
    forced: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class DelimitedReading:
    r"""Delimited text.

    Attributes:
        names: Column names in order, as the loaded frame has them.
        delimiter: One character, or ``\s+`` for runs of blanks.
        skip_rows: Physical lines before the header, or before the data if there is no header.
        header: Whether a header line exists.
        explicit_names: The names must be given to pandas, which would find others.
        trailing_delimiter: Data rows end with one delimiter more than the header.
        bad_rows: Rows with too many fields, which are left out.
        types: One per column after the whole file was read; empty before.
        whole_column_types: Types must be inferred from whole columns, not from pieces of the file.
        found_markers: Usual missing-value texts that occur, for users to see.
    """

    names: tuple[str, ...]
    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str | None = None
    skip_rows: int = 0
    header: bool = True
    explicit_names: bool = False
    skip_initial_space: bool = False
    trailing_delimiter: bool = False
    bad_rows: int = 0
    types: tuple[ColumnType, ...] = ()
    whole_column_types: bool = False
    found_markers: tuple[str, ...] = ()
    packing: Packing = field(default_factory=Packing)

    def options(self) -> dict[str, Json]:
        """Return what was found, without the defaults, for users to see."""
        found: dict[str, Json] = {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "header": self.header,
            "decimal": self.decimal,
        }
        typed = list(zip(self.names, self.types, strict=False))
        extra = {marker for kind in self.types for marker in kind.markers}
        unusual: dict[str, Json] = {
            "thousands": self.thousands,
            "quote": self.quote if self.quote != '"' else None,
            "skip_rows": self.skip_rows,
            "bad_rows": self.bad_rows,
            "skip_initial_space": self.skip_initial_space,
            "missing_values": [*self.found_markers, *sorted(extra)],
            "dates": {name: kind.date_format for name, kind in typed if kind.date_format},
            "text_columns": [name for name, kind in typed if kind.forced],
        }
        found |= {key: value for key, value in unusual.items() if value}
        return found | packing_options(self.packing)


@dataclass(frozen=True, slots=True)
class JsonReading:
    """JSON or JSON Lines.

    Attributes:
        shape: How records lie in the document.
        key: The key that holds the records if ``shape`` is ``nested``; ``None`` for the top.
        lines: One document per line.
        on_disk: Too big for a frame; read through DuckDB with its own types.
        dates: Text columns that are dates, with their strptime formats.
    """

    shape: JsonShape
    key: str | None = None
    lines: bool = False
    on_disk: bool = False
    dates: tuple[tuple[str, str], ...] = ()
    packing: Packing = field(default_factory=Packing)


@dataclass(frozen=True, slots=True)
class ExcelReading:
    """One sheet of a workbook; ``header_row`` counts from 0 and is ``None`` without a header."""

    sheet: str
    header_row: int | None = 0
    only_sheet: bool = True
    names: tuple[str, ...] = ()
    dates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SqliteReading:
    """One table of an SQLite file."""

    table: str
    dates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DuckdbReading:
    """One table or view of a DuckDB file."""

    table: str
    schema: str = "main"


@dataclass(frozen=True, slots=True)
class ParquetReading:
    """A Parquet file; ``index`` names the columns that pandas would put into the index."""

    index: tuple[str, ...] = ()
    unnamed_index: bool = False


@dataclass(frozen=True, slots=True)
class ArrowReading:
    """An Arrow IPC file (Feather) or, with ``stream``, an Arrow stream."""

    stream: bool = False


Reading: TypeAlias = (
    DelimitedReading
    | JsonReading
    | ExcelReading
    | SqliteReading
    | DuckdbReading
    | ParquetReading
    | ArrowReading
)


@dataclass(frozen=True, slots=True)
class Source:
    """One table in one file, before it has a name.

    Attributes:
        path: Absolute, symlinks resolved.
        format: How the file is read.
        bytes: Size of the file.
        stem: What a name is made from.
        reading: ``None`` for delimited text and JSON, whose layout is found later.
        packing: How the file is compressed.
        table: Sheet or table.
    """

    path: str
    format: DataFormat
    bytes: int
    stem: str
    reading: Reading | None = None
    packing: Packing = field(default_factory=Packing)
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """A source after reading, and its profile."""

    source: Source
    profile: DatasetProfile


def packing_options(packing: Packing) -> dict[str, Json]:
    """Return the compression, if there is one, for users to see."""
    found: dict[str, Json] = {}
    if packing.compression:
        found["compression"] = packing.compression
    if packing.member is not None and packing.members > 1:
        found["member"] = packing.member
    return found

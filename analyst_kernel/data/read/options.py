"""How a file is read, as immutable values.

A reading holds all that the profile and the setup cell need to read one table in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from analyst_kernel.data.chosen import Chosen
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.datasets import DataFormat

Compression: TypeAlias = Literal["gzip", "bz2", "xz", "zip"]
TypeName: TypeAlias = Literal["integer", "number", "bool", "date", "text"]
JsonShape: TypeAlias = Literal[
    "lines", "records", "nested", "columns", "frame", "index", "split", "rows", "headed"
]
"""Lists of records, plain or nested; columns of lists, or of values by row (as pandas writes);
records by key; names and rows apart; rows, the names in the first one or nowhere."""


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
        gaps: Some values are missing.
        assumed: The dates read with day and month exchanged too.
    """

    kind: TypeName
    date_format: str | None = None
    markers: tuple[str, ...] = ()
    forced: bool = False
    wide: bool = False
    gaps: bool = False
    assumed: bool = False


LeftOutKind: TypeAlias = Literal[
    "footer", "units", "total", "header", "surplus", "empty", "hidden", "title"
]
"""Why rows are no part of the table: notes below it, units above it, sums of other rows, the header
once more, more fields than columns, nothing in them."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of a file that are read over, for one reason.

    Attributes:
        kind: The reason.
        lines: Their places, from 0 in CSV and Excel alike; a quoted line break starts no line.
        example: The first of them, as text.
        fits: They have no more fields than the table has columns, so that they may be kept.
    """

    kind: LeftOutKind
    lines: tuple[int, ...]
    example: str = ""
    fits: bool = True


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
        kept_words: Texts that usually stand for a missing value and are values here (``NA`` as a
            region), because no column of numbers or dates uses them for its gaps.
        left_out: Rows that are no part of the table.
        last_rows: The table ends after that many rows; what follows is in ``left_out``.
        replaced_header: The header line is skipped and ``names`` are given, so that rows may have
            more fields than it.
        added: How many of the last ``names`` stand for fields that the header does not name.
        spare: Fields behind the last column that are empty in every row.
        encoding_errors: ``replace`` if some bytes are no text of the encoding.
        collapsed: A column, and two texts in it that would become one number.
        nul_characters: Some texts hold NUL characters.
        chosen: What the user said of the reading.
        kept_rows: Rows that look like no part of the table and are kept, because the user said so.
        text_words: The words that occur among texts, and may be values or gaps.
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
    kept_words: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    last_rows: int | None = None
    replaced_header: bool = False
    added: int = 0
    spare: int = 0
    encoding_errors: Literal["strict", "replace"] = "strict"
    collapsed: tuple[tuple[str, str, str], ...] = ()
    nul_characters: bool = False
    packing: Packing = field(default_factory=Packing)
    chosen: Chosen = field(default_factory=Chosen)
    kept_rows: tuple[LeftOut, ...] = ()
    text_words: tuple[str, ...] = ()

    @property
    def crooked(self) -> bool:
        """Return whether DuckDB cannot read the file by the layout alone."""
        return bool(
            self.left_out or self.replaced_header or self.spare or self.encoding_errors != "strict"
        )

    def options(self) -> dict[str, Json]:
        """Return what was found, without the defaults, for users to see."""
        found: dict[str, Json] = {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "header": self.header,
            "decimal": self.decimal,
        }
        typed = list(zip(self.names, self.types, strict=False))
        # What the user calls a gap is a value of the data, which a model may not be shown.
        own = self.chosen.gaps
        extra = {marker for name, kind in typed if name not in own for marker in kind.markers}
        unusual: dict[str, Json] = {
            "thousands": self.thousands,
            "quote": None if self.quote == '"' else self.quote or "none",
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
        path: The keys that lead to the records (to the rows of ``split``); empty for the top.
        names_path: The keys that lead to the names of ``split``.
        named_by: The key of a name, if each is described by an object.
        others: Other lists of records in the document, which are not loaded.
        encoding: Of the text.
        encoding_errors: ``replace`` if some bytes are no text.
        numbered: The keys of ``frame`` are row numbers and no column.
        lines: One document per line.
        on_disk: Too big for a frame; read through DuckDB with its own types.
        dates: Text columns that are dates, with their strptime formats.
        exact: Columns of long integers with gaps, which a frame would round.
        chosen: What the user said of the reading.
    """

    shape: JsonShape
    path: tuple[str, ...] = ()
    names_path: tuple[str, ...] = ()
    named_by: str = ""
    others: tuple[str, ...] = ()
    encoding: str = "utf-8-sig"
    encoding_errors: Literal["strict", "replace"] = "strict"
    numbered: bool = True
    lines: bool = False
    on_disk: bool = False
    dates: tuple[tuple[str, str], ...] = ()
    exact: tuple[str, ...] = ()
    packing: Packing = field(default_factory=Packing)
    chosen: Chosen = field(default_factory=Chosen)


@dataclass(frozen=True, slots=True)
class ExcelReading:
    """One sheet of a workbook.

    Attributes:
        header_row: From 0; ``None`` without a header.
        names: Given to pandas if it would find others.
        dates: Text columns that are dates, with their strptime formats.
        start: The first row of the table if the header takes several rows, whose texts ``names``
            joins; ``None`` otherwise.
        places: Columns of the sheet that are loaded; empty for all.
        left_out: Rows that are no part of the table.
        merged: Merged cells below the header: column, first and last row of the frame.
        filled: Columns whose only gaps are in merged cells, and whether they hold whole numbers.
        texts: Columns of digits that are codes.
        kept_words: As for delimited text.
        uncomputed: Columns with formulas whose results the file does not hold, and how many.
        hidden_rows: Rows that the sheet hides; they are loaded.
        hidden_sheets: Sheets of the workbook that are hidden; they are not loaded.
        chosen, kept_rows, text_words: As for delimited text.
    """

    sheet: str
    header_row: int | None = 0
    only_sheet: bool = True
    names: tuple[str, ...] = ()
    dates: tuple[tuple[str, str], ...] = ()
    start: int | None = None
    places: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    merged: tuple[tuple[int, int, int], ...] = ()
    filled: tuple[tuple[str, bool], ...] = ()
    texts: tuple[str, ...] = ()
    kept_words: tuple[str, ...] = ()
    uncomputed: tuple[tuple[str, int], ...] = ()
    hidden_rows: int = 0
    hidden_sheets: tuple[str, ...] = ()
    chosen: Chosen = field(default_factory=Chosen)
    kept_rows: tuple[LeftOut, ...] = ()
    text_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SqliteReading:
    """One table of an SQLite file.

    Attributes:
        immutable: It was left in write-ahead mode and closed: opened as a file that nobody writes,
            so that no log is made beside it.
        exact: Long integers have gaps, which a usual frame would round.
        left_out: Views and tables of the file that cannot be read, with the reasons.
        chosen: What the user said of the reading.
    """

    table: str
    dates: tuple[tuple[str, str], ...] = ()
    immutable: bool = False
    exact: bool = False
    left_out: tuple[str, ...] = ()
    chosen: Chosen = field(default_factory=Chosen)


@dataclass(frozen=True, slots=True)
class DuckdbReading:
    """One table or view of a DuckDB file; ``exact`` and ``left_out`` as for SQLite."""

    table: str
    schema: str = "main"
    exact: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParquetReading:
    """A Parquet file.

    Attributes:
        index: The columns that pandas would put into the index.
        exact: Long integers have gaps, which a usual frame would round.
        decimals: Columns of exact decimals, which are loaded as floats.
        chosen: What the user said of the reading.
    """

    index: tuple[str, ...] = ()
    unnamed_index: bool = False
    exact: bool = False
    decimals: tuple[str, ...] = ()
    chosen: Chosen = field(default_factory=Chosen)


@dataclass(frozen=True, slots=True)
class ArrowReading:
    """An Arrow IPC file (Feather) or, with ``stream``, an Arrow stream; ``chosen`` as above."""

    stream: bool = False
    chosen: Chosen = field(default_factory=Chosen)


@dataclass(frozen=True, slots=True)
class FolderReading:
    """Files in folders named ``KEY=VALUE``, as one table that DuckDB reads.

    Attributes:
        keys: What the folders' names give, outermost first, as it is written there.
        pattern: What finds the files below the folder.
        files: How many are read.
        columns: The names of the files' own columns, in order of their first appearance.
        added: For each key the column that it becomes; empty if a column of the files says the same
            in every row.
        kinds: For each key DuckDB's type.
        by_name: Keys are taken out of the files' names, because the files have columns of the same
            names, or folders further up look like keys too.
        escaped: The folders' names hold signs written as ``%20``.
        left_out: Files that are not read, and why.
        missing: Columns that some of the files lack, and how many of them.
        other_types: Columns that do not have the same type in all files.
        groups: Files of delimited text that have another header than most, by their headers.
        text: How delimited text is read; ``None`` for Parquet.
        exact: Long integers have gaps, which a usual frame would round.
        chosen: What the user said of the reading.
    """

    keys: tuple[str, ...]
    pattern: str
    files: int = 0
    columns: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    by_name: bool = False
    escaped: bool = False
    left_out: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, int], ...] = ()
    other_types: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    text: DelimitedReading | None = None
    exact: bool = False
    chosen: Chosen = field(default_factory=Chosen)


@dataclass(frozen=True, slots=True)
class StatReading:
    """A file of Stata, SPSS or SAS.

    Attributes:
        function: That of pyreadstat which reads it.
        encoding: Of its texts, where the file does not say the right one.
        descriptions: Columns, and what the file says they hold.
        labelled: Columns whose codes are replaced by the labels that the file has for them.
        coded: Columns that have labels too and stay codes.
        meanings: Of those, each label with its code as text.
        chosen: What the user said of the reading.
    """

    function: str
    encoding: str | None = None
    descriptions: tuple[tuple[str, str], ...] = ()
    labelled: tuple[str, ...] = ()
    coded: tuple[str, ...] = ()
    meanings: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    chosen: Chosen = field(default_factory=Chosen)


Reading: TypeAlias = (
    DelimitedReading
    | JsonReading
    | ExcelReading
    | SqliteReading
    | DuckdbReading
    | ParquetReading
    | ArrowReading
    | FolderReading
    | StatReading
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
        chosen: What the user said of its reading.
    """

    path: str
    format: DataFormat
    bytes: int
    stem: str
    reading: Reading | None = None
    packing: Packing = field(default_factory=Packing)
    table: str | None = None
    chosen: Chosen = field(default_factory=Chosen)


def packing_options(packing: Packing) -> dict[str, Json]:
    """Return the compression, if there is one, for users to see."""
    found: dict[str, Json] = {}
    if packing.compression:
        found["compression"] = packing.compression
    if packing.member is not None and packing.members > 1:
        found["member"] = packing.member
    return found

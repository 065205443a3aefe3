"""Datasets: where they are, how they are read, and their profiles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record

DataFormat = Literal[
    "csv", "tsv", "parquet", "json", "jsonl", "excel", "sqlite", "duckdb", "arrow", "stata", "spss",
    "sas",
]  # fmt: skip
"""``csv`` means delimited text with any delimiter."""

ColumnKind = Literal["number", "text", "date", "bool", "other"]


class ValueCount(Record):
    """One value (as text) and how many rows have it."""

    value: str
    count: int


class ColumnWords(Record):
    """What a dictionary says of a column.

    It is ``NAME.dictionary.json`` beside the dataset's file, or a table that describes columns.

    Attributes:
        label: How users call the column.
        unit: What its numbers are measured in.
        synonyms: Other names of the column.
        values: A word of a question -> the values that it stands for.
        description: What the column holds, in a sentence or two.
    """

    label: str = Field(default="", max_length=100)
    unit: str = Field(default="", max_length=20)
    synonyms: tuple[Annotated[str, Field(max_length=100)], ...] = Field(default=(), max_length=50)
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    description: str = Field(default="", max_length=600)


class ColumnProfile(Record):
    """One column of a table.

    Attributes:
        name: Exact name, blanks and all.
        dtype: The type the reader found (DuckDB's name for it).
        kind: The class of values.
        nulls: Rows without a value.
        distinct: Distinct values; an estimate if ``distinct_is_estimate``.
        minimum, p25, median, p75, maximum: Order statistics of numbers; dates fill the first and
            last as ISO text.
        mean, std: Of numbers; ``std`` is the sample standard deviation.
        zeros, negatives: Rows that are 0 or below 0.
        top: Most frequent values of text, bool and few-valued columns; all of them if
            ``distinct <= 30``, otherwise ten.
        max_length: Longest text in characters.
        share_number, share_date: The share (0 to 1) of text values that are a number or a date.
        date_format: The strptime format of dates kept as text, if one was found.
        words: From a dictionary, if there is one that names the column.
    """

    name: str
    dtype: str
    kind: ColumnKind
    nulls: int
    distinct: int
    distinct_is_estimate: bool = False
    minimum: float | str | None = None
    p25: float | None = None
    median: float | None = None
    p75: float | None = None
    maximum: float | str | None = None
    mean: float | None = None
    std: float | None = None
    zeros: int | None = None
    negatives: int | None = None
    top: tuple[ValueCount, ...] = ()
    max_length: int | None = None
    share_number: float | None = None
    share_date: float | None = None
    date_format: str | None = None
    words: ColumnWords | None = None


class DataWarning(Record):
    """A property of a dataset that makes a naive analysis wrong.

    Attributes:
        code: Stable kebab-case name, e.g. ``dates-as-text``, ``total-rows``, ``duplicate-keys``.
        message: One sentence with the evidence.
        column: The column, if the warning is about one.
        values: The values it is about, as text: numbers that may stand for missing values
            (``sentinel``), or labels of rows that are totals of others (``total-rows``).
    """

    code: str
    message: str
    column: str | None = None
    values: tuple[str, ...] = ()


class ReadingChoice(Record):
    """How one thing of a table is read, and how it may be read otherwise.

    Attributes:
        key: What is chosen: a kind, and behind a dot what it is about (``header``,
            ``dates.order_date``, ``rows.total``, ``word.NA``, ``gap.amount``).
            The user may change those that have a value.
        value: What holds now; empty if nothing can be chosen.
        values: What else it may be; empty if any text may be tried.
        sentence: The assumption that it makes, without the table's name; empty if it is none.
        column: The column that it is about.
        touches: Where it matters: in every row of the table, in some columns, or in no result.
        columns: Those columns.
        by_user: Whether the user chose it.
    """

    key: str
    value: str = ""
    values: tuple[str, ...] = ()
    sentence: str = ""
    column: str | None = None
    touches: Literal["rows", "columns", "nothing"] = "nothing"
    columns: tuple[str, ...] = ()
    by_user: bool = False


class Dataset(Record):
    """A table that the user granted.

    Attributes:
        name: The variable (or DuckDB view) that the setup cell loads it into; a Python identifier.
        path: Absolute path of the file, or of the folder of a table in folders (``year=2024``).
        address: Where the file was fetched from, such as ``s3://bucket/file.csv``; empty for a
            file of this machine.
        format: How the file is read.
        bytes: Size of the file, or of all of its files.
        rows: Row count, or null if it was not counted.
        columns: Column names in order.
        table: Sheet of a workbook, or table of a database file.
        options: Options for reading, as detected (``delimiter``, ``encoding``, ``decimal``...).
        load: ``frame`` if the setup cell loads it into memory, ``view`` if it stays on disk.
        choices: What was chosen when it was read, by us or by the user.
    """

    name: str
    path: str
    format: DataFormat
    bytes: int
    rows: int | None
    columns: tuple[str, ...]
    table: str | None = None
    options: dict[str, Json] = Field(default_factory=dict)
    load: Literal["frame", "view"] = "frame"
    choices: tuple[ReadingChoice, ...] = ()
    address: str = ""


class DatasetProfile(Record):
    """A dataset with its columns, first rows and warnings; the model gets it as text.

    Attributes:
        dataset: The dataset.
        columns: In file order.
        head: First rows, each value as text, at most 5 (all rows of a tiny table).
        sample: A few rows from elsewhere in the table.
        duplicate_rows: Exact duplicates, or null if they were not counted.
        sampled: Whether statistics come from a sample; ``sample_note`` says how it was taken.
        warnings: Properties that make a naive analysis wrong.
        row_words: Words for one row of the table, from the dataset's own dictionary.
    """

    dataset: Dataset
    columns: tuple[ColumnProfile, ...]
    head: tuple[tuple[str | None, ...], ...] = ()
    sample: tuple[tuple[str | None, ...], ...] = ()
    duplicate_rows: int | None = None
    sampled: bool = False
    sample_note: str = ""
    warnings: tuple[DataWarning, ...] = ()
    row_words: tuple[str, ...] = ()

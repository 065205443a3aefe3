"""Dictionaries: ``NAME.dictionary.json`` beside ``NAME.csv``, and tables that describe columns.

It says what users call the columns, and which words stand for which values::

    {"rows": ["car", "vehicle"],
     "columns": {"cty": {"label": "city mileage", "unit": "mpg", "synonyms": ["town mileage"],
                         "description": "As the agency measured it, not the driver"},
                 "fuel": {"values": {"petrol": ["Regular", "Premium", "Midgrade"]}}}}

Every part is optional. Columns of other names are ignored, since a file may hold several tables.

A dataset that lists columns of others with a description each (``variable,meaning``) is a
dictionary of theirs, too; the dataset's own one counts for more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from pydantic import Field, ValidationError

from analyst_kernel.data.read.names import dictionary_path
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.datasets import ColumnWords, DatasetProfile, DataWarning

MAX_BYTES = 100_000
_LISTS = frozenset(
    "column columnname variable variablename field fieldname feature attribute name".split()
)
_DESCRIBES = frozenset(
    "description meaning definition explanation label longname details comment".split()
)
_UNITS = frozenset("unit units".split())
_TABLES = frozenset("table tablename dataset file filename sheet".split())
"""Headings of tables that are dictionaries, in small letters and without other signs."""
_LONGEST = 400


class DataDictionary(Record):
    """The content of the file."""

    rows: tuple[str, ...] = Field(default=(), max_length=50)
    columns: dict[str, ColumnWords] = Field(default_factory=dict)


class DictionaryReading(Record):
    """What a dictionary says, or why it is not used."""

    words: DataDictionary = Field(default_factory=DataDictionary)
    problem: str = Field(default="", max_length=1000)


def read_dictionary(path: str) -> DictionaryReading:
    """Read a dictionary, in a reader."""
    problem = ""
    try:
        if os.path.getsize(path) > MAX_BYTES:
            return DictionaryReading(problem=f"it has over {MAX_BYTES:,} bytes")
        with open(path, "rb") as file:
            return DictionaryReading(words=DataDictionary.model_validate_json(file.read(MAX_BYTES)))
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]["msg"]
    except OSError as error:
        problem = error.strerror or str(error)
    return DictionaryReading(problem=problem[:500])


def with_dictionary(profile: DatasetProfile, found: DictionaryReading) -> DatasetProfile:
    """Return the profile with the words of its dictionary, or with a warning why there are none."""
    if found.problem:
        name = os.path.basename(dictionary_path(profile.dataset.path))
        message = f"{name} is not used: {found.problem}."
        warning = DataWarning(code="dictionary-unreadable", message=message)
        return profile.model_copy(update={"warnings": (*profile.warnings, warning)})
    known = found.words.columns
    columns = tuple(
        column.model_copy(update={"words": known[column.name]}) if column.name in known else column
        for column in profile.columns
    )
    return profile.model_copy(update={"columns": columns, "row_words": found.words.rows})


def described_columns(profiles: Sequence[DatasetProfile]) -> dict[str, dict[str, ColumnWords]]:
    """Return by dataset and column what those datasets say that are dictionaries of others.

    Only a table whose rows all stand in its profile is taken for one. It describes a dataset if it
    lists at least two of its columns, and at least half of them.
    """
    found: dict[str, dict[str, ColumnWords]] = {}
    for source in profiles:
        entries = _entries(source)
        if not entries:
            continue
        for profile in profiles:
            one = profile.dataset
            stem = os.path.splitext(os.path.basename(one.path))[0]
            names = {"", *(text.casefold() for text in (one.name, one.table or "", stem))}
            words: dict[str, ColumnWords] = {}
            known = {name.casefold(): name for name in one.columns}
            for table, column, said in entries:
                where = os.path.splitext(os.path.basename(table))[0].casefold()
                if where in names and column.casefold() in known:
                    words.setdefault(known[column.casefold()], said)
            if profile is not source and len(words) >= max(2, len(known) / 2):
                found[one.name] = words | found.get(one.name, {})
    return found


def _entries(profile: DatasetProfile) -> list[tuple[str, str, ColumnWords]]:
    """Return table, column and words of each row of a dictionary; nothing if it is none."""
    dataset = profile.dataset
    if dataset.rows is None or len(profile.head) != dataset.rows:
        return []
    plain = ["".join(filter(str.isalnum, name.lower())) for name in dataset.columns]
    column, said = _first(plain, _LISTS), _first(plain, _DESCRIBES)
    if column is None or said is None or column == said:
        return []
    unit, table = _first(plain, _UNITS), _first(plain, _TABLES)
    found = []
    for row in profile.head:
        text = _cell(row, said)
        if text:
            text = f"{text[:_LONGEST]} (as {dataset.name} says)"
            words = ColumnWords(unit=_cell(row, unit)[:20], description=text)
            found.append((_cell(row, table), _cell(row, column), words))
    return found


def _first(names: Iterable[str], wanted: frozenset[str]) -> int | None:
    return next((place for place, name in enumerate(names) if name in wanted), None)


def _cell(row: Sequence[str | None], place: int | None) -> str:
    cell = row[place] if place is not None and place < len(row) else None
    return " ".join((cell or "").split())


def with_descriptions(profile: DatasetProfile, words: dict[str, ColumnWords]) -> DatasetProfile:
    """Return the profile with descriptions from a table; its own dictionary's words stay."""
    columns = tuple(
        column.model_copy(update={"words": _added(column.words, words[column.name])})
        if column.name in words
        else column
        for column in profile.columns
    )
    return profile.model_copy(update={"columns": columns})


def _added(own: ColumnWords | None, other: ColumnWords) -> ColumnWords:
    if own is None:
        return other
    return own.model_copy(
        update={
            "unit": own.unit or other.unit, "description": own.description or other.description,
        }
    )  # fmt: skip

"""A dataset's own dictionary: ``NAME.dictionary.json`` beside ``NAME.csv``.

It says what users call the columns, and which words stand for which values::

    {"rows": ["car", "vehicle"],
     "columns": {"cty": {"label": "city mileage", "unit": "mpg", "synonyms": ["town mileage"]},
                 "fuel": {"values": {"petrol": ["Regular", "Premium", "Midgrade"]}}}}

Every part is optional. Columns of other names are ignored, since a file may hold several tables.
"""

from __future__ import annotations

import os

from pydantic import Field, ValidationError

from analyst_kernel.data.read.names import dictionary_path
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.datasets import ColumnWords, DatasetProfile, DataWarning

MAX_BYTES = 100_000


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

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

from analyst_kernel.data.read.formats import DICTIONARY_SUFFIX
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.datasets import ColumnWords, DatasetProfile, DataWarning

MAX_BYTES = 100_000


class DataDictionary(Record):
    """The content of the file."""

    rows: tuple[str, ...] = Field(default=(), max_length=50)
    columns: dict[str, ColumnWords] = Field(default_factory=dict)


def with_dictionary(profile: DatasetProfile) -> DatasetProfile:
    """Return the profile with the words of its dictionary, or as it is if there is none.

    A file that cannot be used becomes a warning. A symbolic link is not followed: the user granted
    the dataset, not what a link beside it points to.
    """
    path = os.path.splitext(profile.dataset.path)[0] + DICTIONARY_SUFFIX
    if os.path.islink(path) or not os.path.isfile(path):
        return profile
    problem = "" if os.path.getsize(path) <= MAX_BYTES else f"it has over {MAX_BYTES:,} bytes"
    found = DataDictionary()
    try:
        with open(path, "rb") as file:
            found = DataDictionary.model_validate_json(b"{}" if problem else file.read(MAX_BYTES))
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        message = f"{os.path.basename(path)} is not used: {problem}."
        warning = DataWarning(code="dictionary-unreadable", message=message)
        return profile.model_copy(update={"warnings": (*profile.warnings, warning)})
    columns = tuple(
        column.model_copy(update={"words": found.columns[column.name]})
        if column.name in found.columns
        else column
        for column in profile.columns
    )
    return profile.model_copy(update={"columns": columns, "row_words": found.rows})

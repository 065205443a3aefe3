"""Variable names for datasets: valid, unique, and shadowing nothing that generated code uses."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Container

_RESERVED = frozenset(
    """pd np plt duckdb pandas numpy matplotlib sns scipy sklearn json csv re os sys math random
    sqlite3 zipfile closing gzip datetime date time itertools collections statistics output_dir
    display df

    all analyse analyze and any array as asc asymmetric both case cast check collate column
    constraint create default deferrable desc describe distinct do else end except false fetch for
    foreign from group having in initially intersect into lambda lateral leading limit not null
    offset on only or order pivot placing primary qualify references returning select show some
    summarize symmetric table then to trailing true union unique unpivot using variadic when where
    window with""".split()
)
"""Names that setup code or models bind, and words that SQL does not take as a table name."""


def identifier(stem: str) -> str:
    """Turn a file stem into a Python identifier that is safe in SQL too.

    ``Sales 2024`` becomes ``Sales_2024``; ``2024`` becomes ``data_2024``; ``class`` becomes
    ``class_data``.
    """
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    name = re.sub(r"[^0-9A-Za-z]+", "_", plain).strip("_")[:60].rstrip("_")
    if not name:
        return "dataset"
    if name[0].isdigit():
        name = f"data_{name}"
    if keyword.iskeyword(name) or name in dir(builtins) or name.lower() in _RESERVED:
        name = f"{name}_data"
    return name


def unique(name: str, taken: Container[str]) -> str:
    """Return ``name``, or ``name_2``, ``name_3``... where it is taken (letter case ignored).

    ``taken`` holds names in lower case, because SQL does not tell letter case apart.
    """
    candidate, number = name, 2
    while candidate.lower() in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def loaded_names(header: list[str]) -> list[str]:
    """Return the names that pandas gives: ``Unnamed: 2`` for none, ``a.1`` for a repeat."""
    named = [cell or f"Unnamed: {place}" for place, cell in enumerate(header)]
    unnamed = [place for place, cell in enumerate(header) if not cell]
    # Columns that have a name keep it; an invented name gives way.
    order = [place for place, cell in enumerate(header) if cell] + unnamed
    present = set(named)
    counts: dict[str, int] = {}
    result = list(named)
    for place in order:
        original = column = named[place]
        count = counts.get(original, 0)
        while count > 0:
            counts[original] = count + 1
            column = f"{original}.{count}"
            count = count + 1 if column in present else counts.get(column, 0)
        present.add(column)
        result[place] = column
        counts[column] = counts.get(column, 0) + 1
    return result

"""A reading of delimited text as the arguments of ``pd.read_csv``."""

from __future__ import annotations

import csv
from typing import Any

from analyst_kernel._code import Name
from analyst_kernel.data.read import relation
from analyst_kernel.data.read.names import unique
from analyst_kernel.data.read.options import DelimitedReading


def csv_options(reading: DelimitedReading) -> dict[str, Any]:
    """Return the arguments of ``pd.read_csv`` that differ from its own guesses."""
    no_header = reading.replaced_header or not reading.header
    found: tuple[tuple[object, str, Any], ...] = (
        (reading.delimiter != ",", "sep", reading.delimiter),
        (reading.decimal != ".", "decimal", reading.decimal),
        (reading.thousands, "thousands", reading.thousands),
        (reading.encoding != "utf-8", "encoding", reading.encoding),
        (reading.encoding_errors != "strict", "encoding_errors", reading.encoding_errors),
        (reading.quote not in ('"', ""), "quotechar", reading.quote),
        (reading.quote == "", "quoting", csv.QUOTE_NONE),
        (reading.escape, "escapechar", reading.escape),
        (True, "skiprows", _lines_to_skip(reading)),
        (reading.last_rows is not None, "nrows", reading.last_rows),
        (no_header, "header", None),
        (not no_header and reading.explicit_names, "header", 0),
        (reading.explicit_names, "names", _all_names(reading)),
        (reading.spare, "usecols", list(range(len(reading.names)))),
        (reading.trailing_delimiter, "index_col", False),
        (reading.skip_initial_space, "skipinitialspace", True),
        (reading.bad_rows, "on_bad_lines", "skip"),
    )
    given = {key: value for wanted, key, value in found if wanted}
    if not given["skiprows"]:
        del given["skiprows"]
    return given | _value_options(reading)


def _lines_to_skip(reading: DelimitedReading) -> int | list[int]:
    """Return how many first lines are skipped, or which lines, counted as pandas does."""
    below = ("footer", "empty") if reading.last_rows is not None else ()
    lines = {n for one in reading.left_out if one.kind not in below for n in one.lines}
    first = reading.skip_rows + reading.replaced_header
    return sorted(lines | set(range(first))) if lines else first


def _all_names(reading: DelimitedReading) -> list[str]:
    """Return the names of all fields, with ones for those that are not loaded."""
    names = list(reading.names)
    for place in range(reading.spare):
        names.append(unique(f"spare_{place + 1}", {name.lower() for name in names}))
    return names


def _value_options(reading: DelimitedReading) -> dict[str, Any]:
    found: dict[str, Any] = {}
    typed = list(zip(reading.names, reading.types, strict=True))
    texts: list[str] = [name for name, kind in typed if kind.forced]
    exact: dict[str, str] = {name: "Int64" for name, kind in typed if kind.wide and kind.gaps}
    if texts or exact:
        whole = len(texts) == len(typed)
        found["dtype"] = Name("str") if whole else dict.fromkeys(texts, Name("str")) | exact
    markers = {name: kind.markers for name, kind in typed if kind.markers}
    if reading.kept_words:
        usual = relation.missing_texts(reading)
        found["keep_default_na"] = False
        found["na_values"] = (
            {name: [*usual, *markers.get(name, ())] for name in reading.names}
            if markers
            else list(usual)
        )
    elif markers:
        found["na_values"] = markers
    if dates := {name: kind.date_format for name, kind in typed if kind.date_format}:
        formats = set(dates.values())
        found["parse_dates"] = list(dates)
        found["date_format"] = formats.pop() if len(formats) == 1 else dates
    if reading.whole_column_types:
        found["low_memory"] = False
    return found

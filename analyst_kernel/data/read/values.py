"""Patterns of numbers and dates, and texts that stand for a missing value.

Python's ``re`` and DuckDB's RE2 read the patterns alike; they are meant for full matches.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

NULL_TEXTS: tuple[str, ...] = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Texts that pandas takes for a missing value in every column by default."""

WORDS: tuple[str, ...] = ("NA", "NULL", "NaN", "None", "nan", "null")
"""Those that are real values too: a country, a surname, a priority."""
SIGNS: tuple[str, ...] = tuple(text for text in NULL_TEXTS if text not in WORDS)
"""Those that are never one."""

MARKERS: tuple[str, ...] = (
    "-", "--", "---", "–", "—", "?", ".", "..", "...", "*", "**", "x", "X", "\\N", "NaT", "nil",
    "NIL", "none", "NONE", "na", "Na", "N.A.", "n.a.", "N.A", "n/d", "N/D", "ND", "nd", "k.A.",
    "missing", "Missing", "MISSING", "unknown", "Unknown", "UNKNOWN", "(null)", "(blank)", "blank",
    "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "tbd", "TBD", " ", "  ",
)  # fmt: skip
"""Texts that mean "no value" only in a column whose other values are numbers or dates."""

PLAIN = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
INTEGER = r"\s*[+-]?\d+\s*"
INFINITE = r"[+-]?(inf|Inf|INF|infinity|Infinity|INFINITY)"
LEADING_ZERO = r"0\d+(\.\d+)?"
POWER_CODE = r"\d+[eE]\d+"
PHONE = r"\+\d{7,}"
WIDE_INTEGER = r"\s*[+-]?\d{16,}\s*"
HUGE_INTEGER = r"\s*[+-]?\d{19,}\s*"
DIGITISH = r"[\s\d.,+\-eE'xX]*\d[\s\d.,+\-eE']*"
BOOLEANS: tuple[str, ...] = ("true", "false", "True", "False", "TRUE", "FALSE")
CURRENCY = (
    r"\s*[+-]?\s*([$€£¥₹]|USD|EUR|GBP|CHF)?\s*[+-]?\d[\d.,' ]*\s*"
    r"([$€£¥₹%]|USD|EUR|GBP|CHF|kr|zł)?\s*"
)

_NUMBER_LIKE = re.compile(rf"{PLAIN}|{CURRENCY}|{INFINITE}")
_DATE_LIKE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$")


def decimal_with(mark: str) -> str:
    """Return the pattern of a number with the decimal mark ``mark`` in it."""
    m = re.escape(mark)
    return rf"\s*[+-]?(\d+{m}\d*|{m}\d+)([eE][+-]?\d+)?\s*"


def grouped_with(mark: str, decimal: str) -> str:
    """Return the pattern of a number whose digits stand in groups of three."""
    m, d = re.escape(mark), re.escape(decimal)
    return rf"\s*[+-]?\d{{1,3}}({m}\d{{3}})+({d}\d*)?\s*"


def surely_grouped_with(mark: str, decimal: str) -> str:
    """Return the pattern of a grouped number that cannot be a decimal one."""
    m, d = re.escape(mark), re.escape(decimal)
    return rf"\s*[+-]?(\d{{1,3}}({m}\d{{3}}){{2,}}|\d{{1,3}}({m}\d{{3}})+{d}\d*)\s*"


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A way to write dates.

    Attributes:
        text: The strptime format, as Python and pandas take it.
        duckdb: The same for DuckDB, if it differs.
        length: Exact length in characters if pandas insists on one.
        has_time: Whether it has a time of day.
        utc: Whether the text marks times as UTC.
    """

    text: str
    duckdb: str = ""
    length: int | None = None
    has_time: bool = False
    utc: bool = False

    @property
    def for_duckdb(self) -> str:
        """The format as DuckDB's strptime takes it."""
        return self.duckdb or self.text

    def may_read(self, value: str) -> bool:
        """Return whether a text has the marks of the format; much cheaper than parsing it."""
        return all(value.count(mark) >= count for mark, count in _marks_of(self.text)) and (
            not any(mark.isspace() for mark in self.text) or any(map(str.isspace, value))
        )

    def shape_sql(self, name: str) -> str:
        """Return the SQL test of what pandas insists on: the length, or no blanks around."""
        return f"length({name}) = {self.length}" if self.length else f"{name} = trim({name})"


@functools.cache
def _marks_of(text: str) -> tuple[tuple[str, int], ...]:
    """Return the marks that strptime takes literally, with their number, blanks left out."""
    plain = re.sub(r"%.|\s", "", text)
    return tuple((mark, plain.count(mark)) for mark in sorted(set(plain)) if mark != "T")


def _formats() -> tuple[DateFormat, ...]:
    known = [
        DateFormat("%Y-%m-%d", length=10),
        DateFormat("%Y-%m-%d %H:%M:%S", length=19, has_time=True),
        DateFormat("%Y-%m-%dT%H:%M:%S", length=19, has_time=True),
        DateFormat("%Y-%m-%d %H:%M", length=16, has_time=True),
        DateFormat("%Y-%m-%dT%H:%M", length=16, has_time=True),
        DateFormat("%Y-%m-%d %H:%M:%S.%f", has_time=True),
        DateFormat("%Y-%m-%dT%H:%M:%S.%f", has_time=True),
        DateFormat("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%SZ", 20, True, True),
        DateFormat("%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%SZ", 20, True, True),
        DateFormat("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S.%fZ", None, True, True),
        DateFormat("%Y-%m", length=7),
        DateFormat("%Y/%m/%d", length=10),
        DateFormat("%Y/%m/%d %H:%M:%S", length=19, has_time=True),
        DateFormat("%Y/%m/%d %H:%M", length=16, has_time=True),
        DateFormat("%Y.%m.%d", length=10),
    ]
    days = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y",
            "%d.%m.%y", "%d-%m-%y", "%m-%d-%y")  # fmt: skip
    known += [DateFormat(day) for day in days]
    times = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
    known += [DateFormat(f"{day} {time}", has_time=True) for day in days for time in times]
    words = (
        "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b %d, %Y", "%B %d, %Y",
        "%b %d %Y", "%B %d %Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%a, %d %b %Y",
    )  # fmt: skip
    known += [DateFormat(text) for text in words]
    known += [DateFormat(f"{day} %H:%M:%S", has_time=True) for day in ("%d %b %Y", "%b %d %Y")]
    return tuple(known)


DATE_FORMATS: tuple[DateFormat, ...] = _formats()
FORMATS_BY_TEXT = {known.text: known for known in DATE_FORMATS}
_SWAP = {"d": "m", "m": "d"}
_DATE_SHAPE = re.compile(r"(?=.*\d)[\w ,./:+-]{5,32}")


def swapped(text: str) -> str | None:
    """Return the format with day and month exchanged, if such a format is known."""
    other = re.sub(r"%([dm])", lambda found: "%" + _SWAP[found.group(1)], text)
    return other if other != text and other in FORMATS_BY_TEXT else None


def date_formats_of(values: list[str]) -> list[DateFormat]:
    """Return the formats that read at least half of the given values, in order of preference."""
    from datetime import datetime

    shaped = [value for value in values if _DATE_SHAPE.fullmatch(value)][:40]
    if not shaped or len(shaped) * 2 < len(values[:40]):
        return []
    found = []
    for known in DATE_FORMATS:
        hits = 0
        for value in shaped:
            if not known.may_read(value):
                continue
            if known.length is not None and len(value) != known.length:
                continue
            try:
                datetime.strptime(value, known.text)
            except ValueError:
                continue
            hits += 1
        if hits * 2 >= len(shaped):
            found.append(known)
    return found


def is_number_like(text: str) -> bool:
    """Return whether a text reads as a number in some usual way of writing it."""
    return bool(_NUMBER_LIKE.fullmatch(text))


def is_date_like(text: str) -> bool:
    """Return whether a text has the shape of a date; a cheap, rough test."""
    return bool(_DATE_LIKE.match(text))

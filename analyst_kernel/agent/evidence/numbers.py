"""Finds numbers in prose and in outputs, with the ways in which each can be read. Pure.

:mod:`analyst_kernel.agent.evidence.proof` decides whether a number is proven.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_GAP = "'’\u00a0\u202f\u2009"
_CORE = (
    rf"(?:[0-9]{{1,3}}(?:\.[0-9]{{3}})+,[0-9]+"  # 1.234,56
    rf"|[0-9]{{1,3}}(?:[,{_GAP}][0-9]{{3}})+(?![0-9])(?:\.[0-9]+)?"  # 33,442.5
    rf"|[0-9]+,[0-9]{{1,2}}(?![0-9,.])"  # 20,8
    rf"|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    rf"(?:[eE][+-]?[0-9]+)?"
)
_NUMBER = re.compile(rf"(?<![\w])(?<![0-9]\.)(?<![\w]\.)({_CORE})")
_PLAIN = re.compile(r"(?<!\w)(?<![0-9]\.)([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)")
_GROUPED = re.compile(r"(?<![\w.])([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?)(?![0-9])")
_DATE = re.compile(r"(?<![\w-])([0-9]{4}-(?:0[1-9]|1[0-2])(?:-[0-3][0-9])?)(?![0-9-])")
_SUFFIX = re.compile(
    r"\s?(?P<percent>%|percentage points?\b|percent\b|per cent\b|pp\b)"
    r"|\s?(?P<scale>thousand|million|billion|trillion|mn|bn|k|K|M|B)(?![A-Za-z0-9_])"
)
_SCALES = {
    "thousand": 3, "k": 3, "K": 3, "million": 6, "mn": 6, "M": 6,
    "billion": 9, "bn": 9, "B": 9, "trillion": 12,
}  # fmt: skip
_BEFORE_SIGN = re.compile(r"(?:^|[\s(\[{|:=*~≈/,])(?:[$€£¥]\s?)?[-−–][$€£¥]?$")
_BOUND = re.compile(r"(?:<|&lt;|≤|less than|below)\s*$")
_ROUGH = re.compile(
    r"(?:\b(?:about|around|roughly|approximately|approx\.|nearly|almost|some|over|circa|under"
    r"|more than|less than)|[~≈])\s*[$€£¥]?$",
    re.IGNORECASE,
)
_SILENT = [
    re.compile(r"```.*?(?:```|\Z)", re.DOTALL),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"https?://\S+"),
    re.compile(r"\]\([^)\n]*\)"),
    re.compile(r"</?[A-Za-z][^>\n]*>"),
    re.compile(r"^[ \t>]*[0-9]+[.)](?=\s)", re.MULTILINE),
    re.compile(r"^#+[ \t]*[0-9]+[.)]?(?=\s)", re.MULTILINE),
    re.compile(r"\[(?:cells?|iterations?)\b[^\]\n]*\]", re.IGNORECASE),
    re.compile(
        r"\b(?:cells?|iterations?|steps?)\s+[0-9]+(?:\s*(?:,|and|&|-|–|to)\s*[0-9]+)*",
        re.IGNORECASE,
    ),
    re.compile(r"\b[0-9]+(?:\.[0-9]+)?\s?%(?=\s*(?:confidence|CI\b|interval|quantile))"),
    re.compile(r"(?<![\w.])v?[0-9]+\.[0-9]+\.[0-9]+(?:\.[0-9]+)*"),
    re.compile(r"\b[0-9]+(?:st|nd|rd|th)\b"),
    re.compile(r"(?<!\w)[0-9][0-9.]*(?:_\w+|[A-Za-z]+[0-9_]\w*)"),
]


@dataclass(frozen=True, slots=True)
class NumberReading:
    """One meaning of a written number: its value and how many decimals were written.

    ``decimals`` is negative for scaled numbers: ``1.2 M`` is 1,200,000 with -5.
    """

    value: float
    decimals: int


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a text.

    Attributes:
        text: As written, with its percent sign or scale.
        start, end: Character offsets, end exclusive.
        readings: What the number may mean; the first is the plain reading.
        bound: Whether it stands after ``<`` and the like.
        rough: Whether it stands after "about" and the like.
        date: The ISO date, if it is one; then ``readings`` holds year, month and day.
    """

    text: str
    start: int
    end: int
    readings: tuple[NumberReading, ...]
    negative: bool = False
    bound: bool = False
    rough: bool = False
    date: str = ""


def find_numbers(text: str, *, names: Iterable[str] = ()) -> tuple[Number, ...]:
    """Return the numbers that an answer's Markdown claims, in order.

    Not counted: code spans and fences, URLs, list and heading numbers, citations of cells,
    ordinals, version numbers, confidence levels, digits inside identifiers and inside any of
    ``names`` (column names and the like).
    """
    silent = [match.span() for pattern in _SILENT for match in pattern.finditer(text)]
    silent += _name_spans(text, names)
    found = [_date(match) for match in _DATE.finditer(text)]
    taken = silent + [(number.start, number.end) for number in found]
    for match in _NUMBER.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            found.append(_number(text, match))
    spoken = [n for n in found if not any(s < n.end and n.start < e for s, e in silent)]
    return tuple(sorted(spoken, key=lambda number: number.start))


def shown_numbers(text: str) -> Iterator[float]:
    """Yield every number that an output's text shows, each in every way it can be read."""
    for match in _PLAIN.finditer(text):
        value = float(match[1])
        if math.isinf(value):
            continue
        if _is_negative(text, match.start()):
            value = -value
        yield value
        if text[match.end() : match.end() + 2].lstrip().startswith("%"):
            yield value / 100
        suffix = _SUFFIX.match(text, match.end())
        if suffix and suffix["scale"]:
            yield value * 10.0 ** _SCALES[suffix["scale"]]
    for match in _GROUPED.finditer(text):
        value = float(match[1].replace(",", ""))
        yield -value if _is_negative(text, match.start()) else value


def shown_dates(text: str) -> Iterator[str]:
    """Yield every ISO date or month that an output's text shows."""
    for match in re.finditer(r"(?<![0-9-])[0-9]{4}-[01][0-9](?:-[0-3][0-9])?(?![0-9-])", text):
        yield match[0]


def _is_negative(text: str, start: int) -> bool:
    return bool(_BEFORE_SIGN.search(text[max(0, start - 4) : start]))


def _name_spans(text: str, names: Iterable[str]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for name in {name for name in names if len(name) > 1 and re.search(r"[0-9]", name)}:
        if re.fullmatch(r"[\s0-9.,%-]+", name):
            continue  # A column named "2015" must not hide the number 2015.
        spans += [match.span() for match in re.finditer(re.escape(name), text, re.IGNORECASE)]
    return spans


def _date(match: re.Match[str]) -> Number:
    parts = tuple(NumberReading(float(part), 0) for part in match[1].split("-"))
    return Number(match[1], match.start(), match.end(), parts, date=match[1])


def _number(text: str, match: re.Match[str]) -> Number:
    before = text[max(0, match.start() - 20) : match.start()]
    readings = _readings(match[1])
    end = match.end()
    suffix = _SUFFIX.match(text, end)
    if suffix is not None:
        end = suffix.end()
        if suffix["percent"]:
            readings += [NumberReading(r.value / 100, r.decimals + 2) for r in readings]
        else:
            power = _SCALES[suffix["scale"]]
            scaled = [NumberReading(r.value * 10.0**power, r.decimals - power) for r in readings]
            readings = scaled + readings
    return Number(
        text=text[match.start() : end],
        start=match.start(),
        end=end,
        readings=tuple(readings),
        negative=_is_negative(text, match.start()),
        bound=bool(_BOUND.search(before)),
        rough=bool(_ROUGH.search(before)),
    )


def _readings(core: str) -> list[NumberReading]:
    """Return the readings that the separators of a number allow, the most usual first."""
    mantissa, _, exponent = core.lower().partition("e")
    power = int(exponent) if exponent else 0
    mantissa = re.sub(f"[{_GAP}]", "", mantissa)
    spellings: list[str] = []
    if "," in mantissa and "." in mantissa:
        comma_last = mantissa.rfind(",") > mantissa.rfind(".")
        spellings.append(
            mantissa.replace(".", "").replace(",", ".") if comma_last else mantissa.replace(",", "")
        )
    elif re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", mantissa):
        spellings.append(mantissa.replace(",", ""))
        if mantissa.count(",") == 1:
            spellings.append(mantissa.replace(",", "."))
    elif "," in mantissa:
        spellings.append(mantissa.replace(",", "."))
    else:
        spellings.append(mantissa)
        if re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", mantissa):
            spellings.append(mantissa.replace(".", ""))
    readings: list[NumberReading] = []
    for spelling in spellings:
        value = float(f"{spelling}e{power}")
        if math.isfinite(value):
            readings.append(NumberReading(value, len(spelling.partition(".")[2]) - power))
    return readings

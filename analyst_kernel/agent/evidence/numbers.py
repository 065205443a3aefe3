"""Finds the numbers that an answer's Markdown claims, and the ways to read each. Pure.

:mod:`.shown` finds the numbers of outputs, and :mod:`.proof` decides whether one proves the other.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from analyst_kernel._text import Spans, enclosed
from analyst_kernel.agent.evidence.forms import closed_forms
from analyst_kernel.agent.evidence.signs import MINUS, is_negative, is_positive

Rough: TypeAlias = Literal["", "about", "over", "under"]
_GAP = "'’\u00a0\u202f\u2005-\u200a"
_THOUSANDS = rf"(?:[{_GAP}]|\{{,\}}|\\,|&nbsp;|&thinsp;)"
_DIGITS_RUN = rf"(?:[0-9]+|(?=\.[0-9]))(?:[.,][0-9]+|{_THOUSANDS}[0-9]{{3}}(?![0-9]))*"
_SPACED = r"[0-9]{1,3}(?: [0-9]{3})+(?![0-9])(?:[.,][0-9]+)?"
_POWER = (
    rf"(?:\^\{{?\s?[{MINUS}+]?[0-9]{{1,4}}\}}?|\*\*\(?[{MINUS}+]?[0-9]{{1,4}}\)?"
    rf"|[⁺⁻]?[⁰¹²³⁴-⁹]{{1,4}}|<sup>[{MINUS}+]?[0-9]{{1,4}}</sup>)"
)
_TIMES_TEN = rf"\s?(?:[×x·*⋅✕]|\\times|\\cdot)\s?10(?P<power>{_POWER})"
_NUMBER = re.compile(
    rf"(?<!\w)(?<![0-9]\.)(?<!\w\.)(?<![A-Za-z][-\u2010\u2011])"
    rf"(?:10(?P<alone>{_POWER})"
    rf"|(?P<core>{_SPACED}|{_DIGITS_RUN})(?:[eE](?P<e>[+{MINUS}]?[0-9]+)(?!\w)|{_TIMES_TEN})?)"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−–‑‐‒", "0123456789-+-----")
_DATE = re.compile(r"(?<![\w-])([0-9]{4}-(?:0[1-9]|1[0-2])(?:-[0-3][0-9])?)(?![0-9-])")
_TIME = re.compile(r"(?<![\w:.])((?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?)(?![\w:])")
_DECADE = re.compile(r"(?<!\w)([0-9]{3}0)['’]?s\b")
_COUNTS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "a": 1,
}  # fmt: skip
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "eighth": 8, "tenth": 10,
}  # fmt: skip
_SMALL = r"[1-9]|10|one|two|three|four|five|six|seven|eight|nine|ten"
_ONE_IN = re.compile(
    rf"(?<![\w.,/])(?P<n>{_SMALL})(?:[ -](?:in|of|out[ -]of)(?: every)?[ -]|/)(?P<m>{_SMALL})"
    r"(?![\w/%]|[.,:][0-9]|-[a-z])",
    re.IGNORECASE,
)
_FRACTION = re.compile(
    r"\b(?:(?P<n>a|one|two|three|four|five|seven)[ -])?"
    r"(?P<m>half|third|quarter|fourth|fifth|sixth|eighth|tenth)s?(?: of\b|(?<=half)(?= the\b))",
    re.IGNORECASE,
)
_MULTIPLE = re.compile(
    r"\b(?P<w>twice|double|triple|thrice)(?= (?:as|the|that|those|its|their)\b)", re.IGNORECASE
)
_SUFFIX = re.compile(
    r"[\s-]?(?P<percent>%|\\%|percentage[ -]points?\b|percent\b|per cent\b|pct\b|pp\b|p\.p\.)"
    r"|[\s-]?(?P<scale>thousand|million|billion|trillion|lakh|crore|Mio|Mrd|mn|bn|k|K|M|B)"
    r"(?![A-Za-z0-9_])"
)
_SCALES = {
    "thousand": 3, "k": 3, "K": 3, "million": 6, "mn": 6, "M": 6, "Mio": 6, "lakh": 5, "crore": 7,
    "billion": 9, "bn": 9, "B": 9, "Mrd": 9, "trillion": 12,
}  # fmt: skip
_RANGE = re.compile(rf"\s?(?:[{MINUS}—]|to|and|bis)\s?[$€£¥]?(?=\.?[0-9])")
_BELOW = re.compile(r"(?:<|&lt;|\\lt|≤|\\leq?|less than|below|under|smaller than)[ =]*$")
_ABOVE = re.compile(r"(?:>|&gt;|\\gt|≥|\\geq?|more than|greater than|above|exceeds)[ =]*$")
_ROUGH_WORDS: tuple[tuple[Rough, str, str], ...] = (
    (
        "about",
        (
            r"about|around|roughly|approximately|approx\.?|some|circa|ca\.|close to|rounded to|"
            r"in the region of|on the order of"
        ),
        r"|[~≈∼]|\\approx|\\sim",
    ),
    ("over", "over|more than|at least|upwards of|exceed(?:s|ing)?|above|just over", ""),
    ("under", "under|less than|fewer than|nearly|almost|just under|just below|below|up to", ""),
)
_ROUGH: dict[Rough, re.Pattern[str]] = {
    name: re.compile(rf"(?:\b(?:{words}){signs})\s*(?:the |a )?[$€£¥]?[{MINUS}]?$", re.IGNORECASE)
    for name, words, signs in _ROUGH_WORDS
}  # fmt: skip
_LONGEST_EXPONENT = 6
_MODIFIER = re.compile(r"[-\u2010\u2011](?=[A-Za-z])")
_CLAIMED_MODIFIER = re.compile(
    r"[-\u2010\u2011](?:points?|percent|percentage|units?|rows?|dollars?|euros?|mpg|mm|cm|kg|g|km)\b"
)
_SILENT = [
    re.compile(r"https?://\S+"),
    re.compile(r"^[ \t>]*[0-9]+[.)](?=\s)", re.MULTILINE),
    re.compile(r"^#+[ \t]*[0-9]+[.)]?(?=\s)", re.MULTILINE),
    re.compile(
        r"\b(?:cells?|iterations?|steps?)\s+[0-9]+(?:\s*(?:,|and|&|-|–|to)\s*[0-9]+)*",
        re.IGNORECASE,
    ),
    re.compile(r"\b[0-9]+(?:\.[0-9]+)?\s?\\?%(?=\s*-?(?:confidence|CI\b|interval|quantile|level))"),
    re.compile(r"(?<![\w.])0?\.[0-9]+(?=[- ](?:significance )?level\b)"),
    re.compile(r"(?:\balpha|α|\\alpha)(?: level)?\s*(?:=|of|is|:)\s*0?\.?[0-9]+(?:\s?\\?%)?"),
    re.compile(
        r"(?<![\w.])(?![1-9][0-9]{0,2}(?:\.[0-9]{3})+(?!\.?[0-9]))"
        r"v?[0-9]+\.[0-9]+\.[0-9]+(?:\.[0-9]+)*"
    ),
    re.compile(
        r"\b(?:Python|pandas|numpy|NumPy|DuckDB|SciPy|scipy|statsmodels|matplotlib|version|"
        r"scikit-learn|sklearn|R)\s+v?[0-9]+\.[0-9]+\b"
    ),
    re.compile(r"\b[0-9]+(?:st|nd|rd|th|ˢᵗ|ⁿᵈ|ʳᵈ|ᵗʰ)\b"),
    re.compile(r"\b[0-9](?:D|G)\b"),
    re.compile(r"(?:#|\b[Nn]o\. ?|№ ?)[0-9]+\b"),
]
_SILENT_BETWEEN = [
    (re.compile(r"\]\("), re.compile(r"[)\n]")),
    (re.compile(r"</?[A-Za-z]"), re.compile(r"[>\n]")),
    (re.compile(r"\[(?:cells?|iterations?)\b", re.IGNORECASE), re.compile(r"[\]\n]")),
]
"""Where a silent stretch opens, and where it closes within the line."""
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE = (re.compile(r"`"), re.compile(r"[`\n]"))
_BEFORE_VALUE = re.compile(rf"[{MINUS}+$€£¥~≈<>=\s(]*")
_AFTER_VALUE = re.compile(r"[\s)]*(?:[^\W\d_]{1,4})?\s*")
_GROUPS_OF_COMMAS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_GROUPS_OF_POINTS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_DIGITS = re.compile(r"[0-9.]+")
_FIRST_DIGIT = re.compile(r"(?<!\w)[0-9]")
_NAME_AFTER_DIGITS = re.compile(r"_\w+|[A-Za-z]+[0-9_]\w*")


@dataclass(frozen=True, slots=True)
class NumberReading:
    """One meaning of a written number: its value and how many decimals were written.

    ``decimals`` is negative for scaled numbers: ``1.2 M`` is 1,200,000 with -5. ``half`` is how far
    a value may lie from it, if that is not half a unit of the last decimal.
    """

    value: float
    decimals: int
    half: float = 0.0
    percent: bool = False

    @property
    def reach(self) -> float:
        """Return how far a value that rounds to this one may lie from it."""
        return self.half or 0.5 * float(f"1e{-self.decimals}")

    def limits(self, rough: Rough) -> tuple[float, float]:
        """Return between which sizes a value must lie, after a word such as "about"."""
        size, reach = abs(self.value), self.reach
        is_round = self.decimals <= 0 or self.percent
        unit = self._unit_of_last_digit
        far = 2 * self.half if self.half else min(unit, size * 0.1)
        if rough == "about" and not self.half:
            near = min(unit / 2, size * 0.05)
            return size - max(reach, near), size + max(reach, near)
        if rough == "over" and is_round:
            return size - reach, size + max(reach, far)
        if rough == "under" and is_round:
            return size - max(reach, far), size + reach
        return size - reach, size + reach

    @property
    def _unit_of_last_digit(self) -> float:
        """The unit of the last digit that is not zero, for a number that ends in zeros."""
        scaled = abs(self.value) * 10.0 ** min(self.decimals, 12)
        digits = f"{scaled:.0f}" if scaled < 1e15 else "1"
        zeros = len(digits) - len(digits.rstrip("0"))
        return 10.0 ** (zeros - self.decimals) if digits != "0" else 0.0


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a text.

    Attributes:
        text: As written, with its percent sign or scale.
        start, end: Character offsets, end exclusive.
        readings: What the number may mean; the first is the plain reading.
        negative, positive: Whether a sign says so.
        in_brackets: Whether it stands alone in brackets, which may say that it is negative.
        bound: ``<`` or ``>`` if it stands after such a sign or words like "less than".
        rough: The kind of word before it, such as "about".
        percent: Whether it is written as a percentage.
        bare: Whether it is a whole number without a percent sign or a scale.
        date: The ISO date, if it is one; then ``readings`` holds year, month and day.
        time: The time of the day, if it is one; then ``readings`` holds hours, minutes, seconds.
        form: The name of the closed form ``@name[...]`` that it stands in.
        parts: Another way to read it: as several numbers. ``168,124`` may be a list.
    """

    text: str
    start: int
    end: int
    readings: tuple[NumberReading, ...]
    negative: bool = False
    positive: bool = False
    in_brackets: bool = False
    bound: str = ""
    rough: Rough = ""
    percent: bool = False
    bare: bool = False
    date: str = ""
    time: str = ""
    form: str = ""
    parts: tuple[Number, ...] = ()


def find_numbers(text: str, *, names: Iterable[str] = ()) -> tuple[Number, ...]:
    """Return the numbers that an answer's Markdown claims, in order.

    Not counted: code, unless it is a value alone or a closed form; URLs, list and heading numbers,
    citations of cells, ordinals, versions, confidence levels, digits inside identifiers, inside
    names such as ``4-Wheel`` and inside any of ``names`` (column names and the like).
    """
    forms = closed_forms(text)
    in_forms = Spans((form.start, form.end) for form in forms)
    covered = [m.span() for pattern in _SILENT for m in pattern.finditer(text)]
    for opening, closing in _SILENT_BETWEEN:
        covered += [(start, end) for start, _, end in enclosed(text, opening, closing)]
    code = [m.span() for m in _FENCED.finditer(text)]
    fenced = Spans(code)
    code += [
        (start, end)
        for start, content, end in enclosed(text, *_CODE)
        if not fenced.overlap(start, end) and not _is_value(text, content, end - 1)
    ]
    covered += _identifiers(text)
    covered += _name_spans(text, names)
    covered += _without(code, [(form.start, form.end) for form in forms])
    # Of a closed form only its values are claims.
    covered += [(form.start, form.content) for form in forms]
    silent = Spans(covered)
    found = [*_dates(text), *_fractions(text)]
    found = [number for number in found if not silent.overlap(number.start, number.end)]
    taken = Spans([*covered, *((number.start, number.end) for number in found)])
    for match in _NUMBER.finditer(text):
        if taken.overlap(*match.span()) or _is_name(text, match.end()):
            continue
        found.append(_number(text, match, in_form=in_forms.overlap(*match.span())))
    starts = [form.start for form in forms]
    for at, number in enumerate(found):
        form = forms[bisect_right(starts, number.start) - 1] if forms else None
        if form is not None and form.start <= number.start < form.end:
            parts = tuple(replace(part, form=form.name) for part in number.parts)
            found[at] = replace(number, form=form.name, parts=parts)
    return tuple(sorted(found, key=lambda number: number.start))


def _is_value(text: str, start: int, end: int) -> bool:
    """Return whether a stretch of code is one value and nothing else."""
    before = _BEFORE_VALUE.match(text, start, end)
    number = _NUMBER.match(text, before.end() if before else start, end)
    if number is None:
        return False
    suffix = _SUFFIX.match(text, number.end(), end)
    return _AFTER_VALUE.fullmatch(text, suffix.end() if suffix else number.end(), end) is not None


def _without(
    stretches: Iterable[tuple[int, int]], holes: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield what is left of stretches of a text outside the holes, which are in order."""
    starts = [start for start, _ in holes]
    for start, end in stretches:
        at = start
        for low, high in holes[max(0, bisect_right(starts, start) - 1) : bisect_right(starts, end)]:
            if at < high and low < end:
                yield at, max(at, low)
                at = min(end, high)
        yield at, end


def _identifiers(text: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of names that begin with digits, such as ``2019_total`` and ``3d4``."""
    at = 0
    while run := _DIGITS.search(text, at):
        at = run.end()
        name = _NAME_AFTER_DIGITS.match(text, at)
        first = _FIRST_DIGIT.search(text, run.start(), run.end())
        if name is not None and first is not None and not re.match(r"[eE][0-9]+(?!\w)", name[0]):
            at = name.end()
            yield first.start(), at


def _is_name(text: str, end: int) -> bool:
    """Return whether digits go on as a name: ``4-Wheel``, ``7-day``; but ``5-point`` is a claim."""
    return bool(
        _MODIFIER.match(text, end)
        and not _CLAIMED_MODIFIER.match(text, end)
        and not _SUFFIX.match(text, end)
    )


def _name_spans(text: str, names: Iterable[str]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    lower = "".join(c if len(small := c.lower()) != 1 else small for c in text)
    for name in {name for name in names if len(name) > 1 and re.search(r"[0-9]", name)}:
        if re.fullmatch(r"[\s0-9.,%-]+", name):
            continue  # A column named "2015" must not hide the number 2015.
        wanted = name.lower()
        at = lower.find(wanted)
        while at >= 0:
            spans.append((at, at + len(wanted)))
            at = lower.find(wanted, at + len(wanted))
    return spans


def _dates(text: str) -> Iterator[Number]:
    for match in _DATE.finditer(text):
        parts = tuple(NumberReading(float(part), 0) for part in match[1].split("-"))
        yield Number(match[1], match.start(), match.end(), parts, date=match[1])
    for match in _TIME.finditer(text):
        parts = tuple(NumberReading(float(part), 0) for part in match[1].split(":"))
        yield Number(match[1], match.start(), match.end(), parts, time=match[1].zfill(5))
    for match in _DECADE.finditer(text):
        reading = NumberReading(float(match[1]) + 4.5, 0, 4.5)
        yield Number(match[0], match.start(), match.end(), (reading,), rough="about")


def _fractions(text: str) -> Iterator[Number]:
    """Yield shares that are written in words, and "1 in 5", which may also be two numbers."""
    for match in _ONE_IN.finditer(text):
        part, whole = (int(_COUNTS.get(match[g].lower(), 0) or match[g]) for g in ("n", "m"))
        if part > whole:
            continue
        digits = [match.span(g) for g in ("n", "m") if match[g].isdigit()]
        parts = tuple(_plain(text, start, end) for start, end in digits)
        if parts:
            yield _share(match, part, whole, parts)
    for match in _FRACTION.finditer(text):
        part = _COUNTS.get((match["n"] or "a").lower(), 1)
        yield _share(match, part, _PARTS[match["m"].lower()])
    for match in _MULTIPLE.finditer(text):
        value = 2.0 if match["w"].lower() in ("twice", "double") else 3.0
        middle, half = _spoken(match, value, 0.25, value + 1.0, value - 0.5)
        reading = NumberReading(middle, 0, half)
        yield Number(match[0], match.start(), match.end(), (reading,), rough="about")


def _share(match: re.Match[str], part: int, whole: int, parts: tuple[Number, ...] = ()) -> Number:
    """Return the share as a fraction and as a percentage, as loosely as it is spoken."""
    value = part / whole
    half = max(0.02, min(0.04, 0.5 / whole / (whole + 1)))
    middle, half = _spoken(match, value, half, min(1.0, 1.6 * value), 0.6 * value)
    readings = (
        NumberReading(middle, 2, half, percent=True),
        NumberReading(middle * 100, 0, half * 100, percent=True),
    )
    return Number(
        match[0], match.start(), match.end(), readings, percent=True, parts=parts, rough="about",
    )  # fmt: skip


def _spoken(
    match: re.Match[str], value: float, half: float, most: float, least: float
) -> tuple[float, float]:
    """Return the middle and the half width of what a number in words may stand for.

    "More than twice" is said of anything up to ``most``, "less than half" down to ``least``.
    """
    rough = _rough(match.string[max(0, match.start() - 24) : match.start()])
    low = {"over": value, "under": least}.get(rough, value - half)
    high = {"over": most, "under": value}.get(rough, value + half)
    return (low + high) / 2, (high - low) / 2


def _plain(text: str, start: int, end: int) -> Number:
    reading = NumberReading(float(text[start:end]), 0)
    return Number(text[start:end], start, end, (reading,), bare=True)


def _number(text: str, match: re.Match[str], *, in_form: bool) -> Number:
    before = text[max(0, match.start() - 24) : match.start()]
    readings, items = _readings_of(match)
    end = match.end()
    suffix = _SUFFIX.match(text, end)
    own_end = suffix.end() if suffix is not None else end
    percent = suffix is not None and bool(suffix["percent"])
    bare = all(r.decimals == 0 for r in readings[:1]) and suffix is None
    if suffix is not None:
        readings = _with_suffix(readings, suffix)
    elif (shared := _suffix_of_range(text, end)) is not None:
        # "10–20 %" and "$1.2–1.5M": the sign behind the range holds for both of its numbers.
        readings = readings + _with_suffix(readings, shared)
        percent, bare = bool(shared["percent"]), False
    stands_alone = bool(re.search(r"\((?:[$€£¥]\s?)?$", before)) and text.startswith(")", own_end)
    parts: tuple[Number, ...] = ()
    if items and (
        in_form or len(items) > 2 or re.search(r"[(\[{,;]\s?$", before) or " " in match[0]
    ):
        at = match.start()
        parts = tuple(
            replace(_item(word), start=at + low, end=at + high) for word, low, high in items
        )
    return Number(
        text=text[match.start() : own_end],
        start=match.start(),
        end=own_end,
        readings=tuple(readings),
        negative=is_negative(text, match.start()),
        positive=is_positive(text, match.start()),
        in_brackets=stands_alone,
        bound="<" if _BELOW.search(before) else ">" if _ABOVE.search(before) else "",
        rough=_rough(before),
        percent=percent,
        bare=bare and bool(readings) and not (match["e"] or match["power"] or match["alone"]),
        parts=parts,
    )


def _rough(before: str) -> Rough:
    return next((name for name, found in _ROUGH.items() if found.search(before)), "")


def _item(word: str) -> Number:
    readings, _ = _read(word)
    return Number(word, 0, 0, tuple(readings), bare=word.isdigit())


def _suffix_of_range(text: str, end: int) -> re.Match[str] | None:
    """Return the suffix of the number that a range which begins here ends with."""
    joined = _RANGE.match(text, end)
    second = _NUMBER.match(text, joined.end()) if joined else None
    return _SUFFIX.match(text, second.end()) if second else None


def _with_suffix(readings: list[NumberReading], suffix: re.Match[str]) -> list[NumberReading]:
    if suffix["percent"]:
        plain = [replace(r, percent=True) for r in readings]
        return plain + [NumberReading(r.value / 100, r.decimals + 2, percent=True) for r in plain]
    power = _SCALES[suffix["scale"]]
    scaled = [NumberReading(r.value * 10.0**power, r.decimals - power) for r in readings]
    return scaled + readings


def _readings_of(match: re.Match[str]) -> tuple[list[NumberReading], list[tuple[str, int, int]]]:
    """Return the readings of a match, and the items if it may be a list."""
    if match["alone"]:
        power = _power(match["alone"])
        if abs(power) > 300:
            return [], []
        # An order of magnitude: whatever rounds to it, and whatever begins with that power.
        low, high = 10.0 ** (power - 0.5), 10.0 ** (power + 0.95)
        if power > 0:
            exact = NumberReading(10.0**power, 0)
            return [exact, NumberReading((low + high) / 2, 0, (high - low) / 2)], []
        return [NumberReading((low + high) / 2, -power, (high - low) / 2)], []
    power = _power(match["e"] or match["power"] or "0")
    readings, items = _read(match["core"], power)
    return readings, [] if power else items


def _power(text: str) -> int:
    digits = re.sub(r"[^0-9-]", "", re.sub(r"</?sup>", "", text).translate(_SUPERSCRIPTS))
    # Python refuses to read thousands of digits as an integer, and no float has such a power.
    return int(digits[:_LONGEST_EXPONENT]) if digits.strip("-") else 0


def _read(core: str, power: int = 0) -> tuple[list[NumberReading], list[tuple[str, int, int]]]:
    """Return the readings that the separators of a number allow, the most usual first."""
    plain = re.sub(rf"{_THOUSANDS}", "", core)
    spellings: list[str] = []
    if " " in core:
        spellings.append(core.replace(" ", "").replace(",", "."))
        items = [(m[0], m.start(), m.end()) for m in re.finditer(r"[0-9]+(?:[.,][0-9]+)?", core)]
        return _parsed(spellings, power), items
    commas, points = plain.count(","), plain.count(".")
    if _GROUPS_OF_COMMAS.fullmatch(plain.partition(".")[0]) and points <= 1:
        spellings.append(plain.replace(",", ""))
        if commas == 1 and not points:
            spellings.append(plain.replace(",", "."))
    elif commas == 1 and _GROUPS_OF_POINTS.fullmatch(plain.partition(",")[0]):
        spellings.append(plain.replace(".", "").replace(",", "."))
    elif commas == 1 and not points:
        spellings.append(plain.replace(",", "."))
    elif not commas and points > 1 and _GROUPS_OF_POINTS.fullmatch(plain):
        spellings.append(plain.replace(".", ""))
    elif not commas and points <= 1:
        spellings.append(plain)
        if _GROUPS_OF_POINTS.fullmatch(plain):
            spellings.append(plain.replace(".", ""))
    items = []
    if commas:
        items = [
            (m[0], m.start(), m.end()) for m in re.finditer(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+", core)
        ]
    return _parsed(spellings, power), items


def _parsed(spellings: list[str], power: int) -> list[NumberReading]:
    readings: list[NumberReading] = []
    for spelling in spellings:
        value = float(f"{spelling}e{power}")
        if math.isfinite(value):
            readings.append(NumberReading(value, len(spelling.partition(".")[2]) - power))
    return readings

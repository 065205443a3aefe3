"""Words of a question and of column names, brought to one form so that they can be compared.

What common tables call things stands in ``aliases.json``; a dataset's own dictionary takes its
place (:class:`analyst_kernel.protocol.datasets.ColumnWords`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from analyst_kernel.offline.task import Grain, Operator, Statistic
from analyst_kernel.protocol.datasets import ColumnProfile

Form = frozenset[str]


def _packaged(name: str) -> dict[str, Any]:
    text = resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


_ALIASES = _packaged("aliases.json")
_ENGLISH = _packaged("english.json")

STRIPPED = frozenset(_ENGLISH["units"].split())
"""Last words of column names that are units, and so no part of what the column is called."""

_WRITTEN: dict[str, str] = _ENGLISH["units written"]
_WARMTH = frozenset(_ENGLISH["warmth"].split())
_LASTS = frozenset(_ENGLISH["lasts"].split())
_DEGREES = re.compile(r"\s*(°\s?[CF]|%|‰|€|£|\$)\s*$")
_MARK = re.compile(r"[$€£%]")


def unit_of(name: str) -> str:
    """Return the unit a column name states in brackets or at its end, or ``""``."""
    found = _BRACKET.findall(name)
    if found and 0 < len(found[-1].strip()) <= 12:
        return str(found[-1].strip())
    sign = _DEGREES.search(name)
    if sign is not None and sign.start() > 0:
        return sign[1].replace(" ", "")
    parts = [part.casefold() for part in _PART.findall(name)]
    if len(parts) < 2 or len(parts[0]) < 2:
        return ""
    last, rest = parts[-1], set(parts[:-1])
    if last in ("c", "f"):
        return _WRITTEN[last] if rest & _WARMTH else ""
    if last == "min":
        return _WRITTEN[last] if rest & _LASTS else ""
    return _WRITTEN.get(last, last) if last in STRIPPED else ""


def without_unit(name: str) -> str:
    """Return a column name without the unit at its end: ``fare_eur`` -> ``fare``."""
    bare = _DEGREES.sub("", _BRACKET.sub(" ", name)).strip() or name
    of = unit_of(name)
    if not of or bare != name.strip():
        return bare
    return re.sub(r"[\W_]+[^\W_]+$", "", bare) or bare


def mark_of(values: Iterable[str]) -> str:
    """Return the one sign of money or share that all of the written values carry, or ``""``."""
    signs = {"".join(sorted(set(_MARK.findall(value)))) for value in values}
    only = signs.pop() if len(signs) == 1 else ""
    return only if len(only) == 1 else ""


def decimal_comma(values: Iterable[str]) -> bool:
    """Return whether written numbers use a comma for the decimals: "1.234,50 €"."""
    texts = [value.strip() for value in values if "," in value]
    return bool(texts) and all(_COMMA_LAST.search(text) for text in texts)


_COMMA_LAST = re.compile(r"^\D*(?:\d{1,3}(?:[. ']\d{3})+|\d+),\d{1,2}(?!\d)\D*$")


def stem(word: str) -> str:
    """Return the lower-case, singular form of a word, the same for both that are compared."""
    word = word.casefold()
    for end in ("'s", "’s"):
        word = word.removesuffix(end)
    if word in _ENGLISH["irregular"]:
        return str(_ENGLISH["irregular"][word])
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stems(text: str) -> Form:
    """Return the compared forms of the words of a text."""
    return frozenset(stem(word) for word in text.split())


def _forms(section: str) -> dict[str, Form]:
    return {key: stems(words) for key, words in _ALIASES[section].items()}


NAMES = {key: stems(f"{key} {words}") for key, words in _ALIASES["names"].items()}
"""A word of a column name -> the words of a question that it stands for."""

PARTIAL = _forms("partial")
"""Words that fit a column only in part: alone they may fit several, beside it they belong to it."""

BESIDE = _forms("beside")
"""Words that may stand beside a column's own word without naming another column."""

ROW_NOUNS = _forms("rows")
"""A word of a dataset's name -> words that mean one of its rows."""

VALUE_WORDS: dict[str, Sequence[str]] = _ALIASES["values"]
"""A word of a question -> values (whole, lower case) that it stands for."""

UNITS: dict[str, dict[str, str]] = _ALIASES["units"]
"""Column name -> its unit, the column that must be in the table too, and the unit in full."""

ADDED_UP = frozenset(_ALIASES["added up"].split())
"""Who has "the most" of these has the highest total, although their average is meant elsewhere."""

ADJECTIVES: dict[str, tuple[Form, int]] = {
    form: (stems(nouns), direction)
    for forms, nouns, direction in _ALIASES["adjectives"]
    for form in forms.split()
}
"""Adjective -> the nouns that it is about, and whether it means much (1) or little (-1)."""


def _directions(forms: str) -> dict[str, int]:
    much, little = _ENGLISH[f"{forms} of much"].split(), _ENGLISH[f"{forms} of little"].split()
    return {**dict.fromkeys(much, 1), **dict.fromkeys(little, -1)}


_COMPARATIVES = _directions("comparatives")
_DIRECTIONS = {**_directions("superlatives"), **_COMPARATIVES}
"""Superlatives and comparatives without a noun of their own: 1 for much, -1 for little."""

YEAR_ROUND = "yearround"
"""Stands for "of the year": the same month of every year."""

_PHRASES: list[tuple[str, str]] = [*_ALIASES["phrases"], *_ENGLISH["phrases"]]
"""Ways of saying one thing, replaced before words are looked at."""

_MAKE = re.compile(
    r"(?:^|(?<=[,.;] )|(?<=and )|(?<=please ))make (?=(?:me|an?|the|it|this|that|them)\b)",
    re.IGNORECASE,
)

SENTENCE: dict[Any, dict[str, list[str]]] = _ENGLISH["sentence"]
"""Kind of item -> what it means more exactly -> the ways of saying it."""

LEDGER: dict[str, str] = _ENGLISH["ledger"]
"""For the last gate of a reading: words of grammar, of order, and those that change a meaning."""

STOP = stems(_ENGLISH["stop"])
"""Words that carry no meaning of their own."""

NUMBER_WORDS: dict[str, int] = _ENGLISH["numbers"]

COMPARISONS: dict[Operator, list[str]] = _ENGLISH["comparisons"]
"""Condition -> what is said before the number."""

MONTHS: list[str] = _ENGLISH["months"].split()

MONEY = stems(_ENGLISH["money"])
"""Words of columns that hold amounts of money."""

GENERIC = stems(_ENGLISH["generic names"])
"""Words of column names that do not tell columns apart on their own."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question."""

    index: int
    text: str  # as written, after phrases were replaced
    stem: str
    nouns: Form = frozenset()  # what an adjective is about
    direction: int = 0  # 1 for much, -1 for little, 0 for neither
    number: float | None = None
    quoted: bool = False


_GLUED_UNITS = "|".join(sorted(STRIPPED | {_ALIASES["written with numbers"]}))
_GLUED = re.compile(rf"(?<![\w.])(\d[\d,.]*)(?:{_GLUED_UNITS})\b", re.IGNORECASE)
"""A number with its unit, written as one word: "32F", "4000g"."""

_TOKEN = re.compile(
    r"\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+|\d++(?![^\W\d_])|[^\W_]+(?:['’][a-z]+)?|[<>]=?|="
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PART = re.compile(r"[^\W_]+")
_BRACKET = re.compile(r"[\(\[\{]([^)\]}]*)[\)\]}]")


def replace_phrases(text: str, known: frozenset[Form] = frozenset()) -> str:
    """Replace ways of saying one thing; a phrase that is a column's own name stays as it is."""
    text = _GLUED.sub(r"\1", _MAKE.sub("show ", text))
    for pattern, replacement in _PHRASES:

        def swap(found: re.Match[str], replacement: str = replacement) -> str:
            said = frozenset(stem(part) for part in _PART.findall(found.group()))
            return found.group() if any(said <= name for name in known) else replacement

        text = re.sub(pattern, swap, text, flags=re.IGNORECASE)
    return text


def split_words(text: str) -> tuple[Word, ...]:
    """Cut a question into words; numbers keep their value, adjectives their nouns."""
    quoted = [
        (found.start(), found.end())
        for found in re.finditer(r"`[^`]+`|\"[^\"]+\"|“[^”]+”|(?<!\w)'[^']+'(?!\w)", text)
    ]
    words: list[Word] = []
    for found in _TOKEN.finditer(text):
        raw = found.group()
        low = raw.casefold()
        inside = any(start <= found.start() < end for start, end in quoted)
        nouns, direction = ADJECTIVES.get(low, (frozenset(), 0))
        direction = direction or _DIRECTIONS.get(low, 0)
        words.append(Word(len(words), raw, stem(raw), nouns, direction, _number(raw), inside))
    return tuple(words)


def _number(raw: str) -> float | None:
    plain = raw.replace(",", "")
    if not (plain.isascii() and plain.replace(".", "", 1).isdigit()):
        return None
    return float(plain) if len(plain) < 16 else None


def name_tokens(name: str) -> tuple[str, ...]:
    """Return the compared words of a column name, without a unit in brackets.

    ``Body Mass (g)`` -> ``("body", "mass")``; ``studyName`` -> ``("study", "name")``.
    """
    bare = _BRACKET.sub(" ", name)
    parts = _PART.findall(_CAMEL.sub(" ", bare)) or _PART.findall(name)
    while len(parts) > 1 and parts[-1].casefold() in STRIPPED:
        if len(parts[-1]) == 1 and not unit_of(name):
            break  # "vitamin_c" is no vitamin in degrees
        parts.pop()
    return tuple(stem(part) for part in parts)


def spoken(column: ColumnProfile) -> str:
    """Return a column's name as a user would say it, without its unit."""
    if column.words is not None and column.words.label:
        return column.words.label
    if column.name in _ALIASES["spoken"]:
        return str(_ALIASES["spoken"][column.name])
    bare = re.sub(r"\s+", " ", without_unit(column.name).replace("_", " ")).strip()
    return bare or column.name


def names_of(column: ColumnProfile) -> tuple[str, ...]:
    """Return what a question may call a column: its name, and those of its dictionary."""
    own = column.words
    return (column.name, own.label, *own.synonyms) if own is not None else (column.name,)


def token_forms(token: str, column: ColumnProfile) -> Form:
    """Return the words of a question that one word of a column's name stands for."""
    return _aliases(NAMES, (token,), column) | {token}


def partial_words(tokens: Iterable[str], column: ColumnProfile) -> Form:
    """Return the words that fit a column of this name only in part."""
    return _aliases(PARTIAL, tokens, column)


def words_beside(tokens: Iterable[str], column: ColumnProfile) -> Form:
    """Return the words that may stand beside those of the name and only repeat what it is."""
    return _aliases(BESIDE, tokens, column)


def _aliases(table: dict[str, Form], tokens: Iterable[str], column: ColumnProfile) -> Form:
    if column.words is not None:
        return frozenset()
    return frozenset[str]().union(*(table.get(token, ()) for token in tokens))


def value_words(word: str, column: ColumnProfile) -> Sequence[str]:
    """Return the values of a column, in lower case, that a word of a question stands for."""
    if column.words is None:
        return VALUE_WORDS.get(word, ())
    listed = (texts for said, texts in column.words.values.items() if stem(said) == word)
    return [text.casefold() for texts in listed for text in texts]


# --- what is wanted ---------------------------------------------------------------------

TAG_OF: dict[str, set[str]] = {}
for _tag, _said in _ENGLISH["intents"].items():
    for _word in _said.split():
        TAG_OF.setdefault(stem(_word), set()).add(_tag)

GRAINS: dict[str, Grain] = _ENGLISH["grains"]
"""Words that say how time is cut, where no column has that name."""

GUARDED = (
    frozenset(TAG_OF)
    | frozenset(_ENGLISH["guarded"].split())
    | stems(" ".join(_COMPARATIVES))
    | frozenset(NUMBER_WORDS)
)
"""Stems that mean something in every question, so that they rarely name a column."""

_SAID = {
    tag: re.compile(rf"\b(?:{said})", re.IGNORECASE)
    for tag, said in {
        "count": r"how (?:many|often)\b|number of\b",
        "sum": r"how (?:many|much)\b.*\btogether\b",
        "max": r"\bat (?:the )?most\W*$",
        "min": r"\bat (?:the )?least\W*$",
        "trend": r"over (?:the )?(?:time|years|months|days|weeks)\b",
        "which": r"(?:which|what)\b",
        "profile": r"what(?:'s| is| does| do)?\b.*\b(?:in|contain|about)\b.*"
        r"\b(?:data|dataset|file|table|it|this|here|there|folder)\b"
        r"|what (?:is|are) (?:this|these|the) (?:data|dataset|file)|what columns|which columns"
        r"|tell me (?:something )?about|looks? like|data quality|first look|get to know",
    }.items()
}
"""What several words together ask for."""


def tags_of(text: str, words: Sequence[Word], used: set[int]) -> frozenset[str]:
    """Return what the free words of a question ask for."""
    free = [word for word in words if word.index not in used]
    tags = frozenset[str]().union(*(TAG_OF.get(word.stem, ()) for word in free))
    return tags | {tag for tag, said in _SAID.items() if said.search(text)}


def statistic_of(tags: frozenset[str]) -> Statistic | None:
    """Return the statistic that the words name, if any."""
    named: tuple[Statistic, ...] = ("median", "sum", "std", "mean", "max", "min")
    return next((name for name in named if name in tags), None)

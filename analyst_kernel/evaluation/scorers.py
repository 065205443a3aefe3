"""Scores an answer against the checks of its case. Pure: a text goes in, a verdict comes out.

It reads numbers by itself, and not with the code that proves an answer's numbers: a fault there
must not be able to hide behind the same fault here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from analyst_kernel.evaluation.checks import (
    NAMED_VALUE,
    Check,
    ChoiceCheck,
    NamedCheck,
    NumberCheck,
    Place,
    RefuseCheck,
    Scalar,
    TableCheck,
    TextCheck,
)

Verdict: TypeAlias = Literal["right", "wrong", "declined"]
"""``declined``: it says that it does not answer, which misleads nobody, but is not right either."""

_CITATION = re.compile(r"\s?\[(?:cells?|iterations?)\s[^\]\n]*\](?:\([^)\s]*\))?", re.IGNORECASE)
_MARK = re.compile(r"\s?\(not verified\)", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
_EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>(?<![\w)\]%])[-−–])?[$€£]?"
    r"(?P<digits>\d{1,3}(?:[ \u00a0\u202f]\d{3}(?!\d))+(?:[.,]\d+)?|\d+(?:[.,'’]\d+)*|\.\d+)"
    r"(?:[eE](?P<exponent>[-+−]?\d+)|\s?[×x*·]\s?10\s?(?:\^|\*\*)?\s?\{?(?P<power>[-+−]?\d+)\}?)?"
    r"(?:\s?(?P<scale>thousand|million|billion|bn|k)(?!\w))?(?P<percent>\s?(?:%|per\s?cent))?",
    re.IGNORECASE,
)
_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "billion": 1e9, "bn": 1e9}
_WORDS = ("two three four five six seven eight nine ten eleven twelve").split()
_GROUPED = re.compile(r"\d{1,3}(?:([.,'’ \u00a0\u202f])\d{3})(?:\1\d{3})*\Z")

_DECLINED = re.compile(
    r"can(?:not|['’]t| not)(?: be)? (?:reliably |directly )?(?:answer|determin|comput|calculat"
    r"|establish|forecast|predict|say|said|tell|show|give|derive|infer)"
    r"|\b(?:unable|impossible|not possible|no way) to \w+"
    r"|\bunanswerable\b|\bnot answer(?:able|ed)\b",
    re.IGNORECASE,
)
"""Words that decline to answer."""
_ABSENT = re.compile(
    r"\bno (?:such )?(?:\w+ ){0,2}(?:column|data|information|record|row|entr|field|observation"
    r"|value|measurement)"
    r"|\b(?:do|does|did)(?: not|n['’]t) (?:\w+ )?(?:contain|include|have|hold|cover|record|say"
    r"|reach|exist|appear|occur|track|list|tell|mention|know)"
    r"|\b(?:is|are|was|were)(?: not|n['’]t) (?:\w+ )?(?:in|part of|among|recorded|included"
    r"|available|covered|contained|given|listed|stated|tracked|present)\b"
    r"|\bthere (?:is|are|was|were) no\b|\bnothing (?:here|in the data|about|to)\b"
    r"|\bnone of the (?:[\d,.]+ )?(?:rows|records|entries)\b|\black(?:s|ing)?\b",
    re.IGNORECASE,
)
"""Words that say what the data does not hold. An answer with a number may say so of a part."""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What came for a question.

    Attributes:
        text: The answer's Markdown.
        gave_up: Whether the run itself says that it did not answer.
    """

    text: str
    gave_up: bool = False

    @property
    def declines(self) -> bool:
        """Return whether it says, first of all, that it does not answer."""
        return self.gave_up or _DECLINED.search(lead(plain(self.text))) is not None

    @property
    def misses_data(self) -> bool:
        """Return whether it declines, or says at once that the data does not hold what is asked."""
        return self.declines or _ABSENT.search(lead(plain(self.text))) is not None


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict; ``reasons`` names each check that failed."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


def score(checks: Sequence[Check], reply: GivenAnswer) -> Score:
    """Return whether a reply satisfies every check.

    A reply that fails and declines is ``declined``, not wrong. Where a refusal is wanted, that is
    one which does not name what is missing.
    """
    reasons = tuple(reason for check in checks if (reason := _failure(check, reply)))
    if not reasons:
        return Score("right")
    return Score("declined" if reply.declines else "wrong", reasons)


def _failure(check: Check, reply: GivenAnswer) -> str:
    """Return why the reply fails a check, empty if it does not."""
    match check:
        case NumberCheck():
            return _number_failure(check, reply)
        case TextCheck():
            return _text_failure(check, reply)
        case ChoiceCheck():
            return _choice_failure(check, reply)
        case NamedCheck():
            return _named_failure(check, reply)
        case TableCheck():
            return _table_failure(check, plain(reply.text))
        case RefuseCheck():
            return _refusal_failure(check, reply)
        case _:
            assert_never(check)


# --- texts ---------------------------------------------------------------------------------------


def plain(markdown: str) -> str:
    """Return an answer without its citations, emphasis and the targets of its links."""
    text = _CITATION.sub("", _MARK.sub("", markdown))
    return _EMPHASIS.sub("", _LINK.sub(r"\1", text)).translate(_SUPERSCRIPTS)


def lead(text: str) -> str:
    """Return the first paragraph, without headings; with the next one if it ends in a colon."""
    body = "\n".join(line for line in text.splitlines() if not re.match(r"\s{0,3}#{1,6}\s", line))
    blocks = [block.strip() for block in re.split(r"\n\s*\n", body) if block.strip()]
    if not blocks:
        return ""
    return "\n".join(blocks[:2]) if blocks[0].endswith(":") else blocks[0]


def _at(place: Place, reply: GivenAnswer) -> str:
    text = plain(reply.text)
    return lead(text) if place == "lead" else text


def _place_of(words: str, text: str) -> int:
    """Return where words stand in a text, as whole words, or -1; ``*`` ends a beginning."""
    pattern = r"\s+".join(map(re.escape, words.rstrip("*").split()))
    end = "" if words.endswith("*") else r"(?!\w)"
    found = re.search(rf"(?<!\w){pattern}{end}", text, re.IGNORECASE)
    return -1 if found is None else found.start()


def _text_failure(check: TextCheck, reply: GivenAnswer) -> str:
    text = _at(check.where, reply)
    said = {words for words in (*check.any, *check.all, *check.none) if _place_of(words, text) >= 0}
    if check.any and not said.intersection(check.any):
        return f"it does not say {' or '.join(map(repr, check.any))}"
    missing = [words for words in check.all if words not in said]
    if missing:
        return f"it does not say {' and '.join(map(repr, missing))}"
    banned = [words for words in check.none if words in said]
    return f"it says {' and '.join(map(repr, banned))}" if banned else ""


def _choice_failure(check: ChoiceCheck, reply: GivenAnswer) -> str:
    text = _at(check.where, reply)
    places = [(_place_of(option, text), -len(option), option) for option in check.among]
    first = min((place for place in places if place[0] >= 0), default=None)
    if first is None:
        return f"it names none of {', '.join(check.among)}; right is {check.value}"
    return "" if first[2] == check.value else f"it says {first[2]}; right is {check.value}"


def _refusal_failure(check: RefuseCheck, reply: GivenAnswer) -> str:
    if not reply.misses_data:
        return "it answers, and the data cannot"
    text = plain(reply.text)
    if check.because and all(_place_of(words, text) < 0 for words in check.because):
        return f"it declines without naming {' or '.join(map(repr, check.because))}"
    return ""


# --- numbers -------------------------------------------------------------------------------------


def numbers(text: str, *, unit: str = "") -> Iterator[float]:
    """Yield every reading of every number of a text; one with two readings is yielded twice."""
    for found in _NUMBER.finditer(text):
        power = (found["exponent"] or found["power"] or "0").replace("−", "-")
        if abs(int(power[-4:].lstrip("+"))) > 300:
            continue
        factor = _SCALES.get((found["scale"] or "").lower(), 1.0) * 10.0 ** int(power)
        sign = -1.0 if found["sign"] else 1.0
        for value in _readings(found["digits"]):
            yield sign * value * factor
            if found["percent"] and unit != "%":
                yield sign * value * factor / 100
            if unit == "%" and not found["percent"] and abs(value * factor) <= 1:
                yield sign * value * factor * 100
    if not re.search(r"\d", text):
        for value, word in enumerate(_WORDS, start=2):
            if _place_of(word, text) >= 0:
                yield float(value)


def _readings(digits: str) -> Iterator[float]:
    """Yield what digits with points, commas, blanks and apostrophes may mean."""
    spaced = re.sub(r"[ \u00a0\u202f'’]", "", digits)
    if _GROUPED.match(digits):
        yield float(re.sub(r"\D", "", digits))
        # A single group may also be the decimals: 1.234
        if len(re.findall(r"[.,]", digits)) == 1:
            yield float(spaced.replace(",", "."))
        return
    marks = re.findall(r"[.,]", spaced)
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        other = "," if marks[-1] == "." else "."
        yield float(spaced.replace(other, "").replace(",", "."))
    elif len(marks) <= 1:
        yield float(spaced.replace(",", "."))
    else:  # a list without blanks
        for part in re.split(r"[.,]", spaced) if set(marks) == {"."} else spaced.split(","):
            yield float(part)


def _meets(value: float, wanted: float, margin: float) -> bool:
    return abs(value - wanted) <= margin + 1e-9 * abs(wanted)


def _number_failure(check: NumberCheck, reply: GivenAnswer) -> str:
    text = _at(check.where, reply)
    found = list(numbers(text, unit=check.unit))
    margin = check.margin(check.value)
    if any(_meets(value, check.value, margin) for value in found):
        return ""
    shown = ", ".join(f"{value:.10g}" for value in dict.fromkeys(found[:6]))
    return f"it says {shown or 'no number'}; right is {check.value:.10g}{check.unit}"


# --- values with names, tables -------------------------------------------------------------------


def _is(wanted: Scalar, text: str, margin: float, *, whole: bool) -> bool:
    """Return whether a text is a value, or with ``whole`` off, holds it."""
    text = text.strip().strip("\"'")
    if isinstance(wanted, str):
        words = " ".join(wanted.split())
        return text.casefold() == words.casefold() or (not whole and _place_of(words, text) >= 0)
    if isinstance(wanted, bool):
        return text.casefold() in ({"true", "yes"} if wanted else {"false", "no"})
    if whole and not _NUMBER.fullmatch(text):
        return False
    return any(_meets(value, wanted, margin) for value in numbers(text))


def _margin(check: NamedCheck | TableCheck, wanted: Scalar) -> float:
    return 0.0 if isinstance(wanted, str | bool) else check.margin(wanted)


def _named_failure(check: NamedCheck, reply: GivenAnswer) -> str:
    given = [found[2] for found in NAMED_VALUE.finditer(reply.text) if found[1] == check.name]
    if not given:
        return f"it has no @{check.name}[...]"
    wrong = [text for text in given if not _is_named(check, text)]
    wanted = check.value
    right = ",".join(map(str, wanted)) if isinstance(wanted, tuple) else str(wanted)
    return f"@{check.name}[{wrong[0]}]; right is {right}" if wrong else ""


def _is_named(check: NamedCheck, text: str) -> bool:
    wanted = check.value
    if not isinstance(wanted, tuple):
        return _is(wanted, text, _margin(check, wanted), whole=True)
    parts = text.strip().removeprefix("[").removesuffix("]").split(",")
    return len(parts) == len(wanted) and all(
        _is(value, part, _margin(check, value), whole=True)
        for value, part in zip(wanted, parts, strict=True)
    )


def _table_failure(check: TableCheck, text: str) -> str:
    tables = list(_tables(text)) or [list(_named_rows(check, text))]
    best: str | None = None
    for rows in tables:
        failure = _rows_failure(check, rows)
        if not failure:
            return ""
        best = best or failure
    return best or "it has no table"


def _rows_failure(check: TableCheck, rows: list[list[str]]) -> str:
    left = list(rows)
    for wanted in check.rows:
        found = next((row for row in left if _holds(check, row, wanted)), None)
        if found is None:
            return f"no row {' | '.join(map(str, wanted))}"
        left.remove(found)
    return f"{len(left)} rows too many" if left and not check.extra else ""


def _holds(check: TableCheck, row: list[str], wanted: tuple[Scalar, ...]) -> bool:
    """Return whether each value stands in a cell of its own."""
    free = list(row)
    for value in wanted:
        cell = next((c for c in free if _is(value, c, _margin(check, value), whole=False)), None)
        if cell is None:
            return False
        free.remove(cell)
    return True


def _tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the rows of each Markdown table, without its head."""
    lines = [*text.splitlines(), ""]
    rows: list[list[str]] | None = None
    for before, line in zip(["", *lines], lines, strict=False):
        if re.fullmatch(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*", line) and "|" in before:
            rows = []
        elif rows is not None and "|" in line:
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows is not None:
            yield rows
            rows = None


def _named_rows(check: TableCheck, text: str) -> Iterator[list[str]]:
    """Yield a row for each key that a text without a table names: the key, and what follows it.

    A key is the first text of a row; what belongs to it ends at the next key.
    """
    keys = [next((v for v in row if isinstance(v, str)), None) for row in check.rows]
    places = sorted(
        (place, key) for key in keys if key is not None and (place := _place_of(key, text)) >= 0
    )
    ends = [place for place, _ in places[1:]] + [len(text)]
    for (place, key), end in zip(places, ends, strict=False):
        rest = text[place + len(key) : end]
        yield [key, *(found[0] for found in _NUMBER.finditer(rest)), rest]

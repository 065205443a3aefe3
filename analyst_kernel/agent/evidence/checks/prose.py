"""Parts an answer into the clauses that its checks look at, and finds labels of tables in them.

What is no claim of the answer is left out: code, tables, questions, quotations, and clauses that
deny, suppose or hedge. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from analyst_kernel.agent.evidence.checks.shown import ShownTable, aggregates_in, aggregates_of
from analyst_kernel.agent.evidence.numbers import Number, find_numbers

_LONGEST_SENTENCE = 1000
"""Characters. What is longer is no sentence, and would take too long to be read as one."""
_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_MARKS = re.compile(r"^[\s>]*(?:[-*+]\s+|[0-9]{1,3}[.)]\s+|#+\s+)?")
_ENDS = re.compile(r"[.!?](?:[\"”’)\]*_]*)(?=\s+[^\sa-z]|\s*$)|\n")
_SHORT = re.compile(r"(?:\b(?:vs|approx|incl|excl|e\.g|i\.e|cf|no|ca|resp|max|min|avg)|\b[A-Z])\.$")
_CITED = re.compile(r"\[(?:cells?|iterations?)\s+([^\]\n]{1,60})\]", re.IGNORECASE)
_QUOTED = re.compile(r"`[^`\n]+`|\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”")
_SPLIT = re.compile(
    r"\s*;\s+|\s+[–—]\s+|\s*(?:,\s*)?\b(?:but|while|whereas|although|though|however|whilst"
    r"|followed by)\b\s*|,\s+(?:and|then|so|yet)\s+",
    re.IGNORECASE,
)
_ALL_BUT = re.compile(r"\b(?:all|every|each|any|none|nothing)\b(?:\s+\S+){0,2}\s*$", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:not|no|never|neither|nor|without|cannot|hardly|scarcely|barely|rarely|seldom|whether|if"
    r"|unless|would|could|might|may|should|must|can|rather than|instead of|unlike|contrary to"
    r"|fails?"
    r"|failed|despite|against|lack|lacks|nothing|nobody|expect\w*|suppos\w*|assum\w*|hypothes\w*"
    r"|claim\w*|suggest\w*|myth|asked?|asks|wrong|false|seem\w*|appear\w*|possib\w*|perhaps)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
_NEXT_THOUGHT = re.compile(
    r"[,;:()]|\b(?:over|with|among|across|at|by|from|in|on|for|is|are|was|were|has|have|had)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:1[5-9]|20|21)[0-9]{2}")
_ASIDE = re.compile(
    r"(?:\bn|\bN|\bp|\br|\bt|\bz|\bF|\bd|\bdf|\bSD|\bsd|\bSE|\bs\.d\.|\bCI|\bR²|\br²|\bρ|\bα|±"
    r"|\bstd)"
    r"\s*(?:[=:<>≈≤≥]\s*|of\s+)?-?$|\b(?:top|first|last|past|next|step|page|row|rows|level"
    r"|question)\s+$"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.?\s+$",
)
_AFTERWARDS = re.compile(r"\s?(?:%|percent)?\s*(?:CI\b|confidence|standard|sd\b|SD\b)")
_UNIT = re.compile(r"\s?([A-Za-z°µ/²³]+)")
_MONTH_NAMES = (
    "january february march april may june july august september october november december".split()
)
_NO_UNIT = frozenset(
    """and or to in than of vs versus is was are were for on at by from with per each while but
    the a an as against compared after before over under between respectively more less
    fewer higher lower it they that which who so overall year years""".split()
)
_GENERIC = frozenset(
    """the a an of and or in on at to by for all any other others total none true false nan yes
    no""".split()
)


ALL = re.compile(
    r"\b(?:every|each|all|both|always|throughout|without exception|steadily|consistently"
    r"|monotonically|continuously|none|no)\b|\b(?:year|month|quarter|week) (?:after|on|over"
    r"|by) (?:year"
    r"|month|quarter|week)\b",
    re.IGNORECASE,
)
"""Words that speak of all; checks of single values leave their clauses to the check of all."""


@dataclass(frozen=True)
class Clause:
    """One clause of an answer.

    Attributes:
        text: As written, but citations blanked out.
        plain: The same length, with code, quotations and names of columns blanked out: no word of
            them is a word of the answer.
        sentence: The whole sentence that it stands in.
        cited: The cells that the sentence cites.
    """

    text: str
    plain: str
    sentence: str
    cited: frozenset[int]

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers that may be values: no years, sample sizes, deviations, p-values."""
        found = []
        for number in find_numbers(self.text):
            before = self.text[max(0, number.start - 16) : number.start]
            after = self.text[number.end : number.end + 16]
            if _ASIDE.search(before) or _AFTERWARDS.match(after) or is_year(number):
                continue
            found.append(number)
        return tuple(found)

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of its words."""
        return frozenset(stem(word) for word in re.findall(r"[^\W\d_]+", self.text))

    def denied(self, at: int) -> bool:
        """Return whether the clause denies, supposes or hedges before a place."""
        return _DENIED.search(self.plain[:at]) is not None


def clauses(text: str, names: Sequence[str] = ()) -> Iterator[Clause]:
    """Yield the clauses of an answer that claim something; ``names`` are those of columns."""
    for sentence in sentences(text):
        if len(sentence) > _LONGEST_SENTENCE:
            continue
        plain = _QUOTED.sub(lambda match: "·" * len(match[0]), sentence)
        for name in names:
            if re.search(r"[\s_A-Z0-9]", name) and len(name) > 3:
                plain = plain.replace(name, "·" * len(name))
        # The digits of a citation are no label of a row and no value.
        plain = _CITED.sub(lambda match: " " * len(match[0]), plain)
        text = _CITED.sub(lambda match: " " * len(match[0]), sentence)
        cited = frozenset(
            int(digits)
            for match in _CITED.finditer(sentence)
            for digits in re.findall(r"[0-9]{1,4}", match[1])
        )
        whole = Clause(sentence, plain, sentence, cited)
        for start, end in _pieces(plain):
            yield replace(whole, text=text[start:end], plain=plain[start:end])


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of Markdown, without code blocks, tables, quotations and questions."""
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if fenced or line.lstrip().startswith(("|", ">")):
            continue
        rest = _MARKS.sub("", line, count=1)
        rest = re.sub(r"\*\*|__|(?<!\w)[*](?=\S)|(?<=\S)[*](?!\w)", "", rest)
        start = 0
        for end in _ENDS.finditer(rest):
            if _SHORT.search(
                rest[max(start, end.start() - 12) : end.start() + 1]
            ) and end.end() < len(rest):
                continue
            sentence, start = rest[start : end.end()].strip(), end.end()
            if sentence and not sentence.rstrip('"”’)]').endswith("?"):
                yield sentence
        if last := rest[start:].strip():
            yield last


def _pieces(plain: str) -> Iterator[tuple[int, int]]:
    """Yield where clauses begin and end; nothing is parted within brackets."""
    depth, depths = 0, []
    for sign in plain:
        depth += (sign == "(") - (sign == ")")
        depths.append(depth)
    start = 0
    for match in _SPLIT.finditer(plain):
        if match[0].strip() == "but" and _ALL_BUT.search(plain[: match.start()]):
            continue
        if match.start() > start and depths[match.start()] <= 0:
            yield start, match.start()
            start = match.end()
    if start < len(plain):
        yield start, len(plain)


def is_year(number: Number) -> bool:
    """Return whether a number is written as a year or a date."""
    return bool(number.date) or _YEAR.fullmatch(number.text) is not None


def unit_after(text: str, number: Number) -> str:
    """Return the word behind a number if it may be its unit, stemmed."""
    if "%" in number.text or "percent" in number.text:
        return "%"
    match = _UNIT.match(text, number.end)
    word = match[1].lower() if match else ""
    return "" if word in _NO_UNIT else stem(word)


def upto(clause: Clause, at: int) -> Clause:
    """Return a clause up to the first comma behind a place."""
    end = clause.plain.find(",", at)
    if end < 0:
        return clause
    return replace(clause, text=clause.text[:end], plain=clause.plain[:end])


def comparable(clause: Clause, one: Number, other: Number) -> bool:
    """Return whether two numbers of a clause may be values of one measure."""
    units = unit_after(clause.text, one), unit_after(clause.text, other)
    signs = [clause.text[max(0, n.start - 2) : n.start].strip()[-1:] for n in (one, other)]
    money = [sign if sign in "$€£¥" else "" for sign in signs]
    if money[0] and money[1] and money[0] != money[1]:
        return False
    return units[0] == units[1] or (not all(units) and "%" not in units)


def signed(number: Number) -> float:
    """Return the plain value of a number, with its sign."""
    value = number.readings[0].value
    return -value if number.negative else value


def stem(word: str) -> str:
    """Return a word without the ends of plurals and possessives, in small letters."""
    word = re.sub(r"['’]s?$", "", word.lower())
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


# --- the labels of tables -------------------------------------------------------------------------


def aliases(table: ShownTable) -> dict[str, str]:
    """Return how prose may name a table's labels: the label, or a part that no other one has."""
    labels = list(dict.fromkeys(label for row in table.labels for label in row))[:3000]
    found = {
        label.casefold(): label
        for label in labels
        if label.casefold() not in _GENERIC or (len(label) == 1 and label.isupper())
    }
    first: dict[str, list[str]] = {}
    for label in labels:
        words = re.findall(r"[^\W\d_]{4,}", label)
        if words and label.startswith(words[0]) and words[0] != label:
            first.setdefault(words[0].casefold(), []).append(label)
    for label in labels:
        year = re.fullmatch(r"\D{0,20}?((?:19|20)[0-9]{2})\D{0,20}", label)
        if year is not None and year[1] != label:
            first.setdefault(year[1], []).append(label)
    for name, owners in _date_names(labels).items():
        first.setdefault(name, []).extend(owners)
    for word, owners in first.items():
        if len(owners) == 1 and word not in _GENERIC:
            found.setdefault(word, owners[0])
    return {name: label for name, label in found.items() if name.strip()}


def _date_names(labels: Sequence[str]) -> dict[str, list[str]]:
    """Return how prose names dates: "2024-03", "March 2024", "March", or only the year."""
    found: dict[str, list[str]] = {}
    for label in labels:
        date = re.fullmatch(r"([12][0-9]{3})-([01][0-9])(?:-([0-3][0-9])(?:[T ][0-9:.]+)?)?", label)
        if date is None or not 1 <= int(date[2]) <= 12:
            continue
        month = _MONTH_NAMES[int(date[2]) - 1]
        names = [f"{date[1]}-{date[2]}", f"{month} {date[1]}", month, f"{month[:3]} {date[1]}"]
        if date[2] == "01" and date[3] == "01":
            names.append(date[1])
        for name in names:
            if name != label:
                found.setdefault(name, []).append(label)
    return found


def labels_in(text: str, table: ShownTable) -> list[tuple[int, str]]:
    """Return where a text names which labels of a table, the longest names first served."""
    taken: list[tuple[int, int, str]] = []
    lower = text.casefold()
    if len(lower) != len(text):
        lower = text.lower() if len(text.lower()) == len(text) else text
    for name, label in sorted(aliases(table).items(), key=lambda item: -len(item[0])):
        if name not in lower:
            continue
        case = len(name) < 3
        pattern = (
            rf"(?<![\w.,]){re.escape(label if case else name)}(?:['’]?s\b|['’])?(?![\w]|[.,][0-9])"
        )
        for match in re.finditer(pattern, text if case else lower):
            if match.start() == 0 and label in ("A", "I"):
                continue
            if label.isdigit() and len(label) < 4 and not _is_named(match, label, table):
                continue
            if all(match.end() <= start or match.start() >= end for start, end, _ in taken):
                taken.append((match.start(), match.end(), label))
    return sorted((start, label) for start, _, label in taken)


def _is_named(match: re.Match[str], label: str, table: ShownTable) -> bool:
    """Return whether a small number stands beside the name of its column: "month 3"."""
    names = {stem(word) for name in table.names for word in re.findall(r"[^\W\d_]+", name)}
    beside = re.findall(r"[^\W\d_]+", match.string[max(0, match.start() - 20) : match.start()])[-1:]
    beside += re.findall(r"[^\W\d_]+", match.string[match.end() : match.end() + 20])[:1]
    return any(stem(word) in names for word in beside)


def columns_meant(
    table: ShownTable, clause: Clause, at: int = 0, labels: Iterable[str] = ()
) -> tuple[list[int], bool]:
    """Return the columns that a clause may speak of, and whether it says which.

    It says so by a number beside one of ``labels``, else by the words around ``at``. A column of
    another aggregate (the clause says "median", the header "mean") is none of them.
    """
    given = [signed(number) for number in clause.numbers]
    halves = [0.5 * 10.0 ** -number.readings[0].decimals * 1.02 for number in clause.numbers]
    mine = [
        values
        for row, values in zip(table.labels, table.values, strict=True)
        if not set(labels).isdisjoint(row)
    ]
    anchored = [
        column
        for column in range(len(table.columns))
        if any(
            value is not None and abs(abs(value) - abs(number)) <= half
            for values in mine
            for value in [values[column]]
            for number, half in zip(given, halves, strict=True)
        )
    ]
    if anchored:
        return anchored, True
    nearby = _nearby_words(clause.plain, at)
    wanted = aggregates_in(nearby.lower().replace("-", " ").split())
    stems = {stem(word) for word in re.findall(r"[^\W\d_]+", nearby)}
    kinds = [aggregates_of(table, column) for column in range(len(table.columns))]
    fitting = [c for c, kind in enumerate(kinds) if not wanted or not kind or wanted & kind]
    heads = [
        {stem(word) for word in re.findall(r"[^\W\d_]{3,}", header)} for header in table.columns
    ]
    named = [column for column in fitting if heads[column] & stems]
    aggregate = [column for column in fitting if wanted & kinds[column]]
    both = [column for column in named if column in aggregate]
    return (both or named or aggregate or fitting), bool(named or aggregate)


def _nearby_words(plain: str, at: int) -> str:
    """Return the words around a place, up to what begins another thought."""
    before = re.split(r"[,;:()]", plain[:at])[-1]
    after = _NEXT_THOUGHT.split(plain[at:], maxsplit=1)[0]
    return f"{before} {after}"


def number_text(value: float) -> str:
    """Return a value as a question to the model writes it."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"

"""Conditions that a question puts on rows: values, comparisons with numbers, years and months.

Pure. What it uses up is marked in the matches; numbers that fit nothing stay unexplained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analyst_kernel.offline.column_roles import is_date, is_number, is_time, is_year
from analyst_kernel.offline.match import Matches, Mention, ValueMention
from analyst_kernel.offline.task import DatePart, Filter, Operator
from analyst_kernel.offline.words import COMPARISONS, MONTHS, NUMBER_WORDS, Word, name_tokens
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_BEFORE_NUMBER = sorted(
    ((said.split(), meaning) for meaning, phrases in COMPARISONS.items() for said in phrases),
    key=lambda pair: -len(pair[0]),
)
"""What stands before a number -> what it means, the longest phrases first."""


def find_filters(
    words: Sequence[Word], matches: Matches, profile: DatasetProfile, values: Sequence[ValueMention]
) -> tuple[list[Filter], set[str]]:
    """Return the conditions and the names of columns that serve only them.

    ``values`` are those that are conditions, and not members of a comparison.
    """
    filters = _value_filters(values)
    spent: set[str] = set()
    for said in words:
        word = _counted(said, words, matches)
        if word.number is None or word.index in matches.used:
            continue
        found = _number_filter(word, words, matches, profile)
        if found is None:
            continue
        condition, mention = found
        filters.append(condition)
        if mention is not None:
            spent.add(mention.column.name)
    for sign in _sign_filters(words, matches):
        filters.append(sign)
        spent.add(sign.column.name)
    filters += _month_filters(words, matches, profile)
    return filters, spent


_HAVING = frozenset("have has had with than least most exactly only".split())


def _counted(word: Word, words: Sequence[Word], matches: Matches) -> Word:
    """Return the word with its number where it is one in letters: "planes with four engines"."""
    number = NUMBER_WORDS.get(word.stem) if word.number is None else None
    before = words[word.index - 1].text.casefold() if word.index else ""
    of = any(m.first == word.index + 1 and is_number(m.column) for m in matches.columns)
    return replace(word, number=float(number)) if number and of and before in _HAVING else word


_SIGNS: dict[str, Operator] = {"negative": "<", "positive": ">", "zero": "is"}


def _sign_filters(words: Sequence[Word], matches: Matches) -> list[Filter]:
    """Read "orders with a negative profit"."""
    found = []
    for mention in matches.columns:
        before = words[mention.first - 1] if mention.first else None
        operator = _SIGNS.get(before.stem) if before is not None else None
        if before is not None and operator is not None and is_number(mention.column):
            matches.used.add(before.index)
            found.append(Filter(mention.column, operator, (0.0,)))
    return found


def condition_of(value: ValueMention) -> Filter:
    """Return the rows that a question means by a value."""
    operator: Operator = "is" if value.whole else "contains"
    return Filter(value.column, operator, value.values, negated=value.denied)


def flag_filters(
    matches: Matches, words: Sequence[Word], tags: frozenset[str], nouns: frozenset[str]
) -> tuple[list[Filter], set[str]]:
    """Read a yes-or-no column that is only named as the condition: "how many were returned"."""
    filters: list[Filter] = []
    for mention in matches.columns:
        before = words[mention.first - 1].stem if mention.first else ""
        last = max(mention.words) + 1
        adjective = last < len(words) and words[last].stem in nouns
        has_value = any(value.column == mention.column for value in matches.values)
        asked = adjective or tags & {"count", "share"}
        if mention.column.kind == "bool" and asked and before not in _GROUPS and not has_value:
            negated = any(words[i].stem == "not" for i in range(mention.first))
            filters.append(Filter(mention.column, "is", ("false" if negated else "true",)))
    return filters, {found.column.name for found in filters}


_GROUPS = frozenset({"by", "per", "each", "every", "across", "which"})


def _value_filters(values: Sequence[ValueMention]) -> list[Filter]:
    """Join mentions of one column into one condition ("Ford or Toyota")."""
    merged: dict[tuple[str, bool, bool], list[ValueMention]] = {}
    for value in values:
        merged.setdefault((value.column.name, value.whole, value.denied), []).append(value)
    return [
        condition_of(
            replace(same[0], values=tuple(dict.fromkeys(v for m in same for v in m.values)))
        )
        for same in merged.values()
    ]


def _number_filter(
    word: Word, words: Sequence[Word], matches: Matches, profile: DatasetProfile
) -> tuple[Filter, Mention | None] | None:
    number, here = word.number, word.index
    assert number is not None
    stems = [other.text.casefold() for other in words]
    operator: Operator | None = None
    start = here
    for phrase, meaning in _BEFORE_NUMBER:
        if stems[:here][-len(phrase) :] == phrase:
            operator, start = meaning, here - len(phrase)
            break
    upper = _range_end(word, words)
    mention = _column_of(start, upper.index if upper else here, words, matches)
    temporal = start < here and stems[start] in _TEMPORAL and _is_year_of(profile, number)
    if temporal and mention is not None and not is_time(mention.column):
        mention = None
    if mention is None and not _is_year_of(profile, number):
        return None
    column = mention.column if mention is not None else _year_columns(profile)[0]
    part: DatePart = "year" if is_date(column) else ""
    beside = mention is None or abs(mention.first - here) <= 1 or here - 1 in mention.words
    if upper is None and operator is None and not beside:
        return None
    matches.used |= set(range(start, here + 1))
    if upper is None or upper.number is None:
        return Filter(column, operator or "is", (number,), part), mention
    matches.used.add(upper.index)
    return Filter(column, "between", (number, upper.number), part), mention


_TEMPORAL = frozenset({"after", "since", "from", "before", "until"})


def _range_end(word: Word, words: Sequence[Word]) -> Word | None:
    """Return the second number of "between A and B" or "from A to B"."""
    i = word.index
    if i == 0 or i + 2 >= len(words) or words[i + 2].number is None:
        return None
    pair = (words[i - 1].stem, words[i + 1].stem)
    return words[i + 2] if pair in {("between", "and"), ("from", "to"), ("from", "until")} else None


def _column_of(start: int, end: int, words: Sequence[Word], matches: Matches) -> Mention | None:
    """Return the numeric column right after the number, else the one before its comparison."""
    after = [m for m in matches.columns if 0 < m.first - end <= 1]
    before = [
        m
        for m in matches.columns
        if 0 < start - max(m.words) <= 3
        and all(words[i].stem in _BETWEEN for i in range(max(m.words) + 1, start))
    ]
    for mention in (*after, *before):
        if is_number(mention.column) or is_date(mention.column):
            return mention
    return None


_BETWEEN = frozenset("is are was were of that a the be have has value equal to".split())


def _year_columns(profile: DatasetProfile) -> list[ColumnProfile]:
    years = [column for column in profile.columns if is_year(column)]
    return years or [column for column in profile.columns if is_date(column)]


def _is_year_of(profile: DatasetProfile, number: float) -> bool:
    return number == int(number) and 1000 <= number <= 2999 and bool(_year_columns(profile))


def _month_filters(
    words: Sequence[Word], matches: Matches, profile: DatasetProfile
) -> list[Filter]:
    """Read "in March" as a condition on the month."""
    column = _month_column(profile)
    if column is None:
        return []
    numbers: list[float] = []
    for word in words:
        low = word.text.casefold()
        certain = low != "may" or (word.index > 0 and words[word.index - 1].stem in ("in", "of"))
        if low in MONTHS and certain and word.index not in matches.used:
            numbers.append(float(MONTHS.index(low) + 1))
            matches.used.add(word.index)
    part: DatePart = "month" if is_date(column) else ""
    return [Filter(column, "is", tuple(numbers), part)] if numbers else []


def _month_column(profile: DatasetProfile) -> ColumnProfile | None:
    numbers = [column for column in profile.columns if column.kind == "number"]
    months = [column for column in numbers if name_tokens(column.name) == ("month",)]
    return next(iter((*months, *filter(is_date, profile.columns))), None)


DENY = frozenset({"not", "non", "except", "excluding", "exclude", "neither", "nor"})
"""Words that rule out the value after them."""

_OTHERS = frozenset({"no", "without"})
"""Words that deny in ways that no condition on rows can say."""

_PASSED_OVER = frozenset("a an the for of from in on at by made being".split())
_LISTED = frozenset({"and", "or", *_PASSED_OVER})
_AMOUNTS = frozenset({"more", "less", "fewer", "longer", "matter", "only", "just"})


def deny(
    words: Sequence[Word], values: Sequence[ValueMention]
) -> tuple[list[ValueMention], frozenset[int]]:
    """Return the values, those that are ruled out marked so, and the words that say it."""
    said = [_denied_by(words, value, values) for value in values]
    found = [replace(v, denied=bool(places)) for v, places in zip(values, said, strict=True)]
    return found, frozenset().union(*said)


def unread(words: Sequence[Word], said: frozenset[int]) -> str:
    """Return the first denying word that rules out no value; empty if there is none."""
    for word in words:
        low = word.text.casefold()
        after = words[word.index + 1].text.casefold() if word.index + 1 < len(words) else ""
        other = low == "other" and after == "than"
        denies = low in DENY or low in _OTHERS or _contracted(low) or other
        if denies and word.index not in said and after not in _AMOUNTS:
            return word.text
    return ""


def _denied_by(
    words: Sequence[Word], value: ValueMention, values: Sequence[ValueMention]
) -> frozenset[int]:
    """Walk back from a value, over a list that it is in, to the word that rules it out."""
    own = {i for other in values if other.column == value.column for i in other.words}
    i = min(value.words) - 1
    while i >= 0:
        low = words[i].text.casefold()
        if low in DENY or _contracted(low):
            return frozenset({i})
        if low == "than" and i and words[i - 1].text.casefold() == "other":
            return frozenset({i - 1, i})
        if i not in own and low not in _LISTED:
            break
        i -= 1
    return frozenset()


def _contracted(low: str) -> bool:
    return low.endswith(("n't", "n’t"))

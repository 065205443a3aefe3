"""Cut a question into items: names and values of the data first, then English of a closed list.

Each word of the question belongs to exactly one item. A word that is neither becomes an item of
kind ``unknown``, and no reading of the sentence can pass over it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypeAlias

from analyst_kernel.offline.column_roles import (
    is_date,
    is_number,
    is_time,
    row_nouns,
    row_words,
)
from analyst_kernel.offline.words import (
    GENERIC,
    MONTHS,
    NUMBER_WORDS,
    SENTENCE,
    Word,
    name_tokens,
    names_of,
    stem,
    token_forms,
    value_words,
)
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

Kind: TypeAlias = Literal[
    "column", "value", "number", "date", "name of month", "name of quarter", "statistic",
    "extreme", "count", "distinct", "share", "of total", "by", "grain", "adverb", "which", "what",
    "row", "operator", "between", "not", "and", "or", "missing", "compare", "be", "have", "of",
    "to", "in", "order", "filler", "opener", "only", "chart", "unknown",
]  # fmt: skip

LETTERS: dict[Kind, str] = {
    "column": "C", "value": "V", "number": "N", "date": "D", "name of month": "O",
    "name of quarter": "Q", "statistic": "a", "extreme": "x", "count": "h", "distinct": "d",
    "share": "s", "of total": "%", "by": "b", "grain": "g", "adverb": "G", "which": "w",
    "what": "W", "row": "r", "operator": "o", "between": "t", "not": "!", "and": "&", "or": "/",
    "missing": "m", "compare": "c", "be": "e", "have": "f", "of": "P", "to": "q", "in": "p",
    "order": "z", "filler": ".", "opener": '"', "only": "y", "chart": "k", "unknown": "?",
}  # fmt: skip
"""Kind -> the letter that stands for it in patterns; columns have one of C, M, F and T."""


@dataclass(frozen=True, slots=True)
class Item:
    """One or more words of the question, with their one use."""

    kind: Kind
    said: str
    first: int  # index of its first word
    last: int
    what: str = ""  # the statistic, operator, grain, kind of chart or period
    column: ColumnProfile | None = None
    values: tuple[str, ...] = ()
    number: float = 0.0
    whole: bool = True

    @property
    def letter(self) -> str:
        """The letter that stands for the item in patterns."""
        column = self.column
        if self.kind != "column" or column is None:
            return LETTERS[self.kind]
        if is_flag(column):
            return "F"
        if is_time(column):
            return "T"
        return "M" if is_number(column) else "C"


def is_flag(column: ColumnProfile) -> bool:
    """Return whether the column holds yes and no: as such, or as the numbers 1 and 0."""
    if column.kind == "bool":
        return True
    ends = (column.minimum, column.maximum)
    return column.kind == "number" and column.distinct == 2 and ends == (0, 1)


_TOKEN = re.compile(
    r"\d{4}-\d\d(?:-\d\d)?(?![\d-])|(?<![\w)])[-−]\d[\d,]*(?:\.\d+)?|\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+"
    r"|\d++(?![^\W\d_])|[^\W_]+(?:['’][a-z]+)?|[<>]=?|=|%|[^\w\s]"
)
_DATE = re.compile(r"\d{4}-\d\d(?:-\d\d)?")
_QUOTED = re.compile(r"`([^`]+)`|\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)")
_SILENT = frozenset("?!.,:;()[]{}`\"'“”‘’-–—_/*")
"""Marks that carry no meaning here; any other one is an item that nothing reads."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word or number as written."""

    text: str
    stem: str
    quoted: str = ""  # the whole text in quotes that it is part of
    starts: bool = False  # whether it begins the quotes


def tokens_of(question: str) -> tuple[Token, ...]:
    """Cut a question into words and numbers; marks without meaning are left out."""
    quotes = [
        (m.start(), m.end(), next(filter(None, m.groups()))) for m in _QUOTED.finditer(question)
    ]
    found: list[Token] = []
    begun: set[int] = set()
    for match in _TOKEN.finditer(question):
        text = match.group()
        if text == "," and found and not any(s < match.start() < e for s, e, _ in quotes):
            found.append(Token(",", ","))
            continue
        if text in _SILENT:
            continue
        if text == "%":
            text = "percent"
        inside = next((q for q in quotes if q[0] < match.start() < q[1]), None)
        starts = inside is not None and inside[0] not in begun
        if inside is not None:
            begun.add(inside[0])
        found.append(Token(text, stem(text), inside[2] if inside else "", starts))
    return tuple(found)


@cache
def _phrases() -> dict[tuple[str, ...], tuple[tuple[Kind, str], ...]]:
    found: dict[tuple[str, ...], list[tuple[Kind, str]]] = {}
    for kind, meanings in SENTENCE.items():
        for what, phrases in meanings.items():
            for phrase in phrases:
                found.setdefault(tuple(phrase.split()), []).append((kind, what))
    return {phrase: tuple(kinds) for phrase, kinds in found.items()}


@cache
def english_words() -> frozenset[str]:
    """Return every word that the closed lists know alone or within a phrase."""
    return frozenset(word for phrase in _phrases() for word in phrase)


_LONGEST = 8


@dataclass(slots=True)
class Cutter:
    """Cuts one question against one dataset."""

    tokens: Sequence[Token]
    profile: DatasetProfile
    found: Sequence[tuple[str, str, str, bool]] = ()  # phrase, column, value, whole: looked up
    choices: Sequence[str] = ()
    doubt: str = ""  # why a word may mean two things
    nouns: frozenset[str] = frozenset()  # stems that mean a row

    def __post_init__(self) -> None:
        self.nouns = rows_called(self.profile)

    def items(self) -> tuple[Item, ...]:
        """Return the items in order; together they cover every token."""
        items: list[Item] = []
        place = 0
        while place < len(self.tokens):
            item = self._next(place, items)
            items.append(item)
            place = item.last + 1
        return tuple(items)

    def _next(self, place: int, before: Sequence[Item]) -> Item:
        token = self.tokens[place]
        if token.quoted and token.starts:
            return self._quotes(place)
        if token.text == ",":
            return Item("and", ",", place, place)
        data = self._data(place)
        if data is not None and data.kind == "column" and self._means_rows(data):
            data = Item("row", data.said, data.first, data.last)
        phrase = self._phrase(place)
        if phrase is not None and data is not None:
            longer = data.last - place >= 1 and data.last >= phrase.last
            if longer or self._wins(data, phrase, before):
                return data
            return phrase
        item = data or phrase
        if item is not None:
            return item
        return self._plain(place)

    def _means_rows(self, data: Item) -> bool:
        """Return whether a name of a column means the rows: "how many events per plan"."""
        if data.first != data.last or self.tokens[data.first].quoted:
            return False
        words = [Word(index, token.text, token.stem) for index, token in enumerate(self.tokens)]
        return data.first in row_words(words, self.profile, row_nouns(self.profile))

    def _span(self, place: int, length: int) -> str:
        return " ".join(token.text for token in self.tokens[place : place + length])

    def _quotes(self, place: int) -> Item:
        text = self.tokens[place].quoted
        last = place
        while (
            last + 1 < len(self.tokens)
            and self.tokens[last + 1].quoted == text
            and not self.tokens[last + 1].starts
        ):
            last += 1
        for column in self.profile.columns:
            if column.name.strip().casefold() == text.strip().casefold():
                return Item("column", text, place, last, column=column)
        data = self._data(place)
        if data is not None and data.last == last:
            return data
        return Item("unknown", text, place, last)

    # --- names and values of the data ------------------------------------------------------

    def _data(self, place: int) -> Item | None:
        """Return the longest name or value that starts here; a name wins over a value as long."""
        for length in range(min(_LONGEST, len(self.tokens) - place), 0, -1):
            stems = tuple(token.stem for token in self.tokens[place : place + length])
            said = self._span(place, length)
            last = place + length - 1
            looked = self._looked_up(said, place, last)
            if looked is not None:
                return looked
            columns = self._columns(stems, said)
            values = self._values(stems, said)
            if columns and values and length == 1 and said in {v for _, vs in values for v in vs}:
                exact = any(column.name == said for column in columns)
                low = self.tokens[place - 1].text.casefold() if place else ""
                columns = columns if (exact or said.islower()) and low not in _SAYS_SO else []
            if len(columns) == 1:
                whole = stems in _name_parts(columns[0].name)
                return Item("column", said, place, last, column=columns[0], whole=whole)
            if len(columns) > 1:
                self.doubt = self.doubt or _either(said, [column.name for column in columns])
                return Item("unknown", said, place, last)
            if values:
                return self._value_item(values, said, place, last)
        return None

    def _looked_up(self, said: str, place: int, last: int) -> Item | None:
        for phrase, name, value, whole in self.found:
            column = next((c for c in self.profile.columns if c.name == name), None)
            if phrase == said and column is not None:
                return Item("value", said, place, last, column=column, values=(value,), whole=whole)
        return None

    def _value_item(
        self, values: list[tuple[ColumnProfile, tuple[str, ...]]], said: str, place: int, last: int
    ) -> Item:
        if len(values) > 1:
            near = self._named_beside(place, last)
            chosen = [one for one in values if one[0].name in (near, *self.choices)]
            values = chosen if len(chosen) == 1 else values
        if len(values) > 1:
            self.doubt = self.doubt or _either(said, [column.name for column, _ in values])
            return Item("unknown", said, place, last)
        (column, found), *_ = values
        return Item("value", said, place, last, column=column, values=found)

    def _named_beside(self, first: int, last: int) -> str:
        """Return the column that is named right before or after a value ("state ME")."""
        for column in self.profile.columns:
            tokens, _ = _name_parts(column.name)
            for start in (first - len(tokens), first - len(tokens) - 1, last + 1):
                beside = tuple(
                    t.stem for t in self.tokens[max(start, 0) : max(start, 0) + len(tokens)]
                )
                if start >= 0 and beside == tokens:
                    return column.name
        return ""

    def _columns(self, stems: tuple[str, ...], said: str) -> list[ColumnProfile]:
        exact, named, part = [], [], []
        for column in self.profile.columns:
            for name in names_of(column):
                tokens, parts = _name_parts(name)
                joined = ("".join(tokens),) if len(tokens) > 1 else ()
                if said == name:
                    exact.append(column)
                elif stems in (tokens, parts, joined):
                    named.append(column)
                elif _inside(stems, tokens) or _means(stems, tokens, column):
                    part.append(column)
        exact, named = _once(exact), _once(named)
        if exact or named:
            return exact if len(exact) == 1 else named or exact
        part = _once(part)
        weak = all(one in english_words() or one in GENERIC or len(one) < 3 for one in stems)
        return part if len(part) == 1 and not weak and not self._is_row(stems) else []

    def _is_row(self, stems: tuple[str, ...]) -> bool:
        return len(stems) == 1 and stems[0] in self.nouns

    def _values(
        self, stems: tuple[str, ...], said: str
    ) -> list[tuple[ColumnProfile, tuple[str, ...]]]:
        found = []
        low = said.casefold()
        for column in self.profile.columns:
            if column.kind != "text" or is_date(column):
                continue
            texts = [one.value for one in column.top if one.value.strip()]
            same = [text for text in texts if text == said]
            same = same or [text for text in texts if text.casefold() == low and len(text) > 2]
            same = same or [text for text in texts if value_tokens(text) == stems and len(text) > 2]
            if not same and len(stems) == 1:
                meant = value_words(stems[0], column)
                same = [text for text in texts if text.casefold() in meant]
            if same:
                found.append((column, tuple(same)))
        return found

    # --- data or English? -------------------------------------------------------------------

    def _wins(self, data: Item, phrase: Item, before: Sequence[Item]) -> bool:
        """Return whether one word that is English and a name or value is here the latter."""
        token = self.tokens[data.first]
        if token.quoted:
            return True
        spelled = data.said in (*data.values, data.column.name if data.column else "")
        shouted = all(t.text.upper() == t.text for t in self.tokens)
        capital = data.said[:1].isupper() and spelled and not shouted
        acronym = data.said.isupper() and len(data.said) > 1
        if capital and data.first == 0 and data.kind == "column" and phrase.kind in _OPERATIONS:
            self.doubt = (
                f"“{data.said}” can be the column `{data.said}` or what is computed: begin with "
                "“total”, “average” or “number of”."
            )
        if capital and (data.first > 0 or acronym):
            return True
        last = before[-1] if before else None
        bare = [one for one in before if one.kind not in ("be", "filler", "of")]
        if data.kind == "value":
            own = data.column
            beside = bool(bare) and bare[-1].column == own and bare[-1].kind == "column"
            after = self._data(data.last + 1) if data.last + 1 < len(self.tokens) else None
            beside = beside or (
                after is not None and after.kind == "column" and after.column == own
            )
            if beside:
                return True
            if data.said.casefold() in _TINY:
                return False
            following = self.tokens[data.last + 1] if data.last + 1 < len(self.tokens) else None
            ends = following is None or following.text.casefold() in _AFTER_VALUE
            if last is not None and last.kind in ("be", "not") and ends:
                return True
            return following is not None and following.stem in self.nouns
        if data.said.casefold() in _TINY or phrase.last > data.last:
            return False
        again = self.tokens[data.last + 1] if data.last + 1 < len(self.tokens) else None
        if again is not None and again.stem == token.stem:
            return False  # "total Total": the second one is the column
        if phrase.kind in ("filler", "row", "grain"):
            return True
        return bool(bare) and bare[-1].kind in ("statistic", "by", "which", "extreme", "distinct")

    # --- English ----------------------------------------------------------------------------

    def _phrase(self, place: int) -> Item | None:
        phrases = _phrases()
        for length in range(min(_LONGEST, len(self.tokens) - place), 0, -1):
            span = self.tokens[place : place + length]
            said = tuple(token.text.casefold().replace("’", "'") for token in span)
            kinds = phrases.get(said)
            if kinds is not None and not any(token.quoted for token in span):
                kind, what = kinds[0]
                return Item(kind, " ".join(said), place, place + length - 1, what)
        return None

    def _plain(self, place: int) -> Item:
        token = self.tokens[place]
        low = token.text.casefold()
        if _DATE.fullmatch(low):
            return Item("date", token.text, place, place, what=low)
        number = _number(low)
        if number is None and low in NUMBER_WORDS:
            number = float(NUMBER_WORDS[low])
        if number is not None:
            return Item("number", token.text, place, place, number=number)
        if low in MONTHS:
            return Item("name of month", token.text, place, place, number=MONTHS.index(low) + 1.0)
        if re.fullmatch("q[1-4]", low):
            return Item("name of quarter", token.text, place, place, number=float(low[1]))
        if token.stem in self.nouns:
            return Item("row", token.text, place, place)
        return Item("unknown", token.text, place, place)


_PART = re.compile(r"[^\W_]+")
_OPERATIONS = ("statistic", "count", "extreme", "share", "distinct")
_TINY = frozenset(
    "a an the of in on at for to from by is are was were be it me us my or and as no i we".split()
)
"""Words of grammar that are a name or a value only as the data spell it, or beside its column."""
_SAYS_SO = frozenset("is are was were not be being".split())
_AFTER_VALUE = frozenset("by per for in at on and or where with each across".split())


def _number(text: str) -> float | None:
    plain = text.replace(",", "").replace("−", "-")
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", plain, re.ASCII) or len(plain) > 15:
        return None
    return float(plain)


@lru_cache(maxsize=8192)
def _name_parts(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the compared words of a name without its unit, and all of them."""
    return name_tokens(name), tuple(stem(part) for part in _PART.findall(name))


def _once(columns: list[ColumnProfile]) -> list[ColumnProfile]:
    return list({column.name: column for column in columns}.values())


def _means(stems: tuple[str, ...], tokens: tuple[str, ...], column: ColumnProfile) -> bool:
    """Return whether a word stands for a name of one word ("maker", "make")."""
    return len(tokens) == len(stems) == 1 and stems[0] in token_forms(tokens[0], column)


def _inside(stems: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
    size = len(stems)
    return size < len(tokens) and any(
        tokens[i : i + size] == stems for i in range(len(tokens) - size + 1)
    )


def _either(said: str, names: Sequence[str]) -> str:
    listed = " or ".join(f"`{name}`" for name in names[:4])
    return f"“{said}” can mean {listed}: name the column beside it."


@lru_cache(maxsize=8192)
def value_tokens(value: str) -> tuple[str, ...]:
    """Return the compared words of a value of text."""
    return tuple(stem(token.text) for token in tokens_of(value))


_PEOPLE = frozenset("age gender sex surname birthday birthdate".split())


@cache
def _people(names: tuple[str, ...]) -> bool:
    tokens = {token for name in names for token in name_tokens(name)}
    return bool(tokens & _PEOPLE) or {"first", "last"} <= tokens


def rows_called(profile: DatasetProfile) -> frozenset[str]:
    """Return the stems that mean a row: from the table's name, its key, and what it describes."""
    nouns = set(row_nouns(profile))
    rows = profile.dataset.rows or 0
    for column in profile.columns:
        tokens = name_tokens(column.name)
        if (
            len(tokens) == 2
            and tokens[1] in ("id", "no", "number", "key")
            and column.distinct == rows > 1
        ):
            nouns.add(tokens[0])
    if _people(tuple(column.name for column in profile.columns)):
        nouns |= {"person", "individual"}
    return frozenset(nouns - {"data", "table", "file"})


def unknown(items: Sequence[Item]) -> Iterator[Item]:
    """Yield the items that neither the data nor the closed lists know."""
    return (item for item in items if item.kind == "unknown")

"""The token table: each value of the data that was met gets a token, always the same one.

A text is taken apart into words: everything between blanks and ASCII punctuation. A word stays if
it is a known name; every other word and every number becomes a token. So whatever code prints of
the data, in whatever layout, no word of it travels. Blanks and punctuation do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from analyst_kernel.agent.privacy.literals import TOKEN, in_text

_ATOM = r"[^\s!-/:-@\[-^`{-~‘’‚“”„«»‹›…–—「」『』、。，：；？！（）]"
WORD = re.compile(
    rf"{_ATOM}+(?:(?:[./:@&+\-\\]{{1,3}}|(?<=\w)['’](?=\w)|(?<=[0-9]),(?=[0-9]{{3}}(?![0-9])))"
    rf"{_ATOM}+)*"
)
"""A word: a number, a date, an address and a name with an apostrophe are each one."""

_WRITTEN_NUMBER = re.compile(r"[0-9][0-9.,]*[0-9]|[0-9]")
_JOINTS = re.compile(r"[./:@&+\-\\]+")
_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NAME = re.compile(r"[^\W\d]\w*")
_SHORT = 3
"""Shorter words that a model wrote do not count: by single letters it could read any value."""
_MARKS = re.compile("[⟦⟧]")

Note = Callable[[str, str], None]
"""Keeps a new line of the table: its kind (``value``, ``word``) and its text."""


def is_number(text: str) -> bool:
    """Return whether a text is written as a number."""
    return _NUMBER.fullmatch(text) is not None


def words_in(text: str) -> list[str]:
    """Return the words of a text, in order."""
    return WORD.findall(text)


class Phrases:
    """Texts of one or more words, found where they stand as a whole."""

    def __init__(self) -> None:
        self._by_word: dict[str, dict[str, str | None]] = {}

    def put(self, phrase: str, shown: str | None = None) -> None:
        """Add a phrase; ``shown`` is what takes its place, None if it stays."""
        found = WORD.search(phrase)
        if found is not None:
            self._by_word.setdefault(found[0].casefold(), {})[phrase] = shown

    def at(self, text: str, word: re.Match[str], after: int) -> tuple[int, int, str | None] | None:
        """Return start, end and replacement of the longest phrase whose first word is ``word``."""
        best: tuple[int, int, str | None] | None = None
        for phrase, shown in self._by_word.get(word[0].casefold(), {}).items():
            first = WORD.search(phrase)
            assert first is not None
            start = word.start() - first.start()
            end = start + len(phrase)
            if start < after or not text.startswith(phrase, start):
                continue
            if end < len(text) and re.match(_ATOM, phrase[-1]) and re.match(_ATOM, text[end]):
                continue
            if best is None or end > best[1]:
                best = (start, end, shown)
        return best


class UserValues:
    """The values of the data that stand in the user's words, however the user wrote them."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, values: Iterable[str], texts: Sequence[str]) -> None:
        """Add values. A number counts in each of its forms that a text has (``4,201``)."""
        numbers = {_amount(value): value for value in values if _amount(value) is not None}
        for text in texts:
            for written in _WRITTEN_NUMBER.findall(text):
                value = numbers.get(_amount(written))
                if value is not None and len(written) >= _SHORT:
                    self._values[written] = written
        self._values |= {value.casefold(): value for value in values}
        longest = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest)) or r"(?!)", re.IGNORECASE)

    def split(self, text: str) -> Iterator[tuple[str, str | None]]:
        """Yield the parts of a text, each with the value that it is, if it is one."""
        at = start = 0
        while self._pattern is not None:
            found = self._pattern.search(text, start)
            if found is None:
                break
            start = found.start() + 1
            if _within_word(text, found.start(), found.end()):
                continue
            yield text[at : found.start()], None
            yield found[0], self._values.get(found[0].casefold(), found[0])
            at = start = found.end()
        yield text[at:], None


def _amount(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _within_word(text: str, start: int, end: int) -> bool:
    """Return whether a part of a text only is a part of a word, in scripts that have blanks."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return (_spelled(before) and _spelled(text[start])) or (
        _spelled(after) and _spelled(text[end - 1])
    )


def _spelled(mark: str) -> bool:
    return mark.isalnum() and mark < "\u0e00"


@dataclass(frozen=True, slots=True)
class Readable:
    """What stays readable in a text of one kind.

    Attributes:
        words: Words that stay.
        written: Whether words that the model itself wrote stay.
        before_values: Whether ``words`` stay even where one is a value of the data.
        places: Places of numbers and ids that stay, by pattern.
    """

    words: frozenset[str]
    written: bool = True
    before_values: bool = False
    places: re.Pattern[str] | None = None


@dataclass(eq=False)
class TokenTable:
    """Values and their tokens; it never leaves this machine.

    Attributes:
        note: Called with each new entry, so that it can be kept.
        names: Names of datasets and columns, which stay wherever they stand.
        written: Words that the model wrote, which are no news to it.
        user_words: Words of the user that are no values of the data.
    """

    note: Note = lambda kind, text: None
    names: Phrases = field(default_factory=Phrases)
    written: set[str] = field(default_factory=set)
    user_words: set[str] = field(default_factory=set)
    _values: list[str] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)
    _words: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._phrases = Phrases()

    def load(self, entries: Iterable[tuple[str, str]]) -> None:
        """Take in entries that were kept earlier, in their order."""
        for kind, text in entries:
            if kind == "value":
                self._add(text)
            elif kind == "word":
                self.written.add(text)

    def token(self, value: str) -> str:
        """Return the token of a value."""
        token = self._tokens.get(value)
        if token is None:
            token = self._add(value)
            self.note("value", value)
        return token

    def value_of(self, name: str) -> str | None:
        """Return the value of a token by its name (``v17``)."""
        number = int(name[1:])
        if not 1 <= number <= len(self._values):
            return None
        value = self._values[number - 1]
        return value if name[0] == _kind(value) else None

    def restore(self, text: str) -> str:
        """Return a text of the model with the real values."""
        return in_text(text, self.value_of)

    def learn_written(self, text: str) -> None:
        """Note the words of a text that the model wrote, tokens left out."""
        for word in _NAME.findall(TOKEN.sub(" ", text)):
            if word not in self.written and word not in self._words:
                self.written.add(word)
                self.note("word", word)

    def mask(self, text: str, readable: Readable) -> str:
        """Return a text with a token for every word that is not readable."""
        places = [m.span() for m in readable.places.finditer(text)] if readable.places else []
        parts: list[str] = []
        at = 0
        while (word := WORD.search(text, at)) is not None:
            start, end, shown = self._shown(text, word, at, readable, places)
            parts += [text[at:start], shown]
            at = end
        parts.append(text[at:])
        return "".join(parts)

    def _shown(
        self,
        text: str,
        word: re.Match[str],
        after: int,
        readable: Readable,
        places: list[tuple[int, int]],
    ) -> tuple[int, int, str]:
        """Return start and end of what ``word`` belongs to, and what is shown of it."""
        start, end = word.span()
        named = self.names.at(text, word, after)
        if named is not None:
            return named[0], named[1], text[named[0] : named[1]]
        if any(first <= start and end <= last for first, last in places):
            # A longer number that is a value may have come back in a text of the model's.
            is_value = word[0] in self._tokens and len(word[0]) >= _SHORT
            if not _MARKS.search(word[0]) and not is_value:
                return start, end, word[0]
        if not (readable.before_values and word[0] in readable.words):
            value = self._phrases.at(text, word, after)
            if value is not None and value[2] is not None:
                return value[0], value[1], value[2]
        return start, end, word[0] if self._stays(word[0], readable) else self.token(word[0])

    def _stays(self, word: str, readable: Readable) -> bool:
        if _MARKS.search(word):
            return False  # it would be read as a token
        if self._is_readable(word, readable):
            return True
        pieces = [piece for piece in _JOINTS.split(word) if piece]
        return len(pieces) > 1 and all(self._is_readable(piece, readable) for piece in pieces)

    def _is_readable(self, word: str, readable: Readable) -> bool:
        if word in readable.words:
            return True
        if word in self._tokens:
            return False
        return readable.written and len(word) >= _SHORT and word in self.written

    def mask_name(self, name: str, readable: Readable) -> str:
        """Return the name of a variable or column; one that the model itself wrote stays."""
        return name if name in self.written else self.mask(name, readable)

    def _add(self, value: str) -> str:
        self._values.append(value)
        token = f"⟦{_kind(value)}{len(self._values)}⟧"
        self._tokens[value] = token
        if WORD.fullmatch(value):
            self._words.add(value)
        self._phrases.put(value, token)
        return token


def _kind(value: str) -> str:
    return "n" if is_number(value) else "v"

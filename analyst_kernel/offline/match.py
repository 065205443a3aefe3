"""Find the columns and values of one dataset that a question names.

Pure: a question's words and a profile in, mentions out. It never picks between equal matches; those
come back as a tie for the caller to ask about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import snowballstemmer

from analyst_kernel._text import nearest
from analyst_kernel.offline.column_roles import row_nouns, row_words
from analyst_kernel.offline.words import (
    GENERIC,
    GUARDED,
    STOP,
    Form,
    Word,
    name_tokens,
    names_of,
    partial_words,
    stem,
    token_forms,
    value_words,
    words_beside,
)
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile


@dataclass(frozen=True, slots=True)
class Mention:
    """A column that the question names, and with which words (their indices)."""

    column: ColumnProfile
    words: frozenset[int]

    @property
    def first(self) -> int:
        """Index of its first word."""
        return min(self.words)


@dataclass(frozen=True, slots=True)
class Tie:
    """Words that fit several columns equally well."""

    words: frozenset[int]
    columns: tuple[ColumnProfile, ...]


@dataclass(frozen=True, slots=True)
class ValueMention:
    """Values of one column that the question names, and with which words (their indices)."""

    column: ColumnProfile
    words: frozenset[int]
    values: tuple[str, ...]
    whole: bool = True  # else the values contain the one text in ``values``
    denied: bool = False  # the question rules them out


@dataclass(slots=True)
class Matches:
    """All that was found, with the words that are spoken for."""

    columns: list[Mention] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)
    values: list[ValueMention] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A column that free words may name.

    The rank compares, in this order: the whole name (2), a part of it (1) or a word that fits in
    part (0); how many words it explains; whether they are the name's own words and no synonyms; and
    whether they are spelt like the name.
    """

    column: ColumnProfile
    words: frozenset[int]
    rank: tuple[int, int, int, int]


def complete_values(column: ColumnProfile) -> bool:
    """Return whether the profile lists every value of the column."""
    return len(column.top) >= column.distinct > 0


def match(words: Sequence[Word], profile: DatasetProfile, choices: Sequence[str] = ()) -> Matches:
    """Match a question's words against a profile; ``choices`` are columns that win ties."""
    matcher = _Matcher(words, profile, row_nouns(profile), choices)
    found = matcher.run()
    fixed, notes = matcher.respelt()
    if notes:
        found = _Matcher(fixed, profile, matcher.nouns, choices).run()
        found.notes += notes
    return found


_INTRODUCES = frozenset("of by per each column which mean".split())
_NEVER_A_COLUMN = frozenset("the each all row data it a an how in dataset which".split())
_KIND = frozenset({"type", "kind"})

_THINGS = frozenset("unit group case result".split())
"""Words of little meaning which nobody says without need where a column is called so."""


@dataclass(slots=True)
class _Matcher:
    words: Sequence[Word]
    profile: DatasetProfile
    nouns: frozenset[str]  # these mean a row of the dataset, and name no value
    choices: Sequence[str]
    found: Matches = field(default_factory=Matches)

    def run(self) -> Matches:
        self._long_values()
        self.found.used |= row_words(self.words, self.profile, self.nouns)
        self._columns()
        self._value_parts()
        self._single_values()
        return self.found

    def _free(self) -> list[Word]:
        return [word for word in self.words if word.index not in self.found.used]

    # --- columns ------------------------------------------------------------------------

    def _columns(self) -> None:
        # One column is taken per round, the best rated first, because its words are then no longer
        # free: in "city mileage and mileage" the second word must not name the first column again.
        # Every round uses up words, so the loop ends. Equal ratings of the same words are a tie,
        # which only the user can break; of different words, the leftmost is taken first.
        while True:
            rated = [
                candidate
                for column in self.profile.columns
                for name in names_of(column)
                if (candidate := self._rate(name, column)) is not None
            ]
            best = max((candidate.rank for candidate in rated), default=None)
            if best is None:
                return
            equal = {c.column.name: c for c in rated if c.rank == best}
            first = min(equal.values(), key=lambda candidate: min(candidate.words))
            equal = {name: c for name, c in equal.items() if c.words == first.words}
            chosen = [candidate for name, candidate in equal.items() if name in self.choices]
            if len(equal) == 1 or len(chosen) == 1:
                (winner,) = chosen or equal.values()
                if all(mention.column != winner.column for mention in self.found.columns):
                    self.found.columns.append(Mention(winner.column, winner.words))
            else:
                columns = tuple(candidate.column for candidate in equal.values())
                self.found.ties.append(Tie(first.words, columns))
            self.found.used |= first.words

    def _may_name(self, word: Word, column: ColumnProfile) -> bool:
        """Return whether a word may name a column all by itself.

        One that means an intent only may where it is quoted or follows "of", "by", "column"...
        """
        if word.quoted:
            return True
        if word.stem in _THINGS and word.text.casefold() == column.name.casefold():
            return True
        if word.stem in GUARDED or (word.stem in STOP and word.stem != "make"):
            before = self.words[word.index - 1].stem if word.index else ""
            return before in _INTRODUCES and word.stem not in _NEVER_A_COLUMN
        return True

    def _rate(self, name: str, column: ColumnProfile) -> _Candidate | None:
        tokens, words = name_tokens(name), self.words
        if not tokens:
            return None
        free = self._free()
        fitting = [token_forms(token, column) for token in tokens]
        places = [[w.index for w in free if _fits(forms, w)] for forms in fitting]
        cluster = _closest(places) if all(places) else None
        if cluster is not None:
            if len(tokens) == 1 and not self._may_name(words[cluster[0]], column):
                return None
            exact = all(words[i].stem == token for i, token in zip(cluster, tokens, strict=True))
            full = self._with_companions(frozenset(cluster), tokens, column)
            said = " ".join(words[i].text for i in cluster)
            return _Candidate(column, full, (2, len(full), int(exact), int(said == name)))
        return self._joined(tokens, column) or self._partial(tokens, places, column)

    def _joined(self, tokens: Sequence[str], column: ColumnProfile) -> _Candidate | None:
        """Find a name written as one word ("bodymass"), or as two ("time zone")."""
        name = "".join(tokens)
        if len(tokens) > 1:
            one = next((word.index for word in self._free() if word.stem == name), None)
            rank = (2, len(tokens), 0, 0)
            return None if one is None else _Candidate(column, frozenset({one}), rank)
        forms = token_forms(name, column)
        for left, right in pairwise(self.words):
            if left.stem + right.stem in forms:
                both = frozenset({left.index, right.index})
                if not both & self.found.used:
                    return _Candidate(column, both, (2, 2, 0, 0))
        return None

    def _partial(
        self, tokens: Sequence[str], places: Sequence[Sequence[int]], column: ColumnProfile
    ) -> _Candidate | None:
        named = [
            place
            for token, spots in zip(tokens, places, strict=True)
            for place in spots[:1]
            if len(token) > 1 and token not in GENERIC and not token.isdigit()
            if self._may_name(self.words[place], column)
        ]
        if named:
            full = self._with_companions(frozenset(named), tokens, column)
            numbers = frozenset(  # those of the name that stand beside its words ("sensor 010")
                word.index
                for word in self._free()
                if word.text.isdigit() and word.text in tokens
                if {word.index - 1, word.index + 1} & full
            )
            return _Candidate(column, full | numbers, (1, len({*named, *numbers}), 1, 0))
        partial = partial_words(tokens, column)
        weak = [word.index for word in self._free() if word.stem in partial]
        return _Candidate(column, frozenset(weak[:1]), (0, 1, 0, 0)) if weak else None

    def _with_companions(
        self, indices: frozenset[int], tokens: Sequence[str], column: ColumnProfile
    ) -> frozenset[int]:
        """Add the words beside a column's own that only repeat what it is ("model year")."""
        beside, weak = words_beside(tokens, column), partial_words(tokens, column)
        words, used = self.words, self.found.used
        grown = set(indices)
        # From both edges outwards: a word left over would count as unknown, and make a question
        # unclear that names the column twice over. "Type" and "kind" only count after the name.
        for step in (-1, 1):
            edge = (min if step < 0 else max)(grown) + step
            kind = beside | _KIND if step > 0 else beside
            while 0 <= edge < len(words) and edge not in used and words[edge].stem in kind:
                grown.add(edge)
                edge += step
            # "fuel economy in the city": the word that only fits in part, a few small words away.
            while 0 <= edge < len(words) and words[edge].stem in ("in", "the", "of", "on"):
                edge += step
            if 0 <= edge < len(words) and edge not in used and words[edge].stem in weak:
                grown.add(edge)
        return frozenset(grown)

    # --- values -------------------------------------------------------------------------

    def _listed(self) -> Iterator[tuple[ColumnProfile, str]]:
        for column in self.profile.columns:
            if column.kind in ("text", "bool"):
                for item in column.top:
                    if item.value.strip():
                        yield column, item.value

    def _add(self, mention: ValueMention) -> None:
        self.found.values.append(mention)
        self.found.used |= mention.words

    def _long_values(self) -> None:
        """Find values of two words or more, said in full; they win over columns."""
        hits: list[tuple[int, ValueMention]] = []
        stems = tuple(word.stem for word in self.words)
        names = {name_tokens(column.name) for column in self.profile.columns}
        for column, value in self._listed():
            wanted = _value_stems(value)
            if not 2 <= len(wanted) <= 8 or wanted in names:
                continue
            for start in range(len(stems) - len(wanted) + 1):
                if stems[start : start + len(wanted)] == wanted:
                    span = frozenset(range(start, start + len(wanted)))
                    hits.append((len(wanted), ValueMention(column, span, (value,))))
        for _, mention in sorted(hits, key=lambda hit: -hit[0]):
            if not mention.words & self.found.used:
                self._add(mention)

    def _may_be_value(self, word: Word) -> bool:
        return word.index not in self.found.used and word.number is None and not word.direction

    def _value_parts(self) -> None:
        """Find two words side by side that values contain ("sport utility")."""
        means_more = GUARDED | self.nouns | STOP
        for pair in pairwise(self.words):
            if not all(map(self._may_be_value, pair)) or {w.stem for w in pair} & means_more:
                continue
            holding: dict[str, list[str]] = {}
            for column, value in self._listed():
                if (pair[0].stem, pair[1].stem) in pairwise(_value_stems(value)):
                    holding.setdefault(column.name, []).append(value)
            columns = [column for column in self.profile.columns if column.name in holding]
            if columns:
                best = min(columns, key=lambda column: column.distinct)
                text = f"{pair[0].text} {pair[1].text}"
                starts = [value.casefold().find(text.casefold()) for value in holding[best.name]]
                if min(starts) >= 0:
                    text = holding[best.name][0][starts[0] : starts[0] + len(text)]
                    span = frozenset(word.index for word in pair)
                    self._add(ValueMention(best, span, (text,), whole=False))

    def _single_values(self) -> None:
        means_more = GUARDED | self.nouns | STOP
        for word in self.words:
            if not self._may_be_value(word) or word.nouns:
                continue
            if word.stem in means_more and not word.quoted:
                continue
            mention = self._value_of(word)
            if mention is not None and mention.values:
                self._add(mention)
            elif mention is not None:
                self.found.used.add(word.index)

    def _value_of(self, word: Word) -> ValueMention | None:
        """Return the values that one word names; none of them where it is in every value."""
        whole: list[ValueMention] = []
        part: list[tuple[int, ValueMention]] = []
        here = frozenset({word.index})
        for column in self.profile.columns:
            if column.kind not in ("text", "bool") or not column.top:
                continue
            values = [item.value for item in column.top if item.value.strip()]
            synonyms = value_words(word.stem, column)
            same = [value for value in values if _same(word, value)]
            same = same or [value for value in values if value.casefold() in synonyms]
            if same:
                whole.append(ValueMention(column, here, tuple(same)))
                continue
            holding = [value for value in values if _holds(word, value)]
            if len(holding) == len(values) and (len(values) > 1 or column.distinct == 1):
                part.append((-1, ValueMention(column, here, ())))
            elif len(holding) == 1 and complete_values(column):
                part.append((column.distinct, ValueMention(column, here, (holding[0],))))
            elif holding:
                piece = ValueMention(column, here, (_piece(word, holding),), whole=False)
                part.append((column.distinct, piece))
        if whole:
            return min(whole, key=lambda mention: mention.column.distinct)
        return min(part, key=lambda rated: rated[0])[1] if part else None

    # --- misspelt -----------------------------------------------------------------------

    def respelt(self) -> tuple[tuple[Word, ...], list[str]]:
        """Read words that nearly are a column's or value's word as that word, and say so."""
        known: set[str] = set()
        for column in self.profile.columns:
            for token in (token for name in names_of(column) for token in name_tokens(name)):
                known |= {form for form in token_forms(token, column) if len(form) >= 4}
        for _, value in self._listed():
            known |= {token for token in _value_stems(value)[:2] if len(token) >= 4}
        fixed, notes = list(self.words), []
        for word in self.words:
            if not self._may_be_value(word) or len(word.text) < 4:
                continue
            if word.stem in GUARDED | self.nouns | STOP:
                continue
            near = _nearest(word.text.casefold(), known, name=word.text[:1].isupper())
            if near and near[0] == word.stem[0]:
                fixed[word.index] = Word(word.index, near, stem(near))
                notes.append(f"“{word.text}” was read as “{near}”.")
        return tuple(fixed), notes


def _fits(forms: Form, word: Word) -> bool:
    return word.stem in forms or bool(word.nouns & forms)


def _closest(places: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Pick one distinct place per word of the name, close together (at most six words apart).

    For each place of the first word, the next words take the nearest place that is still free.
    That is not the best choice of all, but names have few words, and trying every combination would
    be slow for a question that repeats them. Of all the choices, the closest together wins.
    """
    best: tuple[int, ...] | None = None
    for start in places[0][:6]:
        chosen = [start]
        for spots in places[1:]:
            free = [spot for spot in spots if spot not in chosen]
            if not free:
                break
            chosen.append(min(free, key=lambda spot: abs(spot - chosen[-1])))
        else:
            spread = max(chosen) - min(chosen)
            if spread <= 6 and (best is None or spread < max(best) - min(best)):
                best = tuple(chosen)
    return best


def _value_stems(value: str) -> tuple[str, ...]:
    return name_tokens(value.replace("(", " ").replace(")", " ").replace("[", " ").lower())


def _same(word: Word, value: str) -> bool:
    if len(value) <= 2:
        return word.text == value
    return word.text.casefold() == value.casefold() or _value_stems(value) == (word.stem,)


def _holds(word: Word, value: str) -> bool:
    """Return whether a value holds the word, or another form of it (electric, electricity)."""
    said = word.stem
    return len(said) >= 3 and any(
        token == said
        or (min(len(token), len(said)) >= 5 and (token.startswith(said) or said.startswith(token)))
        for token in _value_stems(value)
    )


def _piece(word: Word, values: Sequence[str]) -> str:
    """Return the text that all these values share at the word, in their own spelling."""
    low = values[0].casefold()
    start = low.find(word.stem[: max(5, len(word.stem) - 3)].casefold())
    text = values[0][start : start + len(word.stem)] if start >= 0 else word.stem
    return text if all(text.casefold() in value.casefold() for value in values) else word.stem


_STEMMER = snowballstemmer.stemmer("english")


def _nearest(text: str, known: set[str], *, name: bool) -> str:
    """Return the known word with the same stem ("waiting", "wait"), else the one spelt nearest.

    A word with a capital may be a name ("Marketing"), so that only its spelling counts.
    """
    swapped = {text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in range(len(text) - 1)}
    if swapped & known:
        return min(swapped & known)
    root = _STEMMER.stemWord(text)
    same = [word for word in sorted(known) if not name and _STEMMER.stemWord(word) == root]
    return next(iter(same or nearest(text, sorted(known), 1, cutoff=0.84)), "")

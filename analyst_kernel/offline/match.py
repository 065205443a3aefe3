"""Find the columns and values of one dataset that a question names.

Pure: a question's words and a profile in, mentions out. It never picks between equal matches; those
come back as a tie for the caller to ask about.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import snowballstemmer

from analyst_kernel.offline.column_roles import row_words
from analyst_kernel.offline.words import (
    GENERIC,
    STOP,
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
    direction: int = 0

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
    """Values of one column that the question names.

    Attributes:
        column: Whose values.
        words: Indices of the words.
        values: Exact values; with ``whole`` false, one piece of text that the values contain.
        whole: Whether cells equal the values, or only contain the piece of text.
        denied: Whether the question rules them out.
    """

    column: ColumnProfile
    words: frozenset[int]
    values: tuple[str, ...]
    whole: bool = True
    denied: bool = False


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
    column: ColumnProfile
    words: frozenset[int]
    rank: tuple[int, int, int, int]


def complete_values(column: ColumnProfile) -> bool:
    """Whether the profile lists every value of the column."""
    return len(column.top) >= column.distinct > 0


def match(
    words: Sequence[Word],
    profile: DatasetProfile,
    *,
    guarded: frozenset[str],
    nouns: frozenset[str] = frozenset(),
    choices: Sequence[str] = (),
) -> Matches:
    """Match a question's words against a profile.

    Args:
        words: The question's words.
        profile: The dataset.
        guarded: Stems that mean an intent; on their own they name a column only where they are
            quoted or follow "of", "by", "per", "each" or "column".
        nouns: Stems that mean a row of the dataset; they name no value.
        choices: Columns that the person chose before; they win ties.
    """
    found = _match_once(words, profile, guarded, nouns, choices)
    fixed, notes = _respelt(words, profile, guarded | nouns, found)
    if notes:
        found = _match_once(fixed, profile, guarded, nouns, choices)
        found.notes += notes
    return found


def _match_once(
    words: Sequence[Word],
    profile: DatasetProfile,
    guarded: frozenset[str],
    nouns: frozenset[str],
    choices: Sequence[str],
) -> Matches:
    found = Matches()
    _match_long_values(words, profile, found)
    found.used |= row_words(words, profile, nouns)
    _match_columns(words, profile.columns, guarded, choices, found)
    _match_value_parts(words, profile, guarded | nouns, found)
    _match_values(words, profile, guarded | nouns, found)
    return found


_INTRODUCES = frozenset("of by per each column which mean".split())
_NEVER_A_COLUMN = frozenset("the each all row data it a an how in dataset which".split())


_THINGS = frozenset("unit group case result".split())
"""Words of little meaning which nobody says without need where a column is called so."""


def _may_name(
    word: Word, words: Sequence[Word], guarded: frozenset[str], column: ColumnProfile
) -> bool:
    """Whether a word may name a column all by itself."""
    if word.quoted:
        return True
    if word.stem in _THINGS and word.text.casefold() == column.name.casefold():
        return True
    if word.stem in guarded or (word.stem in STOP and word.stem != "make"):
        before = words[word.index - 1].stem if word.index else ""
        return before in _INTRODUCES and word.stem not in _NEVER_A_COLUMN
    return True


def _match_columns(
    words: Sequence[Word],
    columns: Sequence[ColumnProfile],
    guarded: frozenset[str],
    choices: Sequence[str],
    found: Matches,
) -> None:
    # One column is taken per round, the best rated first, because its words are then no longer
    # free: in "city mileage and mileage" the second word must not name the first column again.
    # Every round uses up words, so the loop ends. Equal ratings of the same words are a tie, which
    # only the user can break; equal ratings of different words are two mentions, leftmost first.
    while True:
        candidates = [
            candidate
            for column in columns
            if (candidate := _candidate(column, words, guarded, found.used)) is not None
        ]
        if not candidates:
            return
        best = max(candidate.rank for candidate in candidates)
        equal = [candidate for candidate in candidates if candidate.rank == best]
        first = min(equal, key=lambda candidate: min(candidate.words))
        equal = [candidate for candidate in equal if candidate.words == first.words]
        chosen = [candidate for candidate in equal if candidate.column.name in choices]
        if len(equal) == 1 or len(chosen) == 1:
            winner = (chosen or equal)[0]
            if all(mention.column != winner.column for mention in found.columns):
                found.columns.append(
                    Mention(winner.column, winner.words, _direction(winner.words, words))
                )
        else:
            found.ties.append(Tie(first.words, tuple(candidate.column for candidate in equal)))
        found.used |= first.words


def _direction(indices: Iterable[int], words: Sequence[Word]) -> int:
    return next((words[i].direction for i in sorted(indices) if words[i].direction), 0)


def _candidate(
    column: ColumnProfile, words: Sequence[Word], guarded: frozenset[str], used: set[int]
) -> _Candidate | None:
    """Rate how well the free words name a column, by its best name."""
    rated = (_rate(name, column, words, guarded, used) for name in names_of(column))
    return max(filter(None, rated), key=lambda candidate: candidate.rank, default=None)


def _rate(
    name: str,
    column: ColumnProfile,
    words: Sequence[Word],
    guarded: frozenset[str],
    used: set[int],
) -> _Candidate | None:
    """Rate how well the free words name a column of this name.

    The rank compares, in this order: the whole name (2), a part of it (1) or a word that fits in
    part (0); how many words it explains; whether they are the name's own words and no synonyms; and
    whether they are spelt like the name.
    """
    tokens = name_tokens(name)
    if not tokens:
        return None
    places = [
        [w.index for w in words if w.index not in used and _fits(token, w, column)]
        for token in tokens
    ]
    if all(places):
        cluster = _closest(places)
        if cluster is not None:
            own = [words[i] for i in cluster]
            if len(tokens) == 1 and not _may_name(own[0], words, guarded, column):
                return None
            exact = all(words[i].stem == token for i, token in zip(cluster, tokens, strict=True))
            full = _with_companions(frozenset(cluster), tokens, words, used, column)
            said = " ".join(word.text for word in own)
            return _Candidate(column, full, (2, len(full), int(exact), int(said == name)))
    joined = _joined(column, tokens, words, used)
    if joined is not None:
        return joined
    return _partial(column, tokens, places, words, guarded, used)


def _partial(
    column: ColumnProfile,
    tokens: Sequence[str],
    places: Sequence[Sequence[int]],
    words: Sequence[Word],
    guarded: frozenset[str],
    used: set[int],
) -> _Candidate | None:
    telling = [
        place
        for token, spots in zip(tokens, places, strict=True)
        for place in spots[:1]
        if len(token) > 1 and token not in GENERIC and not token.isdigit()
        if _may_name(words[place], words, guarded, column)
    ]
    if telling:
        full = _with_companions(frozenset(telling), tokens, words, used, column)
        numbers = _numbers_beside(full, tokens, words, used)
        return _Candidate(column, full | numbers, (1, len({*telling, *numbers}), 1, 0))
    partial = partial_words(tokens, column)
    weak = [word.index for word in words if word.index not in used and word.stem in partial]
    return _Candidate(column, frozenset(weak[:1]), (0, 1, 0, 0)) if weak else None


def _joined(
    column: ColumnProfile, tokens: Sequence[str], words: Sequence[Word], used: set[int]
) -> _Candidate | None:
    """Find a name written as one word ("bodymass"), or one word written as two ("time zone")."""
    name = "".join(tokens)
    for word in words:
        if len(tokens) > 1 and word.index not in used and word.stem == name:
            return _Candidate(column, frozenset({word.index}), (2, len(tokens), 0, 0))
    for left, right in pairwise(words):
        both = frozenset({left.index, right.index})
        if len(tokens) == 1 and not both & used:
            if left.stem + right.stem in token_forms(name, column):
                return _Candidate(column, both, (2, 2, 0, 0))
    return None


def _numbers_beside(
    indices: frozenset[int], tokens: Sequence[str], words: Sequence[Word], used: set[int]
) -> frozenset[int]:
    """Add numbers of a name that stand beside its words ("sensor 010")."""
    return frozenset(
        word.index
        for word in words
        if word.text.isdigit() and word.text in tokens and word.index not in used
        if {word.index - 1, word.index + 1} & indices
    )


def _fits(token: str, word: Word, column: ColumnProfile) -> bool:
    forms = token_forms(token, column)
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


_KIND = frozenset({"type", "kind"})


def _with_companions(
    indices: frozenset[int],
    tokens: Sequence[str],
    words: Sequence[Word],
    used: set[int],
    column: ColumnProfile,
) -> frozenset[int]:
    """Add the words beside a column's own that only repeat what it is ("model year")."""
    beside, weak = words_beside(tokens, column), partial_words(tokens, column)
    grown = set(indices)
    # From both edges outwards: a word left over would count as unknown, and make a question unclear
    # that names the column twice over. "Type" and "kind" only count after the name ("fuel type").
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


# --- values -----------------------------------------------------------------------------


def _value_stems(value: str) -> tuple[str, ...]:
    return name_tokens(value.replace("(", " ").replace(")", " ").replace("[", " ").lower())


def _listed(profile: DatasetProfile) -> Iterable[tuple[ColumnProfile, str]]:
    for column in profile.columns:
        if column.kind in ("text", "bool"):
            for item in column.top:
                if item.value.strip():
                    yield column, item.value


def _match_long_values(words: Sequence[Word], profile: DatasetProfile, found: Matches) -> None:
    """Find values of two words or more, said in full; they win over columns."""
    hits: list[tuple[int, ColumnProfile, str, frozenset[int]]] = []
    stems = [word.stem for word in words]
    names = {name_tokens(column.name) for column in profile.columns}
    for column, value in _listed(profile):
        wanted = _value_stems(value)
        if not 2 <= len(wanted) <= 8 or wanted in names:
            continue
        for start in range(len(stems) - len(wanted) + 1):
            if tuple(stems[start : start + len(wanted)]) == wanted:
                span = frozenset(range(start, start + len(wanted)))
                hits.append((len(wanted), column, value, span))
    for _, column, value, span in sorted(hits, key=lambda hit: -hit[0]):
        if not span & found.used:
            found.values.append(ValueMention(column, span, (value,)))
            found.used |= span


def _match_value_parts(
    words: Sequence[Word], profile: DatasetProfile, guarded: frozenset[str], found: Matches
) -> None:
    """Find two words side by side that values contain ("sport utility")."""
    for left, right in pairwise(words):
        pair = (left, right)
        if any(w.index in found.used or w.number is not None or w.direction for w in pair):
            continue
        if any(w.stem in guarded or w.stem in STOP for w in pair):
            continue
        holding: dict[str, list[str]] = {}
        for column, value in _listed(profile):
            stems = _value_stems(value)
            if (left.stem, right.stem) in pairwise(stems):
                holding.setdefault(column.name, []).append(value)
        columns = [column for column in profile.columns if column.name in holding]
        if columns:
            best = min(columns, key=lambda column: column.distinct)
            text = f"{left.text} {right.text}"
            span = frozenset({left.index, right.index})
            low = [value.casefold().find(text.casefold()) for value in holding[best.name]]
            if min(low) < 0:
                continue
            start = low[0]
            text = holding[best.name][0][start : start + len(text)]
            found.values.append(ValueMention(best, span, (text,), whole=False))
            found.used |= span


def _match_values(
    words: Sequence[Word], profile: DatasetProfile, guarded: frozenset[str], found: Matches
) -> None:
    for word in words:
        if word.index in found.used or word.number is not None or word.nouns or word.direction:
            continue
        if word.stem in STOP and not word.quoted:
            continue
        if word.stem in guarded and not word.quoted:
            continue
        mention = _value_of(word, profile)
        if mention is None:
            continue
        if mention.values:
            found.values.append(mention)
        found.used.add(word.index)


def _value_of(word: Word, profile: DatasetProfile) -> ValueMention | None:
    """Return the values that one word names; a mention without values when it tells nothing."""
    whole: list[ValueMention] = []
    part: list[tuple[int, ValueMention]] = []
    here = frozenset({word.index})
    for column in profile.columns:
        if column.kind not in ("text", "bool") or not column.top:
            continue
        values = [item.value for item in column.top if item.value.strip()]
        same = [value for value in values if _same(word, value)]
        if not same:
            synonyms = value_words(word.stem, column)
            same = [value for value in values if value.casefold() in synonyms]
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


def _same(word: Word, value: str) -> bool:
    if len(value) <= 2:
        return word.text == value
    return word.text.casefold() == value.casefold() or _value_stems(value) == (word.stem,)


def _holds(word: Word, value: str) -> bool:
    """Whether one of a value's words is the word, or a longer form (electric, electricity)."""
    if len(word.stem) < 3:
        return False
    for token in _value_stems(value):
        if token == word.stem:
            return True
        if min(len(token), len(word.stem)) >= 5 and (
            token.startswith(word.stem) or word.stem.startswith(token)
        ):
            return True
    return False


def _piece(word: Word, values: Sequence[str]) -> str:
    """Return the text that all these values share at the word, in their own spelling."""
    low = values[0].casefold()
    start = low.find(word.stem[: max(5, len(word.stem) - 3)].casefold())
    text = values[0][start : start + len(word.stem)] if start >= 0 else word.stem
    return text if all(text.casefold() in value.casefold() for value in values) else word.stem


# --- misspelt ---------------------------------------------------------------------------


def _respelt(
    words: Sequence[Word], profile: DatasetProfile, guarded: frozenset[str], found: Matches
) -> tuple[tuple[Word, ...], list[str]]:
    """Read words that nearly are a column's or value's word as that word, and say so."""
    known: set[str] = set()
    for column in profile.columns:
        for token in (token for name in names_of(column) for token in name_tokens(name)):
            known |= {form for form in token_forms(token, column) if len(form) >= 4}
    for _, value in _listed(profile):
        known |= {token for token in _value_stems(value)[:2] if len(token) >= 4}
    fixed = list(words)
    notes = []
    for word in words:
        skip = word.index in found.used or word.number is not None or len(word.text) < 4
        if skip or word.stem in guarded | STOP or word.direction:
            continue
        near = _nearest(word.text.casefold(), known, name=word.text[:1].isupper())
        if near and near[0] == word.stem[0]:
            fixed[word.index] = Word(word.index, near, stem(near))
            notes.append(f"“{word.text}” was read as “{near}”.")
    return tuple(fixed), notes


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
    return next(iter(same or difflib.get_close_matches(text, sorted(known), n=1, cutoff=0.84)), "")

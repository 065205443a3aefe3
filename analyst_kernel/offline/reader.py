"""Read a question against one dataset: what is asked for, of which columns, under which conditions.

Pure. Every word has to be explained by the data or by the vocabulary; a word that is not makes the
question unclear, because leaving it out would answer another question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyst_kernel.offline.checks import currencies, left_out, too_large
from analyst_kernel.offline.column_roles import foreign_rows, row_nouns
from analyst_kernel.offline.filters import DENY, condition_of, deny, find_filters, flag_filters
from analyst_kernel.offline.intent import classify
from analyst_kernel.offline.ledger import not_used
from analyst_kernel.offline.match import Matches, Tie, ValueMention, complete_values, match
from analyst_kernel.offline.roles import Parts, asked_number, assign_roles, is_stop
from analyst_kernel.offline.sentence.reading import read_strictly
from analyst_kernel.offline.task import AskWhich, DataTask, LookUp, Reading, Ready, Unclear
from analyst_kernel.offline.words import (
    GUARDED,
    Word,
    name_tokens,
    replace_phrases,
    split_words,
    stem,
    tags_of,
    value_words,
)
from analyst_kernel.protocol.datasets import DatasetProfile


@dataclass(frozen=True, slots=True)
class FoundValue:
    """A phrase of the question that a cell found as a value of a column."""

    phrase: str
    column: str
    value: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beyond question and profiles."""

    choices: tuple[str, ...] = ()  # columns and datasets that the user chose
    found: tuple[FoundValue, ...] = ()
    searched: tuple[str, ...] = ()  # phrases that cells looked for, found or not


NOTHING_KNOWN = Known()


def read_dataset(
    question: str,
    profile: DatasetProfile,
    known: Known = NOTHING_KNOWN,
    *,
    others: Sequence[DatasetProfile] = (),
) -> Reading:
    """Read a question against one dataset. ``others`` are the analysis' other datasets."""
    strict = _strictly(question, profile, known, others=others)
    if isinstance(strict, Ready | Unclear | AskWhich):
        return strict
    loose = _loosely(question, profile, known, others=others)
    if isinstance(strict, LookUp) and isinstance(loose, Unclear) and not others:
        unknown = " ".join(loose.unknown).split()
        if all(set(phrase.split()) <= set(unknown) for phrase in strict.phrases):
            return strict
    return loose


def _strictly(
    question: str,
    profile: DatasetProfile,
    known: Known,
    *,
    others: Sequence[DatasetProfile] = (),
    earlier: Sequence[str] = (),
) -> Reading | None:
    """Read a question by the grammar in which every word has its use; ``None``: it has none."""
    reading = read_strictly(
        question,
        profile,
        found=[(one.phrase, one.column, one.value, one.whole) for one in known.found],
        choices=known.choices,
        searched=known.searched,
        earlier=earlier,
    )
    if not isinstance(reading, Ready):
        return reading
    alike = _alike(profile, others)
    task = replace(reading.task, alike=alike)
    task = replace(task, then=tuple(replace(one, alike=alike) for one in task.then))
    lost = next(
        filter(None, (currencies(one) or too_large(one) for one in task.then or (task,))), ""
    )
    return Unclear(lost, (), reading.weight) if lost else Ready(task, reading.weight)


def _loosely(
    question: str,
    profile: DatasetProfile,
    known: Known,
    *,
    others: Sequence[DatasetProfile] = (),
) -> Reading:
    """Read a question by rules that each look at some of its words; then all are counted."""
    names = frozenset(frozenset(name_tokens(column.name)) for column in profile.columns)
    text = replace_phrases(question, names)
    words = split_words(text)
    nouns = row_nouns(profile)
    matches = match(words, profile, known.choices)
    _apply_found(words, matches, profile, known)
    matches.values, denials = deny(words, matches.values)
    matches.used |= denials
    named = _use_row_nouns(words, matches, profile, others)
    number = asked_number(words, matches)
    tags = tags_of(text, words, matches.used)
    members, conditions = _split_values(matches, words, tags)
    filters, spent = find_filters(words, matches, profile, conditions)
    flags, flagged = flag_filters(matches, words, tags, nouns)
    filters, spent = [*filters, *flags], spent | flagged
    roles = assign_roles(words, matches, profile, spent, matches.values)
    weight = 2 * named + sum(len(mention.words) for mention in matches.columns)
    weight += sum(len(value.words) for value in matches.values)
    foreign = foreign_rows(words, profile, others)
    unknown = [
        word
        for word in words
        if word.index not in matches.used
        if word.index in foreign or not _explained(word, tags)
    ]
    phrases = _phrases(unknown, words)
    parts = Parts(
        text=text,
        words=words,
        tags=tags,
        roles=roles,
        filters=tuple(filters),
        members=members,
        top=number,
        profile=profile,
        others=tuple(others),
        notes=tuple(matches.notes),
        alike=_alike(profile, others),
        ties=bool(matches.ties),
        mentions=tuple(matches.columns),
        denials=denials,
    )
    if _FUTURE.search(text):
        return Unclear("I describe what the data hold; I do not forecast.", (), weight)
    if _WHY.search(text):
        return Unclear("I describe what the data hold; I cannot say why.", (), weight)
    if unknown:
        return _unknown(phrases, unknown, parts, known, weight)
    if matches.ties and not tags & {"profile", "missing"}:
        return _ask(matches.ties[0], weight)
    task = classify(parts)
    lost = task if isinstance(task, str) else left_out(parts, task)
    if not isinstance(task, str) and not lost:
        lost = not_used(parts, task, matches.used)
    if isinstance(task, str) or lost:
        return Unclear(lost, (), weight)
    return Ready(_with_assumptions(task, parts, matches), weight)


_WHY = re.compile(
    r"^\W*(?:and |but |so )?why\b|\bwhy (?:do|does|did|is|are|was|were)\b", re.IGNORECASE
)
_FUTURE = re.compile(r"\bwill\b|\bforecast|\bnext (?:year|month|quarter|week)\b", re.IGNORECASE)


def _alike(profile: DatasetProfile, others: Sequence[DatasetProfile]) -> tuple[str, ...]:
    names = [column.name for column in profile.columns]
    return tuple(
        other.dataset.name for other in others if [column.name for column in other.columns] == names
    )


def _apply_found(
    words: Sequence[Word], matches: Matches, profile: DatasetProfile, known: Known
) -> None:
    columns = {column.name: column for column in profile.columns}
    for found in known.found:
        said = found.phrase.split(" ")
        for start in range(len(words) - len(said) + 1):
            span = words[start : start + len(said)]
            here = frozenset(word.index for word in span)
            same = [word.text for word in span] == said and found.column in columns
            if same and not here & matches.used:
                column = columns[found.column]
                matches.values.append(ValueMention(column, here, (found.value,), found.whole))
                matches.used |= here


def _use_row_nouns(
    words: Sequence[Word],
    matches: Matches,
    profile: DatasetProfile,
    others: Sequence[DatasetProfile],
) -> int:
    """Mark words that mean a row or the dataset itself, and return how many there are."""
    nouns, named = row_nouns(profile), 0
    for word in words:
        if word.stem in nouns or word.text == profile.dataset.name:
            named += word.index not in matches.used or word.stem in nouns
            matches.used.add(word.index)
    if any(word.stem in ("join", "key", "merge", "match") for word in words):
        for other in others:
            nouns = frozenset(name_tokens(other.dataset.name))
            matches.used |= {w.index for w in words if w.stem in nouns}
    return named


def _split_values(
    matches: Matches, words: Sequence[Word], tags: frozenset[str]
) -> tuple[tuple[ValueMention, ...], list[ValueMention]]:
    """Separate values that are compared with each other from values that restrict the rows."""
    if "count" in tags and "compare" not in tags:
        return (), matches.values
    by_column: dict[str, list[ValueMention]] = {}
    for value in matches.values:
        if not value.denied:
            by_column.setdefault(value.column.name, []).append(value)
    for values in by_column.values():
        if len(values) >= 2:
            rest = [v for v in matches.values if v.column != values[0].column or v.denied]
            return tuple(values), rest
    return (), matches.values


_GRAVITY = frozenset({"bad", "badly", "serious", "severe", "big", "often"})
"""Words that ask how much is missing, and nothing else."""


def _explained(word: Word, tags: frozenset[str]) -> bool:
    if word.number is not None or word.nouns:
        return False
    if word.stem in _GRAVITY and tags & {"missing", "profile"}:
        return True
    return bool(word.direction) or word.stem in GUARDED or word.stem in DENY or is_stop(word)


def _phrases(unknown: Sequence[Word], words: Sequence[Word]) -> tuple[str, ...]:
    phrases: list[list[Word]] = []
    for word in unknown:
        if phrases and phrases[-1][-1].index == word.index - 1 and word.text[:1].isupper():
            phrases[-1].append(word)
        else:
            phrases.append([word])
    return tuple(" ".join(word.text for word in phrase) for phrase in phrases)


def _unknown(
    phrases: tuple[str, ...], unknown: Sequence[Word], parts: Parts, known: Known, weight: int
) -> Reading:
    """Look for unknown words as values where that may help; otherwise say that they are unknown."""
    columns = tuple(
        column.name
        for column in parts.profile.columns
        if column.kind == "text" and not complete_values(column) and column.distinct > 0
    )
    searchable = (
        columns
        and len(phrases) <= 2
        and not set(phrases) & set(known.searched)
        and all(word.number is None and not word.nouns and len(word.text) > 1 for word in unknown)
        and not any(
            value_words(word.stem, column) for word in unknown for column in parts.profile.columns
        )
    )
    elsewhere = _elsewhere(unknown, parts)
    if searchable and not elsewhere and not isinstance(classify(replace(parts, assumed=True)), str):
        return LookUp(parts.profile, phrases, columns[:12], weight)
    where = f"`{parts.profile.dataset.name}`"
    if elsewhere:
        return Unclear(elsewhere, phrases, weight)
    said = ", ".join(f"“{phrase}”" for phrase in phrases)
    if any(phrase in known.searched for phrase in phrases):
        reason = f"I looked for {said} in the text columns of {where} and did not find it."
    else:
        reason = f"I could not match {said} to a column or a value of {where}."
    return Unclear(reason, phrases, weight)


def _elsewhere(unknown: Sequence[Word], parts: Parts) -> str:
    """Report that a word names a column or value of another dataset, where it does."""
    places = {word.index for word in unknown}
    for other in parts.others:
        there = match(parts.words, other)
        columns = [mention.column for mention in there.columns if mention.words & places]
        columns += [value.column for value in there.values if value.words & places]
        foreign = foreign_rows(parts.words, parts.profile, (other,)) & places
        if columns:
            said = f"`{columns[0].name}` is a column of `{other.dataset.name}`"
        elif foreign:
            said = f"“{parts.words[min(foreign)].text}” are the rows of `{other.dataset.name}`"
        else:
            continue
        return (
            f"{said}, the rest of the question is about `{parts.profile.dataset.name}`, and I "
            "compute with one dataset at a time; I can check how the two join, and a language "
            "model could answer this with one query."
        )
    return ""


def _ask(tie: Tie, weight: int) -> AskWhich:
    options = tuple(column.name for column in tie.columns[:4])
    default = next((name for name in options if "speed" in name_tokens(name)), options[0])
    return AskWhich("Which column do you mean?", options, default, weight)


def _with_assumptions(task: DataTask, parts: Parts, matches: Matches) -> DataTask:
    notes = list(task.assumptions) + list(parts.notes)
    for value in matches.values:
        said = " ".join(parts.words[i].text for i in sorted(value.words))
        plain = condition_of(value).describe()
        exact = len(value.values) == 1 and not value.denied and stem(said) == stem(value.values[0])
        if not exact:
            notes.append(f"“{said}” was read as: {plain}.")
    return replace(task, assumptions=tuple(dict.fromkeys(notes)))


_FOLLOW_UP = re.compile(
    r"^\s*(?:and|but|now|then|only|just|what about|how about|same|the same|the same again)\b[\s,:]*"
    r"(?:and|but|now|then|only|just|what about|how about|the same|the same again|that)?\b[\s,:]*"
    r"(?:for|in|with|of|at|on|by|from)?\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r"^\s*(?:(?:and|but|now|then|the same)\b[\s,:]*)*(?:without|not|except|excluding)\b"
    r"(?:\s+(?:for|in|of|on|at|the|any)\b)*",
    re.IGNORECASE,
)


LONGEST = 2_000
"""Characters of a question that are read: each word is compared with each before it."""


def interpret(
    question: str,
    profiles: Sequence[DatasetProfile],
    known: Known = NOTHING_KNOWN,
    *,
    earlier: Sequence[str] = (),
) -> Reading:
    """Read a question; ``earlier`` are the analysis' questions before it, oldest first."""
    if not profiles:
        return Unclear("No dataset is attached to this analysis.")
    if len(question) > LONGEST:
        return Unclear(
            f"The question has {len(question):,} characters, and I read at most {LONGEST:,}: ask "
            "it in a sentence or two."
        )
    if earlier:
        continued = _continued(question, profiles, known, earlier)
        if continued is not None:
            return continued
    reading = _best(question, profiles, known)
    follows = _FOLLOW_UP.match(question) or _WITHOUT.match(question)
    if earlier and follows:
        before = interpret(earlier[-1], profiles, known, earlier=earlier[:-1])
        return _follow_up(question, before, known) or reading
    return reading


def _continued(
    question: str, profiles: Sequence[DatasetProfile], known: Known, earlier: Sequence[str]
) -> Reading | None:
    """Read a question as the continuation of those before it, where it is one."""
    readings = [
        _strictly(
            question, one, known, others=[o for o in profiles if o is not one], earlier=earlier
        )
        for one in profiles
    ]
    good = [one for one in readings if isinstance(one, Ready | LookUp)]
    if not good:
        return readings[0] if len(profiles) == 1 else None
    best = max(map(_rank, good))
    first = [one for one in good if _rank(one) == best]
    return first[0] if len(first) == 1 else None


def _best(question: str, profiles: Sequence[DatasetProfile], known: Known) -> Reading:
    """Read against each dataset and keep the one that explains the question best."""
    readings = [
        read_dataset(
            question, profile, known, others=[other for other in profiles if other is not profile]
        )
        for profile in profiles
    ]
    best = max(_rank(reading) for reading in readings)
    equal = [
        (profile, reading)
        for profile, reading in zip(profiles, readings, strict=True)
        if _rank(reading) == best
    ]
    reading = equal[0][1]
    if len(equal) == 1 or not isinstance(reading, Ready) or reading.task.intent == "join":
        return reading
    for candidate, candidate_reading in equal:
        if candidate.dataset.name in known.choices:
            return candidate_reading
    if _of_whole_tables(reading.task):
        also = tuple(candidate for candidate, _ in equal[1:])
        return replace(reading, task=replace(reading.task, also=also))
    options = tuple(candidate.dataset.name for candidate, _ in equal[:4])
    return AskWhich("Which dataset do you mean?", options, options[0], reading.weight)


def _of_whole_tables(task: DataTask) -> bool:
    """Return whether a question that names no dataset can be answered for each of them."""
    if task.intent not in ("profile", "missing", "count"):
        return False
    return not (task.measures or task.groups or task.filters or task.members or task.part)


_RANKS = {Ready: 3, AskWhich: 3, LookUp: 2, Unclear: 1}


def _rank(reading: Reading) -> tuple[int, int]:
    """Rate by how far a reading goes, then by the words it explains; a question costs one."""
    return (_RANKS[type(reading)], reading.weight - isinstance(reading, AskWhich))


def _follow_up(question: str, before: Reading, known: Known) -> Reading | None:
    """Apply a follow-up that only has conditions ("only for Toyota") to the question before."""
    if isinstance(before, LookUp | AskWhich):
        return before  # what it needed is needed again
    if not isinstance(before, Ready):
        return None
    task = before.task
    rest = _FOLLOW_UP.sub("", question)
    if _WITHOUT.match(question):
        rest = f"that are not {_WITHOUT.sub('', question)}"
    count = read_dataset(f"How many rows {rest}", task.profile, known)
    if isinstance(count, LookUp):
        return count
    if not isinstance(count, Ready) or count.task.intent != "count" or not count.task.filters:
        return _same_for_measure(rest, task, known)
    new = count.task.filters
    kept = tuple(old for old in task.filters if all(old.column != f.column for f in new))
    note = "This continues the question before, with the new condition."
    notes = tuple(dict.fromkeys((*task.assumptions, *count.task.assumptions, note)))
    return Ready(replace(task, filters=(*kept, *new), assumptions=notes), count.weight)


def _same_for_measure(rest: str, task: DataTask, known: Known) -> Reading | None:
    """Repeat the question before for another measured column ("the same for highway mileage")."""
    reading = read_dataset(f"What is the average {rest}", task.profile, known)
    if isinstance(reading, AskWhich):
        return reading
    if not isinstance(reading, Ready) or reading.task.intent != "scalar" or not task.measures:
        return None
    note = "This continues the question before, with another column."
    notes = tuple(dict.fromkeys((*reading.task.assumptions, note)))
    columns = (*reading.task.measures, *task.measures[1:])
    return Ready(replace(task, measures=columns, assumptions=notes), reading.weight)

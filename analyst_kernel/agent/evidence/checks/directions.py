"""Checks words of direction against the numbers beside them, and against shown tables.

"Rose from 20 to 18", "fell between May and June", "doubled from 20 to 25". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from analyst_kernel.agent.evidence.checks.mismatch import Mismatch, TableVerdict, decided
from analyst_kernel.agent.evidence.checks.prose import (
    ALL,
    Clause,
    columns_meant,
    comparable,
    is_year,
    labels_in,
    number_text,
    signed,
    stem,
)
from analyst_kernel.agent.evidence.checks.shown import ShownTable
from analyst_kernel.agent.evidence.numbers import Number, find_numbers

_UP = (
    r"rose|rises?|rising|risen|increas(?:e|es|ed|ing)|grew|grows?|growing|grown"
    r"|climb(?:s|ed|ing)?|gain(?:s|ed|ing)?|jump(?:s|ed|ing)?|surg(?:e|es|ed|ing)|soar(?:s|ed|ing)?"
    r"|went up|goes up|going up|up"
)
_DOWN = (
    r"fell|falls?|falling|fallen|decreas(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|drop(?:s|ped|ping)?"
    r"|shr[aiu]nks?|shrinking|sank|sinks?|dwindl(?:e|es|ed|ing)|plung(?:e|es|ed|ing)"
    r"|plummet(?:s|ed|ing)?|slid|slides?|sliding|slump(?:s|ed)?|went down|goes down|going down|down"
)
MOVE = re.compile(rf"(?<![\w-])(?:(?P<up>{_UP})|(?P<down>{_DOWN}))(?![\w-])", re.IGNORECASE)
SPAN = re.compile(r"\b(?:from|between)\s+(.{1,40}?)\s+(?:to|and|until|till)\s+(.{1,40})")
_FACTOR = re.compile(
    r"(?:(?P<less>nearly|almost|about|roughly|approximately|close to|just under)\s+"
    r"|(?P<over>more than|over|at least)\s+)?\b(?:(?P<two>doubl(?:e|es|ed|ing))"
    r"|(?P<three>tripl(?:e|es|ed|ing)|trebl(?:e|es|ed|ing))|(?P<four>quadrupl(?:e|es|ed|ing))"
    r"|(?P<half>halv(?:e|es|ed|ing)))\b",
    re.IGNORECASE,
)
_FACTORS = {"two": 2.0, "three": 3.0, "four": 4.0, "half": 0.5}
_RANKS = re.compile(r"\b(?:rank\w*|position|place|placed|seed\w*|percentile)\b", re.IGNORECASE)
_ANOTHER_STEP = re.compile(r"\b(?:\w+ed|then|later|again|before|after|until|back)\b")
_THAT_IS = re.compile(
    r"[\s\w%]{0,12}[,(–—]\s*(?:(?:that is|which is|i\.e\.|or)\s+)?(?:an?\s+)?(?:\w+\s+)?"
)
_NOUN = re.compile(r"\b(?:the|an?|its|their|this|that|in|of)\s+(?:\w+\s+)?$", re.IGNORECASE)
_OTHER_VERB = re.compile(r"\b(?:\w{3,}ed|is|was|went|goes|became|got|eases?|slows?|narrows?)\b")
_LEAD = (
    r"\s*(?:(?:an?|the|about|around|roughly|approximately|nearly|almost|some|only|just|under|over"
    r"|average|mean|median|total|value|count|of)\s+)*[$€£¥~≈(−-]*\s*"
)


def mismatched_directions(
    found: Sequence[Clause], tables: Sequence[ShownTable]
) -> Iterator[Mismatch]:
    """Yield each clause whose rise, fall or multiple its numbers or a table contradict."""
    for clause in found:
        for check in (_moved, _multiplied):
            mismatch = check(clause, tables)
            if mismatch is not None:
                yield mismatch
                break


def _moved(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    moves = [m for m in MOVE.finditer(clause.plain) if not clause.denied(m.start())]
    if not moves or _RANKS.search(clause.plain):
        return None
    for first, last, at in _ways(clause):
        move = _move_of(clause, moves, at, max(first.end, last.end))
        if move is None:
            continue
        up = bool(move["up"])
        change = signed(last) - signed(first)
        if change and (change > 0) is not up:
            word = "a rise" if not up else "a fall"
            return Mismatch(
                "direction",
                clause.text.strip(),
                f"from {first.text.strip()} to {last.text.strip()} is {word}",
            )
        if change:
            return None
    if ALL.search(clause.plain) or len({bool(m["up"]) for m in moves}) > 1:
        return None
    if (
        set(re.findall(r"[a-z]+", clause.plain.lower()))
        & {"up", "down"}
        & {m[0].lower() for m in moves}
    ):
        return None
    up = bool(moves[0]["up"])
    evidence = [
        TableVerdict(table.cell, (after > before) is up, what)
        for table, before, after, what in _between(clause, tables, moves[0].start())
        if before != after
    ]
    return decided("direction", clause, evidence)


def _move_of(
    clause: Clause, moves: Sequence[re.Match[str]], start: int, end: int
) -> re.Match[str] | None:
    """Return the word of direction that belongs to the numbers between two places."""
    before = [m for m in moves if m.start() <= start]
    if not before:
        after = next((m for m in moves if m.start() >= end), None)
        is_said = after is not None and _THAT_IS.fullmatch(clause.plain[end : after.start()])
        return after if is_said else None
    move = before[-1]
    gap = clause.plain[move.end() : start]
    is_noun = _NOUN.search(clause.plain[: move.start()]) is not None
    # "The increase slowed from 8 to 3": the noun moves in another way.
    if len(gap) > 80 or (is_noun and _OTHER_VERB.search(gap)):
        return None
    return move


def _ways(clause: Clause) -> Iterator[tuple[Number, Number, int]]:
    """Yield pairs of numbers in "from A to B", "to B from A" and "up from A", and their place."""
    text = clause.text
    every = [n for n in find_numbers(text) if not n.date]
    starts = {n.start: n for n in every}

    def behind(word: str, at: int) -> Iterator[tuple[int, Number]]:
        for match in re.finditer(rf"\b{word}\b{_LEAD}", text[at:], re.IGNORECASE):
            if (number := starts.get(at + match.end())) is not None:
                yield at + match.start(), number

    for at, first in behind("from", 0):
        for other, last in behind("to", first.end):
            gap = text[first.end : other]
            if len(gap) < 50 and " from " not in gap and _same_kind(clause, first, last):
                yield first, last, at
            break
        previous = [n for n in every if n.end <= at]
        if previous and re.search(r"\bto\b" + _LEAD + "$", text[: previous[-1].start]):
            if at - previous[-1].end < 25 and _same_kind(clause, first, previous[-1]):
                yield first, previous[-1], at
        elif previous and re.search(r",?\s*\(?\b(?:up|down)\s+$", text[:at]):
            gap = text[previous[-1].end : at]
            if len(gap) < 30 and _same_kind(clause, first, previous[-1]):
                yield first, previous[-1], at
    dated = sorted(_dated(clause, every), key=lambda pair: pair[0])
    if len(dated) > 1 and len({year for year, _ in dated}) == len(dated):
        first, last = dated[0][1], dated[-1][1]
        span = clause.plain[min(first.start, last.start) : max(first.end, last.end)]
        if comparable(clause, first, last) and not _ANOTHER_STEP.search(span):
            yield first, last, min(first.start, last.start)
    for first, last in pairwise(every):
        gap = text[first.end : last.start]
        if re.fullmatch(r"\s?\S{0,8}\s*(?:→|->|⟶|=>)\s*[$€£¥]?", gap):
            if _same_kind(clause, first, last):
                yield first, last, first.start


def _dated(clause: Clause, every: Sequence[Number]) -> Iterator[tuple[int, Number]]:
    """Yield values that stand with their year: "20 in 2019", "2019: 20", "20 (2019)"."""
    for one, other in pairwise(every):
        gap = clause.text[one.end : other.start]
        if is_year(other) and not is_year(one):
            if re.fullmatch(r"\s?\S{0,10}\s*(?:in|for|\()\s*", gap):
                yield int(other.text), one
        elif is_year(one) and not is_year(other) and re.fullmatch(r"\s*[:=(]\s*[$€£¥]?-?", gap):
            yield int(one.text), other


def _same_kind(clause: Clause, first: Number, last: Number) -> bool:
    """Return whether two numbers are values of one measure, and no two years or days."""
    after = clause.text[last.end : last.end + 14]
    if re.match(
        r"\s*(?:[ap]\.?m\b|o['’]clock|\d|January|February|March|April|May\b|June|July|August"
        r"|September|October|November|December)",
        after,
        re.IGNORECASE,
    ):
        return False
    if is_year(first) and is_year(last):
        return False
    if re.match(r"\s+to\b", clause.text[first.end :]) and "%" in last.text:
        return True  # from 8.1 to 16.1 %
    units = _next_word(clause.text, first), _next_word(clause.text, last)
    return comparable(clause, first, last) or units[0] == units[1]


def _next_word(text: str, number: Number) -> str:
    match = re.match(r"\s?([^\W\d_]+)", text[number.end :])
    return stem(match[1]) if match else ""


def _between(
    clause: Clause, tables: Sequence[ShownTable], at: int
) -> Iterator[tuple[ShownTable, float, float, str]]:
    """Yield what tables show at the two labels of "from 2015 to 2019" or "between May and June"."""
    span = SPAN.search(clause.text)
    if span is None:
        return
    for table in tables:
        first = labels_in(span[1], table)
        last = labels_in(span[2], table)
        if not first or not last or first[0][1] == last[0][1]:
            continue
        others = {label for _, label in labels_in(clause.text, table)}
        others -= {first[0][1], last[0][1]}
        columns, _ = columns_meant(table, clause, at)
        for column in columns:
            ends = [
                [
                    value
                    for labels, value in table.column(column)
                    if label in labels and others <= set(labels)
                ]
                for label in (first[0][1], last[0][1])
            ]
            if all(len(values) == 1 for values in ends):
                (before,), (after,) = ends
                shown = number_text(before), number_text(after)
                what = f"{shown[0]} for {first[0][1]}, {shown[1]} for {last[0][1]}"
                yield table, before, after, what


def _multiplied(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    match = _FACTOR.search(clause.plain)
    if (
        match is None
        or clause.denied(match.start())
        or re.match(r"[\s-]*(?:count|check|digit)", clause.plain[match.end() :])
    ):
        return None
    factor = next(_FACTORS[name] for name in _FACTORS if match[name])
    low, high = (0.85 * factor, 1.2 * factor)
    if match["less"]:
        low, high = 0.75 * factor, 1.25 * factor
    elif match["over"]:
        low, high = 0.97 * factor, (2.0 * factor if factor > 1 else factor)
    for first, last, _ in _ways(clause):
        if signed(first) > 0 and not low <= signed(last) / signed(first) <= high:
            ratio = signed(last) / signed(first)
            return Mismatch(
                "factor",
                clause.text.strip(),
                f"{last.text.strip()} is {ratio:.2f} times {first.text.strip()}",
            )
        return None
    evidence = [
        TableVerdict(
            table.cell, low <= after / before <= high, f"{what}: {after / before:.2f} times"
        )
        for table, before, after, what in _between(clause, tables, match.start())
        if before > 0
    ]
    return decided("factor", clause, evidence)

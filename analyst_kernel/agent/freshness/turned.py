"""Which answers turned: what they say in words no longer holds for the data as they are now. Pure.

The words are judged by the checks that every proposed answer goes through. They see the answer as
it would read with the numbers of now, and what the cells show now; what they object to, and did not
before, has turned. That reading is made here and shown nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice

from analyst_kernel.agent.evidence.checks.comparisons import mismatched_comparisons
from analyst_kernel.agent.evidence.checks.directions import mismatched_directions
from analyst_kernel.agent.evidence.checks.inference import misjudged_significance
from analyst_kernel.agent.evidence.checks.mismatch import Doubt, Mismatch
from analyst_kernel.agent.evidence.checks.prose import Clause, clauses
from analyst_kernel.agent.evidence.checks.shares import misstated_shares
from analyst_kernel.agent.evidence.checks.shown import (
    ShownCell,
    ShownTable,
    aggregates_in,
    aggregates_of,
    tables_of,
    values_of,
)
from analyst_kernel.agent.evidence.checks.universals import mismatched_universals
from analyst_kernel.agent.freshness.moved import Follower
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.freshness import AnswerOutcome, NumberMove
from analyst_kernel.protocol.ids import RunId
from analyst_kernel.protocol.records import Answer

_MOST_CLAUSES = 200
_QUOTE = 160


def outcome_of(
    run: RunId,
    question: str,
    answer: Answer,
    follower: Follower,
    *,
    before: Sequence[ShownCell],
    after: Sequence[ShownCell],
    profiles: Mapping[str, DatasetProfile],
) -> AnswerOutcome:
    """Return what computing an answer again shows.

    Args:
        run: The question's run.
        question: As it was asked.
        answer: As it was given.
        follower: Knows the cells before and after.
        before: The cells that the answer could rest on, with what they showed.
        after: The same, with what they show now.
        profiles: The datasets as they are now.
    """
    moves = follower.moves(answer.text, answer.numbers)
    turned = [*_signs(answer.text, moves)]
    turned += _words(answer.text, moves, before, after, profiles)
    unique = tuple(dict.fromkeys(turned))
    return AnswerOutcome(
        run=run, question=question, numbers=moves, turned=unique, summary=_summary(moves, unique)
    )


def _signs(text: str, moves: Sequence[NumberMove]) -> list[str]:
    """Return a sentence about each number whose value has the other sign now."""
    return [
        f"“{_sentence_of(text, one)}”, but {one.text} is {one.now} now: its sign changed."
        for one in moves
        if one.before is not None and one.after is not None and one.before * one.after < 0
    ]


def _sentence_of(text: str, one: NumberMove) -> str:
    start = max(text.rfind(mark, 0, one.start) + len(mark) for mark in (". ", "\n")) if text else 0
    start = max(0, start if start > 1 else 0)
    ends = [at for mark in (". ", "\n") if (at := text.find(mark, one.end)) >= 0]
    said = text[start : min(ends, default=len(text))].strip()
    return said if len(said) <= _QUOTE else f"{said[: _QUOTE - 1]}…"


def _words(
    text: str,
    moves: Sequence[NumberMove],
    before: Sequence[ShownCell],
    after: Sequence[ShownCell],
    profiles: Mapping[str, DatasetProfile],
) -> list[str]:
    """Return what the checks object to now and did not before, in the answer's own words."""
    names = [name for profile in profiles.values() for name in profile.dataset.columns]
    then = list(islice(clauses(text, names), _MOST_CLAUSES))
    now = list(islice(clauses(_as_of_now(text, moves), names), _MOST_CLAUSES))
    if len(then) != len(now):
        return []  # the numbers of now part the sentences otherwise, so none can be compared
    # A number that cannot be computed stands as it was, so what its clause says is not judged.
    unknown = [one.text for one in moves if one.state == "gone"]
    shown_then, shown_now = _Evidence(before), _Evidence(after)
    said: list[str] = []
    for old, new in zip(then, now, strict=True):
        if any(number in old.text for number in unknown):
            continue
        known = {one.kind for one in shown_then.against(old)}
        # Citations were blanked out.
        plain = re.sub(r"\s+(?=[.,;]|$)", "", " ".join(old.text.split())).rstrip(".")
        said += [
            Doubt("", Mismatch(one.kind, plain, f"now {one.against}")).statement
            for one in shown_now.against(new)
            if one.kind not in known
        ]
    return said


class _Evidence:
    """What cells show, as the checks of words read it."""

    def __init__(self, cells: Sequence[ShownCell]) -> None:
        self._cells = cells
        self._tables = [table for cell in cells for table in tables_of(cell)]
        self._totals = [value for cell in cells for value in values_of(cell)]

    def against(self, clause: Clause) -> list[Mismatch]:
        """Return what speaks against a clause.

        The columns of another aggregate than the clause names say nothing of it, though a number of
        it may stand in them: "the highest average: 21 over 2 rows".
        """
        wanted = aggregates_in(re.split(r"[:(]", clause.plain.lower())[0].split())
        tables = [_narrowed(table, wanted) for table in self._tables]
        kept = [table for table in tables if table.columns]
        found = [
            one
            for check in (mismatched_directions, mismatched_comparisons, mismatched_universals)
            for one in check([clause], kept)
        ]
        found += misstated_shares([clause], kept, self._totals)
        found += misjudged_significance([clause], self._cells)
        return list({one.kind: one for one in found}.values())


def _narrowed(table: ShownTable, wanted: AbstractSet[str]) -> ShownTable:
    """Return a table without the columns of other aggregates."""
    kept = [
        at
        for at in range(len(table.columns))
        if not wanted or not (kind := aggregates_of(table, at)) or wanted & kind
    ]
    return replace(
        table,
        columns=tuple(table.columns[at] for at in kept),
        values=tuple(tuple(row[at] for at in kept) for row in table.values),
    )


def _as_of_now(text: str, moves: Sequence[NumberMove]) -> str:
    """Return the answer with the numbers of now; only the checks read it."""
    for one in sorted(moves, key=lambda move: move.start, reverse=True):
        if one.state == "moved" and text[one.start : one.end] == one.text:
            text = text[: one.start] + one.now + text[one.end :]
    return text


def _summary(moves: Sequence[NumberMove], turned: Sequence[str]) -> str:
    """Return the outcome in one sentence."""
    states = ("moved", "same", "gone", "unproven")
    counts = [sum(one.state == state for one in moves) for state in states]
    total = len(moves)
    words = ("moved", "stayed", "cannot be computed any more", "was never shown by a cell")
    if not total:
        said = "The answer states no number that was computed."
    elif counts[1] == total:
        said = "The number is the same." if total == 1 else f"All {total} numbers are the same."
    elif total == 1:
        said = f"The number {words[[bool(n) for n in counts].index(True)]}."
    else:
        parts = [f"{n} {word}" for n, word in zip(counts, words, strict=True) if n]
        said = f"Of {total} numbers {', '.join(parts)}."
    if not turned:
        return said
    one = len(turned) == 1
    turns = "a statement no longer holds" if one else f"{len(turned)} statements no longer hold"
    return f"The answer turned: {turns}. {said}"

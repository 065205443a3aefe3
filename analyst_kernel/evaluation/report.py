"""What a run's attempts amount to: figures for each group, and two runs side by side. Pure.

With repetitions there are three kinds of questions: always, sometimes and never right. Nothing here
says that a difference is significant: the reader sees which questions turned, and how often each
was asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import get_args

from analyst_kernel.evaluation.results import AttemptOutcome, AttemptRecord, Results
from analyst_kernel.protocol.base import Record

ALL = "all"
_OUTCOMES = get_args(AttemptOutcome)


class GroupFigures(Record):
    """Figures of one group of questions, or of all.

    Attributes:
        questions: Questions that were asked at least once.
        attempts: How often they were asked, all in all.
        right, wrong, declined, failed: Attempts with that outcome.
        accuracy: Share of the attempts that are right.
        always, sometimes, never: Questions by how often they were right.
        iterations, corrections, fresh_tokens, cached_tokens, output_tokens, seconds: Means of an
            attempt.
        cost_usd: Sum; null if the price of one is not known.
    """

    group: str
    questions: int
    attempts: int
    right: int
    wrong: int
    declined: int
    failed: int
    accuracy: float
    always: int
    sometimes: int
    never: int
    iterations: float
    corrections: float
    fresh_tokens: float
    cached_tokens: float
    output_tokens: float
    cost_usd: float | None
    seconds: float


class Turned(Record):
    """A question whose outcomes differ between two runs."""

    case: str
    group: str
    before: str
    after: str


class Comparison(Record):
    """Two runs over the questions that both asked in the same words.

    Attributes:
        before, after: Figures over those questions.
        better, worse: Questions that were right less, or more, often before.
        other: Questions as often right as before, with another outcome (wrong, declined, failed).
        not_compared: Ids that only one of the runs has, or that were put differently.
    """

    before: GroupFigures
    after: GroupFigures
    better: tuple[Turned, ...]
    worse: tuple[Turned, ...]
    other: tuple[Turned, ...]
    not_compared: tuple[str, ...]


def figures(results: Results) -> tuple[GroupFigures, ...]:
    """Return the figures of each group, sorted by its name, and at last those of all."""
    groups: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
    for attempt in results.attempts:
        groups[attempt.group].append(attempt)
    named = [_figures(name or "-", found) for name, found in sorted(groups.items())]
    return (*(named if len(named) > 1 else ()), _figures(ALL, results.attempts))


def _figures(group: str, attempts: Sequence[AttemptRecord]) -> GroupFigures:
    count = len(attempts)
    outcomes = Counter(attempt.outcome for attempt in attempts)
    shares = {case: _share(found) for case, found in _by_case(attempts).items()}
    costs = [attempt.tally.cost_usd for attempt in attempts]
    known = [cost for cost in costs if cost is not None]

    def mean(values: Iterable[float]) -> float:
        return round(sum(values) / count, 3) if count else 0.0

    return GroupFigures(
        group=group,
        questions=len(shares),
        attempts=count,
        right=outcomes["right"],
        wrong=outcomes["wrong"],
        declined=outcomes["declined"],
        failed=outcomes["failed"],
        accuracy=round(outcomes["right"] / count, 4) if count else 0.0,
        always=sum(share == 1 for share in shares.values()),
        sometimes=sum(0 < share < 1 for share in shares.values()),
        never=sum(share == 0 for share in shares.values()),
        iterations=mean(attempt.tally.iterations for attempt in attempts),
        corrections=mean(attempt.tally.corrections for attempt in attempts),
        fresh_tokens=mean(attempt.tally.fresh_tokens for attempt in attempts),
        cached_tokens=mean(attempt.tally.cached_tokens for attempt in attempts),
        output_tokens=mean(attempt.tally.output_tokens for attempt in attempts),
        cost_usd=sum(known) if len(known) == count else None,
        seconds=mean(attempt.seconds for attempt in attempts),
    )


def compare(before: Results, after: Results) -> Comparison:
    """Return what turned between two runs."""
    old, new = _by_case(before.attempts), _by_case(after.attempts)
    both = [case for case in new if case in old and old[case][0].asked == new[case][0].asked]
    turned: dict[str, list[Turned]] = {"better": [], "worse": [], "other": []}
    for case in both:
        gain = _share(new[case]) - _share(old[case])
        kind = "better" if gain > 0 else "worse" if gain < 0 else "other"
        change = Turned(
            case=case, group=new[case][0].group, before=_said(old[case]), after=_said(new[case])
        )
        if change.before != change.after:
            turned[kind].append(change)
    chosen = set(both)
    return Comparison(
        before=_figures(ALL, [a for a in before.attempts if a.case in chosen]),
        after=_figures(ALL, [a for a in after.attempts if a.case in chosen]),
        better=tuple(turned["better"]),
        worse=tuple(turned["worse"]),
        other=tuple(turned["other"]),
        not_compared=tuple(case for case in dict.fromkeys([*old, *new]) if case not in chosen),
    )


def _by_case(attempts: Iterable[AttemptRecord]) -> dict[str, list[AttemptRecord]]:
    cases: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
    for attempt in attempts:
        cases[attempt.case].append(attempt)
    return dict(cases)


def _share(attempts: Sequence[AttemptRecord]) -> float:
    return sum(attempt.outcome == "right" for attempt in attempts) / len(attempts)


def _said(attempts: Sequence[AttemptRecord]) -> str:
    """Return the outcomes of a question: ``right``, or ``2 right, 1 wrong``."""
    counts = Counter(attempt.outcome for attempt in attempts)
    if len(attempts) == 1:
        return attempts[0].outcome
    return ", ".join(f"{counts[name]} {name}" for name in _OUTCOMES if counts[name])

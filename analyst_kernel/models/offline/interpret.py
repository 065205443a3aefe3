"""Read a question against all datasets of an analysis, follow-ups of earlier questions included.

Pure: question, profiles and what is known in; one reading out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from analyst_kernel.models.offline.reader import NOTHING_KNOWN, Known, read_dataset
from analyst_kernel.models.offline.task import AskWhich, LookUp, Reading, Ready, Task, Unclear
from analyst_kernel.protocol.datasets import DatasetProfile

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
    reading = _best(question, profiles, known)
    follows = _FOLLOW_UP.match(question) or _WITHOUT.match(question)
    if isinstance(reading, Ready) and not follows:
        return reading
    if earlier and follows:
        before = interpret(earlier[-1], profiles, known, earlier=earlier[:-1])
        follow = _follow_up(question, before, profiles, known)
        if follow is not None:
            return follow
    return reading


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
    if len(equal) == 1 or not isinstance(reading, Ready):
        return reading
    if reading.task.intent == "join":
        return reading
    for candidate, candidate_reading in equal:
        if candidate.dataset.name in known.choices:
            return candidate_reading
    if _of_whole_tables(reading.task):
        also = tuple(candidate for candidate, _ in equal[1:])
        return replace(reading, task=replace(reading.task, also=also))
    options = tuple(candidate.dataset.name for candidate, _ in equal[:4])
    return AskWhich("Which dataset do you mean?", options, options[0], reading.weight)


def _of_whole_tables(task: Task) -> bool:
    """Whether a question that names no dataset can be answered for each of them."""
    if task.intent not in ("profile", "missing", "count"):
        return False
    return not (task.measures or task.groups or task.filters or task.members or task.part)


def _rank(reading: Reading) -> tuple[int, int]:
    match reading:
        case Ready(weight=weight):
            return (3, weight)
        case AskWhich(weight=weight):
            return (3, weight - 1)
        case LookUp(weight=weight):
            return (2, weight)
        case Unclear(weight=weight):
            return (1, weight)


def _follow_up(
    question: str, before: Reading, profiles: Sequence[DatasetProfile], known: Known
) -> Reading | None:
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
    return Ready(
        replace(
            task,
            filters=(*kept, *new),
            assumptions=tuple(dict.fromkeys((*task.assumptions, *count.task.assumptions, note))),
        ),
        count.weight,
    )


def _same_for_measure(rest: str, task: Task, known: Known) -> Reading | None:
    """Repeat the question before for another measured column ("the same for highway mileage")."""
    reading = read_dataset(f"What is the average {rest}", task.profile, known)
    if isinstance(reading, AskWhich):
        return reading
    if not isinstance(reading, Ready) or reading.task.intent != "scalar" or not task.measures:
        return None
    note = "This continues the question before, with another column."
    return Ready(
        replace(
            task,
            measures=(*reading.task.measures, *task.measures[1:]),
            assumptions=tuple(dict.fromkeys((*reading.task.assumptions, note))),
        ),
        reading.weight,
    )

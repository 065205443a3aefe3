"""What of the data a question is about: how well the words of columns and tables fit its words.

Pure. It decides only what is shown in full and what by name, never what may be used.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

NAMED = 3.0
"""The least score of a column whose whole name (or label, or synonym) stands in the question."""
_WORD = re.compile(r"\w{2,}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COMMON = frozenset(
    """the and for are was were what which who how many much does did has have had is in of to by on
    per each all any with from that this than over under between show give list find me my our their
    its it at as be or an compare total average mean most least top data dataset file table column
    value values row rows""".split()
)
_LONGEST_VALUE = 60


def column_scores(columns: Sequence[ColumnProfile], question: str) -> list[float]:
    """Return for each column how well the question names it; 0 where no word is shared."""
    asked = _stems(question)
    padded = f" {' '.join(_words(question))} "
    return [_column_score(column, asked, padded) for column in columns]


def _column_score(column: ColumnProfile, asked: frozenset[str], padded: str) -> float:
    words = column.words
    names = [column.name, *((words.label, *words.synonyms) if words else ())]
    described = words is not None and _stems(words.description) & asked - _COMMON
    best = 1.0 if described else 0.0
    for name in names:
        parts = _words(name)
        shared = sum(_stem(part) in asked for part in parts)
        if parts and f" {' '.join(parts)} " in padded:
            best = max(best, NAMED + len(parts))
        elif parts and shared:
            best = max(best, 1.0 + shared / len(parts))
    meant = [*words.values] if words else []
    values = [item.value for item in column.top] if column.kind == "text" else []
    for value in (*meant, *values):
        parts = _words(value[:_LONGEST_VALUE])
        if parts and len("".join(parts)) > 2 and f" {' '.join(parts)} " in padded:
            best = max(best, 1.0)
    return best


def ranked(profiles: Sequence[DatasetProfile], question: str) -> list[tuple[int, float]]:
    """Return the places of the tables, those that the question is about first, with their scores.

    A word that few tables have counts for more than one that all have. Tables that fit equally well
    keep their order.
    """
    asked = _stems(question) - _COMMON
    padded = f" {' '.join(_words(question))} "
    found = [_table_words(profile, asked, padded) for profile in profiles]
    having = Counter(word for one in found for word in one)
    scores = [
        sum(weight * math.log(1 + len(profiles) / having[word]) for word, weight in one.items())
        for one in found
    ]
    return sorted(enumerate(scores), key=lambda item: -item[1])


def _table_words(profile: DatasetProfile, asked: frozenset[str], padded: str) -> dict[str, float]:
    """Return the question's words that a table has, each with the weight of where it stands."""
    found: dict[str, float] = {}

    def take(words: Iterable[str], weight: float) -> None:
        for word in words:
            if word in asked:
                found[word] = max(found.get(word, 0.0), weight)

    path = profile.dataset.path
    stem = os.path.splitext(os.path.basename(path))[0]
    take(_stems(f"{profile.dataset.name} {stem} {profile.dataset.table or ''}"), 3.0)
    take(_stems(" ".join(profile.row_words)), 3.0)
    take(_stems(os.path.basename(os.path.dirname(path))), 0.5)
    for column in profile.columns:
        take(_stems(column.name), 2.0)
        if column.words is not None:
            take(_stems(" ".join((column.words.label, *column.words.synonyms))), 2.0)
            take(_stems(" ".join((column.words.description, *column.words.values))), 1.0)
        if column.kind == "text":
            for item in column.top:
                parts = _words(item.value[:_LONGEST_VALUE])
                if parts and f" {' '.join(parts)} " in padded:
                    take({_stem(part) for part in parts}, 1.0)
    return found


def text_scores(texts: Sequence[str], question: str) -> list[int]:
    """Return for each text how many of the question's words it has."""
    asked = _stems(question) - _COMMON
    return [len(_stems(text) & asked) for text in texts]


def _words(text: str) -> list[str]:
    spaced = _HUMP.sub(" ", text).replace("_", " ").lower()
    return _WORD.findall(spaced)


def _stems(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _words(text))


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word

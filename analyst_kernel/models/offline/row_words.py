"""Words of a question that mean the rows of a dataset: "cars" of vehicles, "trips" of trips.

Pure; a dataset's name and a short vocabulary are all it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from analyst_kernel.models.offline.column_roles import is_number
from analyst_kernel.models.offline.words import ROW_NOUNS, Word, name_tokens
from analyst_kernel.protocol.datasets import DatasetProfile

_NAMES_COLUMN = frozenset("by per each which what column mean different distinct unique".split())
_COUNTS = frozenset("number share percentage percent proportion fraction part count lot".split())


def row_nouns(profile: DatasetProfile) -> frozenset[str]:
    """Return the stems that mean a row of the dataset."""
    tokens = [token for token in name_tokens(profile.dataset.name) if not token.isdigit()]
    return frozenset(tokens).union(*(ROW_NOUNS.get(token, frozenset()) for token in tokens))


def row_words(
    words: Sequence[Word], profile: DatasetProfile, nouns: frozenset[str]
) -> frozenset[int]:
    """Find words that mean the rows ("events per day") although a column has such a name too."""
    tokens = [name_tokens(column.name) for column in profile.columns]
    numbers = {name_tokens(column.name) for column in profile.columns if is_number(column)}
    pairs = {pair for name in tokens for pair in pairwise(name)}
    found = set()
    for word in words:
        if word.stem not in nouns or word.quoted or (word.stem,) in numbers:
            continue  # "total sales" of sales.csv is the column of amounts
        before, earlier = (
            words[place].stem if place >= 0 else "" for place in (word.index - 1, word.index - 2)
        )
        after = words[word.index + 1].stem if word.index + 1 < len(words) else ""
        column = before in _NAMES_COLUMN or (before == "of" and earlier not in _COUNTS)
        if not column and not {(word.stem, after), (before, word.stem)} & pairs:
            found.add(word.index)
    return frozenset(found)


def foreign_rows(
    words: Sequence[Word], own: DatasetProfile, others: Sequence[DatasetProfile]
) -> frozenset[int]:
    """Find words after "how many" or "number of" that mean the rows of another dataset alone."""
    foreign = frozenset[str]().union(*(row_nouns(other) for other in others)) - row_nouns(own)
    return frozenset(
        word.index
        for word in words
        if word.index and word.stem in foreign and words[word.index - 1].stem in ("many", "of")
    )

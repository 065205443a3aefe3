"""Values that a question rules out: "not automatic", "except Ford", "other than diesel".

Pure; works on words and the values among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analyst_kernel.models.offline.match import ValueMention
from analyst_kernel.models.offline.words import Word

DENY = frozenset({"not", "non", "except", "excluding", "exclude", "neither", "nor"})
"""Words that rule out the value after them."""

_OTHERS = frozenset({"no", "without"})
"""Words that deny in ways that no condition on rows can say."""

_BETWEEN = frozenset("a an the for of from in on at by made being".split())
_LISTED = frozenset({"and", "or", *_BETWEEN})
_AMOUNTS = frozenset({"more", "less", "fewer", "longer", "matter", "only", "just"})


def deny(
    words: Sequence[Word], values: Sequence[ValueMention]
) -> tuple[list[ValueMention], frozenset[int]]:
    """Return the values, those that are ruled out marked so, and the words that say it."""
    found: list[ValueMention] = []
    said: set[int] = set()
    for value in values:
        places = _denied_by(words, value, values)
        said |= places
        found.append(replace(value, denied=True) if places else value)
    return found, frozenset(said)


def unread(words: Sequence[Word], said: frozenset[int]) -> str:
    """Return the first denying word that rules out no value; empty where there is none."""
    for word in words:
        low = word.text.casefold()
        after = words[word.index + 1].text.casefold() if word.index + 1 < len(words) else ""
        other = low == "other" and after == "than"
        denies = low in DENY or low in _OTHERS or _contracted(low) or other
        if denies and word.index not in said and after not in _AMOUNTS:
            return word.text
    return ""


def _denied_by(
    words: Sequence[Word], value: ValueMention, values: Sequence[ValueMention]
) -> frozenset[int]:
    """Walk back from a value, over a list that it is in, to the word that rules it out."""
    own = {i for other in values if other.column == value.column for i in other.words}
    i = min(value.words) - 1
    while i >= 0:
        low = words[i].text.casefold()
        if low in DENY or _contracted(low):
            return frozenset({i})
        if low == "than" and i and words[i - 1].text.casefold() == "other":
            return frozenset({i - 1, i})
        if i not in own and low not in _LISTED:
            break
        i -= 1
    return frozenset()


def _contracted(low: str) -> bool:
    return low.endswith(("n't", "n’t"))

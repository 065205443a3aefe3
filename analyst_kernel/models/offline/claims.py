"""What a yes-or-no question claims of two sides: "are Gentoo heavier than Adelie".

Pure; it says nothing where the words could be meant otherwise.
"""

from __future__ import annotations

import re

from analyst_kernel.models.offline.parts import Parts
from analyst_kernel.models.offline.roles import is_comparative, is_stop
from analyst_kernel.protocol.datasets import ColumnProfile

_ASKS_WHETHER = re.compile(r"^\W*(?:is|are|was|were|do|does|did|has|have|had)\s", re.IGNORECASE)
_OF_ANYTHING = frozenset(
    {"higher", "lower", "larger", "smaller", "greater", "bigger", "more", "less"}
)


def claim(parts: Parts, measure: ColumnProfile) -> int:
    """Return 1 where the first side is said to have more of ``measure``, -1 less, 0 no claim.

    Only for one comparative between two sides, which is about the measure or about any number.
    """
    compared = [word for word in parts.words if is_comparative(word)]
    if not _ASKS_WHETHER.match(parts.text) or len(parts.members) != 2 or len(compared) != 1:
        return 0
    word = compared[0]
    than = next((one.index for one in parts.words if one.text.casefold() == "than"), None)
    first, second = parts.members
    if than is None or not max(first.words) < than < min(second.words) or word.index > than:
        return 0
    measured = {index for one in parts.mentions if one.column == measure for index in one.words}
    if word.text.casefold() not in _OF_ANYTHING:
        return word.direction if word.index in measured else 0
    known = measured | first.words
    between = parts.words[word.index + 1 : than]
    return word.direction if all(one.index in known or is_stop(one) for one in between) else 0

"""Operations on text that every layer needs in the same way."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CONTAINED = 0.75
_TITLE_LENGTH = 80


def nearest(
    wanted: str, names: Iterable[str], count: int = 3, *, cutoff: float = 0.6
) -> tuple[str, ...]:
    """Return the names most like ``wanted``, best first.

    Letter case and surrounding blanks don't count. A name that contains the other one is near, even
    if it is much longer. The name ``wanted`` itself is never returned.

    Args:
        wanted: The name that was not found.
        names: The names that exist.
        count: The most names to return.
        cutoff: The least likeness, from 0 to 1; higher where the name is used and not only shown.
    """
    key = wanted.casefold().strip()

    def score(name: str) -> float:
        other = name.casefold().strip()
        contained = len(key) > 2 and len(other) > 2 and (key in other or other in key)
        ratio = difflib.SequenceMatcher(None, key, other).ratio()
        return max(ratio, _CONTAINED if contained else 0.0)

    scored = sorted(((score(name), name) for name in dict.fromkeys(names)), key=lambda p: -p[0])
    return tuple(name for value, name in scored if value >= cutoff and name != wanted)[:count]


def shorten(text: str, limit: int) -> str:
    """Return a text of at most ``limit`` characters; a longer one ends in an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def title_from_question(question: str) -> str:
    """Return a question as a title of about 80 characters, cut between words."""
    title = " ".join(question.split())
    if len(title) > _TITLE_LENGTH:
        title = title[:_TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(",.;:") + " …"
    return title

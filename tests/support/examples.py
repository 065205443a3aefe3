"""How many examples a property is tried with."""

from __future__ import annotations

from hypothesis import settings

QUICK = 10
"""Of the profile ``quick``, which ``make test-fast`` chooses."""


def examples(count: int, **more: object) -> settings:
    """Return settings for ``count`` examples, or for a few where a quick run is asked for."""
    quick = settings.default is not None and settings.default.max_examples == QUICK
    return settings(max_examples=min(count, QUICK) if quick else count, **more)  # type: ignore[arg-type]  # as settings takes them

"""The levels of isolation, without the records that say how one was probed.

Pydantic is not needed to start an enclosed process, so it can be loaded while that process starts.
"""

from __future__ import annotations

from typing import Literal

SandboxLevel = Literal["isolated", "restricted", "limits", "none"]

LEVELS: tuple[SandboxLevel, ...] = ("none", "limits", "restricted", "isolated")
"""From no isolation to the strongest."""


def meets(level: SandboxLevel, required: SandboxLevel) -> bool:
    """Return whether ``level`` is at least ``required``."""
    return LEVELS.index(level) >= LEVELS.index(required)

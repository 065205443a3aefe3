"""One value as it passes a probe, and what its call says of it."""

from __future__ import annotations

from typing import Any

from analyst_kernel.kernel.payload.frames import _is
from analyst_kernel.kernel.payload.lineage.origin import Origin
from analyst_kernel.kernel.payload.lineage.probes import Node, is_literal


class Seen:
    """One value in passing; it is kept until the expression around it was seen.

    Attributes:
        frame: The table that a column or groups were taken from.
        column: The columns that were chosen from groups.
        test: What is known of a test of rows (a mask).
        nothing: The event of the filter that gave no rows.
    """

    def __init__(self, value: Any, origin: Origin | None) -> None:
        self.value = value
        self.origin = origin
        self.frame: Any = None
        self.columns: tuple[str, ...] = ()
        self.tests: list[dict[str, Any]] = []
        self.nothing: dict[str, Any] | None = None
        self.name = ""


def plain(value: Any) -> Seen | None:
    """Return a plain value in passing: what a table is compared with, or joined on."""
    kinds = (str, int, float, list, tuple, set)
    return Seen(value, None) if any(type(value) is kind for kind in kinds) else None


def choice(node: Node) -> str:
    """Return how a call says in which order day and month stand."""
    words = ("format", "date_format", "dayfirst", "yearfirst")
    return ", ".join(f"{word}={node.keywords[word]!r}" for word in words
                     if word in node.keywords and is_literal(node.keywords[word]))  # fmt: skip


def is_statistics(node: Node) -> bool:
    """Return whether a call is of a library of statistics."""
    return node.owner.partition(".")[0] in ("stats", "scipy", "statistics")


def with_replacement(node: Node) -> bool:
    """Return whether rows are drawn with replacement."""
    return node.keywords.get("replace") is True


def is_random(node: Node, before: Seen | None, namespace: dict[str, Any]) -> bool:
    """Return whether a call draws random numbers."""
    if before is not None:
        return _is(before.value, "numpy.random", "Generator")
    owner = namespace.get(node.owner.partition(".")[0])
    if _is(owner, "numpy.random", "Generator") or _is(owner, "numpy.random", "RandomState"):
        return True
    if node.owner.endswith(".random"):
        return node.name not in ("seed", "default_rng", "RandomState", "Generator")
    return node.owner == "random" and node.name not in ("seed", "Random")

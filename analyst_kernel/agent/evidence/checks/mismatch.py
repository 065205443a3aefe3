"""What checks find: evidence of tables for and against a clause, and clauses that it refutes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from analyst_kernel.agent.evidence.checks.prose import Clause

MismatchKind = Literal[
    "direction", "factor", "comparison", "superlative", "every", "share", "significance",
    "coverage", "column",
]  # fmt: skip
_LONGEST_QUOTE = 160


@dataclass(frozen=True, slots=True)
class TableVerdict:
    """What one column of one table says of a clause: whether it holds, else what is shown."""

    cell: int
    holds: bool
    what: str = ""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Words of an answer, and the numbers that speak against them."""

    kind: MismatchKind
    words: str
    against: str


def decided(
    kind: MismatchKind, clause: Clause, evidence: Iterable[TableVerdict]
) -> Mismatch | None:
    """Return the mismatch if some table refutes a clause and none supports it.

    If cells that the sentence cites say anything, only they count. A clause may speak of what one
    table shows and another does not, so a single one that supports it is enough.
    """
    every = list(evidence)
    every = [one for one in every if one.cell in clause.cited] or every
    if not every or any(one.holds for one in every):
        return None
    last = every[-1]
    return Mismatch(kind, clause.text.strip(), f"cell {last.cell} shows {last.what}")


@dataclass(frozen=True, slots=True)
class Doubt:
    """One question about an answer; ``id`` is how a reason refers to it."""

    id: str
    mismatch: Mismatch

    @property
    def statement(self) -> str:
        """What does not agree, for the model and for the reader of the answer."""
        words = self.mismatch.words
        if self.mismatch.kind not in ("coverage", "column"):
            words = words if len(words) <= _LONGEST_QUOTE else f"{words[: _LONGEST_QUOTE - 1]}…"
            words = f"“{words}”"
        return f"{words}, but {self.mismatch.against}."

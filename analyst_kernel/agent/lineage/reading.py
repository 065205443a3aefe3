"""Which choices of the data's reading an answer rests on, by what its cells computed on. Pure.

A cell rests on a dataset if the kernel saw it read it, or if its code names it. Of the dataset it
rests on the columns that its code or its output names, and on those of the cells that made the
variables which it uses.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from analyst_kernel._code import tree_of
from analyst_kernel.agent.evidence.checks.shown import ShownCell, plain_text
from analyst_kernel.agent.lineage.trace import CellTrace
from analyst_kernel.protocol.datasets import DatasetProfile, ReadingChoice
from analyst_kernel.protocol.ids import CellId

_ALL_COLUMNS = frozenset(
    {"iloc", "iat", "to_numpy", "values", "itertuples", "iterrows", "select_dtypes"}
)
"""What takes columns by their place."""
_LONGEST = 100_000
_MOST_CELLS = 200


def cell_reads(trace: CellTrace | None) -> frozenset[str] | None:
    """Return the datasets that a cell computed on; None if that was not seen."""
    if trace is None or "?" in trace.reads or trace.problem or "time" in trace.skipped:
        return None
    return frozenset(trace.reads)


def all_reads(cells: Iterable[CellId], shown: Iterable[ShownCell]) -> frozenset[str] | None:
    """Return the datasets that cells computed on; None if there is none, or one was not seen."""
    reads = {one.cell: one.reads for one in shown}
    found = [reads.get(cell) for cell in cells]
    if not found or any(one is None for one in found):
        return None
    return frozenset().union(*(one for one in found if one is not None))


def choices_behind(
    profiles: Mapping[str, DatasetProfile],
    shown: Sequence[ShownCell],
    relied: Collection[CellId],
    stated: Mapping[str, Sequence[float]],
) -> list[tuple[str, ReadingChoice]]:
    """Return the choices of readings that an answer rests on, each with its dataset's name.

    Args:
        profiles: The datasets by name.
        shown: The cells that ran, oldest first.
        relied: Those that prove or support the answer.
        stated: By dataset, numbers of the answer that the setup cell proves.
    """
    cells = _with_makers(shown, relied)
    known = {cell.cell: _Words(cell.code) for cell in cells}
    found: list[tuple[str, ReadingChoice]] = []
    for name, profile in profiles.items():
        own = [c for c in cells if name in (c.reads or ()) or known[c.cell].names(name)]
        numbers = stated.get(name, ())
        if not own and not numbers:
            continue
        columns = _columns(profile, own, cells, known, relied) | _of_numbers(profile, numbers)
        for choice in profile.dataset.choices:
            touched = choice.touches == "columns" and not columns.isdisjoint(choice.columns)
            if choice.sentence and (choice.touches == "rows" or touched):
                found.append((name, choice))
    return found


def assumption_of(name: str, choice: ReadingChoice) -> str:
    """Return a choice as an assumption of an answer."""
    where = f"{name}, {choice.column}" if choice.column else name
    whose = "you said: " if choice.by_user else ""
    text = choice.sentence
    text = f"{text[:1].lower()}{text[1:]}" if choice.by_user else text
    return f"{where}: {whose}{text}"


class _Words:
    """What a cell's code names: identifiers, and texts with what may stand in them."""

    def __init__(self, code: str) -> None:
        self.identifiers: set[str] = set()
        self.texts: list[str] = []
        self.loaded: set[str] = set()
        self.stored: set[str] = set()
        tree = tree_of(code[:_LONGEST])
        if tree is None:
            self.texts.append(code[:_LONGEST])  # magics, and code that was cut
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (self.loaded if isinstance(node.ctx, ast.Load) else self.stored).add(node.id)
                self.identifiers.add(node.id)
            elif isinstance(node, ast.Attribute):
                self.identifiers.add(node.attr)
            elif isinstance(node, ast.keyword) and node.arg:
                self.identifiers.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.texts.append(node.value)

    def names(self, word: str) -> bool:
        """Return whether the code names a column or a dataset."""
        return word in self.identifiers or any(_stands_in(word, text) for text in self.texts)


def _stands_in(word: str, text: str) -> bool:
    if word.lower() not in text.lower():
        return False
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def _with_makers(shown: Sequence[ShownCell], relied: Collection[CellId]) -> list[ShownCell]:
    """Return cells and those before them that made the variables which they use."""
    recent = shown[-_MOST_CELLS:]
    words = {cell.cell: _Words(cell.code) for cell in recent}
    needed: set[str] = set()
    found: list[ShownCell] = []
    for cell in reversed(recent):
        made = words[cell.cell]
        if cell.cell in relied or made.stored & needed:
            found.append(cell)
            needed |= made.loaded
            # SQL reads variables by their names too.
            texts = " ".join(made.texts)
            needed |= set(re.findall(r"\b(?:FROM|JOIN)\s+\"?(\w+)", texts, re.IGNORECASE))
    return found[::-1]


def _columns(
    profile: DatasetProfile,
    own: Sequence[ShownCell],
    cells: Sequence[ShownCell],
    known: Mapping[CellId, _Words],
    relied: Collection[CellId],
) -> set[str]:
    """Return the columns of a dataset that cells use."""
    if not own:
        return set()
    names = [name for name in profile.dataset.columns if name.strip()]
    shown = [plain_text(cell)[:_LONGEST] for cell in own if cell.cell in relied]
    found = {
        name
        for name in names
        if any(known[cell.cell].names(name) for cell in cells)
        or any(_stands_in(name, text) for text in shown)
    }
    by_place = any(known[cell.cell].identifiers & _ALL_COLUMNS for cell in own)
    return set(names) if by_place and not found else found


def _of_numbers(profile: DatasetProfile, numbers: Sequence[float]) -> set[str]:
    """Return the columns of which the profile, and so the setup cell, says one of these numbers."""
    found: set[str] = set()
    for column in profile.columns:
        facts = (
            column.nulls, column.distinct, column.minimum, column.maximum, column.mean,
            column.median, column.p25, column.p75, column.std,
        )  # fmt: skip
        said = [float(fact) for fact in facts if isinstance(fact, int | float)]
        if any(math.isclose(one, other, rel_tol=1e-3) for one in said for other in numbers):
            found.add(column.name)
    return found

"""Derives a number from two shown ones: a difference, a sum, a share, a change. Pure.

Among many numbers some pair gives almost any result, so a derivation counts only

* with words that say it ("difference", "in total", "share" or a percent sign), and
* from two numbers that the answer itself states and that are proven; or from two that one output
  shows, or cells that the answer cites together, where few pairs give a result near this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import permutations

from analyst_kernel.agent.evidence.numbers import Number, NumberReading
from analyst_kernel.agent.evidence.shown import CellNumbers
from analyst_kernel.agent.evidence.words import Words
from analyst_kernel.protocol.ids import CellId

_MOST_STATED = 40
_MOST_POOLED = 24
_MOST_POOLS = 60
_FEW = 6
_RARE = 0.1
"""Pairs may give at most this share of the results from half to twice the number's size."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a number follows from two shown ones, and the cell that shows the first."""

    text: str
    cell: CellId


@dataclass(frozen=True, slots=True)
class Operand:
    """A shown value with its cell."""

    value: float
    cell: CellId


_OPERATIONS: dict[str, tuple[Callable[[float, float], float], str]] = {
    "-": (lambda a, b: a - b, "{a} − {b}"),
    "+": (lambda a, b: a + b, "{a} + {b}"),
    "/": (lambda a, b: a / b, "{a} / {b}"),
    "%": (lambda a, b: (a - b) / abs(b), "({a} − {b}) / {b}"),
}


def derive(
    words: Words,
    stated: Sequence[tuple[Number, CellId]],
    cells: Sequence[CellNumbers],
    cited: AbstractSet[CellId],
    profiles: Sequence[CellNumbers],
) -> Derivation | None:
    """Return how a number follows from two others, if words name the operation.

    ``stated`` are the proven numbers of the same text.
    """
    number = words.number
    if not words.operations or number.date or number.time or number.bound or not number.readings:
        return None
    own = [
        Operand(-n.readings[0].value if n.negative else n.readings[0].value, cell)
        for n, cell in stated[:_MOST_STATED]
        if n.readings and not n.date and not n.time
    ]
    for reading, operation, a, b in _pairs(words, own):
        if _gives(words, reading, operation, a.value, b.value):
            return _written(operation, a, b)
    rows = {
        Operand(number.value, shown.cell)
        for shown in profiles
        for number in shown.shown
        if number.kind == "rows"
    }
    for pool in _pools(cells, cited, rows):
        found, results = None, dict[NumberReading, set[int]]()
        for reading, operation, a, b in _pairs(words, pool):
            result = abs(_result(reading, operation, a.value, b.value))
            size = abs(reading.value)
            if size / 2 <= result <= size * 2:
                results.setdefault(reading, set()).add(round(result / (2 * reading.reach)))
            if found is None and _gives(words, reading, operation, a.value, b.value):
                found = (reading, operation, a, b)
        if found is not None:
            reading, operation, a, b = found
            possible = max(1.0, 0.75 * abs(reading.value) / reading.reach)
            # A share in words says so little that a chance of it tells nothing.
            is_rare = len(results.get(reading, ())) / possible <= _RARE
            # What was left out of a dataset is its rows less those that a cell counts.
            is_left_out = operation == "-" and a in rows and words.is_left_out
            if reading.half or is_rare or (is_left_out and len(pool) <= _FEW):
                return _written(operation, a, b)
    return None


def _pairs(
    words: Words, operands: Sequence[Operand]
) -> Iterator[tuple[NumberReading, str, Operand, Operand]]:
    number = words.number
    for a, b in permutations(operands, 2):
        for operation in words.operations:
            if operation in "/%" and b.value == 0:
                continue
            if operation == "+" and a.value < b.value:
                continue
            if operation == "-" and a.value < b.value and not number.negative:
                continue
            for reading in number.readings:
                yield reading, operation, a, b


def _result(reading: NumberReading, operation: str, a: float, b: float) -> float:
    result = _OPERATIONS[operation][0](a, b)
    # A share is shown as a fraction; the reading may be the percentage.
    return result * 100 if operation in "/%" and _is_percentage(reading) else result


def _is_percentage(reading: NumberReading) -> bool:
    return reading.percent and (reading.value > 1 or reading.decimals < 2)


def _gives(words: Words, reading: NumberReading, operation: str, a: float, b: float) -> bool:
    number = words.number
    result = _result(reading, operation, a, b)
    if operation == "/" and number.percent and (a < 0 or b < 0):
        return False
    if operation == "%" and not number.negative and result < 0 and not words.may_be_negative:
        return False
    if operation == "%" and result > 0 and words.may_be_negative and not words.is_rise:
        return False
    if number.negative and result > 0:
        return False
    if number.bare and not words.may_round and operation in "+-" and not result.is_integer():
        return False
    low, high = reading.limits(number.rough)
    slack = 1e-9 * max(1.0, abs(a), abs(b)) if operation in "+-" else reading.reach * 1e-6
    return low - slack <= abs(result) <= high + slack


def _written(operation: str, a: Operand, b: Operand) -> Derivation:
    def text(value: float) -> str:
        return f"{value:,.10g}".replace("-", "−")

    form = _OPERATIONS[operation][1]
    return Derivation(form.format(a=text(a.value), b=text(b.value)), a.cell)


def _pools(
    cells: Sequence[CellNumbers], cited: AbstractSet[CellId], rows: AbstractSet[Operand]
) -> Iterator[list[Operand]]:
    """Yield the values among which a pair may be found, the newest cells first.

    The rows of the datasets belong to each output: what a cell kept is compared with them.
    """
    count = 0
    together: set[Operand] = set(rows)
    for shown in (cell for cell in reversed(cells) if not cell.is_overview):
        outputs: dict[int, set[Operand]] = {}
        for number in shown.shown:
            if number.kind in ("integer", "decimal", "percent", "rows"):
                outputs.setdefault(number.text, set()).add(Operand(number.value, shown.cell))
        for values in outputs.values():
            if shown.cell in cited:
                together |= values
            if len(values) <= _MOST_POOLED and count < _MOST_POOLS:
                count += 1
                yield _ordered(values | rows)
    if cited and len(together) <= _MOST_POOLED:
        yield _ordered(together)


def _ordered(values: AbstractSet[Operand]) -> list[Operand]:
    return sorted(values, key=lambda operand: (-operand.value, operand.cell))

"""Looks up every number of an answer in the outputs of the analysis's cells. Pure.

The rules, exactly. A number ``x`` written with ``d`` decimals is proven by a cell that shows
a value ``v`` when any of these holds:

* ``|v|`` rounds to ``|x|`` at ``d`` decimals: they differ by at most half a unit of the last digit.
  A number written with a minus sign needs a negative ``v``; one written without may stand for
  either sign ("fell by 3.2" for -3.2).
* It is a percentage and the same holds for ``x / 100`` (a fraction was shown).
* It has a scale (k, M, bn, million...) and the same holds scaled or unscaled.
* It stands after "about" and the like, ends in at least two zeros after at least two other digits,
  and ``v`` rounds to it at its last digit that is not zero.
* It stands after ``<``, is at most 0.1, and a ``v`` between 0 and ``x`` is shown (p-values).
* It is an ISO date that is shown, or all its parts are shown in one cell.

Numbers that stand in the question itself are not checked: the user wrote them. "Shown" means
printed, displayed (HTML reduced to text), plotted (typed chart data) or the shape or short value of
a variable that the cell made or changed. Standard error and tracebacks prove nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from analyst_kernel.agent.context import CellNumbers
from analyst_kernel.agent.evidence.numbers import (
    Number,
    NumberReading,
    find_numbers,
    shown_dates,
    shown_numbers,
)
from analyst_kernel.agent.observation.text import bundle_text, chart_of, html_text, json_numbers
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    Frame,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.records import NumberProof

UNVERIFIED = " (not verified)"
_BOUND_MAXIMUM = 0.1


def cell_numbers(
    cell: CellId,
    outputs: Sequence[Output],
    *,
    before: Sequence[Frame] = (),
    after: Sequence[Frame] = (),
) -> CellNumbers:
    """Return the numbers that a cell shows; of the variables, only those it made or changed."""
    values: set[float] = set()
    dates: set[str] = set()
    for output in outputs:
        for text in _texts(output):
            values.update(shown_numbers(text))
            dates.update(shown_dates(text))
        data = chart_of(output)[1]
        if data is not None:
            values.update(json_numbers(data))
    known = {frame.name: frame for frame in before}
    for frame in after:
        if known.get(frame.name) != frame:
            values.update(float(size) for size in frame.shape)
            values.update(shown_numbers(frame.summary))
    finite = sorted(value for value in values if math.isfinite(value))
    return CellNumbers(cell, tuple(finite), tuple(sorted(dates)))


def prove(
    text: str,
    cells: Sequence[CellNumbers],
    *,
    question: str = "",
    names: Iterable[str] = (),
) -> tuple[NumberProof, ...]:
    """Find the numbers of ``text`` and the newest cell that proves each.

    ``cells`` are oldest first. Numbers of the user's ``question`` need no proof, and digits of
    ``names`` (column names and the like) are not numbers.
    """
    given = {round(r.value, 9) for number in find_numbers(question) for r in number.readings}
    proofs: list[NumberProof] = []
    for number in find_numbers(text, names=names):
        if any(round(reading.value, 9) in given for reading in number.readings[:1]):
            continue
        cell = next((shown.cell for shown in reversed(cells) if shows(shown, number)), None)
        proofs.append(NumberProof(text=number.text, start=number.start, end=number.end, cell=cell))
    return tuple(proofs)


def shows(shown: CellNumbers, number: Number) -> bool:
    """Return whether a cell's outputs prove a number, by the rules at the top of this file."""
    if number.date:
        parts = (NumberReading(part.value, 0) for part in number.readings)
        return any(date.startswith(number.date) for date in shown.dates) or all(
            _has(shown.values, abs(part.value), 0.5, negative=False) for part in parts
        )
    for reading in number.readings:
        half = 0.5 * float(f"1e{-reading.decimals}")
        if _has(shown.values, abs(reading.value), half, negative=number.negative):
            return True
        if number.rough and (coarse := _coarse_half(reading)) is not None:
            if _has(shown.values, abs(reading.value), coarse, negative=number.negative):
                return True
        if number.bound and 0 < reading.value <= _BOUND_MAXIMUM:
            if bisect_left(shown.values, 0.0) < bisect_left(shown.values, reading.value):
                return True
    return False


def is_shown(value: float, cells: Sequence[CellNumbers]) -> bool:
    """Return whether any cell shows a value that rounds to ``value`` as Python writes it."""
    numbers = find_numbers(f" {value!r} ")
    return all(any(shows(cell, number) for cell in cells) for number in numbers)


def mark_unverified(
    text: str, proofs: Sequence[NumberProof]
) -> tuple[str, tuple[NumberProof, ...]]:
    """Write "(not verified)" behind each unproven number; return the text and the moved proofs."""
    pieces: list[str] = []
    moved: list[NumberProof] = []
    position = shift = 0
    for proof in proofs:
        moved.append(
            proof.model_copy(update={"start": proof.start + shift, "end": proof.end + shift})
        )
        pieces.append(text[position : proof.end])
        position = proof.end
        if proof.cell is None and not text.startswith(UNVERIFIED, proof.end):
            pieces.append(UNVERIFIED)
            shift += len(UNVERIFIED)
    pieces.append(text[position:])
    return "".join(pieces), tuple(moved)


def _texts(output: Output) -> list[str]:
    if isinstance(output, StreamOutput):
        return [output.text] if output.name == "stdout" else []
    if isinstance(output, DisplayOutput | ResultOutput):
        html = output.data.get("text/html")
        # The HTML table may show more rows than the plain text, or round differently.
        return [bundle_text(output.data), html_text(html) if isinstance(html, str) else ""]
    return []


def _has(values: Sequence[float], size: float, half: float, *, negative: bool) -> bool:
    """Return whether some value lies within ``half`` of ``size`` (or of its negative).

    The slack keeps a value that lies exactly at the limit: floats of decimals are not exact.
    """
    slack = half * 1e-6 + size * 1e-12
    low, high = size - half - slack, size + half + slack

    def between(bottom: float, top: float) -> bool:
        index = bisect_left(values, bottom)
        return index < len(values) and values[index] <= top

    if between(-high, -low):
        return True
    return (not negative or size == 0) and between(low, high)


def _coarse_half(reading: NumberReading) -> float | None:
    digits = f"{abs(reading.value):.0f}"
    bare = digits.rstrip("0")
    zeros = len(digits) - len(bare)
    if reading.decimals > 0 or zeros < 2 or len(bare) < 2:
        return None
    return 0.5 * 10.0**zeros

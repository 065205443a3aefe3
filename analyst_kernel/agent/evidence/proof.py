"""Looks up every number of an answer in the outputs of the analysis's cells. Pure.

The rules, exactly. A number ``x`` written with ``d`` decimals is proven by a cell that shows
a value ``v`` when ``|v|`` rounds to ``|x|`` at ``d`` decimals: they differ by at most half a unit
of the last digit; and, as well,

* **sign**: a number with a minus needs a negative ``v``. One without needs a ``v`` that is not
  negative, unless words say that it points down ("fell by 3.2" for -3.2), it stands alone in
  brackets, or only its size is meant ("a difference of 3.2").
* **whole numbers**: a count needs a whole ``v``. Only a measure (with a unit or a currency, after
  "mean" and the like, of five digits or more, or where the user asked for rounding) may be a
  rounded one.
* **what v is**: the number of columns proves only columns; the number of rows proves a count, never
  a percentage or a measure; the label of a row and a part of a date prove only such. A percentage
  needs a percentage, a fraction (``x / 100``) or a decimal; a whole ``v`` only where the output
  says that it is a percentage.
* **chance**: where an output shows more than half of all values of about this size, and in what
  the setup cell says of each column, the line that shows ``v`` must share a word or another number
  with the sentence or the question.
* A scaled number (k, M, bn, million...) may be shown scaled or not. After "about" ``v`` may lie up
  to 5 % away within the written digits, after "over" up to 10 % above, after "under" up to 10 %
  below; of all ("every year has over 90") up to twice or half. After ``p <`` any ``v`` between 0
  and ``x`` proves it, if ``x`` is at most 0.1; after ``p >`` any from ``x`` to 1.
* A date or a time needs to be shown, or all its parts in one cell.

Where a number can be read in several ways (``168,124`` is a number or a list, ``33.442`` has a
decimal point or not, ``1 in 5`` is a share or two numbers), one proven reading is enough.
What no cell shows may be derived (:mod:`.derive`) or, in assumptions, caveats and beside words of
the method, stand in the code that ran. Numbers of the question need no proof in prose
(:mod:`.given`), but in a closed form ``@name[value]`` they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from analyst_kernel.agent.evidence.derive import Derivation, derive
from analyst_kernel.agent.evidence.given import Given
from analyst_kernel.agent.evidence.numbers import Number, NumberReading, find_numbers
from analyst_kernel.agent.evidence.shown import NO_TEXT, CellNumbers, ShownNumber
from analyst_kernel.agent.evidence.words import Words, words_beside
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import NumberProof

CONSTANT = "a constant of the code"
_BOUND_MAXIMUM = 0.1
_CROWD = 30
"""An output that shows more different numbers than this may show a value by chance."""
_DENSE = 0.5
_MOST_LINES = 500
_LARGE = 100
_MOST_DERIVED = 200
"""Numbers of an answer that are looked for among differences, sums and shares."""

_FAR = 0.5
"""Further away, in proportion, a value is not named as the nearest."""
_WORDS_FOR_KIND = {
    "rows": "the number of rows of a table",
    "columns": "the number of columns",
    "label": "the label of a row",
    "part of a date": "a part of a date",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the cells found for one number: the cell, and how the value was derived."""

    cell: CellId
    derivation: str = ""


def prove(
    text: str,
    cells: Sequence[CellNumbers],
    *,
    question: str = "",
    given: str = "",
    names: Iterable[str] = (),
    cited: AbstractSet[CellId] = frozenset(),
    profiles: Sequence[CellNumbers] = (),
    is_method: bool = False,
) -> tuple[NumberProof, ...]:
    """Find the numbers of ``text`` and the newest cell that proves each.

    Args:
        text: Markdown of an answer.
        cells: What the cells show, oldest first.
        question: The user's question; in prose its numbers need no proof.
        given: A text whose numbers never need a proof.
        names: Column names and the like, whose digits are no numbers.
        cited: The cells that the answer cites: numbers may be derived across them.
        profiles: What is known of the datasets themselves.
        is_method: Whether the text is an assumption or a caveat, where constants of executed code
            prove a number.
    """
    exempt = Given(question, given)
    everything = [*profiles, *cells]
    proofs: list[NumberProof | None] = []
    pending: list[tuple[int, Words]] = []
    proven: list[tuple[Number, CellId]] = []
    for number in find_numbers(text, names=names):
        words = words_beside(text, number, question)
        found = _look(words, everything, is_method=is_method)
        if found is None and number.parts:
            items = [words_beside(text, part, question) for part in number.parts]
            looked = [(item, _look(item, everything, is_method=is_method)) for item in items]
            missing = [w for w, result in looked if result is None and not exempt.covers(w)]
            is_list = len(items) > 2 or bool(number.form)
            if not missing or (is_list and len(missing) < len(items)):
                proofs += [_proof(w.number, result) for w, result in looked if result is not None]
                proven += [(w.number, result.cell) for w, result in looked if result is not None]
                proofs += [_unproven(w, everything) for w in missing]
                continue
        if found is not None:
            proven.append((number, found.cell))
            proofs.append(_proof(number, found))
        elif not exempt.covers(words):
            pending.append((len(proofs), words))
            proofs.append(None)
    for place, words in pending:
        may_derive = place < _MOST_DERIVED and not _is_contradicted(words, everything)
        derived = derive(words, proven, everything, cited, profiles) if may_derive else None
        proofs[place] = (
            _unproven(words, everything) if derived is None else _derived(words, derived)
        )
    return tuple(sorted((p for p in proofs if p is not None), key=lambda proof: proof.start))


def _proof(number: Number, found: Looked) -> NumberProof:
    return NumberProof(
        text=number.text, start=number.start, end=number.end, cell=found.cell,
        derivation=found.derivation,
    )  # fmt: skip


def _derived(words: Words, derivation: Derivation) -> NumberProof:
    return _proof(words.number, Looked(derivation.cell, derivation.text))


def _unproven(words: Words, cells: Sequence[CellNumbers]) -> NumberProof:
    number = words.number
    cell, near = _nearest_shown(words, cells)
    return NumberProof(
        text=number.text, start=number.start, end=number.end, cell=None, nearest=near,
        nearest_cell=cell,
    )  # fmt: skip


def _is_contradicted(words: Words, cells: Sequence[CellNumbers]) -> bool:
    """Return whether a cell shows this very number with the other sign, so that none derives it."""
    return any(
        number.value != 0 and not _agrees_in_sign(number.value, reading, words)
        for shown in cells
        if not shown.is_overview
        for reading in words.number.readings[:1]
        for number in _near(shown, reading, words)
        if number.kind == "decimal" or abs(number.value) >= _LARGE
    )


def _look(words: Words, cells: Sequence[CellNumbers], *, is_method: bool) -> Looked | None:
    """Return the newest cell that proves a number, if any."""
    for shown in reversed(cells):
        if shows(shown, words):
            return Looked(shown.cell)
    if is_method or words.is_of_method:
        values = [reading.value for reading in words.number.readings]
        for shown in reversed(cells):
            if any(value in shown.constants for value in values):
                return Looked(shown.cell, CONSTANT)
    return None


def shows(shown: CellNumbers, words: Words) -> bool:
    """Return whether a cell's outputs prove a number, by the rules at the top of this file."""
    number = words.number
    if number.date:
        return _shows_date(shown, number)
    if number.time:
        return number.time in shown.times or (
            number.time.endswith(":00") and _has_integer(shown, number.readings[0].value)
        )
    for reading in number.readings:
        crowded: dict[int, bool] = {}
        checked = 0
        for candidate in _near(shown, reading, words):
            if not _is_proof(candidate, reading, words) or _is_count(shown, candidate, words):
                continue
            if candidate.text not in crowded:
                crowded[candidate.text] = _is_crowded(shown, candidate, reading)
            if not crowded[candidate.text]:
                return True
            checked += 1
            if checked > _MOST_LINES:
                break
            if words.shares_line(shown.line_of(candidate)):
                return True
    return _shows_limit(shown, words) or (bool(number.bound) and _shows_bound(shown, words))


def _near(shown: CellNumbers, reading: NumberReading, words: Words) -> Iterator[ShownNumber]:
    """Yield the values that round to a reading, of either sign."""
    size = abs(reading.value)
    low, high = reading.limits(words.number.rough)
    slack = (high - low) * 5e-7 + size * 1e-12
    # The slack keeps a value that lies exactly at the limit: floats of decimals are not exact.
    yield from shown.between(low - slack, high + slack)
    if high > 0:
        yield from shown.between(-high - slack, -low + slack)


def _is_proof(shown: ShownNumber, reading: NumberReading, words: Words) -> bool:
    """Return whether a value that rounds to a reading is of the same kind and sign."""
    number = words.number
    if not _agrees_in_sign(shown.value, reading, words):
        return False
    match shown.kind:
        case "label":
            return words.is_label
        case "columns":
            return words.is_of_columns and not number.percent
        case "rows":
            if number.percent or words.is_measure:
                return False
        case "part of a date":
            return words.is_of_date and number.bare
        case "percent" | "decimal" | "integer":
            pass
    if number.percent and not number.rough:
        # The fraction of a percentage is a decimal; the percentage itself may be whole.
        is_fraction = reading is not number.readings[0] and reading.decimals >= 2
        return not (is_fraction and shown.kind == "integer" and shown.value != 0)
    if number.bare and reading.decimals == 0 and not words.may_round:
        is_percentage = shown.kind == "percent" and not number.form and not words.is_percentage
        return shown.value.is_integer() and not is_percentage
    return True


def _agrees_in_sign(value: float, reading: NumberReading, words: Words) -> bool:
    number = words.number
    if reading.value == 0 or value == 0:
        return True
    if number.negative:
        return value < 0
    if number.positive:
        return value > 0
    return value > 0 or number.in_brackets or words.may_be_negative


def _is_count(shown: CellNumbers, candidate: ShownNumber, words: Words) -> bool:
    """Return whether a whole value is a count that stands where a percentage was written."""
    if not words.number.percent or candidate.value == 0:
        return False
    if shown.is_overview and candidate.value.is_integer():
        return True
    if candidate.kind != "integer":
        return False
    # Alone, a whole number may be the percentage itself; among others the output must say so.
    is_alone = candidate.text != NO_TEXT and shown.count_in(candidate.text) <= 2
    return not is_alone and not _says_percent(shown, candidate)


def _is_crowded(shown: CellNumbers, candidate: ShownNumber, reading: NumberReading) -> bool:
    """Return whether an output would show some value of this size and precision in any case."""
    if candidate.kind not in ("integer", "decimal", "percent"):
        return False
    if shown.is_overview:
        return True
    many = shown.count_in(candidate.text) > _CROWD
    return many and _coverage(shown, candidate, reading) > _DENSE


def _says_percent(shown: CellNumbers, candidate: ShownNumber) -> bool:
    beside = f"{shown.head_of(candidate)}\n{shown.line_of(candidate)}".casefold()
    return any(word in beside for word in ("%", "pct", "percent", "share", "rate", "prop", "ratio"))


def _coverage(shown: CellNumbers, candidate: ShownNumber, reading: NumberReading) -> float:
    """Return which share of the values from half to twice this size an output shows."""
    unit = 2 * reading.reach
    size = max(abs(reading.value), 2 * unit)
    text = candidate.text
    found = {
        round(abs(number.value) / unit)
        for values in (shown.between(size / 2, size * 2), shown.between(-size * 2, -size / 2))
        for number in values
        if number.text == text
    }
    return len(found) / max(1.0, 1.5 * size / unit)


def _shows_limit(shown: CellNumbers, words: Words) -> bool:
    """Return whether values lie beyond a limit that is set for all: "every year has over 90".

    Whether every one does is the matter of a check of its own.
    """
    number = words.number
    if number.rough not in ("over", "under") or not words.is_of_all:
        return False
    factors = (1.0, 2.0) if number.rough == "over" else (0.5, 1.0)
    return any(
        words.shares_line(shown.line_of(value)) or not _is_crowded(shown, value, reading)
        for reading in number.readings[:1]
        if reading.value > 0
        for value in shown.between(*(factor * reading.value for factor in factors))[:_MOST_LINES]
        if value.kind in ("integer", "decimal", "percent")
    )


def _shows_bound(shown: CellNumbers, words: Words) -> bool:
    """Return whether a p-value that is shown lies on the side of the bound that the text says."""
    for reading in words.number.readings:
        if not 0 < reading.value <= _BOUND_MAXIMUM:
            continue
        if words.number.bound == "<":
            found = shown.between(0.0, reading.value)
            if any(number.kind == "decimal" for number in found):
                return True
        elif words.is_p_value:
            found = shown.between(reading.value, 1.0)
            if any(number.kind == "decimal" for number in found):
                return True
    return False


def _shows_date(shown: CellNumbers, number: Number) -> bool:
    if any(date.startswith(number.date) for date in shown.dates):
        return True
    return all(_has_integer(shown, part.value) for part in number.readings)


def _has_integer(shown: CellNumbers, value: float) -> bool:
    return any(n.kind in ("integer", "part of a date") for n in shown.between(value, value))


def is_shown(
    value: float, cells: Sequence[CellNumbers], *, label: str = "", unit: str = ""
) -> bool:
    """Return whether any cell shows a key value that rounds to ``value`` as Python writes it.

    The label and the unit are the words around the number.
    """
    lead = f"{label.replace(chr(10), ' ')}: "
    text = f"{lead}{value!r} {unit}".rstrip()
    numbers = [n for n in find_numbers(text) if n.start >= len(lead)][:1]
    if not numbers:
        return True
    number = replace(numbers[0], parts=())
    return _look(words_beside(text, number), cells, is_method=False) is not None


def _nearest_shown(words: Words, cells: Sequence[CellNumbers]) -> tuple[CellId | None, str]:
    """Return the cell and the value that comes nearest, in words; nothing if none comes near.

    Newer cells come first among values that are as near.
    """
    number = words.number
    if number.date or number.time or not number.readings:
        return None, ""
    best: tuple[float, CellNumbers, ShownNumber] | None = None
    wanted = number.readings[0].value * (-1 if number.negative else 1)
    size = abs(wanted)
    for shown in reversed(cells):
        for sign in (1, -1):
            near = shown.between(*sorted((sign * size * (1 - _FAR), sign * size * (1 + _FAR))))
            for candidate in near:
                away = abs(abs(candidate.value) - size) / (size or 1.0)
                if candidate.kind in _WORDS_FOR_KIND:
                    away += 1e-9
                if best is None or away < best[0]:
                    best = (away, shown, candidate)
    if best is None:
        return None, ""
    _, shown, candidate = best
    written = f"{candidate.value:,.10g}".replace("-", "−")
    if candidate.kind in _WORDS_FOR_KIND:
        written += f", {_WORDS_FOR_KIND[candidate.kind]}"
    elif candidate.kind == "percent":
        written += " as a percentage"
    elif abs(candidate.value) == size and candidate.value * wanted < 0:
        written += ", which has the other sign"
    elif number.bare and not candidate.value.is_integer():
        written += ", which is not whole"
    elif number.percent and candidate.value == size:
        written += ", which is no percentage there"
    return shown.cell, written

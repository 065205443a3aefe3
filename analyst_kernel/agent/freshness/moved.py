"""What became of the numbers of an answer when its cells ran again on other data. Pure.

Each number is followed from the place in the output that proved it to the same place of the new
output. A derived number is derived again from the numbers that it came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from analyst_kernel.agent.evidence.checks.prose import stem
from analyst_kernel.agent.evidence.numbers import Number, NumberReading, find_numbers
from analyst_kernel.agent.evidence.proof import CONSTANT
from analyst_kernel.agent.freshness.spots import Key, Spot, spots_of, words_of
from analyst_kernel.protocol.freshness import NumberMove
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import CellError, Output
from analyst_kernel.protocol.records import NumberProof

_CORE = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+")
_OPERAND = r"(−?[0-9][0-9,]*(?:\.[0-9]+)?(?:e[+−-]?[0-9]+)?)"
_DERIVED: tuple[tuple[re.Pattern[str], Callable[[float, float], float]], ...] = (
    (re.compile(rf"\({_OPERAND} − {_OPERAND}\) / {_OPERAND}"), lambda a, b: (a - b) / abs(b)),
    (re.compile(rf"{_OPERAND} − {_OPERAND}"), lambda a, b: a - b),
    (re.compile(rf"{_OPERAND} \+ {_OPERAND}"), lambda a, b: a + b),
    (re.compile(rf"{_OPERAND} / {_OPERAND}"), lambda a, b: a / b),
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_PARTS = re.compile(r"[);]|\b(?:and|but|while)\b")
_PARTS_AHEAD = re.compile(r"[),;]|\b(?:and|but|while)\b")
_PARTED = 3


@dataclass(frozen=True, slots=True)
class RanAgain:
    """A cell as it was when the answer was given, and as it is now.

    Attributes:
        cell: Its id.
        name: What a reader calls it, such as ``cell 3``.
        before, after: Its outputs.
        code_before, code_after: Its code, of a cell that loads data; else empty.
        error: What it failed with now.
        failure: The same in a sentence, empty if it ran.
    """

    cell: CellId
    name: str
    before: tuple[Output, ...]
    after: tuple[Output, ...]
    code_before: str = ""
    code_after: str = ""
    error: CellError | None = None
    failure: str = ""


@dataclass(slots=True)
class _Shown:
    """The numbers that a cell showed, and those that it shows now by their place."""

    ran: RanAgain
    before: tuple[Spot, ...] = field(init=False)
    after: dict[Key, float] = field(init=False)
    words_before: frozenset[str] = field(init=False)
    words_after: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.words_before = words_of(self.ran.before)
        self.words_after = words_of(self.ran.after)
        self.before = spots_of(self.ran.before, self.ran.code_before)
        self.after = {
            spot.key: spot.value for spot in spots_of(self.ran.after, self.ran.code_after)
        }


@dataclass(frozen=True, slots=True)
class _Followed:
    """Where a number went: the value before and after, or why there is none."""

    before: float | None = None
    after: float | None = None
    reason: str = ""


class Follower:
    """Follows the numbers of answers through cells that ran again."""

    def __init__(self, cells: Sequence[RanAgain]) -> None:
        """Take the cells, in the order of the notebook."""
        self._cells = {one.cell: one for one in cells}
        self._shown: dict[CellId, _Shown] = {}

    def moves(self, text: str, proofs: Sequence[NumberProof]) -> tuple[NumberMove, ...]:
        """Return what became of each number of an answer."""
        numbers = {(one.start, one.end): one for one in _every(text)}
        found: list[NumberMove] = []
        later: list[tuple[int, NumberProof, Number]] = []
        values: dict[float, float] = {}
        for proof in proofs:
            number = numbers.get((proof.start, proof.end)) or _alone(proof)
            if number is None or proof.cell is None:
                found.append(_move(proof, "unproven"))
                continue
            if proof.derivation == CONSTANT or number.date or number.time or not number.readings:
                found.append(self._constant(proof, number))
                continue
            if proof.derivation:
                later.append((len(found), proof, number))
                found.append(_gone(proof, ""))
                continue
            move, followed = self._shown_number(text, proof, number)
            found.append(move)
            if followed.before is not None and followed.after is not None:
                values[_rounded(followed.before)] = followed.after
                values.setdefault(_rounded(_plain(number)), followed.after)
        for at, proof, number in later:
            found[at] = self._derived(text, proof, number, values)
        return tuple(found)

    def _of(self, cell: CellId) -> _Shown | None:
        if cell not in self._shown and cell in self._cells:
            self._shown[cell] = _Shown(self._cells[cell])
        return self._shown.get(cell)

    def _constant(self, proof: NumberProof, number: Number) -> NumberMove:
        """Return a number that no data moves, or a date, which is there or not."""
        assert proof.cell is not None
        ran = self._cells.get(proof.cell)
        if ran is None:
            return _gone(proof, "The cell that showed it is not in the notebook any more.")
        if ran.failure:
            return _gone(proof, ran.failure)
        wanted = number.date or number.time
        if wanted and proof.derivation != CONSTANT:
            texts = " ".join(str(one.model_dump()) for one in ran.after)
            if number.date not in texts and proof.text not in texts:
                return _gone(proof, f"{_start(ran.name)} no longer shows it.")
        return _move(proof, "same", now=proof.text)

    def _shown_number(
        self, text: str, proof: NumberProof, number: Number
    ) -> tuple[NumberMove, _Followed]:
        assert proof.cell is not None
        shown = self._of(proof.cell)
        if shown is None:
            reason = "The cell that showed it is not in the notebook any more."
            return _gone(proof, reason), _Followed()
        for reading in number.readings:
            spots = [spot for spot in shown.before if _is_at(spot.value, reading, number)]
            if spots:
                followed = _follow(text, number, spots, shown)
                return _moved(proof, number, reading, followed), followed
        if shown.ran.failure:
            return _gone(proof, shown.ran.failure), _Followed()
        if number.text in shown.words_before:  # a label, such as a year
            if number.text in shown.words_after:
                return _move(proof, "same", now=proof.text), _Followed()
            return _gone(proof, f"{_start(shown.ran.name)} no longer shows it."), _Followed()
        reason = (
            f"The notebook's output of {shown.ran.name} does not hold it: a variable showed it, "
            "or the cell ran again since."
        )
        return _gone(proof, reason), _Followed()

    def _derived(
        self, text: str, proof: NumberProof, number: Number, values: Mapping[float, float]
    ) -> NumberMove:
        for pattern, operation in _DERIVED:
            match = pattern.fullmatch(proof.derivation)
            if match is None:
                continue
            operands = [float(one.replace(",", "").replace("−", "-")) for one in match.groups()[:2]]
            now: list[float] = []
            for operand in operands:
                found = self._operand(text, proof, number, operand, values)
                if isinstance(found, str):
                    return _gone(proof, found)
                now.append(found)
            try:
                before, after = operation(*operands), operation(*now)
            except ZeroDivisionError:
                return _gone(proof, f"It would be divided by zero: {proof.derivation}.")
            reading = next((r for r in number.readings if _is_at(before, r, number)), None)
            if reading is None:  # a share is a fraction, and is written as a percentage
                before, after = before * 100, after * 100
                reading = next(
                    (r for r in number.readings if _is_at(before, r, number)), number.readings[0]
                )
            return _moved(proof, number, reading, _Followed(before, after))
        return _gone(proof, f"How it was derived cannot be done again: {proof.derivation}.")

    def _operand(
        self,
        text: str,
        proof: NumberProof,
        number: Number,
        operand: float,
        values: Mapping[float, float],
    ) -> float | str:
        """Return what a value that a number was derived from is now, or why it is not there."""
        if _rounded(operand) in values:
            return values[_rounded(operand)]
        assert proof.cell is not None
        order = [proof.cell, *(cell for cell in reversed(self._cells) if cell != proof.cell)]
        for cell in order:
            shown = self._of(cell)
            spots = [] if shown is None else [
                spot for spot in shown.before if _rounded(spot.value) == _rounded(operand)
            ]  # fmt: skip
            if shown is not None and spots:
                followed = _follow(text, number, spots, shown)
                return followed.reason if followed.after is None else followed.after
        return f"The value {operand:,.10g} that it was derived from is shown by no output."


def _every(text: str) -> list[Number]:
    found = list(find_numbers(text))
    return [*found, *(part for number in found for part in number.parts)]


def _alone(proof: NumberProof) -> Number | None:
    """Return a number by its own text, where the text around it reads otherwise."""
    found = find_numbers(proof.text)
    return found[0] if len(found) == 1 else None


def _is_at(value: float, reading: NumberReading, number: Number) -> bool:
    low, high = reading.limits(number.rough)
    slack = (high - low) * 5e-7 + abs(reading.value) * 1e-12
    if value < 0 and number.positive:
        return False
    if number.bound and 0 < reading.value <= 0.1:
        return 0 <= value <= reading.value if number.bound == "<" else reading.value <= value <= 1
    return low - slack <= abs(value) <= high + slack


def _follow(text: str, number: Number, spots: Sequence[Spot], shown: _Shown) -> _Followed:
    """Return where the number went that stands at one of several places of a cell."""
    if shown.ran.failure and not shown.after:
        return _Followed(spots[0].value, None, shown.ran.failure)
    ranked = sorted(spots, key=lambda spot: _nearness(text, number, spot), reverse=True)
    best = [
        one for one in ranked if _nearness(text, number, one) == _nearness(text, number, ranked[0])
    ]
    there = [one for one in best if one.key in shown.after]
    # A table, a printed value and a line may show the same; one that is found again is enough.
    there = there or [one for one in ranked if one.key in shown.after and _same_labels(one, best)]
    if not there:
        labels = next((one.labels for one in best if one.labels), ())
        what = f" for {', '.join(labels)}"[:120] if labels else ""
        reason = shown.ran.failure or f"{_start(shown.ran.name)} no longer shows a value{what}."
        return _Followed(best[0].value, None, reason)
    now = {_rounded(shown.after[one.key]) for one in there}
    if len(now) > 1:
        reason = (
            f"{_start(shown.ran.name)} showed it in several places, which differ now; "
            "the answer does not say which it meant."
        )
        return _Followed(there[0].value, None, reason)
    return _Followed(there[0].value, shown.after[there[0].key])


def _same_labels(spot: Spot, best: Sequence[Spot]) -> bool:
    wanted = {label.casefold() for one in best for label in one.labels}
    return not wanted or any(label.casefold() in wanted for label in spot.labels)


def _nearness(text: str, number: Number, spot: Spot) -> tuple[int, int, int]:
    """Return how much of what names a place the sentence says, and how near to the number."""
    start = max((m.end() for m in _SENTENCE_END.finditer(text, 0, number.start)), default=0)
    end = _SENTENCE_END.search(text, number.end)
    sentence = text[start : end.start() if end else len(text)]
    at = (number.start - start, number.end - start)
    said, far = 0, 0
    for label in dict.fromkeys(spot.labels):
        found = re.finditer(rf"(?<!\w){re.escape(label)}(?!\w)", sentence, re.IGNORECASE)
        away = [
            _away(sentence, match, *at)
            for match in (found if label.strip() else ())
            if not at[0] <= match.start() < at[1]
        ]
        if away:
            said += 1
            far += min(away)
    words = {stem(word) for word in re.findall(r"[^\W\d_]{2,}", sentence.lower())}
    heads = {
        stem(word) for head in spot.heads for word in re.findall(r"[^\W\d_]{2,}", head.lower())
    }
    return said, -far, len(heads & words)


def _away(sentence: str, label: re.Match[str], start: int, end: int) -> int:
    """Return how far a label stands from a number; what parts them counts more."""
    if label.end() <= start:
        between, parting = sentence[label.end() : start], _PARTS
    else:
        between, parting = sentence[end : label.start()], _PARTS_AHEAD
    return len(between) * (_PARTED if parting.search(between) else 1)


def _moved(
    proof: NumberProof, number: Number, reading: NumberReading, followed: _Followed
) -> NumberMove:
    if followed.before is None or followed.after is None:
        return _gone(proof, followed.reason, before=followed.before)
    plain = number.readings[0]
    factor = plain.value / reading.value if reading.value else 1.0
    # "Fell by 3.2" is written without the sign of the −3.2 that proves it.
    sign = -1.0 if followed.before < 0 and not number.negative else 1.0
    shown_sign = -1.0 if number.negative and followed.before > 0 else 1.0
    before, after = (v * factor * sign * shown_sign for v in (followed.before, followed.after))
    is_same = _is_at(followed.after, reading, number) and (
        followed.after * followed.before >= 0 or not followed.before
    )
    change = after - before
    return _move(
        proof,
        "same" if is_same else "moved",
        before=before,
        after=after,
        now=proof.text if is_same else _as_written(number, after),
        change=change,
        percent=100 * change / abs(before) if before else None,
    )


def _as_written(number: Number, value: float) -> str:
    """Return a value as the answer would write it: digits, decimals, unit, sign."""
    core = _CORE.search(number.text)
    if core is None:
        return f"{value:,.6g}"
    written = float(core[0].replace(",", ""))
    unit = abs(number.readings[0].value) / written if written else 1.0
    decimals = len(core[0].partition(".")[2])
    grouped = "," if "," in core[0] or abs(value / unit) >= 10_000 else ""
    text = f"{abs(value) / (unit or 1.0):{grouped}.{decimals}f}"
    lead = number.text[: core.start()].rstrip("-−+")
    sign = "−" if value < 0 and float(text.replace(",", "")) else ""
    return f"{sign}{lead}{text}{number.text[core.end() :]}"


def _plain(number: Number) -> float:
    return number.readings[0].value * (-1 if number.negative else 1)


def _rounded(value: float) -> float:
    return float(f"{value:.10g}")


def _start(name: str) -> str:
    return f"{name[:1].upper()}{name[1:]}"


def _gone(proof: NumberProof, reason: str, before: float | None = None) -> NumberMove:
    return _move(proof, "gone", before=before, reason=reason or "It cannot be computed again.")


def _move(proof: NumberProof, state: str, **values: object) -> NumberMove:
    return NumberMove.model_validate(
        {
            "text": proof.text, "start": proof.start, "end": proof.end, "cell": proof.cell,
            "state": state, **values,
        }
    )  # fmt: skip

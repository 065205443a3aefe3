"""Finds the numbers that a cell shows, and what each is: whole, percentage, size of a table. Pure.

"Shown" means printed, displayed (HTML reduced to text), plotted (typed chart data) or the shape or
short value of a variable that the cell made or changed. Standard error and tracebacks show nothing.
"""

from __future__ import annotations

import ast
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from analyst_kernel._code import tree_of
from analyst_kernel.agent.evidence.signs import is_negative
from analyst_kernel.agent.evidence.typed import NOTHING, Typed
from analyst_kernel.agent.observation.text import bundle_text, chart_of, html_text, json_numbers
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import DisplayOutput, Frame, Output, ResultOutput, StreamOutput

ShownKind: TypeAlias = Literal[
    "integer", "decimal", "percent", "rows", "columns", "label", "part of a date"
]
NO_TEXT = -1
_LONGEST_LINE = 1000

_PLAIN = re.compile(
    r"(?<!\w)(?<![0-9]\.)(?:(?P<grouped>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?)(?![0-9])"
    r"|(?P<plain>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?))"
)
_MOMENT = re.compile(
    r"(?<![0-9-])(?P<date>[0-9]{4}-[01][0-9](?:-[0-3][0-9])?)(?![0-9-])"
    r"(?:[T ](?P<clock>[0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?))?"
    r"|(?<![\w:.])(?P<time>[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?)(?![\w:])"
)
_SIZES: tuple[tuple[re.Pattern[str], tuple[ShownKind, ...]], ...] = (
    (re.compile(r"\[([0-9]{1,15}) rows x ([0-9]{1,9}) columns\]"), ("rows", "columns")),
    (
        re.compile(r"(?<![0-9,])([0-9][0-9,]{0,14}) rows?,? (?:x|×|by|and) ([0-9,]{1,9}) columns?"),
        ("rows", "columns"),
    ),
    (re.compile(r"RangeIndex: ([0-9]+) entries, ([0-9]+) to ([0-9]+)"), ("rows", "label", "label")),
    (re.compile(r"\bIndex: ([0-9]+) entries"), ("rows",)),
    (re.compile(r"(?<![\w.,])([0-9][0-9,]{0,14}) rows\b"), ("rows",)),
    (re.compile(r"(?:\bLength: )([0-9]+)"), ("rows",)),
    (re.compile(r"(?<![\w.,])([0-9][0-9,]{0,9}) (?:columns?|variables?|fields?)\b"), ("columns",)),
    (re.compile(r"\bcolumns: ([0-9]+)\b"), ("columns",)),
    (re.compile(r"^ {0,9}([0-9]{1,9}) .*non-null.*$", re.MULTILINE), ("label",)),
)
_PAIR = re.compile(r"\(([0-9]+), ([0-9]+)\)")
_SHAPE_IN_CODE = re.compile(r"\.shape\b(?!\s*\[)")
_LABEL = re.compile(r"[ \t]*([0-9]+)(?=[ \t])")
_SCALED = re.compile(
    r"\s?(?:(?P<percent>%|percent\b)|(?P<scale>thousand|million|billion|trillion|mn|bn|[kKMB])"
    r"(?![A-Za-z0-9_]))"
)
_POWERS = {
    "thousand": 3, "k": 3, "K": 3, "million": 6, "mn": 6, "M": 6, "billion": 9, "bn": 9, "B": 9,
    "trillion": 12,
}  # fmt: skip
_IN_SQL = re.compile(r"(?<![\w.])(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?![\w.])")
_QUERY = re.compile(r"\bselect\b|[<>=]", re.IGNORECASE)
_LONGEST_LITERAL = 4
"""A longer list of numbers in code is data, not a constant of the method."""
_WORD = re.compile(r"[^\W\d_]{2,}")


class ShownNumber(NamedTuple):
    """One number that a cell shows: where it stands is the index of a text and an offset in it."""

    value: float
    kind: ShownKind
    text: int = NO_TEXT
    at: int = 0


@dataclass(frozen=True, slots=True)
class CellNumbers:
    """The numbers and dates that one cell's outputs show; answers are checked against them.

    Attributes:
        cell: The cell.
        shown: The numbers, in the order of their values.
        dates: ISO texts (``2015-03`` or ``2015-03-01``), in order.
        times: ``14:30`` or ``14:30:05``.
        texts: The outputs' texts, in which the numbers stand.
        counts: How many different numbers each text shows; the last is of those that stand in none.
        constants: Numbers that stand in the code that ran, such as 7 in ``rolling(7)``.
        is_overview: Whether this is what is known of a dataset as a whole: gaps and limits of each
            column, of which any may meet a number by chance.
    """

    cell: CellId
    shown: tuple[ShownNumber, ...]
    dates: tuple[str, ...] = ()
    times: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    counts: tuple[int, ...] = (0,)
    constants: frozenset[float] = frozenset()
    is_overview: bool = False

    @property
    def values(self) -> tuple[float, ...]:
        """The values without repeats, in order."""
        return tuple(dict.fromkeys(number.value for number in self.shown))

    def between(self, low: float, high: float) -> Sequence[ShownNumber]:
        """Return the numbers from ``low`` to ``high``, both included."""
        start = bisect_left(self.shown, low, key=lambda n: n.value)
        end = bisect_right(self.shown, high, key=lambda n: n.value)
        return self.shown[start:end]

    def count_in(self, text: int) -> int:
        """Return how many different numbers a text of the cell shows."""
        return self.counts[text]

    def line_of(self, number: ShownNumber) -> str:
        """Return the line of the output in which a number stands; empty if it stands in no text."""
        if number.text == NO_TEXT:
            return ""
        text = self.texts[number.text]
        start = text.rfind("\n", max(0, number.at - _LONGEST_LINE), number.at) + 1
        start = max(start, number.at - _LONGEST_LINE)
        end = text.find("\n", number.at, number.at + _LONGEST_LINE)
        return text[start : end if end >= 0 else number.at + _LONGEST_LINE]

    def head_of(self, number: ShownNumber) -> str:
        """Return the first lines of the output in which a number stands."""
        return "" if number.text == NO_TEXT else self.texts[number.text][:500]


def cell_numbers(
    cell: CellId,
    outputs: Sequence[Output],
    *,
    before: Sequence[Frame] = (),
    after: Sequence[Frame] = (),
    code: str = "",
    typed: Typed = NOTHING,
) -> CellNumbers:
    """Return the numbers that a cell shows; of the variables, only those it made or changed.

    ``code`` is what ran without an error; what is ``typed`` in it counts as not shown.
    """
    texts: list[str] = []
    shown: list[ShownNumber] = []
    shapes = {frame.shape for frame in (*before, *after) if len(frame.shape) == 2}
    is_shape = _SHAPE_IN_CODE.search(code) is not None
    for output in outputs:
        for text in map(typed.masked, _texts(output)):
            if text and text not in texts:
                shown += _shown_in(text, len(texts), shapes, is_shape=is_shape)
                texts.append(text)
        data = chart_of(output)[1]
        if data is not None:
            drawn = json_numbers(data)
            if typed.everywhere:
                drawn = (value for value in drawn if not typed.is_typed(value, 12))
            shown += (ShownNumber(value, _kind_of(value)) for value in drawn)
    known = {frame.name: frame for frame in before}
    for frame in after:
        if known.get(frame.name) != frame:
            kinds: tuple[ShownKind, ...] = ("rows", "columns")
            shown += (
                ShownNumber(float(n), kind) for n, kind in zip(frame.shape, kinds, strict=False)
            )
            if frame.summary and frame.name not in typed.names:
                shown += _shown_in(frame.summary, len(texts), shapes, is_shape=False)
                texts.append(frame.summary)
    # A literal that is only shown is no constant of the method.
    constants = frozenset(v for v in _constants(code) if v not in typed.numbers)
    return _collected(cell, shown, texts, constants | typed.parameters)


def profile_numbers(cell: CellId, profile: DatasetProfile) -> CellNumbers:
    """Return what a dataset's profile says: rows, columns, and per column gaps and limits.

    ``cell`` is the setup cell that loads the dataset and displays these.
    """
    dataset = profile.dataset
    shown = [ShownNumber(float(len(dataset.columns)), "columns")]
    if dataset.rows is not None:
        shown.append(ShownNumber(float(dataset.rows), "rows"))
    lines = [
        f"{column.name} missing {column.nulls} smallest {column.minimum} largest {column.maximum}"
        for column in profile.columns
    ]
    if profile.duplicate_rows is not None:
        lines.append(f"duplicate rows {profile.duplicate_rows}")
    text = "\n".join(line.replace("\n", " ") for line in lines)
    shown += _shown_in(text, 0, frozenset(), is_shape=False)
    return replace(_collected(cell, shown, [text], frozenset()), is_overview=True)


def _collected(
    cell: CellId, shown: Iterable[ShownNumber], texts: Sequence[str], constants: frozenset[float]
) -> CellNumbers:
    moments = [found for text in texts for found in _MOMENT.finditer(text)]
    dates = {found["date"] for found in moments if found["date"]}
    clocks = {(found["clock"] or found["time"] or "").partition(".")[0] for found in moments}
    times = {clock.zfill(5 if clock.count(":") == 1 else 8) for clock in clocks if clock}
    numbers = sorted({number for number in shown if math.isfinite(number.value)})
    counts = [0] * (len(texts) + 1)
    for text, _value in {(number.text, number.value) for number in numbers}:
        counts[text] += 1
    return CellNumbers(
        cell,
        tuple(numbers),
        tuple(sorted(dates)),
        frozenset(times | {time[:5] for time in times}),
        tuple(texts),
        tuple(counts),
        constants,
    )


def shown_numbers(text: str) -> Iterator[float]:
    """Yield every number that an output's text shows, each in every way it can be read."""
    for number in _shown_in(text, 0, frozenset(), is_shape=False):
        yield number.value


def shown_dates(text: str) -> Iterator[str]:
    """Yield every ISO date or month that an output's text shows."""
    for match in _MOMENT.finditer(text):
        if match["date"]:
            yield match["date"]


def _shown_in(
    text: str, index: int, shapes: Iterable[tuple[int, ...]], *, is_shape: bool
) -> Iterator[ShownNumber]:
    special = dict(_special(text, frozenset(shapes), is_shape=is_shape))
    for match in _PLAIN.finditer(text):
        at = match.start()
        written = match["grouped"] or match["plain"]
        value = float(written.replace(",", ""))
        kind = special.get(at) or ("integer" if written.replace(",", "").isdigit() else "decimal")
        sign = -1.0 if is_negative(text, at) else 1.0
        if math.isinf(value):
            continue
        suffix = _SCALED.match(text, match.end()) if kind in ("integer", "decimal") else None
        if suffix is not None and suffix["percent"]:
            yield ShownNumber(sign * value, "percent", index, at)
            yield ShownNumber(sign * value / 100, "percent", index, at)
            continue
        yield ShownNumber(sign * value, kind, index, at)
        if suffix is not None:
            power = 10.0 ** _POWERS[suffix["scale"]]
            yield ShownNumber(sign * value * power, "decimal", index, at)
        if match["grouped"] and _in_list(text, match):
            for item in re.finditer(r"[0-9]+(?:\.[0-9]+)?", written):
                kind_of: ShownKind = "integer" if item[0].isdigit() else "decimal"
                yield ShownNumber(float(item[0]), kind_of, index, at + item.start())


def _in_list(text: str, match: re.Match[str]) -> bool:
    """Return whether digits with commas may be a list without blanks, as in ``[168,124]``."""
    beside = text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]
    return beside[0] in ("[", "(", ",") and beside[1] in ("]", ")", ",")


def _special(
    text: str, shapes: frozenset[tuple[int, ...]], *, is_shape: bool
) -> Iterator[tuple[int, ShownKind]]:
    """Yield where a number is the size of a table, the label of a row or a part of a date."""
    yield from ((at, "label") for at in _row_labels(text))
    for match in _MOMENT.finditer(text):
        for part in re.finditer(r"[0-9]+", match[0]):
            if len(part[0]) < 4:
                yield match.start() + part.start(), "part of a date"
    for pattern, kinds in _SIZES:
        for match in pattern.finditer(text):
            yield from ((match.start(n), kind) for n, kind in enumerate(kinds, start=1))
    for match in _PAIR.finditer(text):
        if is_shape or (int(match[1][:15]), int(match[2][:15])) in shapes:
            yield match.start(1), "rows"
            yield match.start(2), "columns"


def _row_labels(text: str) -> Iterator[int]:
    """Yield where the labels 0, 1, 2, ... of a table without an index of its own stand.

    An index that has a name is data. Its name stands alone on the line before the first row.
    """
    at, expected, found = 0, 0, list[int]()
    previous = ""
    for line in text.splitlines(keepends=True):
        label = _LABEL.match(line)
        number = int(label[1]) if label and len(label[1]) < 10 else -1
        if found and number != expected and not line.strip(" .\t\n"):
            pass  # The dots of a shortened table, or an empty line.
        elif found and label and number > expected and "..." in previous:
            found.append(at + label.start(1))
            expected = number + 1
        elif label and number == expected and (expected or _is_header(previous, line)):
            found.append(at + label.start(1))
            expected += 1
        else:
            if len(found) > 1:
                yield from found
            found, expected = [], 0
            if label and number == 0 and _is_header(previous, line):
                found, expected = [at + label.start(1)], 1
        previous = line if line.strip() else ""
        at += len(line)
    if len(found) > 1:
        yield from found


def _is_header(line: str, row: str) -> bool:
    """Return whether a line can be the columns' names above a row: it has one word less."""
    separator = r"\t" if "\t" in row else r"\s{2,}"
    names = len(re.split(separator, line.strip()))
    if not line.strip():
        # A series without a name: a label, a value, nothing else.
        return separator != r"\t" and len(row.split()) == 2
    fields = len(re.split(separator, row.strip()))
    return line[0] in " \t" or names == fields - 1 > 1


def _constants(code: str) -> Iterator[float]:
    """Yield the numbers in code that set how something is computed; not lists of data."""
    tree = tree_of(code)
    if tree is None:
        yield from _in_text(re.sub(r"(?m)(?:#|--).*$", "", code))
        return
    data: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in data:
            continue
        many = (isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts)) or (
            isinstance(node, ast.Dict) and len(node.keys)
        )
        if many and many > _LONGEST_LITERAL:
            data.update(id(inner) for inner in ast.walk(node))
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, int | float) and not isinstance(node.value, bool):
                with_limits = abs(node.value) < 1e15
                if with_limits:
                    yield float(node.value)
            elif isinstance(node.value, str) and _QUERY.search(node.value):
                yield from _in_text(node.value)


def _in_text(text: str) -> Iterator[float]:
    for match in _IN_SQL.finditer(text):
        if len(match[0]) < 18:
            yield float(match[0])


def _kind_of(value: float) -> ShownKind:
    return "integer" if float(value).is_integer() else "decimal"


def _texts(output: Output) -> list[str]:
    if isinstance(output, StreamOutput):
        return [output.text] if output.name == "stdout" else []
    if isinstance(output, DisplayOutput | ResultOutput):
        html = output.data.get("text/html")
        # The HTML table may show more rows than the plain text, or round differently.
        return [bundle_text(output.data), html_text(html) if isinstance(html, str) else ""]
    return []

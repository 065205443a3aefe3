"""Where a cell shows each of its numbers, so that the same place is found in other outputs. Pure.

A place is named by what stands around it: the labels of a row and the header of a column, the keys
of a printed value, the series and the label of a chart, or the words of a line.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from analyst_kernel._code import tree_of
from analyst_kernel.agent.evidence.checks.shown import shown_cell, tables_of
from analyst_kernel.agent.evidence.signs import is_negative
from analyst_kernel.agent.observation.text import bundle_text, chart_of, html_text
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import DisplayOutput, Output, ResultOutput, StreamOutput

Key: TypeAlias = tuple[str, ...]

_MOST = 20_000
_LONGEST = 100_000
_LONGEST_LINE = 2000
_NUMBER = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:[eE][+-]?[0-9]+)?(?![\w])"
)
_LETTERS = re.compile(r"[^\W\d_]")
_NAMES_OF_ITEMS = ("label", "group", "angle", "title")


@dataclass(frozen=True, slots=True)
class Spot:
    """One number that a cell shows.

    Attributes:
        key: What names its place; no two places of a cell have the same.
        value: The number.
        labels: What the row is called, as a reader sees it.
        heads: What the column is called.
    """

    key: Key
    value: float
    labels: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()


def spots_of(outputs: Sequence[Output], code: str = "") -> tuple[Spot, ...]:
    """Return the numbers that outputs show, and those of the comments of a setup cell's code."""
    found = list(islice(_every(outputs, code), _MOST))
    counts = Counter(spot.key for spot in found)
    seen: Counter[Key] = Counter()
    named: list[Spot] = []
    for spot in found:
        seen[spot.key] += 1
        if counts[spot.key] > 1:  # the same words several times: which one, and of how many
            which = f"{seen[spot.key]} of {counts[spot.key]}"
            named.append(Spot((*spot.key, which), spot.value, spot.labels, spot.heads))
        else:
            named.append(spot)
    return tuple(named)


def words_of(outputs: Sequence[Output]) -> frozenset[str]:
    """Return the words and numbers of outputs as they are written."""
    texts = [_text(output) for output in outputs]
    texts += [str(data) for output in outputs if (data := chart_of(output)[1]) is not None]
    return frozenset(word for text in texts for word in re.findall(r"[\w.,]*\w", text))


def _every(outputs: Sequence[Output], code: str) -> Iterator[Spot]:
    cell = CellId("0" * 12)
    at = 0
    for output in outputs:
        text = _text(output)
        if not text and chart_of(output)[1] is None:
            continue
        at += 1
        place = str(at)
        for number, table in enumerate(tables_of(shown_cell(cell, 1, "", [output]))):
            for row, values in zip(table.labels, table.values, strict=True):
                for head, value in zip(table.columns, values, strict=True):
                    if value is not None:
                        key = ("table", place, str(number), *row, "|", head)
                        yield Spot(key, value, row, (head,))
        yield from _literals(text, place)
        yield from _lines(text)
        data = chart_of(output)[1]
        if data is not None:
            yield from _drawn(data, ("chart", place), ())
    comments = [line for line in code.splitlines() if line.startswith("#")]
    yield from _lines("\n".join(comments))


def _text(output: Output) -> str:
    match output:
        case StreamOutput():
            return output.text[:_LONGEST] if output.name == "stdout" else ""
        case DisplayOutput() | ResultOutput():
            html = output.data.get("text/html")
            plain = bundle_text(output.data)
            return (html_text(html) if isinstance(html, str) else plain)[:_LONGEST]
        case _:
            return ""


def _lines(text: str) -> Iterator[Spot]:
    """Yield the numbers of lines with words; the words name the line."""
    plain = text.strip()
    if alone := _NUMBER.fullmatch(plain.lstrip("-+−")):
        yield Spot(("alone",), _value(alone[0]) * (-1 if is_negative(plain, 1) else 1))
        return
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE or not _LETTERS.search(line):
            continue
        words = " ".join(_NUMBER.sub("#", line).split())
        # A sign belongs to its number, so it is no word of the line.
        words = re.sub(r"[-+−](?=#)", "", words)
        for index, match in enumerate(_NUMBER.finditer(line)):
            sign = -1 if is_negative(line, match.start()) else 1
            heads = (line[max(0, match.start() - 60) : match.start()],)
            yield Spot(("line", words, str(index)), sign * _value(match[0]), heads=heads)


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _literals(text: str, place: str) -> Iterator[Spot]:
    """Yield the numbers of a printed Python value, by its keys."""
    for number, line in enumerate([text, *text.splitlines()] if "\n" in text else [text]):
        start = line.find("{")
        if start < 0:
            continue
        tree = tree_of(line[start:].strip())
        if tree is not None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            lead = " ".join(_NUMBER.sub("#", line[:start]).split())
            yield from _in_literal(tree.body[0].value, ("value", place, lead), ())
            if not number:
                return


def _in_literal(node: ast.expr, key: Key, labels: tuple[str, ...]) -> Iterator[Spot]:
    match node:
        case ast.Dict():
            for name, value in zip(node.keys, node.values, strict=True):
                if isinstance(name, ast.Constant):
                    said = str(name.value)
                    yield from _in_literal(value, (*key, said), (*labels, said))
        case ast.List() | ast.Tuple():
            for at, item in enumerate(node.elts):
                yield from _in_literal(item, (*key, str(at)), labels)
        case ast.Call(args=[inner]):
            yield from _in_literal(inner, key, labels)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            yield Spot(key, -float(value), labels)
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            yield Spot(key, float(value), labels)
        case _:
            return


def _drawn(value: Json, key: Key, labels: tuple[str, ...]) -> Iterator[Spot]:
    """Yield the numbers of a chart's data: those of elements, by their labels."""
    match value:
        case dict():
            names = [str(value[name]) for name in _NAMES_OF_ITEMS if value.get(name)]
            own = (*labels, *names)
            for name, item in value.items():
                if name in ("elements", "points", "matrix", "values") or "elements" in key:
                    yield from _drawn(item, (*key, name, *names), own)
        case [str() | int() | float() as x, int() | float() as y] if "points" in key:
            yield Spot(
                (*key, str(x)), float(y), (*labels, f"{x:g}" if isinstance(x, float) else str(x))
            )
        case list():
            for at, item in enumerate(value):
                # What has a label is found by it, wherever it stands.
                where = () if isinstance(item, dict) or "points" in key else (str(at),)
                yield from _drawn(item, (*key, *where), labels)
        case bool() | None | str():
            return
        case int() | float():
            yield Spot(key, float(value), labels)

"""Text of users and models as safe Markdown: no raw HTML, no pictures. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from analyst_kernel._text import LookAhead, Spans
from analyst_kernel.agent.evidence.forms import is_line_of_forms
from analyst_kernel.agent.evidence.marks import UNVERIFIED, sign_places, untouchable
from analyst_kernel.protocol.records import CellLabel, NumberProof

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LITERAL = re.compile(r"([\\`*_\[\]|~$#])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"\\?<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!(?=\[)")
_BLOCK_START = re.compile(r"^([-+>=#]|\d+(?=[.)]))")
_UNESCAPE = re.compile(r"\\([\\`*_\[\]|~$#.)\-+>=])")

_FENCE = re.compile(r"^ {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_BACKTICKS = re.compile(r"`+")
_DEFINITION = re.compile(r"[ \t]*\[[^\]\n]+\]:[^\n]*")
_LIST_NUMBER = re.compile(r"[ \t]*(?:>[ \t]*)*\d+[.)](?=\s)")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_MAY_BE_QUIET = re.compile(r"!?\[|https?://|www\.|[<$]")
_WORD = re.compile(r"\S+")
_CITATION = re.compile(
    r"\[cells? [0-9]{1,6}(?:(?:, | and |\u2013|-)[0-9]{1,6})*\](?!\()", re.IGNORECASE
)
_VALUE_LINE = re.compile(r"[A-Za-z_][\w .%-]{0,40}?\s?[:=]\s?[^\s|][^|\n]{0,80}")


@dataclass(frozen=True, slots=True)
class Zone:
    """A stretch of Markdown: code stays verbatim, quiet text gets no links, plain text may."""

    start: int
    end: int
    kind: Literal["code", "quiet", "plain"]


def tidy(text: str) -> str:
    r"""Return text with ``\n`` line ends and without lone surrogates."""
    return _SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """Return ``text`` with each run of white space as one blank."""
    return " ".join(_CONTROL.sub("\ufffd", tidy(text)).split())


def literal(text: str) -> str:
    """Return one line of Markdown that renders as exactly this text."""
    return _block_start(_characters(text))


def unescaped(markdown: str) -> str:
    """Return the text of which :func:`literal` made ``markdown``."""
    return _UNESCAPE.sub(r"\1", markdown.replace("&lt;", "<").replace("&amp;", "&"))


def inline(text: str, cells: Iterable[CellLabel] = ()) -> str:
    """Return a model's sentence as one line of Markdown without raw HTML or pictures.

    Citations of ``cells`` become links.
    """
    return _block_start(proven(one_line(text), (), cells)[0])


def table_cell(text: str) -> str:
    """Return a model's words for a table cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", safe_markdown(one_line(text)))


def safe_markdown(text: str) -> str:
    """Return a model's Markdown without raw HTML or pictures; code stays as it is."""
    return proven(text, ())[0]


def proven(
    text: str, numbers: Iterable[NumberProof], cells: Iterable[CellLabel] = ()
) -> tuple[str, tuple[NumberProof, ...]]:
    """Return safe Markdown in which each proven number, and each cited cell, links to its cell.

    A quiet sign stands behind each unproven one. Proofs of numbers in code, tables, links and
    closed forms, which get no link, and of unproven numbers that get no sign, are returned beside
    the Markdown.
    """
    cited = _citations(text, cells)
    taken = Spans((one.start, one.end) for one in cited)
    numbers = [proof for proof in numbers if not taken.overlap(proof.start, proof.end)]
    pending = sorted([*numbers, *cited], key=lambda proof: (proof.start, proof.end))
    starts = [proof.start for proof in pending]
    signed = {id(proof): place for place, proof in sign_places(text, pending)}
    signs = sorted(set(signed.values()))
    closed = Spans(untouchable(text))
    left: list[NumberProof] = []
    parts: list[str] = []
    set_signs: set[int] = set()

    def write(start: int, end: int, *, code: bool = False, before_number: bool = False) -> None:
        """Write a stretch of the text with the signs that stand in it; code has one at its end."""
        at = start
        for place in signs[bisect_right(signs, start) : bisect_right(signs, end)]:
            if code and place != end:
                continue
            parts.append(tidy(text[at:place]) if code else _neutral(text[at:place]))
            parts.append(UNVERIFIED)
            set_signs.add(place)
            at = place
        rest = text[at:end]
        parts.append(tidy(rest) if code else _neutral(rest, before_number=before_number))

    found, fence = zones(text)
    for zone in found:
        here = pending[bisect_left(starts, zone.start) : bisect_left(starts, zone.end)]
        if zone.kind == "code":
            write(zone.start, zone.end, code=True)
            left += [proof for proof in here if proof.cell is not None]
            continue
        at = zone.start
        for proof in here:
            if proof.cell is None:
                continue
            fits = zone.kind == "plain" and at <= proof.start and proof.end <= zone.end
            is_closed = closed.overlap(proof.start, proof.end)
            if not fits or is_closed or text[proof.start : proof.end] != proof.text:
                left.append(proof)
                continue
            write(at, proof.start, before_number=True)
            parts.append(linked(proof))
            at = proof.end
        write(at, zone.end)
    unproven = [proof for proof in pending if proof.cell is None]
    left += [p for p in unproven if signed.get(id(p)) not in set_signs]
    left += [p for p in pending if p.cell is not None and not 0 <= p.start < len(text)]
    left = [proof for proof in left if proof not in cited]
    left.sort(key=lambda proof: (proof.start, proof.end))
    return _with_line_breaks("".join(parts)) + (f"\n{fence}" if fence else ""), tuple(left)


def _with_line_breaks(markdown: str) -> str:
    """Return Markdown in which lines of values stay lines: closed forms, and ``name: value``."""
    lines = markdown.split("\n")
    fence = ""
    for at, (line, following) in enumerate(pairwise(lines)):
        opened = _FENCE.match(line)
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif opened:
            fence = opened[1]
        elif following.strip() and _is_value_line(line) and _is_value_line(following):
            lines[at] = line.rstrip() + "  "
    return "\n".join(lines)


def _is_value_line(line: str) -> bool:
    return is_line_of_forms(line) or _VALUE_LINE.fullmatch(line) is not None


def _citations(text: str, cells: Iterable[CellLabel]) -> list[NumberProof]:
    """Return the numbers in citations such as ``[cell 3]`` and ``[cells 2, 3]``, with their cells.

    They are marked up as the proven numbers are: the number becomes the link.
    """
    known = {label.number: label.cell for label in cells}
    if not known:
        return []
    return [
        NumberProof(
            text=number[0], start=found.start() + number.start(), end=found.start() + number.end(),
            cell=known[int(number[0])],
        )
        for found in _CITATION.finditer(text)
        for number in re.finditer(r"[0-9]+", found[0])
        if int(number[0]) in known
    ]  # fmt: skip


def linked(proof: NumberProof) -> str:
    """Return a number as a link to the cell that proves it, to which JupyterLab scrolls."""
    return f"[{_characters(proof.text)}](#cell-id={proof.cell})"


def zones(text: str) -> tuple[list[Zone], str]:
    """Cut Markdown into zones without gaps; return them, and the fence that it leaves open."""
    found: list[Zone] = []
    fence = ""
    at = 0
    for line in text.splitlines(keepends=True):
        end = at + len(line)
        opened = _FENCE.match(line)
        if fence:
            found.append(Zone(at, end, "code"))
            if _closes(line, fence):
                fence = ""
        elif opened:
            fence = opened[1]
            found.append(Zone(at, end, "code"))
        else:
            found += _line_zones(line, at)
        at = end
    return found, fence


def _line_zones(line: str, offset: int) -> list[Zone]:
    table = "|" in line
    quiet_line = table or line.startswith(("    ", "\t"))
    spans: list[Zone] = []
    for start, end in _code_spans(line):
        if not (table and "|" in line[start:end]):  # a table splits its cells before code
            spans.append(Zone(start, end, "code"))
    if not quiet_line:
        code = Spans([(span.start, span.end) for span in spans])
        for start, end in _quiet_spans(line):
            if not code.overlap(start, end):
                spans.append(Zone(start, end, "quiet"))
    out: list[Zone] = []
    at = 0
    for span in sorted(spans, key=lambda s: s.start):
        if span.start > at:
            out.append(Zone(offset + at, offset + span.start, "quiet" if quiet_line else "plain"))
        out.append(Zone(offset + span.start, offset + span.end, span.kind))
        at = span.end
    if at < len(line):
        out.append(Zone(offset + at, offset + len(line), "quiet" if quiet_line else "plain"))
    return out


def _code_spans(line: str) -> Iterator[tuple[int, int]]:
    """Yield where code stands: between two rows of equally many backticks, the first unescaped."""
    rows = [found.span() for found in _BACKTICKS.finditer(line)]
    later: dict[int, list[int]] = {}
    for number in range(len(rows) - 1, -1, -1):
        later.setdefault(rows[number][1] - rows[number][0], []).append(number)
    number = 0
    while number < len(rows):
        start, end = rows[number]
        same = later[end - start]
        while same and same[-1] <= number:
            same.pop()
        if same and not (start and line[start - 1] == "\\"):
            number = same[-1]
            yield start, rows[number][1]
        number += 1


def _quiet_spans(line: str) -> Iterator[tuple[int, int]]:
    """Yield links, addresses, numbers of lists and formulas, in one pass over the line."""
    ends = _Ends(line)
    words = iter([found.span() for found in _WORD.finditer(line) if "@" in found[0]])
    first, last = next(words, (len(line), len(line)))
    at_sign = LookAhead(line, "@")
    at = 0
    while at < len(line):
        while first < len(line):
            # An address has something on both sides of its sign.
            if at_sign.next(max(at, first) + 1) < last - 1:
                break
            first, last = next(words, (len(line), len(line)))
        mail = max(at, first)
        trigger = _MAY_BE_QUIET.search(line, at)
        start = min(trigger.start() if trigger else len(line), mail)
        if at == 0 and (_DEFINITION.match(line) or _LIST_NUMBER.match(line)):
            start = 0
        if start >= len(line):
            return
        end = ends.of(start, last if start == mail else 0)
        if end > start:
            yield start, end
        at = max(end, start + 1)


class _Ends:
    """Where quiet text ends; asked for places in rising order."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._bracket = LookAhead(line, r"\]")
        self._target = {"(": LookAhead(line, r"\)"), "[": LookAhead(line, r"\]")}
        self._angle = LookAhead(line, r"[>\s]")
        self._dollar = LookAhead(line, r"\$")
        self._sign = LookAhead(line, r"[\\^_{}]")

    def of(self, at: int, mail: int) -> int:
        """Return where quiet text that begins at ``at`` ends; ``at`` if it is none.

        ``mail`` is the end of an address with an at sign that begins here, else 0.
        """
        line = self._line
        if line.startswith(("[", "!["), at):
            close = self._bracket.next(at + 1)
            target = self._target.get(line[close + 1 : close + 2])
            if target is not None and (end := target.next(close + 2)) < len(line):
                return end + 1
        if at == 0 and (definition := _DEFINITION.match(line)):
            return definition.end()
        if address := _ADDRESS.match(line, at):
            return address.end()
        if line[at] == "<":
            end = self._angle.next(at + 1)
            if end > at + 1 and line.startswith(">", end):
                return end + 1
        if mail:
            return mail
        if at == 0 and (number := _LIST_NUMBER.match(line)):
            return number.end()
        if line[at] == "$":
            content = at + 2 if line.startswith("$$", at) else at + 1
            end = self._dollar.next(content)
            if self._sign.next(content) < end < len(line):
                return end + (2 if line.startswith("$$", end) else 1)
        return at


def _closes(line: str, fence: str) -> bool:
    return re.fullmatch(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*", line) is not None


def _neutral(text: str, *, before_number: bool = False) -> str:
    """Return Markdown with tags and pictures escaped, and prices that start no formula."""
    text = _CONTROL.sub("\ufffd", tidy(text))
    text = _PICTURE.sub("&#33;", _TAG.sub("&lt;", text))
    price = r"(?<![\\$])\$(?=\d|\Z)" if before_number else r"(?<![\\$])\$(?=\d)"
    return re.sub(price, r"\\$", text)


def _characters(text: str) -> str:
    text = _ENTITY.sub("&amp;", one_line(text))
    return _LITERAL.sub(r"\\\1", text).replace("<", "&lt;")


def _block_start(line: str) -> str:
    """Return the line escaped so that it starts no list, quotation or heading."""

    def escape(match: re.Match[str]) -> str:
        return match[1] + "\\" if match[1].isdigit() else "\\" + match[1]

    return _BLOCK_START.sub(escape, line)

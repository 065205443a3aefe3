"""Text of users and models as safe Markdown: no raw HTML, no pictures. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from analyst_kernel.protocol.records import NumberProof

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LITERAL = re.compile(r"([\\`*_\[\]|~$#])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"\\?<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!(?=\[)")
_BLOCK_START = re.compile(r"^([-+>=#]|\d+(?=[.)]))")
_UNESCAPE = re.compile(r"\\([\\`*_\[\]|~$#.)\-+>=])")

_FENCE = re.compile(r"^ {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_CODE_SPAN = re.compile(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_QUIET = re.compile(
    r"!?\[[^\]\n]*\](?:\([^)\n]*\)|\[[^\]\n]*\])"  # links
    r"|^[ \t]*\[[^\]\n]+\]:[^\n]*"  # link definitions
    r"|(?:https?://|www\.)\S+|<[^>\s]+>|\S+@\S+"  # addresses
    r"|^[ \t]*(?:>[ \t]*)*\d+[.)](?=\s)"  # markers of numbered lists
    r"|\$\$?[^$\n]*[\\^_{}][^$\n]*\$\$?",  # formulas
    re.MULTILINE,
)


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


def inline(text: str) -> str:
    """Return a model's sentence as one line of Markdown without raw HTML or pictures."""
    return _block_start(safe_markdown(one_line(text)))


def table_cell(text: str) -> str:
    """Return a model's words for a table cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", safe_markdown(one_line(text)))


def safe_markdown(text: str) -> str:
    """Return a model's Markdown without raw HTML or pictures; code stays as it is."""
    return proven(text, ())[0]


def proven(text: str, numbers: Iterable[NumberProof]) -> tuple[str, tuple[NumberProof, ...]]:
    """Return safe Markdown in which each proven number links to its cell.

    Unproven numbers are followed by "(not verified)".

    Args:
        text: The model's Markdown.
        numbers: Proofs by character offsets in ``text``.

    Returns:
        The Markdown, and the proofs of numbers in code, tables and links, which get no link.
    """
    pending = sorted(numbers, key=lambda proof: (proof.start, proof.end))
    left: list[NumberProof] = []
    parts: list[str] = []
    for zone in zones(text):
        here = [p for p in pending if zone.start <= p.start < zone.end]
        if zone.kind == "code":
            parts.append(tidy(text[zone.start : zone.end]))
            left += here
            continue
        at = zone.start
        for proof in here:
            fits = zone.kind == "plain" and at <= proof.start and proof.end <= zone.end
            if not fits or text[proof.start : proof.end] != proof.text:
                left.append(proof)
                continue
            parts.append(_neutral(text[at : proof.start], before_number=True))
            parts.append(
                f"{_neutral(proof.text)} (not verified)" if proof.cell is None else linked(proof)
            )
            at = proof.end
        parts.append(_neutral(text[at : zone.end]))
    left += [p for p in pending if not 0 <= p.start < len(text)]
    fence = _open_fence(text)
    return "".join(parts) + (f"\n{fence}" if fence else ""), tuple(left)


def linked(proof: NumberProof) -> str:
    """Return a number as a link to the cell that proves it, to which JupyterLab scrolls."""
    return f"[{_characters(proof.text)}](#cell-id={proof.cell})"


def zones(text: str) -> list[Zone]:
    """Cut Markdown into zones that cover it without gaps."""
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
    return found


def _line_zones(line: str, offset: int) -> list[Zone]:
    table = "|" in line
    quiet_line = table or line.startswith(("    ", "\t"))
    spans: list[Zone] = []
    for match in _CODE_SPAN.finditer(line):
        if not (table and "|" in match[0]):  # a table splits its cells before it looks for code
            spans.append(Zone(match.start(), match.end(), "code"))
    if not quiet_line:
        for match in _QUIET.finditer(line):
            if not any(s.start < match.end() and match.start() < s.end for s in spans):
                spans.append(Zone(match.start(), match.end(), "quiet"))
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


def _open_fence(text: str) -> str:
    """Return the fence that ``text`` leaves open, or an empty text."""
    fence = ""
    for line in text.splitlines():
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif opened := _FENCE.match(line):
            fence = opened[1]
    return fence


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

"""Markdown of models and strangers, made so that showing it fetches nothing and runs nothing.

Used for answers on their way to a browser, cells of a notebook, outputs of a kernel and exports.
Pure. A text with nothing hostile comes back byte for byte, and a second pass changes nothing.

Parsers of Markdown differ in what they take for code, and JupyterLab's hides formulas from its own.
So only what every reading takes for code is left alone; all else is prose, where raw HTML and
pictures become text, and links lead to the web, to a mailbox or to a place in the same page.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_MOST_PARSED = 400_000
"""Characters beyond which no code is looked for: a tag in code is then escaped as well."""

_SUSPECT = re.compile(r"<[A-Za-z/!?]|!\[|\]\(|\]:|```|~~~|\\[A-Za-z]")
_FORMULA = re.compile(r"\$|\\\\[(\[]|\\begin", re.IGNORECASE)
_HIDING_FORMULA = re.compile(r"\\\\[(\[]|\\begin", re.IGNORECASE)
"""A formula that may begin in code, too, before code is looked for."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_DIAGRAM = re.compile(r"(`{3,})([^`\r\n]*)|(~{3,})([^\r\n]*)")
"""The opening of a code block and its name, in which only tildes allow backticks."""
_ADDRESS = re.compile(r"(?:://|www\.)[^ \t\r\n\f\v]*", re.IGNORECASE)
"""A bare address. Some parsers count a backtick or a backslash to it."""
_NO_CODE = re.compile(r"~`|`~")
"""Side by side they are plain text for some parsers."""
_BARE_ITEM = re.compile(r"[-+*>]|\d+[.)]")
"""Below the empty item of a list, parsers don't agree on what is indented."""
_TICKS = re.compile(r"`+")
_ESCAPE_OR_TICKS = re.compile(r"\\[\s\S]|`+")

_WEB = r"<(?:https?://|mailto:)[^\s<>\"'`\\]+>"
_TARGET = rf"[ \t]*(?:\r\n|\r|\n)?[ \t]*(?:https?://|mailto:|\#|{_WEB})"
_PROSE = re.compile(
    # Kept as it is: a picture that holds its own bytes, an address of the web in brackets.
    r"(?P<kept>!\[[^\[\]\\`<>\r\n]*\]\("
    r"(?:data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+|attachment:[\w.%-]+)\)"
    rf"|{_WEB})"
    r"|(?P<tag><(?=[A-Za-z/!?]))"
    r"|(?P<picture>!(?=\[))"
    rf"|(?P<link>\](?=\()(?!\({_TARGET}))"
    # Words behind the address: then it is prose, "[note]: see below", and defines no link.
    rf"|(?P<definition>\](?=:)(?!:{_TARGET})(?!:[ \t]*[^\s<]\S*[ \t]+[^\s\"'(]))",
    re.IGNORECASE,
)
_SIGNS = {"<": "&lt;", "!": "&#33;", "]": "]\\"}
_TEX = re.compile(
    # All backslashes of a run: where only the last one goes, the one before it makes the command.
    r"(?<!\\)\\+(?=(?:href|url|require|class|cssId|style|data|includegraphics|unicode|bbox|mmlToken|csname"
    r"|html[A-Za-z]*)(?![A-Za-z]))"
)


def harmless_markdown(text: str) -> str:
    """Return Markdown that loads nothing, runs nothing and links to nothing but web and page.

    A picture from elsewhere becomes a link to it, a tag becomes text, a diagram becomes its source.
    """
    if _SUSPECT.search(text) is None:
        return text
    plain = _DIAGRAM.sub(_plain_fence, _prose_escaped(text))
    return without_tex_commands(plain, only_formulas=True)


def without_tex_commands(text: str, *, only_formulas: bool = False) -> str:
    """Return text whose TeX has no commands that link, load, style or compute the name of one.

    With ``only_formulas`` a text without a formula is left alone.
    """
    if only_formulas and _FORMULA.search(text) is None:
        return text
    return _TEX.sub("", text)


def _plain_fence(fence: re.Match[str]) -> str:
    """Return the opening line of a code block; one of a diagram is named plain text."""
    marks, name = (fence[1], fence[2]) if fence[1] else (fence[3], fence[4])
    info = unicodedata.normalize("NFKC", html.unescape(name).replace("\\", "")).casefold()
    if "mermaid" not in info:
        return fence[0]
    plain = re.sub("mermaid", "text", name, flags=re.IGNORECASE)
    return marks + (plain if plain != name else "text")


def _prose_escaped(text: str) -> str:
    code = _code(text)
    addresses = [found.span() for found in _ADDRESS.finditer(text)]
    parts: list[str] = []
    written = at = index = 0
    while (found := _PROSE.search(text, at)) is not None:
        start, at = found.span()
        while index < len(code) and code[index][1] <= start:
            index += 1
        next_code, code_end = code[index] if index < len(code) else (len(text), len(text))
        if next_code <= start:
            at = code_end
            continue
        sign = text[start]
        if found["kept"] is not None:
            if at <= next_code:
                continue
            at = start + 1
        elif _is_escaped(text, start):
            before = bisect_right(addresses, (start,)) - 1
            if before < 0 or addresses[before][1] < start:
                continue
        parts += (text[written:start], _SIGNS[sign])
        written = start + 1
    return "".join(parts) + text[written:]


def _is_escaped(text: str, at: int) -> bool:
    first = at
    while first > 0 and text[first - 1] == "\\":
        first -= 1
    return (at - first) % 2 == 1


def _code(text: str) -> list[tuple[int, int]]:
    """Return where text is code in every reading, in order and without overlaps."""
    if len(text) > _MOST_PARSED or _HIDING_FORMULA.search(text) is not None:
        return []
    lines = [found.span() for found in _LINE.finditer(text) if found[0]]
    formulas = _FORMULA.search(text) is not None
    found: list[tuple[int, int]] = []
    for token in _parser().parse(text):
        if token.map is None:
            continue
        first, behind = token.map
        above = text[slice(*lines[first - 1])].strip() if first else ""
        match token.type:
            case "fence" if _BARE_ITEM.fullmatch(above) is None:
                found += _fenced(text, lines[first:behind], token.markup, formulas=formulas)
            case "code_block" if not formulas and not above:
                found.append((lines[first][0], lines[behind - 1][1]))
            case "inline":
                found += _inline(text, lines[first:behind], token.content)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if start < end and start >= (merged[-1][1] if merged else 0):
            merged.append((start, end))
    return merged


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Blocks only, in linear time: the code inside a line is looked for here.
    return (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(["inline", "reference"])
    )


def _fenced(
    text: str, lines: list[tuple[int, int]], fence: str, *, formulas: bool
) -> Iterator[tuple[int, int]]:
    """Yield the lines between the fences; a formula may begin before a fence that is indented."""
    (opening, inside), (last, end) = lines[0], lines[-1]
    closed = len(lines) > 1 and text.startswith(fence, last)
    if formulas and not (closed and text.startswith(fence, opening)):
        return
    yield inside, (last if closed else end)


def _inline(text: str, lines: list[tuple[int, int]], content: str) -> Iterator[tuple[int, int]]:
    """Yield the code in lines of prose: what is code in its paragraph and in its line alone."""
    if "`" not in content or _NO_CODE.search(content) is not None:
        return
    if any("`" in address for address in _ADDRESS.findall(content)):
        return
    # Three backticks within a line are a fence for some, and emphasis may tear them apart.
    spans = [
        (start, end)
        for start, end in _spans(content)
        if not content.startswith("```", start) and "\n" not in content[start:end]
    ]
    at = 0
    for (start, end), line in zip(lines, content.split("\n"), strict=False):
        source = text[start:end]
        shift = source.rfind(line.strip()) if "`" in line else -1
        if shift >= 0:
            alone = {(start + a, start + b) for a, b in _spans(source)}
            # Where this line's text stands in the whole, less where it stands in its paragraph.
            shift += start - at - (len(line) - len(line.lstrip()))
            found = bisect_right(spans, (at,)), bisect_right(spans, (at + len(line), 0))
            here = ((a + shift, b + shift) for a, b in spans[found[0] : found[1]])
            yield from (span for span in here if span in alone)
        at += len(line) + 1


def _spans(content: str) -> list[tuple[int, int]]:
    """Return where code is in a paragraph, backticks included, as CommonMark has it."""
    closing: dict[int, list[int]] = {}
    for run in _TICKS.finditer(content):
        closing.setdefault(len(run[0]), []).append(run.start())
    found: list[tuple[int, int]] = []
    at = 0
    while (token := _ESCAPE_OR_TICKS.search(content, at)) is not None:
        at = token.end()
        if token[0][0] == "\\":
            continue
        starts = closing.get(len(token[0]), [])
        index = bisect_right(starts, token.start())
        if index < len(starts):
            at = starts[index] + len(token[0])
            found.append((token.start(), at))
    return found

"""Measures HTML before it is parsed. Pure, in one pass.

The time of the HTML parser grows with the square of the depth of open elements, and of the
attributes of one tag: a quarter of a megabyte of ``<div>`` takes it ten seconds. So HTML that is
nested deeper than any table or report is refused by its shape.
"""

from __future__ import annotations

import re

_HARMLESS = 20_000
"""Characters of HTML that are parsed in no time, whatever they are."""
_LONGEST_MALFORMED = 200_000
_DEEPEST = 400
_MOST_ATTRIBUTES = 200
_LONG_TAG = 400
_TEXT_ONLY = re.compile(
    r"<(style|script)(?:\s[^<>]*)?>[^<]*</\1\s*>|<!--(?![->])(?:[^<>-]|-(?!-))*-->",
    re.IGNORECASE,
)
_START = re.compile(r"<(?=[A-Za-z/!?])")
# A name ends where its letters do, so that no other split of a tag is tried. (Possessive repeats
# would say that too, and are wrong in Python before 3.11.5.)
_TAG = re.compile(
    r"<(/?)([A-Za-z][^\s/<>\"']*)(?![^\s/<>\"'])((?:[^<>\"']|\"[^<>\"]*\"|'[^<>']*')*)>"
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_OTHER_RULES = frozenset(
    {
        "frameset", "iframe", "math", "noembed", "noframes", "noscript", "plaintext", "script",
        "select", "style", "svg", "template", "textarea", "title", "xmp",
    }
)  # fmt: skip
"""Elements inside which tags mean something else."""
_END_BY_THEMSELVES = (
    frozenset({"li"}),
    frozenset({"p"}),
    frozenset({"dd", "dt"}),
    frozenset({"caption", "colgroup", "tbody", "td", "tfoot", "th", "thead", "tr"}),
)
_GROUP = {name: group for group in _END_BY_THEMSELVES for name in group}


def too_complex(html: str) -> str:
    """Return why HTML would take too long to parse, or an empty text.

    What is counted is an upper bound of the depth: where it is not certain that an element ends, it
    counts as open.
    """
    if len(html) <= _HARMLESS:
        return ""
    # Text that holds no tags goes, so that nothing in it is taken for one.
    text = _TEXT_ONLY.sub("", html)
    tags = list(_TAG.finditer(text))
    starts = sum(1 for _ in _START.finditer(text))
    for tag in tags:
        if len(tag[3]) > _LONG_TAG and _attributes(tag[3]) > _MOST_ATTRIBUTES:
            return "one of its tags has too many attributes"
    certain = starts == len(tags) and not any(tag[2].lower() in _OTHER_RULES for tag in tags)
    if starts != len(tags) and len(text) > _LONGEST_MALFORMED:
        return "it is not well-formed"
    deepest = _depth(tags) if certain else starts
    return "its elements are nested too deep" if deepest > _DEEPEST else ""


def _attributes(text: str) -> int:
    return len(re.findall(r"[\s/]+[^\s/]", _QUOTED.sub("", text)))


def _depth(tags: list[re.Match[str]]) -> int:
    """Return the greatest number of elements that are open at once."""
    deepest = 0
    opened: list[str] = []
    for tag in tags:
        name = tag[2].lower()
        group = _GROUP.get(name, frozenset())
        if tag[1]:
            below = len(opened)
            while below and opened[below - 1] != name and opened[below - 1] in _GROUP:
                below -= 1
            if below and opened[below - 1] == name:
                del opened[below - 1 :]
        elif name not in _VOID:
            while opened and opened[-1] in group:
                opened.pop()
            opened.append(name)
            deepest = max(deepest, len(opened))
    return deepest

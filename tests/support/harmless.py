"""What a browser would do with HTML and Markdown, by parsers that the product does not use."""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt

_ACTIVE_TAGS = frozenset(
    """script style iframe object embed form input button svg math img picture video audio link meta
    base frame frameset applet noscript template textarea select""".split()
)
_LOADS_NOTHING = frozenset(
    """text-align vertical-align font-weight font-style font-family color background-color white-space
    text-decoration height width margin padding max-height max-width opacity overflow""".split()
)
_LINK = re.compile(r"https?:|mailto:|#", re.IGNORECASE)
_RENDER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


def active_html(html: str, *, pictures: bool = False) -> list[str]:
    """Return what HTML would run, load or lead to, as browsers parse it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bleach._vendor import html5lib

        root = html5lib.parseFragment(html, container="div", namespaceHTMLElements=False)
    found: list[str] = []
    for node in root.iter():
        tag = node.tag
        if not isinstance(tag, str):
            continue
        name = tag.rpartition("}")[2].lower()
        allowed = name == "img" and pictures
        if (name in _ACTIVE_TAGS and not allowed) or tag.startswith("{"):
            found.append(f"<{tag}>")
        for key, value in node.attrib.items():
            found += _active_attribute(str(key).lower(), str(value), pictures=allowed)
    return found


def _active_attribute(key: str, value: str, *, pictures: bool) -> list[str]:
    shown = f"{key}={value[:80]}"
    if key.startswith(("on", "data-")) or key in (
        "srcdoc",
        "action",
        "formaction",
        "background",
        "ping",
    ):
        return [shown]
    if key in ("href", "xlink:href") and not _LINK.match(value):
        return [shown]
    if key == "src" and not (pictures and value.lower().startswith("data:image/")):
        return [shown]
    return [shown] if key == "style" and _loads(value) else []


def _loads(style: str) -> bool:
    """Return whether a declaration would load something; no colour, font or length is an address."""
    import tinycss2

    return any(
        one.type == "at-rule"
        or (one.type == "declaration" and one.lower_name not in _LOADS_NOTHING)
        for one in tinycss2.parse_declaration_list(style, skip_comments=True, skip_whitespace=True)
        if re.search(r"url\s*\(|image|src\s*\(|expression|\\\\", one.serialize(), re.IGNORECASE)
    )


def raw_html(markdown: str) -> list[str]:
    """Return the tags that a renderer hands on as they stand."""
    tokens = [
        part for token in _RENDER.parse(markdown) for part in (token, *(token.children or ()))
    ]
    return [part.content for part in tokens if part.type in ("html_block", "html_inline")]


def active_markdown(markdown: str) -> list[str]:
    """Return what a browser would take for tags, pictures and links to other than the web."""
    found: list[str] = []
    for token in _RENDER.parse(markdown):
        parts: list[Any] = [token, *(token.children or ())]
        for part in parts:
            if part.type in ("html_block", "html_inline"):
                found.append(part.content)
            elif part.type == "image" and not str(part.attrs["src"]).startswith("data:image/"):
                found.append(str(part.attrs["src"]))
            elif part.type == "link_open" and not _LINK.match(str(part.attrs["href"])):
                found.append(str(part.attrs["href"]))
            elif part.type == "fence" and "mermaid" in part.info.casefold():
                found.append(part.info)
    return found

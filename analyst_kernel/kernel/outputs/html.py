"""HTML, Markdown and LaTeX from a kernel, without anything that acts or loads.

Pure text to text. Tables and plain formatting stay; scripts, styles, handlers, forms, frames,
pictures and links into the server go. Each function also returns a sentence when it took
something away that was not mere styling.
"""

from __future__ import annotations

import re

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span",
    "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr",
    "tt", "u", "ul", "var", "wbr",
}  # fmt: skip
_GONE_WITH_CONTENT = {
    "script", "style", "iframe", "object", "embed", "noscript", "template", "svg", "math", "form",
    "textarea", "select", "button", "title", "head",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start"},
    "table": {"border", "style"},
    "td": {"colspan", "rowspan", "style", "headers"},
    "th": {"colspan", "rowspan", "style", "scope", "valign", "halign"},
    "details": {"open"},
    **{tag: {"style"} for tag in ("thead", "tr", "div", "p", "span", "pre")},
}
_STYLE = {
    "text-align",
    "vertical-align",
    "font-weight",
    "font-style",
    "font-family",
    "color",
    "background-color",
    "white-space",
    "text-decoration",
}
_ACTIVE = re.compile(
    r"</?(script|iframe|object|embed|form|input|button|svg|math|img|picture|video|audio|link|meta|base)\b"
    r"|\son[a-z]{3,20}\s{0,3}=|javascript:|data-commandlinker",
    re.IGNORECASE,
)
_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")
_TEX = re.compile(
    r"\\(?=(href|url|require|class|cssId|style|data|includegraphics|unicode|html[A-Za-z]*)\b)"
)


def clean_html(html: str) -> tuple[str, str]:
    """Return harmless HTML, and a sentence if active or loaded content was removed."""
    import nh3

    clean = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_GONE_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        allowed_classes={"table": {"dataframe"}},
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        filter_style_properties=_STYLE,
        strip_comments=True,
    )
    if _ACTIVE.search(html):
        return clean, "Scripts, forms, pictures or handlers were removed from an HTML output."
    return clean, ""


def clean_markdown(markdown: str) -> tuple[str, str]:
    """Return Markdown whose pictures and raw HTML are shown as text, and a sentence for it."""
    clean = markdown.replace("![", "!\\[")
    clean = _TAG_START.sub("&lt;", clean)
    clean = _TEX.sub("", clean)
    notice = "Pictures or HTML in a Markdown output are shown as text."
    return clean, "" if clean == markdown else notice


def clean_latex(latex: str) -> tuple[str, str]:
    """Return LaTeX without commands that link, load or style, and a sentence if there were any."""
    clean = _TEX.sub("", latex)
    return clean, "" if clean == latex else "Links or loading commands were removed from a formula."

"""The one place where what a kernel sent becomes something that may be shown.

Pure. Takes a hostile MIME bundle and returns one with only harmless content, within the caps, and
one notice for everything that was left out. Nothing else in the package decides about MIME types.
"""

from __future__ import annotations

import binascii
import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel._markdown import harmless_markdown, without_tex_commands
from analyst_kernel._text import printable, shorten
from analyst_kernel.kernel.messages import ErrorMsg, clean_text
from analyst_kernel.kernel.outputs.chart_specs import harmless_spec
from analyst_kernel.kernel.outputs.charts import clean_chart
from analyst_kernel.kernel.outputs.html_shape import too_complex
from analyst_kernel.kernel.outputs.terminal import cut_text
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.outputs import CHART_MIME, ErrorOutput

Notice = tuple[str, str]
"""A code and a sentence for the user."""

_IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_VEGA = re.compile(r"application/vnd\.vega(lite)?\.v[3-9][+.]json")
_PLAIN_JSON = frozenset({"application/json", "application/vnd.dataresource+json"})
_PLOTLY = "application/vnd.plotly.v1+json"
_DEPTH = 64
_MOST_TYPES = 50
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
    "text-align", "vertical-align", "font-weight", "font-style", "font-family", "color",
    "background-color", "white-space", "text-decoration",
}  # fmt: skip
_ACTIVE = re.compile(
    r"</?(script|iframe|object|embed|form|input|button|svg|math|img|picture|video|audio|link|meta|base)\b"
    r"|\son[a-z]{3,20}\s{0,3}=|javascript:|data-commandlinker",
    re.IGNORECASE,
)
_BARE_AMPERSAND = re.compile(r"&(?![A-Za-z#])")
_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """Caps on what one cell may put into a notebook; every cut is reported where it was made.

    Attributes:
        stream_chars: Characters kept of one stream output or one text; half head, half tail.
        bundle_bytes: Bytes kept of one MIME entry (an image as base64, HTML, JSON).
        outputs: Outputs kept per cell; errors come on top.
        total_bytes: Bytes kept of all bundles of one cell together.
        traceback_lines: Lines kept of one traceback.
        pixels: Largest picture, width times height.
    """

    stream_chars: int = 100_000
    bundle_bytes: int = 5_000_000
    outputs: int = 200
    total_bytes: int = 20_000_000
    traceback_lines: int = 400
    pixels: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Bundle:
    """A harmless display bundle, and what was left out of it."""

    data: dict[str, Json]
    metadata: dict[str, Json]
    size: int
    """Bytes of ``data``, about."""
    notices: tuple[Notice, ...] = ()


_PATH = re.compile(r"[^\s:\"'\x1b]+")
_ROOT = re.compile(r"[~/]")
_LIBRARY = re.compile(r"/((?:site|dist)-packages|python3\.\d+)(?=/)")


def sanitise_bundle(
    data: Mapping[str, Any], metadata: Mapping[str, Any], limits: OutputLimits, space: int
) -> Bundle:
    """Return the harmless part of a display bundle; the cell may keep ``space`` more bytes."""
    kept: dict[str, Json] = {}
    notices: list[Notice] = []
    size = 0
    # Small and plain first, so that the text survives where the space ends.
    mimes = sorted(map(str, data), key=lambda name: (name != "text/plain", name))
    if len(mimes) > _MOST_TYPES:
        notices.append(("output_dropped", f"Only {_MOST_TYPES} types of an output were read."))
    for mime in mimes[:_MOST_TYPES]:
        try:
            value, problems = _entry(mime, data.get(mime), limits)
        except (ValueError, RecursionError) as error:
            notices.append(_dropped(mime, str(error) or "it is malformed"))
            continue
        notices.extend(problems)
        if value is None:
            if not (mime == "image/svg+xml" and "image/png" in data):
                notices.append(_dropped(mime, "this type is not shown, it could run code"))
            continue
        weight = _weight(value)
        if weight > limits.bundle_bytes:
            notices.append(_too_big(mime, weight, f"over the limit of {_mb(limits.bundle_bytes)}"))
            continue
        if size + weight > space:
            notices.append(_too_big(mime, weight, "the cell's outputs are full"))
            continue
        kept[mime] = value
        size += weight
    if not kept:
        names = ", ".join(sorted(clean_text(mime[:80]) for mime in data)[:5]) or "no content"
        kept["text/plain"] = f"[output left out: {names}]"
        size = 100
    return Bundle(kept, _metadata(metadata, kept), size, tuple(notices))


def sanitise_error(
    message: ErrorMsg, limits: OutputLimits
) -> tuple[ErrorOutput, tuple[Notice, ...]]:
    """Return an error output within the caps."""
    # A terminal that shows the notebook obeys all but the colours; a browser ignores the rest.
    entries = [printable(entry, colours=True) for entry in message.traceback]
    lines = sum(entry.count("\n") + 1 for entry in entries)
    notices: tuple[Notice, ...] = ()
    if lines > limits.traceback_lines:
        half = limits.traceback_lines // 2
        every = [line for entry in entries for line in entry.split("\n")]
        gone = f"{lines - 2 * half:,} lines"
        entries = [*every[:half], f"… {gone} omitted …", *every[-half:]]
        notices = (("traceback_cut", f"{gone} of a traceback were left out."),)
    budget = max(1_000, limits.stream_chars // max(1, len(entries)))
    cut = [cut_text(_PATH.sub(_without_library, entry), budget) for entry in entries]
    if any(left for _, left in cut):
        notices += (("traceback_cut", "Long lines of a traceback were cut."),)
    value, left = cut_text(printable(message.evalue), limits.stream_chars // 10)
    if left:
        notices += (("error_cut", f"{left} of an error message were left out."),)
    traceback = tuple(text for text, _ in cut)
    return ErrorOutput(
        ename=printable(message.ename[:200]), evalue=value, traceback=traceback
    ), notices


def _without_library(path: re.Match[str]) -> str:
    """Cut from a path where a library lies: it is different on the next machine."""
    text = path[0]
    root = _ROOT.search(text)
    if root is None:
        return text
    libraries = list(_LIBRARY.finditer(text, root.start() + 1))
    if not libraries:
        return text
    return text[: root.start()] + libraries[-1][1] + text[libraries[-1].end() :]


def clean_json(value: object, depth: int = 0) -> Json:
    """Return ``value`` as plain JSON; NaN and infinities become None.

    Raises:
        ValueError: Not JSON, or nested deeper than 64.
    """
    if depth > _DEPTH:
        raise ValueError("it is nested too deep")
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean_text(value)
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [clean_json(item, depth + 1) for item in value]
        case dict():
            return {
                clean_text(str(key)): clean_json(item, depth + 1) for key, item in value.items()
            }
    raise ValueError("it is not JSON")


def _entry(mime: str, value: object, limits: OutputLimits) -> tuple[Json, tuple[Notice, ...]]:
    """Return the harmless form of one entry, or None if the type is not allowed."""
    if mime in _IMAGES:
        return _image(mime, _joined(value), limits), ()
    if mime == CHART_MIME:
        return clean_chart(value), ()
    if mime == "application/geo+json":
        raise ValueError("its map would be loaded from elsewhere")
    if mime in _PLAIN_JSON:
        return clean_json(value), ()
    if mime == _PLOTLY or _VEGA.fullmatch(mime):
        spec, gone = harmless_spec(clean_json(value), vega=mime != _PLOTLY)
        if not gone:
            return spec, ()
        names = ", ".join(dict.fromkeys(gone))
        sentence = f"Content that a chart would load was removed: {shorten(names, 200)}."
        return spec, (("remote_content", sentence),)
    if not mime.startswith("text/"):
        return None, ()
    text = _joined(value)
    if mime == "text/plain":
        short, left = cut_text(text, limits.stream_chars)
        return short, (("text_cut", f"{left} of a text output were left out."),) if left else ()
    if mime not in _CLEANERS:
        return None, ()
    if len(text) > limits.bundle_bytes:
        return text, ()  # left out for its size
    clean, code = _CLEANERS[mime]
    text, active = clean(text)
    return text, ((code, active),) if active else ()


# HTML, Markdown and LaTeX: tables and plain formatting stay; scripts, styles, handlers, forms,
# frames, pictures and links into the server go.


def _clean_html(html: str) -> tuple[str, str]:
    """Return harmless HTML, and a sentence if active or loaded content was removed."""
    import nh3

    if why := too_complex(html):
        raise ValueError(why)
    clean = nh3.clean(
        _BARE_AMPERSAND.sub("&amp;", html),
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


def _clean_markdown(markdown: str) -> tuple[str, str]:
    """Return Markdown whose pictures and raw HTML are links and text, and a sentence for it."""
    clean = harmless_markdown(markdown)
    notice = "Pictures, HTML or links in a Markdown output are shown as text."
    return clean, "" if clean == markdown else notice


def _clean_latex(latex: str) -> tuple[str, str]:
    """Return LaTeX without commands that link, load or style, and a sentence if there were any."""
    clean = without_tex_commands(latex)
    return clean, "" if clean == latex else "Links or loading commands were removed from a formula."


_CLEANERS = {
    "text/html": (_clean_html, "html_cleaned"),
    "text/markdown": (_clean_markdown, "markdown_cleaned"),
    "text/latex": (_clean_latex, "latex_cleaned"),
}
"""Each returns harmless text, and a sentence if it took away something that was no mere styling."""


def _image(mime: str, text: str, limits: OutputLimits) -> str:
    if len(text) > 2 * limits.bundle_bytes:
        return text  # left out for its size
    compact = "".join(text.split())
    if len(compact) > limits.bundle_bytes:
        return compact
    try:
        raw = binascii.a2b_base64(compact, strict_mode=True)
    except binascii.Error:
        raise ValueError("it is not valid base64") from None
    if not raw.startswith(_IMAGES[mime]):
        raise ValueError("its bytes are not of that type")
    if mime == "image/png":
        if len(raw) < 24:
            raise ValueError("it is cut short")
        width, height = struct.unpack(">II", raw[16:24])
        if width * height > limits.pixels:
            raise ValueError(f"it has {width:,} x {height:,} pixels")
    return compact


def _metadata(metadata: Mapping[str, Any], kept: Mapping[str, Json]) -> dict[str, Json]:
    clean: dict[str, Json] = {}
    background = metadata.get("needs_background")
    if background in ("light", "dark"):
        clean["needs_background"] = background
    for mime in _IMAGES:
        given = metadata.get(mime)
        if mime in kept and isinstance(given, Mapping):
            sizes: dict[str, Json] = {
                key: given[key]
                for key in ("width", "height")
                if isinstance(given.get(key), int | float) and 0 < given[key] < 10_000
            }
            if sizes:
                clean[mime] = sizes
    return clean


def _joined(value: object) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        raise ValueError("it is not text")  # noqa: TRY004 - one kind of refusal
    return clean_text(value)


def _weight(value: Json) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value))


def _dropped(mime: str, why: str) -> Notice:
    name = clean_text(mime[:80])
    return ("output_dropped", f"An output of type {name} was left out: {why}.")


def _too_big(mime: str, weight: int, why: str) -> Notice:
    name = clean_text(mime[:80])
    return ("output_too_big", f"An output of type {name} ({_mb(weight)}) was left out: {why}.")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

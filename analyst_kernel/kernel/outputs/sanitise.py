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

from analyst_kernel.kernel.messages import ErrorMsg
from analyst_kernel.kernel.outputs.charts import clean_chart
from analyst_kernel.kernel.outputs.html import clean_html, clean_latex, clean_markdown
from analyst_kernel.kernel.outputs.limits import OutputLimits
from analyst_kernel.kernel.outputs.terminal import cut_text
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.outputs import CHART_MIME, ErrorOutput

Notice = tuple[str, str]
"""A code and a sentence for the user."""

_IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_VEGA = re.compile(r"application/vnd\.vega(lite)?\.v[3-9][+.]json")
_PLAIN_JSON = frozenset(
    {"application/json", "application/vnd.dataresource+json", "application/geo+json"}
)
_PLOTLY = "application/vnd.plotly.v1+json"
_FETCHING = frozenset(
    {"url", "href", "src", "usermeta", "topojsonURL", "plotlyServerURL", "baseURL", "loader"}
)
_ROWS = frozenset({"values", "datasets"})
_REMOTE = re.compile(
    r"\s*([a-z][a-z0-9+.-]*:)?//|\s*(javascript|vbscript|file|blob):", re.IGNORECASE
)
_DEPTH = 64
_CLEANERS = {
    "text/html": (clean_html, "html_cleaned"),
    "text/markdown": (clean_markdown, "markdown_cleaned"),
    "text/latex": (clean_latex, "latex_cleaned"),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A harmless display bundle, and what was left out of it."""

    data: dict[str, Json]
    metadata: dict[str, Json]
    size: int
    """Bytes of ``data``, about."""
    notices: tuple[Notice, ...] = ()


_LIBRARY_PATH = re.compile(r"(?:~|/)[^\s:\"'\x1b]*/((?:site|dist)-packages|python3\.\d+)/")
"""Where a library lies on this machine: nothing to a reader, and different on the next machine."""


def sanitise_bundle(
    data: Mapping[str, Any], metadata: Mapping[str, Any], limits: OutputLimits, space: int
) -> Bundle:
    """Return the harmless part of a display bundle.

    Args:
        data: MIME type to content, as received.
        metadata: The bundle's metadata, as received.
        limits: The caps.
        space: Bytes that this cell may still keep.
    """
    kept: dict[str, Json] = {}
    notices: list[Notice] = []
    size = 0
    # Small and plain first, so that the text survives where the space ends.
    for mime in sorted(map(str, data), key=lambda name: (name != "text/plain", name)):
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
        names = ", ".join(sorted(str(mime)[:80] for mime in data)[:5]) or "no content"
        kept["text/plain"] = f"[output left out: {names}]"
        size = 100
    return Bundle(kept, _metadata(metadata, kept), size, tuple(notices))


def sanitise_error(
    message: ErrorMsg, limits: OutputLimits
) -> tuple[ErrorOutput, tuple[Notice, ...]]:
    """Return an error output within the caps."""
    entries = [_LIBRARY_PATH.sub(r"\1/", entry) for entry in message.traceback]
    lines = sum(entry.count("\n") + 1 for entry in entries)
    notices: tuple[Notice, ...] = ()
    if lines > limits.traceback_lines:
        half = limits.traceback_lines // 2
        every = [line for entry in entries for line in entry.split("\n")]
        gone = f"{lines - 2 * half:,} lines"
        entries = [*every[:half], f"… {gone} omitted …", *every[-half:]]
        notices = (("traceback_cut", f"{gone} of a traceback were left out."),)
    budget = max(1_000, limits.stream_chars // max(1, len(entries)))
    cut = [cut_text(entry, budget) for entry in entries]
    if any(left for _, left in cut):
        notices += (("traceback_cut", "Long lines of a traceback were cut."),)
    value, left = cut_text(message.evalue, limits.stream_chars // 10)
    if left:
        notices += (("error_cut", f"{left} of an error message were left out."),)
    traceback = tuple(text for text, _ in cut)
    return ErrorOutput(ename=message.ename[:200], evalue=value, traceback=traceback), notices


def clean_json(value: object, depth: int = 0) -> Json:
    """Return ``value`` as plain JSON; NaN and infinities become None.

    Raises:
        ValueError: Not JSON, or nested deeper than 64.
    """
    if depth > _DEPTH:
        raise ValueError("it is nested too deep")
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [clean_json(item, depth + 1) for item in value]
        case dict():
            return {str(key): clean_json(item, depth + 1) for key, item in value.items()}
    raise ValueError("it is not JSON")


def _entry(mime: str, value: object, limits: OutputLimits) -> tuple[Json, tuple[Notice, ...]]:
    """Return the harmless form of one entry, or None if the type is not allowed."""
    if mime in _IMAGES:
        return _image(mime, _joined(value), limits), ()
    if mime == CHART_MIME:
        return clean_chart(value), ()
    if mime in _PLAIN_JSON:
        return clean_json(value), ()
    if mime == _PLOTLY or _VEGA.fullmatch(mime):
        gone: list[str] = []
        spec = _without_fetches(clean_json(value), gone, vega=mime != _PLOTLY)
        if gone:
            names = ", ".join(sorted(set(gone))[:5])
            notice = f"Content that a chart would load was removed: {names}."
            return spec, (("remote_content", notice),)
        return spec, ()
    if not mime.startswith("text/"):
        return None, ()
    text = _joined(value)
    if mime == "text/plain":
        short, left = cut_text(text, limits.stream_chars)
        return short, (("text_cut", f"{left} of a text output were left out."),) if left else ()
    if mime not in _CLEANERS:
        return None, ()
    if mime == "text/html" and len(text) > limits.bundle_bytes:
        return text, ()  # left out for its size
    clean, code = _CLEANERS[mime]
    text, active = clean(text)
    return text, ((code, active),) if active else ()


def _image(mime: str, text: str, limits: OutputLimits) -> str:
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


def _without_fetches(spec: Json, gone: list[str], *, vega: bool) -> Json:
    """Remove whatever would make a browser load something; rows of data are left alone."""
    match spec:
        case dict():
            kept: dict[str, Json] = {}
            for key, item in spec.items():
                remote = isinstance(item, str) and _REMOTE.match(item) is not None
                if (key in _FETCHING and (vega or remote)) or (remote and key != "$schema"):
                    gone.append(key)
                elif vega and key in _ROWS:
                    kept[key] = item
                else:
                    kept[key] = _without_fetches(item, gone, vega=vega)
            return kept
        case list():
            return [_without_fetches(item, gone, vega=vega) for item in spec]
    return spec


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
    # A lone surrogate cannot be written to a notebook as UTF-8.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _weight(value: Json) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value))


def _dropped(mime: str, why: str) -> Notice:
    return ("output_dropped", f"An output of type {mime[:80]} was left out: {why}.")


def _too_big(mime: str, weight: int, why: str) -> Notice:
    return ("output_too_big", f"An output of type {mime[:80]} ({_mb(weight)}) was left out: {why}.")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

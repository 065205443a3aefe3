"""Outputs as plain text: display bundles, HTML tables and typed chart data. Pure.

Pictures have no text, except for the axes and series of a chart whose data is known.
"""

from __future__ import annotations

import html as html_entities
import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.outputs import (
    CHART_MIME,
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_TEXT_MIMES = ("text/plain", "text/markdown", "text/latex")
_MOST_ELEMENTS = 8
_MOST_BARS = 12
_FIGURE_REPR = re.compile(r"^<(?:Figure size .*|Axes:.*|.* object at 0x[0-9a-f]+)>$")


def without_ansi(text: str) -> str:
    """Remove terminal colours and titles."""
    return _ANSI.sub("", text)


def output_text(output: Output) -> str:
    """Return the text of an output; of an error, its name and message."""
    match output:
        case StreamOutput():
            return without_ansi(output.text)
        case ErrorOutput():
            return f"{output.ename}: {output.evalue}"
        case DisplayOutput() | ResultOutput():
            return bundle_text(output.data)
        case _:
            assert_never(output)


def bundle_text(data: dict[str, Json]) -> str:
    """Return the best plain text of a display bundle; empty if it is only a picture."""
    for mime in _TEXT_MIMES:
        value = data.get(mime)
        if isinstance(value, str) and value.strip():
            return "" if _FIGURE_REPR.match(value.strip()) else without_ansi(value)
    html = data.get("text/html")
    if isinstance(html, str):
        return html_text(html)
    for mime, value in data.items():
        if mime.endswith("json") and mime != CHART_MIME:
            return str(value)
    return ""


def chart_of(output: Output) -> tuple[str | None, dict[str, Json] | None]:
    """Return an output's PNG (base64, no line breaks) and typed chart data, if any."""
    if not isinstance(output, DisplayOutput | ResultOutput):
        return None, None
    png = output.data.get("image/png")
    data = output.data.get(CHART_MIME)
    return (
        "".join(png.split()) if isinstance(png, str) else None,
        data if isinstance(data, dict) else None,
    )


def html_text(html: str) -> str:
    """Reduce HTML to text: table cells apart by tabs, rows and blocks by line breaks."""
    lines = "".join(_html_pieces(html)).split("\n")
    return "\n".join(line.strip(" \t") for line in lines if line.strip())


_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)|<(?=[!?])")
_TAG_PART = re.compile(r"=\s*([\"'])|>")
_HIDDEN_END = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in ("script", "style")}
_BREAKS = frozenset({"tr", "br", "p", "div", "li", "table", "h1", "h2", "h3"})
_LONG_REFERENCE = re.compile(r"&#[0-9]{8,};?")


def _html_pieces(html: str) -> Iterator[str]:
    """Yield the text of HTML in one pass. A script or a comment that never ends hides the rest.

    The parser of the standard library reads the rest of the text again for each such tag.
    """
    at = 0
    while found := _TAG.search(html, at):
        yield _words(html[at : found.start()])
        at = found.start()
        name = (found[2] or "").lower()
        if html.startswith("<!--", at):
            end = html.find("-->", at + 4)
            at = end + 3 if end >= 0 else len(html)
            continue
        end = _tag_end(html, found.end())
        if end < 0:
            break
        at = end
        if not found[1] and name in _HIDDEN_END:
            end_tag = _HIDDEN_END[name].search(html, at)
            end = _tag_end(html, end_tag.end()) if end_tag else -1
            at = end if end >= 0 else len(html)
        elif not found[1] and name in _BREAKS:
            yield "\n"
        elif found[1] and name in ("td", "th"):
            yield "\t"
    yield _words(html[at:])


def _tag_end(html: str, at: int) -> int:
    """Return where the text after a tag begins, -1 if it never ends; ``at`` is behind its name."""
    while part := _TAG_PART.search(html, at):
        if part[1] is None:
            return part.end()
        at = html.find(part[1], part.end()) + 1
        if at == 0:
            break
    return -1


def _words(text: str) -> str:
    # Python refuses to read a reference of thousands of digits as a number.
    return re.sub(r"\s+", " ", html_entities.unescape(_LONG_REFERENCE.sub("\ufffd", text)))


def json_numbers(value: Json) -> Iterator[float]:
    """Yield every number inside a JSON value, including numbers kept as text."""
    match value:
        case bool() | None:
            return
        case int() | float():
            try:
                yield float(value)
            except OverflowError:
                return
        case str():
            try:
                yield float(value)
            except ValueError:
                return
        case list():
            for item in value:
                yield from json_numbers(item)
        case dict():
            for item in value.values():
                yield from json_numbers(item)
        case _:
            assert_never(value)


def chart_text(data: dict[str, Json]) -> str:
    """Describe a chart's axes and what was plotted (counts, ranges, bars), a few lines."""
    if data.get("type") == "superchart":
        charts = _objects(data, "elements")
        return "\n".join(chart_text(chart) for chart in charts[:_MOST_ELEMENTS])
    head = f"{_word(data, 'type') or 'chart'} {_word(data, 'title')!r}"
    axes = ", ".join(text for text in (_axis(data, "x"), _axis(data, "y")) if text)
    lines = [f"{head}; {axes}" if axes else f"{head}; no axis labels", *_plotted(data)]
    for layer in _objects(data, "layers")[1:_MOST_ELEMENTS]:  # the first is the chart itself
        lines.append(f"over it, {_word(layer, 'type') or 'a chart'}:")
        lines += _plotted(layer)
    return "\n".join(lines)


def _objects(data: dict[str, Json], key: str) -> list[dict[str, Json]]:
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plotted(data: dict[str, Json]) -> list[str]:
    """Describe the contents of one layer: bars, points, boxes, cells of a matrix."""
    lines: list[str] = []
    found = _objects(data, "elements")
    bars = [item for item in found if "value" in item]
    if bars:
        shown = ", ".join(f"{_word(b, 'label')} {_short(b['value'])}" for b in bars[:_MOST_BARS])
        more = f", … {len(bars) - _MOST_BARS} more" if len(bars) > _MOST_BARS else ""
        lines.append(f"{len(bars)} bars: {shown}{more}")
    for item in [item for item in found if "points" in item][:_MOST_ELEMENTS]:
        lines.append(_series(item))
    for item in [item for item in found if "median" in item][:_MOST_ELEMENTS]:
        lines.append(f"box {_word(item, 'label')!r}: median {_short(item['median'])}")
    matrix = data.get("matrix")
    if isinstance(matrix, dict):
        lines.append(_grid(matrix))
    return lines


def _grid(matrix: dict[str, Json]) -> str:
    rows = matrix.get("values")
    cells = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    flat = [value for row in cells for value in row if value is not None]
    text = f"matrix of {len(cells)} rows by {max((len(row) for row in cells), default=0)} columns"
    return f"{text}, values {_span(flat)}" if flat else text


def _axis(data: dict[str, Json], axis: str) -> str:
    label, unit = _word(data, f"{axis}_label"), _word(data, f"{axis}_unit")
    if not label and not unit:
        return ""
    return f"{axis} {label!r}" + (f" in {unit}" if unit else "")


def _series(item: dict[str, Json]) -> str:
    points = item["points"] if isinstance(item["points"], list) else []
    pairs = [p for p in points if isinstance(p, list) and len(p) >= 2]
    text = f"series {_word(item, 'label')!r}: {len(pairs)} points"
    for axis, name in ((0, "x"), (1, "y")):
        values = [pair[axis] for pair in pairs]
        if values:
            text += f", {name} {_span(values)}"
    return text


def _span(values: Sequence[Json]) -> str:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return f"{_short(min(numbers))} to {_short(max(numbers))}"
    return f"{_short(values[0])} to {_short(values[-1])}"


def _short(value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:40]


def _word(data: dict[str, Json], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""

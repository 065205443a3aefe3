"""Outputs as plain text: what a reader without a screen would be given.

Pure; knows MIME bundles and nothing of models. Pictures become nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
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

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07")
_TEXT_MIMES = ("text/plain", "text/markdown", "text/latex")
_FIGURE_REPR = re.compile(r"^<(?:Figure size .*|Axes:.*|.* object at 0x[0-9a-f]+)>$")


def without_ansi(text: str) -> str:
    """Remove terminal colours and titles."""
    return _ANSI.sub("", text)


def output_text(output: Output) -> str:
    """Return what an output says as text; an error says its name and message."""
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
    """Return the best plain text of a display bundle, empty where it is only a picture."""
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
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = ("".join(reader.parts)).split("\n")
    return "\n".join(line.strip(" \t") for line in lines if line.strip())


def json_numbers(value: Json) -> Iterator[float]:
    """Yield every number inside a JSON value, numbers kept as text included."""
    match value:
        case bool() | None:
            return
        case int() | float():
            yield float(value)
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


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in ("tr", "br", "p", "div", "li", "table", "h1", "h2", "h3"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)
        elif tag in ("td", "th"):
            self.parts.append("\t")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))

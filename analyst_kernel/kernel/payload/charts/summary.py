"""One sentence on what a chart shows, for a user who cannot see it."""

from __future__ import annotations

from typing import Any

from analyst_kernel.kernel.payload.charts.values import is_number, short, span

_KINDS = {
    "line": "Line chart",
    "scatter": "Scatter plot",
    "bar": "Bar chart",
    "histogram": "Histogram",
    "box_and_whisker": "Box plot",
    "violin": "Violin plot",
    "pie": "Pie chart",
    "heatmap": "Heat map",
    "hexbin": "Hexagonal bin plot",
    "area": "Area chart",
    "band": "Band",
    "errorbar": "Chart with error bars",
    "stem": "Stem plot",
    "segments": "Chart of segments",
    "contour": "Contour plot",
    "unknown": "Chart of an unknown type",
}
_MOST = 700


def sentence(chart: dict[str, Any]) -> str:
    """Return type, title, axes and main facts of one panel, as one sentence."""
    layers = chart.get("layers") or [chart]
    kind = _KINDS.get(chart["type"], "Chart")
    if chart.get("projection") == "polar":
        kind = f"{kind} in polar coordinates"
    others = [_KINDS.get(layer["type"], "Chart").lower() for layer in layers[1:]]
    if others:
        kind += f" with {' and '.join(dict.fromkeys(others))}"
    text = kind + (f" '{chart['title']}'" if chart.get("title") else "")
    x, y = chart.get("x_label"), chart.get("y_label")
    if chart["type"] != "pie" and (x or y):
        text += f": {y or 'values'} by {x}" if x else f": {y}"
    facts = _facts(chart)
    text += f"; {facts}" if facts else ""
    if chart["type"] == "unknown" and chart.get("warnings"):
        text += f"; {chart['warnings'][0].rstrip('.')}"
    return (text if len(text) <= _MOST else text[: _MOST - 1] + "…") + "."


def _facts(chart: dict[str, Any]) -> str:
    elements, kind = chart["elements"], chart["type"]
    if kind == "pie":
        return _pie(elements)
    if kind in ("box_and_whisker", "violin"):
        medians = _listing([f"{_name(e)} {short(e.get('median'))}" for e in elements], 8)
        return f"{_count(len(elements), 'group')}, medians {medians}"
    if kind == "histogram":
        return _histogram(chart)
    if kind == "bar":
        return _bars(chart)
    if kind == "heatmap":
        rows, columns = chart["matrix"]["shape"]
        return f"{rows} rows by {columns} columns" + _range("values", elements[0].get("_values"))
    if kind == "contour":
        return _count(len(elements), "level")
    return _points(chart)


def _points(chart: dict[str, Any]) -> str:
    elements = chart["elements"]
    if not elements:
        return ""
    named = [element["label"] for element in elements if element["label"]]
    names = f" ({_listing(named, 6)})" if named else ""
    text = f"{len(elements)} series{names}, " if len(elements) > 1 or named else ""
    text += _count(sum(element.get("_count", 0) for element in elements), "point")
    for axis in ("x", "y"):
        text += _range(axis, _joined([element.get(f"_{axis}") for element in elements]))
    return text + _range("values", elements[0].get("_values"))


def _bars(chart: dict[str, Any]) -> str:
    elements, groups = chart["elements"], chart["series"]
    text = _count(len(elements), "bar")
    if len(groups) > 1:
        text += f" in {len(groups)} series ({_listing(groups, 6)})"
    known = [e for e in elements if is_number(e["value"])]
    if len(elements) <= 4:
        return f"{text}: " + _listing([f"{_name(e)} {short(e['value'])}" for e in elements], 4)
    if known:
        high = max(known, key=lambda element: element["value"])
        low = min(known, key=lambda element: element["value"])
        text += f", highest {_name(high)} {short(high['value'])}"
        text += f", lowest {_name(low)} {short(low['value'])}"
    return text


def _histogram(chart: dict[str, Any]) -> str:
    elements = chart["elements"]
    bounds = [element["bin"] for element in elements]
    ends = _joined(bounds)
    text = _count(len({str(bound) for bound in bounds}), "bin")
    if len(chart["series"]) > 1:
        text += f" for {len(chart['series'])} series ({_listing(chart['series'], 6)})"
    if ends:
        text += f" from {short(ends[0])} to {short(ends[1])}"
    known = [e for e in elements if is_number(e["value"])]
    if known:
        high = max(known, key=lambda element: element["value"])
        text += f", highest in {_name(high)} with {short(high['value'])}"
    return text


def _pie(elements: list[dict[str, Any]]) -> str:
    shown = sorted(elements, key=lambda element: -(element.get("share") or 0))
    shares = [f"{_name(e)} {100 * (e.get('share') or 0):.1f} %" for e in shown]
    return f"{_count(len(elements), 'slice')}: {_listing(shares, 6)}"


def _name(element: dict[str, Any]) -> str:
    parts = [str(element.get("label") or ""), str(element.get("group") or "")]
    return " ".join(part for part in parts if part)[:60] or "unnamed"


def _listing(words: list[str], most: int) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(word[:60] for word in words[:most]) + more


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _range(name: str, ends: list[Any] | None) -> str:
    return f", {name} from {short(ends[0])} to {short(ends[-1])}" if ends else ""


def _joined(spans: list[list[Any] | None]) -> list[Any] | None:
    known = [end for ends in spans if ends for end in ends if end is not None]
    return (span(known) or [str(known[0]), str(known[-1])]) if known else None

"""A chart in words, from its typed data, so that no number is ever read off a picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.protocol.base import Json

_MOST_ELEMENTS = 8
_MOST_BARS = 12


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
    """Say what stands in one layer: bars, points, boxes, cells of a matrix."""
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
    points = item["points"]
    pairs = (
        [p for p in points if isinstance(p, list) and len(p) >= 2]
        if isinstance(points, list)
        else []
    )
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

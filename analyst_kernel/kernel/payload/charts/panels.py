"""One panel of a figure as a chart: reads its layers, names its type, reports what is missing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analyst_kernel.kernel.payload.charts.areas import read_areas, read_wedges
from analyst_kernel.kernel.payload.charts.bars import read_bars
from analyst_kernel.kernel.payload.charts.boxes import read_boxes, read_violins
from analyst_kernel.kernel.payload.charts.grids import read_grids
from analyst_kernel.kernel.payload.charts.legends import own_name
from analyst_kernel.kernel.payload.charts.lines import read_containers, read_lines
from analyst_kernel.kernel.payload.charts.points import read_hexagons, read_points
from analyst_kernel.kernel.payload.charts.sheet import Layer, Sheet
from analyst_kernel.kernel.payload.charts.summary import sentence
from analyst_kernel.kernel.payload.charts.values import text_of

BESIDE = ("band", "segments", "contour")
"""Types that accompany a chart of a different type and never name it."""

HEAD: dict[str, Any] = {"version": 1, "library": "matplotlib"}

_READERS = (
    read_boxes,
    read_violins,
    read_bars,
    read_wedges,
    read_grids,
    read_hexagons,
    read_containers,
    read_areas,
    read_lines,
    read_points,
)


def unknown(reason: str, **fields: Any) -> dict[str, Any]:
    """Return a chart without data and why it has none."""
    chart = {**HEAD, "type": "unknown", "title": None, "elements": [], **fields}
    chart["warnings"] = [reason]
    return {**chart, "alt": sentence(chart)}


def title_of(axes: Any) -> str:
    """Return a panel's title, whichever side it stands on."""
    for side in ("center", "left", "right"):
        if words := text_of(axes.get_title(loc=side)):
            return words
    return ""


def is_bare(axes: Any) -> bool:
    """Return whether a panel shows nothing that could be data."""
    return not (axes.lines or axes.patches or axes.collections or axes.images or axes.containers)


def read_panel(axes: Any, records: Any) -> dict[str, Any]:
    """Return one panel as a chart; it still has the private facts of its elements."""
    if axes.name == "3d":
        return unknown("Three-dimensional charts are not read.", title=title_of(axes) or None)
    if axes.name not in ("rectilinear", "polar"):
        what = f"Charts in the projection {axes.name!r} are not read."
        return unknown(what, title=title_of(axes) or None)
    sheet = Sheet(axes, records)
    for read in _READERS:
        read(sheet)
    rest = _note_rest(sheet)
    layers = [layer for _, layer in sorted(sheet.layers, key=lambda pair: pair[0])]
    # The first layer that names the chart leads.
    layers = sorted(_united(layers), key=lambda layer: layer["type"] in BESIDE)
    head: Layer = layers[0] if layers else {"type": "unknown", "elements": [], "series": []}
    if layers and "PatchCollection" in rest:
        # What the panel is about was not read (a map, say); the rest only goes along with it.
        head = {"type": "unknown", "elements": [], "series": []}
        layers = [head, *layers]
    if not layers:
        empty = is_bare(axes) or not sheet.warnings
        sheet.warnings.insert(0, "There is no data in it." if empty else "Its marks are not read.")
    chart: dict[str, Any] = {
        **HEAD,
        "type": head["type"],
        "title": title_of(axes) or None,
        **sheet.x.described(),
        **sheet.y.described(),
    }
    if axes.name == "polar":
        chart["projection"] = "polar"
    chart.update({name: value for name, value in head.items() if name not in chart})
    if len(layers) > 1:
        chart["layers"] = layers
        named = [name for layer in layers for name in layer["series"]]
        chart["series"] = list(dict.fromkeys(named))
    if sheet.references:
        chart["references"] = sheet.references[:100]
    chart["warnings"] = sheet.warnings
    chart["alt"] = sentence(chart)
    return chart


def _united(layers: list[Layer]) -> list[Layer]:
    """Put layers of one type together where they differ in nothing else."""
    found: list[Layer] = []
    for layer in layers:
        mine = {name: layer[name] for name in layer if name not in ("elements", "series")}
        for known in found:
            theirs = {name: known[name] for name in known if name not in ("elements", "series")}
            if mine == theirs and "matrix" not in mine:
                known["elements"] = [*known["elements"], *layer["elements"]]
                known["series"] = list(dict.fromkeys([*known["series"], *layer["series"]]))
                break
        else:
            found.append(dict(layer))
    return found


def _note_rest(sheet: Sheet) -> list[str]:
    """Report which shapes were not read, and return their kinds; spans are references."""
    left: list[str] = []
    for shape in [*sheet.axes.patches, *sheet.axes.collections]:
        if not sheet.is_open(shape) or _is_legend_only(shape):
            continue
        inside = sheet.in_data(shape.get_transform())
        if type(shape).__name__ in ("Rectangle", "Polygon") and inside[0] != inside[1]:
            _span(sheet, shape, "x" if inside[0] else "y")
        elif all(inside) or hasattr(shape, "get_offsets"):
            left.append(type(shape).__name__)
    if left:
        counted = ", ".join(f"{name} ({count})" for name, count in Counter(left).items())
        sheet.warnings.append(f"Shapes that are not in the data: {counted}.")
    return left


def _is_legend_only(shape: Any) -> bool:
    """Return whether a rectangle of no size stands there for the legend's sake."""
    sizes = [getattr(shape, f"get_{side}", None) for side in ("width", "height")]
    return all(size is not None and size() == 0 for size in sizes)


def _span(sheet: Sheet, shape: Any, axis: str) -> None:
    box = shape.get_path().get_extents(shape.get_patch_transform())
    ends = [box.x0, box.x1] if axis == "x" else [box.y0, box.y1]
    scale = sheet.x if axis == "x" else sheet.y
    span = {"axis": axis, "span": scale.values(ends), "label": own_name(shape)}
    sheet.references.append(span)

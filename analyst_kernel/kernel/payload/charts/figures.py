"""A whole figure as typed data: its panels, within the cap on points, ready to be sent.

Of a panel, it reads the layers, names the type, and reports what is missing. Never raises: what
cannot be read is a chart of type ``unknown`` with the reason.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

from analyst_kernel.kernel.payload.charts.areas import read_areas, read_wedges
from analyst_kernel.kernel.payload.charts.bars import read_bars
from analyst_kernel.kernel.payload.charts.boxes import read_boxes, read_violins
from analyst_kernel.kernel.payload.charts.grids import read_grids
from analyst_kernel.kernel.payload.charts.lines import read_containers, read_lines
from analyst_kernel.kernel.payload.charts.points import read_hexagons, read_points
from analyst_kernel.kernel.payload.charts.sheet import Layer, Sheet, own_name
from analyst_kernel.kernel.payload.charts.summary import sentence
from analyst_kernel.kernel.payload.charts.values import MOST_POINTS, chosen, text_of

_MOST_PANELS = 60
_PARALLEL = ("values", "sizes", "ends", "x_low", "x_high", "y_low", "y_high")
_BESIDE = ("band", "segments", "contour")
"""Types that accompany a chart of a different type and never name it."""

_HEAD: dict[str, Any] = {"version": 1, "library": "matplotlib"}

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


def read_figure(figure: Any, records: Any) -> dict[str, Any] | None:
    """Return a matplotlib figure's chart, or None if it has no panel at all.

    ``records`` is artist to what the caller gave (see ``chart_capture.py``).
    """
    panels = [axes for axes in figure.axes if axes.get_visible() and not _is_colorbar(axes)]
    if not panels:
        return _unknown("The figure has no axes.") if figure.get_children()[1:] else None
    bare = [axes for axes in panels if _is_bare(axes) or type(axes).__name__ == "SecondaryAxis"]
    shown = [axes for axes in panels if axes not in bare] or panels[:1]
    notes = []
    if len(shown) > _MOST_PANELS:
        notes.append(f"Only {_MOST_PANELS} of {len(shown)} panels are listed.")
        shown = shown[:_MOST_PANELS]
    if len(bare) < len(panels) and any(_title_of(axes) or axes.texts for axes in bare):
        notes.append(f"{len(bare)} of {len(panels)} panels show no data.")
    charts = [_panel(axes, records) for axes in shown]
    suptitle = getattr(figure, "_suptitle", None)
    title = text_of(suptitle.get_text()) if suptitle is not None else ""
    if len(charts) == 1:
        chart = charts[0]
        if title and not chart["title"]:
            chart["title"] = title
            chart["alt"] = sentence(chart)
        chart["warnings"] = [*chart["warnings"], *notes]
    else:
        chart = {
            **_HEAD,
            "type": "superchart",
            "title": title or None,
            "elements": charts,
            "warnings": notes,
            "alt": _several(title, charts),
        }
    _cap(chart, charts)
    _strip(chart)
    return chart


def _is_colorbar(axes: Any) -> bool:
    return getattr(axes, "_colorbar", None) is not None or axes.get_label() == "<colorbar>"


def _panel(axes: Any, records: Any) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_panel(axes, records)
    except Exception as error:  # noqa: BLE001 - the picture is shown whatever happens here
        return _unknown(f"It could not be read ({type(error).__name__}: {error})."[:300])


def _several(title: str, charts: list[dict[str, Any]]) -> str:
    begin = f"Figure '{title}'" if title else "Figure"
    parts = []
    for chart in charts:
        space = max(80, 900 // len(charts))
        words = chart["alt"].rstrip(".")
        parts.append(words if len(words) <= space else words[: space - 1] + "…")
    return f"{begin} with {len(charts)} charts: {' | '.join(parts)}."


def _elements(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every element of a chart once."""
    found = {id(element): element for element in chart["elements"]}
    for layer in chart.get("layers", []):
        found.update({id(element): element for element in layer["elements"]})
    return list(found.values())


def _cap(chart: dict[str, Any], charts: list[dict[str, Any]]) -> None:
    """Keep at most so many points of a figure, and report what was left out."""
    elements = [element for each in charts for element in _elements(each)]
    drawn = sum(element.get("_count", _weight(element)) for element in elements)
    total = sum(_weight(element) for element in elements)
    if total > MOST_POINTS:
        for element in elements:
            _thin(element, max(1, MOST_POINTS * _weight(element) // total))
        _thin_elements(charts)
    kept = sum(_weight(element) for each in charts for element in _elements(each))
    if kept < max(drawn, total) and not any(each["type"] == "heatmap" for each in charts):
        notice = f"{kept:,} of {max(drawn, total):,} points are listed, evenly spaced; "
        notice += "the picture shows all."
        chart["warnings"] = [*chart["warnings"], notice]


def _weight(element: dict[str, Any]) -> int:
    return max(1, len(element.get("points", ())) + len(element.get("outliers", ())))


def _thin(element: dict[str, Any], space: int) -> None:
    for name in ("points", "outliers"):
        if len(element.get(name, ())) > space:
            position = chosen(len(element[name]), space).tolist()
            if name == "points":
                for column in _PARALLEL:
                    if len(element.get(column, ())) == len(element["points"]):
                        element[column] = [element[column][index] for index in position]
            element[name] = [element[name][index] for index in position]


def _thin_elements(charts: list[dict[str, Any]]) -> None:
    """Leave out elements where there are more of them than points may be."""
    most = max(1, MOST_POINTS // len(charts))
    for chart in charts:
        for holder in [chart, *chart.get("layers", [])]:
            if len(holder["elements"]) > most:
                position = chosen(len(holder["elements"]), most).tolist()
                holder["elements"] = [holder["elements"][index] for index in position]


def _strip(chart: dict[str, Any]) -> None:
    """Remove the facts that served the summary."""
    for holder in [chart, *chart.get("layers", [])]:
        for element in holder["elements"]:
            for name in [name for name in element if name.startswith("_")]:
                del element[name]
            if "layers" in element or "x_ticks" in element:
                _strip(element)
            elif element.get("group") == "" and "value" not in element:
                del element["group"]


def _unknown(reason: str, **fields: Any) -> dict[str, Any]:
    """Return a chart without data and why it has none."""
    chart = {**_HEAD, "type": "unknown", "title": None, "elements": [], **fields}
    chart["warnings"] = [reason]
    return {**chart, "alt": sentence(chart)}


def _title_of(axes: Any) -> str:
    """Return a panel's title, whichever side it stands on."""
    for side in ("center", "left", "right"):
        if words := text_of(axes.get_title(loc=side)):
            return words
    return ""


def _is_bare(axes: Any) -> bool:
    """Return whether a panel shows nothing that could be data."""
    return not (axes.lines or axes.patches or axes.collections or axes.images or axes.containers)


def read_panel(axes: Any, records: Any) -> dict[str, Any]:
    """Return one panel as a chart; it still has the private facts of its elements."""
    if axes.name == "3d":
        return _unknown("Three-dimensional charts are not read.", title=_title_of(axes) or None)
    if axes.name not in ("rectilinear", "polar"):
        what = f"Charts in the projection {axes.name!r} are not read."
        return _unknown(what, title=_title_of(axes) or None)
    sheet = Sheet(axes, records)
    for read in _READERS:
        read(sheet)
    rest = _note_rest(sheet)
    layers = [layer for _, layer in sorted(sheet.layers, key=lambda pair: pair[0])]
    # The first layer that names the chart leads.
    layers = sorted(_united(layers), key=lambda layer: layer["type"] in _BESIDE)
    head: Layer = layers[0] if layers else {"type": "unknown", "elements": [], "series": []}
    if layers and "PatchCollection" in rest:
        # What the panel is about was not read (a map, say); the rest only goes along with it.
        head = {"type": "unknown", "elements": [], "series": []}
        layers = [head, *layers]
    if not layers:
        empty = _is_bare(axes) or not sheet.warnings
        sheet.warnings.insert(0, "There is no data in it." if empty else "Its marks are not read.")
    chart: dict[str, Any] = {
        **_HEAD,
        "type": head["type"],
        "title": _title_of(axes) or None,
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

"""Filled areas: bands between two curves, areas over a base, stacks; slices of pies and rings."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.sheet import Sheet, own_name
from analyst_kernel.kernel.payload.charts.values import (
    chosen,
    floats,
    listed,
    scalar,
    text_of,
    xy_of,
)

Curve = tuple[Any, Any, Any, str]
"""Positions, the curve that was given first, the other one, and the direction it runs."""


def read_areas(sheet: Sheet) -> None:
    """Read the polygons that ``fill_between`` and its relatives make."""
    areas: list[tuple[Any, Curve]] = []
    for shape in sheet.axes.collections:
        families = {cls.__name__ for cls in type(shape).__mro__}
        if "PolyCollection" not in families or not sheet.is_open(shape):
            continue
        if shape.get_array() is not None or not all(sheet.in_data(shape.get_transform())):
            continue
        curve = curve_of(shape)
        if curve is not None:
            sheet.use(shape)
            areas.append((shape, curve))
    stacked = _stacked([curve for _, curve in areas])
    over_base: list[dict[str, Any]] = []
    bands: list[dict[str, Any]] = []
    first: dict[str, Any] = {}
    for position, (shape, (along, one, other, way)) in enumerate(areas):
        low, high = np.fmin(one, other), np.fmax(one, other)
        label = sheet.names.named(shape)
        base = _base(one, other)
        if stacked or base is not None:
            edge = high if stacked else one if base is other else other
            outlines = _outlines(sheet, along, edge, way)
            sheet.use(*outlines)
            label = label or next((name for name in map(own_name, outlines) if name), "")
            value = _rounded(high - low) if stacked else edge
            over_base.append(_area(sheet, label, along, value, way))
            first.setdefault("area", shape)
        else:
            bands.append(_band(sheet, label, along, (low, high), way))
            first.setdefault("band", shape)
        if position >= 200:
            sheet.warnings.append(f"Only 200 of {len(areas)} areas are listed.")
            break
    if over_base:
        sheet.add("area", over_base, first["area"], stacked=stacked or None)
    if bands:
        sheet.add("band", bands, first["band"])


def curve_of(shape: Any) -> Curve | None:
    """Return the two curves between which a polygon lies, or None if it is a different shape."""
    pieces: list[Curve] = []
    for path in shape.get_paths():
        points = floats(path.vertices)
        if len(points) % 2:  # the last one closes it
            points = points[:-1]
        count = (len(points) - 2) // 2
        if count < 1 or len(points) != 2 * count + 2:
            return None
        there, back = points[1 : count + 1], points[count + 2 : 2 * count + 2][::-1]
        if np.allclose(there[:, 0], back[:, 0], rtol=0, atol=0, equal_nan=True):
            pieces.append((there[:, 0], there[:, 1], back[:, 1], "vertical"))
        elif np.allclose(there[:, 1], back[:, 1], rtol=0, atol=0, equal_nan=True):
            pieces.append((there[:, 1], there[:, 0], back[:, 0], "horizontal"))
        else:
            return None
    if not pieces or len({piece[3] for piece in pieces}) != 1:
        return None
    along, one, other = (np.concatenate([piece[part] for piece in pieces]) for part in range(3))
    return along, one, other, pieces[0][3]


def _base(one: Any, other: Any) -> Any:
    """Return the straight curve at zero, if one is."""
    for curve in (other, one):
        if len(curve) and bool((curve == 0).all()):
            return curve
    return None


def _stacked(curves: list[Curve]) -> bool:
    """Return whether each area stands on the one before it."""
    if len(curves) < 2:
        return False
    for below, above in itertools.pairwise(curves):
        if below[3] != above[3] or not np.array_equal(below[0], above[0]):
            return False
        top = np.fmax(below[1], below[2])
        if not np.allclose(top, np.fmin(above[1], above[2]), equal_nan=True):
            return False
    return True


def _rounded(values: Any) -> Any:
    """Remove the noise of a subtraction."""
    finite = np.abs(values[np.isfinite(values)])
    greatest = float(finite.max()) if finite.size else 0.0
    if greatest == 0.0:
        return values
    return np.round(values, int(12 - np.ceil(np.log10(greatest))))


def _area(sheet: Sheet, label: str, along: Any, value: Any, way: str) -> dict[str, Any]:
    return sheet.points(label, *((along, value) if way == "vertical" else (value, along)))


def _band(sheet: Sheet, label: str, along: Any, ends: tuple[Any, Any], way: str) -> dict[str, Any]:
    """Return a band as points of three: position, low, high."""
    low, high = ends
    element = _area(sheet, label, along, low, way)
    position = chosen(len(along), max(1, len(element["points"])))
    scales = (sheet.x, sheet.y) if way == "vertical" else (sheet.y, sheet.x)
    columns = [scales[0].values(along[position]), listed(low[position]), listed(high[position])]
    element["points"] = [list(point) for point in zip(*columns)]  # noqa: B905 - a kernel may be older
    element["columns"] = ["x" if way == "vertical" else "y", "low", "high"]
    both = np.concatenate([low, high])
    finite = both[np.isfinite(both)]
    ends_of_all = listed([finite.min(), finite.max()]) if finite.size else None
    element["_y" if way == "vertical" else "_x"] = ends_of_all
    return element


def _outlines(sheet: Sheet, along: Any, edge: Any, way: str) -> list[Any]:
    """Return the lines that run exactly along the edge of an area."""
    found = []
    for line in sheet.axes.lines:
        x, y = xy_of(line)
        across, up = (x, y) if way == "vertical" else (y, x)
        if len(across) == len(along) and np.array_equal(across, along, equal_nan=True):
            if np.allclose(up, edge, equal_nan=True):
                found.append(line)
    return found


def read_wedges(sheet: Sheet) -> None:
    """Read the wedges of a panel as slices."""
    wedges = [w for w in sheet.axes.patches if type(w).__name__ == "Wedge" and sheet.is_open(w)]
    if not wedges:
        return
    sheet.use(*wedges)
    entries = sheet.names.entries
    from_legend = [name for name, _ in entries] if len(entries) == len(wedges) else []
    rings = {(round(float(w.r), 9), w.width) for w in wedges}
    elements = []
    for position, wedge in enumerate(wedges):
        record = sheet.records.get(wedge, {})
        angle = abs(float(wedge.theta2) - float(wedge.theta1))
        name = text_of(record.get("label") or "") or own_name(wedge)
        if not name and from_legend:
            name = from_legend[position]
        element: dict[str, Any] = {
            "label": name or sheet.names.named(wedge),
            "angle": scalar(round(angle, 9)),
            "radius": scalar(float(wedge.r)),
            "share": scalar(round(angle / 360, 9)),
        }
        if "value" in record:
            element["value"] = scalar(record["value"])
        if wedge.width is not None:
            element["inner_radius"] = scalar(float(wedge.r) - float(wedge.width))
        if len(rings) > 1:
            element["group"] = f"ring with radius {float(wedge.r):.4g}"
        elements.append(element)
    sheet.add("pie", elements, wedges[0])
